//! `DBGBCR<n>_EL1`.

use bitfield_struct::bitfield;

use super::Uint;

/// `DBGBCR<n>_EL1`, Debug Breakpoint Control Register (DDI 0487, "DBGBCR\<n\>_EL1, Debug Breakpoint
/// Control Registers").
///
/// The external register, at 0x408 + 16 × n of the debug registers, has the same layout.
#[bitfield(u64, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq, Hash)]
pub struct Dbgbcr {
    /// Enable: bit \[0\]. Where it is 0, all other fields are ignored.
    pub e: bool,
    /// Privilege mode control: bits \[2:1\]. Means something together with HMC, SSCE and SSC only; see
    /// [`crate::scope::Scope`].
    #[bits(2)]
    pub pmc: Uint<2>,
    /// Breakpoint type 2: bit \[3\]. With FEAT_ABLE, enables linking of an address breakpoint; else RES0.
    pub bt2: bool,
    #[bits(1)]
    __: u8,
    /// Byte address select: bits \[8:5\]. 0b1111 for A64 and A32, 0b0011 or 0b1100 for T32; RES1 where
    /// the core has no AArch32, and for context breakpoints.
    #[bits(4)]
    pub bas: Uint<4>,
    #[bits(4)]
    __: u8,
    /// Higher mode control: bit \[13\].
    pub hmc: bool,
    /// Security state control: bits \[15:14\].
    #[bits(2)]
    pub ssc: Uint<2>,
    /// Linked breakpoint number: bits \[19:16\], the low bits of it.
    #[bits(4)]
    pub lbn: Uint<4>,
    /// Breakpoint type: bits \[23:20\].
    #[bits(4)]
    pub bt: BreakpointType,
    /// Address mask: bits \[28:24\], the number of address bits left out of the comparison. 0, or with
    /// FEAT_BWE 3 to 31; 1 and 2 are reserved.
    #[bits(5)]
    pub mask: Uint<5>,
    /// Security state control extension: bit \[29\]. With FEAT_RME; else RES0.
    pub ssce: bool,
    /// Linked breakpoint number, extension: bits \[31:30\], the high bits of it. With FEAT_Debugv8p9;
    /// else RES0.
    #[bits(2)]
    pub lbnx: Uint<2>,
    #[bits(32)]
    __: u32,
}

impl Dbgbcr {
    /// The linked breakpoint number, LBNX:LBN.
    #[must_use]
    pub const fn linked_number(self) -> Uint<6> {
        Uint::from_bits(self.lbnx().get() << 4 | self.lbn().get())
    }

    /// With `number` in LBNX:LBN.
    #[must_use]
    pub const fn with_linked_number(self, number: Uint<6>) -> Self {
        self.with_lbnx(Uint::from_bits(number.get() >> 4)).with_lbn(Uint::from_bits(number.get()))
    }
}

/// `DBGBCR<n>_EL1.BT`, what a breakpoint compares.
///
/// A `Linked…` address breakpoint names another breakpoint in LBN that must match as well. The other
/// `Linked…` types are what it can name: they have linking enabled, and never match on their own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum BreakpointType {
    /// 0b0000: instruction address match.
    AddressMatch = 0b0000,
    /// 0b0001: instruction address match, linked.
    LinkedAddressMatch = 0b0001,
    /// 0b0010: `CONTEXTIDR_EL1`, or `CONTEXTIDR_EL2` where HCR_EL2.E2H makes it the current one.
    ContextIdMatch = 0b0010,
    /// 0b0011: as 0b0010, linking enabled.
    LinkedContextIdMatch = 0b0011,
    /// 0b0100: instruction address mismatch. FEAT_BWE.
    AddressMismatch = 0b0100,
    /// 0b0101: instruction address mismatch, linked. FEAT_BWE.
    LinkedAddressMismatch = 0b0101,
    /// 0b0110: `CONTEXTIDR_EL1`. FEAT_Debugv8p1 (FEAT_VHE) and EL2.
    ContextIdEl1Match = 0b0110,
    /// 0b0111: as 0b0110, linking enabled.
    LinkedContextIdEl1Match = 0b0111,
    /// 0b1000: `VTTBR_EL2.VMID`. EL2.
    VmidMatch = 0b1000,
    /// 0b1001: as 0b1000, linking enabled.
    LinkedVmidMatch = 0b1001,
    /// 0b1010: `VTTBR_EL2.VMID` and `CONTEXTIDR_EL1`. EL2.
    VmidAndContextIdMatch = 0b1010,
    /// 0b1011: as 0b1010, linking enabled.
    LinkedVmidAndContextIdMatch = 0b1011,
    /// 0b1100: `CONTEXTIDR_EL2`. FEAT_Debugv8p1 and EL2.
    ContextIdEl2Match = 0b1100,
    /// 0b1101: as 0b1100, linking enabled.
    LinkedContextIdEl2Match = 0b1101,
    /// 0b1110: `CONTEXTIDR_EL1` and `CONTEXTIDR_EL2`. FEAT_Debugv8p1 and EL2.
    FullContextIdMatch = 0b1110,
    /// 0b1111: as 0b1110, linking enabled.
    LinkedFullContextIdMatch = 0b1111,
}

