//! Instructions whose whole effect is known from their words.

use super::instruction::Flow;
use super::{a64, condition};
use crate::registers::Pstate;

/// What an A64 instruction does, of those that read and write nothing but general registers, at the most depend on flags,
/// that no state of the core but one with `PSTATE.IL` set or a `PSTATE.BTYPE` other than 0 changes or traps, and that
/// cannot fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Simple {
    /// Nothing, but that the next one follows.
    Nothing,
    /// Writes a value to X`to`.
    Set { to: u8, value: u64 },
    /// Writes 16 bits of X`to`, from bit `shift` on, and clears the high half of a `narrow` one.
    Insert { to: u8, shift: u8, value: u16, narrow: bool },
    /// Writes X`from` and an addend to X`to`, or only the low 32 bits of it; 31 is SP.
    Add { to: u8, from: u8, addend: u64, narrow: bool },
    /// Branches.
    Branch { to: u64 },
    /// Branches where a test holds.
    BranchIf { test: Test, to: u64 },
    /// Branches and writes the address of the next instruction to X30. With a Guarded Control Stack (FEAT_GCS) this and
    /// `Return` do more.
    Call { to: u64 },
    /// Branches to what is in X`register`, or to 0 with 31.
    Return { register: u8 },
}

/// Whether a branch is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Test {
    /// By the flags, as `cond` encodes it.
    Flags { condition: u8 },
    /// Whether X`register`, or its low half, is 0, or is not.
    Zero { register: u8, narrow: bool, is: bool },
    /// Whether a bit of X`register` is set, or is not.
    Bit { register: u8, bit: u8, is: bool },
}

impl Test {
    /// Decodes "Conditional branch (immediate)", "Compare and branch (immediate)", "Test and branch (immediate)".
    const fn of(word: u32) -> Option<Self> {
        let (register, is) = ((word & 0x1f) as u8, word >> 24 & 1 == 0);
        // BC.cond, with bit 4 set, branches as B.cond does.
        if word & 0xff00_0000 == 0x5400_0000 {
            return Some(Self::Flags { condition: (word & 0xf) as u8 });
        }
        match word & 0x7e00_0000 {
            0x3400_0000 => Some(Self::Zero { register, narrow: word >> 31 == 0, is }),
            0x3600_0000 => {
                Some(Self::Bit { register, bit: (word >> 26 & 0x20 | word >> 19 & 0x1f) as u8, is: !is })
            }
            _ => None,
        }
    }

    /// The register that it depends on; 31 is the zero register.
    pub(crate) const fn register(self) -> Option<u8> {
        match self {
            Self::Flags { .. } => None,
            Self::Zero { register, .. } | Self::Bit { register, .. } => Some(register),
        }
    }

    /// Whether it holds for a value of that register, and flags.
    pub(crate) const fn holds(self, value: u64, pstate: Pstate) -> bool {
        match self {
            Self::Zero { narrow, is, .. } => {
                let value = if narrow { value & 0xffff_ffff } else { value };
                (value == 0) == is
            }
            Self::Bit { bit, is, .. } => (value >> bit & 1 == 1) == is,
            Self::Flags { condition } => condition::holds(condition, pstate.into_bits() as u32),
        }
    }
}

/// The number that stands for SP in some instructions, and for the zero register in others.
const SP_OR_ZERO: u8 = 31;

