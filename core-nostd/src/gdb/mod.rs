//! The gdb server: the remote serial protocol over a [`Debugger`].
//!
//! The protocol engine is the `gdbstub` crate; nothing of it is visible outside this module. What is
//! ours is the meaning: registers and their description (`arch`, `description`), memory (`access`),
//! breakpoints and watchpoints (`points`), running on (`run`), `monitor` commands (`monitor`).
//!
//! A [`Server`] serves one client over one [`Connection`]. It blocks on nothing: the embedder feeds it
//! the bytes that arrive ([`Server::receive`]) and tells it when the target may have stopped
//! ([`Server::report_stop`]), from a `poll` loop, a thread, or the receive interrupt of a UART.

mod access;
mod arch;
mod description;
mod monitor;
mod points;
mod run;

use core::fmt;

use gdbstub::conn;
use gdbstub::stub::state_machine::GdbStubStateMachine;
use gdbstub::stub::{GdbStubBuilder, GdbStubBuilderError, GdbStubError, MultiThreadStopReason};

use crate::debugger::Debugger;
use crate::pool::Owner;
use crate::target::{Target, TargetError};

/// The smallest packet buffer that a [`Server`] takes, in bytes: a whole `G` packet and some.
pub const MIN_PACKET_BUFFER: usize = 1024;

/// The way back to the client.
pub trait Connection {
    /// Why it failed.
    type Error: core::error::Error;

    /// Sends all of `bytes`, or keeps them until [`Self::flush`].
    ///
    /// # Errors
    /// Where the client can no longer be reached.
    fn send(&mut self, bytes: &[u8]) -> Result<(), Self::Error>;

    /// Sends what is still kept.
    ///
    /// # Errors
    /// As [`Self::send`].
    fn flush(&mut self) -> Result<(), Self::Error>;
}

/// A [`Connection`] as gdbstub wants it.
struct Wire<C>(C);

impl<C: Connection> conn::Connection for Wire<C> {
    type Error = C::Error;

    fn write(&mut self, byte: u8) -> Result<(), C::Error> {
        self.0.send(&[byte])
    }

    fn write_all(&mut self, bytes: &[u8]) -> Result<(), C::Error> {
        self.0.send(bytes)
    }

    fn flush(&mut self) -> Result<(), C::Error> {
        self.0.flush()
    }
}

/// Where a session stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Status {
    /// The target is halted and the client has the word.
    Halted,
    /// The target runs and the client waits for it to stop.
    Running,
    /// The session is over.
    Closed(Closed),
}

/// How a session ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Closed {
    /// The client detached. Nothing of it is armed any more and the target runs.
    Detached,
    /// The client asked for the target to be ended.
    Killed,
    /// The target had ended, and the client was told.
    Exited,
}

/// Why a session broke down. What the client had armed is still armed:
/// [`Debugger::detach`] removes it.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServerError<E, C> {
    /// The client cannot be reached.
    Connection(C),
    /// The target is lost.
    Target(E),
    /// The client sent what is no packet of the protocol, or one that does not fit into the buffer.
    Protocol,
}

impl<E: fmt::Display, C: fmt::Display> fmt::Display for ServerError<E, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(error) => write!(f, "the gdb client cannot be reached: {error}"),
            Self::Target(error) => write!(f, "the target is lost: {error}"),
            Self::Protocol => f.write_str("the gdb client sent a malformed or oversized packet"),
        }
    }
}

impl<E, C> core::error::Error for ServerError<E, C>
where
    E: core::error::Error + 'static,
    C: core::error::Error + 'static,
{
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Connection(error) => Some(error),
            Self::Target(error) => Some(error),
            Self::Protocol => None,
        }
    }
}

impl<E, C> From<GdbStubError<E, C>> for ServerError<E, C> {
    fn from(error: GdbStubError<E, C>) -> Self {
        if error.is_target_error() {
            return error.into_target_error().map_or(Self::Protocol, Self::Target);
        }
        error.into_connection_error().map_or(Self::Protocol, |(error, _)| Self::Connection(error))
    }
}

/// The protocol engine for one target and one connection.
type Machine<'b, T, C, const CORES: usize, const SOFTWARE: usize> =
    GdbStubStateMachine<'b, Debugger<T, CORES, SOFTWARE>, Wire<C>>;

/// The result of feeding a [`Server`].
pub type ServerResult<T, C> =
    Result<Status, ServerError<<T as crate::target::Backend>::Error, <C as Connection>::Error>>;

/// One client's session. `'b` is the life of its packet buffer.
pub struct Server<'b, T: Target, C: Connection, const CORES: usize, const SOFTWARE: usize> {
    /// `None` once the session is over or broken.
    machine: Option<Machine<'b, T, C, CORES, SOFTWARE>>,
    closed: Option<Closed>,
}

