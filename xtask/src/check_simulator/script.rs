//! Scripts of OpenOCD, and what they say.

use std::{
    fmt::Write as _,
    path::Path,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{
    host::tether,
    simulator::{Board, Write},
    workspace,
};

/// How long a client may take for its whole script.
const LIMIT: Duration = Duration::from_secs(120);
/// How often it is asked whether it has ended.
const POLL: Duration = Duration::from_millis(20);
/// What lines for this program begin with.
const MARK: &str = "trapline: ";

/// A script of OpenOCD's that says values, and what each must be.
pub(super) struct Script {
    text: String,
    expected: Vec<(String, String)>,
    halts: Vec<String>,
}

impl Script {
    /// A script that begins with these commands.
    pub(super) fn new(commands: &str) -> Self {
        Self { text: format!("{commands}\n"), expected: Vec::new(), halts: Vec::new() }
    }

    /// Commands that say nothing.
    pub(super) fn run(&mut self, commands: &str) {
        let _ = writeln!(self.text, "{commands}");
    }

    /// What a Tcl expression must give.
    pub(super) fn expect(&mut self, what: &str, expression: &str, value: impl ToString) {
        let _ = writeln!(self.text, "echo \"{MARK}{what}=[{expression}]\"");
        self.expected.push((what.to_owned(), value.to_string()));
    }

    /// What a register of a target must hold.
    pub(super) fn expect_register(&mut self, target: &str, register: &str, value: u64) {
        let what = format!("{register} after command {}", self.text.lines().count());
        let expression = format!("dict get [{target} get_reg -force {register}] {register}");
        self.expect(&what, &format!("format %x [{expression}]"), format_args!("{value:x}"));
    }

    /// Why a target must halt, from the first time to the last.
    pub(super) fn expect_halts(&mut self, target: &str, reasons: &[&str]) {
        self.halts = reasons.iter().map(|reason| format!("{target} halted due to {reason}")).collect();
    }

    /// Lets OpenOCD play it, and compares.
    pub(super) fn play(mut self, board: &Board) -> Result<()> {
        self.run("shutdown");
        let file = board.file("script.cfg", &self.text)?;
        let mut command = tether::to_self(&workspace::program("openocd"));
        command.arg("-f").arg(&file);
        let output = wait(&mut command)?;
        let said = String::from_utf8_lossy(&output.stderr);
        let mut values = said.lines().filter_map(|line| line.strip_prefix(MARK));
        for (what, value) in &self.expected {
            let wanted = format!("{what}={value}");
            let seen = values.next().unwrap_or("nothing");
            ensure!(seen == wanted, "expected {wanted}, and seen {seen}; OpenOCD says:\n{said}");
        }
        let halts: Vec<_> = said.lines().filter_map(halt).collect();
        let halts: Vec<_> = match self.halts.first().and_then(|halt| halt.split_once(' ')) {
            Some((target, _)) => halts.into_iter().filter(|halt| halt.starts_with(target)).collect(),
            None => Vec::new(),
        };
        ensure!(
            halts == self.halts,
            "expected {:#?}, and seen {halts:#?}; OpenOCD says:\n{said}",
            self.halts
        );
        let error = said.lines().find(|line| line.starts_with("Error"));
        ensure!(error.is_none(), "OpenOCD reports an error:\n{said}");
        Ok(())
    }
}

/// The target and the reason of OpenOCD's line about a halt.
fn halt(line: &str) -> Option<String> {
    let (target, rest) = line.split_once(" halted ")?;
    let (reason, _) = rest.split_once("due to ")?.1.split_once(',')?;
    Some(format!("{target} halted due to {reason}"))
}

/// Lets gdb run commands, on OpenOCD at the other end of a pipe, and answers what it says.
pub(super) fn gdb(board: &Board, configuration: &Path, elf: &Path, commands: &[&str]) -> Result<String> {
    let log = board.file("openocd.log", "")?;
    let openocd = workspace::program("openocd");
    let pipe = format!(
        "target extended-remote | {} -c 'gdb_port pipe; log_output {}' -f {}",
        openocd.display(),
        log.display(),
        configuration.display()
    );
    gdb_on(&pipe, elf, commands)
}

/// Lets gdb run commands after the one by which it reaches its target, and answers what it says.
pub(crate) fn gdb_on(target: &str, elf: &Path, commands: &[&str]) -> Result<String> {
    let mut command = tether::to_self(&workspace::program("gdb-multiarch"));
    command.args(["-nx", "-batch", "-iex", "set debuginfod enabled off", "-ex", "set remotetimeout 60"]);
    command.args(["-ex", target]);
    for line in commands {
        command.args(["-ex", line]);
    }
    let output = wait(command.arg(elf))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr))
}

/// Whether what was said has these texts, in this order.
pub(crate) fn expect_in_order(said: &str, texts: &[&str]) -> Result<()> {
    let mut rest = said;
    for text in texts {
        let Some((_, after)) = rest.split_once(text) else {
            bail!("gdb does not say {text:?} where it must; it says:\n{said}");
        };
        rest = after;
    }
    Ok(())
}

/// Whether a client has written these values to registers through an access port, in this order.
pub(crate) fn expect_writes(writes: &[Write], access_port: u8, wanted: &[(u64, u32)]) -> Result<()> {
    let mut writes = writes.iter().filter(|write| write.access_port == access_port);
    for &(address, value) in wanted {
        let found = writes.any(|write| write.address == address && write.value == value);
        ensure!(found, "nobody has written {value:#x} to {address:#x} where it was due");
    }
    Ok(())
}

/// Runs a command to its end, but not for ever.
fn wait(command: &mut Command) -> Result<Output> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {}", command.get_program().display()))?;
    // What it says is read meanwhile, so that it does not wait for a reader.
    let reading = std::thread::spawn({
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        move || (read(stdout), read(stderr))
    });
    let deadline = Instant::now() + LIMIT;
    let mut in_time = true;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if Instant::now() > deadline {
            child.kill()?;
            in_time = false;
        }
        std::thread::sleep(POLL);
    };
    let Ok((stdout, stderr)) = reading.join() else { bail!("the output of a client cannot be read") };
    if !in_time {
        let said = [String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)].concat();
        bail!("a client took longer than {} s, and has said:\n{said}", LIMIT.as_secs());
    }
    Ok(Output { status, stdout, stderr })
}

fn read(pipe: Option<impl std::io::Read + Send + 'static>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        // A broken pipe ends it as well.
        let _ = pipe.read_to_end(&mut bytes);
    }
    bytes
}
