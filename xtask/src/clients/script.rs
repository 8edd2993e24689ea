//! A debugger that is fed commands from a file, as a user would type them, and what it answers to each.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::Seen;

/// A command, and what must come in its answer, in this order.
pub(super) struct Step {
    pub(super) command: &'static str,
    pub(super) says: &'static [&'static str],
}

pub(super) const fn step(command: &'static str, says: &'static [&'static str]) -> Step {
    Step { command, says }
}

/// Teaches gdb `python run(…)`, which runs a command and says why it failed where it did.
pub(super) const RUN: &str = "python exec('def run(command):\\n try:\\n  gdb.execute(command)\\n except gdb.error as error:\\n  print(error)')";

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
