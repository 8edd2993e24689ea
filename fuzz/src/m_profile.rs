//! The comparators of Cortex-M watch and stop at what was asked for, of any version.

use arbitrary::Arbitrary;
use trapline_core::address::AddressRange;
use trapline_core::m_profile::fpb::{BreakpointUnit, FpCtrl};
use trapline_core::m_profile::{dwt_v1, dwt_v2};
use trapline_core::pool::Slots;
use trapline_core::watchpoint::Access;

use crate::read;

#[derive(Arbitrary, Debug)]
struct Input {
    first: u32,
    length: u32,
    /// Keeps lengths short, where most of what is interesting is.
    length_bits: u8,
    access: u8,
    max_mask: u8,
    limits: bool,
    ids: [u8; 4],
    free: u8,
    unit: u8,
    comparator: u32,
}

/// The most pieces that are looked at: more than any core has.
const MOST: usize = 64;

/// Plans a watchpoint and a breakpoint.
///
/// # Panics
/// Where they are not exact.
pub fn check(data: &[u8]) {
    let Some(input) = read::<Input>(data) else { return };
    breakpoint(&input);
    let length = u64::from(input.length) & ((1 << (input.length_bits % 33)) - 1);
    let Ok(range) = AddressRange::new(input.first.into(), length) else { return };
    let access = [Access::Read, Access::Write, Access::ReadWrite][usize::from(input.access % 3)];

    if let Ok(plan) = dwt_v1::plan(range, access, input.max_mask) {
        let mut next = range.first();
        let mut count = 0;
        for piece in plan.pieces().take(MOST) {
            assert!(piece.mask <= u32::from(input.max_mask.min(31)), "{piece:?}");
            assert_eq!(u64::from(piece.comp) & ((1 << piece.mask) - 1), 0, "{piece:?}");
            assert_eq!((u64::from(piece.comp), 1 << piece.mask), (next, piece.range.len()), "{piece:?}");
            assert_eq!(piece.function, dwt_v1::function(access));
            next = piece.range.last() + 1;
            count += 1;
        }
        if count < MOST {
            assert_eq!((next, plan.len()), (range.last() + 1, count as u64), "{range}");
        }
    } else {
        assert!(range.last() > u32::MAX.into());
    }

    if let Ok(plan) = dwt_v2::plan(range, access, input.limits) {
        let comparators: Vec<_> = plan.comparators().take(MOST).collect();
        if plan.needs_neighbours() {
            assert!(input.limits && comparators.len() == 2);
            assert_eq!(u64::from(comparators[0].comp), range.first());
            assert_eq!(u64::from(comparators[1].comp), range.last());
        } else {
            let mut next = range.first();
            for comparator in &comparators {
                let bytes = 1_u64 << comparator.function.datavsize().get();
                assert!(
                    bytes <= 4 && u64::from(comparator.comp) == next && next % bytes == 0,
                    "{comparator:?}"
                );
                next += bytes;
            }
            if comparators.len() < MOST {
                assert_eq!((next, plan.len()), (range.last() + 1, comparators.len() as u64), "{range}");
            }
        }
        let ids = input.ids.map(dwt_v2::FunctionId::from_bits);
        let abilities = (0..).zip(ids).fold(dwt_v2::Abilities::NONE, |all, (n, id)| all.with(n, id));
        let free = Slots::first(4).intersection(Slots::from_bits(input.free.into()));
        if let Some(slots) = plan.place(abilities, free) {
            assert_eq!(u64::from(slots.len()), plan.len());
            assert!(slots.without(free).is_empty());
            let able = |n: u8| ids[usize::from(n)].has_data_address();
            if let (true, Some(low), Some(high)) = (plan.needs_neighbours(), slots.lowest(), slots.highest())
            {
                assert!(high == low + 1 && able(low) && ids[usize::from(high)].has_data_address_limit());
            } else {
                assert!(slots.iter().all(able));
            }
        }
    }
}

fn breakpoint(input: &Input) {
    let unit =
        [BreakpointUnit::FpbV1, BreakpointUnit::FpbV2, BreakpointUnit::Bpu][usize::from(input.unit % 3)];
    match unit.comparator(input.first) {
        Ok(comparator) => assert_eq!(unit.address(comparator), Some(input.first), "{unit}"),
        Err(error) => {
            assert!(input.first & 1 == 1 || input.first >= 0x2000_0000, "{unit}: {error}");
            assert!(!error.to_string().is_empty());
        }
    }
    if let Some(address) = unit.address(input.comparator) {
        let again = unit.comparator(address);
        assert_eq!(again.ok().and_then(|comparator| unit.address(comparator)), Some(address), "{unit}");
    }
    assert!(FpCtrl::from_bits(input.comparator).num_code() < 128);
}
