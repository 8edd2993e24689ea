//! A guest's own comparators beside the debugger's, in one bank.
//!
//! A debugger of a guest takes the hardware's comparators from it. What the guest has set for itself goes on matching
//! as far as the debugger leaves pairs free.

use crate::comparator::{Bank, Capabilities, MAX_PAIRS, Pair};
use crate::pool::Slots;
use crate::registers::{Dbgbcr, Dbgwcr, Uint};

/// The guest's own pairs, by the guest's numbers, for which the debugger has left no room.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Displaced {
    /// Breakpoints.
    pub breakpoints: Slots,
    /// Watchpoints.
    pub watchpoints: Slots,
}

impl Displaced {
    /// How many pairs these are.
    #[must_use]
    pub fn count(self) -> usize {
        usize::from(self.breakpoints.len()) + usize::from(self.watchpoints.len())
    }
}

/// Adds `own`, a guest's pairs, to the debugger's in `bank`, each under its own number where that is free
/// and under any other otherwise; what has no place is answered. A pair that is linked to another goes in with it or
/// not at all. `capabilities` are those of the comparators that the guest sees.
pub fn merge(bank: &mut Bank, own: &Bank, capabilities: &Capabilities) -> Displaced {
    let mut displaced = Displaced::default();
    let breakpoints = Slots::first(capabilities.breakpoints);
    let context_aware = breakpoints
        .without(Slots::first(capabilities.breakpoints.saturating_sub(capabilities.context_aware)));
    // Where each of the guest's breakpoints is now.
    let mut moved = [None; MAX_PAIRS];

    // What others link to first: their new numbers must be known, and only some pairs can hold them.
    for addresses in [false, true] {
        for (n, (pair, moved_to)) in (0..).zip(own.breakpoints.iter().zip(moved)) {
            let control = Dbgbcr::from_bits(pair.control);
            if !control.e() || control.bt().compares_address() != addresses || moved_to.is_some() {
                continue;
            }
            // Addresses leave pairs that can hold a context for such, if there is a choice.
            let preferred = if addresses { breakpoints.without(context_aware) } else { context_aware };
            let possible = match addresses {
                // Which pairs watchpoints can link to for an address is not known of others.
                true if control.bt2() => Slots::one(n).intersection(breakpoints),
                true => breakpoints,
                false => context_aware,
            };
            let number = control.linked_number();
            let linked = addresses && control.bt().into_bits() & 1 != 0;
            let link =
                if linked { moved.get(usize::from(number.get())).copied().flatten() } else { Some(number) };
            let place = free_place(&bank.breakpoints, n, preferred, possible);
            let (Some(link), Some(place)) = (link, place) else {
                displaced.breakpoints |= Slots::one(n);
                continue;
            };
            let control = if linked { control.with_linked_number(link) } else { control };
            put(&mut bank.breakpoints, place, Pair { control: control.into_bits(), value: pair.value });
            if let Some(moved_to) = moved.get_mut(usize::from(n)) {
                *moved_to = Some(Uint::from_bits(place));
            }
        }
    }
    let watchpoints = Slots::first(capabilities.watchpoints);
    for (n, pair) in (0..).zip(&own.watchpoints) {
        let control = Dbgwcr::from_bits(pair.control);
        if !control.e() {
            continue;
        }
        let number = control.linked_number();
        let link =
            if control.wt() { moved.get(usize::from(number.get())).copied().flatten() } else { Some(number) };
        let place = free_place(&bank.watchpoints, n, watchpoints, watchpoints);
        let (Some(link), Some(place)) = (link, place) else {
            displaced.watchpoints |= Slots::one(n);
            continue;
        };
        let control = if control.wt() { control.with_linked_number(link) } else { control };
        put(&mut bank.watchpoints, place, Pair { control: control.into_bits(), value: pair.value });
    }
    displaced
}

/// A free pair for what the guest has in pair `own`.
fn free_place(pairs: &[Pair; MAX_PAIRS], own: u8, preferred: Slots, possible: Slots) -> Option<u8> {
    let taken = (0..).zip(pairs).filter(|(_, pair)| pair.is_enabled());
    let taken = taken.fold(Slots::NONE, |taken, (n, _)| taken | Slots::one(n));
    let free = possible.without(taken);
    free.intersection(Slots::one(own))
        .lowest()
        .or_else(|| free.intersection(preferred).lowest())
        .or_else(|| free.lowest())
}

