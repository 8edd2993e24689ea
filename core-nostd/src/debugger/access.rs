//! Watchpoints that stop after the access: what stood there before is kept until it has been made.

use crate::aarch32;
use crate::address::AddressRange;
use crate::pool;
use crate::stop::{Change, Stop, StopReason};
use crate::target::{CoreId, Register, SystemRegister, Target, TargetError, TargetResult};
use crate::watchpoint::Watchpoint;

use super::hit::{Candidates, Effect, MAX_HITS};
use super::options::{MAX_COMPARED, Then};
use super::resume::Goal;
use super::{Debugger, Outcome, Request};

/// The widest single store: memory that it changes lies within so many bytes of the aligned block in which
/// it begins.
const BLOCK: u64 = MAX_COMPARED / 2;

/// Size of the vector table in bytes.
const VECTORS: u64 = 0x800;

/// How many bytes are kept: those of any two ranges of at most [`MAX_COMPARED`] bytes that one access touches.
const KEPT: usize = (2 * MAX_COMPARED + if cfg!(feature = "exact-accesses") { WIDEST } else { 0 }) as usize;

/// The widest access that is not to a whole block, in bytes: of A64 four vectors, of AArch32 sixteen doublewords.
const WIDEST: u64 = if aarch32::BUILT_IN { 128 } else { 64 };

/// An access that is about to be made.
#[derive(Clone, Debug)]
pub(super) struct Access {
    /// The instruction that makes it.
    pc: u64,
    /// The watched byte that it touches first.
    address: u64,
    /// The requests that it may be a hit of.
    candidates: Candidates,
    /// The watched bytes that are kept.
    kept: AddressRange,
    old: [u8; KEPT],
}

impl Access {
    /// Whether the instruction at `pc` makes it.
    pub(super) const fn is_at(&self, pc: u64) -> bool {
        self.pc == pc
    }

    /// What it has done to a watched range, where the kept bytes are `new` now.
    fn effect(&self, range: AddressRange, new: &[u8; KEPT]) -> Effect {
        let mut effect = Effect { changed: false, now: self.value(range, new).unwrap_or_default() };
        for ((address, old), new) in (self.kept.first()..=self.kept.last()).zip(&self.old).zip(new) {
            effect.changed |= range.contains(address) && old != new;
        }
        effect
    }

