//! Syndromes of exceptions that instructions make of themselves.

use core::fmt;

use super::bits::{bit, field};
use super::trap::X;

/// A trapped floating-point exception (DDI 0487, "ISS encoding for an exception from a trapped
/// floating-point exception").
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct FloatingPoint {
    /// TFV, bit \[23\]: the flags below are valid.
    pub valid: bool,
    /// IDF, bit \[7\]: input denormal.
    pub input_denormal: bool,
    /// IXF, bit \[4\]: inexact.
    pub inexact: bool,
    /// UFF, bit \[3\]: underflow.
    pub underflow: bool,
    /// OFF, bit \[2\]: overflow.
    pub overflow: bool,
    /// DZF, bit \[1\]: divide by zero.
    pub divide_by_zero: bool,
    /// IOF, bit \[0\]: invalid operation.
    pub invalid_operation: bool,
}

impl FloatingPoint {
    pub(super) const fn decode(iss: u32) -> Self {
        Self {
            valid: bit(iss, 23),
            input_denormal: bit(iss, 7),
            inexact: bit(iss, 4),
            underflow: bit(iss, 3),
            overflow: bit(iss, 2),
            divide_by_zero: bit(iss, 1),
            invalid_operation: bit(iss, 0),
        }
    }
}

impl fmt::Display for FloatingPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (said, words) in [
            (self.input_denormal, ", input denormal"),
            (self.inexact, ", inexact"),
            (self.underflow, ", underflow"),
            (self.overflow, ", overflow"),
            (self.divide_by_zero, ", divide by zero"),
            (self.invalid_operation, ", invalid operation"),
        ] {
            if said && self.valid {
                f.write_str(words)?;
            }
        }
        Ok(())
    }
}

/// A memory copy or set instruction that cannot go on (DDI 0487, "ISS encoding for an exception from the
/// Memory Copy and Memory Set instructions").
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct MemoryCopySet {
    /// MemInst, bit \[24\]: a `SET*` instruction, else `CPY*`.
    pub set: bool,
    /// isSETG, bit \[23\]: `SETG*`, which sets tags.
    pub sets_tags: bool,
    /// Options, bits \[22:19\].
    pub options: u8,
    /// FromEpilogue, bit \[18\]: the epilogue instruction, else the main one.
    pub epilogue: bool,
    /// WrongOption, bit \[17\]: the registers are of the other option.
    pub wrong_option: bool,
    /// OptionA, bit \[16\]: the registers are of option A.
    pub option_a: bool,
    /// destreg, bits \[14:10\].
    pub destination: u8,
    /// srcreg, bits \[9:5\].
    pub source: u8,
    /// sizereg, bits \[4:0\].
    pub size: u8,
}

impl MemoryCopySet {
    pub(super) const fn decode(iss: u32) -> Self {
        Self {
            set: bit(iss, 24),
            sets_tags: bit(iss, 23),
            options: field(iss, 19, 4),
            epilogue: bit(iss, 18),
            wrong_option: bit(iss, 17),
            option_a: bit(iss, 16),
            destination: field(iss, 10, 5),
            source: field(iss, 5, 5),
            size: field(iss, 0, 5),
        }
    }
}

impl fmt::Display for MemoryCopySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match (self.set, self.sets_tags) {
            (false, _) => "CPY",
            (true, false) => "SET",
            (true, true) => "SETG",
        };
        let part = if self.epilogue { 'E' } else { 'M' };
        let (destination, source, size) = (X(self.destination), X(self.source), X(self.size));
        write!(f, ": {name}{part} to {destination} from {source}, size in {size}")?;
        if self.wrong_option { f.write_str(", wrong option") } else { Ok(()) }
    }
}

/// A pointer that failed its authentication (DDI 0487, "ISS encoding for an exception from a Pointer
/// Authentication instruction authentication failure").
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct AuthenticationFailure {
    /// Bit \[1\]: a data key, else an instruction key.
    pub data_key: bool,
    /// Bit \[0\]: the B key, else the A key.
    pub b_key: bool,
}

impl AuthenticationFailure {
    pub(super) const fn decode(iss: u32) -> Self {
        Self { data_key: bit(iss, 1), b_key: bit(iss, 0) }
    }
}

impl fmt::Display for AuthenticationFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.data_key { 'D' } else { 'I' };
        let key = if self.b_key { 'B' } else { 'A' };
        write!(f, " with key {kind}{key}")
    }
}

/// Which `ERET` was trapped (DDI 0487, "ISS encoding for an exception from ERET, ERETAA or ERETAB
/// instruction").
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ExceptionReturn {
    /// `ERET`.
    Eret,
    /// `ERETAA`.
    Eretaa,
    /// `ERETAB`.
    Eretab,
}

impl ExceptionReturn {
    pub(super) const fn decode(iss: u32) -> Self {
        match field(iss, 0, 2) {
            // ERETA, bit [0], counts only where ERET, bit [1], is set.
            0b10 => Self::Eretaa,
            0b11 => Self::Eretab,
            _ => Self::Eret,
        }
    }
}

impl fmt::Display for ExceptionReturn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Eret => "",
            Self::Eretaa => ": ERETAA",
            Self::Eretab => ": ERETAB",
        })
    }
}

/// Why an SME instruction was trapped: SMTC, bits \[2:0\] (DDI 0487, "ISS encoding for an exception due to
/// SME functionality").
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum SmeTrap {
    /// 0b000: a control traps SME.
    Disabled,
    /// 0b001: the instruction is not for Streaming SVE mode.
    IllegalWhenStreaming,
    /// 0b010: the instruction is for Streaming SVE mode alone.
    IllegalWhenNotStreaming,
    /// 0b011: `PSTATE.ZA` is 0.
    ZaInactive,
    /// 0b100: a control traps `ZT0`.
    Zt0Disabled,
    /// An encoding without a meaning, bits \[2:0\].
    Reserved(u8),
}

