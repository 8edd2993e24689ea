//! A program whose calls of one ioctl fail.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::{Context as _, Result};
use clap::Args;
use seccompiler::apply_filter;

use crate::filters::filter;

/// An ioctl that fails, and the program.
#[derive(Args)]
pub(crate) struct Options {
    /// Which ioctl
    ioctl: String,
    /// The program and its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    command: Vec<String>,
}

/// Becomes the program.
pub(crate) fn run(options: &Options) -> Result<()> {
    let filter = filter(&options.ioctl).with_context(|| format!("no filter for {}", options.ioctl))?;
    apply_filter(&filter)?;
    let (program, arguments) = options.command.split_first().context("no program")?;
    Err(Command::new(program).args(arguments).exec()).with_context(|| format!("cannot run {program}"))
}
