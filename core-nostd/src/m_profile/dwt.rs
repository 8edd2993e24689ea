//! What both versions of the Data Watchpoint and Trace unit share.

use core::fmt;

use bitfield_struct::bitfield;

use crate::address::AddressRange;
use crate::registers::Uint;

/// `DWT_CTRL`, Control Register (DDI 0403, "Control register, DWT_CTRL"), but for the trace controls, bits
/// \[23:0\].
#[bitfield(u32, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq, Hash)]
pub struct DwtCtrl {
    #[bits(24)]
    __: u32,
    /// No profiling counters: bit \[24\].
    pub noprfcnt: bool,
    /// No cycle counter: bit \[25\].
    pub nocyccnt: bool,
    /// No external triggers: bit \[26\].
    pub noexttrig: bool,
    /// No trace packets: bit \[27\].
    pub notrcpkt: bool,
    /// Number of comparators: bits \[31:28\].
    #[bits(4)]
    pub numcomp: Uint<4>,
}

impl DwtCtrl {
    /// Its address.
    pub const ADDRESS: u32 = 0xe000_1000;
}

/// Address of the comparator register `DWT_COMP<n>`.
#[must_use]
pub const fn comparator_address(n: u8) -> u32 {
    0xe000_1020 + 16 * n as u32
}

/// Address of the mask register `DWT_MASK<n>`, which version 1 has only.
#[must_use]
pub const fn mask_address(n: u8) -> u32 {
    0xe000_1024 + 16 * n as u32
}

/// Address of the function register `DWT_FUNCTION<n>`.
#[must_use]
pub const fn function_address(n: u8) -> u32 {
    0xe000_1028 + 16 * n as u32
}

/// Why no comparators watch a range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum DwtError {
    /// It reaches beyond 32-bit addresses.
    Beyond4Gib {
        /// The range asked for.
        range: AddressRange,
    },
}

impl fmt::Display for DwtError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Beyond4Gib { range } => {
                write!(f, "{range} reaches beyond the 32-bit addresses of this core; watch less")
            }
        }
    }
}

impl core::error::Error for DwtError {}

pub(super) const fn check(range: AddressRange) -> Result<(), DwtError> {
    if range.last() > u32::MAX as u64 { Err(DwtError::Beyond4Gib { range }) } else { Ok(()) }
}

/// The longest aligned power of two at the beginning of `range`, at most 2^`max_exponent` bytes: taken again
/// and again, these are the fewest that make up the range, as aligned powers of two are nested or disjoint.
pub(super) const fn first_block(range: AddressRange, max_exponent: u32) -> AddressRange {
    let alignment = range.first().trailing_zeros();
    let longest = range.len().ilog2();
    let exponent = if alignment < longest { alignment } else { longest };
    let exponent = if exponent < max_exponent { exponent } else { max_exponent };
    match AddressRange::new(range.first(), 1 << exponent) {
        Ok(block) => block,
        // A prefix of a range is never empty and never wraps.
        Err(_) => range,
    }
}

/// The longest aligned powers of two that make up a range, in ascending order.
#[derive(Clone, Debug)]
pub(super) struct Blocks {
    pub(super) rest: Option<AddressRange>,
    pub(super) max_exponent: u32,
}

impl Iterator for Blocks {
    type Item = AddressRange;

    fn next(&mut self) -> Option<AddressRange> {
        let rest = self.rest?;
        let block = first_block(rest, self.max_exponent);
        let left = rest.len() - block.len();
        self.rest = block.last().checked_add(1).and_then(|first| AddressRange::new(first, left).ok());
        Some(block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_where_the_manual_says() {
        assert_eq!(DwtCtrl::from_bits(0x4000_0000).numcomp().get(), 4);
        for (register, bit) in [
            (DwtCtrl::new().with_noprfcnt(true), 24),
            (DwtCtrl::new().with_nocyccnt(true), 25),
            (DwtCtrl::new().with_noexttrig(true), 26),
            (DwtCtrl::new().with_notrcpkt(true), 27),
        ] {
            assert_eq!(register.into_bits(), 1 << bit, "{register:?}");
        }
        assert_eq!(
            (comparator_address(3), mask_address(3), function_address(3)),
            (0xe000_1050, 0xe000_1054, 0xe000_1058)
        );
    }
}
