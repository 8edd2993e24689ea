//! Watching for writes by pages, where the comparators do not suffice and the backend can make pages trap
//! writes.
//!
//! A trapped write that touches nothing watched is carried out for the core, or by the core itself in one step
//! with the page writable and the other cores halted, where the hardware does not say what is written. So any
//! number of ranges of any length is watched, exactly, at the price of a trap for every write to their pages.

use core::fmt;

use heapless::Vec;

use crate::address::{AddressRange, PhysicalAddress, untag};
use crate::pool::{Owner, ReservedWatchpoint, Slots};
use crate::registers::Pstate;
use crate::stop::{Stop, StopReason};
use crate::target::{CoreId, Register, Target, TargetError, TargetResult, TrappedWrite};
use crate::watchpoint::{Access, Watchpoint};

use super::hit::{Candidates, MAX_HITS};
use super::options::Then;
use super::resume::{Action, Goal};
use super::{Debugger, InsertError, Outcome, Request};

/// The longest range that is watched by pages, in bytes.
pub const MAX_PAGED: u64 = 1 << 30;

/// What a store is taken to write whose instruction is not known, in bytes: as much as any without SVE and without the
/// memory copies.
const WIDEST: u64 = 64;

/// Pages that one instruction can write to.
const LIFTED: usize = 4;

/// The ranges that are watched by pages, as at most `N` pieces of physical memory.
#[derive(Debug)]
pub(super) struct Paged<const N: usize> {
    pieces: Vec<Piece, N>,
    /// Whether the pages that trap writes may not be those of the pieces.
    changed: bool,
    /// Whether any page traps writes.
    armed: bool,
    /// Pages that are writable for a step.
    lifted: Vec<PhysicalAddress, LIFTED>,
}

/// A part of a watched range that lies together in physical memory.
#[derive(Clone, Copy, Debug)]
struct Piece {
    physical: PhysicalAddress,
    /// What is watched there, without tags.
    range: AddressRange,
    watchpoint: Watchpoint,
    owner: Owner,
}

impl Piece {
    /// The physical addresses.
    fn extent(&self) -> AddressRange {
        AddressRange::new(self.physical.0, self.range.len()).unwrap_or(AddressRange::byte(self.physical.0))
    }
}

/// Why a range cannot be watched by pages either.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum PagesError {
    /// Pages trap writes only.
    NotOnlyWrites(Access),
    /// The range is too long.
    TooLong {
        /// Its length in bytes.
        length: u64,
        /// The longest that can be watched.
        limit: u64,
    },
    /// There is no room for the pieces of physical memory that the range consists of.
    Full {
        /// How many pieces there can be.
        capacity: usize,
    },
}

impl fmt::Display for PagesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOnlyWrites(access) => {
                write!(
                    f,
                    "the comparators do not suffice, and pages cannot watch for {access}, only for write"
                )
            }
            Self::TooLong { length, limit } => {
                write!(f, "{length:#x} bytes are too many to watch by pages; {limit:#x} are the most")
            }
            Self::Full { capacity } => {
                write!(f, "{capacity} pieces of memory are the most to watch by pages; remove others first")
            }
        }
    }
}

impl core::error::Error for PagesError {}

impl<const N: usize> Paged<N> {
    pub(super) const fn new() -> Self {
        Self { pieces: Vec::new(), changed: false, armed: false, lifted: Vec::new() }
    }

    pub(super) fn contains(&self, watchpoint: &Watchpoint, owner: Owner) -> bool {
        self.pieces.iter().any(|piece| piece.watchpoint == *watchpoint && piece.owner == owner)
    }

    /// Removes a request; whether it was there.
    pub(super) fn remove(&mut self, watchpoint: &Watchpoint, owner: Owner) -> bool {
        self.retain(|piece| piece.watchpoint != *watchpoint || piece.owner != owner)
    }

    pub(super) fn remove_owner(&mut self, owner: Owner) {
        self.retain(|piece| piece.owner != owner);
    }

    fn retain(&mut self, keep: impl Fn(&Piece) -> bool) -> bool {
        let before = self.pieces.len();
        self.pieces.retain(keep);
        let removed = self.pieces.len() != before;
        self.changed |= removed;
        removed
    }

