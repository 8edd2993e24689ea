//! A quiet step adds masks and takes its own away again, whatever the instruction did; an exclusive sequence is
//! short, is read in bounds, and its exits lie outside it; a stretch is of its range, and is not left where it begins.

use arbitrary::Arbitrary;
use trapline_core::breakpoint::Instruction;
use trapline_core::registers::{ExceptionLevel, Pstate};
use trapline_core::stepping::{
    AfterStep, ExceptionRegisters, ExclusiveSequence, MAX_EXITS, MAX_INSTRUCTIONS, QuietStep, Stretch,
};
use trapline_core::target::{Register, SystemRegister};

use crate::read;

/// A, I, F and ALLINT: all that a quiet step touches.
const MASKS: u64 = 0x21c0;

/// A step, and what the core is like after it.
#[derive(Arbitrary, Debug)]
struct Input {
    pc: u64,
    word: Option<u32>,
    before: u64,
    nmi: bool,
    after_pc: Option<u8>,
    vector: u8,
    after: u64,
    elr_offset: u8,
    vbar: u64,
    set: u8,
    words: [u32; 8],
}

/// Steps once, and looks for a sequence and a stretch.
///
/// # Panics
/// Where a step changes what it must not.
pub fn check(data: &[u8]) {
    let Some(input) = read::<Input>(data) else { return };
    step(&input);
    sequence(&input);
    stretch(&input);
}

fn step(input: &Input) {
    let before = Pstate::from_bits(input.before);
    let begin = if input.nmi { QuietStep::begin_with_nmi } else { QuietStep::begin };
    let (plan, run) = begin(input.pc, input.word, before);
    assert_eq!(run.into_bits() & !MASKS, before.into_bits() & !MASKS);
    assert_eq!(before.into_bits() & !run.into_bits(), 0);

    let vectors = input.vbar & !0x7ff;
    let pc = input.after_pc.map_or(vectors + u64::from(input.vector % 16) * 0x80, |offset| {
        input.pc.wrapping_add(u64::from(offset % 12))
    });
    let saved = ExceptionRegisters {
        vbar_el1: input.vbar,
        elr_el1: input.pc.wrapping_add(u64::from(input.elr_offset % 16)),
        spsr_el1: run,
    };
    let state = Pstate::from_bits(input.after);
    let fixups = plan.end(&AfterStep { pc, pstate: state, exception: Some(saved) });
    let added = run.into_bits() & !before.into_bits();
    if let Some(fixed) = fixups.pstate {
        assert_eq!((fixed.into_bits() ^ state.into_bits()) & !added, 0);
        assert_eq!(fixed.into_bits() & !state.into_bits(), 0);
    }
    for (register, value) in fixups.writes() {
        match register {
            Register::System(SystemRegister::SPSR_EL1) => {
                assert_eq!((value ^ before.into_bits()) & !added, 0);
            }
            Register::X(number) => assert!(number < 31),
            _ => {}
        }
    }
    if state.exception_level() > ExceptionLevel::El1 && before.exception_level() <= ExceptionLevel::El1 {
        assert_eq!(fixups.writes().count(), 0);
    }
}

fn sequence(input: &Input) {
    let pc = input.pc & 0x7fff_fffc;
    // A load exclusive, so that there is something to find.
    let (set, load) = [
        (Instruction::A64, 0xc85f_7c20),
        (Instruction::A32, 0xe191_0f9f),
        (Instruction::T32, 0x0f00_e851_u32),
    ][usize::from(input.set % 3)];
    let words = [load].into_iter().chain(input.words);
    let bytes: Vec<u8> = words.flat_map(u32::to_le_bytes).collect();
    let mut reads = 0;
    let found = ExclusiveSequence::find_in(set, pc, |address| {
        reads += 1;
        let from = usize::try_from(address.checked_sub(pc)?).ok()?;
        Some(u32::from_le_bytes(bytes.get(from..from.checked_add(4)?)?.try_into().ok()?))
    });
    assert!(reads <= MAX_INSTRUCTIONS);
    if let Some(sequence) = found {
        assert_eq!(sequence.first(), pc);
        assert!(sequence.last() > pc && sequence.last() - pc <= 4 * (MAX_INSTRUCTIONS - 1));
        let exits = sequence.exits();
        assert!((1..=MAX_EXITS).contains(&exits.len()));
        assert!(exits.iter().all(|exit| !(pc..=sequence.last()).contains(exit)));
    }
}

fn stretch(input: &Input) {
    // The range is as the input has it, around some of the words or none.
    let (start, room) = (input.pc, usize::from(input.set % 8));
    let end = start.saturating_add(input.vector.into());
    let pc = start.wrapping_add(u64::from(input.elr_offset)) & !3;
    let mut reads = 0;
    let found = Stretch::find(start, end, pc, room, |address| {
        reads += 1;
        input.words.get(usize::try_from(address.wrapping_sub(start) / 4).ok()?).copied()
    });
    assert!(reads <= 64);
    if let Some(stretch) = found {
        assert!((start..end).contains(&pc) && start <= stretch.first());
        assert!(stretch.first() < stretch.last() && stretch.last() < end);
        assert!((1..=room.min(MAX_EXITS)).contains(&stretch.exits().len()));
        assert!(!stretch.exits().contains(&pc));
    }
}
