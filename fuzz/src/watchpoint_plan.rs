//! The pairs of a plan watch exactly what was asked for, by the matching rules of the hardware.

use arbitrary::{Arbitrary, Unstructured};
use trapline_core::address::AddressRange;
use trapline_core::comparator::Pair;
use trapline_core::scope::Scope;
use trapline_core::watchpoint::{Access, Decoded, Watchpoint, cover, decode, plan};

/// A request.
#[derive(Arbitrary, Debug)]
struct Request {
    first: u64,
    length: u32,
    /// Keeps lengths short, where most of what is interesting is.
    length_bits: u8,
    access: u8,
}

/// What one pair watches, by the text of DDI 0487, "Watchpoint data address comparisons": MASK ignores low
/// address bits, and without it BAS selects bytes of the doubleword.
fn watched(pair: Pair) -> (u64, u64) {
    let mask = pair.control >> 24 & 0x1f;
    if mask != 0 {
        assert!(mask >= 3, "MASK {mask} is reserved");
        let ignored = (1 << mask) - 1;
        assert_eq!(pair.value & ignored, 0, "low bits of DBGWVR with MASK are RES0");
        return (pair.value, pair.value | ignored);
    }
    let bas = (pair.control >> 5) as u8;
    assert_ne!(bas, 0);
    let first = u64::from(bas.trailing_zeros());
    let count = u64::from(bas.count_ones());
    assert_eq!(u64::from(bas), ((1 << count) - 1) << first, "BAS {bas:#010b} has a hole");
    (pair.value + first, pair.value + first + (count - 1))
}

/// Plans one watchpoint.
///
/// # Panics
/// Where the plan is not exact.
pub fn check(data: &[u8]) {
    let Ok(request) = Request::arbitrary(&mut Unstructured::new(data)) else { return };
    let length = u64::from(request.length) & ((1 << (request.length_bits % 33)) - 1);
    // Addresses that sign extension leaves alone.
    let first = ((request.first << 8) as i64 >> 8) as u64;
    let Ok(range) = AddressRange::new(first, length) else { return };
    let access = [Access::Read, Access::Write, Access::ReadWrite][usize::from(request.access % 3)];
    let watchpoint = Watchpoint::new(range, access, Scope::EL1_AND_EL0);
    covered(&watchpoint);
    let Ok(plan) = plan(&watchpoint) else { return };
    let mut next = range.first();
    let mut count = 0;
    for piece in plan.pieces() {
        let (first, last) = watched(piece.pair);
        assert_eq!(first, next, "{watchpoint}");
        assert!(last <= range.last(), "{watchpoint}");
        let said = Decoded::Armed {
            watched: piece.range,
            outside: false,
            access,
            scope: Scope::EL1_AND_EL0,
            link: None,
        };
        assert_eq!(decode(piece.pair), said, "{watchpoint}");
        count += 1;
        next = last.wrapping_add(1);
        // A plan for the whole address space would take for ever, and 64 pairs are more than any core has.
        if count == 64 {
            return;
        }
    }
    assert_eq!(next, range.last().wrapping_add(1), "{watchpoint}");
    assert_eq!(plan.len(), count);
}

/// One comparator for it, where there is one, watches all of it, and says when it watches more.
fn covered(watchpoint: &Watchpoint) {
    let Ok(cover) = cover(watchpoint) else { return };
    let mut pieces = cover.pieces();
    let (Some(piece), None) = (pieces.next(), pieces.next()) else { panic!("not one piece: {cover:?}") };
    let (first, last) = watched(piece.pair);
    let range = watchpoint.range();
    assert!(first <= range.first() && range.last() <= last, "{watchpoint}");
    assert_eq!(cover.is_wider(), (first, last) != (range.first(), range.last()), "{watchpoint}");
    // Half of it would not do.
    let middle = first + (last - first) / 2;
    assert!(!cover.is_wider() || range.first() <= middle && middle < range.last(), "{watchpoint}");
    let all_but = Watchpoint::outside(range, watchpoint.access(), watchpoint.scope());
    assert_eq!(plan(&all_but).is_ok(), !cover.is_wider(), "{watchpoint}");
}
