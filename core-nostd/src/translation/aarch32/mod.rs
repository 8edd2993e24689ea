//! The walks of an EL1 that uses AArch32: short and long descriptors.

mod long;
mod short;

use super::{Permissions, TableMemory, Translation, TranslationError};
use crate::address::PhysicalAddress;
use crate::registers::SctlrEl1;

/// The registers that the PL1&0 translation regime depends on (DDI 0487, "The AArch32 Virtual Memory
/// System Architecture"), each in the AArch64 register that holds it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Regime {
    /// `SCTLR`, which is `SCTLR_EL1`.
    pub sctlr: SctlrEl1,
    /// `TTBCR` and, in bits \[63:32\], `TTBCR2`: `TCR_EL1`.
    pub ttbcr: u64,
    /// `TTBR0`, which is `TTBR0_EL1`.
    pub ttbr0: u64,
    /// `TTBR1`, which is `TTBR1_EL1`.
    pub ttbr1: u64,
    /// `DACR`, which is `DACR32_EL2`: what the 16 domains of short descriptors allow.
    pub dacr: u32,
}

impl Regime {
    /// EAE, `TTBCR` bit \[31\]: descriptors are long.
    #[must_use]
    pub const fn long_descriptors(&self) -> bool {
        self.ttbcr >> 31 & 1 != 0
    }
}

/// Walks the translation tables for `va`.
///
/// # Errors
/// Where nothing is mapped, and where a descriptor cannot be read.
pub fn translate<M: TableMemory + ?Sized>(
    regime: &Regime,
    va: u32,
    memory: &mut M,
) -> Result<Translation, TranslationError<M::Error>> {
    if !regime.sctlr.m() {
        return Ok(Translation { physical: PhysicalAddress(u64::from(va)), block: 1 << 32, mapping: None });
    }
    if regime.long_descriptors() {
        long::translate(regime, va, memory)
    } else {
        short::translate(regime, va, memory)
    }
}

/// Data permissions: of EL1 to read and write, of EL0 to read and write.
struct DataPermissions {
    el1: (bool, bool),
    el0: (bool, bool),
}

/// What prevents execution.
struct ExecuteNever {
    xn: bool,
    pxn: bool,
}

impl DataPermissions {
    /// EL0's and EL1's permissions: what cannot be read cannot be executed either; WXN and UWXN take
    /// execution from what is writable.
    const fn with(self, never: ExecuteNever, sctlr: SctlrEl1) -> (Permissions, Permissions) {
        let (el0_read, el0_write) = self.el0;
        let (el1_read, el1_write) = self.el1;
        let el0_never = never.xn || sctlr.wxn() && el0_write;
        let el1_never =
            never.xn || never.pxn || sctlr.wxn() && el1_write || sctlr.aarch32_uwxn() && el0_write;
        (
            Permissions { read: el0_read, write: el0_write, execute: el0_read && !el0_never },
            Permissions { read: el1_read, write: el1_write, execute: el1_read && !el1_never },
        )
    }

    /// AP\[2:1\] of long descriptors, and of short ones whose AP\[0\] is the access flag.
    const fn of_ap_2_1(ap: u8) -> Self {
        let write = ap & 0b10 == 0;
        let el0 = ap & 0b01 != 0;
        Self { el1: (true, write), el0: (el0, el0 && write) }
    }
}

const fn bit(value: u64, number: u32) -> bool {
    value >> number & 1 != 0
}
