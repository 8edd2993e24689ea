//! A quiet step leaves the guest as a plain step would have: checked against a small model of a core
//! that executes each instruction with the masks that it is given.

#![expect(clippy::panic, reason = "the model of the core stops the test at what it does not know")]

use trapline_core::registers::{Mode, Pstate};
use trapline_core::stepping::{AfterStep, ExceptionRegisters, QuietStep};
use trapline_core::target::{Register, SystemRegister};

/// Miri, which takes a hundred times as long, sees only some.
const STEP: usize = if cfg!(miri) { 31 } else { 1 };

const VBAR: u64 = 0xffff_8000_0800_0000;
const PC: u64 = 0xffff_8000_0801_0040;

/// The state of the model. `allint_exists` is FEAT_NMI.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Core {
    pc: u64,
    pstate: Pstate,
    x: [u64; 31],
    elr: u64,
    spsr: Pstate,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Outcome {
    Completes,
    /// The instruction makes an exception, and the return address is this far on: 4 for `SVC`.
    Exception(u64),
    /// It completes, and an interrupt that it unmasked is taken at once.
    CompletesThenIrq,
    /// Another debug event stops the core before the instruction.
    NotExecuted,
}

impl Core {
    fn take_exception(&mut self, vector: u64, return_address: u64) {
        self.elr = return_address;
        self.spsr = self.pstate;
        let group = match self.pstate.mode() {
            Mode::El1t => 0x000,
            Mode::El1h => 0x200,
            Mode::El0t => 0x400,
            mode => panic!("the model has no {mode}"),
        };
        self.pc = VBAR + group + vector;
        // DAIF and ALLINT set, IL, SS and BTYPE clear, EL1h.
        let kept = self.pstate.into_bits() & 0xf1c0_0000;
        self.pstate = Pstate::from_bits(kept | 0x23c5);
    }

    /// DDI 0487, "A64 Base Instruction Descriptions", for the instructions of this test.
    fn execute(&mut self, word: u32) {
        let rt = (word & 31) as usize;
        let imm = u64::from(word >> 8 & 15);
        let source = self.x.get(rt).copied().unwrap_or(0);
        let bits = self.pstate.into_bits();
        let mut result = None;
        let (mut next, mut pstate) = (self.pc + 4, bits);
        match word {
            0xd503_40df..=0xd503_4fdf if word & 0xff == 0xdf => pstate = bits | imm << 6,
            0xd503_40ff..=0xd503_4fff if word & 0xff == 0xff => pstate = bits & !(imm << 6),
            0xd51b_4220..=0xd51b_423f => pstate = bits & !0x3c0 | source & 0x3c0,
            0xd53b_4220..=0xd53b_423f => result = Some(bits & 0x3c0),
            0xd501_401f | 0xd501_411f => pstate = bits & !0x2000 | (imm & 1) << 13,
            0xd518_4300..=0xd518_431f => pstate = bits & !0x2000 | source & 0x2000,
            0xd538_4300..=0xd538_431f => result = Some(bits & 0x2000),
            0xd69f_03e0 => (next, pstate) = (self.elr, self.spsr.into_bits()),
            0x1400_0000 => next = self.pc,
            0x1400_0004 => next = self.pc + 16,
            0xd503_201f | 0xd503_207f | 0xd400_0002 => {}
            0xd280_0020 => result = Some(1),
            _ => panic!("the model does not know {word:#010x}"),
        }
        (self.pc, self.pstate) = (next, Pstate::from_bits(pstate));
        if let (Some(value), Some(x)) = (result, self.x.get_mut(rt)) {
            *x = value;
        }
    }

    fn step(&mut self, word: u32, outcome: Outcome) {
        match outcome {
            Outcome::NotExecuted => {}
            Outcome::Exception(length) => self.take_exception(0, self.pc + length),
            Outcome::Completes => self.execute(word),
            Outcome::CompletesThenIrq => {
                self.execute(word);
                if self.pstate.into_bits() & 0x2080 == 0 {
                    self.take_exception(0x80, self.pc);
                }
            }
        }
    }
}

