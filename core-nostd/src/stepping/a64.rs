//! The few A64 instructions that matter to a step.

use super::instruction::{Effect, Flow, signed};
use crate::registers::Pstate;

/// Encodings from DDI 0487, "A64 Base Instruction Descriptions".
pub(super) const fn effect(word: u32) -> Effect {
    let register = (word & 0x1f) as u8;
    // MSR (immediate) has its immediate in CRm, bits [11:8].
    let immediate = word >> 8 & 0xf;
    match word & 0xffff_ffe0 {
        0xd51b_4220 => return Effect::Write { mask: Pstate::DAIF },
        0xd53b_4220 => return Effect::ReadDaif { register },
        0xd518_4300 => return Effect::Write { mask: Pstate::ALLINT },
        0xd538_4300 => return Effect::ReadAllint { register },
        0xd503_1000 | 0xd503_1020 => return Effect::Wait,
        _ => {}
    }
    match word & 0xffff_f0ff {
        0xd503_40df => return Effect::Change { set: true, mask: (immediate as u64) << 6 },
        0xd503_40ff => return Effect::Change { set: false, mask: (immediate as u64) << 6 },
        // CRm is 0b000x: other values are another field.
        0xd501_401f if immediate < 2 => return Effect::Write { mask: Pstate::ALLINT },
        _ => {}
    }
    match word {
        0xd69f_03e0 | 0xd69f_0bff | 0xd69f_0fff => Effect::ExceptionReturn,
        0xd503_205f | 0xd503_207f => Effect::Wait,
        0xd503_221f => Effect::ErrorBarrier,
        _ => match word & 0xffe0_001f {
            0xd400_0002 | 0xd400_0003 => Effect::FirmwareCall,
            _ => Effect::Ordinary,
        },
    }
}

/// Encodings from DDI 0487, "Branches, Exception Generating and System instructions" and "Load/store
/// exclusive".
pub(super) const fn flow(word: u32) -> Flow {
    // Load/store exclusive: size[31:30] 001000 o2[23]=0 L[22] o1[21]. With o1 set and a size below
    // 0b10 it is CASP, which is no exclusive.
    if word & 0x3f80_0000 == 0x0800_0000 && (word >> 21 & 1 == 0 || word >> 31 == 1) {
        return if word >> 22 & 1 == 1 { Flow::LoadExclusive } else { Flow::EndExclusive };
    }
    // The unprivileged LDTXR and STTXR (FEAT_LSUI): 1 sz 001001 0 L 0.
    if word & 0xbfa0_0000 == 0x8900_0000 {
        return if word >> 22 & 1 == 1 { Flow::LoadExclusive } else { Flow::EndExclusive };
    }
    // CLREX, with any CRm.
    if word & 0xffff_f0ff == 0xd503_305f {
        return Flow::EndExclusive;
    }
    // B and BL.
    if word & 0x7c00_0000 == 0x1400_0000 {
        let offset = offset_field(word, 0, 26);
        return if word >> 31 == 0 { Flow::Branch { offset } } else { Flow::Leaves };
    }
    // B.cond and BC.cond; CBZ and CBNZ.
    if word & 0xff00_0000 == 0x5400_0000 || word & 0x7e00_0000 == 0x3400_0000 {
        return Flow::Branch { offset: offset_field(word, 5, 19) };
    }
    // CB<cc> (FEAT_CMPBR), with a register or an immediate.
    if word & 0x7e00_0000 == 0x7400_0000 {
        return Flow::Branch { offset: offset_field(word, 5, 9) };
    }
    // TBZ and TBNZ.
    if word & 0x7e00_0000 == 0x3600_0000 {
        return Flow::Branch { offset: offset_field(word, 5, 14) };
    }
    // Exception generation; unconditional branch to a register, ERET among them; RETAASPPC.
    if word & 0xff00_0000 == 0xd400_0000
        || word & 0xfe00_0000 == 0xd600_0000
        || word & 0xff00_0000 == 0x5500_0000
    {
        return Flow::Leaves;
    }
    Flow::Next
}

