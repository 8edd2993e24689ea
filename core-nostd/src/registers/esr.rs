//! `ESR_ELx`, the fields that all classes share.

use bitfield_struct::bitfield;

/// An Exception Syndrome Register (DDI 0487, "ESR_EL1, Exception Syndrome Register (EL1)"; the layout
/// is the same at EL2 and EL3). [`crate::syndrome::Syndrome`] says what it means.
#[bitfield(u64, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq, Hash)]
pub struct Esr {
    /// ISS, bits \[24:0\]: instruction specific syndrome.
    #[bits(25, access = RO)]
    pub iss: u32,
    /// IL, bit \[25\]: the instruction is 32 bits long, or its length does not matter.
    pub il: bool,
    /// EC, bits \[31:26\]: exception class.
    #[bits(6, access = RO)]
    pub ec: u8,
    /// ISS2, bits \[55:32\]: more of the instruction specific syndrome.
    #[bits(24, access = RO)]
    pub iss2: u32,
    __: u8,
}

impl Esr {
    /// The same syndrome with another exception class, of which bits \[5:0\] count.
    #[must_use]
    pub const fn with_ec(self, ec: u8) -> Self {
        Self::from_bits(self.into_bits() & !(0x3f << 26) | (ec as u64 & 0x3f) << 26)
    }

    /// The same syndrome with another ISS, of which bits \[24:0\] count.
    #[must_use]
    pub const fn with_iss(self, iss: u32) -> Self {
        Self::from_bits(self.into_bits() & !0x1ff_ffff | iss as u64 & 0x1ff_ffff)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_have_the_bits_of_the_manual() {
        let esr = Esr::from_bits(0x00ab_cdef_f200_0042);
        assert_eq!((esr.ec(), esr.il(), esr.iss(), esr.iss2()), (0x3c, true, 0x42, 0xab_cdef));
        assert_eq!(esr.with_ec(0x31).into_bits(), 0x00ab_cdef_c600_0042);
        assert_eq!(esr.with_iss(u32::MAX).into_bits(), 0x00ab_cdef_f3ff_ffff);
        assert_eq!(esr.with_il(false).into_bits(), 0x00ab_cdef_f000_0042);
        assert_eq!(Esr::new().with_ec(0xff).ec(), 0x3f);
    }
}
