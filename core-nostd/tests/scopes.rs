//! Every row of the scope tables against the model of the hardware in `common`.

mod common;

use common::{Security, is_reserved, places, state_matches};
use trapline_core::registers::{Dbgbcr, Dbgwcr, Uint};
use trapline_core::scope::{ExceptionLevels, Implementation, Scope, SecurityStates};

fn rows() -> impl Iterator<Item = (u64, u64, u64, u64)> {
    (0..64).map(|row| (row >> 5 & 1, row >> 4 & 1, row >> 2 & 3, row & 3))
}

fn scope(hmc: u64, ssce: u64, ssc: u64, pxc: u64) -> Option<Scope> {
    Scope::from_fields(hmc == 1, ssce == 1, Uint::from_bits(ssc as u8), Uint::from_bits(pxc as u8))
}

fn level(el: u8) -> ExceptionLevels {
    [ExceptionLevels::EL0, ExceptionLevels::EL1, ExceptionLevels::EL2, ExceptionLevels::EL3][usize::from(el)]
}

fn state(security: Security) -> SecurityStates {
    match security {
        Security::NonSecure => SecurityStates::NON_SECURE,
        Security::Secure => SecurityStates::SECURE,
        Security::Realm => SecurityStates::REALM,
        Security::Root => SecurityStates::ROOT,
    }
}

#[test]
fn exactly_the_rows_that_are_not_reserved_can_be_built() {
    for (hmc, ssce, ssc, pxc) in rows() {
        let scope = scope(hmc, ssce, ssc, pxc);
        let row = format!("HMC {hmc} SSCE {ssce} SSC {ssc:02b} PxC {pxc:02b}");
        assert_eq!(scope.is_some(), !is_reserved(hmc, ssce, ssc, pxc, true), "breakpoint {row}");
        let watchpoint = scope.filter(|scope| !scope.is_breakpoint_only());
        assert_eq!(watchpoint.is_some(), !is_reserved(hmc, ssce, ssc, pxc, false), "watchpoint {row}");
    }
}

#[test]
fn a_row_matches_where_its_scope_says_and_nowhere_else() {
    for scope in rows().filter_map(|(hmc, ssce, ssc, pxc)| scope(hmc, ssce, ssc, pxc)) {
        if scope.is_breakpoint_only() {
            continue;
        }
        for (el, security) in places() {
            // A core has its EL3 in one of Root and Secure state; a scope that has either has both.
            let said = scope.exception_levels().contains(level(el))
                && (scope.security_states().contains(state(security)) || el == 3);
            let breakpoint = scope.in_dbgbcr(Dbgbcr::new()).into_bits();
            assert_eq!(state_matches(breakpoint, true, el, security), said, "{scope}: EL{el} {security:?}");
            let watchpoint = scope.in_dbgwcr(Dbgwcr::new()).into_bits();
            assert_eq!(state_matches(watchpoint, false, el, security), said, "{scope}: EL{el} {security:?}");
        }
    }
}

#[test]
fn what_is_asked_for_is_what_matches() {
    let sets = |names: [u8; 4]| (0..16u8).map(move |set| names.map(|bit| set & 1 << bit != 0));
    for levels in sets([0, 1, 2, 3]) {
        for states in sets([0, 1, 2, 3]) {
            let wanted_levels =
                (0..4).filter(|el| levels[usize::from(*el)]).map(level).reduce(ExceptionLevels::union);
            let all = [Security::NonSecure, Security::Secure, Security::Realm, Security::Root];
            let wanted_states = all
                .into_iter()
                .enumerate()
                .filter(|(i, _)| states[*i])
                .map(|(_, security)| state(security))
                .reduce(SecurityStates::union);
            let (Some(wanted_levels), Some(wanted_states)) = (wanted_levels, wanted_states) else { continue };
            let Ok(scope) = Scope::new(wanted_levels, wanted_states) else { continue };
            let control = scope.in_dbgbcr(Dbgbcr::new()).into_bits();
            for (el, security) in places() {
                let security_wanted = match el {
                    3 => states[1] || states[3],
                    _ => states[security as usize],
                };
                let wanted = levels[usize::from(el)] && security_wanted;
                assert_eq!(
                    state_matches(control, true, el, security),
                    wanted,
                    "{scope}: EL{el} {security:?}"
                );
            }
        }
    }
}

/// "CheckValidStateMatch": the part that depends on what is implemented, and what only the text of "Reserved
/// DBGWCR<n>_EL1.{SSCE, SSC, HMC, PAC} values" adds, that without Secure state SSC 0b01 is reserved too.
fn is_reserved_on(core: Implementation, hmc: u64, ssce: u64, ssc: u64, pxc: u64) -> bool {
    let row = (hmc, ssc, pxc);
    (ssce == 1 && !core.realms)
        || ((hmc, ssce) == (0, 0) && ssc >= 0b10 && !core.secure)
        || ((hmc, ssce) == (0, 0) && ssc == 0b01 && !core.secure)
        || (!core.aarch32_el1 && (hmc, pxc) == (0, 0b00) && ssc != 0b11)
        || (!core.el3 && !core.el2 && (hmc != 0 || ssc != 0b00))
        || (!core.el3 && (ssc == 0b01 || ssc == 0b10) && row != (1, 0b01, 0b00))
        || (!core.el3 && row == (1, 0b10, 0b00))
        || (!core.el2 && row == (1, 0b11, 0b00))
        || (!core.secure_el2
            && (row == (0, 0b11, 0b00) || row == (1, 0b01, 0b00) || (ssc == 0b11 && pxc & 1 == 1)))
}

#[test]
fn what_a_core_lacks_makes_rows_reserved() {
    for bits in 0..64 {
        let has = |bit: u32| bits & 1 << bit != 0;
        let core = Implementation {
            el2: has(0),
            el3: has(1),
            secure: has(2),
            secure_el2: has(3),
            realms: has(4),
            aarch32_el1: has(5),
        };
        for (hmc, ssce, ssc, pxc) in rows() {
            let Some(scope) = scope(hmc, ssce, ssc, pxc) else { continue };
            let reserved = is_reserved_on(core, hmc, ssce, ssc, pxc);
            assert_eq!(scope.is_valid_on(core), !reserved, "{scope} on {core:?}");
        }
        for scope in [Scope::EL0, Scope::EL1, Scope::EL1_AND_EL0] {
            assert!(scope.is_valid_on(core), "{scope} on {core:?}");
        }
        assert_eq!(Scope::ALL.is_valid_on(core), core.el2 || core.el3);
    }
}