/// The signed word offset in the `width` bits from `low` on, in bytes.
const fn offset_field(word: u32, low: u32, width: u32) -> i64 {
    signed(word >> low, width) * 4
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words from an assembler, with their text.
    #[test]
    fn effects_of_assembled_instructions() {
        for (word, expected) in [
            (0xd503_42df, Effect::Change { set: true, mask: 0x80 }), // msr daifset, #2
            (0xd503_4fdf, Effect::Change { set: true, mask: 0x3c0 }), // msr daifset, #15
            (0xd503_43ff, Effect::Change { set: false, mask: 0xc0 }), // msr daifclr, #3
            (0xd51b_4225, Effect::Write { mask: 0x3c0 }),            // msr daif, x5
            (0xd53b_4220, Effect::ReadDaif { register: 0 }),         // mrs x0, daif
            (0xd53b_423f, Effect::ReadDaif { register: 31 }),        // mrs xzr, daif
            (0xd501_411f, Effect::Write { mask: 0x2000 }),           // msr allint, #1
            (0xd501_401f, Effect::Write { mask: 0x2000 }),           // msr allint, #0
            (0xd518_4303, Effect::Write { mask: 0x2000 }),           // msr allint, x3
            (0xd538_4307, Effect::ReadAllint { register: 7 }),       // mrs x7, allint
            (0xd69f_03e0, Effect::ExceptionReturn),                  // eret
            (0xd69f_0bff, Effect::ExceptionReturn),                  // eretaa
            (0xd69f_0fff, Effect::ExceptionReturn),                  // eretab
            (0xd400_0022, Effect::FirmwareCall),                     // hvc #1
            (0xd400_0003, Effect::FirmwareCall),                     // smc #0
            (0xd400_0001, Effect::Ordinary),                         // svc #0
            (0xd503_207f, Effect::Wait),                             // wfi
            (0xd503_205f, Effect::Wait),                             // wfe
            (0xd503_1004, Effect::Wait),                             // wfet x4
            (0xd503_1024, Effect::Wait),                             // wfit x4
            (0xd503_221f, Effect::ErrorBarrier),                     // esb
            (0xd503_201f, Effect::Ordinary),                         // nop
            (0xd500_41bf, Effect::Ordinary),                         // msr spsel, #1
            (0xd501_421f, Effect::Ordinary),                         // msr pm, #0
            (0xd53b_4200, Effect::Ordinary),                         // mrs x0, nzcv
        ] {
            assert_eq!(effect(word), expected, "{word:#010x}");
        }
    }

    /// Words from an assembler, with their text.
    #[test]
    fn flow_of_assembled_instructions() {
        for (word, expected) in [
            (0x085f_7c20, Flow::LoadExclusive),            // ldxrb w0, [x1]
            (0x485f_fc20, Flow::LoadExclusive),            // ldaxrh w0, [x1]
            (0x885f_7c20, Flow::LoadExclusive),            // ldxr w0, [x1]
            (0xc85f_fc20, Flow::LoadExclusive),            // ldaxr x0, [x1]
            (0x887f_0c22, Flow::LoadExclusive),            // ldxp w2, w3, [x1]
            (0xc87f_8c22, Flow::LoadExclusive),            // ldaxp x2, x3, [x1]
            (0xc802_7c20, Flow::EndExclusive),             // stxr w2, x0, [x1]
            (0x8802_fc20, Flow::EndExclusive),             // stlxr w2, w0, [x1]
            (0xc824_8c22, Flow::EndExclusive),             // stlxp w4, x2, x3, [x1]
            (0xc95f_7d6a, Flow::LoadExclusive),            // ldtxr x10, [x11]
            (0xc905_7d6a, Flow::EndExclusive),             // sttxr w5, x10, [x11]
            (0xd503_3f5f, Flow::EndExclusive),             // clrex
            (0xc8df_fc20, Flow::Next),                     // ldar x0, [x1]
            (0x889f_fc20, Flow::Next),                     // stlr w0, [x1]
            (0x0820_7c82, Flow::Next),                     // casp w0, w1, w2, w3, [x4]
            (0x4860_7c82, Flow::Next),                     // caspa x0, x1, x2, x3, [x4]
            (0xc8a0_7c41, Flow::Next),                     // cas x0, x1, [x2]
            (0x1400_0002, Flow::Branch { offset: 8 }),     // b .+8
            (0x17ff_ffff, Flow::Branch { offset: -4 }),    // b .-4
            (0x9400_0002, Flow::Leaves),                   // bl .+8
            (0x5400_0041, Flow::Branch { offset: 8 }),     // b.ne .+8
            (0x54ff_ffc0, Flow::Branch { offset: -8 }),    // b.eq .-8
            (0x3500_0042, Flow::Branch { offset: 8 }),     // cbnz w2, .+8
            (0xb4ff_ffe2, Flow::Branch { offset: -4 }),    // cbz x2, .-4
            (0x3700_0042, Flow::Branch { offset: 8 }),     // tbnz w2, #0, .+8
            (0xb6ff_ffa2, Flow::Branch { offset: -12 }),   // tbz x2, #63, .-12 (bit 5 set)
            (0x7405_2005, Flow::Branch { offset: -1024 }), // cbgt w5, w5, .-1024
            (0xf405_1fe5, Flow::Branch { offset: 1020 }),  // cbgt x5, x5, .+1020
            (0xd65f_03c0, Flow::Leaves),                   // ret
            (0xd61f_0200, Flow::Leaves),                   // br x16
            (0xd63f_081f, Flow::Leaves),                   // blraaz x0
            (0xd400_0001, Flow::Leaves),                   // svc #0
            (0xd420_0000, Flow::Leaves),                   // brk #0
            (0xd69f_03e0, Flow::Leaves),                   // eret
            (0x9100_0400, Flow::Next),                     // add x0, x0, #1
            (0xb820_0020, Flow::Next),                     // ldadd w0, w0, [x1]
            (0xf940_0020, Flow::Next),                     // ldr x0, [x1]
        ] {
            assert_eq!(flow(word), expected, "{word:#010x}");
        }
    }
}
