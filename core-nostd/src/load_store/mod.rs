//! Which bytes a load or store of A64 accesses, from its encoding and a few registers.
//!
//! A watchpoint exception is taken before the access, so the registers that the address is made of still hold what
//! they held for it. The instruction then says more than the hardware does: the recorded address may be any from the
//! lowest that was accessed to the highest watched one (DDI 0487, "Address recorded for Watchpoint exceptions generated
//! by other instructions"), and its length is not recorded at all.
//!
//! Known are loads and stores of the base architecture with their pairs, exclusives, literals and vectors, acquire
//! and release (FEAT_LRCPC, FEAT_LRCPC2, FEAT_LOR), atomics (FEAT_LSE) and `DC ZVA`. Not known, and so not answered, are
//! pointers that are authenticated on the way (`LDRAA`), allocation tags, SVE and SME, memory copies, and what later
//! extensions add to the base architecture.
//!
//! [`aarch32`] is the same of A32 and T32.

pub mod aarch32;
mod decode;

use crate::address::{AddressRange, untag};

/// Where a load or store accesses memory, and how.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct LoadStore {
    base: Base,
    offset: Offset,
    length: Length,
    direction: Direction,
}

/// What an address is counted from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Base {
    /// X0 to X30.
    Register(u8),
    /// The stack pointer in use.
    StackPointer,
    /// The address of the instruction.
    ProgramCounter,
    /// Address 0: XZR.
    Zero,
}

/// What is added to the base.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Offset {
    /// So many bytes.
    Immediate(i32),
    /// X0 to X30, or 31 for 0, extended and shifted left.
    Register {
        /// Its number.
        number: u8,
        /// What of it counts.
        extend: Extend,
        /// By how many bits it is shifted, 0 to 4.
        shift: u8,
    },
}

/// What of an offset register counts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Extend {
    /// The low 32 bits, unsigned.
    Uxtw,
    /// The low 32 bits, signed.
    Sxtw,
    /// All.
    All,
}

/// How many bytes are accessed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Length {
    /// So many, 1 to 64, from the address on.
    Bytes(u8),
    /// The aligned block around the address that `DC ZVA` writes.
    ZeroingBlock,
}

/// Whether memory is read, written, or both.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Direction {
    /// A load.
    Load,
    /// A store, also an exclusive one that fails.
    Store,
    /// An atomic, which is both.
    Both,
}

impl LoadStore {
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

    /// How many bytes are accessed.
    #[must_use]
    pub const fn length(&self) -> Length {
        self.length
    }

    /// Whether memory is read, written, or both.
    #[must_use]
    pub const fn direction(&self) -> Direction {
        self.direction
    }

    /// The bytes accessed, without a tag. `base` is what [`Self::base`] holds, `index` the register of
    /// [`Self::offset`], where there is one, and `zeroing_block` the size in bytes of what `DC ZVA` writes.
    ///
    /// `None` where that size is needed and no power of two, and for an access that wraps around the end of the
    /// address space.
    #[must_use]
    pub const fn accessed(&self, base: u64, index: u64, zeroing_block: u64) -> Option<AddressRange> {
        let offset = match self.offset {
            Offset::Immediate(bytes) => bytes as i64 as u64,
            Offset::Register { extend, shift, .. } => {
                let index = match extend {
                    Extend::Uxtw => index & 0xffff_ffff,
                    Extend::Sxtw => index as u32 as i32 as i64 as u64,
                    Extend::All => index,
                };
                index.wrapping_shl(shift as u32)
            }
        };
        let address = untag(base.wrapping_add(offset));
        let (first, length) = match self.length {
            Length::Bytes(length) => (address, length as u64),
            Length::ZeroingBlock if zeroing_block.is_power_of_two() => {
                (address & !(zeroing_block - 1), zeroing_block)
            }
            Length::ZeroingBlock => return None,
        };
        match AddressRange::new(first, length) {
            Ok(accessed) => Some(accessed),
            Err(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accessed(word: u32, base: u64, index: u64) -> Option<(u64, u64)> {
        let accessed = LoadStore::decode(word)?.accessed(base, index, 64)?;
        Some((accessed.first(), accessed.len()))
    }

    #[test]
    fn addresses_are_made_as_the_instruction_says() {
        for (word, base, index, expected) in [
            (0xf940_0820, 0x1000, 0, Some((0x1010, 8))), // ldr x0, [x1, #16]
            (0xf85f_8c20, 0x1000, 0, Some((0xff8, 8))),  // ldr x0, [x1, #-8]!
            (0xf85f_8420, 0x1000, 0, Some((0x1000, 8))), // ldr x0, [x1], #-8
            (0xb862_d820, 0x1000, 0xffff_ffff, Some((0xffc, 4))), // ldr w0, [x1, w2, sxtw #2]
            (0xb862_5820, 0x1000, 0x1_0000_0003, Some((0x100c, 4))), // ldr w0, [x1, w2, uxtw #2]
            (0x3ce2_7820, 0x1000, 2, Some((0x1020, 16))), // ldr q0, [x1, x2, lsl #4]
            (0x58ff_fff0, 0x1000, 0, Some((0xffc, 8))),  // ldr x16, .-4
            (0xa9bf_7bfd, 0x1000, 0, Some((0xff0, 16))), // stp x29, x30, [sp, #-16]!
            (0xd50b_7421, 0x103f, 0, Some((0x1000, 64))), // dc zva, x1
            (0xf940_0020, 0x5a00_0000_0000_1000, 0, Some((0x1000, 8))), // ldr x0, [x1], with a tag
            (0xf940_0020, u64::MAX - 6, 0, None),        // around the end
        ] {
            assert_eq!(accessed(word, base, index), expected, "{word:#x}");
        }
        let zero = LoadStore::decode(0xd50b_7421).unwrap();
        assert_eq!(zero.accessed(0x1000, 0, 0), None, "the block is not known");
    }
}
