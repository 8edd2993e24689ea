//! Watchpoint comparators of Armv8-M: 1, 2 or 4 aligned bytes each, or any range by two neighbours.

use crate::address::AddressRange;
use crate::pool::Slots;
use crate::registers::Uint;
use crate::watchpoint::Access;

use bitfield_struct::bitfield;

use super::dwt::{Blocks, DwtError, check};

/// `DWT_FUNCTION<n>`, DWT Comparator Function Register (DDI 0553, "DWT_FUNCTIONn, DWT Comparator Function
/// Register").
#[bitfield(u32, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq, Hash)]
pub struct Function {
    /// Match: bits \[3:0\], what the comparator compares. 0 disables it.
    #[bits(4)]
    pub r#match: Uint<4>,
    /// Action: bits \[5:4\], what a match does. 0b01 is a debug event.
    #[bits(2)]
    pub action: Uint<2>,
    #[bits(4)]
    __: u8,
    /// Data value size: bits \[11:10\], 1 << DATAVSIZE bytes; 0b11 is reserved.
    #[bits(2)]
    pub datavsize: Uint<2>,
    #[bits(12)]
    __: u16,
    /// Matched: bit \[24\], cleared by a read.
    pub matched: bool,
    #[bits(2)]
    __: u8,
    /// What the comparator can do: bits \[31:27\], see [`FunctionId`].
    #[bits(5)]
    pub id: FunctionId,
}

/// MATCH of a comparator that is the upper limit of its lower neighbour's range.
const DATA_ADDRESS_LIMIT: Uint<4> = Uint::from_bits(0b0111);

/// ACTION: a debug event.
const DEBUG_EVENT: Uint<2> = Uint::from_bits(0b01);

/// `DWT_FUNCTION<n>.ID`: what a comparator can do.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct FunctionId(Uint<5>);

impl FunctionId {
    /// The ID whose number is the low five bits of `bits`.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(Uint::from_bits(bits))
    }

    /// The number, 0 to 31.
    #[must_use]
    pub const fn into_bits(self) -> u8 {
        self.0.into_bits()
    }

    /// Whether it compares data addresses.
    #[must_use]
    pub const fn has_data_address(self) -> bool {
        self.into_bits() & 0b01000 != 0
    }

    /// Whether it can be the upper limit of the range that the comparator numbered one lower begins.
    #[must_use]
    pub const fn has_data_address_limit(self) -> bool {
        self.into_bits() & 0b11000 == 0b11000
    }
}

/// What makes one comparator watch.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Comparator {
    /// For `DWT_COMP<n>`: the address.
    pub comp: u32,
    /// For `DWT_FUNCTION<n>`, to be written last; 0 disables the comparator.
    pub function: Function,
}

/// How comparators watch a range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Plan {
    range: AddressRange,
    access: Access,
    limit: bool,
}

impl Plan {
    /// How many comparators it takes, which may be more than the core has.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a plan has at least one comparator")]
    pub const fn len(&self) -> u64 {
        if self.limit { 2 } else { blocks_in(self.range) }
    }

    /// Whether it takes two neighbours: one numbered n that holds the first address, and n + 1, with
    /// [`FunctionId::has_data_address_limit`], that holds the last. A hit is reported by the first.
    #[must_use]
    pub const fn needs_neighbours(&self) -> bool {
        self.limit
    }

    /// What to write to the comparators, in ascending order.
    pub fn comparators(&self) -> impl Iterator<Item = Comparator> + use<> {
        let kind = Uint::from_bits(match self.access {
            Access::ReadWrite => 0b0100,
            Access::Write => 0b0101,
            Access::Read => 0b0110,
        });
        let function = Function::new().with_match(kind).with_action(DEBUG_EVENT);
        let limit = self.limit.then_some(Comparator {
            comp: self.range.last() as u32,
            function: Function::new().with_match(DATA_ADDRESS_LIMIT),
        });
        let start = self.limit.then_some(Comparator { comp: self.range.first() as u32, function });
        let blocks = Blocks { rest: (!self.limit).then_some(self.range), max_exponent: MAX_EXPONENT };
        let singles = blocks.map(move |block| Comparator {
            comp: block.first() as u32,
            function: function.with_datavsize(Uint::from_bits(block.len().trailing_zeros() as u8)),
        });
        start.into_iter().chain(limit).chain(singles)
    }

    /// Which of the `free` comparators to use, given what each can do; `None` where they do not suffice.
    #[must_use]
    pub fn place(&self, abilities: Abilities, free: Slots) -> Option<Slots> {
        let able = abilities.data_addresses.intersection(free);
        if self.limit {
            let limits = abilities.limits.intersection(free);
            let first = able.iter().find(|n| limits.contains(n + 1))?;
            return Some(Slots::one(first) | Slots::one(first + 1));
        }
        if self.len() > able.len().into() {
            return None;
        }
        Some(able.iter().take(self.len() as usize).fold(Slots::NONE, |slots, n| slots | Slots::one(n)))
    }
}

/// Which comparators of a core can do what.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Abilities {
    data_addresses: Slots,
    limits: Slots,
}

impl Abilities {
    /// No comparators.
    pub const NONE: Self = Self { data_addresses: Slots::NONE, limits: Slots::NONE };

    /// These, and comparator `number`, which can do what `id` says.
    #[must_use]
    pub const fn with(self, number: u8, id: FunctionId) -> Self {
        let one = Slots::one(number);
        Self {
            data_addresses: if id.has_data_address() {
                self.data_addresses.union(one)
            } else {
                self.data_addresses
            },
            limits: if id.has_data_address_limit() { self.limits.union(one) } else { self.limits },
        }
    }

