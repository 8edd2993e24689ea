//! `DFSC` and `IFSC`: why a memory access aborted.

use core::fmt;

/// The status code of an abort (DDI 0487, "ESR_EL1", "ISS encoding for an exception from a Data Abort",
/// DFSC, bits \[5:0\], and IFSC of an Instruction Abort).
///
/// `level` is the level of the translation table walk, −2 to 3.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum FaultStatus {
    /// An address does not fit the output address size.
    AddressSize {
        /// Of the walk.
        level: i8,
    },
    /// Nothing is mapped.
    Translation {
        /// Of the walk.
        level: i8,
    },
    /// The access flag is clear.
    AccessFlag {
        /// Of the walk.
        level: i8,
    },
    /// The access is not allowed.
    Permission {
        /// Of the walk.
        level: i8,
    },
    /// Synchronous external abort of the access itself.
    External,
    /// Synchronous external abort of a translation table walk.
    ExternalOnWalk {
        /// Of the walk.
        level: i8,
    },
    /// Synchronous tag check fault (FEAT_MTE2).
    TagCheck,
    /// Synchronous parity or ECC error of the access itself.
    Parity,
    /// Synchronous parity or ECC error of a translation table walk.
    ParityOnWalk {
        /// Of the walk.
        level: i8,
    },
    /// Misaligned address.
    Alignment,
    /// Granule protection fault of the access itself (FEAT_RME).
    GranuleProtection,
    /// Granule protection fault of a translation table walk (FEAT_RME).
    GranuleProtectionOnWalk {
        /// Of the walk.
        level: i8,
    },
    /// Conflicting TLB entries.
    TlbConflict,
    /// Hardware update of a descriptor is not supported there.
    UnsupportedAtomicUpdate,
    /// Implementation defined: lockdown.
    Lockdown,
    /// Implementation defined: unsupported exclusive or atomic access.
    UnsupportedExclusive,
    /// A code without a meaning; bits \[5:0\] count.
    Reserved(u8),
}

impl FaultStatus {
    /// The status that bits \[5:0\] of `bits` encode.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        let bits = bits & 0x3f;
        let level = (bits & 0b11) as i8;
        match bits {
            0b00_0000..=0b00_0011 => Self::AddressSize { level },
            0b00_0100..=0b00_0111 => Self::Translation { level },
            0b00_1000..=0b00_1011 => Self::AccessFlag { level },
            0b00_1100..=0b00_1111 => Self::Permission { level },
            0b01_0000 => Self::External,
            0b01_0001 => Self::TagCheck,
            0b01_0010 => Self::ExternalOnWalk { level: -2 },
            0b01_0011 => Self::ExternalOnWalk { level: -1 },
            0b01_0100..=0b01_0111 => Self::ExternalOnWalk { level },
            0b01_1000 => Self::Parity,
            0b01_1011 => Self::ParityOnWalk { level: -1 },
            0b01_1100..=0b01_1111 => Self::ParityOnWalk { level },
            0b10_0001 => Self::Alignment,
            0b10_0010 => Self::GranuleProtectionOnWalk { level: -2 },
            0b10_0011 => Self::GranuleProtectionOnWalk { level: -1 },
            0b10_0100..=0b10_0111 => Self::GranuleProtectionOnWalk { level },
            0b10_1000 => Self::GranuleProtection,
            0b10_1001 => Self::AddressSize { level: -1 },
            0b10_1010 => Self::Translation { level: -2 },
            0b10_1011 => Self::Translation { level: -1 },
            0b10_1100 => Self::AddressSize { level: -2 },
            0b11_0000 => Self::TlbConflict,
            0b11_0001 => Self::UnsupportedAtomicUpdate,
            0b11_0100 => Self::Lockdown,
            0b11_0101 => Self::UnsupportedExclusive,
            reserved => Self::Reserved(reserved),
        }
    }
}

impl fmt::Display for FaultStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (words, level) = match *self {
            Self::AddressSize { level } => ("address size fault", level),
            Self::Translation { level } => ("translation fault", level),
            Self::AccessFlag { level } => ("access flag fault", level),
            Self::Permission { level } => ("permission fault", level),
            Self::ExternalOnWalk { level } => ("external abort on a table walk", level),
            Self::ParityOnWalk { level } => ("parity or ECC error on a table walk", level),
            Self::GranuleProtectionOnWalk { level } => ("granule protection fault on a table walk", level),
            Self::External => return f.write_str("external abort"),
            Self::TagCheck => return f.write_str("tag check fault"),
            Self::Parity => return f.write_str("parity or ECC error"),
            Self::Alignment => return f.write_str("alignment fault"),
            Self::GranuleProtection => return f.write_str("granule protection fault"),
            Self::TlbConflict => return f.write_str("TLB conflict"),
            Self::UnsupportedAtomicUpdate => return f.write_str("unsupported atomic hardware update"),
            Self::Lockdown => return f.write_str("lockdown (implementation defined)"),
            Self::UnsupportedExclusive => {
                return f.write_str("unsupported exclusive or atomic access (implementation defined)");
            }
            Self::Reserved(bits) => return write!(f, "reserved fault status {bits:#x}"),
        };
        write!(f, "{words}, level {level}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each code with its level, from the DFSC table of DDI 0487: `0bxxxxLL` codes spelled out.
    #[test]
    fn codes_mean_what_the_manual_says() {
        for level in 0..4_u8 {
            let signed = level as i8;
            assert_eq!(FaultStatus::from_bits(level), FaultStatus::AddressSize { level: signed });
            assert_eq!(FaultStatus::from_bits(0x04 + level), FaultStatus::Translation { level: signed });
            assert_eq!(FaultStatus::from_bits(0x08 + level), FaultStatus::AccessFlag { level: signed });
            assert_eq!(FaultStatus::from_bits(0x0c + level), FaultStatus::Permission { level: signed });
            assert_eq!(FaultStatus::from_bits(0x14 + level), FaultStatus::ExternalOnWalk { level: signed });
            assert_eq!(FaultStatus::from_bits(0x1c + level), FaultStatus::ParityOnWalk { level: signed });
            assert_eq!(
                FaultStatus::from_bits(0x24 + level),
                FaultStatus::GranuleProtectionOnWalk { level: signed }
            );
        }
        assert_eq!(FaultStatus::from_bits(0x29), FaultStatus::AddressSize { level: -1 });
        assert_eq!(FaultStatus::from_bits(0x2b), FaultStatus::Translation { level: -1 });
        assert_eq!(FaultStatus::from_bits(0x21), FaultStatus::Alignment);
        assert_eq!(FaultStatus::from_bits(0x3f), FaultStatus::Reserved(0x3f));
        assert_eq!(FaultStatus::from_bits(0xff), FaultStatus::Reserved(0x3f));
    }
}
