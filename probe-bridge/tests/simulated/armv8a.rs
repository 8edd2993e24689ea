//! Two Armv8-A cores: the engine over the debug registers.

use trapline_core::address::{AddressRange, PhysicalAddress};
use trapline_core::breakpoint::{Breakpoint, Instruction};
use trapline_core::debugger::{Action, Debugger, Request};
use trapline_core::pool::Owner;
use trapline_core::scope::Scope;
use trapline_core::stop::StopReason;
use trapline_core::target::{
    CoreId, CoreState, Memory, Refusal, Register, Registers, RunControl, SystemRegister, TargetError,
};
use trapline_core::watchpoint::{Access, Watchpoint};
use trapline_probe::board::armv8a::Armv8aTarget;
use trapline_probe::board::link::SessionLink;
use trapline_probe::board::{AttachOptions, Found, MemoryPath, Unobserved, run_until_stopped};
use trapline_simulator::armv8a::Armv8aBoard;

use crate::probe::Board;

/// Where RAM begins, and with it the programs of these tests.
const START: u64 = 0x4000_0000;
const CORE0: CoreId = CoreId(0);
const CORE1: CoreId = CoreId(1);
/// The base addresses of the two debug units.
const BASES: [u64; 2] = [0x8001_0000, 0x8011_0000];

type BoardDebugger = Debugger<Armv8aTarget<SessionLink>>;

/// X1 counts, X2 is where the count is stored; core 1 does the same beside it.
pub(crate) const COUNT: [u32; 9] = [
    0xd538_00a0, // mrs x0, mpidr_el1
    0x9240_1c00, // and x0, x0, #0xff
    0xd2a8_0022, // mov x2, #0x40010000
    0x8b00_0c42, // add x2, x2, x0, lsl #3
    0xd280_0001, // mov x1, #0
    0x9100_0421, // 14: add x1, x1, #1
    0xf900_0041, // 18: str x1, [x2]
    0xf940_0043, // 1c: ldr x3, [x2]
    0x17ff_fffd, // 20: b 14
];
pub(crate) const ADD: u64 = START + 0x14;
pub(crate) const STORE: u64 = START + 0x18;
pub(crate) const LOAD: u64 = START + 0x1c;
pub(crate) const COUNTER: u64 = 0x4001_0000;

fn debugger(program: &[u32]) -> (Board, BoardDebugger) {
    let board = Board::new(Armv8aBoard::with_program(program).unwrap());
    let target = board.attach().unwrap();
    board.port().take_writes();
    (board, Debugger::new(target).unwrap())
}

/// Runs on until the target stops.
fn run(debugger: &mut BoardDebugger) -> (CoreId, u64, StopReason) {
    debugger.resume().unwrap();
    for _ in 0..10_000 {
        if run_until_stopped(debugger, &mut Unobserved).unwrap() == Found::Stop {
            let stop = debugger.stop().unwrap();
            return (stop.core, stop.pc, stop.reason);
        }
    }
    panic!("the target does not stop");
}

fn watch(debugger: &mut BoardDebugger, start: u64, length: u64, access: Access) -> Watchpoint {
    let range = AddressRange::new(start, length).unwrap();
    let watchpoint = Watchpoint::new(range, access, Scope::ALL);
    debugger.insert(CORE0, Request::Watchpoint(watchpoint), Owner::DEBUGGER).unwrap();
    watchpoint
}

fn x(debugger: &mut BoardDebugger, core: CoreId, number: u8) -> u64 {
    debugger.read_register(core, Register::X(number)).unwrap()
}

#[test]
fn a_breakpoint_stops_both_cores_and_is_passed_again_and_again() {
    let (board, mut debugger) = debugger(&COUNT);
    debugger.interrupt().unwrap();
    let breakpoint = Breakpoint::at(STORE, Instruction::A64, Scope::ALL).unwrap();
    debugger.insert(CORE0, Request::Breakpoint(breakpoint), Owner::DEBUGGER).unwrap();
    let mut hits = [0; 2];
    for _ in 0..8 {
        let (core, pc, reason) = run(&mut debugger);
        assert_eq!((pc, reason), (STORE, StopReason::Breakpoint));
        hits[usize::from(core.0)] += 1;
        for core in [CORE0, CORE1] {
            assert_eq!(debugger.core_state(core).unwrap(), CoreState::Halted);
        }
    }
    assert!(hits[0] > 0 && hits[1] > 0, "{hits:?}");
    let written: Vec<_> = board.port().take_writes();
    for base in BASES {
        let control = written.iter().find(|write| write.address == base + 0x408 && write.value != 0);
        assert_eq!(control.map(|write| write.value), Some(0x21e7));
    }
}

