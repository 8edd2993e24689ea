//! `EDWAR`.

/// `EDWAR`, External Debug Watchpoint Address Register (DDI 0487, "EDWAR, External Debug Watchpoint
/// Address Register"): the data address of the access that a watchpoint matched. It means something in
/// Debug state after a watchpoint only, and lies near the watched bytes as `FAR_ELx` does after a
/// Watchpoint exception.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Edwar(pub u64);

impl Edwar {
    /// Offset of bits \[31:0\] in the debug registers.
    pub const LOW_OFFSET: u16 = 0x030;
    /// Offset of bits \[63:32\] in the debug registers.
    pub const HIGH_OFFSET: u16 = 0x034;

    /// The register from its two words.
    #[must_use]
    pub const fn from_words(low: u32, high: u32) -> Self {
        Self((high as u64) << 32 | low as u64)
    }
}
