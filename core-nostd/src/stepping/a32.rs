//! The few A32 instructions that matter to a step.

use super::condition;
use super::instruction::{Decoded, Effect, Flow, signed};
use crate::aarch32::x_register;
use crate::registers::{Cpsr, Mode};

/// Encodings from DDI 0487, "A32 and T32 Base Instruction Set Instruction Descriptions".
pub(super) const fn decode(word: u32, cpsr: Cpsr) -> Decoded {
    let condition = (word >> 28) as u8;
    let effect = if condition == 0xf {
        unconditional(word)
    } else if passes(condition, cpsr) {
        conditional(word, cpsr.mode())
    } else {
        Effect::Ordinary
    };
    Decoded { effect, length: 4 }
}

const fn unconditional(word: u32) -> Effect {
    // CPS: imod, bits [19:18], of 0b10 clears and of 0b11 sets; A, I and F have their bits of CPSR.
    if word & 0xfff9_fe20 == 0xf108_0000 {
        return Effect::Change { set: word >> 18 & 1 == 1, mask: (word & 0b111 << 6) as u64 };
    }
    // RFE.
    if word & 0xfe50_ffff == 0xf810_0a00 { Effect::ExceptionReturn } else { Effect::Ordinary }
}

const fn conditional(word: u32, mode: Mode) -> Effect {
    match word & 0x0fff_ffff {
        0x0320_f002 | 0x0320_f003 => return Effect::Wait,
        0x0320_f010 => return Effect::ErrorBarrier,
        0x0160_006e => return Effect::ExceptionReturn,
        _ => {}
    }
    // MSR CPSR, of a register or an immediate; without any field it is a hint.
    let fields = word >> 16 & 0xf;
    if word & 0x0ff0_fff0 == 0x0120_f000 || word & 0x0ff0_f000 == 0x0320_f000 && fields != 0 {
        return Effect::Write { mask: written_masks(fields) };
    }
    // MRS CPSR.
    if word & 0x0fff_0fff == 0x010f_0000 {
        return read_cpsr(mode, word >> 12 & 0xf);
    }
    // HVC and SMC.
    if word & 0x0ff0_00f0 == 0x0140_0070 || word & 0x0ff0_00f0 == 0x0160_0070 {
        return Effect::FirmwareCall;
    }
    // LDM with the S bit and the PC; data processing that sets the flags and the PC.
    if word & 0x0e50_8000 == 0x0850_8000 || word & 0x0010_0000 != 0 && writes_pc_by_data_processing(word) {
        return Effect::ExceptionReturn;
    }
    Effect::Ordinary
}

/// The masks that `MSR CPSR` writes: I and F with the control field, c, A with the extension field, x.
pub(super) const fn written_masks(fields: u32) -> u64 {
    let control = if fields & 0b01 != 0 { 0b011 << 6 } else { 0 };
    let extension = if fields & 0b10 != 0 { 0b100 << 6 } else { 0 };
    control | extension
}

/// `MRS Rd, CPSR`; into the PC it is unpredictable.
pub(super) const fn read_cpsr(mode: Mode, rd: u32) -> Effect {
    match x_register(mode, rd as u8) {
        Some(register) => Effect::ReadCpsr { register },
        None => Effect::Ordinary,
    }
}

/// Whether data processing, but for the compare instructions, has the PC as its destination. Multiplies
/// and the extra loads and stores share its space: bit \[25\] clear, bits \[7\] and \[4\] set.
const fn writes_pc_by_data_processing(word: u32) -> bool {
    let compare = word >> 23 & 0b11 == 0b10;
    let other = word & 1 << 25 == 0 && word & 0x90 == 0x90;
    word & 0x0c00_f000 == 0x0000_f000 && !compare && !other
}

/// Whether `condition`, 0 to 15, holds with the flags of `cpsr`.
pub(crate) const fn passes(condition: u8, cpsr: Cpsr) -> bool {
    condition::holds(condition, cpsr.into_bits())
}

