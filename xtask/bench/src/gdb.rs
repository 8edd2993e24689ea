//! gdb itself as the client of either server.

use std::{
    net::SocketAddr,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};

use crate::guest::Guest;

/// What gdb does to be measured.
pub(crate) struct Work {
    /// Its commands before it, and the one that is measured.
    before: Vec<String>,
    measured: String,
}

impl Work {
    /// Single steps, of which it shows the last.
    pub(crate) fn steps(count: u32) -> Self {
        Self { before: Vec::new(), measured: format!("stepi {count}") }
    }

    /// Hits of a breakpoint whose condition is true once in `count` times, a power of two.
    pub(crate) fn condition(guest: &Guest, count: u32) -> Self {
        // Behind the load of the counter.
        let address = guest.function + 4;
        let condition = format!("hbreak *{address:#x} if ($x1 & {:#x}) == 0", count - 1);
        Self { before: vec![condition, "continue".into()], measured: "continue".into() }
    }

    /// Lets the gdb that `command` starts do it with a server.
    pub(crate) fn run(&self, command: &str, server: SocketAddr) -> Result<Duration> {
        let mut words = command.split_whitespace();
        let mut gdb = Command::new(words.next().context("the command of gdb is empty")?);
        gdb.args(words).args(["-nx", "-q", "-batch", "-iex", "set architecture aarch64"]);
        // It tells the time of commands in a file alone. At its end it would kill the guest.
        let mut script = format!("target remote {server}\n");
        for line in self.before.iter().map(String::as_str).chain(["maint time 1", &*self.measured, "detach"])
        {
            script.push_str(line);
            script.push('\n');
        }
        let file = std::env::temp_dir().join("script.gdb");
        std::fs::write(&file, script).context("gdb's script cannot be written")?;
        gdb.arg("-x").arg(&file);
        let output = gdb.stdin(Stdio::null()).output().context("gdb cannot be started")?;
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "gdb failed: {said}");
        time(&said).with_context(|| format!("gdb tells no time: {said}"))
    }
}

/// How long the first command took that it told the time of.
fn time(said: &str) -> Option<Duration> {
    let line = said.lines().find(|line| line.contains("Command execution time: "))?;
    let wall = line.split_once("(cpu), ")?.1.split_once(" (wall)")?.0;
    wall.trim().parse().ok().map(Duration::from_secs_f64)
}
