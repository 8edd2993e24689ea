//! What a step may change of a core's registers.
//!
//! A backend that keeps what it has read of a halted core need not read all of it again after a single step: one
//! instruction writes few registers, and which ones stands in it. An exception that it causes instead writes no general
//! register, and leads to a vector.

use super::a64;
use super::instruction::{Effect, Flow};
use crate::load_store::{Direction, LoadStore};

/// What a step of one A64 instruction changes at the most, beside PC and memory. If it causes an exception, that changes
/// what exceptions change as well.
///
/// System registers that rule translation, exceptions and debug are never among it, nor are counters, which change all
/// the time.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Changes {
    general: u32,
    pstate: bool,
    vectors: bool,
}

/// The number of SP, or of the zero register.
const SP_OR_ZERO: u32 = 31;

impl Changes {
    const NONE: Self = Self { general: 0, pstate: false, vectors: false };

    /// Bit n for X`n`, bit 31 for the stack pointer in use.
    #[must_use]
    pub const fn general(&self) -> u32 {
        self.general
    }

    /// Whether `PSTATE` is among it, in more than that `PSTATE.BTYPE` becomes 0.
    #[must_use]
    pub const fn pstate(&self) -> bool {
        self.pstate
    }

    /// Whether V0 to V31 and `FPSR` are.
    #[must_use]
    pub const fn vectors(&self) -> bool {
        self.vectors
    }

    /// What a step of the instruction `word` changes at the most; `None` where that is not known.
    ///
    /// Encodings are those of DDI 0487, "A64 Base Instruction Descriptions", "Top-level encodings for A64" and below. What
    /// is not allocated in a class that is known here changes nothing, for it is an exception.
    #[must_use]
    pub const fn of(word: u32) -> Option<Self> {
        // op0, bits [28:25].
        match word >> 25 & 0xf {
            0b1000 | 0b1001 => Self::immediate(word),
            0b0101 | 0b1101 => Self::register(word),
            0b1010 | 0b1011 => Self::branch_or_system(word),
            0b0111 | 0b1111 => {
                // SIMD and floating point; compares write the flags, and moves a general register.
                Some(Self { pstate: true, vectors: true, ..Self::NONE }.with_zero_or(word & 0x1f))
            }
            0b0100 | 0b0110 | 0b1100 | 0b1110 => Self::load_or_store(word),
            _ => None,
        }
    }

    /// As well a register of which 31 is none.
    const fn with_zero_or(self, number: u32) -> Self {
        if number == SP_OR_ZERO { self } else { self.with(number) }
    }

    /// As well a register of which 31 is the stack pointer.
    const fn with(self, number: u32) -> Self {
        Self { general: self.general | 1 << (number & 0x1f), ..self }
    }

    const fn with_pstate(self, pstate: bool) -> Self {
        Self { pstate, ..self }
    }

    /// "Data Processing -- Immediate".
    const fn immediate(word: u32) -> Option<Self> {
        let to = word & 0x1f;
        Some(match word >> 23 & 0b111 {
            // ADR and ADRP.
            0b000 | 0b001 => Self::NONE.with_zero_or(to),
            // ADD and SUB, which set flags with S.
            0b010 if word >> 29 & 1 == 0 => Self::NONE.with(to),
            0b010 => Self::NONE.with_zero_or(to).with_pstate(true),
            // AND, ORR and EOR; ANDS.
            0b100 if word >> 29 & 0b11 != 0b11 => Self::NONE.with(to),
            0b100 => Self::NONE.with_zero_or(to).with_pstate(true),
            // MOVN, MOVZ, MOVK; BFM and its like.
            0b101 | 0b110 => Self::NONE.with_zero_or(to),
            // EXTR; others in its place authenticate X30.
            0b111 if word >> 29 & 0b11 == 0 => Self::NONE.with_zero_or(to),
            _ => return None,
        })
    }

    /// "Data Processing -- Register".
    const fn register(word: u32) -> Option<Self> {
        let to = word & 0x1f;
        let (flags, opcode) = (word >> 29 & 1 == 1, word >> 10 & 0x3f);
        Some(match (word >> 28 & 1, word >> 21 & 0b1111) {
            // Logical (shifted register); ANDS and BICS set flags.
            (0, 0b0000..=0b0111) => Self::NONE.with_zero_or(to).with_pstate(word >> 29 & 0b11 == 0b11),
            // ADD and SUB (extended register), without S to SP as well.
            (0, 0b1001 | 0b1011 | 0b1101 | 0b1111) if !flags => Self::NONE.with(to),
            // The same and (shifted register).
            (0, _) => Self::NONE.with_zero_or(to).with_pstate(flags),
            // ADC and SBC.
            (1, 0b0000) if opcode == 0 => Self::NONE.with_zero_or(to).with_pstate(flags),
            // CCMN and CCMP, which have flags where others have a register.
            (1, 0b0010) if flags => Self::NONE.with_pstate(true),
            // CSEL and its like.
            (1, 0b0100) if !flags => Self::NONE.with_zero_or(to),
            // Two sources: UDIV, SDIV, shifts, CRC32.
            (1, 0b0110) if word >> 29 & 0b11 == 0 && matches!(opcode, 2 | 3 | 8..=11 | 16..=23) => {
                Self::NONE.with_zero_or(to)
            }
            // One source: RBIT to CLS, and CTZ, CNT, ABS.
            (1, 0b0110) if word >> 29 & 0b11 == 0b10 && word >> 16 & 0x1f == 0 && opcode <= 8 => {
                Self::NONE.with_zero_or(to)
            }
            // Three sources: MADD and its like.
            (1, 0b1000..=0b1111) if word >> 29 & 0b11 == 0 => Self::NONE.with_zero_or(to),
            _ => return None,
        })
    }

