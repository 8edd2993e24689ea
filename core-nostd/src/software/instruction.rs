//! The instructions that stop a core.

use crate::breakpoint::Instruction;

/// The comment (immediate) of the breakpoint instructions that this crate plants: "TL".
///
/// Nobody else's, so that a stop tells whose instruction it was: gdb and lldb plant `BRK #0`; Linux uses
/// 0x004 to 0x007 (probes), 0x100, 0x400 to 0x401 (kgdb), 0x800 (BUG), 0x900 to 0x9ff (KASAN), 0x5500 to
/// 0x55ff (UBSAN) and 0x8200 to 0x83ff (CFI); compilers trap with 1 and 1000; Windows, Hyper-V and clang's
/// debug trap use 0xf000 to 0xf0ff; Apple's pointer authentication 0xc470 to 0xc473; semihosting
/// `HLT #0xf000` and T32 `BKPT #0xab`. T32 has room for the low 8 bits, 0x4c, only.
pub const COMMENT: u16 = 0x544c;

/// Which instruction stops a core when it is planted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum BreakInstruction {
    /// `BRK`, a debug exception: for KVM and EL2, which route debug exceptions to themselves.
    Brk,
    /// `HLT`, entry to Debug state: for a probe.
    Hlt,
}

/// An instruction as it stands in memory, 2 or 4 bytes; of a 4-byte T32 instruction, the first 2.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct InstructionBytes {
    bytes: [u8; 4],
    halfword: bool,
}

impl InstructionBytes {
    /// As many of `bytes` as a breakpoint instruction of that instruction set has; zeros for missing ones.
    #[must_use]
    pub fn new(instruction: Instruction, bytes: &[u8]) -> Self {
        let mut this = Self { bytes: [0; 4], halfword: matches!(instruction, Instruction::T32) };
        let length = this.len();
        for (to, from) in this.bytes.iter_mut().zip(bytes).take(length) {
            *to = *from;
        }
        this
    }

    /// The bytes, in ascending address order.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.len()).unwrap_or(&self.bytes)
    }

    /// How many bytes: 2 for T32, else 4.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "an instruction is never empty")]
    pub const fn len(&self) -> usize {
        if self.halfword { 2 } else { 4 }
    }
}

/// The breakpoint instruction `kind` of an instruction set, with `comment` in its immediate (DDI 0487,
/// "BRK", "HLT", "BKPT").
///
/// AArch32 has `BKPT` in `BRK`'s place. The immediates of T32 are short: 8 bits in `BKPT`, 6 in `HLT`;
/// the high bits of `comment` are left out there. Instructions are little-endian in memory whatever the
/// data's byte order.
#[must_use]
pub const fn break_bytes(kind: BreakInstruction, instruction: Instruction, comment: u16) -> InstructionBytes {
    let imm = comment as u32;
    let word = match (instruction, kind) {
        (Instruction::A64, BreakInstruction::Brk) => 0xd420_0000 | imm << 5,
        (Instruction::A64, BreakInstruction::Hlt) => 0xd440_0000 | imm << 5,
        // imm12 in bits 19 to 8, imm4 in bits 3 to 0; the condition is "always".
        (Instruction::A32, BreakInstruction::Brk) => 0xe120_0070 | (imm & 0xfff0) << 4 | imm & 0xf,
        (Instruction::A32, BreakInstruction::Hlt) => 0xe100_0070 | (imm & 0xfff0) << 4 | imm & 0xf,
        (Instruction::T32, BreakInstruction::Brk) => 0xbe00 | imm & 0xff,
        (Instruction::T32, BreakInstruction::Hlt) => 0xba80 | imm & 0x3f,
    };
    InstructionBytes { bytes: word.to_le_bytes(), halfword: matches!(instruction, Instruction::T32) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_are_those_an_assembler_makes() {
        use BreakInstruction::{Brk, Hlt};
        use Instruction::{A32, A64, T32};
        // From LLVM's assembler: brk #0x544c; hlt #0x544c; bkpt 0x544c; hlt 0x544c; bkpt 0x4c; hlt 0xc.
        for (instruction, kind, bytes) in [
            (A64, Brk, &0xd42a_8980u32.to_le_bytes()[..]),
            (A64, Hlt, &0xd44a_8980u32.to_le_bytes()[..]),
            (A32, Brk, &0xe125_447cu32.to_le_bytes()[..]),
            (A32, Hlt, &0xe105_447cu32.to_le_bytes()[..]),
            (T32, Brk, &0xbe4cu16.to_le_bytes()[..]),
            (T32, Hlt, &0xba8cu16.to_le_bytes()[..]),
        ] {
            assert_eq!(break_bytes(kind, instruction, COMMENT).as_slice(), bytes, "{instruction} {kind:?}");
        }
        assert_eq!(break_bytes(Brk, A64, 0).as_slice(), 0xd420_0000u32.to_le_bytes());
        assert_eq!(break_bytes(Brk, A64, u16::MAX).as_slice(), 0xd43f_ffe0u32.to_le_bytes());
        assert_eq!(break_bytes(Brk, A32, u16::MAX).as_slice(), 0xe12f_ff7fu32.to_le_bytes());
    }
}
