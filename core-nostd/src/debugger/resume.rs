//! Running on: actions, steps, and stepping over what is armed.

use core::ops::Range;

use crate::address::PhysicalAddress;
use crate::pool::{Owner, Slots};
use crate::stepping::QuietStep;
use crate::target::{CoreId, Refusal, Register, Resume, Target, TargetError, TargetResult};

use super::arming::Except;
use super::exclusive::Retry;
use super::passage::Passage;
#[cfg(feature = "quick-steps")]
use super::simple::MOST;
use super::{Debugger, Outcome, Seen};
use crate::stop::StopReason;

/// What a core is to do at the next resume.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Action {
    /// Run until something stops it.
    #[default]
    Continue,
    /// Execute one instruction.
    Step,
    /// Execute one instruction, and go on as long as PC is in `start..end`.
    StepRange {
        /// First address of the range.
        start: u64,
        /// The address behind it.
        end: u64,
    },
    /// Stay halted.
    Hold,
}

impl Action {
    /// What a core is to reach that does this; `None` where it stays halted.
    const fn goal(self) -> Option<Goal> {
        match self {
            Self::Continue => Some(Goal::Continue),
            Self::Step => Some(Goal::Report),
            Self::StepRange { start, end } => Some(Goal::Range { start, end }),
            Self::Hold => None,
        }
    }
}

/// What a core is doing for the engine.
#[derive(Clone, Debug, Default)]
#[expect(clippy::large_enum_variant, reason = "there is no allocator to keep the step elsewhere")]
pub(super) enum Run {
    /// Nothing: it is halted.
    #[default]
    Halted,
    /// It runs until something stops it.
    Free,
    /// It executes one instruction.
    Stepping(Step),
    /// Nothing: its backend is to hand in [`crate::target::Event::CalledBack`], and then it goes on as it is to go on
    /// after a step.
    Called(Goal),
}

/// A single step under way, or a run through code in place of it.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// The address of the instruction.
    pub(super) pc: u64,
    /// What to put right afterwards; `None` where the target keeps interrupts off by itself.
    pub(super) quiet: Option<QuietStep>,
    /// Whether its instruction leaves `PSTATE` as it is but for its flags, unless it takes an exception.
    pub(super) keeps_pstate: bool,
    /// Whether it leaves what can be fetched as it is, unless it takes an exception.
    #[cfg(feature = "quick-steps")]
    pub(super) keeps_fetching: bool,
    /// What is run through as one.
    pub(super) passage: Option<Passage>,
    /// It makes a store exclusive that a watchpoint has kept from being made.
    pub(super) retry: Option<Retry>,
    /// What comes after it.
    pub(super) goal: Goal,
    /// The reported stop that it passes, if it does.
    pub(super) passes: Option<Seen>,
}

/// What comes after a single step.
#[derive(Clone, Copy, Debug)]
pub(super) enum Goal {
    /// The client is told.
    Report,
    /// More steps as long as PC is in `start..end`.
    Range { start: u64, end: u64 },
    /// The core runs on: the step was over something armed.
    Continue,
}