    /// "Branches, Exception Generating and System instructions".
    const fn branch_or_system(word: u32) -> Option<Self> {
        const LINK: u32 = 30;
        // RET; NOP and BTI; DSB, DMB and ISB.
        if word & 0xffff_fc1f == 0xd65f_0000
            || matches!(word, 0xd503_201f | 0xd503_241f | 0xd503_245f | 0xd503_249f | 0xd503_24df)
            || matches!(word & 0xffff_f0ff, 0xd503_309f | 0xd503_30bf | 0xd503_30df)
        {
            return Some(Self::NONE);
        }
        // BL.
        if word & 0xfc00_0000 == 0x9400_0000 {
            return Some(Self::NONE.with(LINK));
        }
        // BR and BLR, which write PSTATE.BTYPE.
        if word & 0xffdf_fc1f == 0xd61f_0000 {
            let changes = Self::NONE.with_pstate(true);
            return Some(if word >> 21 & 1 == 1 { changes.with(LINK) } else { changes });
        }
        // MRS of other registers than those of CRn 4, parts of PSTATE; a random number sets flags.
        if word & 0xfff0_0000 == 0xd530_0000 {
            return Some(Self::NONE.with_zero_or(word & 0x1f).with_pstate(word >> 12 & 0xf != 4));
        }
        match (a64::effect(word), a64::flow(word)) {
            (Effect::Ordinary, Flow::Branch { .. }) => Some(Self::NONE),
            _ => None,
        }
    }

    /// "Loads and Stores", without exclusives and what shares a class with them.
    const fn load_or_store(word: u32) -> Option<Self> {
        let Some(access) = LoadStore::decode(word) else { return None };
        let is_vector = word >> 26 & 1 == 1;
        let (class, form) = (word >> 27 & 0b111, word >> 23 & 0b11);
        let (first, base, second) = (word & 0x1f, word >> 5 & 0x1f, word >> 10 & 0x1f);
        let (is_pair, writes_back) = match class {
            0b011 => (false, false),
            // Post-indexed and pre-indexed.
            0b101 => (true, form & 1 == 1),
            0b111 if word >> 24 & 1 == 0 => (false, word >> 21 & 1 == 0 && word >> 10 & 1 == 1),
            0b111 => (false, false),
            // Structures of vectors.
            _ if is_vector => (false, form & 1 == 1),
            _ => return None,
        };
        let mut changes = if writes_back { Self::NONE.with(base) } else { Self::NONE };
        if matches!(access.direction(), Direction::Store) {
            return Some(changes);
        }
        if is_vector {
            return Some(Self { vectors: true, ..changes });
        }
        changes = changes.with_zero_or(first);
        Some(if is_pair { changes.with_zero_or(second) } else { changes })
    }
}

