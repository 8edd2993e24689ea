//! `DBGWCR<n>_EL1`.

use bitfield_struct::bitfield;

use super::Uint;

/// `DBGWCR<n>_EL1`, Debug Watchpoint Control Register (DDI 0487, "DBGWCR\<n\>_EL1, Debug Watchpoint
/// Control Registers").
///
/// The external register, at 0x808 + 16 × n of the debug registers, has the same layout.
#[bitfield(u64, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq, Hash)]
pub struct Dbgwcr {
    /// Enable: bit \[0\]. Where it is 0, all other fields are ignored.
    pub e: bool,
    /// Privilege of access control: bits \[2:1\]. Means something together with HMC, SSCE and SSC only;
    /// see [`crate::scope::Scope`].
    #[bits(2)]
    pub pac: Uint<2>,
    /// Load/store control: bits \[4:3\].
    #[bits(2)]
    pub lsc: LoadStoreControl,
    /// Byte address select: bits \[12:5\]. Bit n selects the byte at `DBGWVR<n>_EL1` + n; the set bits
    /// must be contiguous, and all must be set where MASK is not 0.
    #[bits(8)]
    pub bas: u8,
    /// Higher mode control: bit \[13\].
    pub hmc: bool,
    /// Security state control: bits \[15:14\].
    #[bits(2)]
    pub ssc: Uint<2>,
    /// Linked breakpoint number: bits \[19:16\], the low bits of it.
    #[bits(4)]
    pub lbn: Uint<4>,
    /// Watchpoint type: bit \[20\], linked to the breakpoint in LBN.
    pub wt: bool,
    #[bits(1)]
    __: u8,
    /// Watchpoint type 2: bit \[22\], address mismatch. With FEAT_BWE2; else RES0.
    pub wt2: bool,
    #[bits(1)]
    __: u8,
    /// Address mask: bits \[28:24\], the number of address bits left out of the comparison. 0, or 3 to 31;
    /// 1 and 2 are reserved.
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

impl Dbgwcr {
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

/// `DBGWCR<n>_EL1.LSC`, which accesses a watchpoint matches.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum LoadStoreControl {
    /// 0b00: reserved; the watchpoint never matches.
    Reserved = 0b00,
    /// 0b01: loads.
    Load = 0b01,
    /// 0b10: stores.
    Store = 0b10,
    /// 0b11: loads and stores.
    LoadStore = 0b11,
}

impl LoadStoreControl {
    /// The control whose number is the low two bits of `bits`.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        match bits & 0b11 {
            0b00 => Self::Reserved,
            0b01 => Self::Load,
            0b10 => Self::Store,
            _ => Self::LoadStore,
        }
    }

    /// The number, 0 to 3.
    #[must_use]
    pub const fn into_bits(self) -> u8 {
        self as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_load_store_control_keeps_its_number() {
        for bits in 0..4 {
            let register = Dbgwcr::new().with_lsc(LoadStoreControl::from_bits(bits));
            assert_eq!(register.into_bits(), u64::from(bits) << 3);
            assert_eq!(register.lsc().into_bits(), bits);
        }
    }

    #[test]
    fn fields_stand_where_the_manual_says() {
        for (register, bits) in [
            (Dbgwcr::new().with_e(true), 1),
            (Dbgwcr::new().with_pac(Uint::MAX), 0b11 << 1),
            (Dbgwcr::new().with_bas(0xff), 0xff << 5),
            (Dbgwcr::new().with_hmc(true), 1 << 13),
            (Dbgwcr::new().with_ssc(Uint::MAX), 0b11 << 14),
            (Dbgwcr::new().with_lbn(Uint::MAX), 0xf << 16),
            (Dbgwcr::new().with_wt(true), 1 << 20),
            (Dbgwcr::new().with_wt2(true), 1 << 22),
            (Dbgwcr::new().with_mask(Uint::MAX), 0x1f << 24),
            (Dbgwcr::new().with_ssce(true), 1 << 29),
            (Dbgwcr::new().with_lbnx(Uint::MAX), 0b11 << 30),
            (Dbgwcr::new().with_linked_number(Uint::from_bits(0x2b)), 0b10 << 30 | 0xb << 16),
        ] {
            assert_eq!(register.into_bits(), bits, "{register:?}");
        }
    }
}
