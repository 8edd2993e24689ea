//! Watchpoints on what is written by store exclusives, on a real KVM: the program gets on, and every store is told of
//! once.

use std::sync::MutexGuard;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use crate::common::a64::{self, Program};
use crate::common::{CODE, DATA, GuestDebugger, Output, debugged, machine_from, map_memory};
use trapline_core::address::{AddressRange, PhysicalAddress};
use trapline_core::debugger::{Action, Options, Request, ValueCondition};
use trapline_core::pool::Owner;
use trapline_core::scope::Scope;
use trapline_core::stop::{Stop, StopReason};
use trapline_core::target::{CoreId, Memory};
use trapline_core::watchpoint::{Access, Watchpoint};
use trapline_kvm::Notice;
use trapline_kvm::machine::{MachineConfig, RunningMachine};

const CORE: CoreId = CoreId(0);
const LONG: Duration = Duration::from_secs(60);
/// What is counted in.
const COUNTER: u64 = DATA + 0x200;
/// In the same page.
const OTHER: u64 = DATA + 0x300;

struct Guest {
    machine: RunningMachine<GuestDebugger>,
    notices: Receiver<Notice>,
    /// The address of the store exclusive.
    store: u64,
}

impl Guest {
    /// A guest that counts by exclusives for ever, with its MMU on, since these need Normal memory.
    fn new() -> Self {
        let mut program = Program::at(CODE);
        program.load(7, COUNTER);
        let again = program.add(0xc85f_7ce9); // LDXR X9, [X7]
        program.add(a64::add(9, 9, 1));
        let store = program.add(0xc80a_7ce9); // STXR W10, X9, [X7]
        program.branch_if_not_zero(10, again);
        program.branch(again);
        let config = MachineConfig { memory: 2 << 20, ..MachineConfig::default() };
        let mut machine = machine_from(&config, &program, Output::default());
        map_memory(&mut machine);
        let (machine, notices) = debugged(machine);
        Self { machine, notices, store }
    }

    fn debugger(&self) -> MutexGuard<'_, GuestDebugger> {
        self.machine.handler().lock().unwrap()
    }

    fn run_to_stop(&self) -> Stop {
        self.debugger().resume().unwrap();
        match self.notices.recv_timeout(LONG).unwrap() {
            Notice::Stopped { .. } => self.debugger().stop().unwrap(),
            other => panic!("{other:?}"),
        }
    }

    fn count(&self) -> u64 {
        let mut bytes = [0; 8];
        self.debugger().target_mut().read_memory(PhysicalAddress(COUNTER), &mut bytes).unwrap();
        u64::from_le_bytes(bytes)
    }

    /// Takes all comparators for what nobody touches.
    fn take_comparators(&self) {
        let free = self.debugger().watchpoints().free();
        for place in 0..u64::from(free) {
            let request = watch(DATA + 0x1_0000 + 64 * place);
            self.debugger().insert(CORE, request, Owner::HOST).unwrap();
        }
    }

    /// Each stop is at the store, before the next count; the guest is let go on by the engine.
    fn counts_on(&self) {
        for count in 0..5 {
            let stop = self.run_to_stop();
            assert!(
                matches!(stop.reason, StopReason::Watchpoint { address: COUNTER, .. }),
                "{count}: {stop}"
            );
            assert_eq!((stop.pc, self.count()), (self.store, count));
        }
    }

    /// The same with gdb's way of going on: the watchpoint is removed, the core stepped, and the watchpoint inserted
    /// again.
    fn counts_on_for_gdb(&self, request: Request, options: &Options<'_>) {
        // The store at which it stands is made first.
        let begin = self.count() + 1;
        for count in begin..begin + 5 {
            let stop = self.run_to_stop();
            assert_eq!((stop.pc, self.count()), (self.store, count));
            let mut debugger = self.debugger();
            debugger.remove(request, Owner::DEBUGGER).unwrap();
            debugger.set_action(CORE, Action::Step).unwrap();
            drop(debugger);
            let stop = self.run_to_stop();
            assert_eq!((stop.reason, stop.pc), (StopReason::Step, self.store + 4));
            assert_eq!(self.count(), count + 1, "the step has made the store");
            let mut debugger = self.debugger();
            debugger.clear_actions();
            debugger.insert_with(CORE, request, Owner::DEBUGGER, options).unwrap();
        }
    }
}

fn watch(address: u64) -> Request {
    let range = AddressRange::new(address, 8).unwrap();
    Request::Watchpoint(Watchpoint::new(range, Access::Write, Scope::EL1_AND_EL0))
}

#[test]
fn a_store_exclusive_that_a_comparator_traps_is_made_when_the_core_goes_on() {
    let guest = Guest::new();
    guest.debugger().insert(CORE, watch(COUNTER), Owner::DEBUGGER).unwrap();
    guest.counts_on();
    guest.counts_on_for_gdb(watch(COUNTER), &Options::default());
}

#[test]
fn a_store_exclusive_that_a_page_traps_is_made_when_the_core_goes_on() {
    let guest = Guest::new();
    guest.take_comparators();
    let pages = Options { pages: true, ..Options::default() };
    guest.debugger().insert_with(CORE, watch(COUNTER), Owner::DEBUGGER, &pages).unwrap();
    guest.counts_on();
    guest.counts_on_for_gdb(watch(COUNTER), &pages);
}

#[test]
fn every_change_by_a_store_exclusive_is_told_with_both_values() {
    for pages in [false, true] {
        let guest = Guest::new();
        if pages {
            guest.take_comparators();
        }
        let options = Options { value: ValueCondition::Changed, pages, ..Options::default() };
        guest.debugger().insert_with(CORE, watch(COUNTER), Owner::DEBUGGER, &options).unwrap();
        for count in 0..5 {
            let stop = guest.run_to_stop();
            let StopReason::Watchpoint { change: Some(change), .. } = stop.reason else { panic!("{stop}") };
            assert_eq!((change.old, change.new), (count, count + 1), "pages: {pages}");
        }
    }
}

#[test]
fn exclusives_beside_what_pages_watch_succeed() {
    let guest = Guest::new();
    guest.take_comparators();
    let options = Options { pages: true, ..Options::default() };
    guest.debugger().insert_with(CORE, watch(OTHER), Owner::DEBUGGER, &options).unwrap();
    guest.debugger().resume().unwrap();
    let mut count = 0;
    for _ in 0..600 {
        std::thread::sleep(Duration::from_millis(100));
        guest.debugger().interrupt().unwrap();
        count = guest.count();
        if count >= 100 {
            break;
        }
        guest.debugger().resume().unwrap();
    }
    assert!(count >= 100, "{count} counts in a minute");
}
