//! Syndromes of exceptions that instructions make of themselves.

use core::fmt;

use bitfield_struct::bitfield;

use super::words::{RESERVED, X, word, write_set};

/// A trapped floating-point exception (DDI 0487, "ISS encoding for an exception from a trapped
/// floating-point exception").
#[bitfield(u32, new = false, default = false, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq, Hash)]
pub struct FloatingPoint {
    /// IOF, bit \[0\]: invalid operation.
    #[bits(1, access = RO)]
    pub iof: bool,
    /// DZF, bit \[1\]: divide by zero.
    #[bits(1, access = RO)]
    pub dzf: bool,
    /// OFF, bit \[2\]: overflow.
    #[bits(1, access = RO)]
    pub off: bool,
    /// UFF, bit \[3\]: underflow.
    #[bits(1, access = RO)]
    pub uff: bool,
    /// IXF, bit \[4\]: inexact.
    #[bits(1, access = RO)]
    pub ixf: bool,
    #[bits(2)]
    __: u8,
    /// IDF, bit \[7\]: input denormal.
    #[bits(1, access = RO)]
    pub idf: bool,
    #[bits(15)]
    __: u32,
    /// TFV, bit \[23\]: the other flags are valid.
    #[bits(1, access = RO)]
    pub tfv: bool,
    __: u8,
}

impl fmt::Display for FloatingPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.tfv() {
            return Ok(());
        }
        write_set(
            f,
            u64::from(self.into_bits()),
            &[
                (0, ", invalid operation"),
                (1, ", divide by zero"),
                (2, ", overflow"),
                (3, ", underflow"),
                (4, ", inexact"),
                (7, ", input denormal"),
            ],
        )
    }
}

/// A memory copy or set instruction that cannot go on (DDI 0487, "ISS encoding for an exception from the
/// Memory Copy and Memory Set instructions").
#[bitfield(u32, new = false, default = false, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq, Hash)]
pub struct MemoryCopySet {
    /// sizereg, bits \[4:0\].
    #[bits(5, access = RO)]
    pub sizereg: u8,
    /// srcreg, bits \[9:5\].
    #[bits(5, access = RO)]
    pub srcreg: u8,
    /// destreg, bits \[14:10\].
    #[bits(5, access = RO)]
    pub destreg: u8,
    __: bool,
    /// OptionA, bit \[16\]: the registers are of option A.
    #[bits(1, access = RO)]
    pub option_a: bool,
    /// WrongOption, bit \[17\]: the registers are of the other option.
    #[bits(1, access = RO)]
    pub wrong_option: bool,
    /// FromEpilogue, bit \[18\]: the epilogue instruction, else the main one.
    #[bits(1, access = RO)]
    pub from_epilogue: bool,
    /// Options, bits \[22:19\].
    #[bits(4, access = RO)]
    pub options: u8,
    /// isSETG, bit \[23\]: `SETG*`, which sets tags.
    #[bits(1, access = RO)]
    pub is_setg: bool,
    /// MemInst, bit \[24\]: a `SET*` instruction, else `CPY*`.
    #[bits(1, access = RO)]
    pub mem_inst: bool,
    #[bits(7)]
    __: u8,
}

impl fmt::Display for MemoryCopySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.mem_inst(), self.is_setg()) {
            (false, _) => ": CPY",
            (true, false) => ": SET",
            (true, true) => ": SETG",
        })?;
        let part = if self.from_epilogue() { "E" } else { "M" };
        let (destination, source) = (X(self.destreg()), X(self.srcreg()));
        write!(f, "{part} to {destination} from {source}, size in {}", X(self.sizereg()))?;
        write_set(f, u64::from(self.into_bits()), &[(17, ", wrong option")])
    }
}

/// A pointer that failed its authentication (DDI 0487, "ISS encoding for an exception from a Pointer
/// Authentication instruction authentication failure").
#[bitfield(u32, new = false, default = false, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq, Hash)]
pub struct AuthenticationFailure {
    /// Bit \[0\]: the B key, else the A key.
    #[bits(1, access = RO)]
    pub b_key: bool,
    /// Bit \[1\]: a data key, else an instruction key.
    #[bits(1, access = RO)]
    pub data_key: bool,
    #[bits(30)]
    __: u32,
}

