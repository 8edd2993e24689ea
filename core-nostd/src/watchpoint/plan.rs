//! Splitting a range into what comparators can watch.

use crate::address::AddressRange;
use crate::comparator::Pair;

use super::{Watchpoint, WatchpointError};

/// The most bytes that one comparator watches: 2 GiB, MASK 31.
pub const MAX_PIECE: u64 = 1 << 31;

/// What one comparator watches, and the register values that make it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Piece {
    /// The bytes watched, or left out where the request [is outside](Watchpoint::is_outside), without tags.
    pub range: AddressRange,
    /// The register values.
    pub pair: Pair,
}

/// How comparators watch a range: the pieces in ascending order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Plan {
    request: Watchpoint,
    /// The bytes watched, without tags.
    watched: AddressRange,
    wider: bool,
}

impl Plan {
    /// How many pairs it takes, which may be more than any core has.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a plan has at least one piece")]
    pub const fn len(&self) -> u64 {
        let mut pieces = 0u64;
        let mut rest = Some(self.watched);
        while let Some(range) = rest {
            // A long run of 2 GiB pieces is counted at once.
            let run = full_pieces(range);
            if run > 0 {
                pieces = pieces.saturating_add(run);
                rest = skip(range, run * MAX_PIECE);
            } else {
                pieces = pieces.saturating_add(1);
                rest = skip(range, first_piece(range).len());
            }
        }
        pieces
    }

    /// Whether bytes are watched that were not asked for.
    #[must_use]
    pub const fn is_wider(&self) -> bool {
        self.wider
    }

    /// The bytes watched, without tags: those asked for, or more where [`Plan::is_wider`]. Where the request
    /// [is outside](Watchpoint::is_outside) a range, that range.
    #[must_use]
    pub const fn watched(&self) -> AddressRange {
        self.watched
    }

    /// The request.
    #[must_use]
    pub const fn request(&self) -> Watchpoint {
        self.request
    }

    /// The pieces, in ascending order.
    #[must_use]
    pub const fn pieces(&self) -> Pieces {
        Pieces { request: self.request, rest: Some(self.watched) }
    }
}

impl IntoIterator for Plan {
    type Item = Piece;
    type IntoIter = Pieces;

    fn into_iter(self) -> Pieces {
        self.pieces()
    }
}

/// The pieces of a [`Plan`].
#[derive(Clone, Debug)]
pub struct Pieces {
    request: Watchpoint,
    rest: Option<AddressRange>,
}

impl Iterator for Pieces {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        let rest = self.rest?;
        let range = first_piece(rest);
        self.rest = skip(rest, range.len());
        Some(Piece { range, pair: self.request.pair(range) })
    }
}

/// The longest piece at the beginning of `range`.
///
/// Taking the longest each time gives the fewest: aligned powers of two are nested or disjoint, so each
/// one that is taken is the only maximal one in the range that holds its bytes, and the bytes of an
/// incomplete doubleword can share a comparator with no other doubleword's.
const fn first_piece(range: AddressRange) -> AddressRange {
    let (first, length) = (range.first(), range.len());
    let in_doubleword = 8 - first % 8;
    let piece = if in_doubleword < 8 || length < 8 {
        if length < in_doubleword { length } else { in_doubleword }
    } else {
        let longest = 1 << (63 - length.leading_zeros());
        let alignment = if first == 0 { MAX_PIECE } else { 1 << first.trailing_zeros() };
        let piece = if longest < alignment { longest } else { alignment };
        if piece < MAX_PIECE { piece } else { MAX_PIECE }
    };
    match AddressRange::new(first, piece) {
        Ok(piece) => piece,
        // A prefix of a range is never empty and never wraps.
        Err(_) => range,
    }
}

/// How many pieces of the greatest size begin `range`.
const fn full_pieces(range: AddressRange) -> u64 {
    if range.first().is_multiple_of(MAX_PIECE) { range.len() / MAX_PIECE } else { 0 }
}

/// `range` without its first `length` bytes, if any are left.
const fn skip(range: AddressRange, length: u64) -> Option<AddressRange> {
    if length >= range.len() {
        return None;
    }
    match AddressRange::new(range.first() + length, range.len() - length) {
        Ok(rest) => Some(rest),
        Err(_) => None,
    }
}

