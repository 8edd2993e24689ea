//! `TTBR0_EL1` and `TTBR1_EL1`.

use bitfield_struct::bitfield;

/// A translation table base register (DDI 0487, "TTBR0_EL1, Translation Table Base Register 0 (EL1)"),
/// with 64-bit descriptors.
#[bitfield(u64, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq, Hash)]
pub struct Ttbr {
    /// CnP, bit \[0\]: the tables are common to all cores of the domain.
    pub cnp: bool,
    /// BADDR\[47:1\], bits \[47:1\]: the base address shifted right by 1; with 52-bit addresses bits
    /// \[5:2\] of the register are bits \[51:48\] of the base. [`Ttbr::base`] and [`Ttbr::base_52`] have
    /// it as an address.
    #[bits(47, access = RO)]
    pub baddr: u64,
    /// ASID, bits \[63:48\]: address space identifier.
    pub asid: u16,
}

impl Ttbr {
    /// The base address where it has 48 bits, before it is aligned to the size of the table.
    #[must_use]
    pub const fn base(self) -> u64 {
        self.baddr() << 1
    }

    /// The base address where it has 52 bits: the register's bits \[5:2\] are its bits \[51:48\], and its
    /// bits \[5:0\] are 0.
    #[must_use]
    pub const fn base_52(self) -> u64 {
        let base = self.base();
        base & !0x3f | (base >> 2 & 0xf) << 48
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_address_leaves_out_asid_and_cnp() {
        let ttbr = Ttbr::from_bits(0xabcd_1234_5678_9ffd);
        assert!(ttbr.cnp());
        assert_eq!(ttbr.asid(), 0xabcd);
        assert_eq!(ttbr.base(), 0x1234_5678_9ffc);
        assert_eq!(ttbr.base_52(), 0xf_1234_5678_9fc0);
    }
}
