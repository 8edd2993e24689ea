//! `cargo xtask check-simulator`: the simulated boards in the hands of debuggers that were not written for them.
//!
//! OpenOCD, and gdb through OpenOCD, are run as they are. What counts is what they have written to debug
//! registers, and where the cores have stopped; an exit status would say little.

mod armv8a;
mod cortex_m;
mod script;

pub(crate) use script::{expect_in_order, expect_writes, gdb_on};

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::setup::{Requirement, Setup};

/// Runs OpenOCD, and gdb through OpenOCD, on the simulated boards, and checks every stop and every register
/// that they write.
#[derive(Args)]
pub(crate) struct Options {
    /// Fetch nothing; say what is missing, and stop
    #[arg(long)]
    no_install: bool,
}

/// Carries the command out.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let requirements = [
        Requirement::OPENOCD,
        Requirement::GDB,
        Requirement::BARE_METAL_TARGET,
        Requirement::CORTEX_M_TARGET,
    ];
    Setup::new(options.no_install).ensure(&requirements)?;
    cortex_m::check()?;
    armv8a::check()?;
    println!("the simulated boards are what OpenOCD and gdb take them for");
    Ok(ExitCode::SUCCESS)
}