    /// The requests, each once.
    pub(super) fn requests(&self) -> impl Iterator<Item = (Watchpoint, Owner)> {
        let request = |piece: &Piece| (piece.watchpoint, piece.owner);
        self.pieces.iter().enumerate().filter_map(move |(index, piece)| {
            let earlier = self.pieces.get(..index).unwrap_or_default();
            (!earlier.iter().any(|other| request(other) == request(piece))).then_some(request(piece))
        })
    }

    /// The first page from `from` on that has a watched byte.
    fn next_page(&self, from: u64, size: u64) -> Option<u64> {
        let first = |piece: &Piece| {
            let extent = piece.extent();
            (extent.last() >= from).then(|| extent.first().max(from) & !(size - 1))
        };
        self.pieces.iter().filter_map(first).min().map(|page| page.max(from))
    }

    /// The requests of which these physical bytes are a part, and the first watched one of them.
    fn touched(&self, written: AddressRange) -> Option<(Candidates, Watchpoint, u64)> {
        let mut found = None;
        let mut candidates = Candidates::new();
        for piece in self.pieces.iter().filter(|piece| piece.extent().overlaps(written)) {
            let request = (Request::Watchpoint(piece.watchpoint), piece.owner);
            if !candidates.contains(&request) && candidates.len() < MAX_HITS {
                let _ = candidates.push(request);
            }
            let first = written.first().max(piece.physical.0) - piece.physical.0;
            // A tag that was asked for stays.
            let tag = piece.watchpoint.range().first() & !untag(u64::MAX >> 8) & (0xff << 56);
            let address = untag(piece.range.first() + first) & (u64::MAX >> 8) | tag;
            found = found.or(Some((piece.watchpoint, address)));
        }
        found.map(|(watchpoint, address)| (candidates, watchpoint, address))
    }
}

