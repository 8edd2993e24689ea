//! From what is reserved to what stands in comparators and memory.

use crate::comparator::{Bank, MAX_PAIRS};
use crate::pool::Slots;
use crate::target::{Arming, CoreId, Target, TargetResult};

use super::Debugger;
use super::passage::Passage;

/// What stands in a core's comparators.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Committed {
    /// What the pools held at this generation, but for some pairs.
    Pools { generation: u32, except: Except, software: bool },
    /// Something else, to be replaced at the next run.
    Other,
}

/// Pairs that are off for a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Except {
    /// Breakpoints of ours.
    pub(super) breakpoints: Slots,
    /// Watchpoints of ours.
    pub(super) watchpoints: Slots,
    /// All that the guest has set for itself.
    pub(super) own: bool,
}

impl Except {
    pub(super) const NONE: Self = Self { breakpoints: Slots::NONE, watchpoints: Slots::NONE, own: false };
}

impl Default for Committed {
    /// A backend begins with nothing armed, as the pools do.
    fn default() -> Self {
        Self::Pools { generation: 0, except: Except::NONE, software: false }
    }
}

impl<T: Target, const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize>
    Debugger<T, CORES, SOFTWARE, BYTECODE>
{
    /// Arms a core with everything reserved but the given pairs, if it is not so armed already.
    pub(super) fn commit(&mut self, core: CoreId, except: Except) -> TargetResult<(), T> {
        let software = self.any_planted();
        self.settle();
        let wanted = Committed::Pools { generation: self.generation, except, software };
        if self.core(core)?.committed == wanted {
            return Ok(());
        }
        let arming = self.arming(except, software);
        self.target.commit(core, &arming)?;
        self.core(core)?.committed = wanted;
        Ok(())
    }

    /// Like [`Self::commit`], with breakpoints on the exits of a passage in pairs that are free for now.
    pub(super) fn commit_passage(
        &mut self,
        core: CoreId,
        except: Except,
        passage: &Passage,
    ) -> TargetResult<(), T> {
        let mut arming = self.arming(except, self.any_planted());
        passage.arm(&mut arming.bank, self.target.capabilities().breakpoints);
        self.core(core)?.committed = Committed::Other;
        self.target.commit(core, &arming)
    }

    /// Takes note of changes of the pools. A client that removes its requests at every stop and inserts them
    /// again before it lets the target run has changed nothing.
    fn settle(&mut self) {
        if !core::mem::take(&mut self.pools_changed) {
            return;
        }
        let bank = self.arming(Except::NONE, false).bank;
        if bank != self.bank {
            self.bank = bank;
            self.generation = self.generation.wrapping_add(1);
        }
    }

    fn arming(&self, except: Except, software_breakpoints: bool) -> Arming {
        let mut bank = Bank::default();
        let (breakpoints, watchpoints): (&mut [_; MAX_PAIRS], &mut [_; MAX_PAIRS]) =
            (&mut bank.breakpoints, &mut bank.watchpoints);
        self.breakpoints.arm(breakpoints, except.breakpoints);
        self.watchpoints.arm(watchpoints, except.watchpoints);
        Arming { bank, software_breakpoints, hides_own: except.own }
    }
}