impl<'b, T: Target, C: Connection, const CORES: usize, const SOFTWARE: usize>
    Server<'b, T, C, CORES, SOFTWARE>
{
    /// Begins a session: halts the target and waits for the client's first packet.
    ///
    /// `packet_buffer` holds one packet at a time; its length, at least [`MIN_PACKET_BUFFER`], is what
    /// the client is told, and 16 KiB make memory transfers quick.
    ///
    /// # Errors
    /// [`ServerError::Target`] where the target cannot be halted, [`ServerError::Protocol`] where the
    /// buffer is too small.
    pub fn new(
        debugger: &mut Debugger<T, CORES, SOFTWARE>,
        connection: C,
        packet_buffer: &'b mut [u8],
    ) -> Result<Self, ServerError<T::Error, C::Error>> {
        if packet_buffer.len() < MIN_PACKET_BUFFER {
            return Err(ServerError::Protocol);
        }
        match debugger.interrupt() {
            Ok(_) | Err(TargetError::Refused(_)) => {}
            Err(TargetError::Lost(error)) => return Err(ServerError::Target(error)),
        }
        let stub = GdbStubBuilder::new(Wire(connection)).with_packet_buffer(packet_buffer).build().map_err(
            |error: GdbStubBuilderError| match error {
                GdbStubBuilderError::MissingPacketBuffer | GdbStubBuilderError::PacketBufSizeMismatch => {
                    ServerError::Protocol
                }
            },
        )?;
        Ok(Self { machine: Some(stub.run_state_machine(debugger)?), closed: None })
    }

    /// Where the session stands.
    #[must_use]
    pub fn status(&self) -> Status {
        match &self.machine {
            Some(GdbStubStateMachine::Idle(_)) => Status::Halted,
            Some(_) => Status::Running,
            None => Status::Closed(self.closed.unwrap_or(Closed::Detached)),
        }
    }

    /// The connection, while the session lasts.
    pub fn connection(&mut self) -> Option<&mut C> {
        Some(match self.machine.as_mut()? {
            GdbStubStateMachine::Idle(machine) => &mut machine.borrow_conn().0,
            GdbStubStateMachine::Running(machine) => &mut machine.borrow_conn().0,
            GdbStubStateMachine::CtrlCInterrupt(machine) => &mut machine.borrow_conn().0,
            GdbStubStateMachine::Disconnected(machine) => &mut machine.borrow_conn().0,
        })
    }

    /// Takes bytes that the client sent, and acts on every packet that they complete.
    ///
    /// # Errors
    /// [`ServerError`]; the session is over then.
    pub fn receive(
        &mut self,
        debugger: &mut Debugger<T, CORES, SOFTWARE>,
        bytes: &[u8],
    ) -> ServerResult<T, C> {
        for &byte in bytes {
            let Some(machine) = self.machine.take() else { break };
            let machine = match machine {
                GdbStubStateMachine::Idle(idle) => idle.incoming_data(debugger, byte)?,
                GdbStubStateMachine::Running(running) => running.incoming_data(debugger, byte)?,
                other => other,
            };
            self.settle(debugger, machine)?;
        }
        Ok(self.status())
    }

    /// Tells the client of the target's stop, if it waits for one and there is one.
    ///
    /// # Errors
    /// [`ServerError`]; the session is over then.
    pub fn report_stop(&mut self, debugger: &mut Debugger<T, CORES, SOFTWARE>) -> ServerResult<T, C> {
        match (self.machine.take(), debugger.stop()) {
            (Some(GdbStubStateMachine::Running(running)), Some(stop)) => {
                let machine = run::report(running, debugger, stop)?;
                self.settle(debugger, machine)?;
            }
            (machine, _) => self.machine = machine,
        }
        Ok(self.status())
    }

    /// Tells the client that the target has ended with `status`, if the client waits for it.
    ///
    /// # Errors
    /// [`ServerError`]; the session is over then.
    pub fn report_exit(
        &mut self,
        debugger: &mut Debugger<T, CORES, SOFTWARE>,
        status: u8,
    ) -> ServerResult<T, C> {
        match self.machine.take() {
            Some(GdbStubStateMachine::Running(running)) => {
                let machine = running.report_stop(debugger, MultiThreadStopReason::Exited(status))?;
                self.settle(debugger, machine)?;
            }
            machine => self.machine = machine,
        }
        Ok(self.status())
    }

    /// Brings the protocol engine to a state in which it waits for something.
    fn settle(
        &mut self,
        debugger: &mut Debugger<T, CORES, SOFTWARE>,
        machine: Machine<'b, T, C, CORES, SOFTWARE>,
    ) -> Result<(), ServerError<T::Error, C::Error>> {
        self.machine = match machine {
            GdbStubStateMachine::CtrlCInterrupt(interrupted) => {
                // With the target halted already there is nothing to interrupt, and nothing to report.
                let reason = match debugger.stop() {
                    Some(_) => None,
                    None => match debugger.interrupt() {
                        Ok(stop) => Some(run::stop_reason(stop)),
                        Err(TargetError::Refused(_)) => None,
                        Err(TargetError::Lost(error)) => return Err(ServerError::Target(error)),
                    },
                };
                Some(interrupted.interrupt_handled(debugger, reason)?)
            }
            GdbStubStateMachine::Disconnected(disconnected) => {
                let closed = run::closed(disconnected.get_reason());
                if closed == Closed::Detached {
                    match debugger.detach(Owner::DEBUGGER) {
                        Ok(()) | Err(TargetError::Refused(_)) => {}
                        Err(TargetError::Lost(error)) => return Err(ServerError::Target(error)),
                    }
                }
                self.closed = Some(closed);
                None
            }
            waiting => Some(waiting),
        };
        Ok(())
    }
}
