//! What nobody should do to `trapline guest`, done on a KVM host: clients that break off, guests that break down,
//! signals, system calls that fail, outputs that nobody takes. `cargo xtask check-faults` runs it there, and `cargo xtask
//! check-linux` what it has for Linux guests.

/// The instructions of the guests, as in the tests on KVM.
#[expect(dead_code, reason = "the tests on KVM use all of it")]
#[path = "../../../host-kvm/tests/kvm/common/a64.rs"]
mod a64;
mod clients;
mod failing;
/// Filters that let ioctls fail, as in the tests on KVM.
#[path = "../../../host-kvm/tests/kvm/common/failing.rs"]
mod filters;
mod guests;
mod hosts;
mod linux;
mod long;
mod programs;
mod refusals;
mod tool;
/// The client of `cargo xtask run-guest --clients`.
#[path = "../../src/clients/wire.rs"]
mod wire;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};

/// Does to a tool and its guests what nobody should.
#[derive(Parser)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Every fault, each with a tool of its own
    All {
        /// `trapline`
        tool: PathBuf,
    },
    /// Linux guests without a client
    Linux(linux::Options),
    /// A Linux guest under random debugger actions
    Long(long::Options),
    /// Runs a program whose calls of one ioctl fail
    Fail(failing::Options),
}

/// What was checked, and what was seen.
type Check = (&'static str, fn(&tool::Tools) -> Result<String>);

fn main() -> ExitCode {
    let result = match CommandLine::parse().command {
        Command::All { tool } => tool::Tools::new(tool).and_then(|tools| all(&tools)),
        Command::Linux(options) => linux::run(&options),
        Command::Long(options) => long::run(&options),
        Command::Fail(options) => failing::run(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn all(tools: &tool::Tools) -> Result<()> {
    for (name, check) in
        [refusals::CHECKS, clients::CHECKS, guests::CHECKS, hosts::CHECKS].into_iter().flatten()
    {
        let begun = Instant::now();
        let seen = check(tools).context(*name)?;
        println!("{name:<52} {seen} ({:.1} s)", begun.elapsed().as_secs_f64());
    }
    Ok(())
}
