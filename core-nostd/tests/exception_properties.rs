//! What holds for every value: of syndromes, of states that take an exception, of steps.

use proptest::prelude::*;
use trapline_core::breakpoint::Instruction;
use trapline_core::injection::{Before, Exception, Features, enter_el1};
use trapline_core::registers::{ExceptionLevel, Mode, Pstate, SctlrEl1};
use trapline_core::stepping::{
    AfterStep, ExceptionRegisters, ExclusiveSequence, MAX_EXITS, MAX_INSTRUCTIONS, QuietStep, Stretch,
};
use trapline_core::syndrome::Syndrome;
use trapline_core::target::{Register, SystemRegister};

/// A, I, F and ALLINT: all that a quiet step touches.
const MASKS: u64 = 0x21c0;

/// Words around the instructions that a step knows, so that chance finds them.
fn word() -> impl Strategy<Value = u32> {
    prop_oneof![
        any::<u32>(),
        (0..16_u32, prop_oneof![Just(0xd503_40df), Just(0xd503_40ff)])
            .prop_map(|(imm, word)| word | imm << 8),
        (0..32_u32, prop_oneof![Just(0xd51b_4220), Just(0xd53b_4220), Just(0xd518_4300), Just(0xd538_4300)])
            .prop_map(|(register, word)| word | register),
        Just(0xd69f_03e0),
        Just(0xd400_0002),
        Just(0xf10c_01c0),
        Just(0xe10f_4000),
        Just(0xb672),
        Just(0x8400_f3ef),
        Just(0xc85f_7c20),
        Just(0xc802_7c20),
        Just(0xe191_0f9f),
        Just(0x0f00_e851),
    ]
}

/// States of EL0 and EL1 in both Execution states, and any others.
fn pstate() -> impl Strategy<Value = Pstate> {
    const MODES: [u64; 10] = [0x00, 0x04, 0x05, 0x10, 0x11, 0x12, 0x13, 0x17, 0x1b, 0x1f];
    prop_oneof![
        (any::<u64>(), prop::sample::select(&MODES[..])).prop_map(|(bits, mode)| bits & !0x1f | mode),
        any::<u64>()
    ]
    .prop_map(Pstate::from_bits)
}