#[test]
fn watchpoints_know_reads_from_writes_and_bytes_from_their_neighbours() {
    let (board, mut debugger) = debugger(&COUNT);
    debugger.interrupt().unwrap();
    debugger.set_action(CORE1, Action::Hold).unwrap();
    watch(&mut debugger, COUNTER, 8, Access::Write);
    let (core, pc, reason) = run(&mut debugger);
    assert_eq!((core, pc), (CORE0, STORE));
    assert!(matches!(reason, StopReason::Watchpoint { address: COUNTER, .. }), "{reason:?}");
    let before = x(&mut debugger, CORE0, 1);
    assert_eq!(run(&mut debugger).1, STORE);
    assert_eq!(x(&mut debugger, CORE0, 1), before + 1, "one round further");
    debugger.remove_all(Owner::DEBUGGER);
    watch(&mut debugger, COUNTER + 3, 1, Access::Read);
    assert_eq!(run(&mut debugger).1, LOAD);
    let written = board.port().take_writes();
    let controls: Vec<_> = written
        .iter()
        .filter(|write| write.address == BASES[0] + 0x808 && write.value != 0)
        .map(|write| write.value)
        .collect();
    assert!(controls.contains(&0x3ff7) && controls.contains(&0x210f), "{controls:x?}");
}

#[test]
fn a_page_is_watched_by_one_masked_comparator_and_its_neighbour_is_not() {
    let (board, mut debugger) = debugger(&COUNT);
    debugger.interrupt().unwrap();
    debugger.set_action(CORE1, Action::Hold).unwrap();
    let page = COUNTER & !0xfff;
    watch(&mut debugger, page, 0x1000, Access::Write);
    let (core, pc, reason) = run(&mut debugger);
    assert_eq!((core, pc), (CORE0, STORE));
    assert!(matches!(reason, StopReason::Watchpoint { address: COUNTER, .. }), "{reason:?}");
    let written = board.port().take_writes();
    let wanted = [(0x800, page as u32), (0x808, 0x0c00_3ff7)];
    for (offset, value) in wanted {
        assert!(written.iter().any(|write| (write.address, write.value) == (BASES[0] + offset, value)));
    }
    debugger.remove_all(Owner::DEBUGGER);
    watch(&mut debugger, page + 0x1000, 0x1000, Access::ReadWrite);
    let breakpoint = Breakpoint::at(LOAD, Instruction::A64, Scope::ALL).unwrap();
    debugger.insert(CORE0, Request::Breakpoint(breakpoint), Owner::DEBUGGER).unwrap();
    assert_eq!(run(&mut debugger), (CORE0, LOAD, StopReason::Breakpoint), "past the store");
}

#[test]
fn a_step_is_one_instruction_and_no_interrupt_comes_in() {
    let (_board, mut debugger) = debugger(&COUNT);
    debugger.interrupt().unwrap();
    debugger.write_register(CORE0, Register::Pc, ADD).unwrap();
    debugger.set_action(CORE0, Action::Step).unwrap();
    debugger.set_action(CORE1, Action::Hold).unwrap();
    for expected in [STORE, LOAD, START + 0x20, ADD] {
        assert_eq!(run(&mut debugger), (CORE0, expected, StopReason::Step));
    }
}

