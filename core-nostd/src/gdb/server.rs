//! One client's session.

use core::fmt::Write as _;

use crate::debugger::Debugger;
use crate::target::{CoreId, Target, TargetError};

use super::failure::Failure;
use super::layout::Layout;
use super::monitor::{Commands, Console, NoCommands};
use super::packet::{Packet, Query};
use super::session::{Exchange, Next, Session, State};
use super::wire::{Incoming, Link, Receiver};
use super::{Closed, Connection, MIN_PACKET_BUFFER, ServerError, ServerResult, Status};

/// One client's session. `'b` is the life of its packet buffer.
pub struct Server<
    'b,
    T: Target,
    C: Connection,
    const CORES: usize,
    const SOFTWARE: usize,
    const BYTECODE: usize = 4096,
> {
    receiver: Receiver<'b>,
    link: Link<'b, C>,
    session: Session,
    target: core::marker::PhantomData<fn(T)>,
}

impl<'b, T: Target, C: Connection, const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize>
    Server<'b, T, C, CORES, SOFTWARE, BYTECODE>
{
    /// Begins a session: halts the target and waits for the client's first packet.
    ///
    /// One half of `packet_buffer`, which has at least [`MIN_PACKET_BUFFER`] bytes, holds the packet that
    /// arrives and the other the one that leaves; the client is told of it, and 32 KiB make memory transfers
    /// quick.
    ///
    /// # Errors
    /// [`ServerError::Target`] where the target cannot be halted, [`ServerError::PacketBuffer`] where the
    /// buffer is too small.
    pub fn new(
        debugger: &mut Debugger<T, CORES, SOFTWARE, BYTECODE>,
        connection: C,
        packet_buffer: &'b mut [u8],
    ) -> Result<Self, ServerError<T::Error, C::Error>> {
        let length = packet_buffer.len();
        if length < MIN_PACKET_BUFFER {
            return Err(ServerError::PacketBuffer { length });
        }
        let selected = match debugger.interrupt() {
            Ok(stop) => stop.core,
            Err(TargetError::Refused(_)) => CoreId(0),
            Err(TargetError::Lost(error)) => return Err(ServerError::Target(error)),
        };
        debugger.stop_at_restart(true);
        let (incoming, outgoing) = packet_buffer.split_at_mut(length / 2);
        let receiver = Receiver::new(incoming);
        let layout = Layout::of(debugger).map_err(ServerError::Target)?;
        let session = Session::new(layout, receiver.capacity(), selected);
        let link = Link::new(connection, outgoing);
        Ok(Self { receiver, link, session, target: core::marker::PhantomData })
    }

    /// Where the session stands.
    #[must_use]
    pub const fn status(&self) -> Status {
        match self.session.state {
            State::Halted => Status::Halted,
            State::Running => Status::Running,
            State::Detached => Status::Detached,
            State::Closed(closed) => Status::Closed(closed),
            State::Broken => Status::Broken,
        }
    }

    /// The connection, while the session lasts.
    pub const fn connection(&mut self) -> Option<&mut C> {
        match self.session.state {
            State::Closed(_) | State::Broken => None,
            _ => Some(self.link.connection()),
        }
    }

    /// Takes bytes that the client sent, and acts on every packet that they complete.
    ///
    /// # Errors
    /// [`ServerError`]; the session is over then.
    pub fn receive(
        &mut self,
        debugger: &mut Debugger<T, CORES, SOFTWARE, BYTECODE>,
        bytes: &[u8],
    ) -> ServerResult<T, C> {
        self.receive_with(debugger, &mut NoCommands, bytes)
    }

    /// As [`Self::receive`], with `monitor` commands of the embedder's.
    ///
    /// # Errors
    /// [`ServerError`]; the session is over then.
    pub fn receive_with(
        &mut self,
        debugger: &mut Debugger<T, CORES, SOFTWARE, BYTECODE>,
        commands: &mut dyn Commands<T, CORES, SOFTWARE, BYTECODE>,
        bytes: &[u8],
    ) -> ServerResult<T, C> {
        for &byte in bytes {
            if let State::Closed(_) | State::Broken = self.session.state {
                break;
            }
            let Some(incoming) = self.receiver.push(byte) else { continue };
            let acted = match incoming {
                Incoming::Packet => self.act(debugger, commands),
                Incoming::Interrupt => self.interrupt(debugger),
                Incoming::Resend => self.link.resend().map_err(ServerError::Connection),
                Incoming::Damaged if self.link.acknowledges() => {
                    self.link.acknowledge(false).map_err(ServerError::Connection)
                }
                Incoming::Damaged => self.fail(Failure::Damaged),
                Incoming::Oversized => self.fail(Failure::Oversized),
            };
            if let Err(error) = acted {
                self.session.state = State::Broken;
                return Err(error);
            }
        }
        Ok(self.status())
    }

    /// Tells the client of the target's stop, if it waits for one and there is one.
    ///
    /// # Errors
    /// [`ServerError`]; the session is over then.
    pub fn report_stop(
        &mut self,
        debugger: &mut Debugger<T, CORES, SOFTWARE, BYTECODE>,
    ) -> ServerResult<T, C> {
        if self.session.state == State::Running
            && let Some(stop) = debugger.stop()
        {
            self.session.state = State::Halted;
            self.unasked(debugger, |exchange| exchange.write_stop(stop))?;
        }
        Ok(self.status())
    }

    /// Shows the client what the target's console was given ([`crate::target::Console`]), if it waits for the
    /// target; whether it does.
    ///
    /// # Errors
    /// [`ServerError::Connection`]; the session is over then.
    pub fn report_output(&mut self, text: &str) -> Result<bool, ServerError<T::Error, C::Error>> {
        if self.session.state != State::Running {
            return Ok(false);
        }
        let mut console = Console::new(&mut self.link);
        // What goes wrong is told at the end.
        let _ = console.write_str(text);
        if let Err(error) = console.flush() {
            self.session.state = State::Broken;
            return Err(ServerError::Connection(error));
        }
        Ok(true)
    }

    /// Tells the client that the target has ended with `status`, if the client waits for it.
    ///
    /// # Errors
    /// [`ServerError`]; the session is over then.
    pub fn report_exit(
        &mut self,
        debugger: &mut Debugger<T, CORES, SOFTWARE, BYTECODE>,
        status: u8,
    ) -> ServerResult<T, C> {
        if self.session.state == State::Running {
            self.session.state = State::Closed(Closed::Exited);
            self.unasked(debugger, |exchange| {
                exchange.reply.byte(b'W');
                exchange.reply.hex(&[status]);
                Ok(())
            })?;
        }
        Ok(self.status())
    }

    /// Acts on the packet that has arrived.
    fn act(
        &mut self,
        debugger: &mut Debugger<T, CORES, SOFTWARE, BYTECODE>,
        commands: &mut dyn Commands<T, CORES, SOFTWARE, BYTECODE>,
    ) -> Result<(), ServerError<T::Error, C::Error>> {
        let packet = Packet::parse(self.receiver.payload());
        if let Packet::Query(Query::Command(text)) = packet
            && self.session.state == State::Halted
        {
            let mut console = Console::answering(&mut self.link);
            console.run(debugger, &mut self.session, commands, text);
            return console.end().map_err(ServerError::Connection);
        }
        let mut reply = self.link.reply();
        let mut exchange = Exchange { debugger, session: &mut self.session, reply: &mut reply };
        let mut answered = exchange.answer(packet);
        if reply.overflowed() {
            answered = Err(Failure::AnswerTooLong);
        }
        let next = match answered {
            Ok(next) => next,
            Err(failure) => {
                failure.write(self.session.errors, &mut reply);
                if let Some(error) = failure.into_lost() {
                    return Err(ServerError::Target(error));
                }
                Next::Answer
            }
        };
        let length = reply.len();
        let sent = match next {
            Next::Nothing => self.link.acknowledge(true).and_then(|()| self.tell_paged(debugger)),
            Next::Answer => self.link.send(length, true),
            Next::EndAcknowledgements => {
                let sent = self.link.send(length, true);
                self.link.end_acknowledgements();
                sent
            }
        };
        sent.map_err(ServerError::Connection)
    }

    /// Tells a client that waits for the target of watchpoints that pages serve.
    fn tell_paged(&mut self, debugger: &mut Debugger<T, CORES, SOFTWARE, BYTECODE>) -> Result<(), C::Error> {
        // Where no page can trap writes, the program has no code for it.
        if !debugger.has_page_watches()
            || self.session.state != State::Running
            || !self.session.paged.is_untold()
        {
            return Ok(());
        }
        let mut console = Console::new(&mut self.link);
        // What goes wrong is told at the end.
        let _ = self.session.paged.tell(&mut console);
        console.flush()
    }

    /// Halts the target for the client's Ctrl-C. With the target halted already there is nothing to interrupt.
    fn interrupt(
        &mut self,
        debugger: &mut Debugger<T, CORES, SOFTWARE, BYTECODE>,
    ) -> Result<(), ServerError<T::Error, C::Error>> {
        if self.session.state != State::Running {
            return Ok(());
        }
        let stop = match debugger.interrupt() {
            Ok(stop) => stop,
            // It runs on, and the client waits on.
            Err(TargetError::Refused(_)) => return Ok(()),
            Err(TargetError::Lost(error)) => return Err(ServerError::Target(error)),
        };
        self.session.state = State::Halted;
        self.unasked(debugger, |exchange| exchange.write_stop(stop))
    }

    /// Sends what the client has not just asked for.
    fn unasked(
        &mut self,
        debugger: &mut Debugger<T, CORES, SOFTWARE, BYTECODE>,
        write: impl FnOnce(&mut Exchange<'_, '_, T, CORES, SOFTWARE, BYTECODE>) -> Result<(), Failure<T::Error>>,
    ) -> Result<(), ServerError<T::Error, C::Error>> {
        let mut reply = self.link.reply();
        let mut exchange = Exchange { debugger, session: &mut self.session, reply: &mut reply };
        if let Err(failure) = write(&mut exchange) {
            failure.write(self.session.errors, &mut reply);
            if let Some(error) = failure.into_lost() {
                return Err(ServerError::Target(error));
            }
        }
        let length = reply.len();
        self.link.send(length, false).map_err(ServerError::Connection)
    }

    /// Answers what is no packet, so that the client does not wait.
    fn fail(&mut self, failure: Failure<T::Error>) -> Result<(), ServerError<T::Error, C::Error>> {
        let mut reply = self.link.reply();
        failure.write(self.session.errors, &mut reply);
        let length = reply.len();
        self.link.send(length, true).map_err(ServerError::Connection)
    }
}