impl SmeTrap {
    pub(super) const fn decode(iss: u32) -> Self {
        match field(iss, 0, 3) {
            0b000 => Self::Disabled,
            0b001 => Self::IllegalWhenStreaming,
            0b010 => Self::IllegalWhenNotStreaming,
            0b011 => Self::ZaInactive,
            0b100 => Self::Zt0Disabled,
            reserved => Self::Reserved(reserved),
        }
    }
}

impl fmt::Display for SmeTrap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disabled => f.write_str(", disabled"),
            Self::IllegalWhenStreaming => f.write_str(", illegal in Streaming SVE mode"),
            Self::IllegalWhenNotStreaming => f.write_str(", illegal outside Streaming SVE mode"),
            Self::ZaInactive => f.write_str(", ZA inactive"),
            Self::Zt0Disabled => f.write_str(", ZT0 disabled"),
            Self::Reserved(bits) => write!(f, ", reserved reason {bits:#05b}"),
        }
    }
}

/// Which instruction of class 0x0a was trapped (DDI 0487, "ISS encoding for an exception from an LD64B or
/// ST64B* instruction").
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum OtherInstruction {
    /// 0: `ST64BV`.
    St64bv,
    /// 1: `ST64BV0`.
    St64bv0,
    /// 2: `LD64B` or `ST64B`.
    Ls64,
    /// Another ISS, bits \[24:0\].
    Other(u32),
}

impl OtherInstruction {
    pub(super) const fn decode(iss: u32) -> Self {
        match iss {
            0 => Self::St64bv,
            1 => Self::St64bv0,
            2 => Self::Ls64,
            other => Self::Other(other),
        }
    }
}

impl fmt::Display for OtherInstruction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::St64bv => f.write_str(": ST64BV"),
            Self::St64bv0 => f.write_str(": ST64BV0"),
            Self::Ls64 => f.write_str(": LD64B or ST64B"),
            Self::Other(iss) => write!(f, ", ISS {iss:#x}"),
        }
    }
}

/// What went against the guarded control stack: ExType, bits \[23:20\] (DDI 0487, "ISS encoding for a GCS
/// exception").
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum GuardedControlStack {
    /// 0b0000: a value on the stack was not the expected one.
    DataCheck {
        /// IT, bits \[4:0\]: which instruction it was.
        instruction: GcsInstruction,
        /// Rn, bits \[9:5\]: its register.
        register: u8,
    },
    /// 0b0001: exception return state is locked.
    ExceptionLock,
    /// 0b0010: `GCSSTR` or `GCSSTTR` is not allowed.
    Store {
        /// Raddr, bits \[14:10\]: the register with the address.
        address: u8,
        /// Rvalue, bits \[9:5\]: the register with the value.
        value: u8,
    },
    /// Another ExType, bits \[3:0\].
    Reserved(u8),
}

impl GuardedControlStack {
    pub(super) const fn decode(iss: u32) -> Self {
        match field(iss, 20, 4) {
            0 => Self::DataCheck {
                instruction: GcsInstruction::from_bits(field(iss, 0, 5)),
                register: field(iss, 5, 5),
            },
            1 => Self::ExceptionLock,
            2 => Self::Store { address: field(iss, 10, 5), value: field(iss, 5, 5) },
            reserved => Self::Reserved(reserved),
        }
    }
}

impl fmt::Display for GuardedControlStack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DataCheck { instruction, .. } => write!(f, ", data check of {instruction}"),
            Self::ExceptionLock => f.write_str(", exception return state locked"),
            Self::Store { address, value } => {
                write!(f, ", store of {} to {} not allowed", X(*value), X(*address))
            }
            Self::Reserved(kind) => write!(f, ", reserved type {kind:#x}"),
        }
    }
}

/// IT: which instruction met a wrong value on the guarded control stack.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum GcsInstruction {
    /// A procedure return without authentication.
    Return,
    /// `GCSPOPM`.
    PopM,
    /// A procedure return with the A key.
    ReturnKeyA,
    /// A procedure return with the B key.
    ReturnKeyB,
    /// `GCSSS1`.
    Switch1,
    /// `GCSSS2`.
    Switch2,
    /// `GCSPOPCX`.
    PopCx,
    /// `GCSPOPX`.
    PopX,
    /// Another value, bits \[4:0\].
    Reserved(u8),
}

impl GcsInstruction {
    const fn from_bits(bits: u8) -> Self {
        match bits {
            0 => Self::Return,
            1 => Self::PopM,
            2 => Self::ReturnKeyA,
            3 => Self::ReturnKeyB,
            4 => Self::Switch1,
            5 => Self::Switch2,
            6 => Self::PopCx,
            7 => Self::PopX,
            reserved => Self::Reserved(reserved),
        }
    }
}

impl fmt::Display for GcsInstruction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Return => f.write_str("a return"),
            Self::PopM => f.write_str("GCSPOPM"),
            Self::ReturnKeyA => f.write_str("a return with key A"),
            Self::ReturnKeyB => f.write_str("a return with key B"),
            Self::Switch1 => f.write_str("GCSSS1"),
            Self::Switch2 => f.write_str("GCSSS2"),
            Self::PopCx => f.write_str("GCSPOPCX"),
            Self::PopX => f.write_str("GCSPOPX"),
            Self::Reserved(bits) => write!(f, "reserved instruction {bits:#x}"),
        }
    }
}
