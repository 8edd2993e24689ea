//! Serving gdb for a guest: a client's socket and the guest's stops in one `poll`.
//!
//! vCPU threads say what happens through a [`Notifier`]; [`serve`] listens to it and to one client. As long as the
//! client and the guest take turns quickly, the vCPU's thread serves the client itself, see `session`. A VMM
//! that has an event loop of its own can drive [`trapline_core::gdb::Server`] from there instead.

mod client;
mod loan;
mod notifier;
mod session;

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard};

use rustix::event::{PollFd, PollFlags, Timespec};
use trapline_core::debugger::Debugger;
use trapline_core::gdb::{Closed, Commands, Server, ServerError};
use trapline_core::pool::Owner;
use trapline_core::target::TargetError;

use crate::error::Error;
use crate::target::KvmTarget;

pub use client::{Client, Outgoing};
pub use notifier::{End, Notifier, wait_readable};

use notifier::readable;
use session::{Broken, Further, Shared, Turn};

/// A packet that arrives and one that leaves, in bytes: large enough that memory transfers are not bound by
/// round trips.
const PACKET_BUFFER: usize = 0x8000;
/// How many refused clients are remembered.
const REFUSED: usize = 8;
/// How often the serving thread asks itself whether vCPUs' threads still carry the session on. A Ctrl-C that comes
/// when the guest has just begun to run for longer waits for so long, twice.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };

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
        commands: Option<&mut (dyn Commands<KvmTarget, CORES, SOFTWARE, BYTECODE> + Send)>,
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
        commands: Further<'_, CORES, SOFTWARE, BYTECODE>,
    ) -> Result<Served, Broken> {
        client.prepare().map_err(ServerError::Connection)?;
        // Another name of the same connection, to wait for it while others have the session.
        let waited_for = client.duplicate().map_err(ServerError::Connection)?;
        let mut packet_buffer = vec![0; PACKET_BUFFER];
        let outgoing = Outgoing::new(client).until(Arc::clone(self.notifier));
        let mut debugger = lock(self.debugger).map_err(ServerError::Target)?;
        let server = Server::new(&mut *debugger, outgoing, &mut packet_buffer)?;
        drop(debugger);
        // What was printed for a client that is gone.
        self.notifier.take_output();
        let commands = commands.map(|commands| commands as &mut (dyn Commands<_, _, _, _> + Send));
        let shared = Shared::new(server, commands, self.debugger, self.notifier);
        let notifier = self.notifier;
        notifier.helped().lend(&shared, || self.attend(&shared, &waited_for))
    }

    /// Waits for everything and does it, until the session is over.
    fn attend(
        &mut self,
        shared: &Shared<'_, CORES, SOFTWARE, BYTECODE>,
        client: &Client,
    ) -> Result<Served, Broken> {
        // Where vCPUs' threads carry the session on: how often they had done so when last looked at.
        let mut others = None;
        let mut woken = false;
        // How often this session is still to be seen to go on before the client that has come meanwhile is turned away:
        // one that comes when this one has just left is to be served.
        let mut next_waits = None;
        loop {
            match shared.attend(woken) {
                Turn::Ended(end) => return end,
                Turn::Ours { runs } => {
                    woken = false;
                    others = others.filter(|_| runs);
                    next_waits = next_waits.map(|_| 0);
                }
                // A client's packet has woken this thread in vain, and would again.
                Turn::Others => {
                    others = others.or(Some(0));
                    next_waits = next_waits.map(|looks: u8| looks.saturating_sub(1));
                }
            }
            if next_waits == Some(0) {
                refuse(self.others, &mut self.refused);
                next_waits = None;
            }
            shared.leave_to_others(others.is_some());
            let ready = match others {
                Some(_) => self.wait(None, next_waits.is_none(), Some(&LOOK)),
                None => self.wait(Some(client), next_waits.is_none(), None),
            };
            let ready = ready.map_err(ServerError::Connection)?;
            if ready.other {
                next_waits = Some(2);
            }
            woken |= ready.woken;
            // As long as they do so between two looks, it stays theirs, unless they say otherwise.
            let turns = shared.turns();
            others = others.filter(|before| !ready.woken && *before != turns).map(|_| turns);
        }
    }

    /// Waits until something is to be done, or no longer than `limit`; for the `next` client as well, if so asked.
    fn wait(&self, client: Option<&Client>, next: bool, limit: Option<&Timespec>) -> io::Result<Ready> {
        // What is not waited for is one that is there already, for nothing.
        let nothing = || PollFd::new(self.notifier, PollFlags::empty());
        let next = self.others.filter(|_| next);
        let mut fds = [
            client.map_or_else(nothing, |client| PollFd::new(client, PollFlags::IN)),
            PollFd::new(self.notifier, PollFlags::IN),
            next.map_or_else(nothing, |next| PollFd::from_borrowed_fd(next.as_fd(), PollFlags::IN)),
        ];
        readable(&mut fds, limit)?;
        let [_, woken, other] =
            fds.map(|fd| fd.revents().contains(PollFlags::IN) || fd.revents().contains(PollFlags::HUP));
        if woken {
            self.notifier.clear();
        }
        Ok(Ready { woken, other: other && next.is_some() })
    }
}

/// What is to be done.
struct Ready {
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
