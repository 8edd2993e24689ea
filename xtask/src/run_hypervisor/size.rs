//! What the debugger costs the hypervisor, read from the programs with and without it.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::{
    core_image::{elf::Elf, memory_functions, panics},
    setup::BARE_METAL_TARGET,
    workspace,
};

/// What core, gdb server and the traits of the target may take of code, in bytes, beside the copies of memory that
/// every program has.
const CODE_LIMIT: u64 = 96 * 1024;
/// What they may take of RAM, beside the stack.
const RAM_LIMIT: u64 = 16 * 1024;
/// The statics that are all of it.
const STATICS: [&str; 2] =
    ["trapline_hypervisor::debug::DEBUG_SESSION", "trapline_hypervisor::debug::DEBUG_PACKET"];
/// Crates that must not panic.
const WITHOUT_PANIC: [&str; 2] = ["trapline_core::", "gdbstub::"];

/// Builds the hypervisor as small as it gets, says what debugging costs it, and answers the program with watchpoints by
/// pages besides, which have no limit.
pub(super) fn build_and_check() -> Result<PathBuf> {
    let without = Elf::read(&build(&["--no-default-features"])?)?;
    let with = Elf::read(&build(&[])?)?;
    let added = |section: &str| -> Result<u64> {
        Ok(with.section_size(section)?.saturating_sub(without.section_size(section)?))
    };
    let copies = memory_functions(&with).saturating_sub(memory_functions(&without));
    let (code, constants) = (added(".text")?.saturating_sub(copies), added(".rodata")?);
    let mut ram = 0;
    for name in STATICS {
        ram += with.symbol(name)?.size;
    }
    eprintln!(
        "the debugger at EL2: {code} bytes of code, {CODE_LIMIT} at most, {constants} of constants; {ram} bytes of RAM, \
         {RAM_LIMIT} at most"
    );
    let program = build(&["--features=write-traps"])?;
    let mut failures = Vec::new();
    if code > CODE_LIMIT {
        failures.push(format!("{code} bytes of code, more than {CODE_LIMIT}"));
    }
    if ram > RAM_LIMIT {
        failures.push(format!("{ram} bytes of RAM, more than {RAM_LIMIT}"));
    }
    for elf in [&with, &Elf::read(&program)?] {
        let panics = panics::find(elf);
        failures
            .extend(panics.into_iter().filter(|panic| WITHOUT_PANIC.iter().any(|name| panic.contains(name))));
    }
    if !failures.is_empty() {
        bail!("the debugger in the hypervisor:\n  {}", failures.join("\n  "));
    }
    Ok(program)
}

fn build(features: &[&str]) -> Result<PathBuf> {
    let package = ["--package=trapline-hypervisor", "--profile=size"];
    workspace::build(BARE_METAL_TARGET, &[&package, features].concat())
}
