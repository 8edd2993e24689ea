//! Conditions and counts on a real KVM: exact, and cheap where they are false.

use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::common::a64::{self, Program};
use crate::common::{CODE, DATA, GuestDebugger, Output, debugged, machine_with, map_memory};
use trapline_core::address::AddressRange;
use trapline_core::breakpoint::{Breakpoint, Instruction};
use trapline_core::debugger::{Action, Options, Request, Then, ValueCondition};
use trapline_core::pool::Owner;
use trapline_core::scope::Scope;
use trapline_core::stop::{Change, Stop, StopReason};
use trapline_core::target::{Console, CoreId, Register};
use trapline_core::watchpoint::{Access, Watchpoint};
use trapline_kvm::Notice;
use trapline_kvm::machine::RunningMachine;

const LONG: Duration = Duration::from_secs(120);
const CORE: CoreId = CoreId(0);
/// The loop: X1 counts, and goes to memory.
const LOOP: u64 = CODE + 0x400;
const STORE: u64 = LOOP + 4;

struct Guest {
    machine: RunningMachine<GuestDebugger>,
    notices: Receiver<Notice>,
}

impl Guest {
    fn new() -> Self {
        let mut program = Program::at(CODE);
        program.load(20, DATA);
        program.load(1, 0);
        program.branch(LOOP);
        program.pad_to(LOOP);
        program.add(a64::add(1, 1, 1));
        program.add(a64::store(3, 1, 20));
        program.branch(LOOP);
        let mut machine = machine_with(&program, 1, Output::default());
        map_memory(&mut machine);
        let (machine, notices) = debugged(machine);
        let guest = Self { machine, notices };
        // How long a stop takes is the host's doing, and would cost more or less ioctls.
        guest.debugger().target_mut().hold_virtual_time(false);
        guest
    }

    fn debugger(&self) -> MutexGuard<'_, GuestDebugger> {
        self.machine.handler().lock().unwrap()
    }

    fn insert(&self, request: Request, options: &Options<'_>) {
        self.debugger().insert_with(CORE, request, Owner::DEBUGGER, options).unwrap();
    }

    fn run_to_stop(&self) -> Stop {
        self.debugger().resume().unwrap();
        match self.notices.recv_timeout(LONG).unwrap() {
            Notice::Stopped { .. } => self.debugger().stop().unwrap(),
            other => panic!("{other:?}"),
        }
    }

    fn count(&self) -> u64 {
        self.debugger().read_register(CORE, Register::X(1)).unwrap()
    }
}

/// `X1 == value`: reg 1, const16, equal, end.
fn x1_is(value: u16) -> [u8; 8] {
    let [high, low] = value.to_be_bytes();
    [0x26, 0, 1, 0x23, high, low, 0x13, 0x27]
}

fn hardware(address: u64) -> Request {
    Request::Breakpoint(Breakpoint::at(address, Instruction::A64, Scope::EL1_AND_EL0).unwrap())
}

fn software(address: u64) -> Request {
    Request::Software { address, instruction: Instruction::A64 }
}

#[test]
fn a_condition_stops_in_the_one_round_in_which_it_is_true_and_costs_few_ioctls_in_the_others() {
    const ROUNDS: u16 = 500;
    // PC, the register of the condition and PSTATE read, one table base; PSTATE set and put back, guest debug
    // changed twice, and two KVM_RUN.
    const MOST: u64 = 11;
    let guest = Guest::new();
    for request in [hardware(STORE), software(STORE)] {
        let (first, last) = (x1_is(1 + guest.count() as u16), x1_is(1 + guest.count() as u16 + ROUNDS));
        guest.insert(request, &Options { conditions: &[&first], ..Options::default() });
        // What is read only once is read now.
        guest.run_to_stop();
        guest.insert(request, &Options { conditions: &[&last], ..Options::default() });
        let before = guest.debugger().target().ioctls();
        let (count, begun) = (guest.count(), Instant::now());
        let stop = guest.run_to_stop();
        let (took, ioctls) = (begun.elapsed(), guest.debugger().target().ioctls() - before);
        assert_eq!((stop.pc, guest.count() - count), (STORE, u64::from(ROUNDS)));
        let each = ioctls / u64::from(ROUNDS);
        println!(
            "{request:?}: {each} ioctls a false condition, {:.0} a second",
            f64::from(ROUNDS) / took.as_secs_f64()
        );
        assert!(each <= MOST, "{ioctls} ioctls for {ROUNDS} false conditions");
        assert_eq!(guest.debugger().hits()[0].count, 2);
        guest.debugger().remove(request, Owner::DEBUGGER).unwrap();
    }
}

