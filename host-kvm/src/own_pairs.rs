//! Comparators that the guest has set for itself, next to ours.
//!
//! Where a comparator of ours is enabled, `KVM_SET_GUEST_DEBUG`'s bank replaces the guest's. So that the guest
//! keeps its own breakpoints and watchpoints, those that it has enabled go into pairs of the bank that are
//! free. KVM does not say when the guest changes its own, so they are as they were when the vCPU last came
//! out of `KVM_RUN`.

use trapline_core::comparator::{Bank, MAX_PAIRS, Pair};
use trapline_core::context::DebugRegister;
use trapline_core::registers::{BreakpointType, Dbgbcr, Dbgwcr, IdAa64dfr0El1, MdscrEl1};
use trapline_core::target::SystemRegister;

use crate::error::Error;
use crate::register_id::RegisterId;
use crate::vcpu::KvmVcpu;

/// How many pairs of each kind a guest sees.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct PairCounts {
    breakpoints: u8,
    watchpoints: u8,
}

impl PairCounts {
    /// From the guest's `ID_AA64DFR0_EL1`.
    pub(crate) fn read(vcpu: &mut KvmVcpu) -> Result<Self, Error> {
        let features = IdAa64dfr0El1::from(vcpu.read(RegisterId::system(SystemRegister::ID_AA64DFR0_EL1))?);
        Ok(Self { breakpoints: features.brps().get() + 1, watchpoints: features.wrps().get() + 1 })
    }
}

/// The pairs that the guest has enabled; `None` where it has debug exceptions of comparators off. It costs one
/// ioctl then.
pub(crate) fn read(vcpu: &mut KvmVcpu, counts: PairCounts) -> Result<Option<Bank>, Error> {
    let controls = MdscrEl1::from(vcpu.read(RegisterId::system(SystemRegister::MDSCR_EL1))?);
    if !controls.mde() {
        return Ok(None);
    }
    let mut bank = Bank::default();
    for (number, pair) in (0..counts.breakpoints).zip(&mut bank.breakpoints) {
        *pair = read_pair(vcpu, DebugRegister::Dbgbcr(number), DebugRegister::Dbgbvr(number))?;
    }
    for (number, pair) in (0..counts.watchpoints).zip(&mut bank.watchpoints) {
        *pair = read_pair(vcpu, DebugRegister::Dbgwcr(number), DebugRegister::Dbgwvr(number))?;
    }
    Ok(Some(bank))
}

/// A pair, of which the value is read only where it means something.
fn read_pair(vcpu: &mut KvmVcpu, control: DebugRegister, value: DebugRegister) -> Result<Pair, Error> {
    let mut read = |register: DebugRegister| match register.system_register() {
        Some(register) => vcpu.read(RegisterId::system(register)),
        None => Ok(0),
    };
    let control = read(control)?;
    let pair = Pair { control, value: 0 };
    Ok(if pair.is_enabled() { Pair { control, value: read(value)? } } else { Pair::DISABLED })
}

/// Adds `own` to `bank` where pairs are free. Returns how many could not be had.
///
/// A pair keeps its number if it can. One that is linked to another, is linked to, or matches a context,
/// which not all pairs can, does not go elsewhere.
pub(crate) fn merge(bank: &mut Bank, own: &Bank, counts: PairCounts) -> usize {
    let (breakpoints, watchpoints) = (usize::from(counts.breakpoints), usize::from(counts.watchpoints));
    let mut placed = [false; MAX_PAIRS];
    for pass in [Role::Context, Role::Linked, Role::Plain] {
        for (number, pair) in own.breakpoints.iter().enumerate().take(breakpoints) {
            let (role, link) = breakpoint_role(*pair);
            if pair.is_enabled() && role == pass && link.is_none_or(|link| placed.get(link) == Some(&true)) {
                placed[number] = place(&mut bank.breakpoints[..breakpoints], number, *pair, role);
            }
        }
    }
    let mut left_out =
        own.breakpoints.iter().zip(placed).filter(|(pair, placed)| pair.is_enabled() && !placed).count();
    for pass in [Role::Linked, Role::Plain] {
        for (number, pair) in own.watchpoints.iter().enumerate().take(watchpoints) {
            let (role, link) = watchpoint_role(*pair);
            if !pair.is_enabled() || role != pass {
                continue;
            }
            let can_link = link.is_none_or(|link| placed.get(link) == Some(&true));
            if !can_link || !place(&mut bank.watchpoints[..watchpoints], number, *pair, role) {
                left_out += 1;
            }
        }
    }
    left_out
}

/// Puts a pair into its own place, or a plain one into another that is free.
fn place(bank: &mut [Pair], number: usize, pair: Pair, role: Role) -> bool {
    let elsewhere = || bank.iter().position(|taken| !taken.is_enabled()).filter(|_| role == Role::Plain);
    let free = bank.get(number).is_some_and(|taken| !taken.is_enabled());
    let place = if free { Some(number) } else { elsewhere() };
    match place.and_then(|place| bank.get_mut(place)) {
        Some(slot) => {
            *slot = pair;
            true
        }
        None => false,
    }
}

