//! Passing an instruction without a step, where it is simple.
//!
//! A step over a breakpoint takes it out of the comparators, or out of memory with all other cores halted, runs the core
//! for one instruction and puts it back; a step for a client enters the core for one instruction. Where all that the
//! instruction does is known and is done to general registers, the engine does it instead, and the core stands behind it.

use crate::breakpoint::Instruction;
use crate::pool::Slots;
use crate::registers::{BranchType, ExceptionLevel, MdscrEl1, Pstate};
use crate::stepping::{Simple, may_be_vector};
use crate::target::{CoreId, Register, SystemRegister, Target, TargetError, TargetResult};

use super::resume::{Goal, Run, Step};
use super::{Action, Debugger, Seen};

/// The most instructions that are carried out for a core before it executes one itself, and others have their turn.
pub(super) const MOST: u32 = 64;
/// The number of the zero register.
const ZERO: u8 = 31;
/// The least size of a page.
const PAGE: u64 = 0x1000;

/// What the engine keeps for simple instructions.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// A page from which a core can fetch instructions, for it has just done so, and nothing has happened since that
    /// could change it.
    fetched: Option<(CoreId, u64)>,
    /// Whether calls and returns look at a Guarded Control Stack, once it is known.
    guards_calls: Option<bool>,
}

impl Known {
    /// An instruction at `pc` has been fetched by a core.
    pub(super) const fn fetched(&mut self, core: CoreId, pc: u64) {
        self.fetched = Some((core, pc & !(PAGE - 1)));
    }

    /// Whether anything is known to be fetched by a core.
    pub(super) fn knows(&self, core: CoreId) -> bool {
        self.fetched.is_some_and(|(known, _)| known == core)
    }

    /// What a core can fetch may be something else from now on.
    pub(super) const fn forget(&mut self) {
        self.fetched = None;
    }

    /// As [`Self::forget`], about all cores but this one.
    pub(super) fn forget_others(&mut self, core: CoreId) {
        self.fetched.take_if(|(known, _)| *known != core);
    }
}

