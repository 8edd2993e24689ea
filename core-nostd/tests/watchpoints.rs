//! Watchpoint plans against the model of the hardware in `common`.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod common;

use common::{State, watchpoint_byte_matches, watchpoint_matches};
use proptest::prelude::*;
use trapline_core::address::AddressRange;
use trapline_core::comparator::Bank;
use trapline_core::scope::Scope;
use trapline_core::watchpoint::{Access, Watchpoint, cover, plan};

/// Miri, which takes a hundred times as long, sees only some.
const STEP: usize = if cfg!(miri) { 7 } else { 1 };

const KINDS: [Access; 3] = [Access::Read, Access::Write, Access::ReadWrite];

fn request(first: u64, length: u64, access: Access) -> Watchpoint {
    Watchpoint::new(AddressRange::new(first, length).unwrap(), access, Scope::EL1_AND_EL0)
}

fn watches(watchpoint: &Watchpoint, address: u64) -> bool {
    plan(watchpoint).unwrap().pieces().any(|piece| watchpoint_byte_matches(piece.pair, address))
}

/// The fewest pieces for `length` bytes from `first` on, found by trying every last piece.
fn fewest(first: u64, length: u64) -> u64 {
    let mut fewest = vec![0];
    for end in 1..=length {
        let bytes = (1..=8).filter(|bytes| (first + end - bytes) / 8 == (first + end - 1) / 8);
        let blocks = (3..=31).map(|bits| 1 << bits).filter(|bytes| (first + end).is_multiple_of(*bytes));
        let best = bytes
            .chain(blocks)
            .filter(|bytes| *bytes <= end)
            .map(|bytes| 1 + fewest[(end - bytes) as usize])
            .min();
        fewest.push(best.unwrap());
    }
    fewest[length as usize]
}

#[test]
fn every_small_watch_matches_its_bytes_and_kind_and_nothing_else() {
    for base in [0x1000, 0xffff_8000_1000_4000] {
        for offset in (0..8).step_by(STEP) {
            for length in (1..=8).step_by(STEP) {
                for access in KINDS {
                    let first = base + offset;
                    let watchpoint = request(first, length, access);
                    let mut bank = Bank::default();
                    for (pair, piece) in bank.watchpoints.iter_mut().zip(plan(&watchpoint).unwrap()) {
                        *pair = piece.pair;
                    }
                    for probe in (-16..=16).step_by(STEP) {
                        let address = first.wrapping_add_signed(probe);
                        for (size, write) in
                            [1, 2, 4, 8, 16].into_iter().flat_map(|n| [(n, false), (n, true)])
                        {
                            let touched =
                                (address..address + size).any(|byte| watchpoint.range().contains(byte));
                            let hit = (0..16).any(|n| {
                                watchpoint_matches(&bank, n, address, size, write, State::GUEST_KERNEL, 0)
                            });
                            let wanted = match access {
                                Access::Read => !write,
                                Access::Write => write,
                                Access::ReadWrite => true,
                            };
                            assert_eq!(
                                hit,
                                touched && wanted,
                                "{watchpoint}, {size} at {address:#x}, {write}"
                            );
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn every_mask_size_ends_at_its_edges() {
    for bits in 3..=31 {
        let length = 1 << bits;
        for base in [0, 1 << 40, 0xffff_8000_0000_0000] {
            let watchpoint = request(base, length, Access::ReadWrite);
            assert_eq!(plan(&watchpoint).unwrap().len(), 1);
            for (address, inside) in [
                (base.wrapping_sub(1), false),
                (base, true),
                (base + length / 2, true),
                (base + length - 1, true),
                (base + length, false),
            ] {
                assert_eq!(watches(&watchpoint, address), inside, "{watchpoint} at {address:#x}");
            }
        }
    }
}

#[test]
fn small_plans_are_the_smallest_there_are() {
    for first in (0x1000..0x1010).step_by(STEP) {
        for length in (1..=100).step_by(STEP) {
            let planned = plan(&request(first, length, Access::Write)).unwrap().len();
            assert_eq!(planned, fewest(first, length), "{length} bytes at {first:#x}");
        }
    }
}

proptest! {
    #[test]
    fn plans_are_exact_ordered_and_counted(
        first in any::<u64>().prop_map(|bits| (bits as i64 >> 16) as u64),
        length in (0..40u32, any::<u64>()).prop_map(|(bits, low)| 1 + low % (1 << bits)),
    ) {
        let Ok(range) = AddressRange::new(first, length) else { return Ok(()) };
        let watchpoint = Watchpoint::new(range, Access::Read, Scope::ALL);
        let Ok(plan) = plan(&watchpoint) else { return Ok(()) };
        let mut next = range.first();
        for piece in plan.pieces() {
            prop_assert_eq!(piece.range.first(), next);
            for (address, inside) in [
                (piece.range.first(), true),
                (piece.range.last(), true),
                (piece.range.nearest(first ^ length), true),
                (piece.range.first().wrapping_sub(1), false),
                (piece.range.last().wrapping_add(1), false),
            ] {
                prop_assert_eq!(watchpoint_byte_matches(piece.pair, address), inside);
            }
            next = piece.range.last().wrapping_add(1);
        }
        prop_assert_eq!(next, range.last().wrapping_add(1));
        prop_assert_eq!(plan.len(), plan.pieces().count() as u64);
    }

    #[test]
    fn covers_are_one_pair_around_the_range(
        first in any::<u64>().prop_map(|bits| (bits as i64 >> 16) as u64),
        length in (0..31u32, any::<u64>()).prop_map(|(bits, low)| 1 + low % (1 << bits)),
    ) {
        let Ok(range) = AddressRange::new(first, length) else { return Ok(()) };
        let watchpoint = Watchpoint::new(range, Access::Read, Scope::ALL);
        let Ok(cover) = cover(&watchpoint) else { return Ok(()) };
        let piece = cover.pieces().next().unwrap();
        prop_assert_eq!(cover.is_wider(), piece.range != range);
        prop_assert_eq!(cover.is_wider(), plan(&watchpoint).unwrap().len() > 1);
        for address in [range.first(), range.last(), range.nearest(first ^ length)] {
            prop_assert!(watchpoint_byte_matches(piece.pair, address));
        }
        // Half as much would not be enough.
        let half = piece.range.len() / 2;
        prop_assert!(!cover.is_wider() || range.first() / half != range.last() / half);
    }
}