impl<T: Target, const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize>
    Debugger<T, CORES, SOFTWARE, BYTECODE>
{
    /// Says what `core` is to do at the next [`Self::resume`]s, until [`Self::clear_actions`]; without it, it
    /// continues.
    ///
    /// # Errors
    /// [`Refusal::NoSuchCore`].
    pub fn set_action(&mut self, core: CoreId, action: Action) -> Result<(), Refusal> {
        self.core(core)?.action = Some(action);
        Ok(())
    }

    /// Forgets what [`Self::set_action`] said: at the next [`Self::resume`] all cores continue.
    pub fn clear_actions(&mut self) {
        for core in &mut self.cores {
            core.action = None;
        }
    }

    /// Lets all cores hold at the next [`Self::resume`] for which [`Self::set_action`] has said nothing.
    pub fn hold_others(&mut self) {
        for core in &mut self.cores {
            core.action.get_or_insert(Action::Hold);
        }
    }

    /// Lets the cores do what [`Self::set_action`] said, with everything armed that is inserted. It
    /// returns at once; what happens next arrives at [`Self::on_event`].
    ///
    /// A core that was reported to have stopped at something armed passes it first, with interrupts
    /// quiet. If that is a planted instruction, the other cores wait for it.
    ///
    /// # Errors
    /// [`TargetError`]; cores that had been started run on then.
    pub fn resume(&mut self) -> TargetResult<(), T> {
        self.prepare_resume()?;
        self.start_all().map(|_| ())
    }

    /// As [`Self::resume`], for a caller that looks at what has come of it: with [`Outcome::Stopped`] the one step that
    /// was asked for is done already, and [`Self::stop`] says so.
    ///
    /// # Errors
    /// As [`Self::resume`].
    #[cfg(feature = "quick-steps")]
    pub fn resume_or_stop(&mut self) -> TargetResult<Outcome, T> {
        self.prepare_resume()?;
        if let Some(outcome) = self.carry_out_step()? {
            return Ok(outcome);
        }
        self.start_all()?;
        Ok(Outcome::Resumed)
    }

    /// As [`Self::resume`]; without quick steps none is done when it returns.
    ///
    /// # Errors
    /// As [`Self::resume`].
    #[cfg(not(feature = "quick-steps"))]
    pub fn resume_or_stop(&mut self) -> TargetResult<Outcome, T> {
        self.resume().map(|()| Outcome::Resumed)
    }

    /// Carries out the step of a core where that is all that is to be done.
    #[cfg(feature = "quick-steps")]
    fn carry_out_step(&mut self) -> TargetResult<Option<Outcome>, T> {
        let steps =
            |state: &super::Core| matches!(state.action, Some(Action::Step | Action::StepRange { .. }));
        let stepped = self.core_ids().find(|core| self.cores.get(usize::from(core.0)).is_some_and(steps));
        let Some(core) = stepped.filter(|core| self.simple.knows(*core)) else { return Ok(None) };
        let state = self.core(core)?;
        let Some(goal) = state.action.and_then(Action::goal) else { return Ok(None) };
        let halted = matches!(state.run, Run::Halted) && state.waiting.is_none() && state.owed.is_none();
        if !halted || self.first_at_planted()?.is_some() {
            return Ok(None);
        }
        let pc = self.target.read_register(core, Register::Pc)?;
        if self.step_simple(core, pc)? { self.proceed(core, goal).map(Some) } else { Ok(None) }
    }

    /// Readies everything but the cores.
    fn prepare_resume(&mut self) -> TargetResult<(), T> {
        self.stop = None;
        for core in &mut self.cores {
            core.hits.clear();
            core.waiting = None;
            // An access that has been made while another core stopped is still to be told of.
            core.owed.take_if(|_| core.access.is_none());
        }
        let told_late = self.cores.iter().any(|core| core.owed.is_some());
        // The client may have written any register by means that the engine does not see.
        self.regimes.forget();
        self.note_values()?;
        self.plant(None)?;
        self.lower_pages()?;
        self.protect_pages()?;
        if told_late {
            self.call_back_owed()?;
        }
        Ok(())
    }

    /// Has the backend call for every core that is to be looked at before it goes on as the client wants it to. What
    /// becomes of that is for whoever the backend hands its events to.
    fn call_back_owed(&mut self) -> TargetResult<(), T> {
        for core in self.core_ids() {
            let state = self.core(core)?;
            if state.owed.is_none() {
                continue;
            }
            let Some(goal) = state.action.unwrap_or_default().goal() else { continue };
            state.owed = None;
            if self.target.call_back(core)? {
                self.core(core)?.run = Run::Called(goal);
            }
        }
        Ok(())
    }

    /// Removes all that `owner` has inserted, from comparators and memory as well, and lets all cores run.
    ///
    /// # Errors
    /// As [`Self::interrupt`] and [`Self::resume`].
    pub fn detach(&mut self, owner: Owner) -> TargetResult<(), T> {
        self.interrupt()?;
        self.stops_at_restart = false;
        self.remove_all(owner);
        self.clear_actions();
        self.resume()
    }

    /// Starts all halted cores that are to run, or only one that must step over a planted instruction.
    pub(super) fn start_all(&mut self) -> TargetResult<Outcome, T> {
        if let Some((core, goal, physical)) = self.first_at_planted()? {
            self.plant(Some(physical))?;
            self.alone = Some(core);
            self.begin_step(core, goal)?;
            return Ok(Outcome::Resumed);
        }
        let mut outcome = Outcome::Resumed;
        for core in self.core_ids() {
            let state = self.core(core)?;
            if state.access.is_some() && state.action == Some(Action::Hold) {
                // What it owes is told when it moves.
                continue;
            }
            match state.owed.take() {
                Some(goal) => match self.after_step(core, goal)? {
                    Outcome::Resumed => {}
                    Outcome::Stopped => return Ok(Outcome::Stopped),
                    waiting => outcome = waiting,
                },
                None => match self.start(core) {
                    // A core without power has nothing to start; its backend arms it when it comes up.
                    Ok(()) | Err(TargetError::Refused(Refusal::Off(_))) => {}
                    Err(error) => return Err(error),
                },
            }
            if self.alone.is_some() {
                // The others come when it has passed.
                break;
            }
        }
        Ok(outcome)
    }

    /// A halted core that is about to execute a planted instruction which it must pass.
    fn first_at_planted(&mut self) -> TargetResult<Option<(CoreId, Goal, PhysicalAddress)>, T> {
        if self.software.is_empty() {
            return Ok(None);
        }
        for core in self.core_ids() {
            let state = self.core(core)?;
            if !matches!(state.run, Run::Halted) || state.waiting.is_some() || state.owed.is_some() {
                continue;
            }
            let Some(goal) = state.action.unwrap_or_default().goal() else { continue };
            let only_at = match (goal, state.seen) {
                (Goal::Continue, Some(seen)) => Some(seen.pc),
                (Goal::Continue, None) => continue,
                _ => None,
            };
            let pc = self.target.read_register(core, Register::Pc)?;
            if only_at.is_none_or(|seen| seen == pc)
                && let Some(physical) = self.planted_at(core, pc)
            {
                if matches!(goal, Goal::Continue) && self.is_carried_out(core)? {
                    // It stands behind it, and is started with the others.
                    self.core(core)?.seen = None;
                    continue;
                }
                return Ok(Some((core, goal, physical)));
            }
        }
        Ok(None)
    }

    /// Starts one halted core by its action.
    fn start(&mut self, core: CoreId) -> TargetResult<(), T> {
        let state = self.core(core)?;
        if !matches!(state.run, Run::Halted) || state.waiting.is_some() {
            return Ok(());
        }
        match state.action.unwrap_or_default().goal() {
            None => Ok(()),
            Some(Goal::Continue) => {
                if self.must_pass_comparators(core)? && !self.is_carried_out(core)? {
                    self.begin_step(core, Goal::Continue)
                } else {
                    self.run_free(core)
                }
            }
            Some(goal) => self.begin_step(core, goal),
        }
    }

    /// Whether the core stands where a comparator of ours that it has been reported for would fire again.
    fn must_pass_comparators(&mut self, core: CoreId) -> TargetResult<bool, T> {
        let Some(seen) = self.core(core)?.seen else { return Ok(false) };
        if seen.watchpoints.is_empty() && self.breakpoints.slots_at(seen.pc).is_empty() {
            return Ok(false);
        }
        Ok(self.target.read_register(core, Register::Pc)? == seen.pc)
    }

    /// Whether the instruction that a core is to pass is so simple that it has been carried out, with no step.
    #[cfg(feature = "quick-steps")]
    fn is_carried_out(&mut self, core: CoreId) -> TargetResult<bool, T> {
        let pc = self.target.read_register(core, Register::Pc)?;
        let seen = self.core(core)?.seen;
        self.pass_simple(core, pc, seen)
    }

    #[cfg(not(feature = "quick-steps"))]
    fn is_carried_out(&mut self, _: CoreId) -> TargetResult<bool, T> {
        Ok(false)
    }

    /// Runs a core with everything armed.
    pub(super) fn run_free(&mut self, core: CoreId) -> TargetResult<(), T> {
        self.commit(core, Except::NONE)?;
        self.regimes.forget_of(core);
        #[cfg(feature = "quick-steps")]
        self.simple.forget();
        let state = self.core(core)?;
        state.run = Run::Free;
        state.seen = None;
        if state.trapped.is_none() {
            state.access = None;
        }
        self.target.resume(core, Resume::Run)
    }

    /// Goes on after a completed step.
    pub(super) fn after_step(&mut self, core: CoreId, goal: Goal) -> TargetResult<Outcome, T> {
        self.core(core)?.trapped = None;
        if let Some(outcome) = self.after_access(core, goal)? {
            return Ok(outcome);
        }
        self.proceed(core, goal)
    }

    /// Goes on where the last instruction has been dealt with.
    pub(super) fn proceed(&mut self, core: CoreId, goal: Goal) -> TargetResult<Outcome, T> {
        let was_alone = self.alone.take_if(|alone| *alone == core).is_some();
        let pc = match goal {
            Goal::Report => return self.stop_all(core, StopReason::Step, Slots::NONE),
            Goal::Range { start, end } => {
                let pc = self.target.read_register(core, Register::Pc)?;
                if !(start..end).contains(&pc) {
                    return self.stop_all(core, StopReason::Step, Slots::NONE);
                }
                Some((pc, start..end))
            }
            Goal::Continue => None,
        };
        if was_alone {
            // The instruction goes back before any core can reach it.
            self.plant(None)?;
            self.lower_pages()?;
            self.core(core)?.owed = Some(goal);
            return self.start_all();
        }
        match pc {
            Some((pc, range)) => self.step_on(core, pc, range),
            None => {
                self.run_free(core)?;
                Ok(Outcome::Resumed)
            }
        }
    }

    /// Goes on stepping through a range at `pc`, unless something of ours is hit there.
    fn step_on(&mut self, core: CoreId, pc: u64, range: Range<u64>) -> TargetResult<Outcome, T> {
        let goal = Goal::Range { start: range.start, end: range.end };
        if let Some(outcome) = self.hit_in_range(core, pc, goal)? {
            return Ok(outcome);
        }
        #[cfg(feature = "quick-steps")]
        if let Some(outcome) = self.step_simple_ones(core, pc, &range)? {
            return Ok(outcome);
        }
        self.begin_step(core, goal)?;
        Ok(Outcome::Resumed)
    }

    /// Steps through simple instructions of a range from `pc` on; what has come of it, unless the core is to execute the
    /// next one itself.
    #[cfg(feature = "quick-steps")]
    fn step_simple_ones(
        &mut self,
        core: CoreId,
        mut pc: u64,
        range: &Range<u64>,
    ) -> TargetResult<Option<Outcome>, T> {
        let goal = Goal::Range { start: range.start, end: range.end };
        for _ in 0..MOST {
            if !self.step_simple(core, pc)? {
                break;
            }
            pc = self.target.read_register(core, Register::Pc)?;
            if !range.contains(&pc) {
                return self.stop_all(core, StopReason::Step, Slots::NONE).map(Some);
            }
            if let Some(outcome) = self.hit_in_range(core, pc, goal)? {
                return Ok(Some(outcome));
            }
        }
        Ok(None)
    }

    /// What becomes of a step through a range at `pc`, where something of ours is hit there.
    fn hit_in_range(&mut self, core: CoreId, pc: u64, goal: Goal) -> TargetResult<Option<Outcome>, T> {
        if !self.breakpoints.is_empty() {
            let candidates = self.breakpoints_at(pc);
            if !candidates.is_empty() {
                return self.decide(core, StopReason::Breakpoint, &candidates, goal).map(Some);
            }
        }
        if let Some(physical) = self.planted_at(core, pc) {
            let candidates = self.software_at(pc, physical);
            return self.decide(core, StopReason::SoftwareBreakpoint, &candidates, goal).map(Some);
        }
        Ok(None)
    }

    /// Halts a core and leaves its registers as the guest would have them.
    pub(super) fn halt(&mut self, core: CoreId) -> TargetResult<(), T> {
        self.target.halt(core)?;
        let run = core::mem::take(&mut self.core(core)?.run);
        if let Run::Stepping(step) = run {
            self.end_quiet(core, &step)?;
            let executed = self.target.read_register(core, Register::Pc)? != step.pc;
            let made = match &step.retry {
                Some(retry) => self.is_made(core, retry)?,
                None => executed,
            };
            let state = self.core(core)?;
            if !executed {
                // What it was to pass is still to be passed.
                state.seen = step.passes;
                return Ok(());
            }
            if !made {
                // The next attempt at the store is a hit like this one.
                state.access = None;
            }
            if state.access.is_some() || !matches!(step.goal, Goal::Continue) {
                state.owed = Some(step.goal);
            }
        } else if let Run::Called(goal) = run {
            self.core(core)?.owed = Some(goal);
        }
        Ok(())
    }
}
