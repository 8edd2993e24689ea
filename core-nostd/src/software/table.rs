//! What is planted where, for whom, and what stood there before.

use core::fmt;

use heapless::Vec;

use super::{BreakInstruction, COMMENT, InstructionBytes, break_bytes};
use crate::address::{AddressRange, PhysicalAddress};
use crate::breakpoint::Instruction;
use crate::pool::Owner;

/// The software breakpoints of a target: at most `N` requests at at most `N` places.
///
/// A place is a physical address, because memory is changed there whatever address space the request
/// came from; a request keeps the virtual address that it was made with, so that it can be taken back
/// after the address space has changed. Requests for the same place share it.
#[derive(Clone)]
pub struct SoftwareBreakpoints<const N: usize> {
    kind: BreakInstruction,
    /// Sorted by address; no two overlap.
    places: Vec<Place, N>,
    /// Sorted by virtual address.
    requests: Vec<SoftwareBreakpoint, N>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Place {
    address: PhysicalAddress,
    instruction: Instruction,
    state: SiteState,
    /// How many requests are for it.
    requests: u32,
    /// What memory held before; zeros until the first planting.
    original: InstructionBytes,
}

/// How a place in memory stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum SiteState {
    /// Asked for; memory is untouched as yet.
    Requested,
    /// The breakpoint instruction is in memory.
    Planted,
    /// The breakpoint instruction is in memory, and nobody wants it any more.
    Unwanted,
}

/// A request for a software breakpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct SoftwareBreakpoint {
    /// Where the instruction is in memory.
    pub address: PhysicalAddress,
    /// The address that was asked for.
    pub virtual_address: u64,
    /// The instruction set it was asked for.
    pub instruction: Instruction,
    /// Who asked.
    pub owner: Owner,
    /// How often.
    pub references: u16,
}

/// A place in memory where a breakpoint instruction is or is to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Site {
    /// Where.
    pub address: PhysicalAddress,
    /// The instruction set of the code there.
    pub instruction: Instruction,
    /// How it stands.
    pub state: SiteState,
    /// The breakpoint instruction.
    pub planted: InstructionBytes,
    /// What stood there before. Means nothing while [`SiteState::Requested`].
    pub original: InstructionBytes,
}

impl Site {
    /// What is to be done to bring the original back, where memory holds `found`.
    #[must_use]
    pub fn restore(&self, found: &[u8]) -> Restore {
        if found == self.planted.as_slice() {
            Restore::Write(self.original)
        } else {
            Restore::Overwritten { found: InstructionBytes::new(self.instruction, found) }
        }
    }
}

/// What brings the original instruction back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Restore {
    /// The breakpoint instruction is still there: write this over it.
    Write(InstructionBytes),
    /// The target's software has written something else there since, as when it loads other code: leave
    /// it alone.
    Overwritten {
        /// What is there.
        found: InstructionBytes,
    },
}

impl<const N: usize> SoftwareBreakpoints<N> {
    /// An empty table that plants instructions of this kind.
    #[must_use]
    pub const fn new(kind: BreakInstruction) -> Self {
        Self { kind, places: Vec::new(), requests: Vec::new() }
    }