/// What a pair is to other pairs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Role {
    /// Matches a context, and may be linked to.
    Context,
    /// Matches only together with another.
    Linked,
    /// Stands for itself.
    Plain,
}

/// The role of a breakpoint, and which one it is linked to.
fn breakpoint_role(pair: Pair) -> (Role, Option<usize>) {
    let control = Dbgbcr::from(pair.control);
    match control.bt() {
        BreakpointType::LinkedAddressMatch | BreakpointType::LinkedAddressMismatch => {
            (Role::Linked, Some(control.linked_number().get().into()))
        }
        BreakpointType::AddressMatch if !control.bt2() => (Role::Plain, None),
        _ => (Role::Context, None),
    }
}

/// The role of a watchpoint, and which breakpoint it is linked to.
fn watchpoint_role(pair: Pair) -> (Role, Option<usize>) {
    let control = Dbgwcr::from(pair.control);
    if control.wt() {
        (Role::Linked, Some(control.linked_number().get().into()))
    } else {
        (Role::Plain, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNTS: PairCounts = PairCounts { breakpoints: 6, watchpoints: 4 };

    /// An address breakpoint at EL0 and EL1, and a watchpoint on a doubleword.
    fn at(address: u64) -> Pair {
        Pair { control: 0x1e7, value: address }
    }

    fn watch(address: u64) -> Pair {
        Pair { control: 0x1fff, value: address }
    }

    fn with(change: impl FnOnce(&mut Bank)) -> Bank {
        let mut bank = Bank::default();
        change(&mut bank);
        bank
    }

    fn values(pairs: &[Pair]) -> Vec<u64> {
        pairs.iter().map(|pair| if pair.is_enabled() { pair.value } else { 0 }).collect()
    }

    #[test]
    fn own_pairs_keep_their_numbers_or_go_where_it_is_free() {
        let mut bank = with(|bank| {
            bank.breakpoints[0] = at(0x1000);
            bank.watchpoints[0] = watch(0x1008);
        });
        let own = with(|own| {
            own.breakpoints[0] = at(0x2000);
            own.breakpoints[1] = at(0x2004);
            own.watchpoints[3] = watch(0x2008);
            // Not enabled, and beyond what there is: nothing.
            own.breakpoints[4] = Pair { control: 0x1e6, value: 0x2010 };
        });
        assert_eq!(merge(&mut bank, &own, COUNTS), 0);
        // 1 was free when pair 0 was placed, so the second own one has moved on.
        assert_eq!(values(&bank.breakpoints[..4]), [0x1000, 0x2000, 0x2004, 0]);
        assert_eq!(values(&bank.watchpoints[..4]), [0x1008, 0, 0, 0x2008]);
    }

    #[test]
    fn what_finds_no_place_is_counted_and_ours_stays() {
        let full = with(|bank| {
            bank.breakpoints[..6].fill(at(0x1000));
            bank.watchpoints[..3].fill(watch(0x1000));
        });
        let own = with(|own| {
            own.breakpoints[2] = at(0x2000);
            own.watchpoints[0] = watch(0x2000);
            own.watchpoints[1] = watch(0x2008);
        });
        let mut bank = full;
        assert_eq!(merge(&mut bank, &own, COUNTS), 2);
        assert_eq!(bank.breakpoints, full.breakpoints);
        assert_eq!(values(&bank.watchpoints[..4]), [0x1000, 0x1000, 0x1000, 0x2000]);
    }

    #[test]
    fn linked_pairs_come_with_what_they_are_linked_to_or_not_at_all() {
        // DBGBCR: BT in bits 23 to 20, LBN in bits 19 to 16; DBGWCR: WT is bit 20.
        let context = Pair { control: 0x1e7 | 0b0011 << 20, value: 77 };
        let linked = Pair { control: 0x1e7 | 0b0001 << 20 | 5 << 16, value: 0x2000 };
        let linked_watch = Pair { control: 0x1fff | 1 << 20 | 5 << 16, value: 0x2008 };
        let own = with(|own| {
            own.breakpoints[5] = context;
            own.breakpoints[0] = linked;
            own.watchpoints[0] = linked_watch;
        });
        let mut bank = Bank::default();
        assert_eq!(merge(&mut bank, &own, COUNTS), 0);
        assert_eq!(bank, own);

        let mut taken = with(|bank| bank.breakpoints[5] = at(0x1000));
        assert_eq!(merge(&mut taken, &own, COUNTS), 3);
        assert_eq!(taken, with(|bank| bank.breakpoints[5] = at(0x1000)));

        let mut taken = with(|bank| bank.breakpoints[0] = at(0x1000));
        assert_eq!(merge(&mut taken, &own, COUNTS), 1, "its number is what the guest has linked");
        assert_eq!((taken.breakpoints[5], taken.watchpoints[0]), (context, linked_watch));
    }
}
