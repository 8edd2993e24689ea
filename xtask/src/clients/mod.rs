//! Clients other than gdb, against a server that runs the demonstration firmware: one that speaks the protocol by
//! itself and sees what gdb does not show, one that sends what no client should send, and lldb as it comes from the
//! distribution.

mod hostile;
mod lldb;
mod watches;
mod wire;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};

use wire::Wire;

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Lets each client do its part, one after the other, and says what was seen.
///
/// # Errors
/// The first answer that is not as expected.
pub(crate) fn check(address: &str, elf: &Path) -> Result<()> {
    let symbols = watches::Symbols::read(elf)?;
    let mut wire = Wire::connect(address, PATIENCE)?;
    for (name, seen) in watches::check(&mut wire, &symbols).context("watchpoints on the wire")? {
        println!("{name:<58} {seen}");
    }
    for (name, seen) in hostile::check(&mut wire, address).context("what no client should send")? {
        println!("{name:<58} {seen}");
    }
    wire.detach()?;
    for (name, seen) in lldb::check(address, elf, &symbols).context("lldb")? {
        println!("lldb: {name:<52} {seen}");
    }
    Ok(())
}

/// What was checked, and what was seen.
type Seen = Vec<(String, String)>;
