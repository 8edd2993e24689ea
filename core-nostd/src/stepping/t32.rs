//! The few T32 instructions that matter to a step. The first halfword is in bits \[15:0\] of a word, as
//! memory has it.

use super::a32::{passes, read_cpsr, written_masks};
use super::instruction::{Decoded, Effect, Flow, signed};
use crate::registers::{Cpsr, Mode};

/// Length in bytes: 4 where bits \[15:11\] of the first halfword are 0b11101, 0b11110 or 0b11111.
pub(crate) const fn length(word: u32) -> u8 {
    if word & 0xffff >= 0xe800 { 4 } else { 2 }
}

/// Both halfwords, the first in bits \[31:16\], as the manual prints 32-bit instructions.
const fn wide(word: u32) -> u32 {
    word.rotate_left(16)
}

/// Encodings from DDI 0487, "A32 and T32 Base Instruction Set Instruction Descriptions".
pub(super) const fn decode(word: u32, cpsr: Cpsr) -> Decoded {
    let length = length(word);
    // Inside an IT block its state has the condition of the instruction.
    let it = cpsr.it();
    let effect = if it & 0xf != 0 && !passes(it >> 4, cpsr) {
        Effect::Ordinary
    } else if length == 2 {
        narrow_effect(word & 0xffff)
    } else {
        wide_effect(wide(word), cpsr.mode())
    };
    Decoded { effect, length }
}

const fn narrow_effect(halfword: u32) -> Effect {
    match halfword {
        0xbf20 | 0xbf30 => Effect::Wait,
        // CPS: bit [4] sets; A, I and F are bits [2:0].
        _ if halfword & 0xffe8 == 0xb660 => {
            Effect::Change { set: halfword >> 4 & 1 == 1, mask: ((halfword & 0b111) << 6) as u64 }
        }
        _ => Effect::Ordinary,
    }
}

const fn wide_effect(word: u32, mode: Mode) -> Effect {
    match word {
        0xf3af_8002 | 0xf3af_8003 => return Effect::Wait,
        0xf3af_8010 => return Effect::ErrorBarrier,
        _ => {}
    }
    // CPS: imod, bits [10:9], of 0b10 clears and of 0b11 sets; A, I and F are bits [7:5].
    if word & 0xffff_fc00 == 0xf3af_8400 {
        return Effect::Change { set: word >> 9 & 1 == 1, mask: ((word >> 5 & 0b111) << 6) as u64 };
    }
    if word & 0xfff0_f0ff == 0xf380_8000 {
        return Effect::Write { mask: written_masks(word >> 8 & 0xf) };
    }
    if word & 0xffff_f0ff == 0xf3ef_8000 {
        return read_cpsr(mode, word >> 8 & 0xf);
    }
    if word & 0xfff0_f000 == 0xf7e0_8000 || word & 0xfff0_ffff == 0xf7f0_8000 {
        return Effect::FirmwareCall;
    }
    if is_exception_return(word) { Effect::ExceptionReturn } else { Effect::Ordinary }
}

/// `SUBS PC, LR, #imm8`, which is `ERET` with 0, and `RFEDB` and `RFEIA`.
const fn is_exception_return(word: u32) -> bool {
    word & 0xffff_ff00 == 0xf3de_8f00
        || word & 0xffd0_ffff == 0xe810_c000
        || word & 0xffd0_ffff == 0xe990_c000
}

/// What the instruction is to an exclusive sequence, whether or not its condition holds.
pub(super) const fn flow(word: u32) -> Flow {
    if length(word) == 2 { narrow_flow(word & 0xffff) } else { wide_flow(wide(word)) }
}

