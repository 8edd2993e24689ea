//! `OSLSR_EL1`.

use bitfield_struct::bitfield;

/// `OSLSR_EL1`, OS Lock Status Register (DDI 0487, "OSLSR_EL1, OS Lock Status Register"). Read-only.
#[bitfield(u64, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq, Hash)]
pub struct OslsrEl1 {
    /// OS Lock model, low bit: bit \[0\], 0.
    pub oslm0: bool,
    /// OS Lock status: bit \[1\], whether it is locked.
    pub oslk: bool,
    /// Not 32-bit access: bit \[2\], 0.
    pub ntt: bool,
    /// OS Lock model, high bit: bit \[3\], whether the OS Lock is implemented.
    pub oslm1: bool,
    #[bits(60)]
    __: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_where_the_manual_says() {
        for (register, bit) in [
            (OslsrEl1::new().with_oslm0(true), 0),
            (OslsrEl1::new().with_oslk(true), 1),
            (OslsrEl1::new().with_ntt(true), 2),
            (OslsrEl1::new().with_oslm1(true), 3),
        ] {
            assert_eq!(register.into_bits(), 1 << bit, "{register:?}");
        }
    }
}
