//! `trapline board` in a process of its own.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read},
    path::Path,
    process::{Child, ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::Kind;
use crate::{host::tether, simulator::Board, workspace};

/// How long the tool may take for anything, on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(20);
/// The file that describes the simulated chips.
pub(crate) const DESCRIPTION: &str = "probe-bridge/simulator/simulated-boards.yaml";

/// The tool, debugging a board.
pub(super) struct Tool {
    process: Child,
    lines: Receiver<String>,
    said: Vec<String>,
}

impl Tool {
    /// Starts it on a board that speaks as a Glasgow Interface Explorer does.
    pub(super) fn start(board: &Board, kind: Kind, firmware: &Path, more: &[&str]) -> Result<Self> {
        Self::start_with(board, kind, firmware, more, false)
    }

    /// As [`Self::start`], with a terminal for what is no result. What is drawn there again and again counts as lines.
    pub(super) fn start_on_terminal(
        board: &Board,
        kind: Kind,
        firmware: &Path,
        more: &[&str],
    ) -> Result<Self> {
        Self::start_with(board, kind, firmware, more, true)
    }

    fn start_with(board: &Board, kind: Kind, firmware: &Path, more: &[&str], terminal: bool) -> Result<Self> {
        let tool = workspace::build_here(&["--package=trapline-probe", "--bin=trapline"])?;
        let mut command = tether::to_self(tool.as_os_str());
        command.args(["board", "--chip", kind.chip(), "--chip-description-path"]);
        command.arg(workspace::root().join(DESCRIPTION));
        command.args(["--probe", &format!("20b7:9db1:tcp:127.0.0.1:{}", board.port())]);
        command.arg("--symbols").arg(firmware).args(more);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let master = if terminal {
            let (master, slave) = open_terminal()?;
            command.stderr(slave).env("TERM", "xterm");
            Some(master)
        } else {
            command.stderr(Stdio::piped());
            None
        };
        let mut process = command.spawn().context("cannot start trapline")?;
        // With the command its end of the terminal goes.
        drop(command);
        let (sender, lines) = channel();
        let (stdout, stderr) = (process.stdout.take(), process.stderr.take());
        read(stdout, sender.clone());
        read(stderr, sender.clone());
        read(master, sender);
        Ok(Self { process, lines, said: Vec::new() })
    }

    /// Waits for a line with this text.
    pub(super) fn wait_for(&mut self, text: &str) -> Result<String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.said.push(line.clone());
                    if line.contains(text) {
                        return Ok(line);
                    }
                }
                Err(RecvTimeoutError::Timeout) => bail!("no {text:?} in time; said was:\n{}", self.said()),
                Err(RecvTimeoutError::Disconnected) => {
                    bail!("it has ended without {text:?}; said was:\n{}", self.said())
                }
            }
        }
    }

    /// Sends it a signal.
    pub(super) fn signal(&self, signal: Signal) -> Result<()> {
        let pid =
            i32::try_from(self.process.id()).ok().and_then(Pid::from_raw).context("no process number")?;
        // It has not been waited for, so the number is still its own.
        kill_process(pid, signal).context("the tool cannot be signalled")
    }

    /// Waits for its end; how it ended, and all that it has said.
    pub(super) fn end(mut self) -> Result<(ExitStatus, Vec<String>)> {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.process.try_wait()? {
                break status;
            }
            if Instant::now() > deadline {
                bail!("it does not end; said was:\n{}", self.said());
            }
            thread::sleep(POLL);
        };
        // The readers end with the pipes.
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            self.said.push(line);
        }
        Ok((status, std::mem::take(&mut self.said)))
    }

    fn said(&self) -> String {
        self.said.join("\n")
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A terminal: the end that shows, and the end for a program.
fn open_terminal() -> Result<(File, File)> {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).context("no terminal can be had")?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let name = ptsname(&master, Vec::new())?.into_string().context("the terminal's name is no text")?;
    let slave = File::options().read(true).write(true).open(&name).with_context(|| name.clone())?;
    Ok((master.into(), slave))
}

/// Hands the lines of a pipe on, or of a terminal, where a line may end as it is drawn anew.
fn read(pipe: Option<impl Read + Send + 'static>, lines: Sender<String>) {
    let Some(pipe) = pipe else { return };
    thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        // A terminal whose other end is closed fails.
        while let Ok(bytes) = pipe.fill_buf()
            && !bytes.is_empty()
        {
            let count = bytes.len();
            for &byte in bytes {
                if byte != b'\n' && byte != b'\r' {
                    line.push(byte);
                } else if !line.is_empty()
                    && lines.send(String::from_utf8_lossy(&std::mem::take(&mut line)).into_owned()).is_err()
                {
                    return;
                }
            }
            pipe.consume(count);
        }
        if !line.is_empty() {
            // Nobody may listen any more.
            let _ = lines.send(String::from_utf8_lossy(&line).into_owned());
        }
    });
}
