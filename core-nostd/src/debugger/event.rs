//! From an event to a verdict.

use crate::address::PhysicalAddress;
use crate::m_profile;
use crate::pool::Slots;
use crate::software::SoftwareBreakpoint;
use crate::stop::{Cause, Stop, StopReason};
use crate::target::{CoreId, Event, Register, Target, TargetResult};

use super::hit::{Candidates, MAX_HITS};
#[cfg(feature = "exact-accesses")]
use super::instruction::Recorded;
use super::options::Then;
use super::resume::{Goal, Run, Step};
use super::{Debugger, Request, Seen};

/// What the engine made of an event.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Outcome {
    /// The target has been told to run on. There is nothing to tell the client.
    Resumed,
    /// All cores are halted; [`Debugger::stop`] says why.
    Stopped,
    /// This core is halted, at a request with [`super::Then::Wait`], and the others run;
    /// [`Debugger::hits_of`] says what was hit, and [`Debugger::go_on`] lets it run on.
    Waiting(Stop),
}

impl<T: Target, const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize>
    Debugger<T, CORES, SOFTWARE, BYTECODE>
{
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
        let Some(goal) = self.begin_event(core, &run)? else { return Ok(Outcome::Stopped) };
        let outcome = self.on_event_of(core, event, &run, goal);
        self.known = None;
        outcome
    }

    /// An event of a core that did this, and the goal of it.
    fn on_event_of(&mut self, core: CoreId, event: Event, run: &Run, goal: Goal) -> TargetResult<Outcome, T> {
        // Where no page can trap writes, the program has no code for it.
        if let Event::TrappedWrite(write) = event
            && self.has_page_watches()
        {
            if let Run::Stepping(step) = run {
                // What the step was to pass is still to be passed.
                self.core(core)?.seen = step.passes;
            }
            return self.trapped(core, write, goal);
        }
        if matches!(event, Event::CalledBack) {
            return self.called_back(core, goal);
        }
        match Cause::of(&event) {
            Cause::Step if let Run::Stepping(step) = run => {
                let kept = step.quiet.filter(|quiet| step.keeps_pstate && !quiet.masks_anything());
                self.known = kept.map(|quiet| (core, quiet.before()));
                #[cfg(feature = "quick-steps")]
                self.note_fetched(core, step)?;
                self.step_ended(core, goal, run)
            }
            Cause::Breakpoint => {
                let pc = self.target.read_register(core, Register::Pc)?;
                if let Run::Stepping(Step { passage: Some(passage), .. }) = run
                    && passage.ends_at(pc)
                {
                    return self.step_ended(core, goal, run);
                }
                let candidates = self.breakpoints_at(pc);
                if candidates.is_empty() {
                    return self.give_back(core, event, goal);
                }
                self.decide(core, StopReason::Breakpoint, &candidates, goal)
            }
            Cause::Watchpoint { address, precise, write, pair } => {
                let block = self.target.capabilities().recorded_block(precise);
                let named = pair.and_then(|pair| self.watchpoints.hit_of_pair(pair, address, block));
                let hit = named.or_else(|| self.watchpoints.lookup(address?, write, block));
                #[cfg(feature = "exact-accesses")]
                {
                    let passes = if let Run::Stepping(step) = &run { step.passes } else { None };
                    let recorded = Recorded { write, hit, passes };
                    if let Some(outcome) = self.watchpoint_of_instruction(core, event, &recorded, goal)? {
                        return Ok(outcome);
                    }
                }
                match hit {
                    Some(hit) if hit.spurious => self.pass(core, hit.slots, false, goal),
                    Some(hit) => self.watched(core, &hit, None, goal),
                    None => self.give_back(core, event, goal),
                }
            }
            Cause::Accessed { comparators } if m_profile::BUILT_IN => {
                self.accessed(core, Slots::from_bits(comparators), goal)
            }
            Cause::BreakInstruction => {
                let pc = self.target.read_register(core, Register::Pc)?;
                match self.planted_at(core, pc) {
                    Some(physical) => {
                        let candidates = self.software_at(pc, physical);
                        self.decide(core, StopReason::SoftwareBreakpoint, &candidates, goal)
                    }
                    None => self.give_back(core, event, goal),
                }
            }
            Cause::ExternalRequest => self.stop_all(core, StopReason::ExternalRequest, Slots::NONE),
            Cause::LockedUp => self.stop_all(core, StopReason::LockedUp, Slots::NONE),
            Cause::Step | Cause::Accessed { .. } | Cause::Other => self.give_back(core, event, goal),
        }
    }

    /// As [`Self::on_event`], for an exception that the backend knows to be the guest's own, whatever is
    /// armed at the same place: it is given back.
    ///
    /// # Errors
    /// As [`Self::on_event`].
    pub fn on_guest_event(&mut self, core: CoreId, event: Event) -> TargetResult<Outcome, T> {
        let run = core::mem::take(&mut self.core(core)?.run);
        match self.begin_event(core, &run)? {
            Some(goal) => self.give_back(core, event, goal),
            None => Ok(Outcome::Stopped),
        }
    }

    /// Puts right what the core was doing for the engine when it halted because of an event, and says what was
    /// to come after it; `None` where the engine had halted it before.
    fn begin_event(&mut self, core: CoreId, run: &Run) -> TargetResult<Option<Goal>, T> {
        Ok(match run {
            Run::Halted => None,
            Run::Free => Some(Goal::Continue),
            Run::Called(goal) => Some(*goal),
            Run::Stepping(step) => {
                self.end_quiet(core, step)?;
                Some(step.goal)
            }
        })
    }

    /// The hardware breakpoints that match at `pc`.
    pub(super) fn breakpoints_at(&self, pc: u64) -> Candidates {
        let matching =
            self.breakpoints.iter().filter(|reserved| self.breakpoints.can_match(&reserved.breakpoint, pc));
        matching
            .map(|reserved| (Request::Breakpoint(reserved.breakpoint), reserved.owner))
            .take(MAX_HITS)
            .collect()
    }

    /// The software breakpoints at a physical address, which is that of `pc`.
    pub(super) fn software_at(&self, pc: u64, physical: PhysicalAddress) -> Candidates {
        let request = |known: SoftwareBreakpoint| {
            let SoftwareBreakpoint { virtual_address, instruction, owner, .. } = known;
            (Request::Software { address: virtual_address, instruction }, owner)
        };
        let here = |known: &SoftwareBreakpoint| known.address == physical;
        let candidates: Candidates =
            self.software.at_virtual(pc).filter(here).map(request).take(MAX_HITS).collect();
        if !candidates.is_empty() {
            return candidates;
        }
        // The code is mapped at another address as well, through which it was asked for.
        self.software.iter().filter(here).map(request).take(MAX_HITS).collect()
    }

    /// Stops, waits or passes, as the requests that were hit want it.
    pub(super) fn decide(
        &mut self,
        core: CoreId,
        reason: StopReason,
        candidates: &Candidates,
        goal: Goal,
    ) -> TargetResult<Outcome, T> {
        // An instruction that is ours and that nobody asks for any more stops, as it always did.
        let verdict = match candidates.is_empty() {
            true => Then::Stop,
            false => self.judge(core, candidates, &|_, _| None)?,
        };
        self.act(core, verdict, reason, Slots::NONE, goal)
    }

    /// Does what was decided about something that is hit before the instruction at PC.
    pub(super) fn act(
        &mut self,
        core: CoreId,
        verdict: Then,
        reason: StopReason,
        watchpoints: Slots,
        goal: Goal,
    ) -> TargetResult<Outcome, T> {
        match verdict {
            Then::Stop => self.stop_with_hits(core, reason, watchpoints),
            Then::Wait => {
                let pc = self.target.read_register(core, Register::Pc)?;
                let state = self.core(core)?;
                state.seen = Some(Seen { pc, watchpoints, own: false });
                state.waiting = Some(goal);
                Ok(Outcome::Waiting(Stop { core, pc, reason }))
            }
            Then::Run => self.pass(core, watchpoints, false, goal),
        }
    }

    /// Lets a core go on that waits since [`Outcome::Waiting`]. Where all cores have been halted since,
    /// it goes on with them.
    ///
    /// # Errors
    /// [`crate::target::TargetError`]; the core stays halted.
    pub fn go_on(&mut self, core: CoreId) -> TargetResult<Outcome, T> {
        let Some(goal) = self.core(core)?.waiting.take() else { return Ok(Outcome::Stopped) };
        if self.stop.is_some() {
            return Ok(Outcome::Stopped);
        }
        let state = self.core(core)?;
        state.hits.clear();
        if state.trapped.is_some() {
            return self.retry_trapped(core, goal);
        }
        match state.seen {
            Some(seen) => self.pass(core, seen.watchpoints, seen.own, goal),
            None => self.proceed(core, goal),
        }
    }

    /// Steps over a hit that nobody is told of: a condition was false, a watchpoint watches more than it
    /// was asked to, or it was one of the guest's `own` comparators where the guest takes no exception.
    pub(super) fn pass(
        &mut self,
        core: CoreId,
        watchpoints: Slots,
        own: bool,
        goal: Goal,
    ) -> TargetResult<Outcome, T> {
        let pc = self.target.read_register(core, Register::Pc)?;
        let seen = Some(Seen { pc, watchpoints, own });
        self.core(core)?.seen = seen;
        #[cfg(feature = "quick-steps")]
        if matches!(goal, Goal::Continue) && self.pass_simple(core, pc, seen)? {
            self.run_free(core)?;
            return Ok(Outcome::Resumed);
        }
        if let Some(physical) = self.planted_at(core, pc) {
            self.pause_others(core)?;
            self.plant(Some(physical))?;
            self.alone = Some(core);
        }
        self.begin_step(core, goal)?;
        Ok(Outcome::Resumed)
    }

    /// Halts every other core, which is to go on later as if it had not been halted.
    pub(super) fn pause_others(&mut self, core: CoreId) -> TargetResult<(), T> {
        for other in self.core_ids().filter(|other| *other != core) {
            if !matches!(self.core(other)?.run, Run::Halted) {
                self.target.begin_halt(other)?;
            }
        }
        for other in self.core_ids().filter(|other| *other != core) {
            if !matches!(self.core(other)?.run, Run::Halted) {
                self.halt(other)?;
            }
        }
        Ok(())
    }

    /// Halts every other core and records why, where no request was hit.
    pub(super) fn stop_all(
        &mut self,
        core: CoreId,
        reason: StopReason,
        watchpoints: Slots,
    ) -> TargetResult<Outcome, T> {
        self.core(core)?.hits.clear();
        self.stop_with_hits(core, reason, watchpoints)
    }

    /// As [`Self::stop_all`], with the hits that were noted.
    pub(super) fn stop_with_hits(
        &mut self,
        core: CoreId,
        reason: StopReason,
        watchpoints: Slots,
    ) -> TargetResult<Outcome, T> {
        self.pause_others(core)?;
        self.alone = None;
        let pc = self.target.read_register(core, Register::Pc)?;
        self.core(core)?.seen = Some(Seen { pc, watchpoints, own: false });
        self.stop = Some(Stop { core, pc, reason });
        #[cfg(feature = "quick-steps")]
        if let StopReason::Breakpoint | StopReason::SoftwareBreakpoint = reason
            && !self.target.steps_with_interrupts_disabled()
        {
            // The core has fetched the instruction, and would have executed it.
            self.simple.fetched(core, pc);
        }
        Ok(Outcome::Stopped)
    }
}
