//! The ports that join a program in the emulated host with this process.

use std::{
    fs::File,
    os::{fd::AsRawFd as _, unix::net::UnixStream},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};
use rustix::{
    fs::fstat,
    io::{FdFlags, fcntl_setfd},
    stdio::{stderr, stdout},
};

use super::{Output, Program, initramfs::quoted};

/// The emulator's ends, in the order of the port numbers: control, input, output, then error output where
/// it has one of its own, then one for each stream.
pub(crate) struct Ports {
    ends: Vec<UnixStream>,
    error: usize,
    streams: Vec<(usize, PathBuf)>,
}

/// This process's ends.
pub(crate) struct Outside {
    pub(crate) control: UnixStream,
    pub(crate) input: UnixStream,
    pub(crate) inherit_input: bool,
    pub(crate) output: UnixStream,
    /// None where both outputs go the same way, so that they keep their order.
    pub(crate) error: Option<UnixStream>,
    pub(crate) streams: Vec<(UnixStream, File)>,
}

impl Ports {
    /// Makes the ports for a program.
    pub(crate) fn new(program: &Program) -> Result<(Self, Outside)> {
        let mut ports = Self { ends: Vec::new(), error: 0, streams: Vec::new() };
        let control = ports.add()?;
        let input = ports.add()?;
        let output = ports.add()?;
        let apart = program.output != Output::Lines && !outputs_are_one();
        let error = apart.then(|| ports.add()).transpose()?;
        ports.error = ports.ends.len();
        let mut streams = Vec::new();
        for stream in &program.streams {
            let file = File::create(&stream.outside)
                .with_context(|| format!("cannot write {}", stream.outside.display()))?;
            streams.push((ports.add()?, file));
            ports.streams.push((ports.ends.len(), stream.inside.clone()));
        }
        let inherit_input = program.input == super::Input::Inherit;
        Ok((ports, Outside { control, input, inherit_input, output, error, streams }))
    }

    /// The port of the error output.
    pub(crate) fn error(&self) -> usize {
        self.error
    }

    /// The highest port.
    pub(crate) fn last(&self) -> usize {
        self.ends.len()
    }

    /// Adds the device and its ports to the emulator's command line.
    pub(crate) fn add_to(&self, command: &mut Command) -> Result<()> {
        command.args(["-device", "virtio-serial-device"]);
        for (number, end) in (1..).zip(&self.ends) {
            fcntl_setfd(end, FdFlags::empty()).context("cannot hand a socket to the emulator")?;
            command.arg("-chardev").arg(format!("socket,id=port{number},fd={}", end.as_raw_fd()));
            command.arg("-device").arg(format!("virtserialport,chardev=port{number},nr={number}"));
        }
        Ok(())
    }

    /// The shell function that gives the streams their names, and writes their ends.
    pub(crate) fn streams_function(&self) -> Vec<u8> {
        let mut script = b"streams() {\ncase $1 in link)\n".to_vec();
        for (number, path) in &self.streams {
            script.extend_from_slice(b"mkdir -p ");
            script.extend(quoted(path.parent().unwrap_or(Path::new("/")).as_os_str()));
            script.extend_from_slice(format!("\nln -sf \"$port\"{number} ").as_bytes());
            script.extend(quoted(path.as_os_str()));
            script.push(b'\n');
        }
        script.extend_from_slice(b":;;\nclose)\n");
        for (number, _) in &self.streams {
            script.extend_from_slice(format!("printf %s \"$end\" >\"$port\"{number}\n").as_bytes());
        }
        script.extend_from_slice(b":;;\nesac\n}\n");
        script
    }

    fn add(&mut self) -> Result<UnixStream> {
        let (inside, outside) = UnixStream::pair().context("cannot make a socket")?;
        self.ends.push(inside);
        Ok(outside)
    }
}

/// Whether standard output and error of this process are one file.
fn outputs_are_one() -> bool {
    match (fstat(stdout()), fstat(stderr())) {
        (Ok(output), Ok(error)) => (output.st_dev, output.st_ino) == (error.st_dev, error.st_ino),
        _ => false,
    }
}
