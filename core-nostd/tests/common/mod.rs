//! A brute-force model of the comparators, written from the pseudocode of DDI 0487 ("AArch64.StateMatch",
//! "AArch64.BreakpointValueMatch", "AArch64.WatchpointByteMatch", "CheckValidStateMatch") and apart from
//! the code that it checks: it knows bits only, and takes nothing from the crate but the register pairs.
//!
//! Whatever the manual leaves CONSTRAINED UNPREDICTABLE is a panic here: encoders never ask for it.

#![allow(dead_code, clippy::allow_attributes, reason = "no test file uses all of it")]

use trapline_core::comparator::{Bank, Pair};

/// The security state of a core.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Security {
    NonSecure,
    Secure,
    Realm,
    Root,
}

/// What comparators look at besides the address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct State {
    pub(crate) el: u8,
    pub(crate) security: Security,
    pub(crate) contextidr_el1: u32,
    pub(crate) contextidr_el2: u32,
    pub(crate) vmid: u16,
    /// The address of the instruction that makes an access.
    pub(crate) pc: u64,
    /// HCR_EL2.E2H and TGE make the software at EL0 the host's.
    pub(crate) in_host: bool,
}

impl State {
    pub(crate) const GUEST_KERNEL: Self = Self {
        el: 1,
        security: Security::NonSecure,
        contextidr_el1: 0,
        contextidr_el2: 0,
        vmid: 0,
        pc: 0,
        in_host: false,
    };
}

/// The states that a core of any kind can be in: EL3 is in Root state, or in Secure state where there is
/// no FEAT_RME.
pub(crate) fn places() -> impl Iterator<Item = (u8, Security)> {
    use Security::{NonSecure, Realm, Root, Secure};
    let lower = (0..3).flat_map(|el| [NonSecure, Secure, Realm].map(|security| (el, security)));
    lower.chain([(3, Root), (3, Secure)])
}

fn bits(value: u64, high: u32, low: u32) -> u64 {
    value >> low & (u64::MAX >> (63 - (high - low)))
}

/// "CheckValidStateMatch": whether HMC, SSCE, SSC, PxC are a reserved combination on a core that has
/// everything.
pub(crate) fn is_reserved(hmc: u64, ssce: u64, ssc: u64, pxc: u64, breakpoint: bool) -> bool {
    let allocated_nowhere = match (hmc, ssce, ssc, pxc) {
        (0, 0, 0b11, 0b10) => true,
        (1, 0, 0b00, 0b00 | 0b10) => true,
        (1, 0, 0b01, 0b10) => true,
        (1, 0, 0b10 | 0b11, 0b10) => true,
        (_, 1, _, _) => ssc != 0b01 || (hmc, pxc) == (0, 0b00) || (hmc, pxc) == (1, 0b10),
        _ => false,
    };
    allocated_nowhere || !breakpoint && hmc == 0 && pxc == 0b00 && ssc != 0b11
}

/// "AArch64.StateMatch", without linking. In AArch64 state, so that User, System and Supervisor mode do
/// not occur.
pub(crate) fn state_matches(control: u64, breakpoint: bool, el: u8, security: Security) -> bool {
    let (hmc, ssce) = (bits(control, 13, 13), bits(control, 29, 29));
    let (ssc, pxc) = (bits(control, 15, 14), bits(control, 2, 1));
    assert!(!is_reserved(hmc, ssce, ssc, pxc, breakpoint), "reserved HMC, SSCE, SSC, PxC: {control:#x}");
    let level_matches = match el {
        3 => hmc == 1 && ssc & 1 == 0,
        2 => hmc == 1 && (ssc, pxc) != (0b10, 0b00) || ssc == 0b11,
        1 => pxc & 0b01 != 0,
        _ => pxc & 0b10 != 0,
    };
    let root = security == Security::Root;
    // Without FEAT_RME, EL3 is in Secure state where it would be in Root state.
    let el3_or_root = root || el == 3;
    let security_matches = match (ssce, ssc) {
        (0, 0b00) => hmc == 1 || !root,
        (0, 0b01) => security == Security::NonSecure,
        (0, 0b10) => hmc == 1 && el3_or_root || security == Security::Secure,
        (0, 0b11) => hmc == 1 && !el3_or_root || security == Security::Secure,
        _ => security == Security::Realm,
    };
    level_matches && security_matches
}

fn assert_sign_extended(value: u64) {
    let top = bits(value, 63, 48);
    assert!(top == 0 || top == 0xffff, "RESS is not the sign of VA: {value:#x}");
}

