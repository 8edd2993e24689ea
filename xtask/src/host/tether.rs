//! Ties the life of one process to another's, so that no emulator is left behind, not even by SIGKILL.

use std::{
    ffi::{OsStr, OsString},
    os::unix::process::CommandExt as _,
    process::{Command, ExitCode},
};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

/// Becomes COMMAND, which dies with the process PARENT. For this tool's own use.
///
/// What a process is told of its parent's death has to be arranged in the process itself, after fork;
/// a program of its own does that without `unsafe`.
#[derive(Args)]
pub(crate) struct Options {
    parent: i32,
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

/// A command that runs `program` and will be killed when this process dies. Its arguments are still to
/// be added.
pub(crate) fn to_self(program: &OsStr) -> Command {
    // By this name the file is found even when it has been built anew meanwhile.
    let mut command = Command::new("/proc/self/exe");
    command.arg("tethered").arg(std::process::id().to_string()).arg("--").arg(program);
    command
}

/// Ends this process, in order, when its parent dies.
pub(crate) fn to_parent() -> Result<()> {
    set_parent_process_death_signal(Some(Signal::TERM)).context("cannot watch the parent process")
}

/// Carries the hidden command out.
pub(crate) fn run(options: Options) -> Result<ExitCode> {
    set_parent_process_death_signal(Some(Signal::KILL)).context("cannot watch the parent process")?;
    if getppid().map(Pid::as_raw_pid) != Some(options.parent) {
        bail!("the parent process has ended already");
    }
    let mut words = options.command.iter();
    let program = words.next().context("no command")?;
    let error = Command::new(program).args(words).exec();
    Err(error).with_context(|| format!("cannot run {}", program.display()))
}