#[test]
fn ignored_hits_pass_and_commands_print_without_a_stop() {
    /// `printf("x1=%d\n", X1)`: reg 1, const8 0, const8 0, printf.
    const PRINT: &[u8] =
        &[0x26, 0, 1, 0x22, 0, 0x22, 0, 0x34, 1, 0, 8, b'x', b'1', b'=', b'%', b'd', b'\\', b'n', 0, 0x27];
    struct Printed(Arc<Mutex<String>>);
    impl Console for Printed {
        fn print(&mut self, _: CoreId, text: &str) {
            self.0.lock().unwrap().push_str(text);
        }
    }
    let guest = Guest::new();
    let printed = Arc::new(Mutex::new(String::new()));
    guest.debugger().target_mut().set_console(Some(Box::new(Printed(printed.clone()))));
    guest.insert(hardware(LOOP), &Options { commands: &[PRINT], then: Then::Run, ..Options::default() });
    guest.insert(software(STORE), &Options { ignore: 3, ..Options::default() });
    assert_eq!(guest.run_to_stop().reason, StopReason::SoftwareBreakpoint);
    assert_eq!(guest.count(), 4);
    assert_eq!(*printed.lock().unwrap(), "x1=0\nx1=1\nx1=2\nx1=3\n");
}

#[test]
fn a_watch_for_a_value_stops_after_the_store_that_leaves_it() {
    let guest = Guest::new();
    let range = AddressRange::new(DATA, 8).unwrap();
    let watchpoint = Watchpoint::new(range, Access::Write, Scope::EL1_AND_EL0);
    let options = Options { value: ValueCondition::Equals(200), ..Options::default() };
    guest.insert(Request::Watchpoint(watchpoint), &options);
    let stop = guest.run_to_stop();
    let change = Some(Change { address: DATA, length: 8, old: 199, new: 200 });
    assert_eq!(stop.reason, StopReason::Watchpoint { watchpoint, address: DATA, made: true, change });
    assert_eq!((stop.pc, guest.count()), (STORE + 4, 200));
}

#[test]
fn a_range_is_stepped_in_the_engine_with_few_ioctls() {
    const ROUNDS: u16 = 300;
    // PC and PSTATE read, a table base; PSTATE set and put back; KVM_RUN.
    const MOST: u64 = 8;
    let guest = Guest::new();
    let end = x1_is(ROUNDS);
    guest.insert(hardware(STORE), &Options { conditions: &[&end], ..Options::default() });
    guest.debugger().set_action(CORE, Action::StepRange { start: CODE, end: CODE + 0x1000 }).unwrap();
    let (before, begun) = (guest.debugger().target().ioctls(), Instant::now());
    let stop = guest.run_to_stop();
    let (took, ioctls) = (begun.elapsed(), guest.debugger().target().ioctls() - before);
    assert_eq!((stop.pc, guest.count()), (STORE, u64::from(ROUNDS)));
    let steps = 3 * u64::from(ROUNDS);
    println!("{} ioctls a step, {:.0} steps a second", ioctls / steps, steps as f64 / took.as_secs_f64());
    assert!(ioctls / steps <= MOST, "{ioctls} ioctls for {steps} steps");
}
