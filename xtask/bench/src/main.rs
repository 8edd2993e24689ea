//! Measures on an arm64 KVM host: bare loops of ioctls (the limit), this project (ours), and QEMU (the peer).
//!
//! All of it in one run, in rounds, in which each has its turn, so that what else the host does hits all of
//! them. Each line of the output that begins with `sample` is a measurement: name, who, value, unit, with
//! tabs between.

#[cfg(target_arch = "aarch64")]
mod bare;
#[cfg(target_arch = "aarch64")]
mod client;
#[cfg(target_arch = "aarch64")]
mod gdb;
#[cfg(target_arch = "aarch64")]
mod guest;
#[cfg(target_arch = "aarch64")]
mod measures;
#[cfg(target_arch = "aarch64")]
mod ours;
#[cfg(target_arch = "aarch64")]
mod peer;
#[cfg(target_arch = "aarch64")]
mod rounds;

use anyhow::Result;
use clap::Parser;

/// Measures guest debug on this host's KVM.
#[derive(Parser)]
struct Arguments {
    /// The command that starts the peer, QEMU for arm64: words with spaces between
    #[arg(long, value_name = "COMMAND")]
    peer: Option<String>,
    /// The command that starts gdb: words with spaces between
    #[arg(long, value_name = "COMMAND")]
    gdb: Option<String>,
    /// How many rounds
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// The most vCPUs to stop at once
    #[arg(long, default_value_t = 8)]
    most_cores: u16,
    /// Only those measures whose names have this in them
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
}

#[cfg(target_arch = "aarch64")]
fn main() -> Result<()> {
    let Arguments { peer, gdb, rounds, most_cores, only } = Arguments::parse();
    rounds::run(&rounds::Plan {
        peer: peer.as_deref(),
        gdb: gdb.as_deref(),
        rounds,
        most_cores,
        only: only.as_deref(),
    })
}

#[cfg(not(target_arch = "aarch64"))]
fn main() -> Result<()> {
    let Arguments { peer: _, gdb: _, rounds: _, most_cores: _, only: _ } = Arguments::parse();
    anyhow::bail!("this measures an arm64 KVM: `cargo xtask bench` builds it for one")
}
