//! Stage 1 translation, walked in software: where a virtual address of the target lies in its physical
//! address space, and what may be done there.
//!
//! For targets that cannot be asked, KVM's among them. A walk reads at most five descriptors and writes
//! none: the access flag and dirty state are reported, not changed, and a mapping whose access flag is
//! clear is a mapping. [`Translation::check`] says what an access of the target's own would meet.
//! [`translate`] is for an EL1 that uses AArch64, [`aarch32::translate`] for one that uses AArch32.

pub mod aarch32;
mod aarch64;

pub use aarch64::{Regime, translate};

use core::fmt;

use crate::address::PhysicalAddress;
use crate::syndrome::FaultStatus;

/// Where a walk reads its descriptors.
pub trait TableMemory {
    /// Why a descriptor could not be read.
    type Error;

    /// Reads the descriptor at `address` as it lies in memory. `bytes` is 4 or 8 bytes long, and the
    /// address is aligned to that.
    ///
    /// # Errors
    /// Where there is no memory.
    fn read_descriptor(&mut self, address: PhysicalAddress, bytes: &mut [u8]) -> Result<(), Self::Error>;
}

/// What a virtual address maps to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Translation {
    /// The physical address of the byte.
    pub physical: PhysicalAddress,
    /// Size in bytes, a power of two, of the page or block around the byte: virtual and physical
    /// addresses run in step inside it.
    pub block: u64,
    /// The mapping's descriptor; `None` where the MMU is off and everything is allowed.
    pub mapping: Option<Mapping>,
}

impl Translation {
    /// How many bytes from `va`, the address that was translated, to the end of the page or block.
    #[must_use]
    pub const fn remaining(&self, va: u64) -> u64 {
        self.block - (va & (self.block - 1))
    }

    /// Whether software of the target may do this itself.
    ///
    /// # Errors
    /// The fault that it would meet. What `PSTATE.PAN`, permission overlays and the stage 2 translation
    /// forbid is not looked at.
    pub const fn check(&self, privilege: Privilege, access: Access) -> Result<(), FaultStatus> {
        let Some(mapping) = self.mapping else { return Ok(()) };
        if matches!(privilege, Privilege::El0) && mapping.el0_prevented {
            return Err(FaultStatus::Translation { level: 0 });
        }
        if !mapping.access_flag && !mapping.access_flag_by_hardware {
            return Err(FaultStatus::AccessFlag { level: mapping.level });
        }
        let permissions = match privilege {
            Privilege::El0 => mapping.el0,
            Privilege::El1 => mapping.el1,
        };
        let allowed = match access {
            Access::Read => permissions.read,
            Access::Write => permissions.write,
            Access::Execute => permissions.execute,
        };
        if allowed { Ok(()) } else { Err(FaultStatus::Permission { level: mapping.level }) }
    }
}

/// What the descriptors of a page or block say of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Mapping {
    /// The level of its descriptor: −1 to 3.
    pub level: i8,
    /// What EL0 may do, restrictions of the table descriptors among it.
    pub el0: Permissions,
    /// What EL1 may do, restrictions of the table descriptors among it.
    pub el1: Permissions,
    /// EL0 may not reach this half of the address space at all (`TCR_EL1.E0PDn`).
    pub el0_prevented: bool,
    /// AF: the page has been accessed.
    pub access_flag: bool,
    /// Hardware sets the access flag by itself.
    pub access_flag_by_hardware: bool,
    /// AttrIndx: which attribute of `MAIR_EL1` it has; TEX:C:B, 5 bits, for a short descriptor.
    pub attribute_index: u8,
    /// nG: the mapping belongs to the current ASID.
    pub not_global: bool,
    /// Contiguous: one of a group of like entries.
    pub contiguous: bool,
}

/// What an Exception level may do with a page.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Permissions {
    /// Read data.
    pub read: bool,
    /// Write data; with hardware management of dirty state also what is writable and clean.
    pub write: bool,
    /// Execute.
    pub execute: bool,
}

