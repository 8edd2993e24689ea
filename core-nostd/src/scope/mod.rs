//! Where a comparator matches: exception levels and security states.
//!
//! Four fields of a control register say it together (HMC, SSCE, SSC, and PMC or PAC), and only some of
//! their 64 combinations are allowed. A [`Scope`] is one that is; the others cannot be built.

#![expect(clippy::unusual_byte_groupings, reason = "rows are grouped by field: HMC, SSCE, SSC, PxC")]

mod implementation;
mod sets;

pub use implementation::Implementation;
pub use sets::{ExceptionLevels, SecurityStates};

use core::fmt;

use crate::registers::{Dbgbcr, Dbgwcr, Uint};

/// A valid row of the tables "Summary of breakpoint HMC, SSCE, SSC, and PMC encodings" and "Summary of
/// watchpoint HMC, SSCE, SSC, and PAC encodings" (DDI 0487, "Execution conditions for which a
/// breakpoint generates Breakpoint exceptions" and the same for watchpoints).
///
/// Some rows need more of the core than others, see [`Scope::is_valid_on`]. [`Scope::EL0`], [`Scope::EL1`]
/// and [`Scope::EL1_AND_EL0`] work on every core.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scope {
    /// HMC\[5\] SSCE\[4\] SSC\[3:2\] PxC\[1:0\].
    row: u8,
}

impl Scope {
    /// EL0 in every security state.
    pub const EL0: Self = Self { row: 0b0_0_00_10 };

    /// EL1 in every security state.
    pub const EL1: Self = Self { row: 0b0_0_00_01 };

    /// EL1 and EL0 in every security state: what a guest of a hypervisor uses.
    pub const EL1_AND_EL0: Self = Self { row: 0b0_0_00_11 };

    /// EL2 in every security state.
    pub const EL2: Self = Self { row: 0b1_0_11_00 };

    /// All exception levels in every security state: what a board uses.
    pub const ALL: Self = Self { row: 0b1_0_00_11 };

    /// The scope with these fields, or `None` where the tables of DDI 0487 have no such row.
    ///
    /// Rows with HMC and PMC 0 are for breakpoints only, see [`Scope::is_breakpoint_only`].
    #[must_use]
    pub const fn from_fields(hmc: bool, ssce: bool, ssc: Uint<2>, privilege: Uint<2>) -> Option<Self> {
        let row = (hmc as u8) << 5 | (ssce as u8) << 4 | ssc.get() << 2 | privilege.get();
        match row {
            // HMC 0: any state, Non-secure, Secure; the first of each four is breakpoint-only.
            0b0_0_00_00..=0b0_0_00_11
            | 0b0_0_01_00..=0b0_0_01_11
            | 0b0_0_10_00..=0b0_0_10_11
            // Secure with EL2.
            | 0b0_0_11_00 | 0b0_0_11_01 | 0b0_0_11_11
            // Realm.
            | 0b0_1_01_01..=0b0_1_01_11
            // HMC 1: any state; Non-secure, Secure and EL3 alone, any state but not EL3.
            | 0b1_0_00_01 | 0b1_0_00_11
            | 0b1_0_01_00 | 0b1_0_01_01 | 0b1_0_01_11
            | 0b1_0_10_00 | 0b1_0_10_01 | 0b1_0_10_11
            | 0b1_0_11_00 | 0b1_0_11_01 | 0b1_0_11_11
            // Realm with EL2.
            | 0b1_1_01_00 | 0b1_1_01_01 | 0b1_1_01_11 => Some(Self { row }),
            _ => None,
        }
    }

    /// The scope that matches at exactly these exception levels in exactly these security states.
    ///
    /// EL3 counts as being in both Root and Secure state, whichever it is in on the core at hand. On a
    /// core without FEAT_RME, "Non-secure and Secure" is [`SecurityStates::ALL`].
    ///
    /// # Errors
    /// [`ScopeError`] where no row of the tables says just that: among others EL2 without EL1 but with
    /// EL0, or EL3 with EL0 but without EL1.
    pub const fn new(levels: ExceptionLevels, states: SecurityStates) -> Result<Self, ScopeError> {
        let wanted = cells(levels, states);
        let error = ScopeError { levels, states };
        // Cells that do not exist, as EL1 in Root state, are not silently left out of a request.
        if !covers(wanted, levels, states) {
            return Err(error);
        }
        let mut row = 0;
        while row < 64 {
            if let Some(scope) = Self::from_row(row)
                && !scope.is_breakpoint_only()
                && cells(scope.exception_levels(), scope.security_states()) == wanted
            {
                return Ok(scope);
            }
            row += 1;
        }
        Err(error)
    }

