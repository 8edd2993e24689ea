//! Programs of Debian's for arm64 that the bench runs inside the host, each with the libraries that it is linked to:
//! the peer that it measures against, and a client.

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

/// The loader of programs that are linked dynamically: the host has none of its own.
const LOADER: &str = "ld-linux-aarch64.so.1";

/// A program to run inside the host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Inside {
    /// What it is, in words.
    pub(crate) name: &'static str,
    package: &'static str,
    program: &'static str,
}

/// The peer. With `-accel kvm` it emulates devices only.
pub(crate) const QEMU: Inside = Inside {
    name: "Debian's QEMU for arm64, to measure against",
    package: "qemu-system-arm",
    program: "qemu-system-aarch64",
};
/// The client. The usual package needs Python, and all that comes with it.
pub(crate) const GDB: Inside =
    Inside { name: "Debian's gdb for arm64, to measure with", package: "gdb-minimal", program: "gdb" };

impl Inside {
    /// Whether it is there.
    pub(crate) fn is_there(self) -> bool {
        self.directory().is_dir()
    }

    /// Fetches it.
    pub(crate) fn fetch(self) -> Result<()> {
        let archive = Archive::open(self.package)?;
        let parent = workspace::directory("inside")?;
        let (unpacked, kept) = (tempfile::tempdir_in(&parent)?, tempfile::tempdir_in(&parent)?);
        archive.unpack_with_dependencies(self.package, unpacked.path())?;
        keep(self.program, unpacked.path(), kept.path())?;
        let directory = self.directory();
        fs::rename(kept.keep(), &directory).with_context(|| format!("cannot keep {}", directory.display()))
    }

    /// How to get it by hand.
    pub(crate) fn by_hand(self) -> String {
        let package = self.package;
        format!(
            "dpkg --add-architecture arm64 && apt-get update, as root; then let this command fetch {package}"
        )
    }

    /// Its files inside the host.
    pub(crate) fn files(self) -> Result<Vec<MappedFile>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(self.directory()).with_context(|| format!("{} is not there", self.name))? {
            let entry = entry?;
            let destination = Path::new(&self.inside()).join(entry.file_name());
            files.push(MappedFile { source: entry.path(), destination });
        }
        Ok(files)
    }

    /// The command inside the host that starts it.
    pub(crate) fn command(self) -> String {
        let (inside, program) = (self.inside(), self.program);
        format!("{inside}/{LOADER} --library-path {inside} {inside}/{program}")
    }

    fn directory(self) -> PathBuf {
        workspace::cache().join("inside").join(self.package)
    }

    /// Where it is inside the host.
    fn inside(self) -> String {
        format!("/trapline/inside/{}", self.package)
    }
}

/// Keeps the program, its loader, and what both are linked to.
fn keep(program: &str, unpacked: &Path, to: &Path) -> Result<()> {
    let mut libraries = BTreeMap::new();
    for directory in ["usr/lib/aarch64-linux-gnu", "lib/aarch64-linux-gnu", "usr/lib", "lib"] {
        let Ok(entries) = fs::read_dir(unpacked.join(directory)) else { continue };
        for entry in entries {
            let entry = entry?;
            libraries.entry(entry.file_name().to_string_lossy().into_owned()).or_insert(entry.path());
        }
    }
    let mut wanted = vec![(program.to_owned(), unpacked.join("usr/bin").join(program))];
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
