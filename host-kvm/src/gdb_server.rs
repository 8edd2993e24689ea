//! Serving gdb for a guest: a client's socket and the guest's stops in one `poll`.
//!
//! vCPU threads say what happens through a [`Notifier`]; [`serve`] listens to it and to one client. A VMM
//! that has an event loop of its own can drive [`trapline_core::gdb::Server`] from there instead.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::fd::OwnedFd;
use trapline_core::debugger::Debugger;
use trapline_core::gdb::{Closed, Commands, Connection, Server, ServerError, Status};
use trapline_core::pool::Owner;
use trapline_core::target::TargetError;

use crate::error::Error;
use crate::run_loop::{Notice, Observer};
use crate::target::KvmTarget;

/// A packet that arrives and one that leaves, in bytes: large enough that memory transfers are not bound by
/// round trips.
const PACKET_BUFFER: usize = 0x8000;
/// How much is read at once.
const INCOMING: usize = 0x4000;

/// The connection to a client.
#[derive(Debug)]
pub enum Client {
    /// Over TCP. `TCP_NODELAY` should be set: packets are small, and each waits for an answer.
    Tcp(TcpStream),
    /// Over a Unix socket.
    Unix(UnixStream),
}

impl Client {
    /// Reads what the client has sent; 0 bytes where it has closed the connection.
    ///
    /// # Errors
    /// Where the connection fails.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
        }
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.write_all(bytes),
            Self::Unix(stream) => stream.write_all(bytes),
        }
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}

/// How the service for one client ended.
#[derive(Debug)]
pub enum Served {
    /// The session is over.
    Closed(Closed),
    /// The client was lost: it closed the connection, or that failed. Nothing of it is armed any more, and
    /// the guest runs on.
    Lost(ClientLost),
    /// The guest has ended, or whoever holds the notifier wants an end. [`Notifier::end`] says why.
    Ended,
}

/// Why a client was lost.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientLost {
    /// It closed the connection without detaching.
    #[error("the gdb client closed the connection")]
    Disconnected,
    /// The connection failed.
    #[error("the connection to the gdb client failed: {0}")]
    Connection(io::Error),
}

/// Why service ends for good.
#[derive(Debug)]
pub enum End {
    /// A vCPU thread said so; never [`Notice::Stopped`].
    Guest(Notice),
    /// The process got this signal.
    Signal(i32),
    /// Whoever sits at the guest's console asked for it.
    Asked,
    /// What it was for is done.
    Done,
    /// Nobody takes what is told of the guest.
    Output(io::Error),
}

/// Takes what vCPU threads say and wakes the thread that polls it.
#[derive(Debug)]
pub struct Notifier {
    wake: OwnedFd,
    end: Mutex<Option<End>>,
}

