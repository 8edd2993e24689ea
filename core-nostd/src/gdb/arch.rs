//! AArch64 as gdb numbers its registers.

use core::num::NonZeroUsize;

use gdbstub::arch::{Arch, BreakpointKind, RegId, Registers};

use crate::breakpoint::Instruction;

/// AArch64 for gdbstub. The description is sent by [`super::description`].
#[derive(Debug)]
pub enum Aarch64 {}

impl Arch for Aarch64 {
    type Usize = u64;
    type Registers = CoreRegisters;
    type BreakpointKind = InstructionKind;
    type RegId = RegisterNumber;
}

/// The registers of a `g` packet: `X0` to `X30`, `SP`, `PC` and `CPSR`.
///
/// gdb takes a `g` reply that ends early and fetches the rest, the vector registers, by `p` when it
/// needs them; so a stop costs no vector register reads.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CoreRegisters {
    /// `X0` to `X30`.
    pub x: [u64; 31],
    /// The stack pointer in use.
    pub sp: u64,
    /// The program counter.
    pub pc: u64,
    /// `PSTATE` in SPSR layout, its low 32 bits.
    pub cpsr: u32,
}

/// Bytes in a `g` packet: 33 registers of 8 bytes and `CPSR`.
const CORE_REGISTERS_LENGTH: usize = 33 * 8 + 4;

impl Registers for CoreRegisters {
    type ProgramCounter = u64;

    fn pc(&self) -> u64 {
        self.pc
    }

    fn gdb_serialize(&self, mut write_byte: impl FnMut(Option<u8>)) {
        let wide = self.x.iter().chain([&self.sp, &self.pc]);
        let bytes = wide.flat_map(|value| value.to_le_bytes()).chain(self.cpsr.to_le_bytes());
        for byte in bytes {
            write_byte(Some(byte));
        }
    }

    fn gdb_deserialize(&mut self, bytes: &[u8]) -> Result<(), ()> {
        let bytes = bytes.get(..CORE_REGISTERS_LENGTH).ok_or(())?;
        let (wide, cpsr) = bytes.split_at_checked(33 * 8).ok_or(())?;
        let registers = self.x.iter_mut().chain([&mut self.sp, &mut self.pc]);
        for (register, chunk) in registers.zip(wide.chunks_exact(8)) {
            *register = u64::from_le_bytes(chunk.try_into().map_err(|_| ())?);
        }
        self.cpsr = u32::from_le_bytes(cpsr.try_into().map_err(|_| ())?);
        Ok(())
    }
}

/// A register by gdb's number: the order of the features `org.gnu.gdb.aarch64.core` and `.fpu`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RegisterNumber {
    /// 0 to 30.
    X(u8),
    /// 31, the stack pointer in use.
    Sp,
    /// 32.
    Pc,
    /// 33, 32 bits.
    Cpsr,
    /// 34 to 65.
    V(u8),
    /// 66, 32 bits.
    Fpsr,
    /// 67, 32 bits.
    Fpcr,
}

impl RegisterNumber {
    /// The register's size in bytes.
    #[must_use]
    pub const fn size(self) -> usize {
        match self {
            Self::X(_) | Self::Sp | Self::Pc => 8,
            Self::Cpsr | Self::Fpsr | Self::Fpcr => 4,
            Self::V(_) => 16,
        }
    }
}

impl RegId for RegisterNumber {
    fn from_raw_id(id: usize) -> Option<(Self, Option<NonZeroUsize>)> {
        let register = match u8::try_from(id).ok()? {
            number @ 0..=30 => Self::X(number),
            31 => Self::Sp,
            32 => Self::Pc,
            33 => Self::Cpsr,
            number @ 34..=65 => Self::V(number - 34),
            66 => Self::Fpsr,
            67 => Self::Fpcr,
            _ => return None,
        };
        Some((register, NonZeroUsize::new(register.size())))
    }

    fn to_raw_id(&self) -> Option<usize> {
        Some(match *self {
            Self::X(number) => usize::from(number),
            Self::Sp => 31,
            Self::Pc => 32,
            Self::Cpsr => 33,
            Self::V(number) => 34 + usize::from(number),
            Self::Fpsr => 66,
            Self::Fpcr => 67,
        })
    }
}

/// The instruction set behind the `kind` of a `Z0` or `Z1` packet.
///
/// gdb sends 4 for A64. For AArch32 code it sends 2 (T32), 3 (a 32-bit T32 instruction) or 4 (A32), and
/// which of A64 and A32 a 4 means is known from the core's state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InstructionKind {
    /// 2 or 3.
    T32,
    /// 4.
    Word,
}

impl InstructionKind {
    /// The instruction set, for a core that executes AArch32 code or not.
    #[must_use]
    pub const fn instruction(self, aarch32: bool) -> Instruction {
        match (self, aarch32) {
            (Self::T32, _) => Instruction::T32,
            (Self::Word, true) => Instruction::A32,
            (Self::Word, false) => Instruction::A64,
        }
    }
}

impl BreakpointKind for InstructionKind {
    fn from_usize(kind: usize) -> Option<Self> {
        match kind {
            2 | 3 => Some(Self::T32),
            4 => Some(Self::Word),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn core_registers_survive_the_wire() {
        let mut registers =
            CoreRegisters { sp: 0x5f, pc: 0xffff_8000_1000_4006, cpsr: 0x6000_03c5, ..Default::default() };
        for (number, x) in registers.x.iter_mut().enumerate() {
            *x = 0x0101_0101_0101_0101 * number as u64;
        }
        let mut bytes = Vec::new();
        registers.gdb_serialize(|byte| bytes.push(byte.unwrap()));
        assert_eq!(bytes.len(), CORE_REGISTERS_LENGTH);
        assert_eq!(bytes[8..16], [1; 8]);
        let mut back = CoreRegisters::default();
        assert_eq!(back.gdb_deserialize(&bytes), Ok(()));
        assert_eq!(back, registers);
        assert_eq!(back.gdb_deserialize(&bytes[..CORE_REGISTERS_LENGTH - 1]), Err(()));
    }

    #[test]
    fn numbers_round_trip_and_end_at_fpcr() {
        for id in 0..68 {
            let (register, size) = RegisterNumber::from_raw_id(id).unwrap();
            assert_eq!(register.to_raw_id(), Some(id));
            assert_eq!(size.unwrap().get(), register.size());
        }
        for id in [68, 255, 256, 256 + 32, usize::MAX] {
            assert!(RegisterNumber::from_raw_id(id).is_none(), "{id}");
        }
    }
}
