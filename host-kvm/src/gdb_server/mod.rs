//! Serving gdb for a guest: a client's socket and the guest's stops in one `poll`.
//!
//! vCPU threads say what happens through a [`Notifier`]; [`serve`] listens to it and to one client. A VMM
//! that has an event loop of its own can drive [`trapline_core::gdb::Server`] from there instead.

mod client;
mod notifier;

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard};

use rustix::event::{PollFd, PollFlags};
use trapline_core::debugger::Debugger;
use trapline_core::gdb::{Closed, Commands, Server, ServerError, Status};
use trapline_core::pool::Owner;
use trapline_core::target::TargetError;

use crate::error::Error;
use crate::patience::Patience;
use crate::target::KvmTarget;

pub use client::{Client, Outgoing};
pub use notifier::{End, Notifier, wait_readable};

use notifier::{Watch, readable};

/// A packet that arrives and one that leaves, in bytes: large enough that memory transfers are not bound by
/// round trips.
const PACKET_BUFFER: usize = 0x8000;
/// How many refused clients are remembered.
const REFUSED: usize = 8;
/// How much is read at once.
const INCOMING: usize = 0x4000;

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

/// Where further clients come from while one is served.
pub trait Clients: AsFd {
    /// Takes the client that is waiting.
    ///
    /// # Errors
    /// Where it is gone again, or cannot be taken.
    fn accept(&self) -> io::Result<Client>;
}

/// Halts the guest and serves one client until it leaves or service ends, as [`Service::serve`] does.
///
/// # Errors
/// As [`Service::serve`].
pub fn serve<const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize>(
    client: Client,
    debugger: &Mutex<Debugger<KvmTarget, CORES, SOFTWARE, BYTECODE>>,
    notifier: &Arc<Notifier>,
) -> Result<Served, Error> {
    Service::new(debugger, notifier).serve(client, None)
}

/// Service for clients, one after the other.
pub struct Service<'a, const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize = 4096> {
    debugger: &'a Mutex<Debugger<KvmTarget, CORES, SOFTWARE, BYTECODE>>,
    notifier: &'a Arc<Notifier>,
    others: Option<&'a dyn Clients>,
    /// The last clients that were not served. Closed at once, they would not hear why.
    refused: VecDeque<Client>,
}

