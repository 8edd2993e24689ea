//! Running on, and telling the client why the target stopped.

use crate::debugger::{Action, Outcome};
use crate::pool::Owner;
use crate::stop::{Stop, StopReason};
use crate::target::{CoreId, Register, Target, TargetError};
use crate::watchpoint::Access;

use super::Closed;
use super::failure::{Failure, Handled};
use super::packet::{Features, Moves};
use super::session::{Exchange, Next, State};

/// Signals as the protocol numbers them.
const SIGINT: u8 = 2;
const SIGTRAP: u8 = 5;
const SIGSEGV: u8 = 11;

/// The only process there is.
pub(super) const PROCESS: u64 = 1;

impl<T: Target, const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize>
    Exchange<'_, '_, T, CORES, SOFTWARE, BYTECODE>
{
    /// Lets the target run as the client wants it to.
    pub(super) fn resume(&mut self, moves: Moves<'_>) -> Handled<Next, T::Error> {
        self.debugger.clear_actions();
        match moves {
            Moves::One { action, from } => {
                let core = self.session.resumed.unwrap_or(self.session.selected);
                if let Some(address) = from {
                    self.debugger.write_register(core, Register::Pc, address)?;
                }
                if action != Action::Continue || self.session.resumed.is_some() {
                    self.debugger.set_action(core, action)?;
                    self.debugger.hold_others();
                }
            }
            Moves::List(list) => {
                for core in self.debugger.core_ids() {
                    self.debugger.set_action(core, list.action(core))?;
                }
            }
        }
        match self.debugger.resume_or_stop() {
            // Without quick steps none is done at once, and the program has no code for it.
            Ok(Outcome::Stopped)
                if cfg!(feature = "quick-steps")
                    && let Some(stop) = self.debugger.stop() =>
            {
                self.write_stop(stop)?;
                Ok(Next::Answer)
            }
            Ok(_) => {
                self.session.state = State::Running;
                Ok(Next::Nothing)
            }
            Err(TargetError::Lost(error)) => Err(TargetError::Lost(error).into()),
            Err(refused) => {
                // Cores that had been started come back, for the client believes that none runs.
                self.debugger.interrupt()?;
                Err(refused.into())
            }
        }
    }

    /// Removes what the client has armed, and lets the target run without it.
    pub(super) fn detach(&mut self) -> Handled<(), T::Error> {
        if self.session.state != State::Detached {
            self.debugger.detach(Owner::DEBUGGER)?;
        }
        self.session.state =
            if self.session.extended { State::Detached } else { State::Closed(Closed::Detached) };
        self.ok();
        Ok(())
    }

    /// Halts the target for a client that had detached, or has it already.
    pub(super) fn attach(&mut self, process: u64) -> Handled<(), T::Error> {
        if process != PROCESS {
            return Err(Failure::Unsupported("there is one process here, number 1"));
        }
        let stop = self.debugger.interrupt()?;
        self.session.state = State::Halted;
        self.write_stop(stop)
    }

    /// Answers `?`.
    pub(super) fn report_state(&mut self) -> Handled<(), T::Error> {
        if self.session.state == State::Detached {
            // No process is attached to.
            self.reply.text("W00");
            return Ok(());
        }
        // With a stop on record it halts nothing anew.
        let stop = self.debugger.interrupt()?;
        self.write_stop(stop)
    }

    /// Writes a stop reply, with the registers that the client asks for at every stop.
    pub(super) fn write_stop(&mut self, stop: Stop) -> Handled<(), T::Error> {
        self.session.selected = stop.core;
        self.write_stop_of(stop.core, Some(stop.reason))
    }

    /// Writes a stop reply for a core; one without a reason is halted because another stopped.
    pub(super) fn write_stop_of(
        &mut self,
        core: CoreId,
        reason: Option<StopReason>,
    ) -> Handled<(), T::Error> {
        let signal = match reason {
            Some(StopReason::Interrupt) => SIGINT,
            // As of a fault that nobody has handled.
            Some(StopReason::LockedUp) => SIGSEGV,
            Some(_) => SIGTRAP,
            None => 0,
        };
        self.reply.byte(b'T');
        self.reply.hex(&[signal]);
        self.reply.text("thread:");
        self.write_thread(core);
        self.reply.text(";core:");
        self.reply.number(core.0.into());
        self.reply.byte(b';');
        // A client that is told of a breakpoint which is not its own takes it for one that it has removed
        // meanwhile, and runs on.
        let hits = self.debugger.hits();
        let ours = hits.is_empty() || hits.iter().any(|hit| hit.owner == Owner::DEBUGGER);
        match reason.filter(|_| ours) {
            Some(StopReason::Breakpoint) if self.session.features.has(Features::HARDWARE_REASON) => {
                self.reply.text("hwbreak:;");
            }
            Some(StopReason::SoftwareBreakpoint) if self.session.features.has(Features::SOFTWARE_REASON) => {
                self.reply.text("swbreak:;");
            }
            Some(StopReason::Watchpoint { watchpoint, address, .. }) => {
                self.reply.text(match watchpoint.access() {
                    Access::Write => "watch:",
                    Access::Read => "rwatch:",
                    Access::ReadWrite => "awatch:",
                });
                self.reply.number(address);
                self.reply.byte(b';');
            }
            _ => {}
        }
        if self.session.threads_in_stop {
            self.write_threads_for_stop(reason);
        }
        for number in self.session.layout.expedited() {
            let before = self.reply.len();
            self.reply.hex(&[number as u8]);
            self.reply.byte(b':');
            match self.write_value(core, number) {
                Ok(()) => self.reply.byte(b';'),
                Err(Failure::Target(TargetError::Lost(error))) => return Err(TargetError::Lost(error).into()),
                // The client asks for it and hears why it cannot be had.
                Err(_) => self.reply.truncate(before),
            }
        }
        Ok(())
    }
}
