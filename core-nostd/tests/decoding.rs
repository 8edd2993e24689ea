//! Decoders over every value of the fields that they read, against the model of the hardware in `common`.

mod common;

use common::{is_reserved, watchpoint_byte_matches};
use proptest::prelude::*;
use trapline_core::breakpoint::{self, BreakpointNumber};
use trapline_core::comparator::Pair;
use trapline_core::registers::{Dbgbcr, Dbgwcr};
use trapline_core::watchpoint::{self, Decoded, Reserved, Watchpoint};

/// Miri, which takes a hundred times as long, sees only some.
const STEP: usize = if cfg!(miri) { 17 } else { 1 };

/// "Reserved DBGWCR<n>_EL1.BAS values": what is not Zeros(8-n-m):Ones(n):Zeros(m) with n from 1 to 8.
fn is_valid_bas(bas: u64) -> bool {
    (1..=8).any(|n| (0..=8 - n).any(|m| bas == ((1 << n) - 1) << m))
}

#[test]
fn every_byte_address_select_means_what_hardware_makes_of_it() {
    assert_eq!((0..256).filter(|bas| is_valid_bas(*bas)).count(), 36);
    for bas in (0..256).step_by(STEP) {
        let pair = Pair { control: 0b11_111 | bas << 5, value: 0x1000 };
        match watchpoint::decode(pair) {
            Decoded::Armed { watched, .. } => {
                assert!(is_valid_bas(bas), "{bas:#010b}");
                for address in 0xff0..0x1018 {
                    assert_eq!(
                        watched.contains(address),
                        watchpoint_byte_matches(pair, address),
                        "{bas:#010b} {address:#x}"
                    );
                }
            }
            decoded => {
                assert_eq!(decoded, Decoded::Reserved(Reserved::Bas(bas as u8)));
                assert!(!is_valid_bas(bas), "{bas:#010b}");
            }
        }
        // In the upper word only BAS[3:0] count.
        let pair = Pair { value: 0x1004, ..pair };
        if let Decoded::Armed { watched, .. } = watchpoint::decode(pair) {
            assert!(is_valid_bas(bas & 0xf), "{bas:#010b}");
            for address in 0xff0..0x1018 {
                let selected =
                    watchpoint_byte_matches(Pair { control: pair.control & !(0xf << 9), ..pair }, address);
                assert_eq!(watched.contains(address), selected, "{bas:#010b} {address:#x}");
            }
        } else {
            assert!(!is_valid_bas(bas & 0xf), "{bas:#010b}");
        }
    }
}

#[test]
fn every_mask_watches_its_power_of_two() {
    for mask in 0..32 {
        let pair = Pair { control: mask << 24 | 0x1fff, value: 7 << 40 };
        match watchpoint::decode(pair) {
            Decoded::Armed { watched, .. } => {
                assert_eq!((watched.first(), watched.len()), (7 << 40, 1 << mask.max(3)));
                for address in [watched.first() - 1, watched.first(), watched.last(), watched.last() + 1] {
                    assert_eq!(
                        watched.contains(address),
                        watchpoint_byte_matches(pair, address),
                        "{address:#x}"
                    );
                }
            }
            decoded => {
                assert!([1, 2].contains(&mask));
                assert!(matches!(decoded, Decoded::Reserved(Reserved::Mask(_))));
            }
        }
    }
}

#[test]
fn reserved_scopes_are_seen_in_both_kinds_of_pair() {
    for row in 0..64 {
        let (hmc, ssce, ssc, pxc) = (row >> 5 & 1, row >> 4 & 1, row >> 2 & 3, row & 3);
        let scope = hmc << 13 | ssce << 29 | ssc << 14 | pxc << 1;
        let breakpoint = breakpoint::decode(Pair { control: 0x1e1 | scope, value: 0 });
        let reserved = breakpoint == breakpoint::Decoded::Reserved(breakpoint::Reserved::Scope);
        assert_eq!(reserved, is_reserved(hmc, ssce, ssc, pxc, true), "{row:#08b}");
        let watchpoint = watchpoint::decode(Pair { control: 0x1ff9 | scope, value: 0 });
        let reserved = watchpoint == Decoded::Reserved(Reserved::Scope);
        assert_eq!(reserved, is_reserved(hmc, ssce, ssc, pxc, false), "{row:#08b}");
    }
}

proptest! {
    #[test]
    fn what_a_watchpoint_pair_says_encodes_to_the_same_pair(
        control: u32,
        bas in prop_oneof![Just(0xff), any::<u8>()],
        value: u64,
    ) {
        let control = Dbgwcr::from_bits(control.into()).with_e(true).with_bas(bas);
        // A doubleword address with its tag extended, as the encoder makes them, and without what MASK
        // leaves out.
        let value = (value as i64 >> 16) as u64 & !0b111 & !((1 << control.mask().get()) - 1);
        let pair = Pair { control: control.into_bits(), value };
        if let Decoded::Armed { watched, outside, access, scope, link } = watchpoint::decode(pair) {
            let new = if outside { Watchpoint::outside } else { Watchpoint::new };
            let watchpoint = new(watched, access, scope);
            let watchpoint = link.map_or(watchpoint, |number| watchpoint.linked_to(number));
            let Ok(plan) = watchpoint::plan(&watchpoint) else { return Ok(()) };
            prop_assert_eq!(plan.len(), 1);
            let encoded = plan.pieces().next().map(|piece| Dbgwcr::from_bits(piece.pair.control));
            // MASK 3 is all of BAS by another name; without a link, LBN means nothing.
            let said = Dbgwcr::from_bits(pair.control & !(1 << 21 | 1 << 23));
            let said = if said.mask().get() == 3 { said.with_mask(Default::default()) } else { said };
            let said = if said.wt() { said } else { said.with_linked_number(BreakpointNumber::ZERO) };
            prop_assert_eq!(encoded, Some(said));
            prop_assert_eq!(plan.pieces().next().map(|piece| piece.pair.value), Some(value));
        }
    }

    #[test]
    fn what_a_breakpoint_pair_says_encodes_to_the_same_pair(control: u32, value: u64) {
        let pair = Pair { control: u64::from(control | 1), value };
        if let breakpoint::Decoded::Armed { breakpoint, link } = breakpoint::decode(pair) {
            let linked = match link {
                Some(_) => breakpoint.linked(breakpoint::Context::Vmid(0)),
                None => breakpoint,
            };
            let encoded = Dbgbcr::from_bits(linked.pair(link.unwrap_or_default()).control);
            let said = Dbgbcr::from_bits(pair.control & !(0b1111 << 9 | 1 << 4));
            let said = if link.is_some() { said } else { said.with_linked_number(BreakpointNumber::ZERO) };
            prop_assert_eq!(encoded.bt(), said.bt());
            prop_assert_eq!(encoded.mask(), said.mask());
            prop_assert_eq!(encoded.bt2(), said.bt2());
            if !breakpoint.is_link_target() {
                // BAS is RES1 for a context.
                let said = if breakpoint.needs_context_aware() { said.with_bas(encoded.bas()) } else { said };
                prop_assert_eq!(encoded, said);
            }
        }
    }
}
