//! `cargo xtask check-faults`: `trapline guest` on a real KVM, with everything around it going wrong.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;

use crate::environment;
use crate::host::{Event, Host, HostOptions, Input, MappedFile, Output, Program};
use crate::run_guest::build;
use crate::setup::{HOST_TARGET, Requirement, Setup};
use crate::workspace;

/// Does to `trapline guest` what nobody should: clients that are killed or take no answers, guests that break down,
/// signals, system calls that fail, outputs that nobody takes. It ends in order, or the guest runs on with nothing
/// armed or planted.
///
/// Exit status: 0 when all is as it should be, 1 otherwise.
#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    host: HostOptions,
    /// Fetch nothing: where something is missing, say what, and how to get it by hand
    #[arg(long)]
    no_install: bool,
}

/// The memory of the guests, in MiB; there is one at a time.
const MEMORY: u64 = 64;

/// Carries the command out.
pub(crate) fn run(options: Options) -> Result<ExitCode> {
    let host = Host::choose(options.host)?;
    let mut requirements = vec![Requirement::HOST_TARGET];
    requirements.extend(host.requirements());
    Setup::new(options.no_install).ensure(&requirements)?;
    let (tool, check) = (build::tool()?, program()?);
    let command = vec![check.as_os_str().into(), "all".into(), tool.as_os_str().into()];
    run_to_end(&host, command, &[&check, &tool], MEMORY)
}

/// Builds the program that does it all, on the host.
pub(crate) fn program() -> Result<PathBuf> {
    workspace::build(HOST_TARGET, &["--release", "--package=trapline-fault-check"])
}

/// Runs it, and shows what it says.
pub(crate) fn run_to_end(
    host: &Host,
    command: Vec<OsString>,
    files: &[&Path],
    memory: u64,
) -> Result<ExitCode> {
    let mut running = host.start(Program {
        command,
        environment: environment::handed_in(),
        files: files.iter().map(|file| MappedFile::in_place(file)).collect(),
        forwards: Vec::new(),
        input: Input::Empty,
        output: Output::Lines,
        streams: Vec::new(),
        memory,
    })?;
    loop {
        match running.next()? {
            Event::Line(line) => println!("{line}"),
            Event::Exited(status) => return Ok(ExitCode::from(status)),
            Event::Signal(signal) => bail!("ended by signal {signal}"),
        }
    }
}