const fn narrow_flow(halfword: u32) -> Flow {
    // Branches are relative to the address plus 4.
    match halfword >> 12 {
        // B<c>; the last two conditions are UDF and SVC.
        0b1101 if halfword >> 8 & 0xf < 0xe => Flow::Branch { offset: signed(halfword, 8) * 2 + 4 },
        0b1101 => Flow::Leaves,
        0b1110 => Flow::Branch { offset: signed(halfword, 11) * 2 + 4 },
        // CBZ and CBNZ: i:imm5:0.
        0b1011 if halfword & 0x0500 == 0x0100 => {
            let offset = (halfword >> 9 & 1) << 6 | (halfword >> 3 & 0x1f) << 1;
            Flow::Branch { offset: offset as i64 + 4 }
        }
        // POP with the PC, BKPT, HLT.
        0b1011 if matches!(halfword >> 8, 0xbd | 0xbe) || halfword & 0xffc0 == 0xba80 => Flow::Leaves,
        // BX and BLX; ADD and MOV to the PC.
        0b0100 if halfword & 0xff00 == 0x4700 || halfword & 0xfd87 == 0x4487 => Flow::Leaves,
        _ => Flow::Next,
    }
}

const fn wide_flow(word: u32) -> Flow {
    // LDREX and STREX of a word.
    if word & 0xfff0_0f00 == 0xe850_0f00 {
        return Flow::LoadExclusive;
    }
    if word & 0xfff0_0000 == 0xe840_0000 {
        return Flow::EndExclusive;
    }
    // The others: bits [7:4] of 4, 5 and 7 plain, 12 to 15 with acquire or release.
    let exclusive = matches!(word >> 4 & 0xf, 4 | 5 | 7 | 12..=15);
    match word & 0xfff0_0000 {
        0xe8d0_0000 if exclusive => return Flow::LoadExclusive,
        0xe8c0_0000 if exclusive => return Flow::EndExclusive,
        _ => {}
    }
    if word & 0xffff_ff0f == 0xf3bf_8f0f && word >> 4 & 0xf == 2 {
        return Flow::EndExclusive;
    }
    if word & 0xf800_8000 == 0xf000_8000 {
        return branch_or_miscellaneous(word);
    }
    // TBB and TBH; LDM with the PC; RFE; LDR with the PC.
    let leaves = word & 0xfff0_ffe0 == 0xe8d0_f000
        || matches!(word & 0xffd0_8000, 0xe890_8000 | 0xe910_8000)
        || is_exception_return(word)
        || word & 0xff70_f000 == 0xf850_f000;
    if leaves { Flow::Leaves } else { Flow::Next }
}

