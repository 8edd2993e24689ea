//! Watchpoints by pages on a real KVM, where the comparators do not suffice.

use std::sync::MutexGuard;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use crate::common::a64::{self, Program};
use crate::common::{CODE, DATA, GuestDebugger, Output, debugged, machine_with};
use trapline_core::address::{AddressRange, PhysicalAddress};
use trapline_core::debugger::{InsertError, Options, PagesError, Request, ValueCondition};
use trapline_core::pool::{Owner, PoolError};
use trapline_core::scope::Scope;
use trapline_core::stop::{Change, Stop, StopReason};
use trapline_core::target::{CoreId, Memory, Register};
use trapline_core::watchpoint::{Access, Watchpoint};
use trapline_kvm::Notice;
use trapline_kvm::machine::RunningMachine;

const LONG: Duration = Duration::from_secs(60);
/// Where core 1 counts: in the page that is watched.
const OTHER: u64 = DATA + 0x800;
const PAGES: Options<'static> = Options {
    conditions: &[],
    commands: &[],
    numbering: trapline_core::agent::operand,
    ignore: 0,
    value: ValueCondition::Before,
    then: trapline_core::debugger::Then::Stop,
    pages: true,
};

struct Guest {
    machine: RunningMachine<GuestDebugger>,
    notices: Receiver<Notice>,
    /// The stores of core 0's loop, and where they write.
    stores: [(u64, u64); 4],
}

/// Core 0 counts in X1 and stores it in four ways; core 1 counts in memory.
fn program() -> (Program, [(u64, u64); 4]) {
    let mut program = Program::at(CODE);
    let (first, second) = (CODE + 0x400, CODE + 0x500);
    program.load(1, 1);
    program.load(2, second);
    program.load(3, OTHER);
    program.psci(a64::CPU_ON);
    program.load(20, DATA);
    program.load(1, 0);
    program.branch(first);
    program.pad_to(first);
    let again = program.add(a64::add(1, 1, 1));
    program.add(a64::add(22, 20, 0x40));
    let stores = [
        (program.add(a64::store(3, 1, 20)), DATA),
        (program.add(0xf900_0a81), DATA + 0x10), // str x1, [x20, #0x10]
        (program.add(0xa902_0681), DATA + 0x20), // stp x1, x1, [x20, #0x20]
        (program.add(0xf800_86c1), DATA + 0x40), // str x1, [x22], #8
    ];
    program.branch(again);
    program.pad_to(second);
    program.add(a64::add(20, 0, 0));
    let again = program.add(a64::load(3, 1, 20));
    program.add(a64::add(1, 1, 1));
    program.add(a64::store(3, 1, 20));
    program.branch(again);
    (program, stores)
}

impl Guest {
    fn new() -> Self {
        let (program, stores) = program();
        let machine = machine_with(&program, 2, Output::default());
        let (machine, notices) = debugged(machine);
        let guest = Self { machine, notices, stores };
        // All comparators watch what nobody touches.
        let free = guest.debugger().watchpoints().free();
        for place in 0..u64::from(free) {
            let request = watch(DATA + 0x1_0000 + 64 * place, 8, Access::Write);
            guest.debugger().insert(CoreId(0), request, Owner::HOST).unwrap();
        }
        guest
    }

    fn debugger(&self) -> MutexGuard<'_, GuestDebugger> {
        self.machine.handler().lock().unwrap()
    }

    fn insert(&self, request: Request, options: &Options<'_>) {
        self.debugger().insert_with(CoreId(0), request, Owner::DEBUGGER, options).unwrap();
    }

    fn run_to_stop(&self) -> Stop {
        self.debugger().resume().unwrap();
        match self.notices.recv_timeout(LONG).unwrap() {
            Notice::Stopped { .. } => self.debugger().stop().unwrap(),
            other => panic!("{other:?}"),
        }
    }

    fn memory(&self, address: u64) -> u64 {
        let mut bytes = [0; 8];
        self.debugger().target_mut().read_memory(PhysicalAddress(address), &mut bytes).unwrap();
        u64::from_le_bytes(bytes)
    }

    fn x(&self, core: u16, number: u8) -> u64 {
        self.debugger().read_register(CoreId(core), Register::X(number)).unwrap()
    }
}

