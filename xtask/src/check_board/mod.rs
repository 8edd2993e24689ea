//! `cargo xtask check-board`: `trapline board` on simulated boards. Its options, right and wrong; Cortex-M cores under an
//! unmodified gdb; on boards of every kind points without a client, and a tool that is interrupted at any stage and
//! leaves nothing behind.

mod cortex_m;
mod interrupted;
mod options;
mod points;
mod tool;

pub(crate) use cortex_m::check as check_cortex_m;
pub(crate) use tool::DESCRIPTION;

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;

use crate::setup::{BARE_METAL_TARGET, CORTEX_M_TARGET, Requirement, Setup};
use crate::workspace;

/// A kind of board: the simulator's name for it, and the chip's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum Kind {
    /// Two Armv8-A cores
    Armv8a,
    /// One Armv7-M core
    CortexM3,
    /// One Armv8-M core
    CortexM33,
}

impl Kind {
    /// As the simulator calls it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Armv8a => "armv8a",
            Self::CortexM3 => "cortex-m3",
            Self::CortexM33 => "cortex-m33",
        }
    }

    /// Its chip, as its description has it.
    pub(crate) const fn chip(self) -> &'static str {
        match self {
            Self::Armv8a => "simulated-armv8a",
            Self::CortexM3 | Self::CortexM33 => "simulated-cortex-m",
        }
    }

    /// What its program needs to be built.
    pub(crate) const fn requirement(self) -> Requirement {
        match self {
            Self::Armv8a => Requirement::BARE_METAL_TARGET,
            Self::CortexM3 | Self::CortexM33 => Requirement::CORTEX_M_TARGET,
        }
    }

    /// Builds its program, for debugging.
    pub(crate) fn firmware(self) -> Result<std::path::PathBuf> {
        match self {
            Self::Armv8a => workspace::build(BARE_METAL_TARGET, &["--package=trapline-firmware"]),
            Self::CortexM3 | Self::CortexM33 => {
                workspace::build(CORTEX_M_TARGET, &["--package=trapline-firmware-m"])
            }
        }
    }
}

/// Lets `trapline board` debug simulated boards: Cortex-M cores under gdb; and boards of every kind without a client, and
/// interrupted.
#[derive(Args)]
pub(crate) struct Options {
    /// Fetch nothing; say what is missing, and stop
    #[arg(long)]
    no_install: bool,
}

/// Carries the command out.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let requirements = [Requirement::GDB, Requirement::BARE_METAL_TARGET, Requirement::CORTEX_M_TARGET];
    Setup::new(options.no_install).ensure(&requirements)?;
    options::check().context("options")?;
    println!("options, right and wrong: ok");
    for kind in [Kind::CortexM3, Kind::CortexM33] {
        check_cortex_m(kind).with_context(|| format!("gdb on the board {}", kind.name()))?;
        println!("gdb on the board {}: ok", kind.name());
    }
    for kind in [Kind::Armv8a, Kind::CortexM3, Kind::CortexM33] {
        points::check(kind).with_context(|| format!("points on the board {}", kind.name()))?;
        println!("points on the board {}, and its release: ok", kind.name());
    }
    for kind in [Kind::Armv8a, Kind::CortexM33] {
        interrupted::check(kind).with_context(|| format!("Ctrl-C on the board {}", kind.name()))?;
        println!("Ctrl-C at every stage on the board {}: ok", kind.name());
    }
    points::check_lost_probe().context("a probe that goes away")?;
    println!("a probe that goes away: ok");
    Ok(ExitCode::SUCCESS)
}
