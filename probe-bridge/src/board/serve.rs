//! A gdb client and the board's stops in one loop.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use trapline_core::debugger::{Debugger, Outcome};
use trapline_core::gdb::{Closed, Server, ServerError, Status};
use trapline_core::pool::Owner;
use trapline_core::stop::Stop;
use trapline_core::target::{TargetError, TargetResult};
use trapline_kvm::gdb_server::{Client, Notifier, Outgoing};

use super::error::{BoardError, Result};
use super::target::BoardTarget;

/// A packet that arrives and one that leaves, in bytes.
const PACKET_BUFFER: usize = 0x8000;
/// How long the client is waited for between two looks at cores that run: at first, and at most, in nanoseconds.
const FIRST_WAIT: i64 = 500_000;
const LONGEST_WAIT: i64 = 20_000_000;
/// How many events are dealt with before anybody else is listened to.
const EVENTS: u32 = 16;

/// How the service for one client ended.
#[derive(Debug)]
pub enum Ended {
    /// The session is over.
    Closed(Closed),
    /// The client was lost. Nothing of it is armed any more, and the board runs on.
    Lost(io::Error),
    /// Whoever holds the notifier wants an end.
    Interrupted,
}

/// Who is told of stops besides a client: of those that halt everything, and of those that wait to go on.
pub trait Observer<T: BoardTarget, const CORES: usize, const SOFTWARE: usize> {
    /// A stop. False where the board shall not run on from it, for service is to end.
    fn stopped(&mut self, debugger: &mut Debugger<T, CORES, SOFTWARE>, stop: &Stop) -> bool;
}

/// What a look at a board has found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found {
    /// All of it has stopped.
    Stop,
    /// Stops were passed over, and more may have come.
    Events,
    /// Nothing has happened any more.
    Nothing,
}

/// Nobody.
#[derive(Clone, Copy, Debug)]
pub struct Unobserved;

impl<T: BoardTarget, const CORES: usize, const SOFTWARE: usize> Observer<T, CORES, SOFTWARE> for Unobserved {
    fn stopped(&mut self, _: &mut Debugger<T, CORES, SOFTWARE>, _: &Stop) -> bool {
        true
    }
}

/// Lets the engine decide about what has happened on the board. Where stops are passed over one after the other, it
/// returns in between, so that clients and signals are heard.
///
/// # Errors
/// Where the board is lost.
pub fn run_until_stopped<T: BoardTarget, const CORES: usize, const SOFTWARE: usize>(
    debugger: &mut Debugger<T, CORES, SOFTWARE>,
    observer: &mut impl Observer<T, CORES, SOFTWARE>,
) -> Result<Found> {
    for _ in 0..EVENTS {
        let Some((core, event)) = debugger.target_mut().poll()? else { return Ok(Found::Nothing) };
        let mut outcome = settle::<T>(debugger.on_event(core, event))?;
        while let Some(Outcome::Waiting(stop)) = outcome {
            if !observer.stopped(debugger, &stop) {
                return Ok(Found::Nothing);
            }
            outcome = settle::<T>(debugger.go_on(stop.core))?;
        }
        match outcome {
            Some(Outcome::Stopped) => {
                if let Some(stop) = debugger.stop() {
                    observer.stopped(debugger, &stop);
                }
                return Ok(Found::Stop);
            }
            Some(_) => debugger.target_mut().release()?,
            None => {}
        }
    }
    Ok(Found::Events)
}

/// A core that has lost its power meanwhile has nothing to tell.
fn settle<T: BoardTarget>(outcome: TargetResult<Outcome, T>) -> Result<Option<Outcome>> {
    match outcome {
        Ok(outcome) => Ok(Some(outcome)),
        Err(TargetError::Refused(refusal)) => {
            tracing::warn!("{refusal}");
            Ok(None)
        }
        Err(TargetError::Lost(error)) => Err(error),
    }
}

/// Lets the board run without a client until the notifier says that it is enough.
///
/// # Errors
/// Where the board is lost, or `poll` fails.
pub fn watch<T: BoardTarget, const CORES: usize, const SOFTWARE: usize>(
    debugger: &mut Debugger<T, CORES, SOFTWARE>,
    notifier: &Notifier,
    observer: &mut impl Observer<T, CORES, SOFTWARE>,
) -> Result<()> {
    match debugger.resume() {
        Ok(()) | Err(TargetError::Refused(_)) => {}
        Err(TargetError::Lost(error)) => return Err(error),
    }
    let mut wait = FIRST_WAIT;
    while !notifier.is_finished() {
        wait = match run_until_stopped(debugger, observer)? {
            Found::Stop => FIRST_WAIT,
            Found::Events => 0,
            Found::Nothing => longer(wait),
        };
        let mut fds = [PollFd::new(notifier, PollFlags::IN)];
        // A signal interrupts the wait, and the notifier knows of it.
        let _ = poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: wait }));
    }
    Ok(())
}

