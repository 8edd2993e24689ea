//! Clients beside the demonstration's gdb, against a server that runs its firmware: one that speaks the protocol by
//! itself and sees what gdb does not show, one that sends what no client should send, and gdb and lldb as they come from
//! the distribution.

mod editor;
mod gdb;
mod hostile;
mod lldb;
pub(crate) mod script;
mod sessions;
pub(crate) mod watches;
pub(crate) mod wire;

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
    let description = description(&mut wire)?;
    wire.detach()?;
    for (name, seen) in sessions::check(address, &symbols).context("one client after the other")? {
        println!("{name:<58} {seen}");
    }
    for (name, seen) in sessions::check_gdb(address, elf).context("gdb without packets")? {
        println!("gdb: {name:<53} {seen}");
    }
    for (name, seen) in gdb::check(address, elf, &description).context("gdb")? {
        println!("gdb: {name:<53} {seen}");
    }
    for (name, seen) in editor::check(address, elf).context("an editor's commands")? {
        println!("editor: {name:<50} {seen}");
    }
    for (name, seen) in lldb::check(address, elf, &symbols, &description).context("lldb")? {
        println!("lldb: {name:<52} {seen}");
    }
    Ok(())
}

/// The whole target description.
fn description(wire: &mut Wire) -> Result<String> {
    let mut whole = String::new();
    loop {
        let part = wire.ask(&format!("qXfer:features:read:target.xml:{:x},1000", whole.len()))?;
        let (more, text) = part.split_at_checked(1).context("an empty part of the description")?;
        whole.push_str(text);
        if more != "m" {
            return Ok(whole);
        }
    }
}

/// What was checked, and what was seen.
pub(crate) type Seen = Vec<(String, String)>;
