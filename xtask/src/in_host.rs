//! `cargo xtask in-host`: runs a static aarch64 program on a KVM host, emulated where there is none.

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result};
use clap::Args;

use crate::{
    environment,
    host::{self, Event, Host, HostOptions, Input, MappedFile, Output, PortForward, Program, Stream},
    setup::Setup,
};

/// The exit status when the host failed, not the program (as with timeout(1)).
pub(crate) const FAILED: u8 = 125;

/// Runs a static aarch64 program on an arm64 KVM host.
///
/// On an arm64 machine with a usable /dev/kvm the program runs directly; elsewhere inside an emulated
/// host. Standard input, output and error are the program's own.
///
/// Exit status: the program's own; 128 + N when signal N ended it, or this command; 125 when the host
/// failed.
#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    host: HostOptions,
    /// Only check what the emulated host needs; fetch nothing
    #[arg(long)]
    no_install: bool,
    /// Carry a TCP port out: HOST:GUEST; HOST is on 127.0.0.1, 0 for any free port
    #[arg(long, value_name = "HOST:GUEST")]
    forward: Vec<PortForward>,
    /// Map a file in; it keeps its absolute path when DST is left out
    #[arg(long, value_name = "SRC[=DST]")]
    file: Vec<MappedFile>,
    /// Carry a file out while it is written; it keeps its absolute path when DST is left out
    #[arg(long, value_name = "SRC[=DST]")]
    output: Vec<Stream>,
    /// The program, and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "BINARY ARGS")]
    command: Vec<OsString>,
}

/// Carries the command out.
pub(crate) fn run(options: Options) -> Result<ExitCode> {
    let Options { host, no_install, forward, mut file, output, mut command } = options;
    if let Some(name) = command.first_mut() {
        let binary = PathBuf::from(&*name);
        let binary = binary.canonicalize().with_context(|| format!("cannot read {}", binary.display()))?;
        host::check_program(&binary)?;
        file.push(MappedFile::in_place(&binary));
        *name = binary.into();
    }
    // The runner's parent is cargo: when it is killed, the host goes too.
    host::tether::to_parent()?;
    let host = Host::choose(host)?;
    Setup::new(no_install).ensure(&host.requirements())?;
    let mut running = host.start(Program {
        command,
        environment: environment::handed_in(),
        files: file,
        forwards: forward,
        input: Input::Inherit,
        output: Output::Inherit,
        streams: output,
        memory: 0,
    })?;
    for forward in running.forwards().iter().filter(|forward| forward.chosen) {
        eprintln!("port {} of the host is 127.0.0.1:{}", forward.guest, forward.host);
    }
    loop {
        match running.next()? {
            Event::Line(_) => {}
            Event::Signal(signal) => {
                running.stop();
                return Ok(ExitCode::from(128 + signal));
            }
            Event::Exited(status) => return Ok(ExitCode::from(status)),
        }
    }
}
