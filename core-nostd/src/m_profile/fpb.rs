//! Breakpoint comparators: the Flash Patch and Breakpoint unit and the Breakpoint Unit.

use core::fmt;

use bitfield_struct::bitfield;

use crate::registers::Uint;

/// `FP_CTRL`, Flash Patch Control Register (DDI 0403, "FlashPatch Control Register, FP_CTRL"), and
/// `BP_CTRL`, Breakpoint Control Register (DDI 0419), which lacks REV and NUM_LIT.
#[bitfield(u32, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq, Hash)]
pub struct FpCtrl {
    /// Enable: bit \[0\]. A write takes effect with KEY only.
    pub enable: bool,
    /// Key: bit \[1\], to be written as 1.
    pub key: bool,
    #[bits(2)]
    __: u8,
    /// Number of instruction address comparators, low bits of it: bits \[7:4\].
    #[bits(4)]
    pub num_code_low: Uint<4>,
    /// Number of literal address comparators: bits \[11:8\]. They come after the others.
    #[bits(4)]
    pub num_lit: Uint<4>,
    /// Number of instruction address comparators, high bits of it: bits \[14:12\].
    #[bits(3)]
    pub num_code_high: Uint<3>,
    #[bits(13)]
    __: u16,
    /// Revision: bits \[31:28\], 0 for version 1 and 1 for version 2.
    #[bits(4)]
    pub rev: Uint<4>,
}

impl FpCtrl {
    /// Its address.
    pub const ADDRESS: u32 = 0xe000_2000;

    /// What to write to turn the unit on.
    pub const ENABLE: Self = Self::new().with_key(true).with_enable(true);

    /// What to write to turn the unit off.
    pub const DISABLE: Self = Self::new().with_key(true);

    /// Number of instruction address comparators, 0 to 127.
    #[must_use]
    pub const fn num_code(self) -> u8 {
        self.num_code_high().get() << 4 | self.num_code_low().get()
    }

    /// The unit of an Armv7-M or Armv8-M core, or `None` for a revision that is not known. On an Armv6-M
    /// core there is a [`BreakpointUnit::Bpu`] instead, and REV reads as 0.
    #[must_use]
    pub const fn unit(self) -> Option<BreakpointUnit> {
        match self.rev().get() {
            0 => Some(BreakpointUnit::FpbV1),
            1 => Some(BreakpointUnit::FpbV2),
            _ => None,
        }
    }
}

/// Address of the comparator register `FP_COMP<n>` or `BP_COMP<n>`.
#[must_use]
pub const fn comparator_address(n: u8) -> u32 {
    0xe000_2008 + 4 * n as u32
}

/// The unit that compares instruction addresses.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum BreakpointUnit {
    /// Flash Patch and Breakpoint unit, version 1 (Armv7-M): below 0x2000_0000 only.
    FpbV1,
    /// Flash Patch and Breakpoint unit, version 2 (Armv7-M on Cortex-M7, Armv8-M): any address.
    FpbV2,
    /// Breakpoint Unit (Armv6-M): below 0x2000_0000 only.
    Bpu,
}

/// The first address that version 1 comparators cannot hold: the end of the Code region.
const CODE_REGION_END: u32 = 0x2000_0000;

impl BreakpointUnit {
    /// What to write to a comparator register to match the instruction at `address`; 0 disables it.
    ///
    /// # Errors
    /// [`FpbError`].
    pub const fn comparator(self, address: u32) -> Result<u32, FpbError> {
        if address & 1 != 0 {
            return Err(FpbError::Misaligned { address });
        }
        match self {
            Self::FpbV2 => Ok(address | 1),
            Self::FpbV1 | Self::Bpu if address >= CODE_REGION_END => {
                Err(FpbError::OutsideCode { unit: self, address })
            }
            Self::FpbV1 | Self::Bpu => {
                // REPLACE, or BP_MATCH: the lower or the upper halfword of the word in COMP.
                let halfword: u32 = if address & 0b10 == 0 { 0b01 } else { 0b10 };
                Ok(halfword << 30 | address & !0b11 | 1)
            }
        }
    }

