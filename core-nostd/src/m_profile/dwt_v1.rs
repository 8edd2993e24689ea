//! Watchpoint comparators of Armv7-M and Armv6-M: aligned powers of two, by an address mask.

use crate::address::AddressRange;
use crate::watchpoint::Access;

use super::dwt::{Blocks, DwtError, check};

/// What makes one comparator watch (DDI 0403, "Comparator registers, DWT_COMPn", "Comparator Mask
/// registers, DWT_MASKn", "Comparator Function registers, DWT_FUNCTIONn").
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Piece {
    /// The bytes watched. An access that touches any of them matches, wherever it begins.
    pub range: AddressRange,
    /// For `DWT_COMP<n>`: the address.
    pub comp: u32,
    /// For `DWT_MASK<n>`: how many low address bits are ignored.
    pub mask: u32,
    /// For `DWT_FUNCTION<n>`, to be written last; 0 disables the comparator.
    pub function: u32,
}

/// FUNCTION, bits \[3:0\] of `DWT_FUNCTION<n>`: a watchpoint debug event for these accesses.
#[must_use]
pub const fn function(access: Access) -> u32 {
    match access {
        Access::Read => 0b0101,
        Access::Write => 0b0110,
        Access::ReadWrite => 0b0111,
    }
}

/// How comparators watch a range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Plan {
    range: AddressRange,
    access: Access,
    max_mask: u8,
}

impl Plan {
    /// How many comparators it takes, which may be more than the core has.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a plan has at least one piece")]
    pub fn len(&self) -> u64 {
        // Between an unaligned beginning and end there may be very many of the greatest size.
        let largest = 1u64 << self.max_mask;
        let (first, last) = (self.range.first(), self.range.last());
        let middle = (last + 1) / largest - first.div_ceil(largest).min((last + 1) / largest);
        if middle == 0 {
            return self.blocks(self.range).count() as u64;
        }
        let before = first.next_multiple_of(largest) - first;
        let after = (last + 1) % largest;
        let part = |first, length| {
            AddressRange::new(first, length).map_or(0, |range| self.blocks(range).count() as u64)
        };
        part(first, before) + middle + part(last + 1 - after, after)
    }

    /// The pieces, in ascending order.
    pub fn pieces(&self) -> impl Iterator<Item = Piece> + use<> {
        let function = function(self.access);
        self.blocks(self.range).map(move |range| Piece {
            range,
            comp: range.first() as u32,
            mask: range.len().trailing_zeros(),
            function,
        })
    }

    fn blocks(&self, range: AddressRange) -> Blocks {
        Blocks { rest: Some(range), max_exponent: self.max_mask.into() }
    }
}

/// The fewest comparators that watch exactly `range`, where each ignores `max_mask` address bits at most:
/// write all ones to `DWT_MASK<n>` and read it back to know (15 on a Cortex-M3). More than 31 counts as 31.
///
/// # Errors
/// [`DwtError::Beyond4Gib`].
pub const fn plan(range: AddressRange, access: Access, max_mask: u8) -> Result<Plan, DwtError> {
    match check(range) {
        Ok(()) => Ok(Plan { range, access, max_mask: if max_mask > 31 { 31 } else { max_mask } }),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Miri, which takes a hundred times as long, sees only some.
    const STEP: usize = if cfg!(miri) { 11 } else { 1 };

    /// "(ADDR & (~0 << MASK)) == COMP" for some byte of the access.
    fn matches(piece: Piece, address: u64, size: u64, write: bool) -> bool {
        let direction = if write { 0b10 } else { 0b01 };
        piece.function & 0b100 != 0
            && piece.function & direction != 0
            && (address..address + size).any(|byte| byte as u32 & u32::MAX << piece.mask == piece.comp)
    }

    #[test]
    fn every_small_watch_matches_its_bytes_and_kind_and_nothing_else() {
        for access in [Access::Read, Access::Write, Access::ReadWrite] {
            for first in (0x2000_0000..0x2000_0010).step_by(STEP) {
                for length in (1..=20).step_by(STEP) {
                    let range = AddressRange::new(first, length).unwrap();
                    for max_mask in [0, 2, 15, 31] {
                        let plan = plan(range, access, max_mask).unwrap();
                        assert_eq!(plan.len(), plan.pieces().count() as u64, "{range} {max_mask}");
                        for address in (first - 8..=range.last() + 8).step_by(STEP) {
                            for (size, write) in [(1, false), (2, true), (4, false), (4, true)] {
                                let touched = (address..address + size).any(|byte| range.contains(byte));
                                let hit = plan.pieces().any(|piece| matches(piece, address, size, write));
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
    fn a_mask_that_the_core_lacks_is_made_up_for() {
        let range = AddressRange::new(0x2000_0000, 1 << 20).unwrap();
        for (max_mask, pieces) in [(31, 1), (20, 1), (15, 32), (0, 1 << 20)] {
            assert_eq!(plan(range, Access::Read, max_mask).unwrap().len(), pieces, "{max_mask}");
        }
        let whole = AddressRange::new(0, 1 << 32).unwrap();
        assert_eq!(plan(whole, Access::Read, 0).unwrap().len(), 1 << 32);
        assert_eq!(plan(whole, Access::Read, 200).unwrap().pieces().count(), 2);
    }

    #[test]
    fn a_range_beyond_32_bits_is_refused() {
        let range = AddressRange::new(0xffff_fffc, 5).unwrap();
        assert_eq!(plan(range, Access::Read, 15), Err(DwtError::Beyond4Gib { range }));
        let range = AddressRange::new(0xffff_fffc, 4).unwrap();
        assert_eq!(plan(range, Access::Read, 15).unwrap().pieces().next().unwrap().comp, 0xffff_fffc);
    }
}
