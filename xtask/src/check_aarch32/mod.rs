//! `cargo xtask check-aarch32`: a guest of A32 and T32 code under clients as they come from the distribution, and without
//! one, on a real KVM.

mod gdb;
mod lldb;
mod points;
mod watches;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use clap::Args;

use crate::host::{Host, HostOptions, PortForward};
use crate::run_guest::{Session, build, modes, tool};
use crate::setup::{AARCH32_TARGET, Requirement, Setup};
use crate::workspace;

/// Checks a guest whose EL1 uses AArch32, on a host whose processor has that: gdb and lldb, exact watchpoints on the wire,
/// and --break and --watch without a client.
///
/// Exit status: 0 when all is as it should be, 1 otherwise; 130 or 143 when clients were interrupted by SIGINT or SIGTERM.
#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    host: HostOptions,
    /// Fetch nothing: where something is missing, say what, and how to get it by hand
    #[arg(long)]
    no_install: bool,
}

/// Carries the command out.
pub(crate) fn run(options: Options) -> Result<ExitCode> {
    let host = Host::choose(options.host)?;
    let mut requirements = vec![Requirement::HOST_TARGET, Requirement::AARCH32_TARGET];
    requirements.extend([Requirement::GDB, Requirement::LLDB]);
    requirements.extend(host.requirements());
    Setup::new(options.no_install).ensure(&requirements)?;
    let tool = build::tool()?;
    let firmware = workspace::build(AARCH32_TARGET, &["--package=trapline-firmware-a32"])?;

    points::check(&host, &tool, &firmware).context("without a client")?;
    let mut program = tool::program(&tool, &firmware, ["--cpus=2"]);
    let address = tool::serve_at(&mut program, &host, PortForward::same(0)?);
    let mut running = host.start(program)?;
    let ended = tool::wait_until_it_listens(&mut running)?;
    ensure!(ended.is_none(), "trapline guest ended before its gdb server was up");
    let session =
        Session { running, speaker: "trapline guest", address, symbols: Some(firmware), serial: None };
    modes::clients(session, clients)
}

/// Lets one client after the other do its part.
fn clients(address: &str, firmware: &Path) -> Result<()> {
    for (name, seen) in gdb::check(address, firmware).context("gdb")? {
        println!("gdb: {name:<53} {seen}");
    }
    for (name, seen) in watches::check(address, firmware).context("watchpoints on the wire")? {
        println!("{name:<58} {seen}");
    }
    for (name, seen) in lldb::check(address, firmware).context("lldb")? {
        println!("lldb: {name:<52} {seen}");
    }
    Ok(())
}
