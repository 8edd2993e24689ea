//! A guest's own software step: with a debugger beside it, the guest sees what it sees alone.

use std::vec::Vec;

use proptest::prelude::*;

use super::{CAPABILITIES, Hardware, OPEN, SS, Vcpu};
use crate::el2::{Answer, GuestDebug, Verdict};
use crate::registers::MdcrEl2;
use crate::syndrome::SystemRegisterAccess;
use crate::target::{Arming, Event, Resume};

const D: u64 = 1 << 9;
const MDSCR_SS: u64 = 1;
const MDSCR_KDE: u64 = 1 << 13;

/// An instruction of EL1.
#[derive(Clone, Copy, Debug)]
enum Instruction {
    Nop,
    /// Writes `PSTATE.D`.
    Mask(bool),
    /// Writes `MDSCR_EL1`.
    Control(u64),
    /// Writes `SPSR_EL1.SS` and D.
    Saved(u64),
    /// An exception after which the next instruction would have come.
    Call,
    /// An exception instead of the instruction.
    Fault,
    Return,
}

fn instruction() -> impl Strategy<Value = Instruction> {
    let control = prop_oneof![Just(0), Just(MDSCR_SS), Just(MDSCR_KDE), Just(MDSCR_KDE | MDSCR_SS)];
    let saved = prop_oneof![Just(0), Just(SS), Just(D), Just(SS | D)];
    prop_oneof![
        2 => Just(Instruction::Nop),
        1 => any::<bool>().prop_map(Instruction::Mask),
        2 => control.prop_map(Instruction::Control),
        2 => saved.prop_map(Instruction::Saved),
        1 => Just(Instruction::Call),
        1 => Just(Instruction::Fault),
        3 => Just(Instruction::Return),
    ]
}

/// Executes one instruction on a core that steps with these controls, and whose step exceptions go to a
/// level from which they are `enabled` in a state. Of DDI 0487, "Software Step exceptions": the state
/// machine's row for the instruction.
fn execute(guest: &mut Vcpu, instruction: Instruction, enabled: impl Fn(u64) -> bool) {
    let source = enabled(guest.pstate);
    let completed = |pstate: u64| if source { pstate & !SS } else { pstate };
    // What cannot be told from something else, and no program does: an exception return to itself, which
    // looks like an instruction at a vector that faults, and D cleared in front of where the exception came
    // from.
    let odd = match instruction {
        Instruction::Return => guest.elr_el1 == guest.pc,
        Instruction::Mask(_) => guest.elr_el1 == guest.pc + 4,
        _ => false,
    };
    match instruction {
        Instruction::Nop | Instruction::Control(_) => guest.pstate = completed(guest.pstate),
        _ if odd => guest.pstate = completed(guest.pstate),
        Instruction::Mask(mask) => {
            guest.pstate = completed(guest.pstate) & !D | if mask { D } else { 0 };
        }
        Instruction::Saved(saved) => {
            guest.pstate = completed(guest.pstate);
            guest.spsr_el1 = guest.spsr_el1 & !(SS | D) | saved;
        }
        Instruction::Call => {
            guest.pstate = completed(guest.pstate);
            return guest.take_exception(guest.pc + 4);
        }
        Instruction::Fault => return guest.take_exception(guest.pc),
        Instruction::Return => {
            let target = guest.spsr_el1 & !SS;
            let steps = !source && enabled(target);
            guest.pstate = target | if steps { guest.spsr_el1 & SS } else { 0 };
            guest.pc = guest.elr_el1;
            return;
        }
    }
    guest.pc += 4;
}

/// What a guest sees that has the hardware to itself: its state before each instruction, and its step
/// exceptions.
fn alone(program: &[Instruction]) -> Vec<Vcpu> {
    let mut guest = Vcpu::new();
    let mut mdscr = 0;
    let mut seen = Vec::new();
    for &instruction in program {
        let enabled = |pstate: u64| mdscr & (MDSCR_SS | MDSCR_KDE) == MDSCR_SS | MDSCR_KDE && pstate & D == 0;
        if enabled(guest.pstate) && guest.pstate & SS == 0 {
            guest.take_exception(guest.pc);
        }
        seen.push(guest);
        execute(&mut guest, instruction, enabled);
        if let Instruction::Control(control) = instruction {
            mdscr = control;
        }
    }
    seen
}

/// The same with a debugger that has something armed.
fn debugged(program: &[Instruction]) -> Vec<Vcpu> {
    const MSR_MDSCR_EL1: SystemRegisterAccess = SystemRegisterAccess::from_bits(2 << 20 | 2 << 17 | 2 << 1);
    const MSR_OSLAR_EL1: SystemRegisterAccess = SystemRegisterAccess::from_bits(2 << 20 | 4 << 17 | 1 << 10);
    const STEP: Event =
        Event::DebugException { syndrome: 0x32 << 26 | 1 << 25 | 1 << 24 | 0x22, fault_address: 0 };
    let mut debug = GuestDebug::new(CAPABILITIES, false);
    let (mut hardware, mut guest) = (Hardware::default(), Vcpu::new());
    debug.arm(&Arming { software_breakpoints: true, ..Arming::default() });
    debug.resume(Resume::Run);
    debug.enter(&mut hardware, MdcrEl2::new(), &mut guest).unwrap();
    debug.on_access(MSR_OSLAR_EL1, 0);
    let mut seen = Vec::new();
    for &instruction in program {
        // Until the instruction is about to be executed.
        loop {
            debug.enter(&mut hardware, MdcrEl2::new(), &mut guest).unwrap();
            if !hardware.mdscr().ss() || guest.pstate & SS != 0 {
                break;
            }
            match debug.on_exception(STEP, &mut guest) {
                Verdict::RunOn => {}
                Verdict::Guest(_) => guest.take_exception(guest.pc),
                verdict => panic!("{verdict:?}"),
            }
        }
        seen.push(guest);
        if let Instruction::Control(control) = instruction {
            assert_eq!(debug.on_access(MSR_MDSCR_EL1, control), Answer::Written);
            guest.pc += 4;
            guest.pstate &= !SS;
        } else {
            execute(&mut guest, instruction, |_| hardware.mdscr().ss());
        }
    }
    seen
}

/// Without what only the hardware has: the guest cannot read its `PSTATE.SS`.
fn visible(states: Vec<Vcpu>) -> Vec<Vcpu> {
    states.into_iter().map(|state| Vcpu { pstate: state.pstate & !SS, ..state }).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn a_guest_steps_beside_a_debugger_as_it_does_alone(program in prop::collection::vec(instruction(), 1..24)) {
        prop_assert_eq!(visible(debugged(&program)), visible(alone(&program)));
    }
}

#[test]
fn the_usual_step_of_a_kernel() {
    // In a handler: step on, return with SS set.
    let program = [
        Instruction::Control(MDSCR_KDE),
        Instruction::Call,
        Instruction::Control(MDSCR_KDE | MDSCR_SS),
        Instruction::Saved(SS),
        Instruction::Return,
        Instruction::Nop,
        Instruction::Nop,
    ];
    let seen = debugged(&program);
    assert_eq!(visible(seen.clone()), visible(alone(&program)));
    let [.., stepped, handler] = seen.as_slice() else { panic!() };
    assert_eq!((stepped.pc, stepped.pstate & !SS), (0x1008, OPEN));
    assert_eq!((handler.elr_el1, handler.spsr_el1), (0x100c, OPEN));
}
