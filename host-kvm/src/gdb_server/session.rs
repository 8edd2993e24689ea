//! A session with one client, carried on by whichever thread has something to do for it.
//!
//! In a run of steps the client and one vCPU take turns. The thread that serves the client would only stand between them:
//! two changes of threads for each packet. So the vCPU's thread that has stopped the guest tells the client itself, and
//! takes the client's next packets as long as they come at once. When the client takes its time, or the guest runs for
//! longer, the session is the serving thread's again, which waits for everything.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, TryLockError};
use std::time::Duration;

use trapline_core::debugger::Debugger;
use trapline_core::gdb::{Commands, Server, ServerError, Status};

use super::client::Outgoing;
use super::loan::Helped;
use super::notifier::Notifier;
use super::{ClientLost, Served, lock};
use crate::error::Error;
use crate::patience::Patience;
use crate::target::KvmTarget;

/// How long a vCPU's thread looks out for the client's next packet: for one that takes longer to answer than this,
/// waking up another thread is nothing.
const LONGEST: Duration = Duration::from_millis(2);
/// How much is read at once.
const INCOMING: usize = 0x4000;

/// Why a session broke down.
pub(super) type Broken = ServerError<Error, io::Error>;

/// Commands of the embedder's.
pub(super) type Further<'s, const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize> =
    Option<&'s mut (dyn Commands<KvmTarget, CORES, SOFTWARE, BYTECODE> + Send)>;

/// The session, and what it is about.
pub(super) struct Shared<'s, const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize> {
    session: Mutex<Session<'s, CORES, SOFTWARE, BYTECODE>>,
    debugger: &'s Mutex<Debugger<KvmTarget, CORES, SOFTWARE, BYTECODE>>,
    notifier: &'s Notifier,
    /// How often vCPUs' threads have carried the session on.
    turns: AtomicU64,
    /// Whether the serving thread leaves it to them, and does not wait for the client.
    left: AtomicBool,
}

struct Session<'s, const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize> {
    server: Server<'s, KvmTarget, Outgoing, CORES, SOFTWARE, BYTECODE>,
    commands: Further<'s, CORES, SOFTWARE, BYTECODE>,
    incoming: Vec<u8>,
    /// For the client's packets.
    patience: Patience,
    /// How it ended, once it has.
    end: Option<Result<Served, Broken>>,
}

/// Where a session stands for the thread that serves it.
pub(super) enum Turn {
    /// It is that thread's, and whether the guest runs.
    Ours { runs: bool },
    /// A vCPU's thread carries it on.
    Others,
    /// It is over.
    Ended(Result<Served, Broken>),
}