    /// Asks for a breakpoint at `virtual_address`, which is at `address` in memory; or once more, where
    /// `owner` has asked for it already. Memory need not be touched before the target runs.
    ///
    /// # Errors
    /// [`SoftwareError`]; the table is as it was.
    pub fn insert(
        &mut self,
        address: PhysicalAddress,
        virtual_address: u64,
        instruction: Instruction,
        owner: Owner,
    ) -> Result<(), SoftwareError> {
        if !address.0.is_multiple_of(instruction.alignment()) {
            return Err(SoftwareError::Misaligned { address, instruction });
        }
        let request = SoftwareBreakpoint { address, virtual_address, instruction, owner, references: 1 };
        let first = self.requests.partition_point(|known| known.virtual_address < virtual_address);
        let same_address = self.requests.iter_mut().skip(first);
        let mut same_address = same_address.take_while(|known| known.virtual_address == virtual_address);
        if let Some(known) = same_address.find(|known| known.is_same(&request)) {
            let references = known.references;
            known.references =
                references.checked_add(1).ok_or(SoftwareError::TooManyReferences { references })?;
            return Ok(());
        }
        // No two overlap, so that only the last one before can reach so far, and those that begin within.
        let end = range_of(address, instruction).last();
        let before = self.places.partition_point(|place| place.address < address).saturating_sub(1);
        let mut near = self.places.iter().skip(before).take_while(|place| place.address.0 <= end);
        if let Some(existing) = near.find(|place| place.conflicts(address, instruction)) {
            return Err(SoftwareError::Overlaps { address, existing: existing.address });
        }
        let full = SoftwareError::Full { capacity: N };
        let place = self.places.binary_search_by_key(&address, |place| place.address);
        if self.requests.is_full() || place.is_err() && self.places.is_full() {
            return Err(full);
        }
        match place {
            Ok(index) => {
                if let Some(place) = self.places.get_mut(index) {
                    place.requests += 1;
                    if place.state == SiteState::Unwanted {
                        place.state = SiteState::Planted;
                    }
                }
            }
            Err(index) => {
                let original = InstructionBytes::new(instruction, &[]);
                let place =
                    Place { address, instruction, state: SiteState::Requested, requests: 1, original };
                self.places.insert(index, place).map_err(|_| full)?;
            }
        }
        let index = self.requests.partition_point(|known| known.virtual_address <= virtual_address);
        self.requests.insert(index, request).map_err(|_| full)
    }

    /// Takes back one request of `owner` for a breakpoint at `virtual_address`.
    ///
    /// `address` is what `virtual_address` translates to now, where that is known. It only decides which
    /// request is meant where there are several from different address spaces; a request from an address
    /// space that is gone is found without it.
    ///
    /// # Errors
    /// [`SoftwareError::NotInserted`].
    pub fn remove(
        &mut self,
        virtual_address: u64,
        address: Option<PhysicalAddress>,
        owner: Owner,
    ) -> Result<(), SoftwareError> {
        let mut found = None;
        let first = self.requests.partition_point(|request| request.virtual_address < virtual_address);
        for (index, request) in self.requests.iter().enumerate().skip(first) {
            if request.virtual_address != virtual_address {
                break;
            }
            if request.owner == owner {
                found = Some(index);
                if Some(request.address) == address {
                    break;
                }
            }
        }
        let not_inserted = SoftwareError::NotInserted { virtual_address };
        let index = found.ok_or(not_inserted)?;
        let request = self.requests.get_mut(index).ok_or(not_inserted)?;
        request.references -= 1;
        if request.references == 0 {
            self.remove_request(index);
        }
        Ok(())
    }

    /// Takes back all requests of `owner`.
    pub fn remove_owner(&mut self, owner: Owner) {
        while let Some(index) = self.requests.iter().position(|request| request.owner == owner) {
            self.remove_request(index);
        }
    }

    fn remove_request(&mut self, index: usize) {
        let Some(request) = take_out(&mut self.requests, index) else { return };
        if let Ok(index) = self.places.binary_search_by_key(&request.address, |place| place.address)
            && let Some(place) = self.places.get_mut(index)
        {
            place.requests -= 1;
            if place.requests > 0 {
                return;
            }
            match place.state {
                SiteState::Requested => _ = take_out(&mut self.places, index),
                SiteState::Planted | SiteState::Unwanted => place.state = SiteState::Unwanted,
            }
        }
    }

    /// The first place after `after` (or the first of all) where memory is to be changed before the target
    /// runs on: [`SiteState::Requested`] ones to be planted, [`SiteState::Unwanted`] ones to be restored.
    ///
    /// Tell [`SoftwareBreakpoints::planted`] and [`SoftwareBreakpoints::restored`] what was done.
    #[must_use]
    pub fn next_pending(&self, after: Option<PhysicalAddress>) -> Option<Site> {
        let first = self.places.partition_point(|place| Some(place.address) <= after);
        let mut rest = self.places.iter().skip(first);
        rest.find(|place| place.state != SiteState::Planted).map(|place| self.site(place))
    }

