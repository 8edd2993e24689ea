//! Sets of pair numbers.

use core::fmt;
use core::ops::{BitOr, BitOrAssign};

use crate::comparator::MAX_PAIRS;

/// A set of pair numbers, 0 to 15.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Slots(u16);

impl Slots {
    /// No pair.
    pub const NONE: Self = Self(0);

    /// All pairs.
    pub const ALL: Self = Self(u16::MAX);

    /// The pair `number` alone; no pair where there cannot be one of that number.
    #[must_use]
    pub const fn one(number: u8) -> Self {
        Self(1u16.unbounded_shl(number as u32))
    }

    /// The pairs 0 to `count` - 1.
    #[must_use]
    pub const fn first(count: u8) -> Self {
        Self(!u16::MAX.unbounded_shl(count as u32))
    }

    /// The pairs whose bits are set in `bits`, bit n for number n.
    #[must_use]
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits)
    }

    /// Whether it has no pair.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many pairs it has.
    #[must_use]
    pub const fn len(self) -> u8 {
        self.0.count_ones() as u8
    }

    /// Whether the pair `number` is in it.
    #[must_use]
    pub const fn contains(self, number: u8) -> bool {
        self.0 & Self::one(number).0 != 0
    }

    /// These pairs and `others`.
    #[must_use]
    pub const fn union(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// The pairs that are in both.
    #[must_use]
    pub const fn intersection(self, others: Self) -> Self {
        Self(self.0 & others.0)
    }

    /// These pairs, but not `others`.
    #[must_use]
    pub const fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// The lowest number.
    #[must_use]
    pub const fn lowest(self) -> Option<u8> {
        if self.is_empty() { None } else { Some(self.0.trailing_zeros() as u8) }
    }

    /// The highest number.
    #[must_use]
    pub const fn highest(self) -> Option<u8> {
        if self.is_empty() { None } else { Some(15 - self.0.leading_zeros() as u8) }
    }

    /// The numbers, in ascending order.
    pub fn iter(self) -> impl Iterator<Item = u8> {
        (0..MAX_PAIRS as u8).filter(move |number| self.contains(*number))
    }
}

impl BitOr for Slots {
    type Output = Self;

    fn bitor(self, others: Self) -> Self {
        self.union(others)
    }
}

impl BitOrAssign for Slots {
    fn bitor_assign(&mut self, others: Self) {
        *self = self.union(others);
    }
}

impl fmt::Debug for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn sets_hold_sixteen_pairs_and_nothing_beyond() {
        assert_eq!(Slots::one(15).highest(), Some(15));
        assert_eq!(Slots::one(16), Slots::NONE);
        assert_eq!(Slots::first(16), Slots::ALL);
        assert_eq!(Slots::first(200), Slots::ALL);
        assert_eq!(Slots::first(0), Slots::NONE);
        assert_eq!(Slots::from_bits(0b101), Slots::one(0) | Slots::one(2));
        assert_eq!((Slots::NONE.lowest(), Slots::NONE.highest()), (None, None));
        let some = Slots::one(2) | Slots::one(5) | Slots::one(11);
        assert_eq!(some.iter().collect::<Vec<_>>(), [2, 5, 11]);
        assert_eq!((some.lowest(), some.highest(), some.len()), (Some(2), Some(11), 3));
        assert_eq!(some.without(Slots::first(4)).lowest(), Some(5));
        assert_eq!(some.intersection(Slots::first(4)), Slots::one(2));
    }
}
