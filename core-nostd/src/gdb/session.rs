//! What a session remembers, and the answer to one packet.

use crate::debugger::Debugger;
use crate::target::{CoreId, Target};

use super::Closed;
use super::failure::{ErrorStyle, Failure, Handled};
use super::layout::{Layout, Numbers};
use super::packet::{Features, Packet, Query, Setting, Thread};
use super::paged::PagedNotes;
use super::wire::Reply;

/// Where a session stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    /// The target is halted and the client has the word.
    Halted,
    /// The target runs and the client waits for it to stop.
    Running,
    /// The client has let go of the target, and may come back to it.
    Detached,
    /// It is over.
    Closed(Closed),
    /// It broke down.
    Broken,
}

/// What a session remembers from one packet to the next.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) state: State,
    /// Which registers the target has.
    pub(super) layout: Layout,
    /// The client has read the description, and numbers registers by it.
    pub(super) described: bool,
    /// The longest packet that can be taken.
    pub(super) packet_size: usize,
    /// The core that registers and memory are of.
    pub(super) selected: CoreId,
    /// The core that `c` and `s` move; all of them if none was chosen.
    pub(super) resumed: Option<CoreId>,
    /// The next thread of a list that takes several packets.
    pub(super) listed: u16,
    pub(super) errors: ErrorStyle,
    /// `!`: the session outlives a detach.
    pub(super) extended: bool,
    /// What the client has said that it can do.
    pub(super) features: Features,
    /// Stop replies list all threads, for lldb.
    pub(super) threads_in_stop: bool,
    /// Why the last breakpoint or watchpoint was refused, for clients that do not show it.
    pub(super) refusal: Refusal,
    /// Watchpoints that pages serve.
    pub(super) paged: PagedNotes,
}

/// The text of a refusal, as far as it fits.
pub(super) type Refusal = heapless::String<192>;

/// What is left to do after a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Next {
    /// The answer goes to the client.
    Answer,
    /// There is no answer, or not yet.
    Nothing,
    /// The answer goes to the client, and nothing is acknowledged from then on.
    EndAcknowledgements,
}

impl Session {
    pub(super) const fn new(layout: Layout, packet_size: usize, selected: CoreId) -> Self {
        Self {
            state: State::Halted,
            layout,
            described: false,
            packet_size,
            selected,
            resumed: None,
            listed: 0,
            errors: ErrorStyle::Number,
            extended: false,
            features: Features::NONE,
            threads_in_stop: false,
            refusal: Refusal::new(),
            paged: PagedNotes::new(),
        }
    }

    /// The registers as the client numbers them.
    pub(super) const fn numbers(&self) -> Numbers {
        Numbers::new(self.layout, self.described)
    }
}

/// One packet and its answer.
pub(super) struct Exchange<
    'a,
    'r,
    T: Target,
    const CORES: usize,
    const SOFTWARE: usize,
    const BYTECODE: usize,
> {
    pub(super) debugger: &'a mut Debugger<T, CORES, SOFTWARE, BYTECODE>,
    pub(super) session: &'a mut Session,
    pub(super) reply: &'a mut Reply<'r>,
}

