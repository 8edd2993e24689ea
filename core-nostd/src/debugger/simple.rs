//! Passing what is armed without a step, where the instruction under it is simple.
//!
//! A step over a breakpoint takes it out of the comparators, or out of memory with all other cores halted, runs the core
//! for one instruction and puts it back. Where all that the instruction does is known and is done to general registers,
//! the engine does it instead, and the core goes on behind it.

use crate::breakpoint::Instruction;
use crate::pool::Slots;
use crate::registers::{BranchType, MdscrEl1};
use crate::stepping::Simple;
use crate::target::{CoreId, Register, SystemRegister, Target, TargetError, TargetResult};

use super::{Debugger, Seen};

impl<T: Target, const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize>
    Debugger<T, CORES, SOFTWARE, BYTECODE>
{
    /// Carries out the instruction at `pc`, at which breakpoints were hit, for a core that is to run on; whether that
    /// could be done.
    pub(super) fn pass_simple(&mut self, core: CoreId, pc: u64, seen: Option<Seen>) -> TargetResult<bool, T> {
        let state = self.core(core)?;
        let awaited = state.access.is_some() || state.trapped.is_some() || self.alone.is_some();
        let only_breakpoints = seen.is_none_or(|seen| seen.watchpoints == Slots::NONE && !seen.own);
        if awaited || !only_breakpoints {
            return Ok(false);
        }
        let Some(pstate) = self.pstate(core)?.filter(|pstate| !pstate.is_aarch32() && !pstate.il()) else {
            return Ok(false);
        };
        let word = self.fetch(core, pc, Instruction::A64);
        let Some(simple) = word.and_then(|word| Simple::of(word, pc)) else { return Ok(false) };
        // A branch target instruction is checked when it is executed.
        if pstate.btype() != BranchType::from_bits(0) || self.watches_itself(core)? {
            return Ok(false);
        }
        let next = match simple {
            Simple::Branch { to } => to,
            _ => pc.wrapping_add(4),
        };
        self.write_result(core, simple)?;
        self.target.write_register(core, Register::Pc, next)?;
        Ok(true)
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
    fn write_result(&mut self, core: CoreId, simple: Simple) -> TargetResult<(), T> {
        let low = |narrow: bool| if narrow { u64::from(u32::MAX) } else { u64::MAX };
        let (to, value) = match simple {
            Simple::Nothing | Simple::Branch { .. } => return Ok(()),
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
}