impl Simple {
    /// Decodes the instruction `word` at `pc` (DDI 0487, "Data Processing -- Immediate", "Logical (shifted register)",
    /// "Hints", "Unconditional branch (immediate)").
    pub(crate) const fn of(word: u32, pc: u64) -> Option<Self> {
        let narrow = word >> 31 == 0;
        let (to, from) = ((word & 0x1f) as u8, (word >> 5 & 0x1f) as u8);
        Some(match word {
            // NOP; BTI with any operand.
            0xd503_201f | 0xd503_241f | 0xd503_245f | 0xd503_249f | 0xd503_24df => Self::Nothing,
            // ADD and SUB (immediate), which set no flags: sf op 0 100010 sh imm12 Rn Rd.
            _ if word & 0x3f80_0000 == 0x1100_0000 => {
                let shift = if word >> 22 & 1 != 0 { 12 } else { 0 };
                let immediate = ((word >> 10 & 0xfff) as u64) << shift;
                let addend = if word >> 30 & 1 != 0 { immediate.wrapping_neg() } else { immediate };
                Self::Add { to, from, addend, narrow }
            }
            // MOVN, MOVZ and MOVK: sf opc 100101 hw imm16 Rd.
            _ if word & 0x1f80_0000 == 0x1280_0000 => {
                let (shift, value) = ((word >> 21 & 0b11) as u8 * 16, (word >> 5) as u16);
                if narrow && shift > 16 {
                    return None;
                }
                let placed = (value as u64) << shift;
                match word >> 29 & 0b11 {
                    0b00 => Self::set(to, if narrow { !placed & 0xffff_ffff } else { !placed }),
                    0b10 => Self::set(to, placed),
                    0b11 if to == SP_OR_ZERO => Self::Nothing,
                    0b11 => Self::Insert { to, shift, value, narrow },
                    _ => return None,
                }
            }
            // MOV (register), an ORR with the zero register: sf 01 01010 00 0 Rm 000000 11111 Rd.
            _ if word & 0x7fe0_ffe0 == 0x2a00_03e0 => match (to, (word >> 16 & 0x1f) as u8) {
                (to, SP_OR_ZERO) => Self::set(to, 0),
                (SP_OR_ZERO, _) => Self::Nothing,
                (to, from) => Self::Add { to, from, addend: 0, narrow },
            },
            // ADR and ADRP: op immlo 10000 immhi Rd.
            _ if word & 0x1f00_0000 == 0x1000_0000 => {
                // 21 bits, of which the sign is at the top of a word.
                let offset = (((word >> 5 & 0x7_ffff) << 13 | (word >> 29 & 0b11) << 11) as i32 >> 11) as i64;
                let value = match word >> 31 {
                    0 => pc.wrapping_add_signed(offset),
                    _ => (pc & !0xfff).wrapping_add_signed(offset << 12),
                };
                Self::set(to, value)
            }
            // RET.
            _ if word & 0xffff_fc1f == 0xd65f_0000 => Self::Return { register: from },
            // BL, whose offset is in the same place as B's.
            _ if word & 0xfc00_0000 == 0x9400_0000 => {
                let Flow::Branch { offset } = a64::flow(word & 0x7fff_ffff) else { return None };
                Self::Call { to: pc.wrapping_add_signed(offset) }
            }
            _ => {
                let Flow::Branch { offset } = a64::flow(word) else { return None };
                let to = pc.wrapping_add_signed(offset);
                match Test::of(word) {
                    Some(test) => Self::BranchIf { test, to },
                    // B.
                    None if word & 0xfc00_0000 == 0x1400_0000 => Self::Branch { to },
                    None => return None,
                }
            }
        })
    }

    const fn set(to: u8, value: u64) -> Self {
        if to == SP_OR_ZERO { Self::Nothing } else { Self::Set { to, value } }
    }
}

#[cfg(test)]
mod tests {
    use super::Simple::{self, Add, Branch, BranchIf, Call, Insert, Nothing, Return, Set};
    use super::Test;
    use crate::registers::Pstate;

    const PC: u64 = 0xffff_8000_0801_0ff8;

    #[test]
    fn effects_of_assembled_instructions() {
        for (word, expected) in [
            (0xd503_201f, Nothing),                                          // nop
            (0xd503_245f, Nothing),                                          // bti c
            (0x9100_0421, Add { to: 1, from: 1, addend: 1, narrow: false }), // add x1, x1, #1
            (0xd100_43ff, Add { to: 31, from: 31, addend: 16_u64.wrapping_neg(), narrow: false }), // sub sp, sp, #16
            (0x9140_0462, Add { to: 2, from: 3, addend: 0x1000, narrow: false }), // add x2, x3, #1, lsl #12
            (0x5100_0400, Add { to: 0, from: 0, addend: u64::MAX, narrow: true }), // sub w0, w0, #1
            (0x9100_03fd, Add { to: 29, from: 31, addend: 0, narrow: false }),    // mov x29, sp
            (0xaa01_03e0, Add { to: 0, from: 1, addend: 0, narrow: false }),      // mov x0, x1
            (0x2a01_03e0, Add { to: 0, from: 1, addend: 0, narrow: true }),       // mov w0, w1
            (0xaa1f_03e5, Set { to: 5, value: 0 }),                               // mov x5, xzr
            (0xaa01_03ff, Nothing),                                               // mov xzr, x1
            (0xd282_4680, Set { to: 0, value: 0x1234 }),                          // movz x0, #0x1234
            (0xd2a2_4680, Set { to: 0, value: 0x1234_0000 }),                     // movz x0, #0x1234, lsl #16
            (0x9280_0000, Set { to: 0, value: u64::MAX }),                        // mov x0, #-1
            (0x1280_0000, Set { to: 0, value: 0xffff_ffff }),                     // mov w0, #-1
            (0xf2e2_4680, Insert { to: 0, shift: 48, value: 0x1234, narrow: false }), // movk x0, #0x1234, lsl #48
            (0x72a0_0020, Insert { to: 0, shift: 16, value: 1, narrow: true }),       // movk w0, #1, lsl #16
            (0x1000_0020, Set { to: 0, value: PC + 4 }),                              // adr x0, .+4
            (0x70ff_ffe1, Set { to: 1, value: PC - 1 }),                              // adr x1, .-1
            (0xb000_0000, Set { to: 0, value: 0xffff_8000_0801_1000 }),               // adrp x0, .+0x1000
            (0xf0ff_ffe0, Set { to: 0, value: 0xffff_8000_0800_f000 }),               // adrp x0, .-0x1000
            (0x1400_0002, Branch { to: PC + 8 }),                                     // b .+8
            (0x17ff_ffff, Branch { to: PC - 4 }),                                     // b .-4
            (0x9400_0002, Call { to: PC + 8 }),                                       // bl .+8
            (0x97ff_ffff, Call { to: PC - 4 }),                                       // bl .-4
            (0xd65f_03c0, Return { register: 30 }),                                   // ret
            (0xd65f_0020, Return { register: 1 }),                                    // ret x1
            (0x5400_0041, BranchIf { test: Test::Flags { condition: 1 }, to: PC + 8 }), // b.ne .+8
            (0xb4ff_ffe2, zero(2, false, true, PC - 4)),                              // cbz x2, .-4
            (0x3500_0042, zero(2, true, false, PC + 8)),                              // cbnz w2, .+8
            (0x3708_0042, bit(2, 1, true, PC + 8)),                                   // tbnz w2, #1, .+8
            (0xb6ff_ffa2, bit(2, 63, false, PC - 12)),                                // tbz x2, #63, .-12
        ] {
            assert_eq!(Simple::of(word, PC), Some(expected), "{word:#010x}");
        }
    }

