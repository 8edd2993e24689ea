//! `trapline guest` as a child, and what it says.

use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::programs::Guest;
use crate::wire::Wire;

/// How long anything may take, on an emulated machine that others use.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// What a planted `BRK` looks like in memory: `BRK #0x544c`.
pub(crate) const PLANTED: &str = "80892ad4";

/// Where tools come from.
pub(crate) struct Tools {
    program: PathBuf,
    this: PathBuf,
    directory: TempDir,
}

/// A tool at work. It ends with this.
pub(crate) struct Tool {
    child: Child,
    said: Receiver<String>,
    /// All that was said so far.
    pub(crate) lines: Vec<String>,
    /// Where gdb is served.
    pub(crate) address: String,
}

/// How a tool is started.
#[derive(Clone, Copy, Default)]
pub(crate) struct Start<'a> {
    /// Beside a kernel and where gdb is served.
    pub(crate) arguments: &'a [&'a str],
    /// Where the serial port goes; nowhere if it is empty.
    pub(crate) serial: &'a str,
    /// The ioctl that fails, by name.
    pub(crate) fails: Option<&'a str>,
}

impl Tools {
    pub(crate) fn new(program: PathBuf) -> Result<Self> {
        let this = std::env::current_exe().context("this program's own file")?;
        Ok(Self { program, this, directory: tempfile::tempdir()? })
    }

    /// The program itself.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// Where files can be put.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The command for a guest.
    pub(crate) fn command(&self, guest: &Guest, start: Start<'_>) -> Result<Command> {
        let kernel = self.directory.path().join("guest");
        fs::write(&kernel, &guest.bytes)?;
        let mut command = match start.fails {
            Some(ioctl) => {
                let mut command = Command::new(&self.this);
                command.args(["fail", ioctl]).arg(&self.program);
                command
            }
            None => Command::new(&self.program),
        };
        command.arg("guest").arg("-v").arg("--kernel").arg(kernel);
        command.args(["--flat=0x40000000", "--memory=8", "--gdb=127.0.0.1:0", "--serial"]);
        command.arg(if start.serial.is_empty() { "/dev/null" } else { start.serial }).args(start.arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        Ok(command)
    }

    /// Starts a guest and waits until gdb is served for it.
    pub(crate) fn start(&self, guest: &Guest) -> Result<Tool> {
        self.start_with(guest, Start::default())
    }

    /// As [`Self::start`].
    pub(crate) fn start_with(&self, guest: &Guest, start: Start<'_>) -> Result<Tool> {
        Tool::of(self.command(guest, start)?)
    }
}

impl Tool {
    /// Waits until a command serves gdb.
    pub(crate) fn of(command: Command) -> Result<Self> {
        let mut tool = Self::spawn(command)?;
        let line = tool.wait_for("target remote")?;
        tool.address = line.rsplit(' ').next().unwrap_or_default().to_owned();
        Ok(tool)
    }

    /// Starts a command that may not come so far.
    pub(crate) fn spawn(mut command: Command) -> Result<Self> {
        let mut child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        let stderr = child.stderr.take().context("no standard error")?;
        Ok(Self { child, said: lines_of(stderr), lines: Vec::new(), address: String::new() })
    }

    /// The same; what is waited for may come on standard output as well.
    pub(crate) fn with_output(mut command: Command) -> Result<Self> {
        let (reader, writer) = std::io::pipe()?;
        command.stdout(writer.try_clone()?).stderr(writer);
        let child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        Ok(Self { child, said: lines_of(reader), lines: Vec::new(), address: String::new() })
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Types on its standard input.
    pub(crate) fn type_in(&mut self, text: &[u8]) -> Result<()> {
        Ok(self.child.stdin.as_mut().context("no standard input")?.write_all(text)?)
    }

    /// Takes the address out of what a command says, and nothing more.
    pub(crate) fn without_reader(mut command: Command, said: impl Read) -> Result<Self> {
        let child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        // The command has the other end as well.
        drop(command);
        let lines = BufReader::new(said).lines().map_while(Result::ok);
        let line = lines.into_iter().find(|line| line.contains("target remote")).context("it ended")?;
        let address = line.trim_end().rsplit(' ').next().unwrap_or_default().to_owned();
        Ok(Self { child, said: channel().1, lines: Vec::new(), address })
    }

    /// A client.
    pub(crate) fn client(&self) -> Result<Wire> {
        Wire::connect(&self.address, PATIENCE).with_context(|| format!("{:#?}", self.lines))
    }

    /// The first line with this text that has not been waited for.
    pub(crate) fn wait_for(&mut self, text: &str) -> Result<String> {
        self.wait_within(text, PATIENCE)
    }

    /// The same, where it may take longer.
    pub(crate) fn wait_within(&mut self, text: &str, patience: Duration) -> Result<String> {
        let deadline = Instant::now() + patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.said.recv_timeout(left) {
                Ok(line) => {
                    self.lines.push(line.clone());
                    if line.contains(text) {
                        return Ok(line);
                    }
                }
                Err(RecvTimeoutError::Timeout) => bail!("it does not say {text:?}, but {:#?}", self.lines),
                Err(RecvTimeoutError::Disconnected) => {
                    let status = self.child.wait()?;
                    bail!("it ended with {status} and did not say {text:?}, but {:#?}", self.lines)
                }
            }
        }
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("no process")?;
        Ok(kill_process(pid, signal)?)
    }

    /// Waits until it has ended, and for the last it says.
    pub(crate) fn wait(&mut self) -> Result<ExitStatus> {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            ensure!(Instant::now() < deadline, "it does not end");
            thread::sleep(Duration::from_millis(20));
        };
        self.lines.extend(self.said.iter());
        Ok(status)
    }

    /// Waits for this exit status. A panic is none.
    pub(crate) fn ends_with(&mut self, status: i32) -> Result<()> {
        let ended = self.wait()?;
        ensure!(
            ended.code() == Some(status) && ended.signal().is_none(),
            "it ended with {ended}, not {status}: {:#?}",
            self.lines
        );
        let panics = self.lines.iter().any(|line| line.contains("panicked"));
        ensure!(!panics, "a panic: {:#?}", self.lines);
        Ok(())
    }

    /// Ends it as a service manager does.
    pub(crate) fn end(mut self) -> Result<()> {
        self.signal(Signal::TERM)?;
        self.ends_with(143)
    }
}

/// The lines of a stream as they come, with what is no text in them replaced.
fn lines_of(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (send, said) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line);
            if send.send(line.trim_end_matches('\r').to_owned()).is_err() {
                break;
            }
        }
    });
    said
}

impl Drop for Tool {
    fn drop(&mut self) {
        // It may have ended, and has been waited for then.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