fn put(pairs: &mut [Pair; MAX_PAIRS], place: u8, pair: Pair) {
    if let Some(to) = pairs.get_mut(usize::from(place)) {
        *to = pair;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registers::BreakpointType as Type;

    const CAPABILITIES: Capabilities =
        Capabilities { breakpoints: 6, context_aware: 2, watchpoints: 4, ..Capabilities::NONE };

    fn breakpoint(value: u64, bt: Type, link: u8) -> Pair {
        let control = Dbgbcr::new().with_e(true).with_bt(bt).with_linked_number(Uint::from_bits(link));
        Pair { control: control.into_bits(), value }
    }

    fn watchpoint(value: u64, link: Option<u8>) -> Pair {
        let control = Dbgwcr::new().with_e(true).with_wt(link.is_some());
        let control = control.with_linked_number(Uint::from_bits(link.unwrap_or(0)));
        Pair { control: control.into_bits(), value }
    }

    #[test]
    fn pairs_keep_their_numbers_where_the_debugger_has_left_them() {
        let mut own = Bank::default();
        own.breakpoints[1] = breakpoint(0x1000, Type::AddressMatch, 0);
        own.watchpoints[3] = watchpoint(0x2000, None);
        let mut bank = Bank::default();
        assert_eq!(merge(&mut bank, &own, &CAPABILITIES), Displaced::default());
        assert_eq!(bank, own);
    }

    #[test]
    fn pairs_move_and_their_links_with_them() {
        let mut own = Bank::default();
        own.breakpoints[0] = breakpoint(0x1000, Type::LinkedAddressMatch, 4);
        own.breakpoints[4] = breakpoint(7, Type::LinkedContextIdMatch, 0);
        own.watchpoints[0] = watchpoint(0x2000, Some(4));
        let mut bank = Bank::default();
        let ours = breakpoint(0x9000, Type::AddressMatch, 0);
        (bank.breakpoints[0], bank.breakpoints[4]) = (ours, ours);
        bank.watchpoints[0] = watchpoint(0x9000, None);
        assert_eq!(merge(&mut bank, &own, &CAPABILITIES), Displaced::default());
        assert_eq!(bank.breakpoints[0], ours);
        assert_eq!(bank.breakpoints[4], ours);
        assert_eq!(bank.breakpoints[5], own.breakpoints[4]);
        assert_eq!(bank.breakpoints[1], breakpoint(0x1000, Type::LinkedAddressMatch, 5));
        assert_eq!(bank.watchpoints[1], watchpoint(0x2000, Some(5)));
    }

    #[test]
    fn what_finds_no_room_is_named_with_all_that_is_linked_to_it() {
        let mut own = Bank::default();
        own.breakpoints[0] = breakpoint(0x1000, Type::LinkedAddressMatch, 4);
        own.breakpoints[1] = breakpoint(0x1004, Type::AddressMatch, 0);
        own.breakpoints[4] = breakpoint(7, Type::LinkedContextIdMatch, 0);
        own.watchpoints[2] = watchpoint(0x2000, Some(4));
        let ours = breakpoint(0x9000, Type::AddressMatch, 0);
        let mut bank = Bank::default();
        (bank.breakpoints[4], bank.breakpoints[5]) = (ours, ours);
        let displaced = merge(&mut bank, &own, &CAPABILITIES);
        assert_eq!(displaced.breakpoints, Slots::one(0) | Slots::one(4));
        assert_eq!(displaced.watchpoints, Slots::one(2));
        assert_eq!(bank.breakpoints[1], own.breakpoints[1]);

        // Every pair taken.
        bank.breakpoints[..6].fill(ours);
        bank.watchpoints[..4].fill(watchpoint(0x9000, None));
        let before = bank;
        own.watchpoints[0] = watchpoint(0x3000, None);
        let displaced = merge(&mut bank, &own, &CAPABILITIES);
        assert_eq!(displaced.breakpoints.len(), 3);
        assert_eq!(displaced.watchpoints.len(), 2);
        assert_eq!(bank, before);
    }

    #[test]
    fn disabled_pairs_take_no_room() {
        let mut own = Bank::default();
        own.breakpoints[0].value = 0x1000;
        let mut bank = Bank::default();
        assert_eq!(merge(&mut bank, &own, &CAPABILITIES), Displaced::default());
        assert_eq!(bank, Bank::default());
    }
}
