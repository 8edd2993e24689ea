//! Targets and components of the Rust toolchain, added with rustup.

use std::{ffi::OsString, path::PathBuf, process::Command};

use anyhow::{Result, anyhow};

use super::debian_rust;
use super::progress::{Step, retry};
use crate::workspace;

/// How cargo builds for a target.
pub(crate) struct TargetBuild {
    /// Options for cargo, `--target` among them.
    pub(crate) options: Vec<String>,
    /// Variables for cargo.
    pub(crate) environment: Vec<(String, OsString)>,
    /// Whether the toolchain in use does it, which has lints as well.
    pub(crate) own: bool,
}

impl TargetBuild {
    /// How cargo builds for `target` here, once that requirement is met.
    pub(crate) fn of(target: &str) -> Result<Self> {
        if has_own_target(target)? {
            let options = vec![format!("--target={target}")];
            return Ok(Self { options, environment: Vec::new(), own: true });
        }
        debian_rust::target_build(target)
    }
}

/// Whether programs for `target` can be built.
pub(crate) fn has_target(target: &str) -> Result<bool> {
    Ok(has_own_target(target)? || debian_rust::is_there())
}

fn has_own_target(target: &str) -> Result<bool> {
    let directory = rustc(&["--print", "target-libdir", "--target", target])?;
    Ok(PathBuf::from(directory).is_dir())
}

/// Adds a target: with rustup, or else with Debian's Rust.
pub(crate) fn add_target(target: &str) -> Result<()> {
    if has_target(target)? {
        // Debian's Rust, fetched for the one before, is for all of them.
        return Ok(());
    }
    let Err(error) = add("target", target) else { return Ok(()) };
    eprintln!("{error:#}\nDebian's Rust is fetched instead, for arm64 and bare metal");
    debian_rust::fetch().map_err(|second| anyhow!("{error:#}; nor can Debian's Rust be used: {second:#}"))
}

/// Whether a program of the toolchain is there.
pub(crate) fn has_program(program: &str) -> bool {
    let sysroot = rustc(&["--print", "sysroot"]).map(PathBuf::from).unwrap_or_default();
    sysroot.join("bin").join(program).is_file() || workspace::find_program(program).is_some_and(is_no_proxy)
}

/// Adds a component.
pub(crate) fn add_component(component: &str) -> Result<()> {
    add("component", component)
}

/// Adds a target or component to the toolchain that builds this.
fn add(kind: &str, name: &str) -> Result<()> {
    let step = Step::new(format!("adding the Rust {kind} {name}"));
    // rustup's own cargo names the toolchain that is in force in RUSTUP_TOOLCHAIN.
    let work = || workspace::quiet(Command::new("rustup").args([kind, "add", name]));
    step.end(retry(&format!("adding the Rust {kind} {name}"), work)).map(drop)
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