    /// The modes User, System and Supervisor of AArch32, in Non-secure, Secure or all states: rows that
    /// only breakpoints have, and only where EL1 can use AArch32.
    ///
    /// # Errors
    /// [`ScopeError`] for any other set of states.
    pub const fn user_system_supervisor(states: SecurityStates) -> Result<Self, ScopeError> {
        match states {
            SecurityStates::ALL => Ok(Self { row: 0b0_0_00_00 }),
            SecurityStates::NON_SECURE => Ok(Self { row: 0b0_0_01_00 }),
            SecurityStates::SECURE => Ok(Self { row: 0b0_0_10_00 }),
            _ => Err(ScopeError { levels: ExceptionLevels::EL0.union(ExceptionLevels::EL1), states }),
        }
    }

    const fn from_row(row: u8) -> Option<Self> {
        Self::from_fields(
            row & 0b100000 != 0,
            row & 0b010000 != 0,
            Uint::from_bits(row >> 2),
            Uint::from_bits(row),
        )
    }

    /// Higher mode control, HMC.
    #[must_use]
    pub const fn hmc(self) -> bool {
        self.row & 0b100000 != 0
    }

    /// Security state control extension, SSCE.
    #[must_use]
    pub const fn ssce(self) -> bool {
        self.row & 0b010000 != 0
    }

    /// Security state control, SSC.
    #[must_use]
    pub const fn ssc(self) -> Uint<2> {
        Uint::from_bits(self.row >> 2)
    }

    /// Privilege mode control of a breakpoint, PMC, or privilege of access control of a watchpoint, PAC.
    #[must_use]
    pub const fn privilege(self) -> Uint<2> {
        Uint::from_bits(self.row)
    }

    /// Whether this row exists for breakpoints only: User, System and Supervisor mode of AArch32.
    #[must_use]
    pub const fn is_breakpoint_only(self) -> bool {
        !self.hmc() && self.privilege().get() == 0 && self.ssc().get() != 0b11
    }

    /// Whether the row is not reserved on a core like this (DDI 0487, "Reserved DBGBCR\<n\>_EL1.{SSCE, SSC,
    /// HMC, PMC} values" and the same for watchpoints).
    #[must_use]
    pub const fn is_valid_on(self, core: Implementation) -> bool {
        let (hmc, ssc, privilege) = (self.hmc(), self.ssc().get(), self.privilege().get());
        let names_one_state = ssc == 0b01 || ssc == 0b10;
        let non_secure_el2_alone = hmc && ssc == 0b01 && privilege == 0b00;
        let secure_el2 = !hmc && ssc == 0b11;
        let el2_without_el3 = ssc == 0b11 && privilege & 0b01 != 0;
        !(self.ssce() && !core.realms
            || !core.secure && !hmc && !self.ssce() && ssc != 0b00
            || !core.aarch32_el1 && self.is_breakpoint_only()
            || !core.el3 && !core.el2 && (hmc || ssc != 0b00)
            || !core.el3 && names_one_state && !non_secure_el2_alone
            || !core.el2 && hmc && ssc == 0b11 && privilege == 0b00
            || !core.secure_el2 && (secure_el2 || non_secure_el2_alone || el2_without_el3))
    }

    /// The exception levels that it matches at. For [`Scope::is_breakpoint_only`] rows, EL1 and EL0, of
    /// which only the modes named there match.
    #[must_use]
    pub const fn exception_levels(self) -> ExceptionLevels {
        if self.is_breakpoint_only() {
            return ExceptionLevels::EL0.union(ExceptionLevels::EL1);
        }
        let mut levels = 0;
        if self.privilege().get() & 0b10 != 0 {
            levels |= ExceptionLevels::EL0.0;
        }
        if self.privilege().get() & 0b01 != 0 {
            levels |= ExceptionLevels::EL1.0;
        }
        let el3_alone = self.ssc().get() == 0b10 && self.privilege().get() == 0b00;
        if self.hmc() && !el3_alone || self.ssc().get() == 0b11 {
            levels |= ExceptionLevels::EL2.0;
        }
        if self.hmc() && self.ssc().get() & 1 == 0 {
            levels |= ExceptionLevels::EL3.0;
        }
        ExceptionLevels(levels)
    }