impl fmt::Display for AuthenticationFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = [" with key IA", " with key IB", " with key DA", " with key DB"];
        f.write_str(word(&keys, self.into_bits() as u8 & 0b11))
    }
}

/// Which `ERET` was trapped (DDI 0487, "ISS encoding for an exception from ERET, ERETAA or ERETAB
/// instruction").
#[bitfield(u32, new = false, default = false, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq, Hash)]
pub struct ExceptionReturn {
    /// ERETA, bit \[0\]: `ERETAB`, else `ERETAA`; means something where ERET is set.
    #[bits(1, access = RO)]
    pub ereta: bool,
    /// ERET, bit \[1\]: one of those, else `ERET`.
    #[bits(1, access = RO)]
    pub eret: bool,
    #[bits(30)]
    __: u32,
}

impl fmt::Display for ExceptionReturn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(word(&["", "", ": ERETAA", ": ERETAB"], self.into_bits() as u8 & 0b11))
    }
}

/// Why an SME instruction was trapped: SMTC, bits \[2:0\] (DDI 0487, "ISS encoding for an exception due to
/// SME functionality").
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum SmeTrap {
    /// A control traps SME.
    Disabled = 0b000,
    /// The instruction is not for Streaming SVE mode.
    IllegalWhenStreaming = 0b001,
    /// The instruction is for Streaming SVE mode alone.
    IllegalWhenNotStreaming = 0b010,
    /// `PSTATE.ZA` is 0.
    ZaInactive = 0b011,
    /// A control traps `ZT0`.
    Zt0Disabled = 0b100,
    /// An encoding without a meaning, bits \[2:0\].
    Reserved(u8) = 0b1000,
}

impl SmeTrap {
    /// The reason that bits \[2:0\] of `bits` encode.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        match bits & 0b111 {
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
        f.write_str(match self {
            Self::Disabled => ", disabled",
            Self::IllegalWhenStreaming => ", illegal in Streaming SVE mode",
            Self::IllegalWhenNotStreaming => ", illegal outside Streaming SVE mode",
            Self::ZaInactive => ", ZA inactive",
            Self::Zt0Disabled => ", ZT0 disabled",
            Self::Reserved(_) => ", reserved reason",
        })
    }
}

/// What went against the guarded control stack (DDI 0487, "ISS encoding for a GCS exception").
#[bitfield(u32, new = false, default = false, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq, Hash)]
pub struct GuardedControlStack {
    /// IT, bits \[4:0\], of a data check: which instruction it was; 0 a return, 1 `GCSPOPM`, 2 and 3 a
    /// return with key A or B, 4 `GCSSS1`, 5 `GCSSS2`, 8 `GCSPOPCX`, 9 `GCSPOPX`.
    #[bits(5, access = RO)]
    pub it: u8,
    /// Rn, bits \[9:5\], of a data check: the register; Rvalue, of a store: the register with the value.
    #[bits(5, access = RO)]
    pub rn: u8,
    /// Raddr, bits \[14:10\], of a store: the register with the address.
    #[bits(5, access = RO)]
    pub raddr: u8,
    #[bits(5)]
    __: u8,
    /// ExType, bits \[23:20\]: 0 a data check, 1 exception return state is locked, 2 a store is not
    /// allowed.
    #[bits(4, access = RO)]
    pub extype: u8,
    __: u8,
}

impl fmt::Display for GuardedControlStack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.extype() {
            0 => {
                let instructions = [
                    "a return",
                    "GCSPOPM",
                    "a return with key A",
                    "a return with key B",
                    "GCSSS1",
                    "GCSSS2",
                    RESERVED,
                    RESERVED,
                    "GCSPOPCX",
                    "GCSPOPX",
                ];
                write!(f, ", data check of {}", word(&instructions, self.it()))
            }
            1 => f.write_str(", exception return state locked"),
            2 => write!(f, ", store of {} to {} not allowed", X(self.rn()), X(self.raddr())),
            reserved => write!(f, ", reserved type {reserved:#x}"),
        }
    }
}
