//! Addresses: ranges that cannot be empty or wrap, sign extension, tag removal.

use core::fmt;

/// An address in the physical address space of the target as its own software sees it: for a guest of
/// a hypervisor, the intermediate physical address (IPA).
///
/// Plain `u64` addresses elsewhere in this crate are virtual addresses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct PhysicalAddress(pub u64);

impl fmt::Display for PhysicalAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// Bytes `first..=last`: never empty, never past the end of the address space.
///
/// The end is inclusive so that a range may reach the last byte of the address space.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct AddressRange {
    first: u64,
    last: u64,
}

impl AddressRange {
    /// The `length` bytes from `first` on.
    ///
    /// # Errors
    /// [`AddressRangeError`] where `length` is 0 or the range would wrap.
    pub const fn new(first: u64, length: u64) -> Result<Self, AddressRangeError> {
        if length == 0 {
            return Err(AddressRangeError::Empty { first });
        }
        match first.checked_add(length - 1) {
            Some(last) => Ok(Self { first, last }),
            None => Err(AddressRangeError::Wraps { first, length }),
        }
    }

    /// The one byte at `address`.
    #[must_use]
    pub const fn byte(address: u64) -> Self {
        Self { first: address, last: address }
    }

    /// Address of the first byte.
    #[must_use]
    pub const fn first(self) -> u64 {
        self.first
    }

    /// Address of the last byte.
    #[must_use]
    pub const fn last(self) -> u64 {
        self.last
    }

    /// Number of bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a range is never empty")]
    pub const fn len(self) -> u64 {
        // `new` takes its length as a u64, so `last - first` is at most `u64::MAX - 1`.
        (self.last - self.first).saturating_add(1)
    }

    /// Whether the byte at `address` is in the range.
    #[must_use]
    pub const fn contains(self, address: u64) -> bool {
        self.first <= address && address <= self.last
    }

    /// Whether the ranges share a byte.
    #[must_use]
    pub const fn overlaps(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    /// The same bytes by addresses without tags, see [`untag`]; a range in which a tag changes stays as it is.
    #[must_use]
    pub const fn untagged(self) -> Self {
        match Self::new(untag(self.first), self.len()) {
            Ok(range) => range,
            Err(_) => self,
        }
    }

    /// How far `address` lies from the nearest byte of the range: 0 inside it.
    #[must_use]
    pub const fn distance(self, address: u64) -> u64 {
        if address < self.first { self.first - address } else { address.saturating_sub(self.last) }
    }

    /// The byte of the range nearest to `address`: `address` itself when it is inside.
    #[must_use]
    pub const fn nearest(self, address: u64) -> u64 {
        if address < self.first {
            self.first
        } else if address > self.last {
            self.last
        } else {
            address
        }
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}..={:#x}", self.first, self.last)
    }
}

/// Why an address and a length are no range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum AddressRangeError {
    /// A length of 0 bytes.
    Empty {
        /// Where it was to begin.
        first: u64,
    },
    /// The range would go past the end of the address space.
    Wraps {
        /// Where it was to begin.
        first: u64,
        /// Its length in bytes.
        length: u64,
    },
}

impl fmt::Display for AddressRangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty { first } => write!(f, "the range at {first:#x} is 0 bytes long"),
            Self::Wraps { first, length } => {
                write!(f, "{length:#x} bytes from {first:#x} go past the end of the address space")
            }
        }
    }
}

impl core::error::Error for AddressRangeError {}

/// Copies bit `top` of `address` into all bits above it; a `top` of 63 or more changes nothing.
#[must_use]
pub const fn sign_extend(address: u64, top: u32) -> u64 {
    if top >= 63 {
        return address;
    }
    let shift = 63 - top;
    (((address << shift) as i64) >> shift) as u64
}

/// `address` without its tag: bits 63 to 56 become copies of bit 55, as top-byte-ignore translation
/// sees them (DDI 0487, "Address tagging").
#[must_use]
pub const fn untag(address: u64) -> u64 {
    sign_extend(address, 55)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_may_reach_the_last_byte_but_not_wrap() {
        let top = AddressRange::new(u64::MAX - 7, 8).unwrap();
        assert_eq!((top.last(), top.len()), (u64::MAX, 8));
        assert_eq!(
            AddressRange::new(u64::MAX - 7, 9),
            Err(AddressRangeError::Wraps { first: u64::MAX - 7, length: 9 })
        );
        assert_eq!(AddressRange::new(8, 0), Err(AddressRangeError::Empty { first: 8 }));
    }

    #[test]
    fn distance_and_nearest_agree_on_both_sides_and_inside() {
        let range = AddressRange::new(0x1006, 4).unwrap();
        for (address, distance, nearest) in [
            (0x1000, 6, 0x1006),
            (0x1005, 1, 0x1006),
            (0x1006, 0, 0x1006),
            (0x1008, 0, 0x1008),
            (0x1009, 0, 0x1009),
            (0x100a, 1, 0x1009),
            (0x1010, 7, 0x1009),
        ] {
            assert_eq!(range.distance(address), distance, "{address:#x}");
            assert_eq!(range.nearest(address), nearest, "{address:#x}");
        }
    }

    #[test]
    fn untag_follows_bit_55() {
        assert_eq!(untag(0x5a00_0000_4000_0000), 0x4000_0000);
        assert_eq!(untag(0x5aff_8000_1000_4000), 0xffff_8000_1000_4000);
        assert_eq!(sign_extend(0x8000_0000_0000_0000, 63), 0x8000_0000_0000_0000);
    }
}