    /// The address of the instruction that a comparator register matches; `None` where it is disabled,
    /// remaps (REPLACE 0) or matches both halfwords (REPLACE 3), which [`BreakpointUnit::comparator`] never
    /// makes.
    #[must_use]
    pub const fn address(self, comparator: u32) -> Option<u32> {
        if comparator & 1 == 0 {
            return None;
        }
        match (self, comparator >> 30) {
            (Self::FpbV2, _) => Some(comparator & !1),
            (_, 0b01) => Some(comparator & 0x1fff_fffc),
            (_, 0b10) => Some(comparator & 0x1fff_fffc | 0b10),
            _ => None,
        }
    }
}

impl fmt::Display for BreakpointUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FpbV1 => "FPB version 1",
            Self::FpbV2 => "FPB version 2",
            Self::Bpu => "BPU",
        })
    }
}

/// Why no comparator matches an instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum FpbError {
    /// Instructions begin at even addresses.
    Misaligned {
        /// The address asked for.
        address: u32,
    },
    /// The unit matches in the Code region only.
    OutsideCode {
        /// The unit.
        unit: BreakpointUnit,
        /// The address asked for.
        address: u32,
    },
}

impl fmt::Display for FpbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Misaligned { address } => {
                write!(f, "no instruction begins at {address:#x}; give an even address")
            }
            Self::OutsideCode { unit, address } => write!(
                f,
                "the {unit} cannot match at {address:#x}, only below 0x20000000; use a software breakpoint"
            ),
        }
    }
}

impl core::error::Error for FpbError {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn the_number_of_comparators_is_split_over_two_fields() {
        let control = FpCtrl::from_bits(0x1000_7280);
        assert_eq!((control.num_code(), control.num_lit().get()), (0x78, 2));
        assert_eq!(control.unit(), Some(BreakpointUnit::FpbV2));
        assert_eq!(FpCtrl::from_bits(0x260).unit(), Some(BreakpointUnit::FpbV1));
        assert_eq!(FpCtrl::from_bits(0x2000_0260).unit(), None);
        assert_eq!((FpCtrl::ENABLE.into_bits(), FpCtrl::DISABLE.into_bits()), (3, 2));
        assert_eq!(comparator_address(7), 0xe000_2024);
    }

    #[test]
    fn every_address_comes_back_or_is_refused() {
        for unit in [BreakpointUnit::FpbV1, BreakpointUnit::FpbV2, BreakpointUnit::Bpu] {
            for base in [0, 0x0800_0000, 0x1fff_fff8, 0x2000_0000, 0xffff_fff8_u32] {
                for address in base..=base.saturating_add(7) {
                    let code = unit == BreakpointUnit::FpbV2 || address < 0x2000_0000;
                    match unit.comparator(address) {
                        Ok(comparator) => {
                            assert!(code && address % 2 == 0, "{unit} {address:#x}");
                            assert_eq!(unit.address(comparator), Some(address), "{unit}");
                            assert_eq!(unit.address(comparator & !1), None, "{unit}");
                        }
                        Err(error) if address % 2 != 0 => assert_eq!(error, FpbError::Misaligned { address }),
                        Err(error) => {
                            assert!(!code);
                            assert_eq!(error, FpbError::OutsideCode { unit, address });
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn remapping_comparators_match_no_instruction() {
        assert_eq!(BreakpointUnit::FpbV1.address(0x0800_0101), None);
        assert_eq!(BreakpointUnit::FpbV1.address(0xc800_0101), None);
    }

    #[test]
    fn messages_name_the_value_and_the_way_out() {
        assert_eq!(
            BreakpointUnit::Bpu.comparator(0x2000_0100).unwrap_err().to_string(),
            "the BPU cannot match at 0x20000100, only below 0x20000000; use a software breakpoint"
        );
    }
}
