//! The instruction specific syndrome, by class.

use core::fmt;

use super::class::ExceptionClass;
use super::fault_status::FaultStatus;
use crate::registers::Esr;

/// What ISS says, by exception class.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Details {
    /// The class has no ISS.
    None,
    /// Instruction abort.
    InstructionAbort(InstructionAbort),
    /// Data abort.
    DataAbort(DataAbort),
    /// Software step.
    SoftwareStep(SoftwareStep),
    /// Watchpoint.
    Watchpoint(Watchpoint),
    /// `BRK` or `BKPT`.
    BreakInstruction {
        /// The immediate of the instruction.
        comment: u16,
    },
    /// `SVC`, `HVC` or `SMC`.
    Call {
        /// The immediate of the instruction.
        immediate: u16,
    },
    /// The ISS of a class that is not decoded, bits \[24:0\].
    Raw(u32),
}

impl Details {
    pub(super) const fn decode(class: ExceptionClass, esr: Esr) -> Self {
        let iss = esr.iss();
        match class {
            ExceptionClass::InstructionAbortLower | ExceptionClass::InstructionAbortSame => {
                Self::InstructionAbort(InstructionAbort::decode(iss))
            }
            ExceptionClass::DataAbortLower | ExceptionClass::DataAbortSame => {
                Self::DataAbort(DataAbort::decode(iss))
            }
            ExceptionClass::BreakpointLower | ExceptionClass::BreakpointSame => Self::None,
            ExceptionClass::SoftwareStepLower | ExceptionClass::SoftwareStepSame => {
                Self::SoftwareStep(SoftwareStep::decode(iss))
            }
            ExceptionClass::WatchpointLower | ExceptionClass::WatchpointSame => {
                Self::Watchpoint(Watchpoint::decode(iss))
            }
            ExceptionClass::Brk | ExceptionClass::Bkpt => Self::BreakInstruction { comment: iss as u16 },
            ExceptionClass::Svc32
            | ExceptionClass::Svc64
            | ExceptionClass::Hvc32
            | ExceptionClass::Hvc64
            | ExceptionClass::Smc64 => Self::Call { immediate: iss as u16 },
            _ => Self::Raw(iss),
        }
    }
}

impl fmt::Display for Details {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::InstructionAbort(abort) => write!(f, ", {}", abort.status),
            Self::DataAbort(abort) => {
                write!(f, " on a {}, {}", if abort.write { "write" } else { "read" }, abort.status)
            }
            Self::SoftwareStep(step) if step.exclusive => f.write_str(" of a load exclusive"),
            Self::SoftwareStep(_) => Ok(()),
            Self::Watchpoint(watchpoint) => {
                write!(f, " on a {}", if watchpoint.write { "write" } else { "read" })
            }
            Self::BreakInstruction { comment } => write!(f, " #{comment:#x}"),
            Self::Call { immediate } => write!(f, " #{immediate:#x}"),
            Self::Raw(iss) => write!(f, ", ISS {iss:#x}"),
        }
    }
}

pub(super) const fn bit(iss: u32, number: u32) -> bool {
    iss >> number & 1 != 0
}

/// An instruction abort (DDI 0487, "ISS encoding for an exception from an Instruction Abort").
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct InstructionAbort {
    /// FnV, bit \[10\]: `FAR_ELx` is not valid.
    pub far_not_valid: bool,
    /// EA, bit \[9\]: external abort type.
    pub external: bool,
    /// S1PTW, bit \[7\]: a stage 2 fault of a stage 1 walk.
    pub stage_1_walk: bool,
    /// IFSC, bits \[5:0\].
    pub status: FaultStatus,
}

impl InstructionAbort {
    const fn decode(iss: u32) -> Self {
        Self {
            far_not_valid: bit(iss, 10),
            external: bit(iss, 9),
            stage_1_walk: bit(iss, 7),
            status: FaultStatus::from_bits(iss as u8),
        }
    }
}

