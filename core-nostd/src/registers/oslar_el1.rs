//! `OSLAR_EL1`.

use bitfield_struct::bitfield;

/// `OSLAR_EL1`, OS Lock Access Register (DDI 0487, "OSLAR_EL1, OS Lock Access Register"). Write-only.
///
/// While the OS Lock is locked no debug exception is generated and the external debugger cannot reach
/// most registers. It is locked after a Cold reset.
#[bitfield(u64, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq, Hash)]
pub struct OslarEl1 {
    /// OS Lock: bit \[0\], 1 locks and 0 unlocks it.
    pub oslk: bool,
    #[bits(63)]
    __: u64,
}

impl OslarEl1 {
    /// Offset of the external register, 32 bits wide, in the debug registers.
    pub const EXTERNAL_OFFSET: u16 = 0x300;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_where_the_manual_says() {
        assert_eq!(OslarEl1::new().with_oslk(true).into_bits(), 1);
    }
}
