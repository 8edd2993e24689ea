//! Sets of exception levels and of security states.

use core::fmt;

/// A set of exception levels.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ExceptionLevels(pub(super) u8);

impl ExceptionLevels {
    /// EL0.
    pub const EL0: Self = Self(1 << 0);
    /// EL1.
    pub const EL1: Self = Self(1 << 1);
    /// EL2.
    pub const EL2: Self = Self(1 << 2);
    /// EL3.
    pub const EL3: Self = Self(1 << 3);

    /// These levels and `others`.
    #[must_use]
    pub const fn union(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Whether all of `others` are among these.
    #[must_use]
    pub const fn contains(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }
}

/// A set of security states.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct SecurityStates(pub(super) u8);

impl SecurityStates {
    /// Non-secure state.
    pub const NON_SECURE: Self = Self(1 << 0);
    /// Secure state.
    pub const SECURE: Self = Self(1 << 1);
    /// Realm state, FEAT_RME.
    pub const REALM: Self = Self(1 << 2);
    /// Root state, FEAT_RME: EL3's own.
    pub const ROOT: Self = Self(1 << 3);
    /// All states.
    pub const ALL: Self = Self(0b1111);
    /// All states that EL2, EL1 and EL0 can be in.
    pub(super) const NOT_ROOT: Self = Self(0b0111);

    /// These states and `others`.
    #[must_use]
    pub const fn union(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Whether all of `others` are among these.
    #[must_use]
    pub const fn contains(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }
}

fn write_set(f: &mut fmt::Formatter<'_>, set: u8, names: [&str; 4]) -> fmt::Result {
    let mut first = true;
    for (bit, name) in names.iter().enumerate().filter(|(bit, _)| set & 1 << bit != 0) {
        if !first {
            let last = u32::from(set) >> (bit + 1) == 0;
            f.write_str(if last { " and " } else { ", " })?;
        }
        first = false;
        f.write_str(name)?;
    }
    if first { f.write_str("none") } else { Ok(()) }
}

impl fmt::Display for ExceptionLevels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_set(f, self.0, ["EL0", "EL1", "EL2", "EL3"])
    }
}

impl fmt::Debug for ExceptionLevels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for SecurityStates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_set(f, self.0, ["Non-secure", "Secure", "Realm", "Root"])
    }
}

impl fmt::Debug for SecurityStates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