impl fmt::Display for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (allowed, letter) in [(self.read, "r"), (self.write, "w"), (self.execute, "x")] {
            f.write_str(if allowed { letter } else { "-" })?;
        }
        Ok(())
    }
}

/// Whose access it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Privilege {
    /// Unprivileged.
    El0,
    /// Privileged.
    El1,
}

/// What kind of access it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Access {
    /// Of data.
    Read,
    /// Of data.
    Write,
    /// Of an instruction.
    Execute,
}

/// Why a virtual address maps to nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum TranslationError<E> {
    /// A descriptor says that nothing is mapped: a translation fault of the level.
    NotMapped {
        /// The virtual address.
        address: u64,
        /// Of the descriptor, −1 to 3.
        level: i8,
    },
    /// The address is in neither half of the address space.
    OutOfRange {
        /// The virtual address.
        address: u64,
        /// The level of the translation fault: 0, or 1 in AArch32 state.
        level: i8,
    },
    /// Walks through this half are switched off (`TCR_EL1.EPDn`; `TTBCR.PDn` in AArch32 state).
    WalkDisabled {
        /// The virtual address.
        address: u64,
        /// The level of the translation fault: 0, or 1 in AArch32 state.
        level: i8,
    },
    /// A table or page lies beyond the output address size.
    AddressSize {
        /// The physical address.
        output: PhysicalAddress,
        /// Of the descriptor that has it, 0 for the base register.
        level: i8,
    },
    /// `TCR_EL1.TnSZ` is not one that the granule allows.
    InputSize {
        /// TnSZ.
        tnsz: u8,
    },
    /// `TCR_EL1.TGn` is reserved, or a granule that the core does not have.
    Granule {
        /// TGn.
        tg: u8,
    },
    /// Descriptors of 128 bits (`TCR2_EL1.D128`) are not supported here.
    WideDescriptors,
    /// A descriptor could not be read.
    Memory {
        /// Where it lies.
        address: PhysicalAddress,
        /// What the memory said.
        error: E,
        /// The level of the descriptor.
        level: i8,
    },
}

impl<E> TranslationError<E> {
    /// The fault that the target itself would meet; `None` where the architecture leaves it open.
    #[must_use]
    pub const fn fault_status(&self) -> Option<FaultStatus> {
        match self {
            Self::NotMapped { level, .. }
            | Self::OutOfRange { level, .. }
            | Self::WalkDisabled { level, .. } => Some(FaultStatus::Translation { level: *level }),
            Self::InputSize { .. } => Some(FaultStatus::Translation { level: 0 }),
            Self::AddressSize { level, .. } => Some(FaultStatus::AddressSize { level: *level }),
            Self::Memory { level, .. } => Some(FaultStatus::ExternalOnWalk { level: *level }),
            Self::Granule { .. } | Self::WideDescriptors => None,
        }
    }
}

impl<E: fmt::Display> fmt::Display for TranslationError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotMapped { address, level } => {
                write!(f, "virtual address {address:#x} is not mapped (translation fault, level {level})")
            }
            Self::OutOfRange { address, .. } => {
                write!(f, "virtual address {address:#x} is in neither half of the address space")
            }
            Self::WalkDisabled { address, .. } => {
                write!(f, "walks for virtual address {address:#x} are switched off")
            }
            Self::AddressSize { output, level } => write!(
                f,
                "physical address {output} is beyond the output address size (address size fault, level {level})"
            ),
            Self::InputSize { tnsz } => write!(f, "TCR_EL1 has a reserved TnSZ of {tnsz}"),
            Self::Granule { tg } => write!(f, "TCR_EL1 has a granule that the core lacks, TG {tg:#04b}"),
            Self::WideDescriptors => {
                f.write_str("translation tables of 128-bit descriptors are not supported")
            }
            Self::Memory { address, error, level } => {
                write!(f, "the level {level} descriptor at {address} cannot be read: {error}")
            }
        }
    }
}

impl<E: core::error::Error + 'static> core::error::Error for TranslationError<E> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Memory { error, .. } => Some(error),
            _ => None,
        }
    }
}