    /// The breakpoint instruction of a [`SiteState::Requested`] place was written at `address`, over
    /// `original`.
    pub fn planted(&mut self, address: PhysicalAddress, original: &[u8]) {
        if let Some(place) = self.place_mut(address)
            && place.state == SiteState::Requested
        {
            place.original = InstructionBytes::new(place.instruction, original);
            place.state = SiteState::Planted;
        }
    }

    /// The breakpoint instruction at `address` is no longer in memory: the original is back, or the
    /// target's software has overwritten it. Where it is still wanted, it becomes pending again; so this
    /// also lifts it for a step over the instruction.
    pub fn restored(&mut self, address: PhysicalAddress) {
        if let Ok(index) = self.places.binary_search_by_key(&address, |place| place.address)
            && let Some(place) = self.places.get_mut(index)
        {
            match place.state {
                SiteState::Unwanted => _ = take_out(&mut self.places, index),
                SiteState::Planted | SiteState::Requested => place.state = SiteState::Requested,
            }
        }
    }

    /// All memory was loaded anew, as by a reset: nothing is planted any more, and what is wanted is
    /// pending again.
    pub fn memory_replaced(&mut self) {
        self.places.retain(|place| place.state != SiteState::Unwanted);
        for place in &mut self.places {
            place.state = SiteState::Requested;
        }
    }

    /// The place at exactly this physical address.
    #[must_use]
    pub fn at(&self, address: PhysicalAddress) -> Option<Site> {
        let index = self.places.binary_search_by_key(&address, |place| place.address).ok()?;
        self.places.get(index).map(|place| self.site(place))
    }

    /// The requests that were made with this virtual address.
    pub fn at_virtual(&self, virtual_address: u64) -> impl Iterator<Item = SoftwareBreakpoint> {
        let first = self.requests.partition_point(|request| request.virtual_address < virtual_address);
        let rest = self.requests.get(first..).unwrap_or_default();
        rest.iter().take_while(move |request| request.virtual_address == virtual_address).copied()
    }

    /// All requests, by ascending virtual address.
    pub fn iter(&self) -> impl Iterator<Item = SoftwareBreakpoint> {
        self.requests.iter().copied()
    }

    /// All places, by ascending physical address.
    pub fn sites(&self) -> impl Iterator<Item = Site> {
        self.places.iter().map(|place| self.site(place))
    }

    /// Whether nobody asks for a breakpoint. Some may still be in memory, see
    /// [`SoftwareBreakpoints::next_pending`].
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// How many requests there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.requests.len()
    }

    /// Puts the original bytes into `bytes`, which were read from `address` on, wherever a breakpoint
    /// instruction is planted. What the target's software has written over one stays.
    pub fn mask_read(&self, address: PhysicalAddress, bytes: &mut [u8]) {
        for place in self.planted_in(address, bytes.len()) {
            let planted = self.site(place).planted;
            if shared(place.address, planted.as_slice(), address, bytes).all(|(is, planted)| is == planted) {
                overlay(place.address, place.original.as_slice(), address, bytes);
            }
        }
    }

    /// The first place with a breakpoint instruction in memory that shares a byte with the `length` bytes from
    /// `address` on.
    ///
    /// Bring the originals back in all of them before these bytes are written: what is still wanted becomes
    /// pending then, and is planted over what was written. To write around breakpoint instructions instead would
    /// leave half of one where the target's software has written over it.
    #[must_use]
    pub fn first_planted(&self, address: PhysicalAddress, length: usize) -> Option<Site> {
        self.planted_in(address, length).next().map(|place| self.site(place))
    }

    fn site(&self, place: &Place) -> Site {
        Site {
            address: place.address,
            instruction: place.instruction,
            state: place.state,
            planted: break_bytes(self.kind, place.instruction, COMMENT),
            original: place.original,
        }
    }

    fn place_mut(&mut self, address: PhysicalAddress) -> Option<&mut Place> {
        let index = self.places.binary_search_by_key(&address, |place| place.address).ok()?;
        self.places.get_mut(index)
    }

    /// The places with a breakpoint instruction in memory that share a byte with these `length` bytes.
    fn planted_in(&self, address: PhysicalAddress, length: usize) -> impl Iterator<Item = &Place> {
        let range = AddressRange::new(address.0, length as u64).ok();
        let first = self.places.partition_point(|place| place.range().last() < address.0);
        let rest = self.places.get(first..).unwrap_or_default();
        rest.iter()
            .take_while(move |place| range.is_some_and(|range| place.range().overlaps(range)))
            .filter(|place| place.state != SiteState::Requested)
    }
}

