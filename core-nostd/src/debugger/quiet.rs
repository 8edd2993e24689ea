//! Steps that interrupts do not disturb, through the core's registers.

use crate::aarch32;
use crate::breakpoint::Instruction;
use crate::pool::Slots;
use crate::registers::{Pstate, Spsr};
use crate::stepping::{
    AfterStep, Changes, ExceptionRegisters, ExceptionSources, QuietStep, keeps_pstate, keeps_translation,
    may_be_vector,
};
use crate::target::{CoreId, Profile, Refusal, Register, Resume, SystemRegister, Target, TargetResult};

use super::arming::Except;
use super::exclusive::Retry;
use super::resume::{Goal, Run, Step};
use super::{Debugger, Seen};

impl<T: Target, const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize>
    Debugger<T, CORES, SOFTWARE, BYTECODE>
{
    /// Executes one instruction with interrupts quiet, and with those comparators off that would keep
    /// the core from executing it. What makes a passage is executed as one, where there are enough comparators
    /// for that.
    pub(super) fn begin_step(&mut self, core: CoreId, goal: Goal) -> TargetResult<(), T> {
        let pc = self.target.read_register(core, Register::Pc)?;
        let state = self.core(core)?;
        // Of an instruction that is not executed now there is nothing to look at afterwards.
        state.access.take_if(|access| !access.is_at(pc));
        let seen = state.seen.take();
        let (watchpoints, own) = match seen {
            Some(Seen { pc: seen, watchpoints, own }) if seen == pc => (watchpoints, own),
            _ => (Slots::NONE, false),
        };
        let passes = seen.filter(|seen| seen.pc == pc);
        // A store exclusive whose monitor has been cleared may fail without being trapped again.
        let was_hit = !watchpoints.is_empty() || self.is_lifted() || self.core(core)?.trapped == Some(pc);
        let retry = if was_hit { self.retry_of(core, pc, watchpoints, own)? } else { None };
        self.step_with(core, pc, goal, passes, retry)
    }

    /// As [`Self::begin_step`], at `pc`, past what `passes` says, as a part of `retry` if there is one.
    pub(super) fn step_with(
        &mut self,
        core: CoreId,
        pc: u64,
        goal: Goal,
        passes: Option<Seen>,
        retry: Option<Retry>,
    ) -> TargetResult<(), T> {
        #[cfg(feature = "quick-steps")]
        self.code.open();
        let begun = self.step_reading(core, pc, goal, passes, retry);
        #[cfg(feature = "quick-steps")]
        self.code.close();
        begun
    }

    fn step_reading(
        &mut self,
        core: CoreId,
        pc: u64,
        goal: Goal,
        passes: Option<Seen>,
        retry: Option<Retry>,
    ) -> TargetResult<(), T> {
        #[cfg(feature = "quick-steps")]
        self.simple.forget_others(core);
        let (watchpoints, own) = passes.map_or((Slots::NONE, false), |seen| (seen.watchpoints, seen.own));
        let except = Except { breakpoints: self.breakpoints.slots_at(pc), watchpoints, own };
        let pstate = match self.known.take() {
            Some((known, pstate)) if cfg!(feature = "quick-steps") && known == core && !may_be_vector(pc) => {
                Some(pstate)
            }
            _ => self.pstate(core)?,
        };
        if pstate.is_some_and(Pstate::is_aarch32) && !aarch32::BUILT_IN {
            return Err(NO_AARCH32.into());
        }
        let set = pstate.map_or(Instruction::T32, instruction_set);
        let instruction = self.fetch(core, pc, set);
        let passage = match instruction {
            // A store exclusive is not run to through anything else.
            Some(_) => self.passage(
                core,
                pc,
                pstate,
                set,
                except,
                if retry.is_some() { Goal::Report } else { goal },
            )?,
            None => None,
        };

        // The state that masks interrupts has another place in the M profile, whose backends see to it.
        let masks = !self.target.steps_with_interrupts_disabled();
        let quiet = if let Some(pstate) = pstate.filter(|_| masks) {
            let (quiet, run_with) = match &passage {
                Some(passage) => QuietStep::begin_run(passage.first, passage.last, pstate),
                None => QuietStep::begin(pc, instruction, pstate),
            };
            if run_with != pstate {
                self.target.write_register(core, Register::Pstate, run_with.into_bits())?;
            }
            Some(quiet)
        } else {
            None
        };
        let resume = match &passage {
            Some(passage) => {
                self.commit_passage(core, except, passage)?;
                if masks { Resume::Run } else { Resume::RunQuietly }
            }
            None => {
                self.commit(core, except)?;
                Resume::Step
            }
        };
        // One step of most instructions leaves translation as it is.
        let keeps = |word| cfg!(feature = "quick-steps") && keeps_translation(word, set);
        if passage.is_some() || !instruction.is_some_and(keeps) {
            self.regimes.forget_of(core);
        }
        let keeps_pstate = cfg!(feature = "quick-steps")
            && passage.is_none()
            && instruction.is_some_and(|word| keeps_pstate(word, set));
        let changes = match instruction {
            Some(word) if cfg!(feature = "quick-steps") && passage.is_none() && set == Instruction::A64 => {
                Changes::of(word)
            }
            _ => None,
        };
        let step = Step {
            pc,
            quiet,
            keeps_pstate,
            #[cfg(feature = "quick-steps")]
            keeps_fetching: passage.is_none()
                && instruction.is_some_and(|word| keeps(word) && !returns(word)),
            passage,
            retry,
            goal,
            passes,
        };
        self.core(core)?.run = Run::Stepping(step);
        match changes {
            Some(changes) => self.target.step_changing(core, changes),
            None => self.target.resume(core, resume),
        }
    }

    /// Puts right what a quiet step left in the registers of a core, which has halted during it or at
    /// its end.
    pub(super) fn end_quiet(&mut self, core: CoreId, step: &Step) -> TargetResult<(), T> {
        let Some(quiet) = step.quiet.filter(QuietStep::masks_anything) else { return Ok(()) };
        let pstate = Pstate::from(self.target.read_register(core, Register::Pstate)?);
        let pc = if quiet.needs_pc(pstate) { self.target.read_register(core, Register::Pc)? } else { 0 };
        let sources = ExceptionSources::of(pstate).filter(|_| quiet.needs_exception_registers(pc, pstate));
        let exception = match sources {
            Some(sources) => Some(ExceptionRegisters {
                elr_el1: self.target.read_register(core, sources.return_address)?,
                spsr_el1: Spsr::from(self.read_system(core, sources.saved_status)?),
                vbar_el1: self.read_system(core, SystemRegister::VBAR_EL1)?,
            }),
            None => None,
        };
        let fixups = quiet.end(&AfterStep { pc, pstate, exception });
        for (register, value) in fixups.writes() {
            self.target.write_register(core, register, value)?;
        }
        Ok(())
    }

    /// The word at a virtual address as the guest wrote it, or `None` where no instruction of the set can
    /// be read there. The second half is 0 where a page without a successor ends behind a T32 instruction.
    pub(super) fn fetch(&mut self, core: CoreId, address: u64, set: Instruction) -> Option<u32> {
        #[cfg(feature = "quick-steps")]
        if let Some(word) = self.fetch_from_block(core, address, set) {
            return Some(word);
        }
        let mut word = [0; 4];
        match self.read_code(core, address, &mut word) {
            Ok(4) => Some(u32::from_le_bytes(word)),
            Ok(2) if aarch32::BUILT_IN && set == Instruction::T32 => {
                let [low, high, ..] = word;
                Some(u32::from_le_bytes([low, high, 0, 0]))
            }
            _ => None,
        }
    }

    /// `PSTATE` of a halted core; the M profile has none.
    pub(super) fn pstate(&mut self, core: CoreId) -> TargetResult<Option<Pstate>, T> {
        match self.target.profile() {
            Profile::A => Ok(Some(Pstate::from(self.target.read_register(core, Register::Pstate)?))),
            Profile::M(_) => Ok(None),
        }
    }

    /// Reads a system register of a halted core.
    pub(super) fn read_system(&mut self, core: CoreId, register: SystemRegister) -> TargetResult<u64, T> {
        self.target.read_register(core, Register::System(register))
    }

    /// Writes a system register of a halted core.
    pub(super) fn write_system(
        &mut self,
        core: CoreId,
        register: SystemRegister,
        value: u64,
    ) -> TargetResult<(), T> {
        self.target.write_register(core, Register::System(register), value)
    }
}

const NO_AARCH32: Refusal = Refusal::Unsupported("steps of AArch32 code take the feature aarch32");

/// Whether an instruction of A64 is an exception return.
#[cfg(feature = "quick-steps")]
const fn returns(word: u32) -> bool {
    word & 0xffff_f000 == 0xd69f_0000
}

/// The instruction set that a core in this state executes.
const fn instruction_set(pstate: Pstate) -> Instruction {
    match aarch32::state(pstate) {
        Some(cpsr) if cpsr.t() => Instruction::T32,
        Some(_) => Instruction::A32,
        None => Instruction::A64,
    }
}
