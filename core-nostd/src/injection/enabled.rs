//! Whether EL1 takes exceptions of its own comparators at all.

use crate::registers::{ExceptionLevel, MdscrEl1, OslsrEl1, Pstate};

/// What a guest has set that decides whether its breakpoints and watchpoints make exceptions.
///
/// Exceptions that are routed to a debugger at EL2 come whatever of it says "no" to those that EL1 takes
/// from itself, so such a debugger must look before it gives one back.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct DebugControls {
    /// `MDSCR_EL1`; an EL1 that uses AArch32 has its `DBGDSCRext` there.
    pub mdscr_el1: MdscrEl1,
    /// `OSLSR_EL1`.
    pub oslsr_el1: OslsrEl1,
    /// Whether EL1 uses AArch32.
    pub el1_uses_aarch32: bool,
}

impl DebugControls {
    /// Whether breakpoints and watchpoints make exceptions to EL1 in this state of EL0 or EL1 (DDI 0487,
    /// `AArch64.GenerateDebugExceptionsFrom`, `AArch32.GenerateDebugExceptionsFrom`, and
    /// `MDSCR_EL1.MDE`).
    ///
    /// From EL0 they do, and from an EL1 that uses AArch32. Within AArch64's EL1 it takes
    /// `MDSCR_EL1.KDE` and a clear `PSTATE.D`. The OS Lock prevents all.
    #[must_use]
    pub const fn enable_comparators(self, pstate: Pstate) -> bool {
        if !self.mdscr_el1.mde() || self.oslsr_el1.oslk() {
            return false;
        }
        self.el1_uses_aarch32
            || matches!(pstate.exception_level(), ExceptionLevel::El0)
            || (self.mdscr_el1.kde() && !pstate.d())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the pseudocode, for non-secure EL1&0 without EL2's routing.
    fn oracle(el0: bool, aarch32: bool, mde: bool, kde: bool, locked: bool, masked: bool) -> bool {
        mde && !locked && if el0 || aarch32 { true } else { kde && !masked }
    }

    #[test]
    fn comparators_make_exceptions_exactly_where_the_pseudocode_says() {
        for bits in 0..64_u32 {
            let bit = |number: u32| bits >> number & 1 != 0;
            let (el0, aarch32, mde) = (bit(0), bit(1), bit(2));
            let (kde, locked, masked) = (bit(3), bit(4), bit(5));
            let mode = match (el0, aarch32) {
                (true, false) => 0b0_0000,
                (false, false) => 0b0_0101,
                (true, true) => 0b1_0000,
                (false, true) => 0b1_0011,
            };
            // Bit 9 is PSTATE.D, and CPSR.E, which is no mask, in AArch32.
            let pstate = Pstate::from(mode | u64::from(masked) << 9);
            let controls = DebugControls {
                mdscr_el1: MdscrEl1::new().with_mde(mde).with_kde(kde),
                oslsr_el1: OslsrEl1::new().with_oslk(locked),
                el1_uses_aarch32: aarch32,
            };
            let expected = oracle(el0, aarch32, mde, kde, locked, masked);
            assert_eq!(controls.enable_comparators(pstate), expected, "{controls:?} {pstate:?}");
        }
    }

    #[test]
    fn an_aarch32_process_under_an_aarch64_kernel_is_at_el0() {
        let mdscr_el1 = MdscrEl1::new().with_mde(true);
        let controls = DebugControls { mdscr_el1, ..DebugControls::default() };
        assert!(controls.enable_comparators(Pstate::from(0b1_0000 | 1 << 9)));
        assert!(!controls.enable_comparators(Pstate::from(0b0_0101)));
    }
}