impl Notifier {
    /// A notifier that nothing has been said to.
    ///
    /// # Errors
    /// Where the process has no file descriptor left.
    pub fn new() -> io::Result<Arc<Self>> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Arc::new(Self { wake, end: Mutex::new(None) }))
    }

    /// For [`crate::VcpuThreads::start`].
    #[must_use]
    pub fn observer(self: &Arc<Self>) -> Observer {
        let notifier = Arc::clone(self);
        Arc::new(move |notice| match notice {
            Notice::Stopped { .. } | Notice::Waiting(_) => notifier.wake(),
            notice => notifier.finish(End::Guest(notice)),
        })
    }

    /// Ends all service. The first reason counts.
    pub fn finish(&self, end: End) {
        self.lock().get_or_insert(end);
        self.wake();
    }

    /// Why service ended, once.
    pub fn end(&self) -> Option<End> {
        self.lock().take()
    }

    /// Whether service is to end.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.lock().is_some()
    }

    /// Waits until service is to end.
    ///
    /// # Errors
    /// Where `poll` fails.
    pub fn wait(&self) -> io::Result<()> {
        while !self.is_finished() {
            readable(&mut [PollFd::new(self, PollFlags::IN)])?;
            self.clear();
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Option<End>> {
        // The lock guards one assignment, so a panic elsewhere leaves nothing half done.
        self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        // It fails only where the counter is full, and then the descriptor is readable anyway.
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }

    /// Takes all wake-ups so far.
    fn clear(&self) {
        // It fails only where there are none.
        let _ = rustix::io::read(&self.wake, &mut [0; 8]);
    }
}

impl AsFd for Notifier {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

/// Waits until `fd` is readable, or the notifier says that service ends; which of them it was.
///
/// # Errors
/// Where `poll` fails.
pub fn wait_readable(fd: impl AsFd, notifier: &Notifier) -> io::Result<bool> {
    loop {
        if notifier.is_finished() {
            return Ok(false);
        }
        let (readable, _) = poll_both(fd.as_fd(), notifier)?;
        notifier.clear();
        if readable {
            return Ok(true);
        }
    }
}

/// Halts the guest and serves one client until it leaves or service ends.
///
/// # Errors
/// Where the guest's vCPUs can no longer be controlled. Trouble with the client is no error, but
/// [`Served::Lost`].
pub fn serve<const CORES: usize, const SOFTWARE: usize>(
    client: Client,
    debugger: &Mutex<Debugger<KvmTarget, CORES, SOFTWARE>>,
    notifier: &Notifier,
) -> Result<Served, Error> {
    serve_with(client, debugger, notifier, None)
}

/// As [`serve`], with further `monitor` commands.
///
/// # Errors
/// As [`serve`].
pub fn serve_with<const CORES: usize, const SOFTWARE: usize>(
    client: Client,
    debugger: &Mutex<Debugger<KvmTarget, CORES, SOFTWARE>>,
    notifier: &Notifier,
    commands: Option<&mut dyn Commands<KvmTarget, CORES, SOFTWARE>>,
) -> Result<Served, Error> {
    let mut packet_buffer = vec![0; PACKET_BUFFER];
    let mut incoming = vec![0; INCOMING];
    let result = serve_until_closed(client, debugger, notifier, commands, &mut packet_buffer, &mut incoming);
    let lost = match result {
        Ok(Served::Lost(lost)) => lost,
        Ok(served) => return Ok(served),
        Err(ServerError::Target(error)) => return Err(error),
        Err(ServerError::Connection(error)) => ClientLost::Connection(error),
        Err(other) => ClientLost::Connection(io::Error::other(other)),
    };
    release(debugger)?;
    Ok(Served::Lost(lost))
}

fn serve_until_closed<const CORES: usize, const SOFTWARE: usize>(
    client: Client,
    debugger: &Mutex<Debugger<KvmTarget, CORES, SOFTWARE>>,
    notifier: &Notifier,
    mut commands: Option<&mut dyn Commands<KvmTarget, CORES, SOFTWARE>>,
    packet_buffer: &mut [u8],
    incoming: &mut [u8],
) -> Result<Served, ServerError<Error, io::Error>> {
    let debugger = || lock(debugger).map_err(ServerError::Target);
    let mut server = Server::new(&mut *debugger()?, Outgoing::new(client), packet_buffer)?;
    loop {
        if notifier.is_finished() {
            server.report_exit(&mut *debugger()?, 0)?;
            return Ok(Served::Ended);
        }
        let Some(connection) = server.connection() else { return Ok(Served::Closed(Closed::Detached)) };
        let (readable, woken) =
            poll_both(connection.client.as_fd(), notifier).map_err(ServerError::Connection)?;
        let mut status = server.status();
        if woken {
            notifier.clear();
            status = server.report_stop(&mut *debugger()?)?;
        }
        if readable {
            let Some(connection) = server.connection() else { continue };
            let count = connection.client.read(incoming).map_err(ServerError::Connection)?;
            if count == 0 {
                return Ok(Served::Lost(ClientLost::Disconnected));
            }
            let bytes = incoming.get(..count).unwrap_or_default();
            status = match &mut commands {
                Some(commands) => server.receive_with(&mut *debugger()?, *commands, bytes)?,
                None => server.receive(&mut *debugger()?, bytes)?,
            };
        }
        if let Status::Closed(closed) = status {
            return Ok(Served::Closed(closed));
        }
    }
}

/// Removes what a lost client had armed, and lets the guest run on.
fn release<const CORES: usize, const SOFTWARE: usize>(
    debugger: &Mutex<Debugger<KvmTarget, CORES, SOFTWARE>>,
) -> Result<(), Error> {
    match lock(debugger)?.detach(Owner::DEBUGGER) {
        Ok(()) | Err(TargetError::Refused(_)) => Ok(()),
        Err(TargetError::Lost(error)) => Err(error),
    }
}

fn lock<D>(debugger: &Mutex<D>) -> Result<MutexGuard<'_, D>, Error> {
    debugger.lock().map_err(|_| Error::Poisoned { what: "the debugger" })
}

/// Which of the two are readable; it waits for one of them.
fn poll_both(stream: BorrowedFd<'_>, notifier: &Notifier) -> io::Result<(bool, bool)> {
    let mut fds = [PollFd::new(&stream, PollFlags::IN), PollFd::new(notifier, PollFlags::IN)];
    readable(&mut fds)?;
    let [stream, notifier] = &fds;
    Ok((!stream.revents().is_empty(), !notifier.revents().is_empty()))
}

/// Waits until one of them is readable.
fn readable(fds: &mut [PollFd<'_>]) -> io::Result<()> {
    loop {
        match poll(fds, None) {
            Ok(_) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// A client for a [`Server`]: what goes to it is sent a packet at a time.
#[derive(Debug)]
pub struct Outgoing {
    client: Client,
    bytes: Vec<u8>,
}

impl Outgoing {
    /// Nothing is on the way yet.
    #[must_use]
    pub const fn new(client: Client) -> Self {
        Self { client, bytes: Vec::new() }
    }

    /// The client.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// As [`Client::read`].
    ///
    /// # Errors
    /// As [`Client::read`].
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.client.read(buffer)
    }
}

impl Connection for Outgoing {
    type Error = io::Error;

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.client.write_all(&self.bytes)?;
        self.bytes.clear();
        Ok(())
    }
}