impl<'a, const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize>
    Service<'a, CORES, SOFTWARE, BYTECODE>
{
    /// Service for which further clients wait until a client leaves.
    pub const fn new(
        debugger: &'a Mutex<Debugger<KvmTarget, CORES, SOFTWARE, BYTECODE>>,
        notifier: &'a Arc<Notifier>,
    ) -> Self {
        Self { debugger, notifier, others: None, refused: VecDeque::new() }
    }

    /// While a client is served, further ones are told so at once, and not served.
    #[must_use]
    pub fn refusing(self, others: &'a dyn Clients) -> Self {
        Self { others: Some(others), ..self }
    }

    /// Halts the guest and serves one client until it leaves or service ends, with `monitor` commands besides the
    /// server's own.
    ///
    /// # Errors
    /// Where the guest's vCPUs can no longer be controlled. Trouble with the client is no error, but
    /// [`Served::Lost`].
    pub fn serve(
        &mut self,
        client: Client,
        commands: Option<&mut dyn Commands<KvmTarget, CORES, SOFTWARE, BYTECODE>>,
    ) -> Result<Served, Error> {
        lock(self.debugger)?.target_mut().set_console(Some(self.notifier.console()));
        let result = self.serve_until_closed(client, commands);
        lock(self.debugger)?.target_mut().set_console(None);
        let lost = match result {
            Ok(Served::Lost(lost)) => lost,
            Ok(served) => return Ok(served),
            Err(ServerError::Target(error)) => return Err(error),
            Err(ServerError::Connection(error)) => ClientLost::Connection(error),
            Err(other) => ClientLost::Connection(io::Error::other(other)),
        };
        release(self.debugger)?;
        Ok(Served::Lost(lost))
    }

    fn serve_until_closed(
        &mut self,
        client: Client,
        mut commands: Option<&mut dyn Commands<KvmTarget, CORES, SOFTWARE, BYTECODE>>,
    ) -> Result<Served, ServerError<Error, io::Error>> {
        client.prepare().map_err(ServerError::Connection)?;
        let (mut packet_buffer, mut incoming) = (vec![0; PACKET_BUFFER], vec![0; INCOMING]);
        let outgoing = Outgoing::new(client).until(Arc::clone(self.notifier));
        let debugger = || lock(self.debugger).map_err(ServerError::Target);
        let mut server = Server::new(&mut *debugger()?, outgoing, &mut packet_buffer)?;
        // What was printed for a client that is gone.
        self.notifier.take_output();
        let patience = Patience::new();
        // For a stop that may come at once.
        let mut watch = None;
        loop {
            if self.notifier.is_finished() {
                server.report_exit(&mut *debugger()?, 0)?;
                return Ok(Served::Ended);
            }
            let Some(connection) = server.connection() else { return Ok(Served::Closed(Closed::Detached)) };
            let ready = match watch.take() {
                Some(watch) => self.look_out(&patience, watch, connection.client()),
                None => self.wait(connection.client()),
            };
            let ready = ready.map_err(ServerError::Connection)?;
            if ready.other {
                refuse(self.others, &mut self.refused);
            }
            let mut status = server.status();
            if ready.woken {
                let mut debugger = debugger()?;
                // What was printed before a stop comes before the stop.
                server.report_output(&self.notifier.take_output())?;
                status = server.report_stop(&mut debugger)?;
            }
            if ready.client {
                let Some(connection) = server.connection() else { continue };
                let count = connection.read(&mut incoming).map_err(ServerError::Connection)?;
                if count == 0 {
                    return Ok(Served::Lost(ClientLost::Disconnected));
                }
                let bytes = incoming.get(..count).unwrap_or_default();
                watch = Some(self.notifier.watch());
                let mut debugger = debugger()?;
                server.report_output(&self.notifier.take_output())?;
                status = match &mut commands {
                    Some(commands) => server.receive_with(&mut debugger, *commands, bytes)?,
                    None => server.receive(&mut debugger, bytes)?,
                };
                watch.take_if(|_| status != Status::Running);
            }
            if let Status::Closed(closed) = status {
                return Ok(Served::Closed(closed));
            }
        }
    }

    /// As [`Self::wait`], while the guest runs and may be about to stop.
    fn look_out(&self, patience: &Patience, watch: Watch<'_>, client: &Client) -> io::Result<Ready> {
        let wait = patience.begin();
        wait.look_out(|| watch.woken());
        match watch.end() {
            true => Ok(Ready { client: false, woken: true, other: false }),
            false => self.wait(client),
        }
    }

    /// Waits until something is to be done.
    fn wait(&self, client: &Client) -> io::Result<Ready> {
        let mut fds = [
            PollFd::new(client, PollFlags::IN),
            PollFd::new(self.notifier, PollFlags::IN),
            // Without others, one that is there already.
            match self.others {
                Some(others) => PollFd::from_borrowed_fd(others.as_fd(), PollFlags::IN),
                None => PollFd::new(self.notifier, PollFlags::empty()),
            },
        ];
        readable(&mut fds)?;
        let [client, woken, other] =
            fds.map(|fd| fd.revents().contains(PollFlags::IN) || fd.revents().contains(PollFlags::HUP));
        if woken {
            self.notifier.clear();
        }
        Ok(Ready { client, woken, other: other && self.others.is_some() })
    }
}

/// What is to be done.
struct Ready {
    /// The client has sent something, or is gone.
    client: bool,
    /// The guest has something to say.
    woken: bool,
    /// Another client is here.
    other: bool,
}

/// Turns the next client away.
fn refuse(others: Option<&dyn Clients>, refused: &mut VecDeque<Client>) {
    // One that is gone again needs no answer.
    let Some(Ok(mut client)) = others.map(|others| others.accept()) else { return };
    if client.refuse().is_ok() {
        refused.truncate(REFUSED - 1);
        refused.push_front(client);
    }
}

/// Removes what a lost client had armed, and lets the guest run on.
fn release<const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize>(
    debugger: &Mutex<Debugger<KvmTarget, CORES, SOFTWARE, BYTECODE>>,
) -> Result<(), Error> {
    match lock(debugger)?.detach(Owner::DEBUGGER) {
        Ok(()) | Err(TargetError::Refused(_)) => Ok(()),
        Err(TargetError::Lost(error)) => Err(error),
    }
}

fn lock<D>(debugger: &Mutex<D>) -> Result<MutexGuard<'_, D>, Error> {
    debugger.lock().map_err(|_| Error::Poisoned { what: "the debugger" })
}
