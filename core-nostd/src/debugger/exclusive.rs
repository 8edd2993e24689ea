//! Store exclusives that a watchpoint has trapped.
//!
//! The exception clears the exclusive monitor, so the store fails when it is stepped over. The program then tries again
//! and would be trapped again, for ever. So the step over such a hit goes on, along the way that the program itself
//! takes back to its load, until the store has been made.

use crate::breakpoint::Instruction;
use crate::pool::Slots;
use crate::registers::Pstate;
use crate::stepping::MAX_INSTRUCTIONS;
use crate::target::{CoreId, Register, Target, TargetResult};

use super::resume::{Goal, Run, Step};
use super::{Debugger, Outcome, Seen};

/// A store exclusive that a watchpoint has trapped, to be made by another attempt of the program's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Retry {
    /// Address of its load exclusive.
    first: u64,
    /// Its own address.
    store: u64,
    /// The X register that says whether it has failed; 31 for none.
    status: u8,
    /// What was hit, and does not count for the next attempt at the same store.
    watchpoints: Slots,
    own: bool,
    /// How many more steps it may take.
    left: u8,
}

/// The most steps of a [`Retry`]. Every attempt takes about two: the passage and the branch back.
const MAX_STEPS: u8 = 24;

/// How far before its load and behind its store the program may go on its way back, in bytes.
const VICINITY: u64 = 32;

impl Retry {
    /// Whether `pc` is on the program's way from the store back to the load.
    fn is_near(&self, pc: u64) -> bool {
        let begin = self.first.wrapping_sub(VICINITY);
        pc.wrapping_sub(begin) <= self.store.wrapping_add(VICINITY).wrapping_sub(begin)
    }
}

/// The register that an A64 store exclusive writes its status to; `None` for other instructions (DDI 0487, "Load/store
/// exclusive register" and "pair").
const fn status_register(word: u32) -> Option<u8> {
    let is_pair = word >> 21 & 1 != 0;
    let is_store = word & 0x3fc0_0000 == 0x0800_0000 && (!is_pair || word >> 31 != 0);
    if is_store { Some((word >> 16 & 0x1f) as u8) } else { None }
}

impl<T: Target, const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize>
    Debugger<T, CORES, SOFTWARE, BYTECODE>
{
    /// What it takes to make the store exclusive at `pc` in spite of having been trapped; `None` for any other
    /// instruction, and where its load is not found.
    pub(super) fn retry_of(
        &mut self,
        core: CoreId,
        pc: u64,
        watchpoints: Slots,
        own: bool,
    ) -> TargetResult<Option<Retry>, T> {
        // Not of AArch32 and of the M profile.
        if self.pstate(core)?.is_none_or(Pstate::is_aarch32) {
            return Ok(None);
        }
        let word = self.fetch(core, pc, Instruction::A64);
        let Some(status) = word.and_then(status_register) else { return Ok(None) };
        for index in 1..MAX_INSTRUCTIONS {
            let sequence = self.sequence_at(core, pc.wrapping_sub(4 * index), Instruction::A64);
            if let Some(sequence) = sequence.filter(|sequence| sequence.last() == pc) {
                let first = sequence.first();
                return Ok(Some(Retry { first, store: pc, status, watchpoints, own, left: MAX_STEPS }));
            }
        }
        Ok(None)
    }

    /// Whether the store has been made, by a core that stands behind its last attempt at it.
    pub(super) fn is_made(&mut self, core: CoreId, retry: &Retry) -> TargetResult<bool, T> {
        let behind = self.target.read_register(core, Register::Pc)? == retry.store.wrapping_add(4);
        Ok(behind
            && (retry.status == 31
                || self.target.read_register(core, Register::X(retry.status))? as u32 == 0))
    }

    /// Goes on after a step, unless its store exclusive has not been made and the program tries it again.
    pub(super) fn step_ended(&mut self, core: CoreId, goal: Goal, run: &Run) -> TargetResult<Outcome, T> {
        let Run::Stepping(Step { retry: Some(retry), passage, .. }) = run else {
            return self.after_step(core, goal);
        };
        let retry = *retry;
        let pc = self.target.read_register(core, Register::Pc)?;
        let made = self.is_made(core, &retry)?;
        let behind_store = pc == retry.store.wrapping_add(4);
        // Out of the middle of its sequence, or elsewhere, the program has given up.
        let gave_up = passage.is_some() && !behind_store || !retry.is_near(pc);
        let others = !self.breakpoints.slots_at(pc).is_empty();
        if made || gave_up || others || retry.left == 0 {
            if !made {
                self.core(core)?.access = None;
            }
            return self.after_step(core, goal);
        }
        // On the way back everything that is armed counts. What was hit counts no more for the next attempt.
        let Retry { watchpoints, own, .. } = retry;
        let passes = (pc == retry.first).then_some(Seen { pc, watchpoints, own });
        self.step_with(core, pc, goal, passes, Some(Retry { left: retry.left - 1, ..retry }))?;
        Ok(Outcome::Resumed)
    }
}
