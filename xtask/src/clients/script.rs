//! A debugger that is fed commands from a file, as a user would type them, and what it answers to each.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::Seen;

/// A command, and what must come in its answer, in this order.
pub(crate) struct Step {
    pub(crate) command: &'static str,
    pub(crate) says: &'static [&'static str],
}

pub(crate) const fn step(command: &'static str, says: &'static [&'static str]) -> Step {
    Step { command, says }
}

/// How long a whole session may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// What stands before each command in what gdb says.
const PROMPT: &str = "(trapline) ";

/// Runs a command and says why it failed where it did; and interrupts gdb, as a Ctrl-C on a terminal does, once the target
/// has had time to run.
pub(super) const RUN: &str = "python exec('def run(command):\\n try:\\n  gdb.execute(command)\\n except gdb.error as error:\\n  \
    print(error)\\ndef interrupt_soon():\\n import os, signal, threading\\n threading.Timer(2, lambda: \
    os.kill(os.getpid(), signal.SIGINT)).start()')";

/// Lets gdb-multiarch play a session; each command is typed as `typed` says.
pub(crate) fn gdb(
    address: &str,
    elf: &Path,
    steps: &[&Step],
    typed: impl Fn(&str) -> String,
) -> Result<Seen> {
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let (script, log) = (folder.path().join("commands"), folder.path().join("said"));
    let mut commands = String::new();
    for Step { command, .. } in steps {
        let command = typed(command);
        // An error ends a file of commands, but not what Python runs.
        writeln!(commands, "echo \\n{PROMPT}{command}\\n")?;
        writeln!(commands, "python run({command:?})")?;
    }
    fs::write(&script, commands)?;
    let mut gdb = Command::new("gdb-multiarch");
    gdb.args(["-nx", "-q", "-batch"]).arg(elf);
    for setting in
        ["pagination off", "confirm off", "width 0", "max-value-size unlimited", "remotetimeout 60"]
    {
        gdb.args(["-ex", &format!("set {setting}")]);
    }
    gdb.args(["-ex", RUN]).args(["-ex", &format!("target remote {address}")]).arg("-x").arg(&script);
    let said = play(gdb, &log, PATIENCE)?;
    let answers = said.split(PROMPT).skip(1);
    check(steps.iter().copied(), answers, typed, &said)
}

/// Lets lldb play a session.
pub(crate) fn lldb(
    address: &str,
    elf: &Path,
    steps: &[&Step],
    typed: impl Fn(&str) -> String,
) -> Result<Seen> {
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let (script, log) = (folder.path().join("commands"), folder.path().join("said"));
    let mut commands = format!("gdb-remote {address}\n");
    for Step { command, .. } in steps {
        commands.push_str(&typed(command));
        commands.push('\n');
    }
    fs::write(&script, commands)?;
    let mut lldb = Command::new("lldb");
    lldb.args(["--no-lldbinit", "--no-use-colors", "--batch", "--source"]).arg(&script).arg(elf);
    let said = play(lldb, &log, PATIENCE)?;
    // lldb writes each command behind its prompt.
    let mut answers = said.split("(lldb) ").skip_while(|answer| !answer.starts_with("gdb-remote"));
    let connected = answers.next().unwrap_or_default();
    if !connected.contains("stopped") {
        bail!("gdb-remote was answered with:\n{said}");
    }
    check(steps.iter().copied(), answers, typed, &said)
}

/// Checks the answers to all steps, which follow each other; `typed` is what a step's command was typed as.
pub(super) fn check<'a>(
    steps: impl IntoIterator<Item = &'a Step>,
    mut answers: impl Iterator<Item = &'a str>,
    typed: impl Fn(&str) -> String,
    said: &str,
) -> Result<Seen> {
    let mut seen = Seen::new();
    for Step { command, says } in steps {
        let answer = answers.next().unwrap_or_default();
        let mut rest = answer
            .strip_prefix(&*typed(command))
            .with_context(|| format!("`{command}` was not run:\n{said}"))?;
        for text in *says {
            let Some((_, behind)) = rest.split_once(text) else {
                bail!("`{command}` was answered without {text:?}:\n{answer}");
            };
            rest = behind;
        }
        seen.push(((*command).to_owned(), says.first().copied().unwrap_or_default().to_owned()));
    }
    Ok(seen)
}

/// Runs a debugger; what it says, on both outputs. It may take `patience`.
pub(super) fn play(mut debugger: Command, log: &Path, patience: Duration) -> Result<String> {
    let name = debugger.get_program().to_string_lossy().into_owned();
    let said = fs::File::create(log)?;
    let mut child = debugger
        // A Python of somebody else's would be asked for the debugger's own modules.
        .env_remove("PYTHONPATH")
        .env_remove("PYTHONHOME")
        .stdin(Stdio::null())
        .stdout(said.try_clone()?)
        .stderr(said)
        .spawn()
        .with_context(|| format!("cannot start {name} (Debian: {name})"))?;
    let deadline = Instant::now() + patience;
    while child.try_wait()?.is_none() {
        if Instant::now() > deadline {
            child.kill()?;
            child.wait()?;
            bail!("{name} was waited for {} s:\n{}", patience.as_secs(), fs::read_to_string(log)?);
        }
        thread::sleep(Duration::from_millis(50));
    }
    fs::read_to_string(log).with_context(|| format!("cannot read what {name} said"))
}