    /// Those that can be the upper limit of a range.
    #[must_use]
    pub const fn limits(self) -> Slots {
        self.limits
    }
}

/// A comparator on its own watches 4 bytes at most.
const MAX_EXPONENT: u32 = 2;

/// How many aligned blocks of 1, 2 and 4 bytes make up a range: a byte and a halfword before the first whole
/// word, whole words, a halfword and a byte after the last.
const fn blocks_in(range: AddressRange) -> u64 {
    let (first, end) = (range.first(), range.last() + 1);
    let (first_word, end_word) = (first.div_ceil(4), end / 4);
    if first_word > end_word {
        // Inside one word, of which bytes 1 and 2 are no aligned halfword.
        return if range.len() == 2 { 2 } else { 1 };
    }
    let before = (first_word * 4 - first).count_ones() as u64;
    let after = (end % 4).count_ones() as u64;
    before + (end_word - first_word) + after
}

/// The fewest comparators that watch exactly `range`. `limits` says whether the core has a comparator with
/// [`FunctionId::has_data_address_limit`]: with one, no range takes more than two.
///
/// # Errors
/// [`DwtError::Beyond4Gib`].
pub const fn plan(range: AddressRange, access: Access, limits: bool) -> Result<Plan, DwtError> {
    match check(range) {
        Ok(()) => Ok(Plan { range, access, limit: limits && blocks_in(range) > 2 }),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// Miri, which takes a hundred times as long, sees only some.
    const STEP: usize = if cfg!(miri) { 7 } else { 1 };

    /// Whether comparators n, n + 1, … with these registers match an access: byte ranges of DATAVSIZE bytes,
    /// or from the lower neighbour's address to the limit's.
    fn matches(comparators: &[Comparator], address: u64, size: u64, write: bool) -> bool {
        comparators.iter().enumerate().any(|(n, comparator)| {
            let function = comparator.function;
            let direction = match function.r#match().get() {
                0b0100 => true,
                0b0101 => write,
                0b0110 => !write,
                0b0111 => return false,
                other => panic!("MATCH {other:#b}"),
            };
            assert_eq!(function.action().get(), 0b01);
            let limit = comparators.get(n + 1).filter(|next| next.function.r#match().get() == 0b0111);
            let first = u64::from(comparator.comp);
            let last = match limit {
                Some(limit) => {
                    assert_eq!((limit.function.action().get(), limit.function.datavsize().get()), (0, 0));
                    u64::from(limit.comp)
                }
                None => {
                    let bytes = 1 << function.datavsize().get();
                    assert!(bytes <= 4 && first % bytes == 0, "{comparator:?}");
                    first + bytes - 1
                }
            };
            direction && (address..address + size).any(|byte| (first..=last).contains(&byte))
        })
    }

    #[test]
    fn every_small_watch_matches_its_bytes_and_kind_and_nothing_else() {
        for access in [Access::Read, Access::Write, Access::ReadWrite] {
            for first in (0x2000_0000..0x2000_0008).step_by(STEP) {
                for length in (1..=20).step_by(STEP) {
                    for limits in [false, true] {
                        let range = AddressRange::new(first, length).unwrap();
                        let plan = plan(range, access, limits).unwrap();
                        let comparators: Vec<Comparator> = plan.comparators().collect();
                        assert_eq!(plan.len(), comparators.len() as u64, "{range}");
                        assert!(!limits || plan.len() <= 2, "{range}");
                        for address in (first - 8..first + length + 8).step_by(STEP) {
                            for (size, write) in [(1, false), (2, true), (4, false), (4, true), (8, true)] {
                                let touched = (address..address + size).any(|byte| range.contains(byte));
                                let hit = matches(&comparators, address, size, write);
                                assert_eq!(
                                    hit,
                                    touched && access.includes(Some(write)),
                                    "{range} {address:#x}"
                                );
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_range_takes_two_neighbours_of_which_the_second_can_be_a_limit() {
        // As on a Cortex-M33.
        let ids = (0..).zip([0b01011, 0b11010, 0b01010, 0b11110]);
        let ids = ids.fold(Abilities::NONE, |ids, (n, id)| ids.with(n, FunctionId::from_bits(id)));
        let range = AddressRange::new(0x2000_0001, 100).unwrap();
        let ranged = plan(range, Access::Write, true).unwrap();
        assert!(ranged.needs_neighbours());
        for (free, placed) in [
            (Slots::first(4), Some(Slots::first(2))),
            (Slots::first(4).without(Slots::one(0)), Some(Slots::one(2) | Slots::one(3))),
            (Slots::first(3).without(Slots::one(0)), None),
            (Slots::NONE, None),
        ] {
            assert_eq!(ranged.place(ids, free), placed, "{free:?}");
        }
        let split = plan(AddressRange::new(0x2000_0001, 2).unwrap(), Access::Write, true).unwrap();
        assert!(!split.needs_neighbours());
        let free = Slots::first(8).without(Slots::one(1));
        assert_eq!(split.place(ids, free), Some(Slots::one(0) | Slots::one(2)));
        assert_eq!(split.place(ids, Slots::one(3)), None);
    }

    #[test]
    fn the_cost_of_any_range_is_known() {
        let whole = AddressRange::new(0, 1 << 32).unwrap();
        assert_eq!(plan(whole, Access::Read, false).unwrap().len(), 1 << 30);
        assert_eq!(plan(whole, Access::Read, true).unwrap().len(), 2);
        let range = AddressRange::new(0xffff_fff0, 17).unwrap();
        assert_eq!(plan(range, Access::Read, true), Err(DwtError::Beyond4Gib { range }));
    }
}
