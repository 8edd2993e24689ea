//! An arm64 host with KVM: this machine where it is one, an emulated one elsewhere.
//!
//! A host runs one [`Program`]. What happens meanwhile comes as [`Event`]s from [`Running::next`], signals
//! to this process included, so that a caller waits in one place.

mod emulated;
mod image;
mod initramfs;
mod lines;
mod marker;
mod native;
mod options;
mod ports;
mod supervisor;
pub(crate) mod tether;
mod watch;

use std::{
    ffi::OsString,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::mpsc::Receiver,
    time::Duration,
};

use anyhow::{Result, anyhow};

use self::supervisor::Stopper;
pub(crate) use self::{
    emulated::EMULATOR,
    image::{check_kernel, check_program},
    options::{HostOptions, MappedFile, PortForward},
};
use crate::setup::Setup;

/// Where programs run.
pub(crate) enum Host {
    /// This machine: arm64 with a usable `/dev/kvm`.
    Native,
    /// A machine that QEMU emulates, EL2 included.
    Emulated(emulated::Machine),
}

/// A program to run on a host, with all that it sees of this machine.
pub(crate) struct Program {
    /// Its path and arguments.
    pub(crate) command: Vec<OsString>,
    /// Its environment, beside what the host has.
    pub(crate) environment: Vec<(OsString, OsString)>,
    /// Files of this machine that it can read.
    pub(crate) files: Vec<MappedFile>,
    /// TCP ports of it that are carried out.
    pub(crate) forwards: Vec<PortForward>,
    /// Its standard input.
    pub(crate) input: Input,
    /// Its standard output and error.
    pub(crate) output: Output,
    /// Files that it writes and that are carried out while it does.
    pub(crate) streams: Vec<Stream>,
}

/// The standard input of a program.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Input {
    /// That of this process.
    Inherit,
    /// At its end from the start.
    Empty,
}

/// The standard output and error of a program.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    /// Those of this process, byte for byte.
    Inherit,
    /// Both line by line, as [`Event::Line`].
    Lines,
}

/// A file that the program writes, copied out byte by byte as it is written.
pub(crate) struct Stream {
    /// The path inside the host.
    pub(crate) inside: PathBuf,
    /// The file on this machine, created or truncated.
    pub(crate) outside: PathBuf,
}

/// What happens while a program runs.
pub(crate) enum Event {
    /// A line of output, with [`Output::Lines`].
    Line(String),
    /// This process was asked to end by the signal of that number; the program still runs.
    Signal(u8),
    /// The program ended with that exit status, 128 + N for signal N.
    Exited(u8),
}

/// A program at work on a host. It ends when this is dropped, and when this process dies.
pub(crate) struct Running {
    events: Receiver<Result<Event>>,
    forwards: Vec<PortForward>,
    stopper: Stopper,
}

impl Host {
    /// Chooses the host for `options` and fetches what it needs.
    pub(crate) fn choose(options: HostOptions, setup: Setup) -> Result<Self> {
        let options = options.with_environment()?;
        if options.fit_this_machine() && native::is_usable() {
            return Ok(Self::Native);
        }
        Ok(Self::Emulated(emulated::Machine::prepare(&options, setup)?))
    }

    /// Starts a program.
    pub(crate) fn start(&self, mut program: Program) -> Result<Running> {
        for forward in &mut program.forwards {
            forward.choose()?;
        }
        match self {
            Self::Native => native::start(program),
            Self::Emulated(machine) => machine.start(program),
        }
    }
}

impl Running {
    /// Waits for the next event.
    pub(crate) fn next(&mut self) -> Result<Event> {
        self.events.recv().map_err(|_| ended())?
    }

    /// The next event, or none within `patience`.
    pub(crate) fn next_within(&mut self, patience: Duration) -> Result<Option<Event>> {
        use std::sync::mpsc::RecvTimeoutError;
        match self.events.recv_timeout(patience) {
            Ok(event) => event.map(Some),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(ended()),
        }
    }

    /// The ports carried out, each with the port that was chosen for it.
    pub(crate) fn forwards(&self) -> &[PortForward] {
        &self.forwards
    }

    /// Where a port of the host is reached from this machine.
    pub(crate) fn address_of(&self, guest: u16) -> Result<SocketAddr> {
        let forward = self.forwards.iter().find(|forward| forward.guest == guest);
        let port = forward.ok_or_else(|| anyhow!("port {guest} of the host is not carried out"))?.host;
        Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    }

    /// Ends the program, and an emulated host with it.
    pub(crate) fn stop(&mut self) {
        self.stopper.stop();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

fn ended() -> anyhow::Error {
    anyhow!("the host has ended")
}