/// Halts the board and serves one client until it leaves or service ends.
///
/// # Errors
/// Where the board is lost. Trouble with the client is no error, but [`Ended::Lost`].
pub fn serve<T: BoardTarget, const CORES: usize, const SOFTWARE: usize>(
    client: Client,
    debugger: &mut Debugger<T, CORES, SOFTWARE>,
    notifier: &Arc<Notifier>,
    observer: &mut impl Observer<T, CORES, SOFTWARE>,
) -> Result<Ended> {
    let mut packet_buffer = vec![0; PACKET_BUFFER];
    let lost = match serve_until_closed(client, debugger, notifier, observer, &mut packet_buffer) {
        Ok(Ended::Lost(lost)) => lost,
        Ok(ended) => return Ok(ended),
        Err(ServerError::Target(error)) => return Err(error),
        Err(ServerError::Connection(error)) => error,
        Err(other) => io::Error::other(other.to_string()),
    };
    match debugger.detach(Owner::DEBUGGER) {
        Ok(()) | Err(TargetError::Refused(_)) => Ok(Ended::Lost(lost)),
        Err(TargetError::Lost(error)) => Err(error),
    }
}

fn serve_until_closed<T: BoardTarget, const CORES: usize, const SOFTWARE: usize>(
    client: Client,
    debugger: &mut Debugger<T, CORES, SOFTWARE>,
    notifier: &Arc<Notifier>,
    observer: &mut impl Observer<T, CORES, SOFTWARE>,
    packet_buffer: &mut [u8],
) -> std::result::Result<Ended, ServerError<BoardError, io::Error>> {
    let mut incoming = vec![0; PACKET_BUFFER];
    let mut server = Server::new(debugger, Outgoing::new(client).until(Arc::clone(notifier)), packet_buffer)?;
    let mut wait = FIRST_WAIT;
    loop {
        if notifier.is_finished() {
            return Ok(Ended::Interrupted);
        }
        let runs = matches!(server.status(), Status::Running | Status::Detached);
        let Some(connection) = server.connection() else { return Ok(Ended::Closed(Closed::Detached)) };
        let readable =
            wait_for(connection.client(), notifier, runs.then_some(wait)).map_err(ServerError::Connection)?;
        let mut status = server.status();
        if readable {
            let Some(connection) = server.connection() else { continue };
            let count = connection.read(&mut incoming).map_err(ServerError::Connection)?;
            if count == 0 {
                return Ok(Ended::Lost(io::ErrorKind::UnexpectedEof.into()));
            }
            status = server.receive(debugger, incoming.get(..count).unwrap_or_default())?;
            wait = FIRST_WAIT;
        } else {
            wait = longer(wait);
        }
        match run_until_stopped(debugger, observer).map_err(ServerError::Target)? {
            Found::Stop => {
                status = server.report_stop(debugger)?;
                wait = FIRST_WAIT;
            }
            Found::Events => wait = 0,
            Found::Nothing => {}
        }
        if let Status::Closed(closed) = status {
            return Ok(Ended::Closed(closed));
        }
    }
}

/// The wait after one in which nothing has happened.
fn longer(wait: i64) -> i64 {
    (wait * 2).clamp(FIRST_WAIT, LONGEST_WAIT)
}

/// Waits for the client, or an end of service, but not longer than some nanoseconds; whether the client has sent
/// something.
fn wait_for(client: &Client, notifier: &Notifier, nanoseconds: Option<i64>) -> io::Result<bool> {
    let limit = nanoseconds.map(|tv_nsec| Timespec { tv_sec: 0, tv_nsec });
    let client = client.as_fd();
    let mut fds = [PollFd::new(&client, PollFlags::IN), PollFd::new(notifier, PollFlags::IN)];
    match poll(&mut fds, limit.as_ref()) {
        Ok(_) => Ok(fds.first().is_some_and(|client| !client.revents().is_empty())),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
