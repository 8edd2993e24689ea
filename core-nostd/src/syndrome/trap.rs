//! Syndromes of instructions that were trapped: system registers, coprocessors, waiting.

use core::fmt;

use super::bits::{bit, field};
use crate::registers::SystemRegister;

/// COND, bits \[23:20\] of the ISS, where CV, bit \[24\], makes it valid: the condition of a conditional
/// instruction, 0b1110 for always.
pub(super) const fn condition(iss: u32) -> Option<u8> {
    if bit(iss, 24) { Some(field(iss, 20, 4)) } else { None }
}

/// A general-purpose register as an operand: 31 is the zero register.
pub(super) struct X(pub(super) u8);

impl fmt::Display for X {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 31 { f.write_str("XZR") } else { write!(f, "X{}", self.0) }
    }
}

/// Which instruction waits: TI, bits \[1:0\].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum WaitInstruction {
    /// 0b00: `WFI`.
    Wfi,
    /// 0b01: `WFE`.
    Wfe,
    /// 0b10: `WFIT`.
    Wfit,
    /// 0b11: `WFET`.
    Wfet,
}

/// A trapped wait (DDI 0487, "ISS encoding for an exception from a WF* instruction").
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Wait {
    /// COND, where CV makes it valid.
    pub condition: Option<u8>,
    /// RN, bits \[9:5\], where RV, bit \[2\], makes it valid: the register with the time.
    pub register: Option<u8>,
    /// TI, bits \[1:0\].
    pub instruction: WaitInstruction,
}

impl Wait {
    pub(super) const fn decode(iss: u32) -> Self {
        Self {
            condition: condition(iss),
            register: if bit(iss, 2) { Some(field(iss, 5, 5)) } else { None },
            instruction: match field(iss, 0, 2) {
                0b00 => WaitInstruction::Wfi,
                0b01 => WaitInstruction::Wfe,
                0b10 => WaitInstruction::Wfit,
                _ => WaitInstruction::Wfet,
            },
        }
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.instruction {
            WaitInstruction::Wfi => ": WFI",
            WaitInstruction::Wfe => ": WFE",
            WaitInstruction::Wfit => ": WFIT",
            WaitInstruction::Wfet => ": WFET",
        })?;
        match self.register {
            Some(register) => write!(f, " {}", X(register)),
            None => Ok(()),
        }
    }
}

/// A trapped `MSR`, `MRS` or system instruction (DDI 0487, "ISS encoding for an exception from MSR, MRS,
/// or System instruction execution in AArch64 state").
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct SystemRegisterAccess {
    /// Op0 \[21:20\], Op1 \[16:14\], CRn \[13:10\], CRm \[4:1\] and Op2 \[19:17\].
    pub register: SystemRegister,
    /// Rt, bits \[9:5\]: the general-purpose register, 31 for the zero register.
    pub rt: u8,
    /// Direction, bit \[0\]: a read, `MRS`.
    pub read: bool,
}

impl SystemRegisterAccess {
    pub(super) const fn decode(iss: u32) -> Self {
        Self { register: system_register(iss), rt: field(iss, 5, 5), read: bit(iss, 0) }
    }
}

const fn system_register(iss: u32) -> SystemRegister {
    let (op0, op2, op1) = (field(iss, 20, 2) as u16, field(iss, 17, 3) as u16, field(iss, 14, 3) as u16);
    let (crn, crm) = (field(iss, 10, 4) as u16, field(iss, 1, 4) as u16);
    SystemRegister::from_encoding(op0 << 14 | op1 << 11 | crn << 7 | crm << 3 | op2)
}

impl fmt::Display for SystemRegisterAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (register, rt) = (self.register, X(self.rt));
        if self.read { write!(f, ": MRS {rt}, {register}") } else { write!(f, ": MSR {register}, {rt}") }
    }
}

/// A trapped access to a 128-bit system register (DDI 0487, "ISS encoding for an exception from MSRR,
/// MRRS, or 128-bit System instruction execution in AArch64 state").
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct SystemRegisterPairAccess {
    /// The register, as in [`SystemRegisterAccess`].
    pub register: SystemRegister,
    /// Rt, bits \[9:6\]: the first register of the pair, an even number.
    pub rt: u8,
    /// Direction, bit \[0\]: a read, `MRRS`.
    pub read: bool,
}

impl SystemRegisterPairAccess {
    pub(super) const fn decode(iss: u32) -> Self {
        Self { register: system_register(iss), rt: field(iss, 6, 4) << 1, read: bit(iss, 0) }
    }
}

