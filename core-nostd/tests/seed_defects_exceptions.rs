//! Defects of an older debugger that this crate must not have, as far as they concern exceptions and
//! steps. Numbers and words are those of the review that found them.

use trapline_core::injection::{
    Before, Exception, Features, aarch32, enter_el1, synchronous_vector, syndrome_at_el1,
};
use trapline_core::registers::{Cpsr, ExceptionLevel, Pstate, SctlrEl1};
use trapline_core::stepping::{AfterStep, QuietStep};
use trapline_core::syndrome::{Details, ExceptionClass, Syndrome};

const VBAR: u64 = 0xffff_8000_0801_0800;
const PC: u64 = 0xffff_8000_0800_1234;

fn before(pstate: u64) -> Before {
    Before {
        pc: PC,
        pstate: Pstate::from_bits(pstate),
        vbar_el1: VBAR,
        sctlr_el1: SctlrEl1::new().with_span(true),
        exlock_enabled: false,
        features: Features::default(),
    }
}

/// 11: "The injected exception's ESR_EL1/FAR_EL1/ELR_EL1 never reach the vCPU."
#[test]
fn defect_11_an_injected_exception_has_syndrome_address_and_return_address() {
    let exception = Exception { syndrome: 0xd200_0062, fault_address: Some(0x4000_1006) };
    let after = enter_el1(&before(0x3c5), &exception);
    assert_eq!(after.elr_el1, PC);
    assert_eq!(after.far_el1, Some(0x4000_1006));
    assert_eq!(Syndrome::decode(after.esr_el1).class, ExceptionClass::WatchpointSame);
    assert_eq!(after.spsr_el1.into_bits(), 0x3c5);
}

/// 12: "The target EL of the injected exception is not set."
#[test]
fn defect_12_an_injected_exception_is_taken_to_el1() {
    for (pstate, offset) in [(0x0, 0x400), (0x4, 0x000), (0x5, 0x200), (0x10, 0x600)] {
        let after = enter_el1(&before(pstate), &Exception { syndrome: 0xf200_0000, fault_address: None });
        assert_eq!(after.pstate.exception_level(), ExceptionLevel::El1);
        assert_eq!(after.pc, VBAR + offset);
        assert_eq!(after.pc, synchronous_vector(VBAR, Pstate::from_bits(pstate)));
    }
}

/// 13: "The injected exception keeps the lower-EL class; FAR is not set for a watchpoint."
#[test]
fn defect_13_the_class_is_that_of_the_level_it_came_from() {
    let (el0, el1) = (Pstate::from_bits(0x0), Pstate::from_bits(0x5));
    for (reported, at_el1) in [(0x30_u64, 0x31), (0x32, 0x33), (0x34, 0x35), (0x3c, 0x3c)] {
        assert_eq!(syndrome_at_el1(reported << 26 | 0x0200_0022, el1), at_el1 << 26 | 0x0200_0022);
        assert_eq!(syndrome_at_el1(reported << 26 | 0x0200_0022, el0), reported << 26 | 0x0200_0022);
    }
    let watch = Exception { syndrome: 0xd200_0022, fault_address: Some(0x1234) };
    assert_eq!(enter_el1(&before(0x0), &watch).far_el1, Some(0x1234));
}

/// 14: "An unexpected software step is dropped, not given to the guest."
#[test]
fn defect_14_a_step_of_the_guests_own_can_be_given_back() {
    let step = Exception { syndrome: 0xcb00_0062, fault_address: None };
    let after = enter_el1(&before(0x0), &step);
    let syndrome = Syndrome::decode(after.esr_el1);
    assert_eq!(syndrome.class, ExceptionClass::SoftwareStepLower);
    assert!(matches!(syndrome.details, Details::SoftwareStep(step) if step.exclusive()));
    assert_eq!(after.far_el1, None);
    // The step is done: it is not done once more in the handler.
    assert!(!enter_el1(&before(1 << 21), &step).pstate.ss());
}

/// 15: "AArch32 guests: … EC 0x38 is not handled."
#[test]
fn defect_15_bkpt_is_known_and_can_be_given_to_either_kind_of_el1() {
    let syndrome = Syndrome::decode(0xe000_00ab);
    assert_eq!(syndrome.class, ExceptionClass::Bkpt);
    assert_eq!(syndrome.details, Details::BreakInstruction(0xab));

    // A 32-bit application of a 64-bit kernel: the class and the 16-bit IL stay.
    let after = enter_el1(&before(0x6000_0030), &Exception { syndrome: 0xe000_00ab, fault_address: None });
    assert_eq!((after.pc, after.esr_el1), (VBAR + 0x600, 0xe000_00ab));

    // A 32-bit kernel: a prefetch abort with a debug event.
    let state = aarch32::Before {
        pc: 0x8000,
        cpsr: Cpsr::from_bits(0x13),
        sctlr: SctlrEl1::new().with_span(true),
        vbar: 0,
        long_descriptors: false,
        dbgdscr: 0,
        pan: false,
        ssbs: false,
    };
    let bkpt = aarch32::DebugException::from_syndrome(&syndrome, 0);
    assert_eq!(bkpt, Some(aarch32::DebugException::Bkpt));
    let after = aarch32::enter_el1(&state, aarch32::DebugException::Bkpt);
    assert_eq!((after.pc, after.lr_abt), (0x0c, 0x8004));
    assert_eq!(after.fault, aarch32::Fault::Prefetch { ifsr: 0b00010 });
}

/// 19: "No interrupt masking while stepping."
#[test]
fn defect_19_a_step_masks_interrupts_and_unmasks_them_again() {
    let kernel = Pstate::from_bits(0x6000_0005);
    let (step, run) = QuietStep::begin(PC, Some(0xd503_201f), kernel);
    assert!(run.i() && run.f() && run.a());
    let after = AfterStep { pc: PC + 4, pstate: run, exception: None };
    assert_eq!(step.end(&after).pstate, Some(kernel));
}
