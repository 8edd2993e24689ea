//! What runs: the tool and the firmware, as cargo builds them.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use anyhow::Result;

use crate::workspace;

/// Builds `trapline` for the host: without the part for boards, and optimised, for an emulated processor
/// is slow enough.
pub(crate) fn tool() -> Result<PathBuf> {
    workspace::build(&[
        "--release",
        "--package=trapline-probe",
        "--no-default-features",
        "--features=kvm",
        "--target=aarch64-unknown-linux-musl",
    ])
}

/// Builds the demonstration firmware, for debugging.
pub(crate) fn firmware() -> Result<PathBuf> {
    workspace::build(&["--package=trapline-firmware", "--target=aarch64-unknown-none"])
}

/// Whether a file may have symbols.
pub(crate) fn is_elf(path: &Path) -> bool {
    let mut magic = [0; 4];
    File::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok() && magic == *b"\x7fELF"
}