    fn zero(register: u8, narrow: bool, is: bool, to: u64) -> Simple {
        BranchIf { test: Test::Zero { register, narrow, is }, to }
    }

    fn bit(register: u8, bit: u8, is: bool, to: u64) -> Simple {
        BranchIf { test: Test::Bit { register, bit, is }, to }
    }

    #[test]
    fn tests_hold_as_the_flags_and_registers_say() {
        for (condition, flags, expected) in [
            (0x0, 0b0100, true),  // eq
            (0x1, 0b0100, false), // ne
            (0x2, 0b0010, true),  // cs
            (0x5, 0b1000, false), // pl
            (0x6, 0b0001, true),  // vs
            (0x8, 0b0110, false), // hi
            (0x8, 0b0010, true),
            (0xa, 0b1001, true),  // ge
            (0xb, 0b1000, true),  // lt
            (0xc, 0b1101, false), // gt
            (0xd, 0b0100, true),  // le
            (0xe, 0b0000, true),  // al
            (0xf, 0b0100, true),  // al as well
        ] {
            let pstate = Pstate::from_bits(flags << 28);
            assert_eq!(Test::Flags { condition }.holds(0, pstate), expected, "{condition:#x} {flags:#b}");
        }
        let zero = |narrow, is| Test::Zero { register: 1, narrow, is };
        let value = 1 << 32;
        let tests = [(zero(true, true), true), (zero(false, true), false), (zero(false, false), true)];
        let bits = [(32, true, true), (32, false, false), (33, false, true)];
        let bits = bits.map(|(bit, is, holds)| (Test::Bit { register: 1, bit, is }, holds));
        for (test, holds) in tests.into_iter().chain(bits) {
            assert_eq!(test.holds(value, Pstate::from_bits(0)), holds, "{test:?}");
        }
    }

    #[test]
    fn what_may_do_more_is_none_of_them() {
        for word in [
            0xb100_0421_u32,       // adds x1, x1, #1
            0x5280_0000 | 2 << 21, // movz w0 with a shift of 32: unallocated
            0xb280_0000,           // no move: opc 01
            0xaa21_03e0,           // mvn x0, x1
            0xaa41_03e0,           // orr x0, xzr, x1, lsr #0
            0xaa01_07e0,           // orr x0, xzr, x1, lsl #1
            0x8b01_0000,           // add x0, x0, x1
            0x9181_0421,           // addg x1, x1, #16, #1
            0xf940_0281,           // ldr x1, [x20]
            0xa9bf_7bfd,           // stp x29, x30, [sp, #-16]!
            0xd503_233f,           // paciasp
            0xd503_207f,           // wfi
            0xd65f_0bff,           // retaa
            0xd61f_0200,           // br x16
            0xd63f_0200,           // blr x16
            0x7405_2005,           // cbgt w5, w5, .-1024
            0xd400_0001,           // svc #0
            0xd53b_4223,           // mrs x3, daif
            0x0000_0000,           // udf #0
        ] {
            assert_eq!(Simple::of(word, PC), None, "{word:#010x}");
        }
    }
}
