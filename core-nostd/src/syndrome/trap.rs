//! Syndromes of instructions that were trapped: system registers, coprocessors, waiting.

use core::fmt;

use bitfield_struct::bitfield;

use super::words::{X, word};
use crate::registers::SystemRegister;

/// The condition of a trapped instruction, where the core says it (DDI 0487, COND and CV in "ISS encoding
/// for an exception from a WF* instruction" and others).
#[bitfield(u32, new = false, default = false, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq, Hash)]
pub struct Conditional {
    #[bits(19)]
    __: u32,
    /// CCKNOWNPASS, bit \[19\], of an AArch32 `SMC`: the condition may have failed.
    #[bits(1, access = RO)]
    pub ccknownpass: bool,
    /// COND, bits \[23:20\]: 0b1110 for always.
    #[bits(4, access = RO)]
    pub cond: u8,
    /// CV, bit \[24\]: COND is valid.
    #[bits(1, access = RO)]
    pub cv: bool,
    #[bits(7)]
    __: u8,
}

impl Conditional {
    /// The condition, where it is valid.
    #[must_use]
    pub const fn condition(self) -> Option<u8> {
        if self.cv() { Some(self.cond()) } else { None }
    }
}

/// Which instruction waits: TI.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum WaitInstruction {
    /// `WFI`.
    Wfi = 0b00,
    /// `WFE`.
    Wfe = 0b01,
    /// `WFIT`.
    Wfit = 0b10,
    /// `WFET`.
    Wfet = 0b11,
}

impl WaitInstruction {
    /// The instruction that bits \[1:0\] of `bits` encode.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        match bits & 0b11 {
            0b00 => Self::Wfi,
            0b01 => Self::Wfe,
            0b10 => Self::Wfit,
            _ => Self::Wfet,
        }
    }
}

/// A trapped wait (DDI 0487, "ISS encoding for an exception from a WF* instruction").
#[bitfield(u32, new = false, default = false, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq, Hash)]
pub struct Wait {
    /// TI, bits \[1:0\]: the instruction.
    #[bits(2, access = RO)]
    pub ti: WaitInstruction,
    /// RV, bit \[2\]: RN is valid.
    #[bits(1, access = RO)]
    pub rv: bool,
    #[bits(2)]
    __: u8,
    /// RN, bits \[9:5\]: the register with the time.
    #[bits(5, access = RO)]
    pub rn: u8,
    #[bits(10)]
    __: u32,
    /// COND, bits \[23:20\]: the condition.
    #[bits(4, access = RO)]
    pub cond: u8,
    /// CV, bit \[24\]: COND is valid.
    #[bits(1, access = RO)]
    pub cv: bool,
    #[bits(7)]
    __: u8,
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(word(&[": WFI", ": WFE", ": WFIT", ": WFET"], self.ti() as u8))?;
        if self.rv() { write!(f, " {}", X(self.rn())) } else { Ok(()) }
    }
}

/// A trapped `MSR`, `MRS` or system instruction (DDI 0487, "ISS encoding for an exception from MSR, MRS,
/// or System instruction execution in AArch64 state").
#[bitfield(u32, new = false, default = false, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq, Hash)]
pub struct SystemRegisterAccess {
    /// Direction, bit \[0\]: a read, `MRS`.
    #[bits(1, access = RO)]
    pub direction: bool,
    /// CRm, bits \[4:1\].
    #[bits(4, access = RO)]
    pub crm: u8,
    /// Rt, bits \[9:5\]: the general-purpose register, 31 for the zero register. Of a 128-bit access, bits
    /// \[9:6\] are half the number of the first register.
    #[bits(5, access = RO)]
    pub rt: u8,
    /// CRn, bits \[13:10\].
    #[bits(4, access = RO)]
    pub crn: u8,
    /// Op1, bits \[16:14\].
    #[bits(3, access = RO)]
    pub op1: u8,
    /// Op2, bits \[19:17\].
    #[bits(3, access = RO)]
    pub op2: u8,
    /// Op0, bits \[21:20\].
    #[bits(2, access = RO)]
    pub op0: u8,
    #[bits(10)]
    __: u32,
}

impl SystemRegisterAccess {
    /// The system register.
    #[must_use]
    pub const fn register(self) -> SystemRegister {
        let (op0, op1, op2) = (self.op0() as u16, self.op1() as u16, self.op2() as u16);
        let (crn, crm) = (self.crn() as u16, self.crm() as u16);
        SystemRegister::from_encoding(op0 << 14 | op1 << 11 | crn << 7 | crm << 3 | op2)
    }

    /// The first register of the pair that a 128-bit access (`MSRR`, `MRRS`, `SYSP`) has: an even number.
    #[must_use]
    pub const fn first_of_pair(self) -> u8 {
        self.rt() & !1
    }

    /// Writes it as the instruction, with the general-purpose registers as given.
    fn write(
        self,
        f: &mut fmt::Formatter<'_>,
        read: &str,
        write: &str,
        rt: &dyn fmt::Display,
    ) -> fmt::Result {
        let register = self.register();
        if self.direction() {
            write!(f, ": {read} {rt}, {register}")
        } else {
            write!(f, ": {write} {register}, {rt}")
        }
    }
}