/// Whether an exception to EL1 may have led to `pc`: vectors of AArch64 are 0x80 bytes apart.
#[must_use]
pub const fn may_be_vector(pc: u64) -> bool {
    pc.is_multiple_of(0x80)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SP: u32 = 31;

    /// What changes: numbers of general registers, flags, vectors.
    fn changes(word: u32) -> Option<(u32, bool, bool)> {
        Changes::of(word).map(|changes| (changes.general(), changes.pstate(), changes.vectors()))
    }

    /// Words from an assembler, with their text.
    #[test]
    fn what_assembled_instructions_write() {
        for (word, registers, pstate, vectors) in [
            (0x9100_0421_u32, &[1][..], false, false),  // add x1, x1, #1
            (0xd100_43ff, &[SP], false, false),         // sub sp, sp, #16
            (0xf100_043f, &[], true, false),            // cmp x1, #1
            (0xb100_0421, &[1], true, false),           // adds x1, x1, #1
            (0x9240_1c3f, &[SP], false, false),         // and sp, x1, #0xff
            (0xf240_1c3f, &[], true, false),            // tst x1, #0xff
            (0xd282_4680, &[0], false, false),          // movz x0, #0x1234
            (0xd340_fc41, &[1], false, false),          // lsr x1, x2, #0
            (0x93c2_1020, &[0], false, false),          // extr x0, x1, x2, #4
            (0x9000_0007, &[7], false, false),          // adrp x7, .
            (0xaa01_03e0, &[0], false, false),          // mov x0, x1
            (0xea01_001f, &[], true, false),            // tst x0, x1
            (0x8b22_63ff, &[SP], false, false),         // add sp, sp, x2
            (0xeb22_63ff, &[], true, false),            // cmp sp, x2
            (0x8b01_0000, &[0], false, false),          // add x0, x0, x1
            (0xeb01_001f, &[], true, false),            // cmp x0, x1
            (0x9a01_0002, &[2], false, false),          // adc x2, x0, x1
            (0xfa41_0804, &[], true, false),            // ccmp x0, #1, #4, eq
            (0x9a81_0003, &[3], false, false),          // csel x3, x0, x1, eq
            (0x9ac1_0804, &[4], false, false),          // udiv x4, x0, x1
            (0xdac0_1005, &[5], false, false),          // clz x5, x0
            (0x9b01_7c06, &[6], false, false),          // mul x6, x0, x1
            (0x1400_0002, &[], false, false),           // b .+8
            (0x9400_0002, &[30], false, false),         // bl .+8
            (0x5400_0041, &[], false, false),           // b.ne .+8
            (0xb5ff_ffe2, &[], false, false),           // cbnz x2, .-4
            (0x3700_0042, &[], false, false),           // tbnz w2, #0, .+8
            (0xd65f_03c0, &[], false, false),           // ret
            (0xd61f_0200, &[], true, false),            // br x16
            (0xd63f_0020, &[30], true, false),          // blr x1
            (0xd503_201f, &[], false, false),           // nop
            (0xd503_3fdf, &[], false, false),           // isb
            (0xd503_3b9f, &[], false, false),           // dsb ish
            (0xd53b_4223, &[3], false, false),          // mrs x3, daif
            (0xd53b_2400, &[0], true, false),           // mrs x0, rndr
            (0xd538_2002, &[2], true, false),           // mrs x2, ttbr0_el1
            (0xf940_0281, &[1], false, false),          // ldr x1, [x20]
            (0xf900_0281, &[], false, false),           // str x1, [x20]
            (0xf85f_8c20, &[0, 1], false, false),       // ldr x0, [x1, #-8]!
            (0xf81f_8fe0, &[SP], false, false),         // str x0, [sp, #-8]!
            (0xa9bf_7bfd, &[SP], false, false),         // stp x29, x30, [sp, #-16]!
            (0xa8c1_7bfd, &[29, 30, SP], false, false), // ldp x29, x30, [sp], #16
            (0x6940_0820, &[0, 2], false, false),       // ldpsw x0, x2, [x1]
            (0xb862_d820, &[0], false, false),          // ldr w0, [x1, w2, sxtw #2]
            (0x58ff_fff0, &[16], false, false),         // ldr x16, .-4
            (0xb820_0021, &[1], false, false),          // ldadd w0, w1, [x1]
            (0x3cc1_0420, &[1], false, true),           // ldr q0, [x1], #16
            (0x3d80_0020, &[], false, false),           // str q0, [x1]
            (0x4cdf_7020, &[1], false, true),           // ld1 {v0.16b}, [x1], #16
            (0x1e20_2020, &[0], true, true),            // fcmp s1, s0
            (0x9e66_0003, &[3], true, true),            // fmov x3, d0
            (0x4ea1_1c20, &[0], true, true),            // mov v0.16b, v1.16b
        ] {
            let general = registers.iter().fold(0, |all, number| all | 1 << number);
            assert_eq!(changes(word), Some((general, pstate, vectors)), "{word:#010x}");
        }
    }

    #[test]
    fn what_may_write_more_is_not_known() {
        for word in [
            0x0000_0000_u32, // udf #0
            0xd400_0001,     // svc #0
            0xd400_0002,     // hvc #0
            0xd420_0000,     // brk #0
            0xd69f_03e0,     // eret
            0xd51b_4223,     // msr daif, x3
            0xd518_2000,     // msr ttbr0_el1, x0
            0xd508_871f,     // tlbi vmalle1
            0xd50b_7421,     // dc zva, x1
            0xd503_42df,     // msr daifset, #2
            0xd503_207f,     // wfi
            0xd503_233f,     // paciasp
            0xd65f_0bff,     // retaa
            0x9181_0421,     // addg x1, x1, #16, #1
            0xba00_0401,     // rmif x0, #0, #1
            0xdac1_0020,     // pacia x0, x1
            0x9ac0_1020,     // irg x0, x1
            0xc85f_7c20,     // ldxr x0, [x1]
            0xc802_7c20,     // stxr w2, x0, [x1]
            0xc8a0_7c41,     // cas x0, x1, [x2]
            0xf820_d020,     // ld64b x0, [x1]
            0x1901_0440,     // cpyfp [x0]!, [x1]!, x2!
            0xf820_0420,     // ldraa x0, [x1]
            0x0420_0000,     // of SVE
        ] {
            assert_eq!(changes(word), None, "{word:#010x}");
        }
    }
}