/// A data abort (DDI 0487, "ISS encoding for an exception from a Data Abort").
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct DataAbort {
    /// FnV, bit \[10\]: `FAR_ELx` is not valid.
    pub far_not_valid: bool,
    /// EA, bit \[9\]: external abort type.
    pub external: bool,
    /// CM, bit \[8\]: a cache maintenance or address translation instruction.
    pub cache_maintenance: bool,
    /// S1PTW, bit \[7\]: a stage 2 fault of a stage 1 walk.
    pub stage_1_walk: bool,
    /// WnR, bit \[6\]: a write.
    pub write: bool,
    /// DFSC, bits \[5:0\].
    pub status: FaultStatus,
}

impl DataAbort {
    const fn decode(iss: u32) -> Self {
        Self {
            far_not_valid: bit(iss, 10),
            external: bit(iss, 9),
            cache_maintenance: bit(iss, 8),
            stage_1_walk: bit(iss, 7),
            write: bit(iss, 6),
            status: FaultStatus::from_bits(iss as u8),
        }
    }
}

/// A software step (DDI 0487, "ISS encoding for an exception from a Software Step exception").
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct SoftwareStep {
    /// ISV, bit \[24\]: EX is valid.
    pub valid: bool,
    /// EX, bit \[6\]: a load exclusive was stepped; meaningful where ISV is set, clear otherwise.
    pub exclusive: bool,
}

impl SoftwareStep {
    const fn decode(iss: u32) -> Self {
        let valid = bit(iss, 24);
        Self { valid, exclusive: valid && bit(iss, 6) }
    }
}

/// A watchpoint (DDI 0487, "ISS encoding for an exception from a Watchpoint exception").
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Watchpoint {
    /// WPT, bits \[23:18\], where WPTV, bit \[17\], is set: number of the watchpoint that matched.
    pub number: Option<u8>,
    /// WPF, bit \[16\]: the watchpoint may not have matched the access (a false positive).
    pub maybe_false: bool,
    /// FnP, bit \[15\]: `FAR_ELx` is not the lowest address that was accessed.
    pub far_not_precise: bool,
    /// VNCR, bit \[13\]: the access was one to the page of `VNCR_EL2`.
    pub vncr: bool,
    /// FnV, bit \[10\]: `FAR_ELx` is not valid.
    pub far_not_valid: bool,
    /// CM, bit \[8\]: a cache maintenance instruction.
    pub cache_maintenance: bool,
    /// WnR, bit \[6\]: a write.
    pub write: bool,
}

impl Watchpoint {
    const fn decode(iss: u32) -> Self {
        Self {
            number: if bit(iss, 17) { Some((iss >> 18) as u8 & 0x3f) } else { None },
            maybe_false: bit(iss, 16),
            far_not_precise: bit(iss, 15),
            vncr: bit(iss, 13),
            far_not_valid: bit(iss, 10),
            cache_maintenance: bit(iss, 8),
            write: bit(iss, 6),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syndrome::Syndrome;
    use std::string::ToString;

    #[test]
    fn the_five_debug_exits_say_what_happened() {
        for (esr, words) in [
            (0xc200_0022, "breakpoint from a lower level"),
            (0xca00_0022, "software step from a lower level"),
            (0xcb00_0062, "software step from a lower level of a load exclusive"),
            (0xd200_0062, "watchpoint from a lower level on a write"),
            (0xd200_0022, "watchpoint from a lower level on a read"),
            (0xf200_03e8, "BRK #0x3e8"),
            (0xe000_00ab, "BKPT #0xab"),
        ] {
            assert_eq!(Syndrome::decode(esr).to_string(), words);
        }
    }

    #[test]
    fn ex_of_a_step_counts_only_with_isv() {
        assert!(!SoftwareStep::decode(1 << 6).exclusive);
        assert!(SoftwareStep::decode(1 << 24 | 1 << 6).exclusive);
    }

    #[test]
    fn the_number_of_a_watchpoint_counts_only_with_wptv() {
        assert_eq!(Watchpoint::decode(5 << 18).number, None);
        assert_eq!(Watchpoint::decode(5 << 18 | 1 << 17).number, Some(5));
    }
}