impl BreakpointType {
    /// The type whose number is the low four bits of `bits`.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        match bits & 0b1111 {
            0b0000 => Self::AddressMatch,
            0b0001 => Self::LinkedAddressMatch,
            0b0010 => Self::ContextIdMatch,
            0b0011 => Self::LinkedContextIdMatch,
            0b0100 => Self::AddressMismatch,
            0b0101 => Self::LinkedAddressMismatch,
            0b0110 => Self::ContextIdEl1Match,
            0b0111 => Self::LinkedContextIdEl1Match,
            0b1000 => Self::VmidMatch,
            0b1001 => Self::LinkedVmidMatch,
            0b1010 => Self::VmidAndContextIdMatch,
            0b1011 => Self::LinkedVmidAndContextIdMatch,
            0b1100 => Self::ContextIdEl2Match,
            0b1101 => Self::LinkedContextIdEl2Match,
            0b1110 => Self::FullContextIdMatch,
            _ => Self::LinkedFullContextIdMatch,
        }
    }

    /// The number, 0 to 15.
    #[must_use]
    pub const fn into_bits(self) -> u8 {
        self as u8
    }

    /// Whether the value register holds an instruction address.
    #[must_use]
    pub const fn compares_address(self) -> bool {
        // BT is 0b0x0x.
        self.into_bits() & 0b1010 == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_keeps_its_number() {
        for bits in 0..16 {
            let register = Dbgbcr::new().with_bt(BreakpointType::from_bits(bits));
            assert_eq!(register.into_bits(), u64::from(bits) << 20);
            assert_eq!(register.bt().into_bits(), bits);
        }
    }

    #[test]
    fn fields_stand_where_the_manual_says() {
        for (register, bits) in [
            (Dbgbcr::new().with_e(true), 1),
            (Dbgbcr::new().with_pmc(Uint::MAX), 0b11 << 1),
            (Dbgbcr::new().with_bt2(true), 1 << 3),
            (Dbgbcr::new().with_bas(Uint::MAX), 0xf << 5),
            (Dbgbcr::new().with_hmc(true), 1 << 13),
            (Dbgbcr::new().with_ssc(Uint::MAX), 0b11 << 14),
            (Dbgbcr::new().with_lbn(Uint::MAX), 0xf << 16),
            (Dbgbcr::new().with_mask(Uint::MAX), 0x1f << 24),
            (Dbgbcr::new().with_ssce(true), 1 << 29),
            (Dbgbcr::new().with_lbnx(Uint::MAX), 0b11 << 30),
            (Dbgbcr::new().with_linked_number(Uint::from_bits(0x2b)), 0b10 << 30 | 0xb << 16),
        ] {
            assert_eq!(register.into_bits(), bits, "{register:?}");
        }
        for number in 0..64 {
            let number = Uint::from_bits(number);
            assert_eq!(Dbgbcr::new().with_linked_number(number).linked_number(), number);
        }
    }
}
