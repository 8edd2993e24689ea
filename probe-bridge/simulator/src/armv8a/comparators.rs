//! Breakpoint and watchpoint matching, from the manual's pseudocode (DDI 0487, "AArch64.BreakpointMatch",
//! "AArch64.WatchpointMatch", "AArch64.StateMatch").
//!
//! It is written against the text alone and shares nothing with the encoders that it is there to check.

use super::state::State;
use super::system_registers::CONTEXTIDR_EL1;

/// Breakpoint pairs of a core.
pub const BREAKPOINTS: usize = 6;
/// The last ones of them that can match a context.
pub const CONTEXT_AWARE: usize = 2;
/// Watchpoint pairs of a core.
pub const WATCHPOINTS: usize = 4;

/// Addresses are compared up to this bit; those above repeat it (RESS).
const TOP: u32 = 48;

/// A control register and a value register.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Pair {
    /// `DBGBCR<n>_EL1` or `DBGWCR<n>_EL1`.
    pub control: u32,
    /// `DBGBVR<n>_EL1` or `DBGWVR<n>_EL1`.
    pub value: u64,
}

impl Pair {
    const fn field(self, low: u32, width: u32) -> u32 {
        self.control >> low & ((1 << width) - 1)
    }

    const fn is_enabled(self) -> bool {
        self.control & 1 != 0
    }

    /// HMC, SSC, PMC or PAC and, where the type is a linked one, LBN.
    const fn scope(self, linked: bool) -> Scope {
        Scope {
            higher: self.field(13, 1) != 0,
            security: self.field(14, 2),
            privilege: self.field(1, 2),
            linked: if linked { Some(self.field(16, 4)) } else { None },
        }
    }
}

/// The fields that say in which states a comparator matches.
struct Scope {
    higher: bool,
    security: u32,
    privilege: u32,
    linked: Option<u32>,
}

/// All pairs of a core.
#[derive(Clone, Debug, Default)]
pub struct Comparators {
    /// Breakpoints.
    pub breakpoints: [Pair; BREAKPOINTS],
    /// Watchpoints.
    pub watchpoints: [Pair; WATCHPOINTS],
}

impl Comparators {
    /// Whether a breakpoint matches the instruction at the program counter.
    #[must_use]
    pub fn breakpoint_matches(&self, state: &State) -> bool {
        self.breakpoints.iter().enumerate().any(|(number, pair)| {
            if !pair.is_enabled() {
                return false;
            }
            let (linked, by_context) = match pair.field(20, 4) {
                0b0000 => (false, false),
                0b0001 => (true, false),
                0b0010 => (false, true),
                // Linked contexts match by the breakpoints and watchpoints that name them. The other types
                // need EL2, or FEAT_BWE for a mismatch.
                _ => return false,
            };
            // There is no EL2 to have a context of its own.
            let value = if by_context {
                number >= BREAKPOINTS - CONTEXT_AWARE && self.context_matches(*pair, state)
            } else {
                same(pair.value, state.pc, 2) && pair.field(5, 4) == 0b1111
            };
            value && self.state_matches(&pair.scope(linked), state, true)
        })
    }

    /// Whether a watchpoint matches an access of `size` bytes.
    #[must_use]
    pub fn watchpoint_matches(&self, state: &State, address: u64, size: u64, write: bool) -> bool {
        self.watchpoints.iter().any(|pair| {
            let kind = pair.field(3, 2) & if write { 0b10 } else { 0b01 };
            pair.is_enabled()
                && kind != 0
                && (0..size).any(|byte| watches(*pair, address.wrapping_add(byte)))
                && self.state_matches(&pair.scope(pair.field(20, 1) != 0), state, false)
        })
    }

    fn state_matches(&self, scope: &Scope, state: &State, breakpoint: bool) -> bool {
        let Scope { higher, security, privilege, linked } = *scope;
        if is_reserved(higher, security, privilege, breakpoint) {
            return false;
        }
        let level = match state.pstate.el() {
            0 => privilege & 0b10 != 0,
            1 => privilege & 0b01 != 0,
            2 => (higher && (security != 0b10 || privilege != 0)) || security == 0b11,
            _ => higher && security & 1 == 0,
        };
        // The core is Non-secure.
        let security = match security {
            0b10 => false,
            0b11 => higher,
            _ => true,
        };
        let linked = linked.is_none_or(|number| {
            let number = number as usize;
            number >= BREAKPOINTS - CONTEXT_AWARE
                && self.breakpoints.get(number).is_some_and(|pair| {
                    pair.is_enabled() && pair.field(20, 4) == 0b0011 && self.context_matches(*pair, state)
                })
        });
        level && security && linked
    }

    fn context_matches(&self, pair: Pair, state: &State) -> bool {
        pair.value as u32 == state.system.read(CONTEXTIDR_EL1) as u32
    }
}

/// Combinations that are not allocated, which this core takes for disabled ("CheckValidStateMatch").
const fn is_reserved(higher: bool, security: u32, privilege: u32, breakpoint: bool) -> bool {
    if !higher && privilege == 0 {
        // For breakpoints in AArch32 only, which this core does not have; for watchpoints never.
        let _ = breakpoint;
        return true;
    }
    matches!(
        (higher, security, privilege),
        (false, 0b11, 0b10) | (true, 0b00, 0b00 | 0b10) | (true, 0b01, 0b10) | (true, 0b10 | 0b11, 0b10)
            // This one takes Secure EL2.
            | (true, 0b11, 0b00)
    )
}

/// Whether two addresses agree from bit `low` up.
const fn same(value: u64, address: u64, low: u32) -> bool {
    (value ^ address) << (63 - TOP) >> (63 - TOP) >> low == 0
}