/// "AArch64.CheckBreakpoint": whether the core stops for the instruction at `pc`. `context_aware` is the
/// number of the first context-aware breakpoint.
pub(crate) fn check_breakpoint(bank: &Bank, pc: u64, state: State, context_aware: usize) -> bool {
    let (mut match_active, mut mismatch_active) = (false, false);
    let (mut matched, mut mismatched, mut context) = (false, true, false);
    for n in 0..bank.breakpoints.len() {
        if !is_active(bank, n, state, context_aware) {
            continue;
        }
        let value = value_matches(bank.breakpoints[n], n, pc, state, context_aware);
        match bits(bank.breakpoints[n].control, 23, 20) {
            0b0000 | 0b0001 => (match_active, matched) = (true, matched || value),
            0b0100 | 0b0101 => (mismatch_active, mismatched) = (true, mismatched && value),
            _ => context |= value,
        }
    }
    let address = match (match_active, mismatch_active) {
        (true, true) => matched && mismatched,
        (true, false) => matched,
        (false, true) => mismatched,
        (false, false) => false,
    };
    address || context
}

/// "AArch64.BreakpointMatch" of breakpoint `n` alone.
pub(crate) fn breakpoint_matches(bank: &Bank, n: usize, pc: u64, state: State, context_aware: usize) -> bool {
    is_active(bank, n, state, context_aware)
        && value_matches(bank.breakpoints[n], n, pc, state, context_aware)
}

/// Whether breakpoint `n` is enabled, does not wait for others to link to it, and is in its scope and in the
/// context that it is linked to.
fn is_active(bank: &Bank, n: usize, state: State, context_aware: usize) -> bool {
    let Pair { control, .. } = bank.breakpoints[n];
    let bt = bits(control, 23, 20);
    if bits(control, 0, 0) == 0 || is_linking_enabled(control) {
        return false;
    }
    let linked = bt & 0b1011 == 0b0001;
    state_matches(control, true, state.el, state.security)
        && (!linked || link_matches(bank, linked_number(control), state, context_aware, true))
}

fn is_linking_enabled(control: u64) -> bool {
    let bt = bits(control, 23, 20);
    bits(control, 3, 3) == 1 || bt & 0b0011 == 0b0011 || bt & 0b1001 == 0b1001
}

fn linked_number(control: u64) -> usize {
    (bits(control, 31, 30) << 4 | bits(control, 19, 16)) as usize
}

/// Whether breakpoint `n` matches, to which a breakpoint is linked or else a watchpoint.
fn link_matches(bank: &Bank, n: usize, state: State, context_aware: usize, breakpoint: bool) -> bool {
    assert!(n >= context_aware, "linked to breakpoint {n}, which is not context-aware");
    let pair = bank.breakpoints[n];
    let bt = bits(pair.control, 23, 20);
    assert!(is_linking_enabled(pair.control), "linked to a breakpoint without linking enabled");
    assert_eq!(bits(pair.control, 0, 0), 1, "linked to a disabled breakpoint");
    if bt & 0b1010 == 0 {
        assert!(!breakpoint, "a breakpoint is linked to an address");
        let matching = bank
            .breakpoints
            .iter()
            .enumerate()
            .filter(|(_, pair)| bits(pair.control, 0, 0) == 1 && bits(pair.control, 3, 3) == 1);
        let matching = matching.filter(|(n, pair)| value_matches(**pair, *n, state.pc, state, context_aware));
        assert!(matching.count() <= 1, "two link targets match {:#x}", state.pc);
        assert!(bt != 0b0101, "a mismatch in a context is a link target");
    }
    let linked = bt == 0b0001;
    value_matches(pair, n, state.pc, state, context_aware)
        && (!linked || link_matches(bank, linked_number(pair.control), state, context_aware, true))
}

