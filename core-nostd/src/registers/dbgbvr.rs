//! `DBGBVR<n>_EL1`.

use crate::address::untag;

/// `DBGBVR<n>_EL1`, Debug Breakpoint Value Register (DDI 0487, "DBGBVR\<n\>_EL1, Debug Breakpoint Value
/// Registers"). How it is read depends on `DBGBCR<n>_EL1.BT`.
///
/// The external register is at 0x400 + 16 × n of the debug registers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(transparent)]
pub struct Dbgbvr(u64);

impl Dbgbvr {
    /// An instruction address: VA, bits \[56:2\], without its tag and sign-extended from bit 55 into RESS,
    /// bits \[63:57\].
    #[must_use]
    pub const fn from_address(address: u64) -> Self {
        Self(untag(address) & !0b11)
    }

    /// A context ID, bits \[31:0\].
    #[must_use]
    pub const fn from_context_id(context_id: u32) -> Self {
        Self(context_id as u64)
    }

    /// A VMID, bits \[47:32\], of which hardware compares the low 8 or all 16 bits as VTCR_EL2.VS says.
    #[must_use]
    pub const fn with_vmid(self, vmid: u16) -> Self {
        Self(self.0 & !(0xffff << 32) | (vmid as u64) << 32)
    }

    /// A context ID for `CONTEXTIDR_EL2`, ContextID2, bits \[63:32\].
    #[must_use]
    pub const fn with_context_id2(self, context_id: u32) -> Self {
        Self(self.0 & 0xffff_ffff | (context_id as u64) << 32)
    }

    /// The instruction address: bits \[63:2\].
    #[must_use]
    pub const fn address(self) -> u64 {
        self.0 & !0b11
    }

    /// The context ID: bits \[31:0\].
    #[must_use]
    pub const fn context_id(self) -> u32 {
        self.0 as u32
    }

    /// The VMID: bits \[47:32\].
    #[must_use]
    pub const fn vmid(self) -> u16 {
        (self.0 >> 32) as u16
    }

    /// ContextID2: bits \[63:32\].
    #[must_use]
    pub const fn context_id2(self) -> u32 {
        (self.0 >> 32) as u32
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
    fn an_address_loses_its_tag_and_keeps_its_half() {
        assert_eq!(Dbgbvr::from_address(0x5a00_0000_4000_0106).into_bits(), 0x4000_0104);
        assert_eq!(Dbgbvr::from_address(0x5aff_8000_1000_4000).into_bits(), 0xffff_8000_1000_4000);
    }

    #[test]
    fn contexts_share_the_register_without_touching_each_other() {
        let register = Dbgbvr::from_context_id(0x1234_5678).with_vmid(0xabcd);
        assert_eq!(register.into_bits(), 0x0000_abcd_1234_5678);
        assert_eq!((register.context_id(), register.vmid()), (0x1234_5678, 0xabcd));
        let register = Dbgbvr::from_context_id(7).with_context_id2(u32::MAX);
        assert_eq!(register.into_bits(), 0xffff_ffff_0000_0007);
        assert_eq!((register.context_id(), register.context_id2()), (7, u32::MAX));
    }
}