proptest! {
    #[test]
    fn every_syndrome_keeps_its_bits_and_has_words(esr in any::<u64>()) {
        let syndrome = Syndrome::decode(esr);
        prop_assert_eq!(syndrome.esr.into_bits(), esr);
        prop_assert_eq!(u64::from(syndrome.class.into_bits()), esr >> 26 & 0x3f);
        prop_assert_eq!(syndrome.il, esr >> 25 & 1 == 1);
        prop_assert!(!syndrome.to_string().is_empty());
    }

    #[test]
    fn every_exception_ends_masked_at_a_vector_of_el1(
        pc in any::<u64>(), state in pstate(), vbar_el1 in any::<u64>(), sctlr in any::<u64>(),
        ids in any::<[u64; 3]>(), exlock_enabled in any::<bool>(), syndrome in any::<u64>(), far in any::<Option<u64>>()
    ) {
        let before = Before {
            pc,
            pstate: state,
            vbar_el1,
            sctlr_el1: SctlrEl1::from_bits(sctlr),
            exlock_enabled,
            features: Features::from_id_registers(ids[0], ids[1], ids[2]),
        };
        let after = enter_el1(&before, &Exception { syndrome, fault_address: far });
        prop_assert_eq!(after.pstate.mode(), Mode::El1h);
        prop_assert_eq!(after.pstate.daif(), Pstate::DAIF);
        prop_assert!(!after.pstate.ss() && !after.pstate.il());
        prop_assert_eq!(after.pc & !0x7ff, vbar_el1 & !0x7ff);
        prop_assert_eq!(after.pc & 0x1ff, 0);
        prop_assert_eq!((after.elr_el1, after.spsr_el1, after.far_el1), (pc, state, far));
        // Only the lowest bit of the class may change.
        prop_assert_eq!((after.esr_el1 ^ syndrome) & !(1 << 26), 0);
    }

    #[test]
    fn a_quiet_step_only_ever_adds_masks_and_takes_its_own_away(
        pc in any::<u64>(), word in proptest::option::of(word()), before in pstate(), nmi in any::<bool>(),
        after_pc in prop_oneof![Just(None), (0..12_u64).prop_map(Some)],
        vector in 0..16_u64, after_state in prop_oneof![pstate(), Just(Pstate::from_bits(0x3c5))], elr_offset in 0..16_u64, vbar_el1 in any::<u64>()
    ) {
        let begin = if nmi { QuietStep::begin_with_nmi } else { QuietStep::begin };
        let (plan, run) = begin(pc, word, before);
        prop_assert_eq!(run.into_bits() & !MASKS, before.into_bits() & !MASKS);
        prop_assert_eq!(before.into_bits() & !run.into_bits(), 0);

        let vectors = vbar_el1 & !0x7ff;
        let after_pc = after_pc.map_or(vectors + vector * 0x80, |offset| pc.wrapping_add(offset));
        let saved = ExceptionRegisters { vbar_el1, elr_el1: pc.wrapping_add(elr_offset), spsr_el1: run };
        let after = AfterStep { pc: after_pc, pstate: after_state, exception: Some(saved) };
        let fixups = plan.end(&after);
        let added = run.into_bits() & !before.into_bits();
        if let Some(fixed) = fixups.pstate {
            prop_assert_eq!((fixed.into_bits() ^ after_state.into_bits()) & !added, 0);
            prop_assert_eq!(fixed.into_bits() & !after_state.into_bits(), 0);
        }
        for (register, value) in fixups.writes() {
            match register {
                Register::System(SystemRegister::SPSR_EL1) => {
                    prop_assert_eq!((value ^ before.into_bits()) & !added, 0);
                }
                Register::X(number) => prop_assert!(number < 31),
                _ => {}
            }
        }
        if after_state.exception_level() > ExceptionLevel::El1 && before.exception_level() <= ExceptionLevel::El1 {
            prop_assert_eq!(fixups.writes().count(), 0);
        }
    }

    #[test]
    fn an_exclusive_sequence_is_short_and_is_left_outside_itself(
        pc in any::<u64>(), words in prop::collection::vec(word(), 24),
        set in prop::sample::select(&[Instruction::A64, Instruction::A32, Instruction::T32][..])
    ) {
        let pc = pc & 0x7fff_fffc;
        let load = match set {
            Instruction::A64 => 0xc85f_7c20,
            Instruction::A32 => 0xe191_0f9f,
            Instruction::T32 => 0x0f00_e851,
        };
        let bytes: Vec<u8> = [load].into_iter().chain(words).flat_map(u32::to_le_bytes).collect();
        let mut reads = 0;
        let found = ExclusiveSequence::find_in(set, pc, |address| {
            reads += 1;
            let from = usize::try_from(address.checked_sub(pc)?).ok()?;
            Some(u32::from_le_bytes(bytes.get(from..from + 4)?.try_into().ok()?))
        });
        prop_assert!(reads <= MAX_INSTRUCTIONS);
        if let Some(sequence) = found {
            prop_assert_eq!(sequence.first(), pc);
            prop_assert!(sequence.last() > pc && sequence.last() - pc <= 4 * (MAX_INSTRUCTIONS - 1));
            let exits = sequence.exits();
            prop_assert!((1..=MAX_EXITS).contains(&exits.len()));
            prop_assert!(exits.iter().all(|exit| !(pc..=sequence.last()).contains(exit)));
        }
    }

    #[test]
    fn a_stretch_is_of_its_range_and_is_left_outside_or_at_what_it_does_not_execute(
        start in any::<u64>(), length in 0_u64..400, from in 0_u64..100, room in 0_usize..6,
        words in prop::collection::vec(word(), 100)
    ) {
        let start = start & 0x7fff_fffc;
        let (end, pc) = (start + length, start + 4 * from);
        let mut reads = 0;
        let found = Stretch::find(start, end, pc, room, |address| {
            reads += 1;
            words.get(usize::try_from(address.checked_sub(start)? / 4).ok()?).copied()
        });
        prop_assert!(reads <= 64);
        if let Some(stretch) = found {
            prop_assert!((start..end).contains(&pc));
            prop_assert!(start <= stretch.first() && stretch.first() < stretch.last() && stretch.last() < end);
            prop_assert!((1..=room.min(MAX_EXITS)).contains(&stretch.exits().len()));
            prop_assert!(!stretch.exits().contains(&pc));
        }
    }
}
