//! `DBGWVR<n>_EL1`.

use crate::address::untag;

/// `DBGWVR<n>_EL1`, Debug Watchpoint Value Register (DDI 0487, "DBGWVR\<n\>_EL1, Debug Watchpoint Value
/// Registers"): a data address.
///
/// The external register is at 0x800 + 16 × n of the debug registers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(transparent)]
pub struct Dbgwvr(u64);

impl Dbgwvr {
    /// The doubleword that holds `address`: VA, bits \[56:3\], without its tag and sign-extended from bit
    /// 55 into RESS, bits \[63:57\]. Bit 2 is 0; Arm deprecates setting it.
    #[must_use]
    pub const fn from_address(address: u64) -> Self {
        Self(untag(address) & !0b111)
    }

    /// The data address: bits \[63:2\].
    #[must_use]
    pub const fn address(self) -> u64 {
        self.0 & !0b11
    }

    /// The register with these bits.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The register's bits.
    #[must_use]
    pub const fn into_bits(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_loses_its_tag_and_its_place_in_the_doubleword() {
        assert_eq!(Dbgwvr::from_address(0x5a00_0000_4000_0107).into_bits(), 0x4000_0100);
        assert_eq!(Dbgwvr::from_address(0x5aff_8000_1000_400c).into_bits(), 0xffff_8000_1000_4008);
        assert_eq!(Dbgwvr::from_bits(0x1006).address(), 0x1004);
    }
}