    /// The security states that it matches in.
    #[must_use]
    pub const fn security_states(self) -> SecurityStates {
        use SecurityStates as S;
        match (self.ssce(), self.ssc().get()) {
            (true, _) => S::REALM,
            (false, 0b00) if self.hmc() => S::ALL,
            (false, 0b00) => S::NOT_ROOT,
            (false, 0b01) => S::NON_SECURE,
            (false, 0b10) if self.hmc() => S::SECURE.union(S::ROOT),
            (false, 0b10) => S::SECURE,
            (false, _) if self.hmc() => S::NOT_ROOT,
            (false, _) => S::SECURE,
        }
    }

    /// `register` with HMC, SSCE, SSC and PMC of this scope.
    #[must_use]
    pub const fn in_dbgbcr(self, register: Dbgbcr) -> Dbgbcr {
        register.with_hmc(self.hmc()).with_ssce(self.ssce()).with_ssc(self.ssc()).with_pmc(self.privilege())
    }

    /// `register` with HMC, SSCE, SSC and PAC of this scope.
    #[must_use]
    pub const fn in_dbgwcr(self, register: Dbgwcr) -> Dbgwcr {
        register.with_hmc(self.hmc()).with_ssce(self.ssce()).with_ssc(self.ssc()).with_pac(self.privilege())
    }

    /// The scope of a breakpoint control register, or `None` for a reserved combination.
    #[must_use]
    pub const fn from_dbgbcr(register: Dbgbcr) -> Option<Self> {
        Self::from_fields(register.hmc(), register.ssce(), register.ssc(), register.pmc())
    }

    /// The scope of a watchpoint control register, or `None` for a reserved combination.
    #[must_use]
    pub const fn from_dbgwcr(register: Dbgwcr) -> Option<Self> {
        match Self::from_fields(register.hmc(), register.ssce(), register.ssc(), register.pac()) {
            Some(scope) if !scope.is_breakpoint_only() => Some(scope),
            _ => None,
        }
    }
}

/// The (exception level, security state) pairs that exist, of all of `levels` × `states`: bit 4 × level +
/// state. EL3 is in Root or Secure state, whichever the core has, and so has one bit; EL2, EL1 and EL0
/// are never in Root state.
const fn cells(levels: ExceptionLevels, states: SecurityStates) -> u16 {
    let lower_states = (states.0 & SecurityStates::NOT_ROOT.0) as u16;
    let mut cells = 0;
    let mut level = 0;
    while level < 3 {
        if levels.0 & 1 << level != 0 {
            cells |= lower_states << (4 * level);
        }
        level += 1;
    }
    let el3_states = SecurityStates::SECURE.0 | SecurityStates::ROOT.0;
    if levels.contains(ExceptionLevels::EL3) && states.0 & el3_states != 0 {
        cells |= 1 << 12;
    }
    cells
}

/// Whether each level and each state that was asked for appears in `cells`.
const fn covers(cells: u16, levels: ExceptionLevels, states: SecurityStates) -> bool {
    if cells == 0 {
        return false;
    }
    let mut level = 0;
    while level < 4 {
        if levels.0 & 1 << level != 0 && cells >> (4 * level) & 0xf == 0 {
            return false;
        }
        level += 1;
    }
    // Root has no other level than EL3; all others have some lower level, or EL3 stands for Secure.
    let lower = (cells | cells >> 4 | cells >> 8) as u8 & 0xf;
    let mut found = lower;
    if cells & 1 << 12 != 0 {
        found |= SecurityStates::ROOT.0 | SecurityStates::SECURE.0;
    }
    // Without EL3, "all states" means all that the levels can be in.
    if !levels.contains(ExceptionLevels::EL3) && states.0 == SecurityStates::ALL.0 {
        found |= SecurityStates::ROOT.0;
    }
    states.0 & !found == 0
}