/// The fewest comparators that watch exactly what `watchpoint` asks for; for a
/// [covered](Watchpoint::covered) one, what [`cover`] says.
///
/// # Errors
/// [`WatchpointError::NotCanonical`], [`WatchpointError::Scope`] for a scope that only breakpoints have, and
/// [`WatchpointError::NoOutside`].
pub const fn plan(watchpoint: &Watchpoint) -> Result<Plan, WatchpointError> {
    if watchpoint.covered {
        return cover(watchpoint);
    }
    match check(watchpoint) {
        Ok(watched) => Ok(Plan { request: *watchpoint, watched, wider: false }),
        Err(error) => Err(error),
    }
}

/// The one comparator that watches the fewest bytes around `watchpoint`'s range, marked as
/// [wider](Plan::is_wider) where they are more than was asked for. A watchpoint [outside](Watchpoint::outside)
/// a range is one comparator already.
///
/// # Errors
/// As [`plan`], and [`WatchpointError::NoCover`] where that is more than 2 GiB.
pub const fn cover(watchpoint: &Watchpoint) -> Result<Plan, WatchpointError> {
    let range = match check(watchpoint) {
        Ok(range) => range,
        Err(error) => return Err(error),
    };
    let request = watchpoint.covered();
    if first_piece(range).len() == range.len() {
        return Ok(Plan { request, watched: range, wider: false });
    }
    // The highest address bit in which the first and the last byte differ is the highest one to mask.
    // They are in different doublewords, so it is bit 3 or above.
    let bits = 64 - (range.first() ^ range.last()).leading_zeros();
    if bits > 31 {
        return Err(WatchpointError::NoCover { range: watchpoint.range });
    }
    match AddressRange::new(range.first() >> bits << bits, 1 << bits) {
        Ok(watched) => Ok(Plan { request, watched, wider: true }),
        Err(_) => Err(WatchpointError::NoCover { range: watchpoint.range }),
    }
}

