//! From an event to a verdict.

use crate::pool::Slots;
use crate::stop::{Cause, Stop, StopReason};
use crate::target::{CoreId, Event, Register, Target, TargetResult};

use super::resume::{Goal, Run};
use super::{Debugger, Seen};

/// What the engine made of an event.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Outcome {
    /// The target has been told to run on. There is nothing to tell the client.
    Resumed,
    /// All cores are halted; [`Debugger::stop`] says why.
    Stopped,
}

impl<T: Target, const CORES: usize, const SOFTWARE: usize> Debugger<T, CORES, SOFTWARE> {
    /// Takes an event of a core that has just halted because of it, and decides what happens next.
    ///
    /// An event of a core that the engine has halted meanwhile is dropped. Nothing is lost by it: the
    /// instruction behind a breakpoint, watchpoint or break instruction has not been executed, so it
    /// traps again when the core runs on.
    ///
    /// # Errors
    /// [`crate::target::TargetError`]; the core stays halted.
    pub fn on_event(&mut self, core: CoreId, event: Event) -> TargetResult<Outcome, T> {
        let run = core::mem::take(&mut self.core(core)?.run);
        self.regimes.forget();
        let (goal, step) = match run {
            Run::Halted => return Ok(Outcome::Stopped),
            Run::Free => (Goal::Continue, None),
            Run::Stepping(step) => {
                self.end_quiet(core, &step)?;
                (step.goal, Some(step))
            }
        };
        match Cause::of(&event) {
            Cause::Step if step.is_some() => self.after_step(core, goal),
            Cause::Breakpoint => {
                let pc = self.target.read_register(core, Register::Pc)?;
                let passage = step.and_then(|step| step.passage);
                if passage.is_some_and(|passage| passage.ends_at(pc)) {
                    self.after_step(core, goal)
                } else if self.breakpoints.slots_at(pc).is_empty() {
                    self.give_back(core, event, goal)
                } else {
                    self.stop_all(core, StopReason::Breakpoint, Slots::NONE)
                }
            }
            Cause::Watchpoint { address, precise, write, pair } => {
                let block = self.target.capabilities().recorded_block(precise);
                let named = pair.and_then(|pair| self.watchpoints.hit_of_pair(pair, address, block));
                match named.or_else(|| self.watchpoints.lookup(address?, write, block)) {
                    Some(hit) if hit.spurious => self.pass(core, hit.slots, goal),
                    Some(hit) => {
                        let reason =
                            StopReason::Watchpoint { watchpoint: hit.watchpoint, address: hit.address };
                        self.stop_all(core, reason, hit.slots)
                    }
                    None => self.give_back(core, event, goal),
                }
            }
            Cause::BreakInstruction => {
                let pc = self.target.read_register(core, Register::Pc)?;
                if self.is_planted_at(core, pc) {
                    self.stop_all(core, StopReason::SoftwareBreakpoint, Slots::NONE)
                } else {
                    self.give_back(core, event, goal)
                }
            }
            Cause::ExternalRequest => self.stop_all(core, StopReason::ExternalRequest, Slots::NONE),
            Cause::Step | Cause::Other => self.give_back(core, event, goal),
        }
    }

    /// Steps over a hit that nobody asked for, of a watchpoint that watches more than it was asked to.
    fn pass(&mut self, core: CoreId, watchpoints: Slots, goal: Goal) -> TargetResult<Outcome, T> {
        let pc = self.target.read_register(core, Register::Pc)?;
        self.core(core)?.seen = Some(Seen { pc, watchpoints });
        self.begin_step(core, goal)?;
        Ok(Outcome::Resumed)
    }

    /// Halts every other core and records why.
    pub(super) fn stop_all(
        &mut self,
        core: CoreId,
        reason: StopReason,
        watchpoints: Slots,
    ) -> TargetResult<Outcome, T> {
        for other in self.core_ids().filter(|other| *other != core) {
            if !matches!(self.core(other)?.run, Run::Halted) {
                self.halt(other)?;
            }
        }
        self.alone = None;
        let pc = self.target.read_register(core, Register::Pc)?;
        self.core(core)?.seen = Some(Seen { pc, watchpoints });
        self.stop = Some(Stop { core, pc, reason });
        Ok(Outcome::Stopped)
    }
}