impl<T: Target, const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize>
    Exchange<'_, '_, T, CORES, SOFTWARE, BYTECODE>
{
    /// Does what the packet says and writes the answer to it. `monitor` commands are answered elsewhere: they
    /// may take several packets.
    pub(super) fn answer(&mut self, packet: Packet<'_>) -> Handled<Next, T::Error> {
        self.allow(&packet)?;
        match packet {
            Packet::Extended => {
                self.session.extended = true;
                self.ok();
            }
            Packet::StopReason => self.report_state()?,
            Packet::ReadRegisters(thread) => self.read_registers(thread)?,
            Packet::WriteRegisters(thread, hex) => self.write_registers(thread, hex)?,
            Packet::ReadRegister(thread, number) => self.read_register(thread, number)?,
            Packet::WriteRegister(thread, number, hex) => self.write_register(thread, number, hex)?,
            Packet::ReadMemory { address, length, binary } => self.read_memory(address, length, binary)?,
            Packet::WriteMemory { address, data } => self.write_memory(address, data)?,
            Packet::Resume(moves) => return self.resume(moves),
            Packet::ResumeKinds => self.reply.text("vCont;c;C;s;S;t;r"),
            Packet::SelectThread(thread) => {
                self.session.selected = self.core_of(thread)?;
                self.ok();
            }
            Packet::SelectResumed(thread) => {
                self.session.resumed = match thread {
                    Thread::Any | Thread::All => None,
                    Thread::Core(_) => Some(self.core_of(thread)?),
                };
                self.ok();
            }
            Packet::IsAlive(thread) => {
                self.core_of(thread)?;
                self.ok();
            }
            Packet::Point { insert, point } => {
                if let Err(failure) = self.point(insert, &point) {
                    self.refuse_point(failure)?;
                }
            }
            Packet::Detach => self.detach()?,
            Packet::Kill { answered } => {
                self.session.state = State::Closed(Closed::Killed);
                if !answered {
                    return Ok(Next::Nothing);
                }
                self.ok();
            }
            Packet::Attach(process) => self.attach(process)?,
            Packet::Run => {
                return Err(Failure::Unsupported("the target runs no programs; attach to it, as process 1"));
            }
            // It has no answer, and the target cannot be started anew.
            Packet::Restart => return Ok(Next::Nothing),
            Packet::Query(query) => self.query(query)?,
            Packet::Set(setting) => return self.set(setting),
            Packet::Unknown => {}
            Packet::Malformed => return Err(Failure::Malformed),
        }
        Ok(Next::Answer)
    }

    /// The cores that the client is shown as threads: none while it is not attached.
    pub(super) fn threads(&self) -> impl Iterator<Item = CoreId> + use<T, CORES, SOFTWARE, BYTECODE> {
        let attached = self.session.state != State::Detached;
        self.debugger.core_ids().filter(move |_| attached)
    }

    /// Whether the packet makes sense while the target is as it is.
    fn allow(&self, packet: &Packet<'_>) -> Handled<(), T::Error> {
        let needs_halted_target = match packet {
            Packet::Detach
            | Packet::Kill { .. }
            | Packet::Extended
            | Packet::ResumeKinds
            | Packet::Run
            | Packet::Set(_)
            | Packet::Unknown
            | Packet::Malformed => false,
            // What a client asks before it attaches, or while it is not.
            Packet::Attach(_)
            | Packet::StopReason
            | Packet::SelectThread(_)
            | Packet::SelectResumed(_)
            | Packet::Query(
                Query::Supported(_)
                | Query::Transfer { .. }
                | Query::FirstThreads
                | Query::MoreThreads
                | Query::Attached
                | Query::Symbols
                | Query::Host
                | Query::Version
                | Query::Echo(_),
            ) => self.session.state == State::Running,
            _ => true,
        };
        match self.session.state {
            State::Running if needs_halted_target => Err(Failure::Running),
            State::Detached if needs_halted_target => Err(Failure::Detached),
            _ => Ok(()),
        }
    }

    fn set(&mut self, setting: Setting) -> Handled<Next, T::Error> {
        match setting {
            Setting::NoAcknowledgements => {
                self.ok();
                return Ok(Next::EndAcknowledgements);
            }
            Setting::NonStop(true) => {
                return Err(Failure::Unsupported("all cores stop together here; there is no non-stop mode"));
            }
            Setting::NonStop(false) | Setting::ThreadSuffix => {}
            Setting::ThreadsInStop => self.session.threads_in_stop = true,
            Setting::ErrorStrings => self.session.errors = ErrorStyle::NumberAndText,
        }
        self.ok();
        Ok(Next::Answer)
    }

    pub(super) fn ok(&mut self) {
        self.reply.text("OK");
    }

    /// The core that a packet means; the selected one where it leaves that open.
    pub(super) fn core_of(&self, thread: Thread) -> Handled<CoreId, T::Error> {
        match thread {
            Thread::Any | Thread::All => Ok(self.session.selected),
            Thread::Core(core) if core.0 < self.debugger.core_count() => Ok(core),
            Thread::Core(_) => Err(Failure::NoSuchThread),
        }
    }
}