impl fmt::Display for SystemRegisterPairAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (register, first, second) = (self.register, X(self.rt), X(self.rt + 1));
        if self.read {
            write!(f, ": MRRS {first}, {second}, {register}")
        } else {
            write!(f, ": MSRR {register}, {first}, {second}")
        }
    }
}

/// A trapped AArch32 `MCR`, `MRC` or `VMRS` (DDI 0487, "ISS encoding for an exception from an MCR or MRC
/// access").
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct CoprocessorAccess {
    /// COND, where CV makes it valid.
    pub condition: Option<u8>,
    /// Opc2, bits \[19:17\].
    pub opc2: u8,
    /// Opc1, bits \[16:14\].
    pub opc1: u8,
    /// CRn, bits \[13:10\].
    pub crn: u8,
    /// Rt, bits \[9:5\], as the number of the X register that holds the AArch32 one.
    pub rt: u8,
    /// CRm, bits \[4:1\].
    pub crm: u8,
    /// Direction, bit \[0\]: a read, `MRC` or `VMRS`.
    pub read: bool,
}

impl CoprocessorAccess {
    pub(super) const fn decode(iss: u32) -> Self {
        Self {
            condition: condition(iss),
            opc2: field(iss, 17, 3),
            opc1: field(iss, 14, 3),
            crn: field(iss, 10, 4),
            rt: field(iss, 5, 5),
            crm: field(iss, 1, 4),
            read: bit(iss, 0),
        }
    }
}

impl fmt::Display for CoprocessorAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { opc2, opc1, crn, rt, crm, .. } = self;
        let name = if self.read { "MRC" } else { "MCR" };
        write!(f, ": {name} {opc1}, {}, C{crn}, C{crm}, {opc2}", X(*rt))
    }
}

/// A trapped AArch32 `MCRR` or `MRRC` (DDI 0487, "ISS encoding for an exception from an MCRR or MRRC
/// access").
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct CoprocessorPairAccess {
    /// COND, where CV makes it valid.
    pub condition: Option<u8>,
    /// Opc1, bits \[19:16\].
    pub opc1: u8,
    /// Rt2, bits \[14:10\], as the number of an X register.
    pub rt2: u8,
    /// Rt, bits \[9:5\], as the number of an X register.
    pub rt: u8,
    /// CRm, bits \[4:1\].
    pub crm: u8,
    /// Direction, bit \[0\]: a read, `MRRC`.
    pub read: bool,
}

impl CoprocessorPairAccess {
    pub(super) const fn decode(iss: u32) -> Self {
        Self {
            condition: condition(iss),
            opc1: field(iss, 16, 4),
            rt2: field(iss, 10, 5),
            rt: field(iss, 5, 5),
            crm: field(iss, 1, 4),
            read: bit(iss, 0),
        }
    }
}

impl fmt::Display for CoprocessorPairAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.read { "MRRC" } else { "MCRR" };
        write!(f, ": {name} {}, {}, {}, C{}", self.opc1, X(self.rt), X(self.rt2), self.crm)
    }
}

/// A trapped AArch32 `LDC` or `STC` (DDI 0487, "ISS encoding for an exception from an LDC or STC
/// instruction").
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct CoprocessorLoadStore {
    /// COND, where CV makes it valid.
    pub condition: Option<u8>,
    /// imm8, bits \[19:12\]: the offset in words.
    pub offset: u8,
    /// Rn, bits \[9:5\]: the base register, as the number of an X register; not valid for a literal.
    pub rn: u8,
    /// Offset, bit \[4\]: the offset is added.
    pub add: bool,
    /// AM, bits \[3:1\]: addressing mode.
    pub addressing_mode: u8,
    /// Direction, bit \[0\]: a load from memory, `LDC`.
    pub load: bool,
}

impl CoprocessorLoadStore {
    pub(super) const fn decode(iss: u32) -> Self {
        Self {
            condition: condition(iss),
            offset: field(iss, 12, 8),
            rn: field(iss, 5, 5),
            add: bit(iss, 4),
            addressing_mode: field(iss, 1, 3),
            load: bit(iss, 0),
        }
    }
}

impl fmt::Display for CoprocessorLoadStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.load { "LDC" } else { "STC" };
        let sign = if self.add { '+' } else { '-' };
        write!(f, ": {name} at {}, {sign}{}", X(self.rn), u16::from(self.offset) * 4)
    }
}
