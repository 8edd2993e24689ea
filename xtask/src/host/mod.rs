//! An arm64 host with KVM: this machine where it is one, an emulated one elsewhere.
//!
//! A host runs one [`Program`]. What happens meanwhile comes as [`Event`]s from [`Running::next`], signals
//! to this process included, so that a caller waits in one place.

mod child;
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
mod vm_holder;
mod watch;

use std::{ffi::OsString, net::Ipv4Addr, sync::mpsc::Receiver, time::Duration};

use anyhow::{Result, anyhow};

use self::supervisor::Stopper;
pub(crate) use self::{
    child::start_child,
    emulated::EMULATOR,
    image::{check_kernel, check_program},
    initramfs::Initramfs,
    lines::{Watched, copy},
    options::{HostOptions, MappedFile, PortForward, Stream},
};
use crate::setup::Requirement;

/// Where programs run.
pub(crate) enum Host {
    /// This machine: arm64 with a usable `/dev/kvm`.
    Native,
    /// A machine that QEMU emulates, EL2 included.
    Emulated(HostOptions),
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
    /// The memory that it takes itself, in MiB.
    pub(crate) memory: u64,
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
    /// Those of this process, and line by line as [`Event::Line`].
    Watched,
    /// Only line by line, as [`Event::Line`], both in one.
    Lines,
}

/// What happens while a program runs.
pub(crate) enum Event {
    /// A line of output.
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
    /// Chooses the host for `options`.
    pub(crate) fn choose(options: HostOptions) -> Result<Self> {
        let options = options.with_environment()?;
        let native = options.fit_this_machine() && native::is_usable();
        Ok(if native { Self::Native } else { Self::Emulated(options) })
    }

    /// What this machine must have for it.
    pub(crate) fn requirements(&self) -> Vec<Requirement> {
        match self {
            Self::Native => Vec::new(),
            Self::Emulated(options) => vec![Requirement::EMULATOR, Requirement::HostFiles(options.kernel())],
        }
    }

    /// The address for a server that is to be reached from this machine, and from nowhere else.
    pub(crate) fn listen_address(&self) -> Ipv4Addr {
        match self {
            Self::Native => Ipv4Addr::LOCALHOST,
            Self::Emulated(_) => Ipv4Addr::UNSPECIFIED,
        }
    }

    /// Starts a program. The requirements must be met.
    pub(crate) fn start(&self, mut program: Program) -> Result<Running> {
        for forward in &mut program.forwards {
            forward.choose()?;
        }
        match self {
            Self::Native => native::start(program),
            Self::Emulated(options) => emulated::start(options, program),
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
