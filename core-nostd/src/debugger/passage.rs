//! Running through code as one step.
//!
//! The exception at the end of a step clears the exclusive monitor, so a load exclusive that is stepped instruction
//! by instruction to its store exclusive fails there and begins again for ever. And of a step through a range only the
//! end is told. Instead the core runs, interrupts quiet, to one of the exits of such code, on which comparators are
//! armed that are free for now.

use heapless::Vec;

use crate::breakpoint::{Breakpoint, Instruction};
use crate::comparator::{Bank, Pair};
use crate::injection::synchronous_vector;
use crate::pool::Slots;
use crate::registers::Pstate;
use crate::stepping::{ExclusiveSequence, MAX_EXITS};
use crate::target::{CoreId, SystemRegister, Target, TargetResult};

use super::Debugger;
use super::arming::Except;
use super::resume::Goal;

/// A run through an exclusive sequence, or through a stretch of a range.
#[derive(Clone, Debug)]
pub(super) struct Passage {
    /// Address of the load exclusive, or of the first instruction of the stretch.
    pub(super) first: u64,
    /// Address of the store exclusive, or of the last instruction of the stretch.
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
    /// What the core is to run through at `pc` instead of being stepped, if anything: an exclusive sequence, or with
    /// a range to be stepped through a stretch of it.
    pub(super) fn passage(
        &mut self,
        core: CoreId,
        pc: u64,
        pstate: Option<Pstate>,
        set: Instruction,
        except: Except,
        goal: Goal,
    ) -> TargetResult<Option<Passage>, T> {
        // A mismatch breakpoint would narrow the exits' to where it matches as well.
        if self.breakpoints.iter().any(|reserved| reserved.breakpoint.is_mismatch()) {
            return Ok(None);
        }
        if let Some(sequence) = self.sequence_at(core, pc, set) {
            return self.through_sequence(core, &sequence, pstate, set, except.breakpoints);
        }
        match (goal, pstate) {
            #[cfg(feature = "quick-steps")]
            (Goal::Range { start, end }, Some(pstate))
                if matches!(set, Instruction::A64) && except == Except::NONE =>
            {
                self.through_stretch(core, start..end, pc, pstate)
            }
            _ => Ok(None),
        }
    }

    /// The exclusive sequence that begins at an address.
    pub(super) fn sequence_at(
        &mut self,
        core: CoreId,
        address: u64,
        set: Instruction,
    ) -> Option<ExclusiveSequence> {
        ExclusiveSequence::find_in(set, address, |address| self.fetch(core, address, set))
    }

    /// `None` where there are too few free pairs for the exits when those in `except` are off; then it can only be
    /// stepped like other code.
    fn through_sequence(
        &mut self,
        core: CoreId,
        sequence: &ExclusiveSequence,
        pstate: Option<Pstate>,
        set: Instruction,
        except: Slots,
    ) -> TargetResult<Option<Passage>, T> {
        let room = usize::from(self.breakpoints.free()) + usize::from(except.len());
        if sequence.exits().len() > room {
            return Ok(None);
        }
        // On the M profile a fault of such an access is escalated, in the end to one that a client sees.
        let vector = match pstate.filter(|_| sequence.exits().len() < room) {
            Some(pstate) => self.vector(core, sequence.first(), pstate)?,
            None => None,
        };
        Ok(self.leaving(sequence.first(), sequence.last(), sequence.exits(), set, vector))
    }

    /// A passage with these ways out.
    pub(super) fn leaving(
        &self,
        first: u64,
        last: u64,
        exits: &[u64],
        set: Instruction,
        vector: Option<Breakpoint>,
    ) -> Option<Passage> {
        let scope = self.target.scope();
        let mut passage = Passage { first, last, exits: Vec::new() };
        // Without one of the exits it would not end.
        for exit in exits {
            let exit = Breakpoint::at(*exit, set, scope).ok()?;
            passage.exits.push((exit, self.breakpoints.pair(&exit)?)).ok()?;
        }
        if let Some(vector) = vector
            && let Some(pair) = self.breakpoints.pair(&vector)
        {
            passage.exits.push((vector, pair)).ok()?;
        }
        Some(passage)
    }

    /// A breakpoint where a synchronous exception goes from this state; `None` under an EL1 that uses AArch32, and
    /// where the core stands at that vector, on which it would not get away from `pc`.
    pub(super) fn vector(
        &mut self,
        core: CoreId,
        pc: u64,
        pstate: Pstate,
    ) -> TargetResult<Option<Breakpoint>, T> {
        if self.el1_uses_aarch32(core)? {
            return Ok(None);
        }
        let vector = synchronous_vector(self.read_system(core, SystemRegister::VBAR_EL1)?, pstate);
        let breakpoint = Breakpoint::at(vector, Instruction::A64, self.target.scope()).ok();
        Ok(breakpoint.filter(|breakpoint| !breakpoint.can_match(pc)))
    }
}