fn watch(address: u64, length: u64, access: Access) -> Request {
    let range = AddressRange::new(address, length).unwrap();
    Request::Watchpoint(Watchpoint::new(range, access, Scope::EL1_AND_EL0))
}

#[test]
fn without_leave_and_for_reads_a_watchpoint_too_many_is_refused() {
    let guest = Guest::new();
    let mut debugger = guest.debugger();
    let plain = debugger.insert(CoreId(0), watch(DATA, 8, Access::Write), Owner::DEBUGGER);
    assert!(matches!(plain, Err(InsertError::Pool(PoolError::NotEnoughPairs { needed: 1, free: 0 }))));
    let reads = debugger.insert_with(CoreId(0), watch(DATA, 8, Access::Read), Owner::DEBUGGER, &PAGES);
    assert!(matches!(reads, Err(InsertError::Pages(PagesError::NotOnlyWrites(Access::Read)))));
    drop(debugger);
}

#[test]
fn every_kind_of_store_to_watched_bytes_stops_before_it_and_no_other_does() {
    let guest = Guest::new();
    let [_, (plain, at_plain), (pair, at_pair), (indexed, at_indexed)] = guest.stores;
    for address in [at_plain, at_pair + 8, at_indexed] {
        guest.insert(watch(address, 8, Access::Write), &PAGES);
    }
    assert_eq!(guest.debugger().paged_watchpoints().count(), 3);
    for round in 1..=20 {
        for (pc, address) in [(plain, at_plain), (pair, at_pair + 8), (indexed, at_indexed)] {
            let stop = guest.run_to_stop();
            assert_eq!((stop.core, stop.pc), (CoreId(0), pc), "round {round}: {stop}");
            match stop.reason {
                // A pair's own address is the lower one of the two that it writes to.
                StopReason::Watchpoint { address: told, change: None, .. } => assert_eq!(told, address),
                other => panic!("{other:?}"),
            }
            assert_eq!((guest.x(0, 1), guest.memory(address)), (round, round - 1));
        }
    }
    // Core 1 has lost none of its stores to the same page.
    let (register, memory) = (guest.x(1, 1), guest.memory(OTHER));
    assert!(memory > 0 && (register == memory || register == memory + 1), "{register} {memory}");
}

#[test]
fn a_watch_for_a_value_stops_after_the_store_that_leaves_it() {
    let guest = Guest::new();
    let options = Options { value: ValueCondition::Equals(7), ..PAGES };
    for (pc, address) in guest.stores {
        guest.insert(watch(address, 8, Access::Write), &options);
        let mut stop = guest.run_to_stop();
        assert_eq!(stop.pc, pc + 4);
        let change = Change { address, length: 8, old: 6, new: 7 };
        match &mut stop.reason {
            StopReason::Watchpoint { change: Some(told), .. } => assert_eq!(*told, change),
            other => panic!("{other:?}"),
        }
        assert_eq!(guest.memory(address), 7);
        guest.debugger().remove(watch(address, 8, Access::Write), Owner::DEBUGGER).unwrap();
    }
}

#[test]
fn what_is_removed_traps_no_more() {
    let guest = Guest::new();
    guest.insert(watch(DATA, 0x1000, Access::Write), &PAGES);
    guest.run_to_stop();
    guest.debugger().detach(Owner::DEBUGGER).unwrap();
    assert_eq!(guest.debugger().paged_watchpoints().count(), 0);
    let begun = Instant::now();
    let count = || {
        guest.debugger().interrupt().unwrap();
        let counts = (guest.memory(DATA), guest.memory(OTHER));
        guest.debugger().resume().unwrap();
        counts
    };
    let (first, other) = count();
    loop {
        let (now, now_other) = count();
        if now > first && now_other > other {
            break;
        }
        assert!(begun.elapsed() < LONG, "the guest stands still");
    }
    assert!(guest.notices.try_recv().is_err(), "nothing has stopped it");
}
