//! A simulated board in a process of its own.

use std::{
    ffi::OsStr,
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

use crate::{host::tether, workspace};

/// How long the simulator may take to notice that a client has left.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(5);

/// A simulated board that waits for a client.
pub(crate) struct Board {
    process: Child,
    port: u16,
    directory: TempDir,
}

/// A register write of a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Write {
    /// The access port that it went through.
    pub(crate) access_port: u8,
    /// Where to.
    pub(crate) address: u64,
    /// What.
    pub(crate) value: u32,
}

impl Board {
    /// Starts the simulator with a program.
    pub(crate) fn start(kind: &str, protocol: &str, program: &Path) -> Result<Self> {
        Self::start_with(kind, protocol, Some(program), &[])
    }

    /// Starts the simulator with a program, behind a probe that takes so long for each transfer.
    pub(crate) fn start_slow(kind: &str, protocol: &str, program: &Path, delay: Duration) -> Result<Self> {
        let delay = format!("--delay={}", delay.as_micros());
        Self::start_with(kind, protocol, Some(program), &[&delay])
    }

    /// Starts a simulator that has a program of its own.
    pub(crate) fn start_alone(kind: &str, protocol: &str) -> Result<Self> {
        Self::start_with(kind, protocol, None, &[])
    }

    fn start_with(kind: &str, protocol: &str, program: Option<&Path>, more: &[&str]) -> Result<Self> {
        let simulator = workspace::build_here(&["--package=trapline-simulator"])?;
        let directory = TempDir::new().context("cannot make a temporary directory")?;
        let mut command = tether::to_self(simulator.as_os_str());
        command.args(["--board", kind, "--protocol", protocol]).args(more);
        if let Some(program) = program {
            command.arg("--kernel").arg(program);
        }
        command.arg("--writes").arg(directory.path().join("writes"));
        command.arg("--serial").arg(directory.path().join("serial"));
        let mut process = command.stderr(Stdio::piped()).spawn().context("cannot start the simulator")?;
        let said = process.stderr.take().context("the simulator has no standard error")?;
        let mut line = String::new();
        BufReader::new(said).read_line(&mut line)?;
        let Some((_, port)) = line.trim_end().rsplit_once(':') else {
            bail!("the simulator does not say where it listens, but: {line}");
        };
        let port = port.parse().with_context(|| format!("the simulator listens at {line}"))?;
        Ok(Self { process, port, directory })
    }

    /// The port of 127.0.0.1 that it listens on.
    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// The file that the board's serial output goes to.
    pub(crate) fn serial_file(&self) -> PathBuf {
        self.directory.path().join("serial")
    }

    /// OpenOCD's commands that reach it.
    pub(crate) fn adapter(&self) -> String {
        format!(
            "adapter driver remote_bitbang\nremote_bitbang host 127.0.0.1\nremote_bitbang port {}\n\
             adapter speed 10000\ntransport select jtag\ntcl_port disabled\ntelnet_port disabled\n",
            self.port
        )
    }

    /// A file for the board's clients.
    pub(crate) fn file(&self, name: impl AsRef<OsStr>, contents: &str) -> Result<PathBuf> {
        let path = self.directory.path().join(name.as_ref());
        fs::write(&path, contents).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    /// What the last client has written that has left since this was last asked.
    pub(crate) fn writes(&self) -> Result<Vec<Write>> {
        let path = self.directory.path().join("writes");
        let deadline = Instant::now() + PATIENCE;
        while !path.exists() && Instant::now() < deadline {
            thread::sleep(POLL);
        }
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        text.lines().map(|line| parse(line).with_context(|| format!("not a write: {line}"))).collect()
    }

    /// What the board has sent on its serial line.
    pub(crate) fn serial(&self) -> Result<String> {
        Ok(fs::read_to_string(self.serial_file())?)
    }
}

fn parse(line: &str) -> Option<Write> {
    let mut words = line.split(' ');
    let hexadecimal = |word: &str| u64::from_str_radix(word.strip_prefix("0x")?, 16).ok();
    Some(Write {
        access_port: words.next()?.parse().ok()?,
        address: hexadecimal(words.next()?)?,
        value: hexadecimal(words.next()?)?.try_into().ok()?,
    })
}

impl Drop for Board {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