impl<T: Target, const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize>
    Debugger<T, CORES, SOFTWARE, BYTECODE>
{
    /// Carries out the instruction at `pc`, which can be fetched, for a core that is to pass what `seen` says; whether that
    /// could be done.
    pub(super) fn pass_simple(&mut self, core: CoreId, pc: u64, seen: Option<Seen>) -> TargetResult<bool, T> {
        if self.is_awaited(core, seen)? {
            return Ok(false);
        }
        let Some(pstate) = self.pstate(core)?.filter(|pstate| !pstate.is_aarch32()) else { return Ok(false) };
        let Some(word) = self.fetch(core, pc, Instruction::A64) else { return Ok(false) };
        self.execute(core, pc, pstate, word)
    }

    /// Carries out the instruction at `pc` for a core that is to step; whether that could be done.
    ///
    /// It could not where a step might be an exception before the instruction, or let another core run.
    pub(super) fn step_simple(&mut self, core: CoreId, pc: u64) -> TargetResult<bool, T> {
        if self.simple.fetched != Some((core, pc & !(PAGE - 1))) || !self.stands_alone(core) {
            return Ok(false);
        }
        let seen = self.core(core)?.seen.filter(|seen| seen.pc == pc);
        let passed = self.pass_simple(core, pc, seen)?;
        if passed {
            self.core(core)?.seen = None;
        }
        Ok(passed)
    }

    /// Takes note that the instruction of a step has been fetched, if that step has just ended behind it and is to be
    /// followed by another one.
    pub(super) fn note_fetched(&mut self, core: CoreId, step: &Step) -> TargetResult<(), T> {
        self.simple.forget();
        if step.keeps_fetching && step.quiet.is_some() && !matches!(step.goal, Goal::Continue) {
            let pc = self.target.read_register(core, Register::Pc)?;
            if !may_be_vector(pc) {
                self.simple.fetched(core, step.pc);
            }
        }
        Ok(())
    }

    /// Whether more is to be done about the next instruction of a core than to pass breakpoints on it.
    fn is_awaited(&mut self, core: CoreId, seen: Option<Seen>) -> TargetResult<bool, T> {
        let state = self.core(core)?;
        let awaited = state.access.is_some() || state.trapped.is_some() || self.alone.is_some();
        Ok(awaited || seen.is_some_and(|seen| seen.watchpoints != Slots::NONE || seen.own))
    }

    /// Whether all other cores hold.
    fn stands_alone(&self, core: CoreId) -> bool {
        let holds = |state: &super::Core| {
            matches!(state.run, Run::Halted) && state.action == Some(Action::Hold) && state.waiting.is_none()
        };
        (0_u16..).zip(&self.cores).all(|(number, state)| number == core.0 || holds(state))
    }

    /// Carries out an instruction of A64 that can be fetched; whether that could be done.
    fn execute(&mut self, core: CoreId, pc: u64, pstate: Pstate, word: u32) -> TargetResult<bool, T> {
        let Some(simple) = Simple::of(word, pc) else { return Ok(false) };
        // A branch target instruction is checked when it is executed.
        let btype = pstate.btype() != BranchType::from_bits(0);
        let is_above_el1 = !matches!(pstate.exception_level(), ExceptionLevel::El0 | ExceptionLevel::El1);
        if btype || is_above_el1 || pstate.il() || !pc.is_multiple_of(4) || self.watches_itself(core)? {
            return Ok(false);
        }
        let next = match simple {
            Simple::Call { .. } | Simple::Return { .. } if self.guards_calls(core)? => return Ok(false),
            Simple::Branch { to } | Simple::Call { to } => to,
            Simple::BranchIf { test, to } => {
                let value = self.x_or_zero(core, test.register().unwrap_or(ZERO))?;
                if test.holds(value, pstate) { to } else { pc.wrapping_add(4) }
            }
            Simple::Return { register } => self.x_or_zero(core, register)?,
            _ => pc.wrapping_add(4),
        };
        // What becomes of other addresses depends on tags (DDI 0487, "AArch64.BranchAddr").
        if !matches!(next >> 55, 0 | 0x1ff) {
            return Ok(false);
        }
        self.write_result(core, simple, pc)?;
        self.target.write_register(core, Register::Pc, next)?;
        Ok(true)
    }

    /// Whether a core has FEAT_GCS (DDI 0487, "ID_AA64PFR1_EL1", GCS, bits \[47:44\]).
    fn guards_calls(&mut self, core: CoreId) -> TargetResult<bool, T> {
        if let Some(known) = self.simple.guards_calls {
            return Ok(known);
        }
        let guards = self.read_identification(core, SystemRegister::ID_AA64PFR1_EL1)? >> 44 & 0xf != 0;
        self.simple.guards_calls = Some(guards);
        Ok(guards)
    }

    /// Whether the guest has debug exceptions of its own comparators or steps on, which may be due at any instruction.
    fn watches_itself(&mut self, core: CoreId) -> TargetResult<bool, T> {
        match self.read_system(core, SystemRegister::MDSCR_EL1) {
            Ok(controls) => {
                let controls = MdscrEl1::from(controls);
                Ok(controls.mde() || controls.ss())
            }
            Err(TargetError::Refused(_)) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Writes what an instruction writes to a register, if to any.
    fn write_result(&mut self, core: CoreId, simple: Simple, pc: u64) -> TargetResult<(), T> {
        let low = |narrow: bool| if narrow { u64::from(u32::MAX) } else { u64::MAX };
        let (to, value) = match simple {
            Simple::Nothing | Simple::Branch { .. } | Simple::BranchIf { .. } | Simple::Return { .. } => {
                return Ok(());
            }
            Simple::Call { .. } => (Register::X(30), pc.wrapping_add(4)),
            Simple::Set { to, value } => (Register::X(to), value),
            Simple::Insert { to, shift, value, narrow } => {
                let to = Register::X(to);
                let others = self.target.read_register(core, to)? & !(0xffff << shift);
                (to, (others | u64::from(value) << shift) & low(narrow))
            }
            Simple::Add { to, from, addend, narrow } => {
                let (to, from) = (self.x_or_sp(core, to)?, self.x_or_sp(core, from)?);
                (to, self.target.read_register(core, from)?.wrapping_add(addend) & low(narrow))
            }
        };
        self.target.write_register(core, to, value)
    }

    fn x_or_sp(&mut self, core: CoreId, number: u8) -> TargetResult<Register, T> {
        match number {
            0..=30 => Ok(Register::X(number)),
            _ => self.stack_pointer(core),
        }
    }

    fn x_or_zero(&mut self, core: CoreId, number: u8) -> TargetResult<u64, T> {
        if number == ZERO { Ok(0) } else { self.target.read_register(core, Register::X(number)) }
    }
}
