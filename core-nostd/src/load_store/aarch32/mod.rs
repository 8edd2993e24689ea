//! Which bytes a load or store of A32 or T32 accesses, from its encoding and a few registers.
//!
//! Known are loads and stores of Armv8-A's AArch32 state: single registers, halfwords and bytes, doublewords, multiple
//! registers, exclusives, acquire and release, table branches, `RFE` and `SRS`, and those of floating point and Advanced
//! SIMD. Not known, and so not answered, are accesses of other coprocessors (`LDC`, `STC`) and encodings that are
//! UNDEFINED or, as far as they have other registers than an access needs, UNPREDICTABLE.

mod a32;
mod t32;
mod vector;

use super::Direction;
use crate::address::AddressRange;
use crate::breakpoint::Instruction;
use crate::registers::{Cpsr, Mode};
use crate::stepping;

/// Where a load or store accesses memory, and how.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct LoadStore {
    base: Base,
    offset: Offset,
    length: u8,
    direction: Direction,
}

/// What an address is counted from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Base {
    /// R0 to R14, as the core's mode has it.
    Register(u8),
    /// R15 as an instruction reads it: 8 bytes behind an A32 instruction, 4 behind a T32 instruction.
    ProgramCounter,
    /// The same, rounded down to a multiple of 4.
    AlignedProgramCounter,
    /// R13 of a mode.
    StackPointer(Mode),
}

/// What is added to the base.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Offset {
    /// So many bytes.
    Immediate(i32),
    /// R0 to R14, shifted, and added or taken away.
    Register {
        /// Its number.
        number: u8,
        /// How it is shifted.
        shift: Shift,
        /// Whether it is taken away.
        subtract: bool,
    },
}

/// How an offset register is shifted (DDI 0487, "Shifts applied to a register").
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Shift {
    /// Left, by 0 to 31 bits.
    Lsl(u8),
    /// Right, by 1 to 32 bits.
    Lsr(u8),
    /// Right with copies of the sign, by 1 to 32 bits.
    Asr(u8),
    /// Around, by 1 to 31 bits.
    Ror(u8),
    /// Right by one bit, with the carry flag at the top.
    Rrx,
}

impl Shift {
    const NONE: Self = Self::Lsl(0);

    /// The register's value, shifted.
    const fn of(self, value: u32, carry: bool) -> u32 {
        match self {
            Self::Lsl(amount) => value.wrapping_shl(amount as u32),
            Self::Lsr(32..) => 0,
            Self::Lsr(amount) => value >> amount,
            Self::Asr(32..) => (value as i32 >> 31) as u32,
            Self::Asr(amount) => (value as i32 >> amount) as u32,
            Self::Ror(amount) => value.rotate_right(amount as u32),
            Self::Rrx => value >> 1 | (carry as u32) << 31,
        }
    }
}

impl LoadStore {
    /// What an instruction accesses, where it is executed: its 4 little-endian bytes, of which a T32 instruction may have 2
    /// only. `None` for one that accesses no memory, preloads among them, that is not allocated, or that is not known
    /// here.
    #[must_use]
    pub const fn decode(word: u32, instruction: Instruction) -> Option<Self> {
        match instruction {
            Instruction::A64 => None,
            Instruction::A32 => a32::decode(word),
            Instruction::T32 => t32::decode(word),
        }
    }

    /// What an address is counted from.
    #[must_use]
    pub const fn base(&self) -> Base {
        self.base
    }

    /// What is added to it. Of write-back forms that add it only after the access, 0.
    #[must_use]
    pub const fn offset(&self) -> Offset {
        self.offset
    }

    /// How many bytes are accessed, 1 to 128.
    #[must_use]
    pub const fn length(&self) -> u8 {
        self.length
    }

    /// Whether memory is read or written.
    #[must_use]
    pub const fn direction(&self) -> Direction {
        self.direction
    }

    /// The bytes accessed. `base` is what [`Self::base`] holds, `index` the register of [`Self::offset`], where there is
    /// one, and `carry` is `CPSR.C`.
    ///
    /// `None` for an access that wraps around the end of the address space.
    #[must_use]
    pub const fn accessed(&self, base: u32, index: u32, carry: bool) -> Option<AddressRange> {
        let address = match self.offset {
            Offset::Immediate(bytes) => base.wrapping_add(bytes as u32),
            Offset::Register { shift, subtract: false, .. } => base.wrapping_add(shift.of(index, carry)),
            Offset::Register { shift, subtract: true, .. } => base.wrapping_sub(shift.of(index, carry)),
        };
        if address.checked_add(self.length as u32 - 1).is_none() {
            return None;
        }
        match AddressRange::new(address as u64, self.length as u64) {
            Ok(accessed) => Some(accessed),
            Err(_) => None,
        }
    }

    const fn new(base: Base, offset: Offset, length: u32, load: bool) -> Self {
        let direction = if load { Direction::Load } else { Direction::Store };
        Self { base, offset, length: length as u8, direction }
    }
}

/// Whether an instruction is executed in the state `cpsr`, by its condition or that of the IT block that it stands in: one
/// that is not accesses nothing.
#[must_use]
pub const fn executes(word: u32, instruction: Instruction, cpsr: Cpsr) -> bool {
    match instruction {
        Instruction::A64 => true,
        Instruction::A32 => stepping::passes((word >> 28) as u8, cpsr),
        Instruction::T32 => cpsr.it() & 0xf == 0 || stepping::passes(cpsr.it() >> 4, cpsr),
    }
}

/// The `width` bits from `low` on.
const fn field(word: u32, low: u32, width: u32) -> u32 {
    word >> low & ((1 << width) - 1)
}

const fn bit(word: u32, low: u32) -> bool {
    field(word, low, 1) == 1
}

/// Where `RFE` of a register, or `SRS` of the mode in bits \[3:0\] of `mode`, begins; `SRS` has R13 for the register.
const fn exception_base(load: bool, number: u32, mode: u32) -> Option<Base> {
    match (load, register(number)) {
        (true, Base::ProgramCounter) => None,
        (true, base) => Some(base),
        (false, Base::Register(13)) => {
            Some(Base::StackPointer(Mode::from_bits(0x10 | field(mode, 0, 4) as u8)))
        }
        _ => None,
    }
}

/// R0 to R14, or R15 as an instruction reads it.
const fn register(number: u32) -> Base {
    match number & 0xf {
        15 => Base::ProgramCounter,
        number => Base::Register(number as u8),
    }
}

/// So many bytes up or down.
const fn immediate(bytes: u32, up: bool) -> Offset {
    Offset::Immediate(if up { bytes as i32 } else { -(bytes as i32) })
}

/// Loads and stores of `count` registers of 4 bytes: from the base up or down, with the base itself or without.
const fn multiple(base: Base, count: u32, up: bool, before: bool, load: bool) -> LoadStore {
    let bytes = 4 * count as i32;
    let offset = match (up, before) {
        (true, false) => 0,
        (true, true) => 4,
        (false, false) => 4 - bytes,
        (false, true) => -bytes,
    };
    LoadStore::new(base, Offset::Immediate(offset), bytes as u32, load)
}