/// Whether a watchpoint watches a byte ("AArch64.WatchpointByteMatch").
const fn watches(pair: Pair, address: u64) -> bool {
    let mask = pair.field(24, 5);
    let select = pair.field(5, 8);
    if mask != 0 {
        // 1 and 2 are reserved, and all bytes must be selected; this core takes anything else for disabled.
        return mask >= 3 && select == 0xff && same(pair.value, address, mask);
    }
    let contiguous = {
        let shifted = select >> select.trailing_zeros();
        select != 0 && shifted & (shifted + 1) == 0
    };
    let low = if pair.value & 0b100 != 0 { 2 } else { 3 };
    let byte = (address & ((1 << low) - 1)) as u32;
    contiguous && select >> byte & 1 != 0 && same(pair.value, address, low)
}

#[cfg(test)]
mod tests {
    use super::super::state::Pstate;
    use super::*;

    /// A core at EL1 at `pc`.
    fn at(pc: u64) -> State {
        State::new(0, pc)
    }

    fn breakpoint(control: u32, value: u64) -> Comparators {
        let mut comparators = Comparators::default();
        comparators.breakpoints[0] = Pair { control, value };
        comparators
    }

    #[test]
    fn a_breakpoint_matches_its_instruction_at_its_levels() {
        let everywhere = breakpoint(0x21e7, 0x4000_0000);
        assert!(everywhere.breakpoint_matches(&at(0x4000_0000)));
        assert!(!everywhere.breakpoint_matches(&at(0x4000_0004)));
        let mut el0 = at(0x4000_0000);
        el0.pstate = Pstate(0);
        assert!(everywhere.breakpoint_matches(&el0));
        let el1 = breakpoint(0x1e3, 0x4000_0000);
        assert!(el1.breakpoint_matches(&at(0x4000_0000)));
        assert!(!el1.breakpoint_matches(&el0));
        let el0_only = breakpoint(0x1e5, 0x4000_0000);
        assert!(el0_only.breakpoint_matches(&el0));
        assert!(!el0_only.breakpoint_matches(&at(0x4000_0000)));
        // Secure only, disabled, and a reserved combination.
        for control in [0x81e7, 0x21e6, 0x21e1] {
            assert!(!breakpoint(control, 0x4000_0000).breakpoint_matches(&at(0x4000_0000)), "{control:#x}");
        }
    }

    #[test]
    fn a_context_is_matched_by_itself_or_by_a_link() {
        let mut state = at(0x4000_0000);
        let mut comparators = breakpoint(0x0014_21e7, 0x4000_0000);
        comparators.breakpoints[4] = Pair { control: 0x0030_01e7, value: 0x42 };
        assert!(!comparators.breakpoint_matches(&state));
        state.system.set(CONTEXTIDR_EL1, 0x42);
        assert!(comparators.breakpoint_matches(&state));
        state.pc += 4;
        assert!(!comparators.breakpoint_matches(&state), "the linked one does not match by itself");
        comparators.breakpoints[4].control = 0x0020_21e7;
        assert!(comparators.breakpoint_matches(&state), "an unlinked one does");
        // Comparators below the context-aware ones never match a context.
        comparators.breakpoints[4].control = 0;
        comparators.breakpoints[3] = Pair { control: 0x0020_21e7, value: 0x42 };
        assert!(!comparators.breakpoint_matches(&state));
    }

    #[test]
    fn a_watchpoint_matches_the_bytes_that_it_selects() {
        // Bytes 3 to 6, loads and stores.
        let pair = Pair { control: 0x201f | 0b0111_1000 << 5, value: 0x4000_1000 };
        for address in 0x4000_0ff8_u64..0x4000_1010 {
            assert_eq!(watches(pair, address), (0x4000_1003..0x4000_1007).contains(&address), "{address:#x}");
        }
        let mut comparators = Comparators::default();
        comparators.watchpoints[1] = pair;
        assert!(comparators.watchpoint_matches(&at(0), 0x4000_1000, 4, false), "an access reaches into them");
        assert!(!comparators.watchpoint_matches(&at(0), 0x4000_1000, 2, false));
        comparators.watchpoints[1].control &= !(0b01 << 3);
        assert!(!comparators.watchpoint_matches(&at(0), 0x4000_1000, 4, false), "stores only");
        assert!(comparators.watchpoint_matches(&at(0), 0x4000_1000, 4, true));
    }

    #[test]
    fn a_mask_widens_a_watchpoint() {
        let pair = Pair { control: 0x201f | 0xff << 5 | 12 << 24, value: 0x4000_1000 };
        assert!(watches(pair, 0x4000_1000) && watches(pair, 0x4000_1fff));
        assert!(!watches(pair, 0x4000_0fff) && !watches(pair, 0x4000_2000));
        assert!(!watches(Pair { control: pair.control & !(1 << 5), ..pair }, 0x4000_1000));
        // Bytes that do not touch each other are not for one comparator.
        assert!(!watches(Pair { control: 0x201f | 0b101 << 5, value: 0x4000_1000 }, 0x4000_1000));
    }

    #[test]
    fn the_high_half_is_matched_by_its_sign() {
        let state = at(0xffff_8000_4000_0000);
        assert!(breakpoint(0x21e7, 0xffff_8000_4000_0000).breakpoint_matches(&state));
        assert!(!breakpoint(0x21e7, 0x0000_8000_4000_0000).breakpoint_matches(&state));
        assert!(
            breakpoint(0x21e7, 0x0001_8000_4000_0000).breakpoint_matches(&state),
            "bits above 48 repeat it"
        );
    }
}
