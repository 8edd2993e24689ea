//! Unsigned fields of a width that no Rust integer has.

use core::fmt;

/// An unsigned register field of `WIDTH` bits, 1 to 8: a value that always fits, so that writing it
/// cannot fail.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Uint<const WIDTH: u32>(u8);

impl<const WIDTH: u32> Uint<WIDTH> {
    const MASK: u8 = {
        assert!(1 <= WIDTH && WIDTH <= 8);
        u8::MAX >> (8 - WIDTH)
    };

    /// Zero.
    pub const ZERO: Self = Self(0);

    /// All bits set.
    pub const MAX: Self = Self(Self::MASK);

    /// `value`, or `None` where it needs more than `WIDTH` bits.
    #[must_use]
    pub const fn new(value: u8) -> Option<Self> {
        if value <= Self::MASK { Some(Self(value)) } else { None }
    }

    /// The low `WIDTH` bits of `value`.
    #[must_use]
    pub const fn from_bits(value: u8) -> Self {
        Self(value & Self::MASK)
    }

    /// The value.
    #[must_use]
    pub const fn into_bits(self) -> u8 {
        // The mask says to the compiler what the type promises, so that no bounds check survives.
        self.0 & Self::MASK
    }

    /// The value.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.into_bits()
    }
}

impl<const WIDTH: u32> fmt::Debug for Uint<WIDTH> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl<const WIDTH: u32> fmt::Display for Uint<WIDTH> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl<const WIDTH: u32> fmt::Binary for Uint<WIDTH> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Binary::fmt(&self.0, f)
    }
}

#[cfg(feature = "defmt")]
impl<const WIDTH: u32> defmt::Format for Uint<WIDTH> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "{=u8}", self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_values_that_fit_can_be_made() {
        for value in 0..=u8::MAX {
            assert_eq!(Uint::<5>::new(value).map(Uint::get), (value < 32).then_some(value));
            assert_eq!(Uint::<5>::from_bits(value).get(), value % 32);
            assert_eq!(Uint::<8>::new(value).map(Uint::get), Some(value));
            assert_eq!(Uint::<1>::from_bits(value).get(), value & 1);
        }
    }
}
