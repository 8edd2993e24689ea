//! What any breakpoint pair says encodes to the same pair, and matches where the hardware would; every set of
//! exception levels and security states is a row of the tables or refused.

use arbitrary::Arbitrary;
use trapline_core::breakpoint::{BreakpointNumber, Context, Decoded, Instruction, Matching, decode};
use trapline_core::comparator::{Bank, Pair};
use trapline_core::registers::Dbgbcr;
use trapline_core::scope::{ExceptionLevels, Scope, SecurityStates};

use crate::hardware::{State, check_breakpoint, places, state_matches};
use crate::{canonical, read};

/// A pair, where the core is, and which scope somebody asks for.
#[derive(Arbitrary, Debug)]
struct Input {
    control: u32,
    value: u64,
    /// Where the program counter is, from the address in the pair on.
    offset: i16,
    levels: u8,
    states: u8,
}

/// Decodes one pair.
///
/// # Panics
/// Where it does not say what the hardware does.
pub fn check(data: &[u8]) {
    let Some(input) = read::<Input>(data) else { return };
    scope(input.levels, input.states);
    let pair = Pair { control: u64::from(input.control), value: canonical(input.value) };
    let decoded = decode(pair);
    assert!(!decoded.to_string().is_empty());
    let Decoded::Armed { breakpoint, link } = decoded else { return };

    // Fields that mean nothing for its type aside, it is this pair.
    let linked = if link.is_some() { breakpoint.linked(Context::Vmid(0)) } else { breakpoint };
    let own = linked.pair(link.unwrap_or_default());
    let (own_control, control) = (Dbgbcr::from_bits(own.control), Dbgbcr::from_bits(pair.control));
    assert_eq!((own_control.bt(), own_control.bt2()), (control.bt(), control.bt2()), "{decoded}");
    assert_eq!(own_control.mask(), control.mask(), "{decoded}");
    if breakpoint.address().is_some() {
        assert_eq!((own_control.bas(), own.value), (control.bas(), pair.value & !0b11), "{decoded}");
    }

    if link.is_none() && breakpoint.address().is_some() {
        let pair = breakpoint.pair(BreakpointNumber::ZERO);
        let pc = canonical(pair.value.wrapping_add_signed(input.offset.into()) & !1);
        let mut bank = Bank::default();
        bank.breakpoints[15] = pair;
        let state = State { pc, ..State::GUEST_KERNEL };
        let stops = check_breakpoint(&bank, pc, state, 0);
        let in_scope =
            breakpoint.is_link_target() || state_matches(pair.control, true, state.el, state.security);
        if matches!(breakpoint.matching(), Matching::Address(Instruction::T32)) {
            assert!(!stops || breakpoint.can_match(pc), "{decoded} at {pc:#x}");
        } else if breakpoint.matching() != Matching::Address(Instruction::A64) || pc & 0b11 == 0 {
            assert_eq!(stops, in_scope && breakpoint.can_match(pc), "{decoded} at {pc:#x}");
        }
    }
}

/// Builds a scope of any levels and states, and compares where it matches.
fn scope(levels: u8, states: u8) {
    let all_levels = [ExceptionLevels::EL0, ExceptionLevels::EL1, ExceptionLevels::EL2, ExceptionLevels::EL3];
    let all_states =
        [SecurityStates::NON_SECURE, SecurityStates::SECURE, SecurityStates::REALM, SecurityStates::ROOT];
    let wanted = |set: u8, n: usize| set >> n & 1 == 1;
    let level_set =
        (0..4).filter(|n| wanted(levels, *n)).map(|n| all_levels[n]).reduce(ExceptionLevels::union);
    let state_set =
        (0..4).filter(|n| wanted(states, *n)).map(|n| all_states[n]).reduce(SecurityStates::union);
    let (Some(level_set), Some(state_set)) = (level_set, state_set) else { return };
    let Ok(scope) = Scope::new(level_set, state_set) else { return };
    assert_eq!(Scope::from_fields(scope.hmc(), scope.ssce(), scope.ssc(), scope.privilege()), Some(scope));
    let control = scope.in_dbgbcr(Dbgbcr::new()).into_bits();
    for (el, security) in places() {
        // EL3 is in Secure or Root state, whichever the core has.
        let state = match el {
            3 => wanted(states, 1) || wanted(states, 3),
            _ => wanted(states, security as usize),
        };
        let matches = state_matches(control, true, el, security);
        assert_eq!(matches, wanted(levels, usize::from(el)) && state, "{scope} at EL{el} in {security:?}");
    }
}