fn quiet_step(core: &mut Core, word: u32, outcome: Outcome, nmi: bool) {
    let begin = if nmi { QuietStep::begin_with_nmi } else { QuietStep::begin };
    let (plan, run) = begin(core.pc, Some(word), core.pstate);
    let quiet = if nmi { 0x21c0 } else { 0x1c0 };
    assert_eq!(run.into_bits(), core.pstate.into_bits() | quiet, "only masks are added");
    core.pstate = run;
    core.step(word, outcome);
    let exception = plan.needs_exception_registers(core.pc, core.pstate).then_some(ExceptionRegisters {
        vbar_el1: VBAR,
        elr_el1: core.elr,
        spsr_el1: core.spsr,
    });
    for (register, value) in plan.end(&AfterStep { pc: core.pc, pstate: core.pstate, exception }).writes() {
        match register {
            Register::Pstate => core.pstate = Pstate::from_bits(value),
            Register::System(SystemRegister::SPSR_EL1) => core.spsr = Pstate::from_bits(value),
            Register::X(number) => core.x[usize::from(number)] = value,
            other => panic!("no fix is in {other}"),
        }
    }
}

fn instructions() -> Vec<u32> {
    let mut words = Vec::new();
    for imm in 0..16 {
        words.extend([0xd503_40df | imm << 8, 0xd503_40ff | imm << 8]); // msr daifset / daifclr, #imm
    }
    words.extend([0xd51b_4223, 0xd51b_4224, 0xd51b_423f]); // msr daif, x3 / x4 / xzr
    words.extend([0xd53b_4220, 0xd53b_423e, 0xd53b_423f]); // mrs x0 / x30 / xzr, daif
    words.extend([0xd501_401f, 0xd501_411f]); // msr allint, #0 / #1
    words.extend([0xd518_4303, 0xd518_4304, 0xd518_431f]); // msr allint, x3 / x4 / xzr
    words.extend([0xd538_4300, 0xd538_431f]); // mrs x0 / xzr, allint
    words.extend([0xd69f_03e0, 0x1400_0000, 0x1400_0004, 0xd503_201f, 0xd280_0020]); // eret, b, nop, mov
    words.extend([0xd503_207f, 0xd400_0002, 0xd400_0001]); // wfi, hvc #0, svc #0
    words
}

#[test]
fn a_quiet_step_ends_as_a_plain_step_would() {
    let outcomes = [
        Outcome::Completes,
        Outcome::Exception(0),
        Outcome::Exception(4), // SVC
        Outcome::CompletesThenIrq,
        Outcome::NotExecuted,
    ];
    let mut fixed = 0;
    for word in instructions() {
        for outcome in outcomes {
            for masks in (0..32_u64).step_by(STEP) {
                let masks = (masks & 15) << 6 | (masks >> 4) << 13;
                for (mode, nmi) in [(0b000, false), (0b100, false), (0b101, false), (0b101, true), (0, true)]
                {
                    if !nmi && (masks & 0x2000 != 0 || word & 0xffde_f000 == 0xd518_4000) {
                        continue;
                    }
                    if mode == 0 && word == 0xd69f_03e0 {
                        continue; // ERET is undefined at EL0.
                    }
                    if (word == 0xd400_0001) != (outcome == Outcome::Exception(4)) {
                        continue;
                    }
                    let mut x = core::array::from_fn(|number| 0x1111 * number as u64);
                    (x[3], x[4]) = (0x0c0, 0x2340);
                    let start = Core {
                        pc: PC,
                        pstate: Pstate::from_bits(0xa000_0000 | masks | mode),
                        x,
                        elr: 0x4000_1000,
                        spsr: Pstate::from_bits(0x6000_0080),
                    };
                    let (mut plain, mut quiet) = (start, start);
                    // The masks keep every interrupt out of the quiet step that the instruction itself
                    // does not let in; the plain step is one that none came in either.
                    quiet_step(&mut quiet, word, outcome, nmi);
                    let irq_taken =
                        outcome == Outcome::CompletesThenIrq && quiet.pc == vector_of(mode) + 0x80;
                    let plain_outcome = match outcome {
                        Outcome::CompletesThenIrq if !irq_taken => Outcome::Completes,
                        other => other,
                    };
                    plain.step(word, plain_outcome);
                    if !nmi {
                        // Without FEAT_NMI an exception does not set ALLINT.
                        plain.pstate.set_allint(false);
                        quiet.pstate.set_allint(false);
                    }
                    assert_eq!(quiet, plain, "{word:#010x} {outcome:?} {masks:#x} {mode:#b} {nmi}");
                    fixed += 1;
                }
            }
        }
    }
    assert!(fixed > 10_000 / STEP);
}

