//! Steps on a real KVM that a guest does not notice: every instruction once, interrupts and flags as ever.

use std::sync::MutexGuard;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use crate::common::a64::{self, Program};
use crate::common::{CODE, DATA, GuestDebugger, Output, debugged, machine_from, map_memory};
use trapline_core::address::PhysicalAddress;
use trapline_core::breakpoint::Instruction;
use trapline_core::debugger::{Action, Request};
use trapline_core::pool::Owner;
use trapline_core::stop::{Stop, StopReason};
use trapline_core::target::{CoreId, Memory, Register};
use trapline_kvm::machine::{MachineConfig, RunningMachine};
use trapline_kvm::{Notice, SystemEvent};

const CORE: CoreId = CoreId(0);
const LONG: Duration = Duration::from_secs(60);
const VECTORS: u64 = CODE + 0x800;
/// Where the handler of the timer interrupt counts.
const TICKS: u64 = DATA + 0x100;
const ISB: u32 = 0xd503_3fdf;
const WFI: u32 = 0xd503_207f;
const ERET: u32 = 0xd69f_03e0;

struct Guest {
    machine: RunningMachine<GuestDebugger>,
    notices: Receiver<Notice>,
}

impl Guest {
    /// A guest with its MMU on, since exclusives need Normal memory, that has not started yet.
    fn new(program: &Program) -> Self {
        let config = MachineConfig { memory: 2 << 20, ..MachineConfig::default() };
        let mut machine = machine_from(&config, program, Output::default());
        map_memory(&mut machine);
        let (machine, notices) = debugged(machine);
        Self { machine, notices }
    }

    fn debugger(&self) -> MutexGuard<'_, GuestDebugger> {
        self.machine.handler().lock().unwrap()
    }

    /// One step; `None` where the guest switched itself off by it.
    fn step(&self) -> Option<Stop> {
        self.move_on(Action::Step)
    }

    /// One step, or steps through a range; `None` where the guest switched itself off by it.
    fn move_on(&self, action: Action) -> Option<Stop> {
        {
            let mut debugger = self.debugger();
            debugger.set_action(CORE, action).unwrap();
            debugger.resume().unwrap();
        }
        match self.notices.recv_timeout(LONG).unwrap() {
            Notice::Stopped { .. } => {
                let stop = self.debugger().stop().unwrap();
                assert_eq!(stop.reason, StopReason::Step);
                Some(stop)
            }
            Notice::System { event: SystemEvent::Shutdown, .. } => None,
            other => panic!("{other:?}"),
        }
    }

    fn run_to(&self, address: u64) {
        let request = Request::Software { address, instruction: Instruction::A64 };
        {
            let mut debugger = self.debugger();
            debugger.clear_actions();
            debugger.insert(CORE, request, Owner::DEBUGGER).unwrap();
            debugger.resume().unwrap();
        }
        match self.notices.recv_timeout(LONG).unwrap() {
            Notice::Stopped { .. } => (),
            other => panic!("{other:?}"),
        }
        let mut debugger = self.debugger();
        assert_eq!(debugger.stop().map(|stop| stop.pc), Some(address));
        debugger.remove(request, Owner::DEBUGGER).unwrap();
    }

    fn word(&self, address: u64) -> u64 {
        let mut bytes = [0; 8];
        self.debugger().target_mut().read_memory(PhysicalAddress(address), &mut bytes).unwrap();
        u64::from_le_bytes(bytes)
    }

    fn read(&self, register: Register) -> u64 {
        self.debugger().read_register(CORE, register).unwrap()
    }
}

/// Vectors whose synchronous handler skips a BRK or returns from an SVC, and whose interrupt handler
/// counts a tick and sets the timer anew.
fn with_vectors(program: &mut Program, period: u64) {
    program.pad_to(VECTORS + 0x200);
    // Synchronous, from EL1: ESR_EL1 into X15; for a BRK (EC 0x3c) ELR_EL1 goes on by 4.
    program.add(0xd538_520f); // MRS X15, ESR_EL1
    program.add(0xd35a_fdef); // LSR X15, X15, #26
    program.add(0xd100_f1ef); // SUB X15, X15, #0x3c
    let over = program.here() + 16;
    program.branch_if_not_zero(15, over);
    program.add(0xd538_402f); // MRS X15, ELR_EL1
    program.add(a64::add(15, 15, 4));
    program.add(0xd518_402f); // MSR ELR_EL1, X15
    program.add(ERET);
    program.pad_to(VECTORS + 0x280);
    // IRQ, from EL1: acknowledge, count, compare value anew, end of interrupt.
    program.add(0xd538_cc11); // MRS X17, ICC_IAR1_EL1
    program.load(16, TICKS);
    program.add(a64::load(3, 18, 16));
    program.add(a64::add(18, 18, 1));
    program.add(a64::store(3, 18, 16));
    program.load(18, period);
    program.add(0xd51b_e312); // MSR CNTV_TVAL_EL0, X18
    program.add(ISB);
    program.add(0xd518_cc31); // MSR ICC_EOIR1_EL1, X17
    program.add(ERET);
}

