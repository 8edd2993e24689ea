//! The few A64 instructions that matter to a step.

/// What an instruction does to the interrupt masks, or to the flow of control around them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) enum Effect {
    /// Nothing of the below.
    Ordinary,
    /// `MSR DAIFSet, #imm` or `MSR DAIFClr, #imm`; the mask has the bits of PSTATE.
    ChangeDaif { set: bool, mask: u64 },
    /// `MSR DAIF, Xt`.
    WriteDaif,
    /// `MRS Xt, DAIF`.
    ReadDaif { register: u8 },
    /// `MSR ALLINT, Xt` or `MSR ALLINT, #imm`.
    WriteAllint,
    /// `MRS Xt, ALLINT`.
    ReadAllint { register: u8 },
    /// `ERET`, `ERETAA`, `ERETAB`: PSTATE comes from the SPSR.
    ExceptionReturn,
    /// `HVC` or `SMC`: what comes back is the firmware's to choose.
    FirmwareCall,
    /// `WFI`, `WFE`, `WFIT`, `WFET`.
    Wait,
    /// `ESB`: a pending SError is taken, or deferred where it is masked.
    ErrorBarrier,
}

impl Effect {
    /// Encodings from DDI 0487, "A64 Base Instruction Descriptions".
    pub(super) const fn of(word: u32) -> Self {
        let register = (word & 0x1f) as u8;
        // MSR (immediate) has its immediate in CRm, bits [11:8].
        let immediate = word >> 8 & 0xf;
        match word & 0xffff_ffe0 {
            0xd51b_4220 => return Self::WriteDaif,
            0xd53b_4220 => return Self::ReadDaif { register },
            0xd518_4300 => return Self::WriteAllint,
            0xd538_4300 => return Self::ReadAllint { register },
            0xd503_1000 | 0xd503_1020 => return Self::Wait,
            _ => {}
        }
        match word & 0xffff_f0ff {
            0xd503_40df => return Self::ChangeDaif { set: true, mask: (immediate as u64) << 6 },
            0xd503_40ff => return Self::ChangeDaif { set: false, mask: (immediate as u64) << 6 },
            // CRm is 0b000x: other values are another field.
            0xd501_401f if immediate < 2 => return Self::WriteAllint,
            _ => {}
        }
        match word {
            0xd69f_03e0 | 0xd69f_0bff | 0xd69f_0fff => Self::ExceptionReturn,
            0xd503_205f | 0xd503_207f => Self::Wait,
            0xd503_221f => Self::ErrorBarrier,
            _ => match word & 0xffe0_001f {
                0xd400_0002 | 0xd400_0003 => Self::FirmwareCall,
                _ => Self::Ordinary,
            },
        }
    }
}

/// What an instruction is to an exclusive sequence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Flow {
    /// Runs on to the next instruction and leaves the exclusive monitor alone.
    Next,
    /// A load exclusive: arms the monitor.
    LoadExclusive,
    /// A store exclusive or `CLREX`: the end of a sequence.
    EndExclusive,
    /// May branch to a fixed offset from its own address, or run on.
    Conditional { offset: i64 },
    /// Branches to a fixed offset from its own address.
    Jump { offset: i64 },
    /// Goes where only registers know, or to another Exception level.
    Leaves,
}