fn vector_of(mode: u64) -> u64 {
    VBAR + match mode {
        0b000 => 0x400,
        0b100 => 0x000,
        _ => 0x200,
    }
}

#[test]
fn a_branch_to_the_vectors_is_no_exception() {
    // EL1h, interrupts on, D set, so that PSTATE alone does not tell.
    let before = Pstate::from_bits(0x205);
    let (plan, run) = QuietStep::begin(PC, Some(0xd61f_0000), before);
    let stale =
        ExceptionRegisters { vbar_el1: VBAR, elr_el1: 0x4000_0000, spsr_el1: Pstate::from_bits(0x80) };
    let after = AfterStep { pc: VBAR + 0x200, pstate: run, exception: Some(stale) };
    assert!(plan.needs_exception_registers(after.pc, after.pstate));
    let fixups = plan.end(&after);
    assert_eq!((fixups.pstate, fixups.spsr_el1, fixups.x), (Some(before), None, None));
}

#[test]
fn nothing_is_read_or_fixed_when_everything_was_masked_already() {
    let before = Pstate::from_bits(0x3c5);
    let (plan, run) = QuietStep::begin(PC, Some(0xd53b_4220), before);
    assert_eq!(run, before);
    assert!(!plan.needs_exception_registers(VBAR + 0x200, run));
    assert_eq!(plan.end(&AfterStep { pc: PC + 4, pstate: run, exception: None }).writes().count(), 0);
}

#[test]
fn a_firmware_call_that_comes_back_elsewhere_keeps_its_new_state() {
    // PSCI CPU_SUSPEND resumes at its entry point with everything masked.
    let (plan, _) = QuietStep::begin(PC, Some(0xd400_0002), Pstate::from_bits(0x5));
    let after = AfterStep { pc: 0x4020_0010, pstate: Pstate::from_bits(0x3c5), exception: None };
    assert_eq!(plan.end(&after).writes().count(), 0);
}

#[test]
fn an_error_barrier_keeps_serror_as_it_is() {
    let (_, run) = QuietStep::begin(PC, Some(0xd503_221f), Pstate::from_bits(0x5));
    assert_eq!(run.into_bits(), 0xc5);
}

#[test]
fn only_the_waiting_instructions_may_wait() {
    for (word, waits) in [(0xd503_207f, true), (0xd503_205f, true), (0xd503_1003, true), (0xd503_201f, false)]
    {
        let (plan, _) = QuietStep::begin(PC, Some(word), Pstate::from_bits(0x5));
        assert_eq!(plan.may_wait(), waits, "{word:#x}");
    }
}

#[test]
#[cfg_attr(not(feature = "aarch32"), ignore = "takes the feature aarch32")]
fn an_aarch32_application_is_masked_and_restored_like_any_other() {
    // User mode under an AArch64 kernel; the word would be MSR DAIFSet in A64.
    let before = Pstate::from_bits(0x6000_0010);
    let (plan, run) = QuietStep::begin_with_nmi(0x8000, Some(0xd503_42df), before);
    assert_eq!(run.into_bits(), 0x6000_01d0, "ALLINT's bit belongs to IT");
    let after = AfterStep { pc: 0x8004, pstate: run, exception: None };
    assert_eq!(plan.end(&after).pstate, Some(before));
    // SVC: the return address is behind it.
    let saved = ExceptionRegisters { vbar_el1: VBAR, elr_el1: 0x8004, spsr_el1: run };
    let after = AfterStep { pc: VBAR + 0x600, pstate: Pstate::from_bits(0x3c5), exception: Some(saved) };
    let fixups = plan.end(&after);
    assert_eq!((fixups.pstate, fixups.spsr_el1), (None, Some(before)));
}