impl fmt::Display for SystemRegisterAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, "MRS", "MSR", &X(self.rt()))
    }
}

/// A trapped access to a 128-bit system register, as [`SystemRegisterAccess::first_of_pair`] describes it
/// (DDI 0487, "ISS encoding for an exception from MSRR, MRRS, or 128-bit System instruction execution in
/// AArch64 state").
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct SystemRegisterPairAccess(pub SystemRegisterAccess);

impl fmt::Display for SystemRegisterPairAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        struct Pair(u8);
        impl fmt::Display for Pair {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}, {}", X(self.0), X(self.0 + 1))
            }
        }
        self.0.write(f, "MRRS", "MSRR", &Pair(self.0.first_of_pair()))
    }
}

/// A trapped AArch32 `MCR`, `MRC` or `VMRS` (DDI 0487, "ISS encoding for an exception from an MCR or MRC
/// access").
#[bitfield(u32, new = false, default = false, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq, Hash)]
pub struct CoprocessorAccess {
    /// Direction, bit \[0\]: a read, `MRC` or `VMRS`.
    #[bits(1, access = RO)]
    pub direction: bool,
    /// CRm, bits \[4:1\].
    #[bits(4, access = RO)]
    pub crm: u8,
    /// Rt, bits \[9:5\], as the number of the X register that holds the AArch32 one.
    #[bits(5, access = RO)]
    pub rt: u8,
    /// CRn, bits \[13:10\].
    #[bits(4, access = RO)]
    pub crn: u8,
    /// Opc1, bits \[16:14\].
    #[bits(3, access = RO)]
    pub opc1: u8,
    /// Opc2, bits \[19:17\].
    #[bits(3, access = RO)]
    pub opc2: u8,
    /// COND, bits \[23:20\]: the condition.
    #[bits(4, access = RO)]
    pub cond: u8,
    /// CV, bit \[24\]: COND is valid.
    #[bits(1, access = RO)]
    pub cv: bool,
    #[bits(7)]
    __: u8,
}

impl fmt::Display for CoprocessorAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.direction() { "MRC" } else { "MCR" };
        let (opc1, rt, crn, crm) = (self.opc1(), X(self.rt()), self.crn(), self.crm());
        write!(f, ": {name} {opc1}, {rt}, C{crn}, C{crm}, {}", self.opc2())
    }
}

/// A trapped AArch32 `MCRR` or `MRRC` (DDI 0487, "ISS encoding for an exception from an MCRR or MRRC
/// access").
#[bitfield(u32, new = false, default = false, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq, Hash)]
pub struct CoprocessorPairAccess {
    /// Direction, bit \[0\]: a read, `MRRC`.
    #[bits(1, access = RO)]
    pub direction: bool,
    /// CRm, bits \[4:1\].
    #[bits(4, access = RO)]
    pub crm: u8,
    /// Rt, bits \[9:5\], as the number of an X register.
    #[bits(5, access = RO)]
    pub rt: u8,
    /// Rt2, bits \[14:10\], as the number of an X register.
    #[bits(5, access = RO)]
    pub rt2: u8,
    __: bool,
    /// Opc1, bits \[19:16\].
    #[bits(4, access = RO)]
    pub opc1: u8,
    /// COND, bits \[23:20\]: the condition.
    #[bits(4, access = RO)]
    pub cond: u8,
    /// CV, bit \[24\]: COND is valid.
    #[bits(1, access = RO)]
    pub cv: bool,
    #[bits(7)]
    __: u8,
}

impl fmt::Display for CoprocessorPairAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.direction() { "MRRC" } else { "MCRR" };
        write!(f, ": {name} {}, {}, {}, C{}", self.opc1(), X(self.rt()), X(self.rt2()), self.crm())
    }
}

/// A trapped AArch32 `LDC` or `STC` (DDI 0487, "ISS encoding for an exception from an LDC or STC
/// instruction").
#[bitfield(u32, new = false, default = false, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq, Hash)]
pub struct CoprocessorLoadStore {
    /// Direction, bit \[0\]: a load from memory, `LDC`.
    #[bits(1, access = RO)]
    pub direction: bool,
    /// AM, bits \[3:1\]: addressing mode.
    #[bits(3, access = RO)]
    pub am: u8,
    /// Offset, bit \[4\]: the offset is added.
    #[bits(1, access = RO)]
    pub offset: bool,
    /// Rn, bits \[9:5\]: the base register, as the number of an X register; not valid for a literal.
    #[bits(5, access = RO)]
    pub rn: u8,
    #[bits(2)]
    __: u8,
    /// imm8, bits \[19:12\]: the offset in words.
    #[bits(8, access = RO)]
    pub imm8: u8,
    /// COND, bits \[23:20\]: the condition.
    #[bits(4, access = RO)]
    pub cond: u8,
    /// CV, bit \[24\]: COND is valid.
    #[bits(1, access = RO)]
    pub cv: bool,
    #[bits(7)]
    __: u8,
}

impl fmt::Display for CoprocessorLoadStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.direction() { "LDC" } else { "STC" };
        let sign = if self.offset() { "plus" } else { "minus" };
        write!(f, ": {name} at {} {sign} {} words", X(self.rn()), self.imm8())
    }
}
