//! The way round rustup where it does not give a target: Debian's Rust.
//!
//! Debian builds the standard library for arm64 glibc, and ships its source, from which cargo builds `core`
//! for bare metal. Library and compiler must be of one version, so Debian's compiler comes with them; it
//! builds into a directory of its own and leaves the toolchain in use alone.

use std::{
    ffi::OsString,
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use super::{apt, archive::Archive, rust::TargetBuild};
use crate::workspace;

/// Compiler and library source; a linker for programs with glibc, and one for bare metal.
const PACKAGES: [&str; 5] =
    ["rustc-web", "rust-web-src", "gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross", "lld"];
/// The library for arm64.
const LIBRARY_PACKAGE: &str = "libstd-rust-web-dev";
/// Where Debian has libraries and source.
const RUSTLIB: &str = "usr/lib/rustlib";
/// What is built instead of the target with musl.
const LINUX_TARGET: &str = "aarch64-unknown-linux-gnu";

/// Whether it is there.
pub(crate) fn is_there() -> bool {
    directory().is_dir()
}

/// Fetches it: the packages for this machine are installed, that for arm64 is unpacked.
pub(crate) fn fetch() -> Result<()> {
    apt::install(&PACKAGES)?;
    let parent = workspace::directory("")?;
    let unpacked = tempfile::tempdir_in(&parent)?;
    let archive = Archive::open(LIBRARY_PACKAGE)?;
    archive.unpack(&archive.package(LIBRARY_PACKAGE)?, unpacked.path())?;

    // A root of libraries as the compiler wants it: its own, those for arm64, and the source.
    let sysroot = tempfile::tempdir_in(&parent)?;
    let libraries = sysroot.path().join("lib/rustlib");
    fs::create_dir_all(&libraries)?;
    fs::rename(unpacked.path().join(RUSTLIB).join(LINUX_TARGET), libraries.join(LINUX_TARGET))?;
    for entry in fs::read_dir(Path::new("/").join(RUSTLIB))? {
        let entry = entry?;
        symlink(entry.path(), libraries.join(entry.file_name()))?;
    }
    for program in ["rustc", "rustdoc"] {
        let path = sysroot.path().join(program);
        let sysroot = directory();
        fs::write(
            &path,
            format!("#!/bin/sh\nexec /usr/bin/{program} --sysroot '{}' \"$@\"\n", sysroot.display()),
        )?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    }
    fs::rename(sysroot.keep(), directory()).context("cannot keep Debian's Rust")
}

/// How cargo builds for `target` with it.
pub(crate) fn target_build(target: &str) -> Result<TargetBuild> {
    let mut build = TargetBuild {
        options: vec![format!("--target-dir={}", workspace::target().join("debian-rust").display())],
        environment: Vec::new(),
        own: false,
    };
    let mut set = |name: &str, value: OsString| build.environment.push((name.to_owned(), value));
    set("RUSTC", directory().join("rustc").into());
    set("RUSTDOC", directory().join("rustdoc").into());
    let variable =
        |target: &str, what: &str| format!("CARGO_TARGET_{}_{what}", target.replace('-', "_").to_uppercase());
    if target.contains("linux") {
        let mut runner =
            std::env::current_exe().context("cannot find this program's own file")?.into_os_string();
        runner.push(" in-host");
        set(&variable(LINUX_TARGET, "LINKER"), "aarch64-linux-gnu-gcc".into());
        for flags in ["RUSTFLAGS", "RUSTDOCFLAGS"] {
            set(&variable(LINUX_TARGET, flags), "-Ctarget-feature=+crt-static".into());
        }
        set(&variable(LINUX_TARGET, "RUNNER"), runner);
        build.options.push(format!("--target={LINUX_TARGET}"));
    } else {
        set(&variable(target, "LINKER"), "ld.lld".into());
        // Building `core` is not stable, but it is what Debian's own packages do.
        set("RUSTC_BOOTSTRAP", "1".into());
        set("CARGO_UNSTABLE_BUILD_STD", "core".into());
        build.options.push(format!("--target={target}"));
    }
    Ok(build)
}

fn directory() -> PathBuf {
    workspace::cache().join("debian-rust")
}
