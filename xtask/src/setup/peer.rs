//! The peer that the bench measures against: Debian's QEMU for arm64, with the libraries that it is linked to,
//! unpacked to run inside the host.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, anyhow};
use object::{
    Endianness,
    elf::{DT_NEEDED, FileHeader64},
    read::elf::{Dyn as _, FileHeader as _},
};

use super::archive::Archive;
use crate::{host::MappedFile, workspace};

/// The package with the emulator.
const PACKAGE: &str = "qemu-system-arm";
/// The emulator, which with `-accel kvm` emulates devices only.
const PROGRAM: &str = "qemu-system-aarch64";
/// The loader of programs that are linked dynamically: the host has none of its own.
const LOADER: &str = "ld-linux-aarch64.so.1";
/// Where it is inside the host.
const INSIDE: &str = "/trapline/peer";

/// Whether it is there.
pub(crate) fn is_there() -> bool {
    directory().is_dir()
}

/// Fetches it.
pub(crate) fn fetch() -> Result<()> {
    let archive = Archive::open(PACKAGE)?;
    let parent = workspace::directory("")?;
    let (unpacked, kept) = (tempfile::tempdir_in(&parent)?, tempfile::tempdir_in(&parent)?);
    archive.unpack_with_dependencies(PACKAGE, unpacked.path())?;
    keep(unpacked.path(), kept.path())?;
    fs::rename(kept.keep(), directory()).with_context(|| format!("cannot keep {}", directory().display()))
}

/// How to get it by hand.
pub(crate) fn by_hand() -> String {
    format!("dpkg --add-architecture arm64 && apt-get update, as root; then let this command fetch {PACKAGE}")
}

/// Its files inside the host.
pub(crate) fn files() -> Result<Vec<MappedFile>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory()).context("QEMU for arm64 is not there")? {
        let entry = entry?;
        let destination = Path::new(INSIDE).join(entry.file_name());
        files.push(MappedFile { source: entry.path(), destination });
    }
    Ok(files)
}

/// The command inside the host that starts it.
pub(crate) fn command() -> String {
    format!("{INSIDE}/{LOADER} --library-path {INSIDE} {INSIDE}/{PROGRAM}")
}

fn directory() -> PathBuf {
    workspace::cache().join("peer")
}

/// Keeps the program, its loader, and what both are linked to.
fn keep(unpacked: &Path, to: &Path) -> Result<()> {
    let mut libraries = BTreeMap::new();
    for directory in ["usr/lib/aarch64-linux-gnu", "lib/aarch64-linux-gnu", "usr/lib", "lib"] {
        let Ok(entries) = fs::read_dir(unpacked.join(directory)) else { continue };
        for entry in entries {
            let entry = entry?;
            libraries.entry(entry.file_name().to_string_lossy().into_owned()).or_insert(entry.path());
        }
    }
    let program = unpacked.join("usr/bin").join(PROGRAM);
    let mut wanted = vec![(PROGRAM.to_owned(), program)];
    let library = |name: &str| libraries.get(name).map(|path| (name.to_owned(), path.clone()));
    wanted.push(library(LOADER).ok_or_else(|| anyhow!("the packages have no {LOADER}"))?);
    while let Some((name, path)) = wanted.pop() {
        let file = to.join(&name);
        if file.exists() {
            continue;
        }
        fs::copy(&path, &file).with_context(|| format!("cannot keep {}", path.display()))?;
        for needed in needed(&fs::read(&file)?).with_context(|| format!("{name} is no ELF file"))? {
            let found =
                library(&needed).ok_or_else(|| anyhow!("{name} needs {needed}, which is not there"))?;
            wanted.push(found);
        }
    }
    Ok(())
}

/// The libraries that an ELF file names.
fn needed(image: &[u8]) -> Result<Vec<String>> {
    let header = FileHeader64::<Endianness>::parse(image)?;
    let endian = header.endian()?;
    let sections = header.sections(endian, image)?;
    let Some((entries, strings)) = sections.dynamic(endian, image)? else { return Ok(Vec::new()) };
    let strings = sections.strings(endian, image, strings)?;
    let names = entries.iter().filter(|entry| entry.d_tag(endian) == DT_NEEDED);
    names
        .map(|entry| {
            let offset = u32::try_from(entry.d_val(endian)).context("a name lies too far away")?;
            let name = strings.get(offset).map_err(|()| anyhow!("a name is not there"))?;
            Ok(String::from_utf8_lossy(name).into_owned())
        })
        .collect()
}
