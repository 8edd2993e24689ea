//! Why a breakpoint cannot be.

use core::fmt;

use super::{Context, Instruction};
use crate::address::AddressRange;

/// Why there is no such breakpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum BreakpointError {
    /// No instruction of this instruction set begins at this address.
    Misaligned {
        /// The address asked for.
        address: u64,
        /// The instruction set.
        instruction: Instruction,
    },
    /// AArch32 addresses have 32 bits.
    NotAArch32 {
        /// The address asked for.
        address: u64,
        /// The instruction set.
        instruction: Instruction,
    },
    /// One comparator matches 2^n bytes, 8 bytes to 2 GiB, that begin at a multiple of their number.
    Range {
        /// The range asked for.
        range: AddressRange,
    },
    /// A mismatch in a context as a link target: the manual's text has it match outside the range in that
    /// context, its pseudocode wherever one of both fails ("AArch64.StateMatch").
    LinkedMismatch {
        /// The context asked for.
        context: Context,
    },
}

impl fmt::Display for BreakpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Misaligned { address, instruction } => write!(
                f,
                "no {instruction} instruction begins at {address:#x}; give a multiple of {}",
                instruction.alignment()
            ),
            Self::NotAArch32 { address, instruction } => {
                write!(f, "{address:#x} is no {instruction} address, which have 32 bits")
            }
            Self::Range { range } => write!(
                f,
                "a breakpoint cannot match {range}; give an aligned power of two from 8 bytes to 2 GiB"
            ),
            Self::LinkedMismatch { context } => {
                write!(f, "a link target cannot match outside a range with {context}; give one or the other")
            }
        }
    }
}

impl core::error::Error for BreakpointError {}
