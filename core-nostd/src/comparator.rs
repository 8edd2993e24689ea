//! Comparators as a backend programs them: pairs of a control and a value register, a core's whole
//! bank of them, and how many there are.

use crate::m_profile::Units;
use crate::registers::{Eddfr, IdAa64dfr0El1, IdAa64dfr1El1, IdAa64dfr2El1};

/// One comparator's registers: `DBGBCR<n>_EL1`/`DBGBVR<n>_EL1` or `DBGWCR<n>_EL1`/`DBGWVR<n>_EL1`; of an M-profile
/// core what [`WatchRegisters`](crate::m_profile::WatchRegisters) and
/// [`breakpoint_comparator`](crate::m_profile::breakpoint_comparator) read.
///
/// 64 bits each: the external view of the control register is that wide, and so is KVM's.
/// The default pair is disabled.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Pair {
    /// The control register.
    pub control: u64,
    /// The value register.
    pub value: u64,
}

impl Pair {
    /// A comparator that never matches.
    pub const DISABLED: Self = Self { control: 0, value: 0 };

    /// Whether the enable bit, E, is set.
    #[must_use]
    pub const fn is_enabled(self) -> bool {
        self.control & 1 != 0
    }
}

/// The most breakpoint or watchpoint pairs that a core's bank has without FEAT_Debugv8p9 banking, and
/// that `KVM_SET_GUEST_DEBUG` takes.
pub const MAX_PAIRS: usize = 16;

/// All pairs of one core, as they are to stand in the hardware. The default bank is all disabled.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Bank {
    /// Breakpoint pairs by number.
    pub breakpoints: [Pair; MAX_PAIRS],
    /// Watchpoint pairs by number.
    pub watchpoints: [Pair; MAX_PAIRS],
}

impl Bank {
    /// Whether no pair is enabled.
    #[must_use]
    pub fn is_disarmed(&self) -> bool {
        !self.breakpoints.iter().chain(&self.watchpoints).any(|pair| pair.is_enabled())
    }
}

/// What a core's debug hardware offers to the debugger.
///
/// From `ID_AA64DFR0_EL1` at EL2, from `EDDFR` on a board, from `KVM_CAP_GUEST_DEBUG_HW_BPS` and
/// `_HW_WPS` for a KVM guest.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Capabilities {
    /// Breakpoint comparators, at most [`MAX_PAIRS`].
    pub breakpoints: u8,
    /// How many of them, the highest-numbered ones, can match a context.
    pub context_aware: u8,
    /// Watchpoint comparators, at most [`MAX_PAIRS`].
    pub watchpoints: u8,
    /// Whether there are breakpoints on ranges of addresses, and on all but a range (FEAT_BWE).
    pub mismatch: bool,
    /// Whether there are watchpoints on all but a range (FEAT_BWE2).
    pub watchpoint_mismatch: bool,
    /// Which breakpoint comparators watchpoints can link to for an address, bit n for number n (FEAT_ABLE).
    pub address_linking: u16,
    /// Bytes that one `DC ZVA` writes (`DCZID_EL0`): how far the reported address of a watchpoint may lie
    /// from the watched bytes. 0 where it is not known; then the largest block that there is, 2048, counts.
    pub zeroing_block: u16,
    /// The units of an M-profile core, whose comparators encode and match otherwise; `None` for the A profile.
    pub m_profile: Option<Units>,
}

impl Capabilities {
    /// No comparator at all: the default.
    pub const NONE: Self = Self {
        breakpoints: 0,
        context_aware: 0,
        watchpoints: 0,
        mismatch: false,
        watchpoint_mismatch: false,
        address_linking: 0,
        zeroing_block: 0,
        m_profile: None,
    };

    /// What a core's ID registers say, [`MAX_PAIRS`] of each kind at most: those above are in other banks
    /// (FEAT_Debugv8p9).
    ///
    /// A core that does not know the later registers reads them as 0. Where only some breakpoints support
    /// address linking, no register says which: [`Capabilities::with_address_linking`] is for who finds out.
    #[must_use]
    pub const fn from_id_registers(dfr0: IdAa64dfr0El1, dfr1: IdAa64dfr1El1, dfr2: IdAa64dfr2El1) -> Self {
        Self {
            breakpoints: count(dfr0.brps().get(), dfr1.brps()),
            context_aware: count(dfr0.ctx_cmps().get(), dfr1.ctx_cmps()),
            watchpoints: count(dfr0.wrps().get(), dfr1.wrps()),
            // FEAT_ABLE may come with mismatches as well, but does not say so.
            mismatch: dfr2.bwe().get() >= 1,
            watchpoint_mismatch: dfr2.bwe().get() >= 2,
            address_linking: if all_link_addresses(dfr0, dfr1) { u16::MAX } else { 0 },
            zeroing_block: 0,
            m_profile: None,
        }
    }

    /// With the breakpoints that support address linking, bit n for number n: those whose BT2 keeps a 1
    /// that is written to it, which is RES0 in the others.
    #[must_use]
    pub const fn with_address_linking(self, breakpoints: u16) -> Self {
        Self { address_linking: breakpoints, ..self }
    }

    /// What a core's external registers say: `EDDFR`, and `EDDFR1` and `EDDFR2`, which have the layouts of
    /// the ID registers.
    #[must_use]
    pub const fn from_eddfr(eddfr: Eddfr, eddfr1: IdAa64dfr1El1, eddfr2: IdAa64dfr2El1) -> Self {
        let dfr0 = IdAa64dfr0El1::new()
            .with_brps(eddfr.brps())
            .with_ctx_cmps(eddfr.ctx_cmps())
            .with_wrps(eddfr.wrps());
        Self::from_id_registers(dfr0, eddfr1, eddfr2)
    }