impl<'s, const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize>
    Shared<'s, CORES, SOFTWARE, BYTECODE>
{
    pub(super) fn new(
        server: Server<'s, KvmTarget, Outgoing, CORES, SOFTWARE, BYTECODE>,
        commands: Further<'s, CORES, SOFTWARE, BYTECODE>,
        debugger: &'s Mutex<Debugger<KvmTarget, CORES, SOFTWARE, BYTECODE>>,
        notifier: &'s Notifier,
    ) -> Self {
        let (incoming, patience) = (vec![0; INCOMING], Patience::new(LONGEST));
        let session = Mutex::new(Session { server, commands, incoming, patience, end: None });
        Self { session, debugger, notifier, turns: AtomicU64::new(0), left: AtomicBool::new(false) }
    }

    /// How often vCPUs' threads have carried the session on so far.
    pub(super) fn turns(&self) -> u64 {
        self.turns.load(Ordering::Relaxed)
    }

    /// Says whether the serving thread waits for the client itself, or is to be woken where the session becomes its own.
    /// What is overlooked in between it finds when it looks next.
    pub(super) fn leave_to_others(&self, left: bool) {
        self.left.store(left, Ordering::Relaxed);
    }

    /// Does what is to be done: tells the client what the guest has to say, where that has `woken` somebody, and takes
    /// what the client has sent.
    pub(super) fn attend(&self, woken: bool) -> Turn {
        let mut session = match self.session.try_lock() {
            Ok(session) => session,
            Err(TryLockError::WouldBlock) => return Turn::Others,
            Err(TryLockError::Poisoned(_)) => {
                let poisoned = Error::Poisoned { what: "the session with the gdb client" };
                return Turn::Ended(Err(ServerError::Target(poisoned)));
            }
        };
        if session.end.is_none() {
            let attended = self.attend_to(&mut session, woken);
            session.end = attended.err().map(Err).or(session.end.take());
        }
        match session.end.take() {
            Some(end) => Turn::Ended(end),
            None => Turn::Ours { runs: session.server.status() == Status::Running },
        }
    }

    fn attend_to(
        &self,
        session: &mut Session<'s, CORES, SOFTWARE, BYTECODE>,
        woken: bool,
    ) -> Result<(), Broken> {
        if self.notifier.is_finished() {
            let mut debugger = lock(self.debugger).map_err(ServerError::Target)?;
            session.server.report_exit(&mut debugger, 0)?;
            session.end = Some(Ok(Served::Ended));
            return Ok(());
        }
        if woken {
            self.tell_stop(session)?;
        }
        if let Some(count) = session.read()? {
            session.patience.end();
            self.take(session, count)?;
        }
        Ok(())
    }

    /// Tells the client what was printed, and of a stop.
    fn tell_stop(&self, session: &mut Session<'s, CORES, SOFTWARE, BYTECODE>) -> Result<Status, Broken> {
        let mut debugger = lock(self.debugger).map_err(ServerError::Target)?;
        // What was printed before a stop comes before the stop.
        session.report_output(self.notifier)?;
        let before = session.server.status();
        let status = session.server.report_stop(&mut debugger)?;
        if status != before {
            session.patience.begin();
        }
        Ok(status)
    }

    /// Takes the first `count` bytes of what has come in.
    fn take(
        &self,
        session: &mut Session<'s, CORES, SOFTWARE, BYTECODE>,
        count: usize,
    ) -> Result<Status, Broken> {
        if count == 0 {
            session.end = Some(Ok(Served::Lost(ClientLost::Disconnected)));
            return Ok(session.server.status());
        }
        let mut debugger = lock(self.debugger).map_err(ServerError::Target)?;
        session.report_output(self.notifier)?;
        let bytes = session.incoming.get(..count).unwrap_or_default();
        let status = match &mut session.commands {
            Some(commands) => session.server.receive_with(&mut debugger, *commands, bytes)?,
            None => session.server.receive(&mut debugger, bytes)?,
        };
        session.patience.begin();
        if let Status::Closed(closed) = status {
            session.end = Some(Ok(Served::Closed(closed)));
        }
        Ok(status)
    }

    /// Carries the session on as long as the guest is halted and the client's packets come at once; whether the
    /// serving thread need not know.
    fn carry_on(&self, session: &mut Session<'s, CORES, SOFTWARE, BYTECODE>) -> Result<bool, Broken> {
        let mut status = self.tell_stop(session)?;
        while status != Status::Running && session.end.is_none() {
            if self.notifier.is_finished() {
                return Ok(false);
            }
            match session.look_out(self.notifier)? {
                Some(count) => status = self.take(session, count)?,
                None => return Ok(!self.left.load(Ordering::Relaxed)),
            }
        }
        Ok(session.end.is_none())
    }
}

impl<const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize> Helped
    for Shared<'_, CORES, SOFTWARE, BYTECODE>
{
    /// On the thread of a vCPU that has stopped the guest.
    fn help(&self) -> bool {
        let Ok(mut session) = self.session.try_lock() else { return false };
        if session.end.is_some() {
            return false;
        }
        self.turns.fetch_add(1, Ordering::Relaxed);
        match self.carry_on(&mut session) {
            Ok(done) => done,
            Err(broken) => {
                session.end = Some(Err(broken));
                false
            }
        }
    }
}

impl<const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize>
    Session<'_, CORES, SOFTWARE, BYTECODE>
{
    /// Reads what the client has sent, if it has sent something; 0 bytes where it has closed the connection.
    fn read(&mut self) -> Result<Option<usize>, Broken> {
        let Some(connection) = self.server.connection() else { return Ok(None) };
        connection.try_read(&mut self.incoming).map_err(ServerError::Connection)
    }

    /// The same, looking out for it.
    fn look_out(&mut self, notifier: &Notifier) -> Result<Option<usize>, Broken> {
        let Self { server, incoming, patience, .. } = self;
        let Some(connection) = server.connection() else { return Ok(None) };
        let read = patience.look_out(|| match connection.try_read(incoming) {
            Ok(None) if !notifier.is_finished() => None,
            read => Some(read),
        });
        read.unwrap_or(Ok(None)).map_err(ServerError::Connection)
    }

    fn report_output(&mut self, notifier: &Notifier) -> Result<(), Broken> {
        let output = notifier.take_output();
        if !output.is_empty() {
            self.server.report_output(&output)?;
        }
        Ok(())
    }
}
