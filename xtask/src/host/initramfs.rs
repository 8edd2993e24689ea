//! The file system of the emulated host: an uncompressed cpio archive, written anew for each run.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs::File,
    io::{self, BufWriter, Write},
    os::unix::{ffi::OsStrExt as _, fs::PermissionsExt as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use cpio::newc::{Builder, ModeFileType, trailer};

/// Directories that the host expects.
const DIRECTORIES: [&str; 7] = ["/bin", "/dev", "/proc", "/root", "/run", "/sys", "/tmp"];

/// An archive in the making.
pub(crate) struct Initramfs {
    out: BufWriter<File>,
    directories: BTreeSet<PathBuf>,
    inode: u32,
}

impl Initramfs {
    /// An archive with the usual directories, to be written into `file`.
    pub(crate) fn new(file: File) -> Result<Self> {
        let mut archive = Self { out: BufWriter::new(file), directories: BTreeSet::new(), inode: 0 };
        for directory in DIRECTORIES {
            archive.directory(Path::new(directory))?;
        }
        Ok(archive)
    }

    /// Adds a directory and those that it is in.
    pub(crate) fn directory(&mut self, path: &Path) -> Result<()> {
        let mut missing: Vec<_> = path
            .ancestors()
            .filter(|ancestor| ancestor.parent().is_some() && !self.directories.contains(*ancestor))
            .map(Path::to_owned)
            .collect();
        while let Some(directory) = missing.pop() {
            let entry = self.entry(&directory, ModeFileType::Directory, 0o755)?;
            entry.write(&mut self.out, 0).finish()?;
            self.directories.insert(directory);
        }
        Ok(())
    }

    /// Adds a file of this machine with its permissions.
    pub(crate) fn file(&mut self, source: &Path, destination: &Path) -> Result<()> {
        let cannot = || format!("cannot read {}", source.display());
        let mut file = File::open(source).with_context(cannot)?;
        let metadata = file.metadata().with_context(cannot)?;
        if !metadata.is_file() {
            bail!("{} is no regular file: only files can be mapped into the host", source.display());
        }
        let Ok(length) = u32::try_from(metadata.len()) else {
            bail!("{} is larger than 4 GiB: it does not fit into the emulated host", source.display());
        };
        let mut writer = self.begin_file(destination, metadata.permissions().mode() & 0o777, length)?;
        io::copy(&mut file, &mut writer).with_context(cannot)?;
        writer.finish()?;
        Ok(())
    }

    /// Adds a file with the given content.
    pub(crate) fn content(&mut self, destination: &Path, mode: u32, content: &[u8]) -> Result<()> {
        let mut writer = self.begin_file(destination, mode, u32::try_from(content.len())?)?;
        writer.write_all(content)?;
        writer.finish()?;
        Ok(())
    }

    /// Completes the archive.
    pub(crate) fn finish(mut self) -> Result<File> {
        trailer(&mut self.out)?;
        self.out.into_inner().context("cannot write the initramfs")
    }

    fn begin_file(
        &mut self,
        path: &Path,
        mode: u32,
        length: u32,
    ) -> Result<cpio::newc::Writer<&mut BufWriter<File>>> {
        if let Some(directory) = path.parent() {
            self.directory(directory)?;
        }
        Ok(self.entry(path, ModeFileType::Regular, mode)?.write(&mut self.out, length))
    }

    fn entry(&mut self, path: &Path, kind: ModeFileType, mode: u32) -> Result<Builder> {
        let name = path.strip_prefix("/").with_context(|| format!("{} is not absolute", path.display()))?;
        let name = name.to_str().with_context(|| format!("{} is not UTF-8", path.display()))?;
        // Names that share an inode number are taken for links to one file.
        self.inode += 1;
        Ok(Builder::new(name).ino(self.inode).nlink(1).mode(mode).set_mode_file_type(kind))
    }
}

/// `word` as one word of a shell script, whatever it holds.
pub(crate) fn quoted(word: &OsStr) -> Vec<u8> {
    let mut quoted = vec![b'\''];
    for &byte in word.as_bytes() {
        if byte == b'\'' {
            quoted.extend_from_slice(b"'\\''");
        } else {
            quoted.push(byte);
        }
    }
    quoted.push(b'\'');
    quoted
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, io::Seek as _};

    use super::*;

    #[test]
    fn an_archive_has_each_directory_before_what_is_in_it() {
        let mut archive = Initramfs::new(tempfile::tempfile().expect("file")).expect("archive");
        archive.content(Path::new("/a/b/c"), 0o644, b"hello").expect("added");
        archive.content(Path::new("/a/d"), 0o755, b"there").expect("added");
        let mut file = archive.finish().expect("complete");
        file.rewind().expect("seekable");

        let mut seen = BTreeMap::new();
        loop {
            let mut reader = cpio::newc::Reader::new(file).expect("entry");
            if reader.entry().is_trailer() {
                break;
            }
            let (name, mode) = (reader.entry().name().to_owned(), reader.entry().mode());
            let mut content = String::new();
            io::Read::read_to_string(&mut reader, &mut content).expect("content");
            if let Some((parent, _)) = name.rsplit_once('/') {
                assert!(seen.contains_key(parent), "{name} comes before {parent}");
            }
            assert!(seen.insert(name.clone(), (mode, content)).is_none(), "{name} comes twice");
            file = reader.finish().expect("next");
        }
        assert_eq!(seen.get("a/b/c"), Some(&(0o100_644, "hello".to_owned())));
        assert_eq!(seen.get("a/d"), Some(&(0o100_755, "there".to_owned())));
        assert_eq!(seen.get("a"), Some(&(0o040_755, String::new())));
    }

    #[test]
    fn a_shell_reads_a_quoted_word_as_it_was() {
        let word = OsStr::new("it's $HOME `x` \"y\"\n\\ *");
        let mut script = b"printf %s ".to_vec();
        script.extend(quoted(word));
        let shell = std::process::Command::new("sh").arg("-c").arg(OsStr::from_bytes(&script)).output();
        assert_eq!(shell.expect("sh").stdout, word.as_bytes());
    }
}
