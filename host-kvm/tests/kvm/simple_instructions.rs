//! Instructions that the engine carries out itself, to pass a breakpoint or for a step: random ones leave a core just as a
//! step of the processor's leaves it.

use std::sync::MutexGuard;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use crate::common::a64::{NOP, Program};
use crate::common::accesses::ready;
use crate::common::random::Random;
use crate::common::{CODE, GuestDebugger, debugged};
use trapline_core::breakpoint::{Breakpoint, Instruction};
use trapline_core::debugger::{Action, Outcome, Request};
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
const FORMS: [(u32, u32); 12] = [
    (0xd503_201f, 0),           // NOP
    (0xd503_241f, 0x0000_00c0), // BTI
    (0x1100_0000, 0xc07f_ffff), // ADD and SUB (immediate)
    (0x1280_0000, 0x803f_ffff), // MOVN, with what every width has of shifts
    (0x5280_0000, 0xa03f_ffff), // MOVZ, MOVK
    (0xd2c0_0000, 0x203f_ffff), // both with the other shifts
    (0x2a00_03e0, 0x801f_001f), // MOV (register)
    (0x1000_0000, 0xe0ff_ffff), // ADR, ADRP
    (0x5400_0000, 0x0000_3fef), // B.cond, up to 2 KiB on
    (0x3400_0000, 0x8100_3fff), // CBZ, CBNZ
    (0x3600_0000, 0x81f8_3fff), // TBZ, TBNZ
    (0xd65f_0000, 0x0000_03e0), // RET
];
/// B and BL, with an offset that is added.
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
        if debugger.resume_or_stop().unwrap() == Outcome::Stopped {
            return debugger.stop().unwrap();
        }
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

    fn entries(&self) -> u64 {
        self.debugger().target().with_vcpu(CORE, |vcpu| vcpu.entries()).unwrap()
    }

    /// What a step of the processor's makes of `state`.
    fn stepped(&self, state: &State) -> State {
        self.debugger().remove_all(Owner::DEBUGGER);
        self.set(state);
        let entries = self.entries();
        assert_eq!(self.run(Action::Step).reason, StopReason::Step);
        assert_eq!(self.entries(), entries + 1, "with the registers new, nothing is known");
        self.state()
    }

    /// What a step of the engine's makes of `state`, after one of the processor's over the instruction before.
    fn carried_out(&self, state: &State) -> State {
        let mut before = *state;
        before[PC] -= 4;
        assert_eq!(self.stepped(&before), *state);
        let entries = self.entries();
        assert_eq!(self.run(Action::Step).reason, StopReason::Step);
        let entered = self.entries() - entries;
        assert_eq!(entered, 0, "it is carried out");
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
            // Where a vector may be, nothing is known of what has led there.
            at += if (at + 8).is_multiple_of(0x80) { 16 } else { 8 };
            guest.debugger().write_virtual(CORE, at, &word.to_le_bytes()).unwrap();
            guest.debugger().write_virtual(CORE, at - 4, &NOP.to_le_bytes()).unwrap();
            let mut state = [(); 34].map(|()| random.next());
            (state[PC], state[33]) = (at, PSTATE | random.next() & 0xf000_0000);
            if word & 0xff00_0000 == 0xd600_0000 {
                // To an instruction; or anywhere, which is the processor's affair.
                let to =
                    if random.next() & 1 == 0 { HERE + 4 * (random.next() % 0x1000) } else { random.next() };
                state[(word >> 5 & 0x1f) as usize] = to;
            }
            let stepped = guest.stepped(&state);
            if !matches!(stepped[PC] >> 55, 0 | 0x1ff) {
                continue;
            }
            assert_eq!(guest.carried_out(&state), stepped, "{word:#010x} at {at:#x} of {state:x?}");
            if stepped[PC] == at || !(CODE..HERE + 0x8000).contains(&stepped[PC]) {
                // Nobody comes to a breakpoint behind it.
                continue;
            }
            for kind in [hardware as fn(u64) -> Request, software] {
                let passed = guest.passed(kind, &state, stepped[PC]);
                assert_eq!(passed, stepped, "{word:#010x} at {at:#x} of {state:x?}");
            }
        }
    }
}