    /// The value of the first bytes of `range`, at most 8, in a copy of the kept bytes; `None` where they were
    /// not kept.
    fn value(&self, range: AddressRange, bytes: &[u8; KEPT]) -> Option<u64> {
        let start = usize::try_from(range.first().checked_sub(self.kept.first())?).ok()?;
        let length = range.len().min(8) as usize;
        let value = bytes.get(start..start.checked_add(length)?)?;
        Some(value.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    /// The change to tell of a hit of `range`: its value, or that of the doubleword which the access touches
    /// first.
    fn change(&self, range: AddressRange, new: &[u8; KEPT]) -> Option<Change> {
        let shown = match range.len() {
            1..=8 => range,
            _ => {
                let doubleword = AddressRange::new(range.nearest(self.address) & !7, 8).ok()?;
                intersection(doubleword, range)?
            }
        };
        Some(Change {
            address: shown.first(),
            length: shown.len() as u8,
            old: self.value(shown, &self.old)?,
            new: self.value(shown, new)?,
        })
    }
}

/// The bytes of a watched range to be kept for an access that touches `address` first.
fn window(range: AddressRange, address: u64) -> AddressRange {
    if range.len() <= MAX_COMPARED {
        return range;
    }
    let start = address & !(BLOCK - 1);
    let last = start.saturating_add(MAX_COMPARED - 1);
    let kept = AddressRange::new(start, last - start + 1).ok();
    kept.and_then(|kept| intersection(kept, range)).unwrap_or(AddressRange::byte(address))
}

/// The bytes that both ranges have.
fn intersection(one: AddressRange, other: AddressRange) -> Option<AddressRange> {
    let first = one.first().max(other.first());
    let last = one.last().min(other.last());
    AddressRange::new(first, last.checked_sub(first)?.checked_add(1)?).ok()
}

/// The smallest range that holds both.
fn union(one: AddressRange, other: AddressRange) -> AddressRange {
    let first = one.first().min(other.first());
    let last = one.last().max(other.last());
    AddressRange::new(first, (last - first).saturating_add(1)).unwrap_or(one)
}

impl<T: Target, const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize>
    Debugger<T, CORES, SOFTWARE, BYTECODE>
{
    /// Stops, waits or passes at an access that is watched, and keeps what is needed to look at it
    /// afterwards. `accessed` is all that is accessed, where that is known.
    pub(super) fn watched(
        &mut self,
        core: CoreId,
        hit: &pool::Hit,
        accessed: Option<AddressRange>,
        goal: Goal,
    ) -> TargetResult<Outcome, T> {
        let candidates = self.watchpoints_at(hit, accessed);
        let verdict = self.judge(core, &candidates, &|_, _| None)?;
        self.keep(core, hit.address, &candidates)?;
        // Of several, the first that somebody is to be told of.
        let told = match self.hits_of(core).first().map(|hit| hit.request) {
            Some(Request::Watchpoint(told)) => {
                accessed.and_then(|accessed| Some((told, told.first_touched(accessed)?)))
            }
            _ => None,
        };
        let (watchpoint, address) = told.unwrap_or((hit.watchpoint, hit.address));
        let reason = StopReason::Watchpoint { watchpoint, address, made: false, change: None };
        self.act(core, verdict, reason, hit.slots, goal)
    }

    /// The requests that an access may be a hit of.
    fn watchpoints_at(&self, hit: &pool::Hit, accessed: Option<AddressRange>) -> Candidates {
        let meant = |watchpoint: Watchpoint| match accessed {
            Some(accessed) => watchpoint.first_touched(accessed).is_some(),
            None => watchpoint == hit.watchpoint || watchpoint.range().contains(hit.address),
        };
        let reserved = self.watchpoints.iter();
        reserved
            .filter(|reserved| {
                !reserved.slots.intersection(hit.slots).is_empty() && meant(reserved.watchpoint)
            })
            .map(|reserved| (Request::Watchpoint(reserved.watchpoint), reserved.owner))
            .take(MAX_HITS)
            .collect()
    }

    /// Keeps the watched bytes for those requests that stop after the access.
    pub(super) fn keep(
        &mut self,
        core: CoreId,
        address: u64,
        candidates: &Candidates,
    ) -> TargetResult<(), T> {
        self.core(core)?.access = None;
        let mut after = Candidates::new();
        let mut kept = None;
        for (request, owner) in candidates {
            let (Request::Watchpoint(watchpoint), Some(entry)) =
                (request, self.attached.get(request, *owner))
            else {
                continue;
            };
            if entry.value.is_before() {
                continue;
            }
            let window = window(watchpoint.range(), watchpoint.range().nearest(address));
            let both = kept.map_or(window, |kept| union(kept, window));
            if both.len() > KEPT as u64 {
                // Far ends of a block that is zeroed.
                continue;
            }
            kept = Some(both);
            let _ = after.push((*request, *owner));
        }
        let Some(kept) = kept else { return Ok(()) };
        let pc = self.target.read_register(core, Register::Pc)?;
        let Some(old) = self.watched_bytes(core, kept)? else { return Ok(()) };
        self.core(core)?.access = Some(Access { pc, address, candidates: after, kept, old });
        Ok(())
    }

    /// The bytes of a range of at most [`KEPT`]; `None` where they cannot be read, so that the access
    /// will fault.
    fn watched_bytes(&mut self, core: CoreId, range: AddressRange) -> TargetResult<Option<[u8; KEPT]>, T> {
        let mut bytes = [0; KEPT];
        let Some(wanted) = bytes.get_mut(..range.len() as usize) else { return Ok(None) };
        let length = wanted.len();
        match self.read_virtual(core, range.first(), wanted) {
            Ok(count) => Ok((count == length).then_some(bytes)),
            Err(error) => match error.into_lost() {
                Some(error) => Err(TargetError::Lost(error)),
                None => Ok(None),
            },
        }
    }

    /// Looks at an access that was made while another core stopped the target, and lets the core go on.
    pub(super) fn called_back(&mut self, core: CoreId, goal: Goal) -> TargetResult<Outcome, T> {
        match self.after_access(core, goal)? {
            Some(outcome) => Ok(outcome),
            None => self.start_all(),
        }
    }

    /// Looks at an access that has been made: `None` where the core is to go on, because nobody asked for
    /// this one or because an exception came instead of it.
    pub(super) fn after_access(&mut self, core: CoreId, goal: Goal) -> TargetResult<Option<Outcome>, T> {
        let Some(access) = self.core(core)?.access.take() else { return Ok(None) };
        let pc = self.target.read_register(core, Register::Pc)?;
        // At a vector the core has taken an exception instead.
        let made = match pc.wrapping_sub(access.pc) {
            0 => false,
            1..=4 => true,
            _ => pc.wrapping_sub(self.read_system(core, SystemRegister::VBAR_EL1)?) >= VECTORS,
        };
        if !made {
            return Ok(None);
        }
        let Some(new) = self.watched_bytes(core, access.kept)? else { return Ok(None) };
        let verdict = self.judge(core, &access.candidates, &|request, _| match request {
            Request::Watchpoint(watchpoint) => Some(access.effect(watchpoint.range(), &new)),
            _ => None,
        })?;
        let told = self.hits_of(core).first().map(|hit| hit.request);
        let Some(Request::Watchpoint(watchpoint)) = told else { return Ok(None) };
        let address = watchpoint.range().nearest(access.address);
        let change = access.change(watchpoint.range(), &new);
        let reason = StopReason::Watchpoint { watchpoint, address, made: true, change };
        match verdict {
            Then::Run => Ok(None),
            Then::Stop => {
                let outcome = self.stop_with_hits(core, reason, pool::Slots::NONE)?;
                // It has been passed already.
                self.core(core)?.seen = None;
                Ok(Some(outcome))
            }
            Then::Wait => {
                let state = self.core(core)?;
                state.seen = None;
                state.waiting = Some(goal);
                Ok(Some(Outcome::Waiting(Stop { core, pc, reason })))
            }
        }
    }
}