const fn check(watchpoint: &Watchpoint) -> Result<AddressRange, WatchpointError> {
    if watchpoint.scope.is_breakpoint_only() {
        return Err(WatchpointError::Scope { scope: watchpoint.scope });
    }
    match watchpoint.canonical_range() {
        Ok(range) if watchpoint.outside && first_piece(range).len() != range.len() => {
            Err(WatchpointError::NoOutside { range: watchpoint.range })
        }
        checked => checked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comparator::Pair;
    use crate::registers::Uint;
    use crate::scope::Scope;
    use crate::watchpoint::Access;
    use std::string::ToString;
    use std::vec::Vec;

    fn watch(first: u64, length: u64, access: Access, scope: Scope) -> Watchpoint {
        Watchpoint::new(AddressRange::new(first, length).unwrap(), access, scope)
    }

    fn guest(first: u64, length: u64) -> Watchpoint {
        watch(first, length, Access::Write, Scope::EL1_AND_EL0)
    }

    fn ranges(watchpoint: Watchpoint) -> Vec<(u64, u64)> {
        let plan = plan(&watchpoint).unwrap();
        assert_eq!(plan.pieces().count() as u64, plan.len());
        plan.pieces().map(|piece| (piece.range.first(), piece.range.len())).collect()
    }

    #[test]
    fn a_watch_inside_a_doubleword_takes_one_pair() {
        let pair = plan(&guest(0x1006, 2)).unwrap().pieces().next().unwrap().pair;
        assert_eq!(pair, Pair { control: 0b1100_0000 << 5 | 0b10 << 3 | 0b111, value: 0x1000 });
        assert_eq!(plan(&guest(0x1000, 8)).unwrap().pieces().next().unwrap().pair.control, 0x1ff7);
    }

    #[test]
    fn a_watch_that_crosses_a_doubleword_takes_two_pairs() {
        assert_eq!(
            ranges(guest(0xffff_8000_1000_4006, 4)),
            [(0xffff_8000_1000_4006, 2), (0xffff_8000_1000_4008, 2)]
        );
    }

    #[test]
    fn an_aligned_power_of_two_is_one_masked_pair() {
        let piece = plan(&guest(0x1_0000, 0x1_0000)).unwrap().pieces().next().unwrap();
        assert_eq!(piece.pair, Pair { control: 16 << 24 | 0x1ff7, value: 0x1_0000 });
        assert_eq!(ranges(guest(0x8000_0000, MAX_PIECE)), [(0x8000_0000, MAX_PIECE)]);
    }

    #[test]
    fn other_ranges_are_split_at_their_largest_blocks() {
        assert_eq!(
            ranges(guest(0x1003, 0x3a)),
            [(0x1003, 5), (0x1008, 8), (0x1010, 16), (0x1020, 16), (0x1030, 8), (0x1038, 5),]
        );
    }

    #[test]
    fn the_cost_of_any_range_is_known() {
        assert_eq!(plan(&guest(0x8000_0000, 5 * MAX_PIECE)).unwrap().len(), 5);
        // Half of the address space, less a byte at each end: 1 + 2 + 4 bytes and all larger powers.
        let half = guest(1, (1 << 55) - 2);
        assert_eq!(plan(&half).unwrap().len(), 2 * (1 + 28) + (1 << 24) - 2);
    }

    #[test]
    fn a_cover_is_one_pair_and_says_that_it_is_wider() {
        for (first, length, watched, wider) in [
            (0x1006, 4, (0x1000, 0x10), true),
            (0x1000, 12, (0x1000, 0x10), true),
            (0x0ffe, 4, (0, 0x2000), true),
            (0x1001, 7, (0x1001, 7), false),
            (0x1000, 0x1000, (0x1000, 0x1000), false),
            (0x3fff_ffff, 2, (0, 1 << 31), true),
        ] {
            let request = guest(first, length);
            let cover = cover(&request).unwrap();
            assert_eq!((cover.watched().first(), cover.watched().len()), watched);
            assert_eq!((cover.is_wider(), cover.len(), cover.pieces().count()), (wider, 1, 1));
            assert_eq!(plan(&request.covered()), Ok(cover));
            assert!(!plan(&request).unwrap().is_wider());
        }
        let range = AddressRange::new(0x7fff_ffff, 2).unwrap();
        assert_eq!(cover(&guest(0x7fff_ffff, 2)), Err(WatchpointError::NoCover { range }));
    }

    #[test]
    fn all_but_a_range_is_one_pair_or_none() {
        for (first, length, control) in [
            (0x1002, 2, Some(0b1100 << 5 | 0b10_111)),
            (0x1000, 8, Some(0x1ff7)),
            (0x1000, 0x1000, Some(12 << 24 | 0x1ff7)),
            (0x1006, 4, None),
            (0x1000, 12, None),
            (0x8000_0000, 2 * MAX_PIECE, None),
        ] {
            let range = AddressRange::new(first, length).unwrap();
            let request = Watchpoint::outside(range, Access::Write, Scope::EL1_AND_EL0);
            for request in [request, request.covered()] {
                let pair = plan(&request).map(|plan| {
                    assert_eq!((plan.len(), plan.is_wider(), plan.watched()), (1, false, range));
                    plan.pieces().next().unwrap().pair
                });
                match control {
                    Some(control) => {
                        let pair = pair.unwrap();
                        assert_eq!((pair.control, pair.value), (1 << 22 | control, first & !7));
                    }
                    None => assert_eq!(pair, Err(WatchpointError::NoOutside { range })),
                }
            }
        }
    }

    #[test]
    fn tags_are_ignored_but_a_range_stays_in_its_half() {
        assert_eq!(ranges(guest(0x5aff_8000_1000_4000, 4)), [(0xffff_8000_1000_4000, 4)]);
        let request = guest(0x007f_ffff_ffff_fff8, 16);
        assert_eq!(plan(&request), Err(WatchpointError::NotCanonical { range: request.range() }));
    }

    #[test]
    fn a_scope_for_breakpoints_only_is_refused() {
        let scope = Scope::user_system_supervisor(crate::scope::SecurityStates::ALL).unwrap();
        let error = plan(&watch(0x1000, 4, Access::Read, scope)).unwrap_err();
        assert_eq!(error, WatchpointError::Scope { scope });
        assert_eq!(
            error.to_string(),
            "a watchpoint cannot match at AArch32 User, System and Supervisor mode; give exception levels"
        );
    }

    #[test]
    fn a_linked_watchpoint_names_its_breakpoint() {
        let pair =
            plan(&guest(0x1000, 8).linked_to(Uint::from_bits(0x25))).unwrap().pieces().next().unwrap().pair;
        assert_eq!(pair.control, 0b10 << 30 | 1 << 20 | 5 << 16 | 0x1ff7 & !(0b11 << 3) | 0b10 << 3);
    }
}
