//! Comparators as a backend programs them: pairs of a control and a value register, a core's whole
//! bank of them, and how many there are.

/// One comparator's registers: `DBGBCR<n>_EL1`/`DBGBVR<n>_EL1` or `DBGWCR<n>_EL1`/`DBGWVR<n>_EL1`.
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
    /// Whether address mismatch breakpoints exist (FEAT_BWE).
    pub mismatch: bool,
    /// Bytes that one `DC ZVA` writes (`DCZID_EL0`): how far the reported address of a watchpoint may lie
    /// from the watched bytes. 0 where it is not known; then the largest block that there is, 2048, counts.
    pub zeroing_block: u16,
}
