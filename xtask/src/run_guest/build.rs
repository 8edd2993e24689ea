//! What runs: the tool and the firmware, as cargo builds them.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use anyhow::Result;

use crate::{
    setup::{BARE_METAL_TARGET, HOST_TARGET},
    workspace,
};

/// Builds `trapline` for the host: without the part for boards, and optimised, for an emulated processor
/// is slow enough.
pub(crate) fn tool() -> Result<PathBuf> {
    let package = ["--release", "--package=trapline-probe", "--no-default-features", "--features=kvm"];
    workspace::build(HOST_TARGET, &package)
}

/// Builds `trapline` for this machine, with what works on any.
pub(crate) fn tool_here() -> Result<PathBuf> {
    let package = ["--release", "--package=trapline-probe", "--no-default-features", "--features=symbols"];
    workspace::build_here(&package)
}

/// Builds the demonstration firmware, for debugging.
pub(crate) fn firmware() -> Result<PathBuf> {
    workspace::build(BARE_METAL_TARGET, &["--package=trapline-firmware"])
}

/// Whether a file may have symbols.
pub(crate) fn is_elf(path: &Path) -> bool {
    let mut magic = [0; 4];
    File::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok() && magic == *b"\x7fELF"
}
