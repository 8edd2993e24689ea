//! Which arguments are ours and which the tool's, and what those of the tool mean for the host.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf, absolute},
};

use anyhow::{Context as _, Result, bail};
use clap::{Args as _, Command};

use super::{Options, linux};
use crate::setup::KernelChoice;

/// Options of the tool whose value is a file that it reads.
const FILES: [&str; 3] = ["--kernel", "--initrd", "--symbols"];

/// The command line of this process with `--` before the options that are the tool's own, so that they can
/// stand anywhere.
pub(crate) fn arranged(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let arguments: Vec<_> = arguments.collect();
    let (Some(program), Some(command)) = (arguments.first(), arguments.get(1)) else { return arguments };
    if command != "run-guest" {
        return arguments;
    }
    let (ours, theirs) = apart(arguments.get(2..).unwrap_or_default());
    let mut arranged = vec![program.clone(), command.clone()];
    arranged.extend(ours);
    arranged.push("--".into());
    arranged.extend(theirs);
    arranged
}

/// Our options, and the tool's.
fn apart(arguments: &[OsString]) -> (Vec<OsString>, Vec<OsString>) {
    let known = Options::augment_args(Command::new("run-guest"));
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        if argument == "--" {
            theirs.extend(arguments.cloned());
            break;
        }
        let (name, value) = split(argument);
        if name == "--help" || name == "-h" {
            ours.push(argument.clone());
            continue;
        }
        let option = known.get_arguments().find(|known| {
            known
                .get_long()
                .is_some_and(|long| name.to_str().and_then(|name| name.strip_prefix("--")) == Some(long))
        });
        let Some(option) = option else {
            theirs.push(argument.clone());
            continue;
        };
        ours.push(argument.clone());
        if value.is_none() && option.get_action().takes_values() {
            ours.extend(arguments.next().cloned());
        }
    }
    (ours, theirs)
}

/// `--name=value` in its parts.
fn split(argument: &OsStr) -> (&OsStr, Option<&OsStr>) {
    use std::os::unix::ffi::OsStrExt as _;
    let bytes = argument.as_bytes();
    let at = bytes.iter().position(|&byte| byte == b'=').filter(|_| bytes.starts_with(b"--"));
    match at.map(|at| (bytes.get(..at), bytes.get(at + 1..))) {
        Some((Some(name), Some(value))) => (OsStr::from_bytes(name), Some(OsStr::from_bytes(value))),
        _ => (argument, None),
    }
}

/// The tool's options, with paths as the host has them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct GuestArguments {
    /// The kernel, where it is not ours.
    pub(crate) kernel: Option<PathBuf>,
    /// The Debian kernel that was asked for by name.
    pub(crate) debian: Option<KernelChoice>,
    /// Whether the kernel has an initial RAM disk of its own, or is to have none.
    pub(crate) has_initrd: bool,
    /// The file with symbols that was named.
    pub(crate) symbols: Option<PathBuf>,
    /// The file for the serial port that was named.
    pub(crate) serial: Option<PathBuf>,
    /// Whether the serial port is standard input and output.
    pub(crate) serial_is_standard: bool,
    /// Whether no gdb server was asked for.
    pub(crate) without_server: bool,
    /// The guest's memory in MiB, as far as it was said.
    pub(crate) memory: u64,
    /// Files that the tool reads.
    pub(crate) files: Vec<PathBuf>,
    /// All options but --serial and --gdb.
    pub(crate) others: Vec<OsString>,
}

impl GuestArguments {
    /// Reads the tool's options.
    pub(crate) fn read(arguments: &[OsString]) -> Result<Self> {
        let mut read = Self::default();
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let (name, value) = split(argument);
            let Some(name) = name.to_str().filter(|name| has_meaning_here(name)) else {
                read.others.push(argument.clone());
                continue;
            };
            let value = value.or_else(|| arguments.next().map(OsString::as_os_str));
            read.option(name, value.with_context(|| format!("{name} needs a value"))?)?;
        }
        Ok(read)
    }

    /// Adds a file that the tool is to read.
    pub(crate) fn add_file(&mut self, name: &str, file: PathBuf) {
        self.others.extend([name.into(), file.clone().into()]);
        self.files.push(file);
    }

    fn option(&mut self, name: &str, value: &OsStr) -> Result<()> {
        match name {
            "--gdb" if value == "none" => {
                self.without_server = true;
                self.others.extend([name.into(), value.to_owned()]);
            }
            "--gdb" => bail!("the address of the gdb server is chosen here: give --port PORT, or --gdb none"),
            "--serial" if value == "stdio" => self.serial_is_standard = true,
            "--serial" => self.serial = Some(absolute(value)?),
            "--memory" => {
                // A value that is none is the tool's to refuse.
                self.memory = value.to_str().and_then(|value| value.parse().ok()).unwrap_or(0);
                self.others.extend([name.into(), value.to_owned()]);
            }
            "--kernel" if value.to_str().and_then(linux::kernel_of).is_some() => {
                self.debian = value.to_str().and_then(linux::kernel_of).transpose()?;
            }
            "--initrd" if value == "none" => self.has_initrd = true,
            "--flat" => {
                // What is loaded as it is has no use for a shell.
                self.has_initrd = true;
                self.others.extend([name.into(), value.to_owned()]);
            }
            _ => {
                let file = Path::new(value);
                let file = file.canonicalize().with_context(|| format!("cannot read {}", file.display()))?;
                match name {
                    "--kernel" => self.kernel = Some(file.clone()),
                    "--initrd" => self.has_initrd = true,
                    "--symbols" => self.symbols = Some(file.clone()),
                    _ => {}
                }
                self.add_file(name, file);
            }
        }
        Ok(())
    }
}

fn has_meaning_here(name: &str) -> bool {
    FILES.contains(&name) || ["--gdb", "--serial", "--memory", "--flat"].contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn options_of_the_tool_may_stand_anywhere() {
        let arranged = |text: &str| arranged(words(text).into_iter());
        assert_eq!(
            arranged(
                "xtask run-guest --kernel Image --serve --cpus=4 --port 1 --watch x:4 --host-cpu=max -- --demo"
            ),
            words(
                "xtask run-guest --serve --port 1 --host-cpu=max -- --kernel Image --cpus=4 --watch x:4 --demo"
            )
        );
        assert_eq!(arranged("xtask in-host --cpu max a"), words("xtask in-host --cpu max a"));
        assert_eq!(arranged("xtask"), words("xtask"));
    }

    #[test]
    fn files_of_the_tool_are_mapped_under_their_own_names() {
        let read = |text: &str| GuestArguments::read(&words(text)).expect("good options");
        let read = read("--kernel=./Cargo.toml --break main --memory 2048 --serial out.txt");
        let kernel = Path::new("Cargo.toml").canonicalize().expect("a file");
        let mut others = words("--kernel");
        others.push(kernel.clone().into());
        others.extend(words("--break main --memory 2048"));
        let expected = GuestArguments {
            files: vec![kernel.clone()],
            kernel: Some(kernel),
            serial: Some(absolute("out.txt").expect("a path")),
            memory: 2048,
            others,
            ..GuestArguments::default()
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn options_that_cannot_be_are_refused() {
        for (text, word) in [("--gdb :1", "--port"), ("--kernel /no/file", "/no/file"), ("--serial", "value")]
        {
            let error = GuestArguments::read(&words(text)).expect_err(text);
            assert!(format!("{error:#}").contains(word), "{error:#}");
        }
    }
}
