//! A Linux guest without looking for one: Debian's kernels for arm64, and a shell for any kernel.

use std::{
    fs::{self, File},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io::Read as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result};

use super::build;
use crate::{
    host::{Initramfs, check_kernel},
    setup::{HostFiles, KernelChoice},
    workspace,
};

/// PID 1 of a guest that was given no initial RAM disk.
const INIT: &str = include_str!("init.sh");

/// The kernel that a name stands for: `debian`, or `debian-VERSION`.
pub(crate) fn kernel_of(name: &str) -> Option<Result<KernelChoice>> {
    match name.strip_prefix("debian")? {
        "" => Some(Ok(KernelChoice::Release)),
        version => Some(version.strip_prefix('-')?.parse()),
    }
}

/// Whether a file is a Linux kernel for arm64, or packed as only kernels are.
pub(crate) fn is_kernel(file: &Path) -> bool {
    /// zstd, xz, lzma and lz4, which the guest's loader unpacks as well.
    const PACKED: [&[u8]; 5] =
        [b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0", b"\x5d\0\0", b"\x02\x21\x4c\x18", b"\x04\x22\x4d\x18"];
    let mut begin = [0; 6];
    let read = File::open(file).and_then(|mut file| file.read_exact(&mut begin));
    check_kernel(file).is_ok() || (read.is_ok() && PACKED.iter().any(|magic| begin.starts_with(magic)))
}

/// Writes the symbols and types that a kernel carries in itself to a file for gdb; none where it has none. Each kernel
/// has a file of its own: another command may debug another one meanwhile.
pub(crate) fn symbols(kernel: &Path) -> Result<Option<PathBuf>> {
    let tool = build::tool_here()?;
    let content = fs::read(kernel).with_context(|| format!("cannot read {}", kernel.display()))?;
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    let directory = workspace::directory("run")?;
    let file = tempfile::NamedTempFile::new_in(&directory).context("cannot write a file for symbols")?;
    let mut command = Command::new(&tool);
    command.arg("symbols").arg(kernel).arg("--output").arg(file.path()).stdout(Stdio::null());
    // What is wrong it says itself, and a kernel without symbols can be debugged nevertheless.
    if !command.status().with_context(|| format!("cannot run {}", tool.display()))?.success() {
        return Ok(None);
    }
    // Another command may have the one before it open.
    let path = directory.join(format!("symbols-{:016x}.elf", hasher.finish()));
    file.persist(&path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(Some(path))
}

/// Writes an initial RAM disk with busybox and a shell on the console.
pub(crate) fn shell() -> Result<PathBuf> {
    initramfs("guest-shell.cpio", INIT, &[])
}

/// Writes an initial RAM disk with busybox, an init, and other files.
pub(crate) fn initramfs(name: &str, init: &str, others: &[(&str, &Path)]) -> Result<PathBuf> {
    let directory = workspace::directory("run")?;
    let file = tempfile::NamedTempFile::new_in(&directory).context("cannot write an initial RAM disk")?;
    let mut archive = Initramfs::new(file.reopen()?)?;
    archive.content(Path::new("/init"), 0o755, init.as_bytes())?;
    archive.file(&HostFiles::busybox(), Path::new("/bin/busybox"))?;
    for (destination, other) in others {
        archive.file(other, Path::new(destination))?;
    }
    archive.finish()?;
    // Another command may have the one before it open.
    let path = directory.join(name);
    file.persist(&path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debian_is_a_kernel_of_its_release_or_of_a_version() {
        let version = |name| kernel_of(name).and_then(Result::ok);
        assert!(version("debian") == Some(KernelChoice::Release));
        assert!(version("debian-6.12") == Some(KernelChoice::Version("6.12".to_owned())));
        assert!(kernel_of("debian-newest").is_some_and(|choice| choice.is_err()));
        assert!(kernel_of("vmlinuz").is_none() && kernel_of("debian.img").is_none());
    }
}
