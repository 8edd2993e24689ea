//! Stepping a load exclusive: through to its store exclusive, as one.
//!
//! The exception at the end of a step clears the exclusive monitor, so a sequence that is stepped
//! instruction by instruction fails its store and begins again for ever. Instead the core runs, interrupts
//! quiet, to one of the sequence's exits, on which comparators are armed that are free for now.

use heapless::Vec;

use crate::breakpoint::{Breakpoint, Instruction};
use crate::comparator::{Bank, Pair};
use crate::injection::synchronous_vector;
use crate::pool::Slots;
use crate::registers::Pstate;
use crate::stepping::{ExclusiveSequence, MAX_EXITS};
use crate::target::{CoreId, SystemRegister, Target, TargetResult};

use super::Debugger;

/// A run through an exclusive sequence.
#[derive(Clone, Debug)]
pub(super) struct Passage {
    /// Address of the load exclusive.
    pub(super) first: u64,
    /// Address of the store exclusive.
    pub(super) last: u64,
    /// Where the run ends: the exits, and the vector of a fault that an access of it takes.
    exits: Vec<(Breakpoint, Pair), { MAX_EXITS + 1 }>,
}

impl Passage {
    /// Whether the run has ended where a breakpoint at `pc` says so.
    pub(super) fn ends_at(&self, pc: u64) -> bool {
        self.exits.iter().any(|(exit, _)| exit.can_match(pc))
    }

    /// Adds the exits to a bank of which the first `pairs` exist.
    pub(super) fn arm(&self, bank: &mut Bank, pairs: u8) {
        let free = bank.breakpoints.iter_mut().take(pairs.into()).filter(|pair| !pair.is_enabled());
        for (pair, (_, exit)) in free.zip(&self.exits) {
            *pair = *exit;
        }
    }
}

impl<T: Target, const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize>
    Debugger<T, CORES, SOFTWARE, BYTECODE>
{
    /// The passage through the exclusive sequence that begins at `pc`. `None` where none does, and where
    /// there are too few free pairs for its exits when those in `except` are off; then it can only be
    /// stepped like other code.
    pub(super) fn passage(
        &mut self,
        core: CoreId,
        pc: u64,
        pstate: Option<Pstate>,
        set: Instruction,
        except: Slots,
    ) -> TargetResult<Option<Passage>, T> {
        // A mismatch breakpoint would narrow the exits' to where it matches as well.
        if self.breakpoints.iter().any(|reserved| reserved.breakpoint.is_mismatch()) {
            return Ok(None);
        }
        let Some(sequence) = ExclusiveSequence::find_in(set, pc, |address| self.fetch(core, address, set))
        else {
            return Ok(None);
        };
        let scope = self.target.scope();
        let room = usize::from(self.breakpoints.free()) + usize::from(except.len());
        let mut exits = Vec::new();
        for &exit in sequence.exits() {
            let exit = Breakpoint::at(exit, set, scope).ok().filter(|_| exits.len() < room);
            let Some(exit) = exit.and_then(|exit| Some((exit, self.breakpoints.pair(&exit)?))) else {
                return Ok(None);
            };
            // There are no more exits than the vector holds.
            let _ = exits.push(exit);
        }
        // On the M profile a fault of such an access is escalated, in the end to one that a client sees.
        if let Some(pstate) = pstate
            && exits.len() < room
            && !self.target.el1_uses_aarch32(core)?
        {
            let vector = synchronous_vector(self.read_system(core, SystemRegister::VBAR_EL1)?, pstate);
            if let Ok(exit) = Breakpoint::at(vector, Instruction::A64, scope)
                && let Some(pair) = self.breakpoints.pair(&exit)
            {
                let _ = exits.push((exit, pair));
            }
        }
        Ok(Some(Passage { first: sequence.first(), last: sequence.last(), exits }))
    }
}
