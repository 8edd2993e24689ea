//! Miri, which comes with nightly toolchains only.

use std::{path::PathBuf, process::Command};

use anyhow::Result;

use super::progress::{Step, retry};
use crate::workspace;

/// A nightly toolchain with Miri, beside the one that builds everything else.
pub(crate) struct Miri;

impl Miri {
    /// How to add it: rustup finds the latest nightly that has Miri.
    pub(super) const BY_HAND: &str =
        "rustup toolchain install nightly --profile minimal --component miri --component rust-src";

    /// A command of Miri's cargo.
    pub(crate) fn command(arguments: &[&str]) -> Command {
        let mut command = nightly("cargo");
        command.arg("miri").args(arguments);
        command
    }

    /// Whether it is there, with the sources of the standard library, without which it runs nothing.
    pub(super) fn is_there() -> bool {
        let sources = workspace::quiet(nightly("rustc").args(["--print", "sysroot"])).is_ok_and(|sysroot| {
            let sysroot = PathBuf::from(String::from_utf8_lossy(&sysroot).trim());
            sysroot.join("lib/rustlib/src/rust/library/Cargo.lock").is_file()
        });
        sources && workspace::quiet(&mut Self::command(&["--version"])).is_ok()
    }

    /// Adds it.
    pub(super) fn add() -> Result<()> {
        let name = "adding Miri and a nightly Rust toolchain";
        let step = Step::new(name);
        let mut words = Self::BY_HAND.split_whitespace();
        let program = words.next().unwrap_or_default();
        step.end(retry(name, || workspace::quiet(Command::new(program).args(words.clone())))).map(drop)
    }
}

fn nightly(program: &str) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly", program]);
    command
}