/// Sets up the vectors, the GICv3 and the virtual timer, whose interrupt (27) comes every `period` ticks.
fn start_timer(program: &mut Program, period: u64) {
    let store_word = |program: &mut Program, address: u64, value: u64| {
        program.load(0, address);
        program.load(1, value);
        program.add(a64::store(2, 1, 0));
    };
    program.load(0, VECTORS);
    program.add(0xd518_c000); // MSR VBAR_EL1, X0
    store_word(program, 0x0800_0000, 0x12); // GICD_CTLR: ARE, EnableGrp1
    store_word(program, 0x080a_0014, 0); // GICR_WAKER: awake
    store_word(program, 0x080b_0080, 0xffff_ffff); // GICR_IGROUPR0: group 1
    store_word(program, 0x080b_0100, 1 << 27); // GICR_ISENABLER0
    program.load(0, 7);
    program.add(0xd518_cca0); // MSR ICC_SRE_EL1, X0
    program.add(ISB);
    program.load(0, 0xff);
    program.add(0xd518_4600); // MSR ICC_PMR_EL1, X0
    program.load(0, 1);
    program.add(0xd518_cce0); // MSR ICC_IGRPEN1_EL1, X0
    program.load(1, period);
    program.add(0xd51b_e301); // MSR CNTV_TVAL_EL0, X1
    program.add(0xd51b_e320); // MSR CNTV_CTL_EL0, X0: on
    program.add(ISB);
}

#[test]
fn every_step_makes_progress_under_a_fast_timer_and_the_ticks_come_when_the_guest_runs() {
    // 62.5 MHz: the timer fires after 1.6 µs, much faster than anybody can step.
    const PERIOD: u64 = 100;
    let mut program = Program::at(CODE);
    start_timer(&mut program, PERIOD);
    let open = program.add(0xd503_42ff); // MSR DAIFClr, #2
    let again = program.add(a64::add(5, 5, 1));
    program.add(a64::NOP);
    let back = program.branch(again);
    with_vectors(&mut program, PERIOD);
    let guest = Guest::new(&program);
    guest.run_to(back);
    assert!(open < back);
    for round in 0..200 {
        let before = guest.read(Register::X(5));
        for expected in [again, again + 4, back] {
            let stop = guest.step().unwrap();
            assert_eq!(stop.pc, expected, "in round {round}");
            assert_eq!(guest.read(Register::Pstate) >> 6 & 0xf, 0b1101, "DAIF in round {round}");
        }
        assert_eq!(guest.read(Register::X(5)), before + 1);
    }
    for round in 0..20 {
        let before = guest.read(Register::X(5));
        guest.step();
        let stop = guest.move_on(Action::StepRange { start: again, end: back }).unwrap();
        assert_eq!(stop.pc, back, "in round {round}");
        assert_eq!(guest.read(Register::Pstate) >> 6 & 0xf, 0b1101, "DAIF in round {round}");
        assert_eq!(guest.read(Register::X(5)), before + 1);
    }
    let ticks = guest.word(TICKS);
    guest.run_to(back);
    assert!(guest.word(TICKS) > ticks, "the interrupts that waited come now");
}