/// As "EL0 and EL1" or "EL1 in Realm state".
impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_breakpoint_only() {
            f.write_str("AArch32 User, System and Supervisor mode")?;
        } else {
            self.exception_levels().fmt(f)?;
        }
        match self.security_states() {
            SecurityStates::ALL | SecurityStates::NOT_ROOT => Ok(()),
            states => write!(f, " in {states} state"),
        }
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Scope {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "{}", defmt::Display2Format(self));
    }
}

/// No row of the tables matches at just these exception levels and security states.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ScopeError {
    /// The exception levels asked for.
    pub levels: ExceptionLevels,
    /// The security states asked for.
    pub states: SecurityStates,
}

impl fmt::Display for ScopeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { levels, states } = self;
        write!(f, "no comparator matches at just {levels} in {states} state; add or drop an exception level")
    }
}

impl core::error::Error for ScopeError {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    fn all() -> impl Iterator<Item = Scope> {
        (0..64).filter_map(Scope::from_row)
    }

    #[test]
    fn there_are_29_rows_for_watchpoints_and_3_more_for_breakpoints() {
        assert_eq!(all().filter(|scope| !scope.is_breakpoint_only()).count(), 29);
        assert_eq!(all().count(), 32);
    }

    #[test]
    fn named_scopes_are_rows() {
        for scope in [Scope::EL0, Scope::EL1, Scope::EL1_AND_EL0, Scope::EL2, Scope::ALL] {
            assert!(all().any(|row| row == scope), "{scope}");
        }
    }

    #[test]
    fn every_row_can_be_asked_for_by_what_it_means() {
        for scope in all() {
            let (levels, states) = (scope.exception_levels(), scope.security_states());
            let found = if scope.is_breakpoint_only() {
                let states = if states == SecurityStates::NOT_ROOT { SecurityStates::ALL } else { states };
                Scope::user_system_supervisor(states)
            } else {
                Scope::new(levels, states)
            };
            assert_eq!(found, Ok(scope), "{scope}");
        }
    }

    #[test]
    fn what_no_row_says_is_refused() {
        use ExceptionLevels as L;
        use SecurityStates as S;
        for (levels, states) in [
            (L::EL2.union(L::EL0), S::ALL),
            (L::EL3.union(L::EL1), S::ALL),
            (L::EL3.union(L::EL2), S::ALL),
            (L::EL1, S::NON_SECURE.union(S::SECURE)),
            (L::EL1, S::ROOT),
            (L::EL1, S::NON_SECURE.union(S::ROOT)),
            (L::EL3, S::NON_SECURE),
            (L::EL3.union(L::EL2).union(L::EL1), S::NON_SECURE),
            (L::EL2.union(L::EL0), S::SECURE),
            (L(0), S::ALL),
            (L::EL1, S(0)),
        ] {
            assert_eq!(Scope::new(levels, states), Err(ScopeError { levels, states }), "{levels} {states}");
        }
        assert!(Scope::user_system_supervisor(SecurityStates::REALM).is_err());
    }

    #[test]
    fn registers_give_the_scope_back() {
        for scope in all() {
            assert_eq!(Scope::from_dbgbcr(scope.in_dbgbcr(Dbgbcr::new())), Some(scope));
            let watchpoint = Scope::from_dbgwcr(scope.in_dbgwcr(Dbgwcr::new()));
            assert_eq!(watchpoint, (!scope.is_breakpoint_only()).then_some(scope));
        }
    }

    #[test]
    fn scopes_read_as_words() {
        for (scope, words) in [
            (Scope::EL1_AND_EL0, "EL0 and EL1"),
            (Scope::ALL, "EL0, EL1, EL2 and EL3"),
            (Scope::from_row(0b0_1_01_01).unwrap(), "EL1 in Realm state"),
            (Scope::from_row(0b1_0_10_00).unwrap(), "EL3 in Secure and Root state"),
            (
                Scope::from_row(0b0_0_01_00).unwrap(),
                "AArch32 User, System and Supervisor mode in Non-secure state",
            ),
        ] {
            assert_eq!(scope.to_string(), words);
        }
        assert_eq!(
            Scope::new(ExceptionLevels::EL3, SecurityStates::REALM).unwrap_err().to_string(),
            "no comparator matches at just EL3 in Realm state; add or drop an exception level"
        );
    }
}