impl Flow {
    /// Encodings from DDI 0487, "Branches, Exception Generating and System instructions" and "Load/store
    /// exclusive".
    pub(super) const fn of(word: u32) -> Self {
        // Load/store exclusive: size[31:30] 001000 o2[23]=0 L[22] o1[21]. With o1 set and a size below
        // 0b10 it is CASP, which is no exclusive.
        if word & 0x3f80_0000 == 0x0800_0000 && (word >> 21 & 1 == 0 || word >> 31 == 1) {
            return if word >> 22 & 1 == 1 { Self::LoadExclusive } else { Self::EndExclusive };
        }
        // The unprivileged LDTXR and STTXR (FEAT_LSUI): 1 sz 001001 0 L 0.
        if word & 0xbfa0_0000 == 0x8900_0000 {
            return if word >> 22 & 1 == 1 { Self::LoadExclusive } else { Self::EndExclusive };
        }
        // CLREX, with any CRm.
        if word & 0xffff_f0ff == 0xd503_305f {
            return Self::EndExclusive;
        }
        // B and BL.
        if word & 0x7c00_0000 == 0x1400_0000 {
            let offset = signed_field(word, 0, 26);
            return if word >> 31 == 0 { Self::Jump { offset } } else { Self::Leaves };
        }
        // B.cond and BC.cond; CBZ and CBNZ.
        if word & 0xff00_0000 == 0x5400_0000 || word & 0x7e00_0000 == 0x3400_0000 {
            return Self::Conditional { offset: signed_field(word, 5, 19) };
        }
        // CB<cc> (FEAT_CMPBR), with a register or an immediate.
        if word & 0x7e00_0000 == 0x7400_0000 {
            return Self::Conditional { offset: signed_field(word, 5, 9) };
        }
        // TBZ and TBNZ.
        if word & 0x7e00_0000 == 0x3600_0000 {
            return Self::Conditional { offset: signed_field(word, 5, 14) };
        }
        // Exception generation; unconditional branch to a register, ERET among them.
        if word & 0xff00_0000 == 0xd400_0000 || word & 0xfe00_0000 == 0xd600_0000 {
            return Self::Leaves;
        }
        Self::Next
    }
}

