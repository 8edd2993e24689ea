//! Instructions that the engine carries out itself, to pass a breakpoint: random ones leave a core just as a step of the
//! processor's leaves it.

use std::sync::MutexGuard;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use crate::common::a64::{NOP, Program};
use crate::common::accesses::ready;
use crate::common::random::Random;
use crate::common::{CODE, GuestDebugger, debugged};
use trapline_core::breakpoint::{Breakpoint, Instruction};
use trapline_core::debugger::{Action, Request};
use trapline_core::pool::Owner;
use trapline_core::scope::Scope;
use trapline_core::stop::{Stop, StopReason};
use trapline_core::target::{CoreId, Register, SystemRegister};
use trapline_kvm::Notice;
use trapline_kvm::machine::RunningMachine;

const CORE: CoreId = CoreId(0);
const LONG: Duration = Duration::from_secs(60);
/// Where the instructions are put, one after the other, with `NOP` before them.
const HERE: u64 = CODE + 0x8000;
/// EL1 with SP_EL1 and interrupts masked; the flags are added.
const PSTATE: u64 = 0x3c5;

/// Forms that may be simple, as bits that stand and bits that may be any.
const FORMS: [(u32, u32); 8] = [
    (0xd503_201f, 0),           // NOP
    (0xd503_241f, 0x0000_00c0), // BTI
    (0x1100_0000, 0xc07f_ffff), // ADD and SUB (immediate)
    (0x1280_0000, 0x803f_ffff), // MOVN, with what every width has of shifts
    (0x5280_0000, 0xa03f_ffff), // MOVZ, MOVK
    (0xd2c0_0000, 0x203f_ffff), // both with the other shifts
    (0x2a00_03e0, 0x801f_001f), // MOV (register)
    (0x1000_0000, 0xe0ff_ffff), // ADR, ADRP
];
/// B, which is simple, and BL, with an offset that is added.
const BRANCHES: [u32; 2] = [0x1400_0000, 0x9400_0000];
/// How many of each form are tried.
const EACH: u64 = 24;

/// X0 to X30, SP, PC and PSTATE.
type State = [u64; 34];
const PC: usize = 32;

fn registers() -> impl Iterator<Item = Register> {
    (0..31).map(Register::X).chain([Register::System(SystemRegister::SP_EL1), Register::Pc, Register::Pstate])
}

fn hardware(address: u64) -> Request {
    Request::Breakpoint(Breakpoint::at(address, Instruction::A64, Scope::EL1_AND_EL0).unwrap())
}

fn software(address: u64) -> Request {
    Request::Software { address, instruction: Instruction::A64 }
}

struct Guest {
    machine: RunningMachine<GuestDebugger>,
    notices: Receiver<Notice>,
}

impl Guest {
    fn new() -> Self {
        let mut program = Program::at(CODE);
        // Branches lead into this as well.
        program.pad_to(HERE + 0x8000);
        let (machine, notices) = debugged(ready(&program));
        Self { machine, notices }
    }

    fn debugger(&self) -> MutexGuard<'_, GuestDebugger> {
        self.machine.handler().lock().unwrap()
    }

    fn insert(&self, request: Request) {
        self.debugger().insert(CORE, request, Owner::DEBUGGER).unwrap();
    }

    fn run(&self, action: Action) -> Stop {
        let mut debugger = self.debugger();
        debugger.clear_actions();
        debugger.set_action(CORE, action).unwrap();
        debugger.resume().unwrap();
        drop(debugger);
        match self.notices.recv_timeout(LONG).unwrap() {
            Notice::Stopped { .. } => self.debugger().stop().unwrap(),
            other => panic!("{other:?}"),
        }
    }

    fn set(&self, state: &State) {
        let mut debugger = self.debugger();
        for (register, value) in registers().zip(state) {
            debugger.write_register(CORE, register, *value).unwrap();
        }
    }

    fn state(&self) -> State {
        let mut debugger = self.debugger();
        let mut state = [0; 34];
        for (register, value) in registers().zip(&mut state) {
            *value = debugger.read_register(CORE, register).unwrap();
        }
        state
    }

    /// What a step of the processor's over `word` makes of `state`.
    fn stepped(&self, state: &State) -> State {
        self.debugger().remove_all(Owner::DEBUGGER);
        self.set(state);
        assert_eq!(self.run(Action::Step).reason, StopReason::Step);
        self.state()
    }

    /// What passing a breakpoint of a kind on it makes of `state`, where it leads to `next`.
    fn passed(&self, kind: fn(u64) -> Request, state: &State, next: u64) -> State {
        self.debugger().remove_all(Owner::DEBUGGER);
        let mut before = *state;
        before[PC] -= 4;
        self.set(&before);
        self.insert(kind(state[PC]));
        assert_eq!(self.run(Action::Continue).pc, state[PC]);
        self.insert(hardware(next));
        let stop = self.run(Action::Continue);
        assert_eq!(stop.reason, StopReason::Breakpoint, "{stop}");
        self.state()
    }
}

#[test]
fn what_is_carried_out_leaves_a_core_as_a_step_does() {
    let guest = Guest::new();
    let mut random = Random(1);
    let mut at = HERE;
    let branches = BRANCHES.map(|branch| (branch, 0));
    for (number, (fixed, any)) in FORMS.into_iter().chain(branches).enumerate() {
        for _ in 0..EACH {
            let mut word = fixed | random.next() as u32 & any;
            if number >= FORMS.len() {
                // Up to 1 KiB away, and not to itself.
                word |= ((random.next() % 255 + 1) as i32 - 128) as u32 & 0x03ff_ffff;
                if word & 0x03ff_ffff == 0 {
                    continue;
                }
            }
            at += 8;
            guest.debugger().write_virtual(CORE, at, &word.to_le_bytes()).unwrap();
            guest.debugger().write_virtual(CORE, at - 4, &NOP.to_le_bytes()).unwrap();
            let mut state = [(); 34].map(|()| random.next());
            (state[PC], state[33]) = (at, PSTATE | random.next() & 0xf000_0000);
            let stepped = guest.stepped(&state);
            for kind in [hardware as fn(u64) -> Request, software] {
                let passed = guest.passed(kind, &state, stepped[PC]);
                assert_eq!(passed, stepped, "{word:#010x} at {at:#x} of {state:x?}");
            }
        }
    }
}