const fn branch_or_miscellaneous(word: u32) -> Flow {
    let (s, j1, j2) = (word >> 26 & 1, word >> 13 & 1, word >> 11 & 1);
    let low = word & 0x7ff;
    match word & 0x5000 {
        // B: S:I1:I2:imm10:imm11:0, with I1 = NOT(J1 EOR S) and I2 = NOT(J2 EOR S).
        0x1000 => {
            let (i1, i2) = (1 ^ j1 ^ s, 1 ^ j2 ^ s);
            let halfwords = s << 23 | i1 << 22 | i2 << 21 | (word >> 16 & 0x3ff) << 11 | low;
            Flow::Branch { offset: signed(halfwords, 24) * 2 + 4 }
        }
        // B<c>: S:J2:J1:imm6:imm11:0; the last two conditions are other instructions.
        0x0000 if word >> 22 & 0xf < 0xe => {
            let halfwords = s << 19 | j2 << 18 | j1 << 17 | (word >> 16 & 0x3f) << 11 | low;
            Flow::Branch { offset: signed(halfwords, 20) * 2 + 4 }
        }
        0x0000 => {
            // Exception return; BXJ; HVC, SMC and UDF.
            let leaves = is_exception_return(word)
                || word & 0xfff0_0000 == 0xf3c0_0000
                || word & 0xffe0_0000 == 0xf7e0_0000;
            if leaves { Flow::Leaves } else { Flow::Next }
        }
        // BL and BLX.
        _ => Flow::Leaves,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODE: Cpsr = Cpsr::new().with_mode(Mode::Supervisor);

    /// Words from an assembler, the first halfword low, with their text.
    #[test]
    fn effects_of_assembled_instructions() {
        for (word, expected, bytes) in [
            (0xb672, Effect::Change { set: true, mask: 0x080 }, 2), // cpsid i
            (0xb663, Effect::Change { set: false, mask: 0x0c0 }, 2), // cpsie if
            (0x87f3_f3af, Effect::Change { set: true, mask: 0x1c0 }, 4), // cpsid aif, #19
            (0x8440_f3af, Effect::Change { set: false, mask: 0x080 }, 4), // cpsie.w i
            (0x8100_f383, Effect::Write { mask: 0x0c0 }, 4),        // msr cpsr_c, r3
            (0x8200_f383, Effect::Write { mask: 0x100 }, 4),        // msr cpsr_x, r3
            (0x8f00_f383, Effect::Write { mask: 0x1c0 }, 4),        // msr cpsr_fsxc, r3
            (0x8900_f393, Effect::Ordinary, 4),                     // msr spsr_fc, r3
            (0x8400_f3ef, Effect::ReadCpsr { register: 4 }, 4),     // mrs r4, cpsr
            (0x8e00_f3ef, Effect::ReadCpsr { register: 18 }, 4),    // mrs lr, cpsr, in Supervisor mode
            (0x8400_f3ff, Effect::Ordinary, 4),                     // mrs r4, spsr
            (0xbf30, Effect::Wait, 2),                              // wfi
            (0xbf20, Effect::Wait, 2),                              // wfe
            (0x8003_f3af, Effect::Wait, 4),                         // wfi.w
            (0x8002_f3af, Effect::Wait, 4),                         // wfe.w
            (0x8010_f3af, Effect::ErrorBarrier, 4),                 // esb
            (0x8f00_f3de, Effect::ExceptionReturn, 4),              // eret
            (0x8f04_f3de, Effect::ExceptionReturn, 4),              // subs pc, lr, #4
            (0xc000_e9bd, Effect::ExceptionReturn, 4),              // rfeia sp!
            (0xc000_e812, Effect::ExceptionReturn, 4),              // rfedb r2
            (0x8001_f7e0, Effect::FirmwareCall, 4),                 // hvc #1
            (0x8000_f7f0, Effect::FirmwareCall, 4),                 // smc #0
            (0xdf00, Effect::Ordinary, 2),                          // svc #0
            (0xbf00, Effect::Ordinary, 2),                          // nop
            (0xbf08, Effect::Ordinary, 2),                          // it eq
        ] {
            let decoded = decode(word, MODE);
            assert_eq!((decoded.effect, decoded.length), (expected, bytes), "{word:#x}");
            // What follows a 16-bit instruction does not count.
            if bytes == 2 {
                assert_eq!(decode(word | 0xf3af_0000, MODE), decoded);
            }
        }
    }

    #[test]
    fn inside_an_it_block_the_condition_decides() {
        // IT state: condition EQ, one instruction left.
        let eq = MODE.with_it(0b0000_1000);
        assert_eq!(decode(0xb672, eq).effect, Effect::Ordinary);
        assert_eq!(decode(0xb672, eq.with_z(true)).effect, Effect::Change { set: true, mask: 0x80 });
    }

    /// Words from an assembler, the first halfword low, with their text.
    #[test]
    fn flow_of_assembled_instructions() {
        for (word, expected) in [
            (0x0f00_e851, Flow::LoadExclusive),         // ldrex r0, [r1]
            (0x0f02_e851, Flow::LoadExclusive),         // ldrex r0, [r1, #8]
            (0x0f4f_e8d1, Flow::LoadExclusive),         // ldrexb r0, [r1]
            (0x0f5f_e8d1, Flow::LoadExclusive),         // ldrexh r0, [r1]
            (0x237f_e8d1, Flow::LoadExclusive),         // ldrexd r2, r3, [r1]
            (0x0fef_e8d1, Flow::LoadExclusive),         // ldaex r0, [r1]
            (0x0fcf_e8d1, Flow::LoadExclusive),         // ldaexb r0, [r1]
            (0x23ff_e8d1, Flow::LoadExclusive),         // ldaexd r2, r3, [r1]
            (0x0200_e841, Flow::EndExclusive),          // strex r2, r0, [r1]
            (0x0f42_e8c1, Flow::EndExclusive),          // strexb r2, r0, [r1]
            (0x2370_e8c1, Flow::EndExclusive),          // strexd r0, r2, r3, [r1]
            (0x0fe2_e8c1, Flow::EndExclusive),          // stlex r2, r0, [r1]
            (0x8f2f_f3bf, Flow::EndExclusive),          // clrex
            (0x8f5f_f3bf, Flow::Next),                  // dmb sy
            (0x0faf_e8d1, Flow::Next),                  // lda r0, [r1]
            (0x0faf_e8c1, Flow::Next),                  // stl r0, [r1]
            (0xf002_e8d1, Flow::Leaves),                // tbb [r1, r2]
            (0xf012_e8d1, Flow::Leaves),                // tbh [r1, r2, lsl #1]
            (0xd1fc, Flow::Branch { offset: -4 }),      // bne .-4
            (0xe002, Flow::Branch { offset: 8 }),       // b .+8
            (0xe7fe, Flow::Branch { offset: 0 }),       // b .
            (0xb912, Flow::Branch { offset: 8 }),       // cbnz r2, .+8
            (0xb31a, Flow::Branch { offset: 0x4a }),    // cbz r2, .+0x4a
            (0xaffd_f47f, Flow::Branch { offset: -2 }), // bne.w .-2
            (0x8000_f000, Flow::Branch { offset: 4 }),  // beq.w .+4
            (0xbffd_f7ff, Flow::Branch { offset: -2 }), // b.w .-2
            (0xb800_f000, Flow::Branch { offset: 4 }),  // b.w .+4
            (0xf800_f000, Flow::Leaves),                // bl .+4
            (0xe800_f000, Flow::Leaves),                // blx .+4
            (0x4770, Flow::Leaves),                     // bx lr
            (0x4798, Flow::Leaves),                     // blx r3
            (0x46f7, Flow::Leaves),                     // mov pc, lr
            (0x448f, Flow::Leaves),                     // add pc, r1
            (0x4688, Flow::Next),                       // mov r8, r1
            (0xf000_f8d1, Flow::Leaves),                // ldr.w pc, [r1]
            (0xf002_f851, Flow::Leaves),                // ldr.w pc, [r1, r2]
            (0xfb04_f851, Flow::Leaves),                // ldr pc, [r1], #4
            (0xbd10, Flow::Leaves),                     // pop {r4, pc}
            (0x8110_e8bd, Flow::Leaves),                // pop.w {r4, r8, pc}
            (0x8010_e911, Flow::Leaves),                // ldmdb r1, {r4, pc}
            (0xbe01, Flow::Leaves),                     // bkpt #1
            (0xde01, Flow::Leaves),                     // udf #1
            (0xa001_f7f0, Flow::Leaves),                // udf.w #1
            (0xdf00, Flow::Leaves),                     // svc #0
            (0x8f00_f3de, Flow::Leaves),                // eret
            (0x1888, Flow::Next),                       // adds r0, r1, r2
            (0x0002_eb01, Flow::Next),                  // add.w r0, r1, r2
            (0x0100_e9d2, Flow::Next),                  // ldrd r0, r1, [r2]
            (0x8400_f3ef, Flow::Next),                  // mrs r4, cpsr
            (0xbf08, Flow::Next),                       // it eq
        ] {
            assert_eq!(flow(word), expected, "{word:#x}");
        }
    }
}