fn value_matches(pair: Pair, n: usize, pc: u64, state: State, context_aware: usize) -> bool {
    let Pair { control, value } = pair;
    assert_eq!(control >> 32, 0, "RES0 bits of {control:#x}");
    assert_eq!(control & 0b1_1110_0001_0000, 0, "RES0 bits of {control:#x}");
    let (bt, bas, mask) = (bits(control, 23, 20), bits(control, 8, 5), bits(control, 28, 24) as u32);
    assert!(mask != 1 && mask != 2, "reserved MASK");
    let lower_el = state.el < 2;
    if bt & 0b1010 == 0 {
        let mismatch = bt & 0b0100 != 0;
        assert_eq!(value & 0b11, 0, "RES0 bits of {value:#x}");
        assert_sign_extended(value);
        assert!([0b0011, 0b1100, 0b1111].contains(&bas), "reserved BAS {bas:#b}");
        if mask == 0 {
            assert!(!mismatch, "there is no mismatch of a single address");
            bas >> bits(pc, 1, 0) & 1 == 1 && bits(pc, 48, 2) == bits(value, 48, 2)
        } else {
            assert_eq!(bas, 0b1111, "MASK with BAS");
            assert_eq!(bits(value, mask - 1, 0), 0, "masked address bits are not 0");
            (bits(pc, 48, mask) == bits(value, 48, mask)) != mismatch
        }
    } else {
        assert_eq!(bits(control, 3, 3), 0, "BT2 is for addresses");
        assert!(n >= context_aware, "breakpoint {n} is not context-aware");
        assert_eq!((bas, mask), (0b1111, 0), "BAS is RES1 and MASK 0 for a context");
        let (low, high) = (bits(value, 31, 0) as u32, bits(value, 63, 32) as u32);
        let id1 = lower_el && !state.in_host && low == state.contextidr_el1;
        let id2 = state.el != 3 && high == state.contextidr_el2;
        let vmid = lower_el && !state.in_host && bits(value, 47, 32) as u16 == state.vmid;
        match bt >> 1 {
            0b001 if state.in_host => low == state.contextidr_el2,
            0b001 => lower_el && low == state.contextidr_el1,
            0b011 => id1,
            0b100 => vmid,
            0b101 => id1 && vmid,
            0b110 => id2,
            _ => id1 && id2,
        }
    }
}

/// "AArch64.WatchpointMatch" of watchpoint `n` for an access to `size` bytes at `address`.
pub(crate) fn watchpoint_matches(
    bank: &Bank,
    n: usize,
    address: u64,
    size: u64,
    write: bool,
    state: State,
    context_aware: usize,
) -> bool {
    let pair = bank.watchpoints[n];
    let control = pair.control;
    if bits(control, 0, 0) == 0 {
        return false;
    }
    let (lsc, mismatch) = (bits(control, 4, 3), bits(control, 22, 22) == 1);
    state_matches(control, false, state.el, state.security)
        && lsc & if write { 0b10 } else { 0b01 } != 0
        && (bits(control, 20, 20) == 0
            || link_matches(bank, linked_number(control), state, context_aware, false))
        && (0..size).any(|offset| watchpoint_byte_matches(pair, address.wrapping_add(offset)) != mismatch)
}

/// "AArch64.CheckWatchpoint": whether the core stops for an access.
pub(crate) fn check_watchpoint(
    bank: &Bank,
    address: u64,
    size: u64,
    write: bool,
    state: State,
    context_aware: usize,
) -> bool {
    let enabled = (0..bank.watchpoints.len()).filter(|n| bank.watchpoints[*n].control & 1 == 1);
    let (mismatches, matches): (Vec<_>, Vec<_>) =
        enabled.partition(|n| bits(bank.watchpoints[*n].control, 22, 22) == 1);
    let hit = |n: usize| watchpoint_matches(bank, n, address, size, write, state, context_aware);
    let (matched, mismatched) =
        (matches.iter().any(|n| hit(*n)), !mismatches.is_empty() && mismatches.iter().all(|n| hit(*n)));
    match (matches.is_empty(), mismatches.is_empty()) {
        (false, false) => matched && mismatched,
        (_, true) => matched,
        (true, false) => mismatched,
    }
}

/// "AArch64.WatchpointByteMatch".
pub(crate) fn watchpoint_byte_matches(pair: Pair, address: u64) -> bool {
    let Pair { control, value } = pair;
    assert_eq!(control >> 32, 0, "RES0 bits of {control:#x}");
    assert_eq!(control & (1 << 21 | 1 << 23), 0, "RES0 bits of {control:#x}");
    assert_eq!(value & 0b11, 0, "RES0 bits of {value:#x}");
    assert_sign_extended(value);
    let (bas, mask) = (bits(control, 12, 5), bits(control, 28, 24) as u32);
    let bottom = if bits(value, 2, 2) == 1 { 2 } else { 3 };
    let byte_selected = bas >> bits(address, bottom - 1, 0) & 1 == 1;
    if mask == 0 {
        let lowest = bas & bas.wrapping_neg();
        assert!(bas != 0 && (bas + lowest).is_power_of_two(), "BAS {bas:#010b} is not contiguous");
        byte_selected && bits(address, 55, bottom) == bits(value, 55, bottom)
    } else {
        assert!(mask > 2, "reserved MASK");
        assert_eq!(bas, 0xff, "MASK with BAS");
        assert_eq!(bits(value, mask - 1, 0), 0, "masked address bits are not 0");
        bits(address, 55, mask) == bits(value, 55, mask)
    }
}