/// What the instruction is to an exclusive sequence, whether or not its condition holds.
pub(super) const fn flow(word: u32) -> Flow {
    if word >> 28 == 0xf {
        // CLREX; BLX of a label; RFE.
        return match word {
            0xf57f_f01f => Flow::EndExclusive,
            _ if word & 0xfe00_0000 == 0xfa00_0000 || word & 0xfe50_ffff == 0xf810_0a00 => Flow::Leaves,
            _ => Flow::Next,
        };
    }
    // Load/store exclusive: bits [11:10] and [9] set, [8] clear for acquire or release.
    match word & 0x0f90_0ef0 {
        0x0190_0e90 => return Flow::LoadExclusive,
        0x0180_0e90 => return Flow::EndExclusive,
        _ => {}
    }
    match word & 0x0f00_0000 {
        // B: the PC reads as the address plus 8.
        0x0a00_0000 => return Flow::Branch { offset: signed(word, 24) * 4 + 8 },
        // BL, SVC.
        0x0b00_0000 | 0x0f00_0000 => return Flow::Leaves,
        _ => {}
    }
    // LDM and LDR with the PC; data processing to the PC; BX, BXJ and BLX of a register; ERET; HLT,
    // BKPT, HVC and SMC; UDF.
    let leaves = word & 0x0e10_8000 == 0x0810_8000
        || word & 0x0c10_f000 == 0x0410_f000 && word & 0x0200_0010 != 0x0200_0010
        || writes_pc_by_data_processing(word)
        || matches!(word & 0x0fff_fff0, 0x012f_ff10 | 0x012f_ff20 | 0x012f_ff30)
        || word & 0x0fff_ffff == 0x0160_006e
        || word & 0x0f90_00f0 == 0x0100_0070
        || word & 0x0ff0_00f0 == 0x07f0_00f0;
    if leaves { Flow::Leaves } else { Flow::Next }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effect(word: u32) -> Effect {
        decode(word, Cpsr::new().with_mode(Mode::Irq)).effect
    }

    /// Words from an assembler, with their text.
    #[test]
    fn effects_of_assembled_instructions() {
        for (word, expected) in [
            (0xf10c_0080, Effect::Change { set: true, mask: 0x080 }), // cpsid i
            (0xf108_00c0, Effect::Change { set: false, mask: 0x0c0 }), // cpsie if
            (0xf10e_01d3, Effect::Change { set: true, mask: 0x1c0 }), // cpsid aif, #19
            (0xf102_0013, Effect::Ordinary),                          // cps #19
            (0xe121_f003, Effect::Write { mask: 0x0c0 }),             // msr cpsr_c, r3
            (0xe122_f003, Effect::Write { mask: 0x100 }),             // msr cpsr_x, r3
            (0xe12f_f003, Effect::Write { mask: 0x1c0 }),             // msr cpsr_fsxc, r3
            (0xe328_f20f, Effect::Write { mask: 0 }),                 // msr apsr_nzcvq, #0xf0000000
            (0xe321_f0d3, Effect::Write { mask: 0x0c0 }),             // msr cpsr_c, #0xd3
            (0xe169_f003, Effect::Ordinary),                          // msr spsr_fc, r3
            (0xe10f_4000, Effect::ReadCpsr { register: 4 }),          // mrs r4, cpsr
            (0xe10f_d000, Effect::ReadCpsr { register: 17 }),         // mrs sp, cpsr, in IRQ mode
            (0xe14f_4000, Effect::Ordinary),                          // mrs r4, spsr
            (0xe101_4300, Effect::Ordinary),                          // mrs r4, sp_irq
            (0xe320_f003, Effect::Wait),                              // wfi
            (0xe320_f002, Effect::Wait),                              // wfe
            (0x0320_f003, Effect::Ordinary),                          // wfieq, Z clear
            (0x1320_f003, Effect::Wait),                              // wfine
            (0xe320_f010, Effect::ErrorBarrier),                      // esb
            (0xe320_f000, Effect::Ordinary),                          // nop
            (0xe160_006e, Effect::ExceptionReturn),                   // eret
            (0xe25e_f004, Effect::ExceptionReturn),                   // subs pc, lr, #4
            (0xe1b0_f00e, Effect::ExceptionReturn),                   // movs pc, lr
            (0xe1a0_f00e, Effect::Ordinary),                          // mov pc, lr
            (0xe8fd_8001, Effect::ExceptionReturn),                   // ldm sp!, {r0, pc} ^
            (0xe8bd_8001, Effect::Ordinary),                          // ldm sp!, {r0, pc}
            (0xf8bd_0a00, Effect::ExceptionReturn),                   // rfeia sp!
            (0xf912_0a00, Effect::ExceptionReturn),                   // rfedb r2
            (0xe140_0071, Effect::FirmwareCall),                      // hvc #1
            (0xe160_0070, Effect::FirmwareCall),                      // smc #0
            (0xef00_0000, Effect::Ordinary),                          // svc #0
            (0xe15f_0001, Effect::Ordinary),                          // cmp pc, r1
            (0xe131_000f, Effect::Ordinary),                          // teq r1, pc
            (0xe191_0f9f, Effect::Ordinary),                          // ldrex r0, [r1]
        ] {
            assert_eq!(effect(word), expected, "{word:#010x}");
        }
    }

    /// Words from an assembler, with their text.
    #[test]
    fn flow_of_assembled_instructions() {
        for (word, expected) in [
            (0xe191_0f9f, Flow::LoadExclusive),          // ldrex r0, [r1]
            (0xe1d1_0f9f, Flow::LoadExclusive),          // ldrexb r0, [r1]
            (0xe1f1_0f9f, Flow::LoadExclusive),          // ldrexh r0, [r1]
            (0xe1b1_2f9f, Flow::LoadExclusive),          // ldrexd r2, r3, [r1]
            (0xe191_0e9f, Flow::LoadExclusive),          // ldaex r0, [r1]
            (0xe1b1_2e9f, Flow::LoadExclusive),          // ldaexd r2, r3, [r1]
            (0xe181_2f90, Flow::EndExclusive),           // strex r2, r0, [r1]
            (0xe1c1_2f90, Flow::EndExclusive),           // strexb r2, r0, [r1]
            (0xe1a1_0f92, Flow::EndExclusive),           // strexd r0, r2, r3, [r1]
            (0xe181_2e90, Flow::EndExclusive),           // stlex r2, r0, [r1]
            (0x0181_2f90, Flow::EndExclusive),           // strexeq r2, r0, [r1]
            (0xf57f_f01f, Flow::EndExclusive),           // clrex
            (0xe191_0c9f, Flow::Next),                   // lda r0, [r1]
            (0xe181_fc90, Flow::Next),                   // stl r0, [r1]
            (0xeaff_fffe, Flow::Branch { offset: 0 }),   // b .
            (0x1aff_fffa, Flow::Branch { offset: -16 }), // bne .-16
            (0x0a00_0002, Flow::Branch { offset: 16 }),  // beq .+16
            (0xebff_fffe, Flow::Leaves),                 // bl .
            (0xfaff_fffe, Flow::Leaves),                 // blx .
            (0xe12f_ff1e, Flow::Leaves),                 // bx lr
            (0xe12f_ff33, Flow::Leaves),                 // blx r3
            (0xe1a0_f00e, Flow::Leaves),                 // mov pc, lr
            (0xe25e_f004, Flow::Leaves),                 // subs pc, lr, #4
            (0xe591_f000, Flow::Leaves),                 // ldr pc, [r1]
            (0xe791_f002, Flow::Leaves),                 // ldr pc, [r1, r2]
            (0xe8bd_8010, Flow::Leaves),                 // pop {r4, pc}
            (0xe120_0071, Flow::Leaves),                 // bkpt #1
            (0xe100_0070, Flow::Leaves),                 // hlt #0
            (0xe140_0071, Flow::Leaves),                 // hvc #1
            (0xe7f0_00f1, Flow::Leaves),                 // udf #1
            (0xef00_0000, Flow::Leaves),                 // svc #0
            (0xe160_006e, Flow::Leaves),                 // eret
            (0xe131_000f, Flow::Next),                   // teq r1, pc
            (0xe000_0291, Flow::Next),                   // mul r0, r1, r2
            (0xe081_0002, Flow::Next),                   // add r0, r1, r2
            (0xe1c2_00d0, Flow::Next),                   // ldrd r0, r1, [r2]
            (0xe320_f000, Flow::Next),                   // nop
        ] {
            assert_eq!(flow(word), expected, "{word:#010x}");
        }
    }

    /// "Condition codes": the flags that each needs, written out.
    #[test]
    fn conditions_are_those_of_the_table() {
        for flags in 0..16_u32 {
            let cpsr = Cpsr::from_bits(flags << 28);
            let (n, z, c, v) = (flags & 8 != 0, flags & 4 != 0, flags & 2 != 0, flags & 1 != 0);
            let expected = [
                z,            // EQ
                !z,           // NE
                c,            // CS
                !c,           // CC
                n,            // MI
                !n,           // PL
                v,            // VS
                !v,           // VC
                c && !z,      // HI
                !c || z,      // LS
                n == v,       // GE
                n != v,       // LT
                !z && n == v, // GT
                z || n != v,  // LE
                true,         // AL
                true,
            ];
            for (condition, expected) in (0..).zip(expected) {
                assert_eq!(passes(condition, cpsr), expected, "{condition:#x} {flags:#06b}");
            }
        }
    }
}
