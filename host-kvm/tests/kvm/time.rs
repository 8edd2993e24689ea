//! The guest's time on a real KVM: it stands still while the guest is stopped, where that is wanted.

use std::sync::{Arc, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::a64::{self, Program};
use crate::common::{CODE, DATA, Output, kvm, machine_with};
use trapline_core::address::PhysicalAddress;
use trapline_core::debugger::Debugger;
use trapline_core::target::Memory;
use trapline_kvm::machine::RunningMachine;
use trapline_kvm::{KvmCapabilities, KvmTarget, Observer};

type GuestDebugger = Debugger<KvmTarget>;

/// How long the guest is stopped.
const STOP: Duration = Duration::from_secs(1);
/// More than what can go by between a core's last look at its counters and the moment when it is halted, and
/// less than the stop.
const HALF: Duration = Duration::from_millis(500);
/// How long something may take on a busy host.
const LONG: Duration = Duration::from_secs(60);
/// Where each core stores `CNTVCT_EL0` and `CNTPCT_EL0`, for ever.
const COUNTERS: [u64; 2] = [DATA + 0x10, DATA + 0x20];
/// Where `CNTFRQ_EL0` is stored.
const FREQUENCY: u64 = DATA;

fn program() -> Program {
    let mut program = Program::at(CODE);
    let common = CODE + 0x100;
    program.load(1, 1);
    program.load(2, common);
    program.load(3, COUNTERS[1]);
    program.psci(a64::CPU_ON);
    program.load(0, FREQUENCY);
    program.add(0xd53b_e002); // MRS X2, CNTFRQ_EL0
    program.add(a64::store(3, 2, 0));
    program.load(0, COUNTERS[0]);
    program.branch(common);
    program.pad_to(common);
    program.add(a64::add(4, 0, 8));
    let again = program.add(0xd53b_e041); // MRS X1, CNTVCT_EL0
    program.add(a64::store(3, 1, 0));
    program.add(0xd53b_e021); // MRS X1, CNTPCT_EL0
    program.add(a64::store(3, 1, 4));
    program.branch(again);
    program
}

struct Guest(RunningMachine<GuestDebugger>);

impl Guest {
    /// Both cores look at their counters.
    fn new() -> Self {
        let observer: Observer = Arc::new(drop);
        let machine = machine_with(&program(), 2, Output::default())
            .start(|target| Ok::<_, trapline_kvm::Error>(Debugger::new(target).unwrap()), &observer);
        let guest = Self(machine.unwrap());
        guest.debugger().resume().unwrap();
        guest.wait_for(|now| now.iter().all(|value| *value != 0));
        guest
    }

    fn debugger(&self) -> MutexGuard<'_, GuestDebugger> {
        self.0.handler().lock().unwrap()
    }

    fn word(&self, address: u64) -> u64 {
        let mut bytes = [0; 8];
        self.debugger().target_mut().read_memory(PhysicalAddress(address), &mut bytes).unwrap();
        u64::from_le_bytes(bytes)
    }

    /// What both cores have last seen: virtual and physical counter of one, then of the other.
    fn seen(&self) -> [u64; 4] {
        [COUNTERS[0], COUNTERS[0] + 8, COUNTERS[1], COUNTERS[1] + 8].map(|address| self.word(address))
    }

    fn wait_for(&self, condition: impl Fn([u64; 4]) -> bool) {
        let start = Instant::now();
        while !condition(self.seen()) {
            assert!(start.elapsed() < LONG, "nothing happens: {:?}", self.seen());
            thread::yield_now();
        }
    }

    /// What of the time from one halt to the next each counter has not counted.
    fn missed_across_a_stop(&self) -> [Duration; 4] {
        let start = Instant::now();
        self.debugger().interrupt().unwrap();
        let before = self.seen();
        thread::sleep(STOP);
        self.debugger().resume().unwrap();
        self.wait_for(|now| now.iter().zip(before).all(|(now, before)| *now != before));
        self.debugger().interrupt().unwrap();
        let passed = start.elapsed();
        let frequency = self.word(FREQUENCY);
        let after = self.seen();
        [0, 1, 2, 3].map(|index| {
            assert!(after[index] > before[index], "time goes back: {before:?} {after:?}");
            let counted = (after[index] - before[index]) as f64 / frequency as f64;
            passed.saturating_sub(Duration::from_secs_f64(counted))
        })
    }
}

#[test]
fn time_stands_still_on_all_cores_while_the_guest_is_stopped() {
    let physical_is_held = KvmCapabilities::probe(&kvm()).counter_offset;
    let guest = Guest::new();
    for _ in 0..2 {
        let [virtual_0, physical_0, virtual_1, physical_1] = guest.missed_across_a_stop();
        assert!(virtual_0 > HALF && virtual_1 > HALF, "{virtual_0:?} {virtual_1:?}");
        for missed in [physical_0, physical_1] {
            assert_eq!(missed > HALF, physical_is_held, "{missed:?}");
        }
        guest.debugger().resume().unwrap();
    }
}

#[test]
fn time_never_goes_back_where_the_guest_is_halted_before_it_has_run() {
    let guest = Guest::new();
    guest.debugger().interrupt().unwrap();
    for _ in 0..20 {
        let before = guest.seen();
        for _ in 0..3 {
            thread::sleep(STOP / 100);
            let mut debugger = guest.debugger();
            debugger.resume().unwrap();
            debugger.interrupt().unwrap();
        }
        guest.debugger().resume().unwrap();
        guest.wait_for(|now| now.iter().zip(before).all(|(now, before)| *now != before));
        guest.debugger().interrupt().unwrap();
        let after = guest.seen();
        assert!(after.iter().zip(before).all(|(after, before)| *after > before), "{before:?} {after:?}");
    }
}

#[test]
fn time_goes_on_while_the_guest_is_stopped_where_that_is_wanted() {
    let guest = Guest::new();
    guest.debugger().target_mut().hold_virtual_time(false);
    for missed in guest.missed_across_a_stop() {
        assert!(missed < HALF, "{missed:?}");
    }
}