impl<T: Target, const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize>
    Debugger<T, CORES, SOFTWARE, BYTECODE>
{
    /// The watchpoints that pages serve, with their owners.
    pub fn paged_watchpoints(&self) -> impl Iterator<Item = (Watchpoint, Owner)> {
        self.paged.requests()
    }

    /// Whether pages serve this watchpoint of the owner's.
    #[must_use]
    pub fn is_paged(&self, watchpoint: &Watchpoint, owner: Owner) -> bool {
        self.paged.contains(watchpoint, owner)
    }

    /// Whether the backend can make pages trap writes.
    pub fn has_page_watches(&mut self) -> bool {
        self.target.write_traps().is_some()
    }

    /// Watches by pages, as the halted `core` sees the addresses now.
    pub(super) fn insert_paged(
        &mut self,
        core: CoreId,
        watchpoint: Watchpoint,
        owner: Owner,
    ) -> Result<(), InsertError<T::Error>> {
        let range = watchpoint.range();
        if watchpoint.access() != Access::Write {
            return Err(PagesError::NotOnlyWrites(watchpoint.access()).into());
        }
        if range.len() > MAX_PAGED {
            return Err(PagesError::TooLong { length: range.len(), limit: MAX_PAGED }.into());
        }
        let before = self.paged.pieces.len();
        let mut address = range.first();
        loop {
            let last = match self.add_piece(core, address, watchpoint, owner) {
                Ok(last) => last,
                Err(error) => {
                    self.paged.pieces.truncate(before);
                    return Err(error);
                }
            };
            if last == range.last() {
                break;
            }
            address = last + 1;
        }
        self.paged.changed = true;
        Ok(())
    }

    /// Adds the part of a watched range that lies in the page or block around `address`; the last address of it.
    fn add_piece(
        &mut self,
        core: CoreId,
        address: u64,
        watchpoint: Watchpoint,
        owner: Owner,
    ) -> Result<u64, InsertError<T::Error>> {
        const PAGE: u64 = 4096;
        let translation = self.translate(core, address)?;
        let physical = translation.physical;
        let length = translation.remaining(address).min(watchpoint.range().last() - address + 1);
        let part = AddressRange::new(address, length).unwrap_or(AddressRange::byte(address));
        // What cannot be read is no memory that could be protected.
        let mut offset = 0_u64;
        while offset < part.len() {
            self.target.read_memory(PhysicalAddress(physical.0.wrapping_add(offset)), &mut [0])?;
            offset += PAGE - (physical.0.wrapping_add(offset) & (PAGE - 1));
        }
        if let Some(piece) = self.paged.pieces.last_mut()
            && piece.watchpoint == watchpoint
            && piece.owner == owner
            && piece.extent().last().checked_add(1) == Some(physical.0)
            && piece.range.last().checked_add(1) == Some(part.first())
        {
            piece.range =
                AddressRange::new(piece.range.first(), piece.range.len() + part.len()).unwrap_or(piece.range);
            return Ok(part.last());
        }
        let piece = Piece { physical, range: part, watchpoint, owner };
        let full = PagesError::Full { capacity: SOFTWARE };
        self.paged.pieces.push(piece).map_err(|_| full)?;
        Ok(part.last())
    }

    /// Brings the pages that trap writes to what is watched. All cores must be halted. While cores are only
    /// stepped, pages that nobody watches any more may trap on: a client removes its watchpoints for a step.
    pub(super) fn protect_pages(&mut self) -> TargetResult<(), T> {
        if !self.paged.changed {
            return Ok(());
        }
        let steps = |action: Option<Action>| !matches!(action, None | Some(Action::Continue));
        if self.paged.pieces.is_empty() && self.cores.iter().all(|core| steps(core.action)) {
            return Ok(());
        }
        let Some(traps) = self.target.write_traps() else { return Ok(()) };
        let size = traps.page_size().max(1);
        let paged = &self.paged;
        let mut from = Some(0);
        let mut pages = core::iter::from_fn(|| {
            let page = paged.next_page(from?, size)?;
            from = page.checked_add(size);
            Some(PhysicalAddress(page))
        });
        traps.protect(&mut pages)?;
        for core in &mut self.cores {
            // What was trapped may not be trapped again.
            core.trapped = None;
        }
        self.paged.armed = !self.paged.pieces.is_empty();
        self.paged.changed = false;
        Ok(())
    }

    /// Lets lifted pages trap again. All cores must be halted.
    pub(super) fn lower_pages(&mut self) -> TargetResult<(), T> {
        while let Some(page) = self.paged.lifted.pop() {
            if let Some(traps) = self.target.write_traps() {
                traps.lift(page, false)?;
            }
        }
        Ok(())
    }

    /// Whether a page is writable for the core that runs alone.
    pub(super) fn is_lifted(&self) -> bool {
        !self.paged.lifted.is_empty()
    }

    /// Deals with a write that a page has trapped: it has not been made.
    pub(super) fn trapped(
        &mut self,
        core: CoreId,
        write: TrappedWrite,
        goal: Goal,
    ) -> TargetResult<Outcome, T> {
        let pc = self.target.read_register(core, Register::Pc)?;
        let written = self.written(core, pc, &write)?;
        let reported = self.core(core)?.trapped == Some(pc);
        let touched = if reported { None } else { self.paged.touched(written) };
        if let Some((candidates, watchpoint, address)) = touched {
            let verdict = self.judge(core, &candidates, &|_, _| None)?;
            self.keep(core, address, &candidates)?;
            let reason = StopReason::Watchpoint { watchpoint, address, made: false, change: None };
            match verdict {
                Then::Run => {}
                Then::Stop => {
                    let outcome = self.stop_with_hits(core, reason, Slots::NONE)?;
                    self.core(core)?.trapped = Some(pc);
                    return Ok(outcome);
                }
                Then::Wait => {
                    let state = self.core(core)?;
                    state.seen = None;
                    state.trapped = Some(pc);
                    state.waiting = Some(goal);
                    return Ok(Outcome::Waiting(Stop { core, pc, reason }));
                }
            }
        }
        match write.data {
            // What a comparator may watch, only the core itself can tell from what it does not.
            Some(_) if !self.comparators_may_watch(written) => self.carry_out(core, pc, &write, goal),
            _ => self.let_write(core, write.address, goal),
        }
    }

    /// Goes on with a core that waits at a trapped write: it is trapped again, and passed then.
    pub(super) fn retry_trapped(&mut self, core: CoreId, goal: Goal) -> TargetResult<Outcome, T> {
        match goal {
            Goal::Continue => self.run_free(core)?,
            Goal::Report | Goal::Range { .. } => self.begin_step(core, goal)?,
        }
        Ok(Outcome::Resumed)
    }

    /// The physical bytes that a trapped write would change, in the smallest page of the one that is reported.
    fn written(&mut self, core: CoreId, pc: u64, write: &TrappedWrite) -> TargetResult<AddressRange, T> {
        const PAGE: u64 = 4096;
        let reported = write.address.0;
        let (first, length) = match write.data {
            Some(data) => (reported, data.length.into()),
            None => match self.accessing(core, pc)? {
                // Virtual and physical addresses have the offset in the page in common. In a page after the first, the
                // whole rest is written.
                Some((bytes, _)) => {
                    let (begins, offset) = (bytes.first() % PAGE, reported % PAGE);
                    let in_first = (PAGE - begins).min(bytes.len());
                    match offset >= begins || in_first == bytes.len() {
                        true => (reported - offset + begins, in_first),
                        false => (reported - offset, bytes.len() - in_first),
                    }
                }
                None => (reported, WIDEST),
            },
        };
        Ok(AddressRange::new(first, length).unwrap_or(AddressRange::byte(first)))
    }

    /// Whether a comparator may watch these physical bytes: virtual and physical addresses have the offset in the
    /// smallest page in common.
    fn comparators_may_watch(&self, written: AddressRange) -> bool {
        const OFFSET: u64 = 0xfff;
        self.watchpoints.iter().any(|ReservedWatchpoint { watchpoint, .. }| {
            let (range, first) = (watchpoint.range(), written.first() & OFFSET);
            let begins_at = range.first() & OFFSET;
            let touches = first.wrapping_sub(begins_at) & OFFSET < range.len()
                || begins_at.wrapping_sub(first) & OFFSET < written.len();
            watchpoint.access() != Access::Read
                && (touches || range.len() > OFFSET || watchpoint.is_outside())
        })
    }

    /// Carries out a write that is known, and moves the core behind its instruction.
    fn carry_out(
        &mut self,
        core: CoreId,
        pc: u64,
        write: &TrappedWrite,
        goal: Goal,
    ) -> TargetResult<Outcome, T> {
        let Some(data) = write.data else { return self.let_write(core, write.address, goal) };
        let pstate = Pstate::from(self.target.read_register(core, Register::Pstate)?);
        if pstate.is_aarch32() {
            // Its instruction may be one of two bytes, and of a block with conditions.
            return self.let_write(core, write.address, goal);
        }
        let bytes = data.value.to_le_bytes();
        let bytes = bytes.get(..data.length.into()).unwrap_or(&bytes);
        match self.write_physical(write.address, bytes) {
            Ok(()) => {}
            // What the backend does not take, the core writes by itself.
            Err(TargetError::Refused(_)) => return self.let_write(core, write.address, goal),
            Err(lost) => return Err(lost),
        }
        self.target.write_register(core, Register::Pc, pc.wrapping_add(4))?;
        self.after_step(core, goal)
    }

    /// Lets the core make a write by itself, in one step with the page writable and all others halted.
    fn let_write(&mut self, core: CoreId, address: PhysicalAddress, goal: Goal) -> TargetResult<Outcome, T> {
        self.pause_others(core)?;
        if let Some(traps) = self.target.write_traps() {
            let page = PhysicalAddress(address.0 & !(traps.page_size().max(1) - 1));
            traps.lift(page, true)?;
            if self.paged.lifted.push(page).is_err() {
                // More pages than one instruction can write to: the oldest has been written.
                traps.lift(page, false)?;
            }
        }
        self.alone = Some(core);
        self.begin_step(core, goal)?;
        Ok(Outcome::Resumed)
    }
}