    /// The size in bytes of the aligned block that holds the address recorded for a watchpoint and a watched
    /// byte that was accessed (DDI 0487, "Fault address information"): as much as `DC ZVA` writes, or, where
    /// the syndrome says that the address is not precise (FnP), the smallest translation granule, of which
    /// no register that this crate reads tells more than that it has at most 64 KiB.
    #[must_use]
    pub const fn recorded_block(&self, precise: bool) -> u64 {
        match (precise, self.zeroing_block) {
            (false, _) => 1 << 16,
            (true, 0) => 2048,
            (true, block) => block as u64,
        }
    }

    /// With the block that `DC ZVA` writes as `DCZID_EL0` says: 4 << BS, bits \[3:0\], bytes.
    #[must_use]
    pub const fn with_dczid(self, dczid: u64) -> Self {
        let exponent = dczid & 0xf;
        // Above 9, 2 KiB, BS is reserved.
        Self { zeroing_block: 4 << (if exponent > 9 { 9 } else { exponent }), ..self }
    }
}

/// Whether every breakpoint supports address linking.
const fn all_link_addresses(dfr0: IdAa64dfr0El1, dfr1: IdAa64dfr1El1) -> bool {
    let last = if dfr1.brps() == 0 { dfr0.brps().get() } else { dfr1.brps() };
    dfr1.able().get() >= 1 && dfr1.abl_cmps() >= last
}

/// The number of comparators in the first bank: a field of the first ID register holds it minus 1, unless a
/// field of the second does.
const fn count(field: u8, wide_field: u8) -> u8 {
    let last = if wide_field == 0 { field } else { wide_field };
    if last as usize >= MAX_PAIRS { MAX_PAIRS as u8 } else { last + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_registers_give_the_counts_plus_one() {
        // A Cortex-A57, and what QEMU's `max` has.
        let dfr0 = IdAa64dfr0El1::from_bits(0x1030_5106);
        let none = (IdAa64dfr1El1::new(), IdAa64dfr2El1::new());
        let capabilities = Capabilities::from_id_registers(dfr0, none.0, none.1);
        let expected =
            Capabilities { breakpoints: 6, context_aware: 2, watchpoints: 4, ..Capabilities::default() };
        assert_eq!(capabilities, expected);
        let eddfr = Eddfr::from_bits(0x1030_5106);
        assert_eq!(Capabilities::from_eddfr(eddfr, none.0, none.1), expected);
    }

    #[test]
    fn more_pairs_than_a_bank_has_are_not_counted() {
        let dfr0 = IdAa64dfr0El1::from_bits(0xf0f0_f00b);
        for (dfr1, context_aware) in [(0x3f_3f_3f_00, 16), (0x0f_3f_3f_00, 16), (0x03_1f_1f_00, 4)] {
            let dfr1 = IdAa64dfr1El1::from_bits(dfr1);
            let capabilities = Capabilities::from_id_registers(dfr0, dfr1, IdAa64dfr2El1::new());
            assert_eq!((capabilities.breakpoints, capabilities.watchpoints), (16, 16));
            assert_eq!(capabilities.context_aware, context_aware);
        }
    }

    #[test]
    fn mismatches_are_keyed_on_bwe_alone() {
        for (able, bwe, mismatch) in [(0, 0, false), (1, 0, false), (0, 1, true), (1, 2, true)] {
            let dfr1 = IdAa64dfr1El1::from_bits(able << 40);
            let dfr2 = IdAa64dfr2El1::from_bits(bwe << 4);
            let capabilities = Capabilities::from_id_registers(IdAa64dfr0El1::new(), dfr1, dfr2);
            assert_eq!(capabilities.mismatch, mismatch, "ABLE {able}, BWE {bwe}");
            assert_eq!(capabilities.watchpoint_mismatch, bwe == 2, "ABLE {able}, BWE {bwe}");
        }
    }

    #[test]
    fn address_linking_is_known_where_all_breakpoints_have_it() {
        let dfr0 = IdAa64dfr0El1::from_bits(0x1030_5006);
        for (able, abl_cmps, pairs) in [(0, 5, 0), (1, 3, 0), (1, 5, u16::MAX)] {
            let dfr1 = IdAa64dfr1El1::from_bits(abl_cmps << 56 | able << 40);
            let capabilities = Capabilities::from_id_registers(dfr0, dfr1, IdAa64dfr2El1::new());
            assert_eq!(capabilities.address_linking, pairs, "ABLE {able}, ABL_CMPs {abl_cmps}");
            assert_eq!(capabilities.with_address_linking(0b11).address_linking, 0b11);
        }
        assert_eq!(Capabilities::NONE, Capabilities::default());
    }

    #[test]
    fn the_zeroing_block_is_a_power_of_two_of_words() {
        for (dczid, bytes) in [(4, 64), (0x14, 64), (0, 4), (9, 2048), (15, 2048)] {
            let capabilities = Capabilities::NONE.with_dczid(dczid);
            assert_eq!(capabilities.zeroing_block, bytes, "{dczid:#x}");
            assert_eq!(capabilities.recorded_block(true), u64::from(bytes), "{dczid:#x}");
        }
        assert_eq!(Capabilities::NONE.recorded_block(true), 2048);
        assert_eq!(Capabilities::NONE.recorded_block(false), 65536);
    }
}
