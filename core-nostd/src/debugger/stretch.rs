//! Running through what a step through a range need not step.

use core::ops::Range;

use crate::breakpoint::Instruction;
use crate::registers::{MdscrEl1, Pstate};
use crate::stepping::Stretch;
use crate::target::{CoreId, SystemRegister, Target, TargetError, TargetResult};

use super::Debugger;
use super::passage::Passage;

impl<T: Target, const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize>
    Debugger<T, CORES, SOFTWARE, BYTECODE>
{
    /// The passage through a stretch of `range` at `pc`. `None` where stepping is quicker, and where anything may
    /// happen in the stretch that only a step notices.
    pub(super) fn through_stretch(
        &mut self,
        core: CoreId,
        range: Range<u64>,
        pc: u64,
        pstate: Pstate,
    ) -> TargetResult<Option<Passage>, T> {
        let state = self.core(core)?;
        // All others wait for this instruction, or it is looked at once it is done.
        if state.access.is_some() || state.trapped.is_some() || self.alone.is_some() {
            return Ok(None);
        }
        // With one pair for the vector of a fault.
        let Some(room) = usize::from(self.breakpoints.free()).checked_sub(1) else { return Ok(None) };
        let Some(stretch) = Stretch::find(range.start, range.end, pc, room, |address| {
            self.fetch(core, address, Instruction::A64)
        }) else {
            return Ok(None);
        };
        // Comparators that the guest has set for itself must find their places.
        match self.read_system(core, SystemRegister::MDSCR_EL1) {
            Ok(controls) if !MdscrEl1::from(controls).mde() => {}
            Ok(_) | Err(TargetError::Refused(_)) => return Ok(None),
            Err(error) => return Err(error),
        }
        let Some(vector) = self.vector(core, pc, pstate)? else { return Ok(None) };
        let (first, last) = (stretch.first(), stretch.last());
        Ok(self.leaving(first, last, stretch.exits(), Instruction::A64, Some(vector)))
    }
}
