//! Targets and components of the Rust toolchain, added with rustup.

use std::{path::PathBuf, process::Command};

use anyhow::{Context as _, Result};

use super::progress::{Step, retry};
use crate::workspace;

/// Whether the standard library for `target` is there.
pub(crate) fn has_target(target: &str) -> Result<bool> {
    let directory = rustc(&["--print", "target-libdir", "--target", target])?;
    Ok(PathBuf::from(directory).is_dir())
}

/// Whether a program of the toolchain is there.
pub(crate) fn has_program(program: &str) -> bool {
    let sysroot = rustc(&["--print", "sysroot"]).map(PathBuf::from).unwrap_or_default();
    sysroot.join("bin").join(program).is_file() || workspace::find_program(program).is_some_and(is_no_proxy)
}

/// Adds a target or component to the toolchain that builds this.
pub(crate) fn add(kind: &str, name: &str) -> Result<()> {
    let step = Step::new(format!("adding the Rust {kind} {name}"));
    // rustup's own cargo names the toolchain that is in force in RUSTUP_TOOLCHAIN.
    let work = || workspace::quiet(Command::new("rustup").args([kind, "add", name]));
    retry(&format!("rustup {kind} add {name}"), work)
        .with_context(|| format!("cannot add the Rust {kind} {name}; by hand: rustup {kind} add {name}"))?;
    step.done();
    Ok(())
}

fn rustc(arguments: &[&str]) -> Result<String> {
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = workspace::quiet(Command::new(compiler).args(arguments))?;
    Ok(String::from_utf8_lossy(&output).trim().to_owned())
}

/// rustup puts its proxies beside itself, whether what they stand for is there or not.
fn is_no_proxy(program: PathBuf) -> bool {
    !program.with_file_name("rustup").is_file()
}