/// The signed word offset in the `width` bits from `low` on, in bytes.
const fn signed_field(word: u32, low: u32, width: u32) -> i64 {
    let shift = 32 - width;
    let words = ((word >> low) << shift) as i32 >> shift;
    words as i64 * 4
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words from an assembler, with their text.
    #[test]
    fn effects_of_assembled_instructions() {
        for (word, effect) in [
            (0xd503_42df, Effect::ChangeDaif { set: true, mask: 0x80 }), // msr daifset, #2
            (0xd503_4fdf, Effect::ChangeDaif { set: true, mask: 0x3c0 }), // msr daifset, #15
            (0xd503_43ff, Effect::ChangeDaif { set: false, mask: 0xc0 }), // msr daifclr, #3
            (0xd51b_4225, Effect::WriteDaif),                            // msr daif, x5
            (0xd53b_4220, Effect::ReadDaif { register: 0 }),             // mrs x0, daif
            (0xd53b_423f, Effect::ReadDaif { register: 31 }),            // mrs xzr, daif
            (0xd501_411f, Effect::WriteAllint),                          // msr allint, #1
            (0xd501_401f, Effect::WriteAllint),                          // msr allint, #0
            (0xd518_4303, Effect::WriteAllint),                          // msr allint, x3
            (0xd538_4307, Effect::ReadAllint { register: 7 }),           // mrs x7, allint
            (0xd69f_03e0, Effect::ExceptionReturn),                      // eret
            (0xd69f_0bff, Effect::ExceptionReturn),                      // eretaa
            (0xd69f_0fff, Effect::ExceptionReturn),                      // eretab
            (0xd400_0022, Effect::FirmwareCall),                         // hvc #1
            (0xd400_0003, Effect::FirmwareCall),                         // smc #0
            (0xd400_0001, Effect::Ordinary),                             // svc #0
            (0xd503_207f, Effect::Wait),                                 // wfi
            (0xd503_205f, Effect::Wait),                                 // wfe
            (0xd503_1004, Effect::Wait),                                 // wfet x4
            (0xd503_1024, Effect::Wait),                                 // wfit x4
            (0xd503_221f, Effect::ErrorBarrier),                         // esb
            (0xd503_201f, Effect::Ordinary),                             // nop
            (0xd500_41bf, Effect::Ordinary),                             // msr spsel, #1
            (0xd501_421f, Effect::Ordinary),                             // msr pm, #0
            (0xd53b_4200, Effect::Ordinary),                             // mrs x0, nzcv
        ] {
            assert_eq!(Effect::of(word), effect, "{word:#010x}");
        }
    }

    /// Words from an assembler, with their text.
    #[test]
    fn flow_of_assembled_instructions() {
        for (word, flow) in [
            (0x085f_7c20, Flow::LoadExclusive),                 // ldxrb w0, [x1]
            (0x485f_fc20, Flow::LoadExclusive),                 // ldaxrh w0, [x1]
            (0x885f_7c20, Flow::LoadExclusive),                 // ldxr w0, [x1]
            (0xc85f_fc20, Flow::LoadExclusive),                 // ldaxr x0, [x1]
            (0x887f_0c22, Flow::LoadExclusive),                 // ldxp w2, w3, [x1]
            (0xc87f_8c22, Flow::LoadExclusive),                 // ldaxp x2, x3, [x1]
            (0xc802_7c20, Flow::EndExclusive),                  // stxr w2, x0, [x1]
            (0x8802_fc20, Flow::EndExclusive),                  // stlxr w2, w0, [x1]
            (0xc824_8c22, Flow::EndExclusive),                  // stlxp w4, x2, x3, [x1]
            (0xc95f_7d6a, Flow::LoadExclusive),                 // ldtxr x10, [x11]
            (0xc905_7d6a, Flow::EndExclusive),                  // sttxr w5, x10, [x11]
            (0xd503_3f5f, Flow::EndExclusive),                  // clrex
            (0xc8df_fc20, Flow::Next),                          // ldar x0, [x1]
            (0x889f_fc20, Flow::Next),                          // stlr w0, [x1]
            (0x0820_7c82, Flow::Next),                          // casp w0, w1, w2, w3, [x4]
            (0x4860_7c82, Flow::Next),                          // caspa x0, x1, x2, x3, [x4]
            (0xc8a0_7c41, Flow::Next),                          // cas x0, x1, [x2]
            (0x1400_0002, Flow::Jump { offset: 8 }),            // b .+8
            (0x17ff_ffff, Flow::Jump { offset: -4 }),           // b .-4
            (0x9400_0002, Flow::Leaves),                        // bl .+8
            (0x5400_0041, Flow::Conditional { offset: 8 }),     // b.ne .+8
            (0x54ff_ffc0, Flow::Conditional { offset: -8 }),    // b.eq .-8
            (0x3500_0042, Flow::Conditional { offset: 8 }),     // cbnz w2, .+8
            (0xb4ff_ffe2, Flow::Conditional { offset: -4 }),    // cbz x2, .-4
            (0x3700_0042, Flow::Conditional { offset: 8 }),     // tbnz w2, #0, .+8
            (0xb6ff_ffa2, Flow::Conditional { offset: -12 }),   // tbz x2, #63, .-12 (bit 5 set)
            (0x7405_2005, Flow::Conditional { offset: -1024 }), // cbgt w5, w5, .-1024
            (0xf405_1fe5, Flow::Conditional { offset: 1020 }),  // cbgt x5, x5, .+1020
            (0xd65f_03c0, Flow::Leaves),                        // ret
            (0xd61f_0200, Flow::Leaves),                        // br x16
            (0xd63f_081f, Flow::Leaves),                        // blraaz x0
            (0xd400_0001, Flow::Leaves),                        // svc #0
            (0xd420_0000, Flow::Leaves),                        // brk #0
            (0xd69f_03e0, Flow::Leaves),                        // eret
            (0x9100_0400, Flow::Next),                          // add x0, x0, #1
            (0xb820_0020, Flow::Next),                          // ldadd w0, w0, [x1]
            (0xf940_0020, Flow::Next),                          // ldr x0, [x1]
        ] {
            assert_eq!(Flow::of(word), flow, "{word:#010x}");
        }
    }
}