#[test]
fn every_register_can_be_read_and_written_and_none_is_disturbed() {
    let (_board, mut debugger) = debugger(&COUNT);
    debugger.interrupt().unwrap();
    let target = debugger.target_mut();
    let registers = (0..31).map(Register::X).chain([
        Register::System(SystemRegister::SP_EL0),
        Register::System(SystemRegister::SP_EL1),
        Register::System(SystemRegister::TPIDR_EL1),
        Register::Fpsr,
        Register::Fpcr,
    ]);
    let value = |number: u64| 0x1111_0000_0000 * (number % 3) + number;
    for (number, register) in (0..).zip(registers.clone()) {
        let value = if matches!(register, Register::Fpsr | Register::Fpcr) { number } else { value(number) };
        target.write_register(CORE0, register, value).unwrap();
    }
    for number in 0..32 {
        target.write_vector(CORE0, number, u128::from(number) << 100 | 0x77).unwrap();
    }
    // A run and a halt between: everything has really been in the core.
    let pc = target.read_register(CORE0, Register::Pc).unwrap();
    debugger.set_action(CORE1, Action::Hold).unwrap();
    debugger.write_register(CORE0, Register::Pc, START + 0x20).unwrap();
    debugger.set_action(CORE0, Action::Step).unwrap();
    run(&mut debugger);
    let _ = pc;
    let target = debugger.target_mut();
    for (number, register) in (0..).zip(registers) {
        let expected =
            if matches!(register, Register::Fpsr | Register::Fpcr) { number } else { value(number) };
        assert_eq!(target.read_register(CORE0, register).unwrap(), expected, "{register}");
    }
    for number in 0..32 {
        assert_eq!(target.read_vector(CORE0, number).unwrap(), u128::from(number) << 100 | 0x77);
    }
}

#[test]
fn a_register_that_is_not_there_is_refused_and_leaves_no_trace() {
    let (_board, mut debugger) = debugger(&COUNT);
    debugger.interrupt().unwrap();
    let esr = Register::System(SystemRegister::ESR_EL1);
    debugger.write_register(CORE0, esr, 0x1234).unwrap();
    let missing = Register::System(SystemRegister::new(3, 3, 15, 15, 7).unwrap());
    let error = debugger.read_register(CORE0, missing).unwrap_err();
    assert!(error.to_string().contains("no register"), "{error}");
    assert_eq!(debugger.read_register(CORE0, esr).unwrap(), 0x1234);
}

#[test]
fn detaching_disarms_and_lets_run() {
    let (board, mut debugger) = debugger(&COUNT);
    debugger.interrupt().unwrap();
    watch(&mut debugger, COUNTER, 4, Access::ReadWrite);
    run(&mut debugger);
    debugger.detach(Owner::DEBUGGER).unwrap();
    let target = std::mem::replace(&mut debugger, self::debugger(&COUNT).1);
    drop(target);
    let mut port = board.port();
    port.run(1000);
    for base in BASES {
        for offset in [0x408, 0x808, 0x818] {
            assert_eq!(port.system().read(0, base + offset, trapline_simulator::dap::Size::Word), Ok(0));
        }
    }
}

#[test]
fn memory_is_reached_by_a_core_where_no_access_port_leads_there() {
    let board = Board::new(Armv8aBoard::with_program(&COUNT).unwrap());
    let chip = "simulated-armv8a".to_owned();
    let options = AttachOptions { chip, memory: MemoryPath::Core, ..AttachOptions::default() };
    let mut target = board.attach_with(&options).unwrap();
    assert!(target.read_memory(PhysicalAddress(START), &mut [0; 4]).is_err(), "no core is halted");
    target.halt(CORE0).unwrap();
    let registers = [0, 1, 2].map(|number| target.read_register(CORE0, Register::X(number)).unwrap());
    let bytes: Vec<u8> = (1..=27).collect();
    target.write_memory(PhysicalAddress(COUNTER + 0x101), &bytes).unwrap();
    let mut read = [0; 29];
    target.read_memory(PhysicalAddress(COUNTER + 0x100), &mut read).unwrap();
    assert_eq!(read[1..28], bytes);
    assert_eq!((read[0], read[28]), (0, 0), "its neighbours are as they were");
    assert!(
        board.port().take_writes().iter().all(|write| write.port == 0),
        "nothing went through another port"
    );

    let fault = Register::System(SystemRegister::ESR_EL1);
    target.write_register(CORE0, fault, 0x77).unwrap();
    let error = target.read_memory(PhysicalAddress(0x1_0000), &mut [0; 4]).unwrap_err();
    assert!(matches!(error, TargetError::Refused(Refusal::NoMemory(_))), "{error}");
    assert_eq!(target.read_register(CORE0, fault).unwrap(), 0x77, "the abort has left no trace");
    assert_eq!([0, 1, 2].map(|number| target.read_register(CORE0, Register::X(number)).unwrap()), registers);
}