/// Instructions that read or write what a quiet step changes, exceptions and returns. Results go to
/// memory, and the machine is switched off.
fn delicate() -> Program {
    // 17 s at 62.5 MHz.
    const NOT_YET: u64 = 1 << 30;
    let mut program = Program::at(CODE);
    start_timer(&mut program, NOT_YET);
    program.load(20, DATA);
    // STR Xn, [X20], #8: keeps a result.
    let keep = |program: &mut Program, register: u32| program.add(0xf800_8680 | register);
    let daif_into = |program: &mut Program, register: u32| program.add(0xd53b_4220 | register);

    for change in [
        0xd503_42ff, // MSR DAIFClr, #2
        0xd503_4fff, // MSR DAIFClr, #15
        0xd503_41df, // MSR DAIFSet, #1
        0xd503_48df, // MSR DAIFSet, #8
        0xd503_42df, // MSR DAIFSet, #2
        0xd503_44ff, // MSR DAIFClr, #4
    ] {
        program.add(change);
        daif_into(&mut program, 1);
        keep(&mut program, 1);
    }
    program.load(2, 0x1c0);
    program.add(0xd51b_4222); // MSR DAIF, X2
    daif_into(&mut program, 3);
    keep(&mut program, 3);
    program.add(0xd503_4fff); // MSR DAIFClr, #15

    // Exceptions: what SPSR_EL1 says of DAIF, and what DAIF is after the return.
    for exception in [0xd400_0541, a64::brk(0x123)] {
        program.add(exception);
        program.add(0xd538_4004); // MRS X4, SPSR_EL1
        keep(&mut program, 4);
        daif_into(&mut program, 4);
        keep(&mut program, 4);
        program.add(0xd538_4024); // MRS X4, ELR_EL1
        keep(&mut program, 4);
    }

    // ERET to EL1 with other flags and other masks.
    program.load(5, 0xa000_0145); // N, C; A and F masked; EL1h
    program.add(0xd518_4005); // MSR SPSR_EL1, X5
    let after = program.here() + 4 * 6;
    program.load(5, after);
    program.add(0xd518_4025); // MSR ELR_EL1, X5
    program.add(ERET);
    program.add(0xd53b_4206); // MRS X6, NZCV
    keep(&mut program, 6);
    daif_into(&mut program, 6);
    keep(&mut program, 6);

    // A loop of exclusives that adds 1 four times.
    program.load(7, DATA + 0x200);
    program.add(a64::movz(8, 4));
    let again = program.add(0xc85f_7ce9); // LDXR X9, [X7]
    program.add(a64::add(9, 9, 1));
    program.add(0xc80a_7ce9); // STXR W10, X9, [X7]
    program.branch_if_not_zero(10, again);
    program.add(a64::sub(8, 8, 1));
    program.branch_if_not_zero(8, again);
    program.add(a64::load(3, 11, 7));
    keep(&mut program, 11);

    // WFI with a timer that is due, and masked: it falls through.
    program.add(0xd503_4fdf); // MSR DAIFSet, #15
    program.add(0xd51b_e31f); // MSR CNTV_TVAL_EL0, XZR
    program.add(ISB);
    program.add(WFI);
    daif_into(&mut program, 13);
    keep(&mut program, 13);
    program.psci(a64::SYSTEM_OFF);
    with_vectors(&mut program, NOT_YET);
    program
}

fn results(guest: &Guest) -> Vec<u64> {
    (0..32).map(|index| guest.word(DATA + 8 * index)).collect()
}

#[test]
fn a_program_that_is_stepped_through_computes_what_it_computes_alone() {
    let program = delicate();
    let alone = Guest::new(&program);
    alone.debugger().resume().unwrap();
    assert!(matches!(alone.notices.recv_timeout(LONG), Ok(Notice::System { .. })));
    let expected = results(&alone);
    assert_eq!(expected[0] >> 6, 0b1101, "the first DAIF: {expected:x?}");

    let stepped = Guest::new(&program);
    let mut steps = 0;
    let mut last = None;
    while let Some(stop) = stepped.step() {
        assert_ne!(Some(stop.pc), last, "no progress");
        last = Some(stop.pc);
        steps += 1;
        assert!(steps < 1000, "it goes round in circles at {:#x}", stop.pc);
    }
    assert!(steps > 150, "{steps}");
    assert_eq!(results(&stepped), expected, "{:x?}\n{expected:x?}", results(&stepped));
}

#[test]
fn a_program_whose_ranges_are_stepped_through_computes_what_it_computes_alone() {
    let program = delicate();
    let alone = Guest::new(&program);
    alone.debugger().resume().unwrap();
    assert!(matches!(alone.notices.recv_timeout(LONG), Ok(Notice::System { .. })));

    for length in [8_u64, 32, 128] {
        let stepped = Guest::new(&program);
        let (mut start, mut moves) = (CODE, 0);
        while let Some(stop) = stepped.move_on(Action::StepRange { start, end: start + length }) {
            assert!(!(start..start + length).contains(&stop.pc), "{:#x} is in the range", stop.pc);
            start = stop.pc & !(length - 1);
            moves += 1;
            assert!(moves < 1000, "it goes round in circles at {:#x}", stop.pc);
        }
        let (found, expected) = (results(&stepped), results(&alone));
        assert_eq!(found, expected, "with ranges of {length} bytes: {found:x?}\n{expected:x?}");
    }
}
