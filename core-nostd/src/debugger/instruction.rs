//! What an instruction that was trapped is about to access.

use crate::aarch32;
use crate::address::AddressRange;
use crate::breakpoint::Instruction;
use crate::load_store::{self, Base, Direction, LoadStore, Offset};
#[cfg(feature = "exact-accesses")]
use crate::pool::{self, Slots};
use crate::registers::{Cpsr, Mode};
#[cfg(feature = "exact-accesses")]
use crate::target::Event;
use crate::target::{CoreId, Register, Target, TargetResult};

use super::Debugger;
#[cfg(feature = "exact-accesses")]
use super::{Outcome, Seen, resume::Goal};

impl<T: Target, const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize>
    Debugger<T, CORES, SOFTWARE, BYTECODE>
{
    /// What bytes the instruction at `pc` of a halted core is about to access, without a tag, and how, where it is one
    /// that is known.
    pub(super) fn accessing(
        &mut self,
        core: CoreId,
        pc: u64,
    ) -> TargetResult<Option<(AddressRange, Direction)>, T> {
        let Some(pstate) = self.pstate(core)? else { return Ok(None) };
        if let Some(cpsr) = aarch32::state(pstate) {
            return self.accessing_aarch32(core, pc, cpsr);
        }
        if pstate.is_aarch32() {
            return Ok(None);
        }
        let word = self.fetch(core, pc, Instruction::A64);
        let Some(instruction) = word.and_then(LoadStore::decode) else { return Ok(None) };
        let base = match instruction.base() {
            Base::Register(number) => self.target.read_register(core, Register::X(number))?,
            Base::StackPointer => {
                let register = self.stack_pointer(core)?;
                self.target.read_register(core, register)?
            }
            Base::ProgramCounter => pc,
            Base::Zero => 0,
        };
        let index = match instruction.offset() {
            Offset::Register { number: number @ 0..=30, .. } => {
                self.target.read_register(core, Register::X(number))?
            }
            _ => 0,
        };
        let block = self.target.capabilities().zeroing_block;
        let bytes = instruction.accessed(base, index, block.into());
        Ok(bytes.map(|bytes| (bytes, instruction.direction())))
    }

    /// The same of A32 and T32.
    fn accessing_aarch32(
        &mut self,
        core: CoreId,
        pc: u64,
        cpsr: Cpsr,
    ) -> TargetResult<Option<(AddressRange, Direction)>, T> {
        use load_store::aarch32::{Base, LoadStore, Offset, executes};
        let (set, ahead) = if cpsr.t() { (Instruction::T32, 4) } else { (Instruction::A32, 8) };
        let word = self.fetch(core, pc, set).filter(|word| executes(*word, set, cpsr));
        let Some(instruction) = word.and_then(|word| LoadStore::decode(word, set)) else { return Ok(None) };
        let ahead = (pc as u32).wrapping_add(ahead);
        let base = match instruction.base() {
            Base::ProgramCounter => Some(ahead),
            Base::AlignedProgramCounter => Some(ahead & !3),
            Base::Register(number) => self.read_of_mode(core, cpsr.mode(), number)?,
            Base::StackPointer(mode) => self.read_of_mode(core, mode, 13)?,
        };
        let Some(base) = base else { return Ok(None) };
        let index = match instruction.offset() {
            Offset::Register { number, .. } => self.read_of_mode(core, cpsr.mode(), number)?,
            Offset::Immediate(_) => None,
        };
        let index = index.unwrap_or(0);
        let bytes = instruction.accessed(base, index, cpsr.c());
        Ok(bytes.map(|bytes| (bytes, instruction.direction())))
    }

    /// R0 to R14 of a mode; Monitor mode has none of its own here.
    fn read_of_mode(&mut self, core: CoreId, mode: Mode, number: u8) -> TargetResult<Option<u32>, T> {
        let Some(register) = aarch32::register(mode, number) else { return Ok(None) };
        Ok(Some(self.target.read_register(core, register)? as u32))
    }
}

/// What a watchpoint exception has recorded, and where it came.
#[cfg(feature = "exact-accesses")]
#[derive(Clone, Copy, Debug)]
pub(super) struct Recorded {
    /// Whether the access is a write; `None` where the hardware does not say.
    pub(super) write: Option<bool>,
    /// What the recorded address leads to.
    pub(super) hit: Option<pool::Hit>,
    /// What the step was to pass that it came in.
    pub(super) passes: Option<Seen>,
}

#[cfg(feature = "exact-accesses")]
impl<T: Target, const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize>
    Debugger<T, CORES, SOFTWARE, BYTECODE>
{
    /// Deals with a watchpoint exception by the instruction that it was taken before; `None` where that is not known.
    pub(super) fn watchpoint_of_instruction(
        &mut self,
        core: CoreId,
        event: Event,
        recorded: &Recorded,
        goal: Goal,
    ) -> TargetResult<Option<Outcome>, T> {
        let pc = self.target.read_register(core, Register::Pc)?;
        let Some((bytes, direction)) = self.accessing(core, pc)? else { return Ok(None) };
        // Of an atomic, the syndrome tells the one direction that was checked first.
        let write = if direction == Direction::Both { None } else { recorded.write };
        // Comparators near the access may match it though they should not: a step over it lifts them as well, and
        // with them those that it has been trapped by before.
        let passed =
            recorded.passes.filter(|seen| seen.pc == pc).map_or(Slots::NONE, |seen| seen.watchpoints);
        let near = recorded.hit.map_or(Slots::NONE, |hit| hit.slots) | passed;
        let outcome = match (self.watchpoints.touched(bytes, write), recorded.hit) {
            (Some(hit), _) => {
                let hit = pool::Hit { slots: hit.slots | near, ..hit };
                if hit.spurious {
                    self.pass(core, hit.slots, false, goal)
                } else {
                    self.watched(core, &hit, Some(bytes), goal)
                }
            }
            // A comparator that matches more than it should; otherwise one of the guest's near ours.
            (None, Some(hit)) if hit.exact || !self.takes_itself(core)? => self.pass(core, near, true, goal),
            (None, _) => self.give_back(core, event, goal),
        };
        outcome.map(Some)
    }
}