/// Takes the element at `index` out and closes the gap; like `remove`, but without a way to panic.
fn take_out<T: Copy, const N: usize>(elements: &mut Vec<T, N>, index: usize) -> Option<T> {
    let mut rest = elements.iter_mut().skip(index);
    let mut gap = rest.next()?;
    let taken = *gap;
    for element in rest {
        *gap = *element;
        gap = element;
    }
    elements.pop();
    Some(taken)
}

/// Copies `source`, the bytes from `from` on, into `target`, the bytes from `to` on, where they share
/// addresses.
fn overlay(from: PhysicalAddress, source: &[u8], to: PhysicalAddress, target: &mut [u8]) {
    for (to, from) in shared(from, source, to, target) {
        *to = *from;
    }
}

/// The bytes of `target`, those from `to` on, each with that of `source`, those from `from` on, at its address.
fn shared<'a>(
    from: PhysicalAddress,
    source: &'a [u8],
    to: PhysicalAddress,
    target: &'a mut [u8],
) -> impl Iterator<Item = (&'a mut u8, &'a u8)> {
    let offset =
        |ahead: u64, behind: u64| usize::try_from(ahead.saturating_sub(behind)).unwrap_or(usize::MAX);
    let source = source.get(offset(to.0, from.0)..).unwrap_or_default();
    let target = target.get_mut(offset(from.0, to.0)..).unwrap_or_default();
    target.iter_mut().zip(source)
}

impl Place {
    fn range(&self) -> AddressRange {
        range_of(self.address, self.instruction)
    }

    fn conflicts(&self, address: PhysicalAddress, instruction: Instruction) -> bool {
        let same = self.address == address && self.instruction == instruction;
        !same && self.range().overlaps(range_of(address, instruction))
    }
}

/// The bytes of a breakpoint instruction. It is aligned, and so cannot wrap.
fn range_of(address: PhysicalAddress, instruction: Instruction) -> AddressRange {
    let length = InstructionBytes::new(instruction, &[]).len() as u64;
    AddressRange::new(address.0, length).unwrap_or(AddressRange::byte(address.0))
}

impl SoftwareBreakpoint {
    fn is_same(&self, other: &Self) -> bool {
        Self { references: 0, ..*self } == Self { references: 0, ..*other }
    }
}

impl<const N: usize> fmt::Debug for SoftwareBreakpoints<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Why a software breakpoint was not inserted or removed. The table is as it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum SoftwareError {
    /// No instruction of this instruction set begins at this address.
    Misaligned {
        /// The address.
        address: PhysicalAddress,
        /// The instruction set.
        instruction: Instruction,
    },
    /// Another breakpoint instruction, for another instruction set or at another address, takes some of
    /// the same bytes.
    Overlaps {
        /// The address.
        address: PhysicalAddress,
        /// Where the other one is.
        existing: PhysicalAddress,
    },
    /// The table is full.
    Full {
        /// How many it holds.
        capacity: usize,
    },
    /// It was already asked for as often as can be counted.
    TooManyReferences {
        /// How often.
        references: u16,
    },
    /// This owner has not asked for a breakpoint there.
    NotInserted {
        /// The virtual address.
        virtual_address: u64,
    },
}

impl fmt::Display for SoftwareError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Misaligned { address, instruction } => write!(
                f,
                "no {instruction} instruction begins at physical address {address}; give a multiple of {}",
                instruction.alignment()
            ),
            Self::Overlaps { address, existing } => write!(
                f,
                "a breakpoint at physical address {address} overlaps that at {existing}; remove that first"
            ),
            Self::Full { capacity } => {
                write!(f, "all {capacity} software breakpoints are in use; remove others first")
            }
            Self::TooManyReferences { references } => {
                write!(f, "this breakpoint was already inserted {references} times")
            }
            Self::NotInserted { virtual_address } => {
                write!(f, "no software breakpoint was inserted at {virtual_address:#x}")
            }
        }
    }
}

impl core::error::Error for SoftwareError {}
