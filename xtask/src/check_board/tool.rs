//! `trapline board` in a process of its own.

use std::{
    io::{BufRead as _, BufReader, Read},
    path::Path,
    process::{Child, ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

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
        let tool = workspace::build_here(&["--package=trapline-probe", "--bin=trapline"])?;
        let mut command = tether::to_self(tool.as_os_str());
        command.args(["board", "--chip", kind.chip(), "--chip-description-path"]);
        command.arg(workspace::root().join(DESCRIPTION));
        command.args(["--probe", &format!("20b7:9db1:tcp:127.0.0.1:{}", board.port())]);
        command.arg("--symbols").arg(firmware).args(more);
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start trapline")?;
        let (sender, lines) = channel();
        let (stdout, stderr) = (process.stdout.take(), process.stderr.take());
        read(stdout, sender.clone());
        read(stderr, sender);
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

/// Hands the lines of a pipe on.
fn read(pipe: Option<impl Read + Send + 'static>, lines: Sender<String>) {
    let Some(pipe) = pipe else { return };
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if lines.send(line).is_err() {
                break;
            }
        }
    });
}
