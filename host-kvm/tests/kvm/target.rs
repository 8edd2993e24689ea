//! Machines under the run loop, on a real KVM: events, halting, several vCPUs, power.

use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use crate::common::a64::{self, Program};
use crate::common::{CODE, DATA, Output, breakpoint, machine_with};
use trapline_core::address::{AddressRange, PhysicalAddress};
use trapline_core::debugger::Outcome;
use trapline_core::target::{
    Arming, Backend, Comparators, CoreId, CoreState, Event, Memory, Refusal, Register, Registers, Resume,
    RunControl, SystemRegister, TargetError, TargetResult,
};
use trapline_kvm::machine::RunningMachine;
use trapline_kvm::{Error, EventHandler, Exit, KvmTarget, Notice, Observer, SystemEvent};

const FIRST: CoreId = CoreId(0);
const LONG: Duration = Duration::from_secs(20);

/// Stops at every event and keeps it; while `steps` is left, steps on instead.
struct Recorder {
    target: KvmTarget,
    events: Vec<(CoreId, Event)>,
    steps: u32,
}

impl EventHandler for Recorder {
    type Error = TargetError<Error>;

    fn on_event(&mut self, core: CoreId, event: Event) -> TargetResult<Outcome, KvmTarget> {
        if let Some(left) = self.steps.checked_sub(1) {
            self.steps = left;
            self.target.resume(core, Resume::Step)?;
            return Ok(Outcome::Resumed);
        }
        self.events.push((core, event));
        Ok(Outcome::Stopped)
    }
}

struct Guest {
    machine: RunningMachine<Recorder>,
    notices: Receiver<Notice>,
    output: Output,
}

impl Guest {
    fn new(program: &Program, cpus: u16) -> Self {
        let output = Output::default();
        let (send, notices) = mpsc::channel();
        let observer: Observer = Arc::new(move |notice| send.send(notice).unwrap_or_default());
        let machine = machine_with(program, cpus, output.clone())
            .start(|target| Ok::<_, Error>(Recorder { target, events: Vec::new(), steps: 0 }), &observer)
            .unwrap();
        Self { machine, notices, output }
    }

    fn session(&self) -> MutexGuard<'_, Recorder> {
        self.machine.handler().lock().unwrap()
    }

    fn resume(&self, core: CoreId, how: Resume) {
        self.session().target.resume(core, how).unwrap();
    }

    fn arm(&self, core: CoreId, change: impl FnOnce(&mut Arming)) {
        let mut arming = Arming::default();
        change(&mut arming);
        self.session().target.commit(core, &arming).unwrap();
    }

    fn read(&self, core: CoreId, register: Register) -> u64 {
        self.session().target.read_register(core, register).unwrap()
    }

    fn notice(&self) -> Notice {
        self.notices.recv_timeout(LONG).unwrap()
    }

    fn stopped(&self) -> CoreId {
        match self.notice() {
            Notice::Stopped { core } => core,
            other => panic!("{other:?}"),
        }
    }

    fn wait_for(&self, condition: impl Fn() -> bool) {
        let start = Instant::now();
        while !condition() {
            assert!(start.elapsed() < LONG, "nothing happens");
            std::thread::yield_now();
        }
    }

    fn word(&self, address: u64) -> u64 {
        let mut bytes = [0; 8];
        self.session().target.read_memory(PhysicalAddress(address), &mut bytes).unwrap();
        u64::from_le_bytes(bytes)
    }
}

/// Counts in X1 and at [`DATA`], for ever.
fn counting() -> Program {
    let mut program = Program::at(CODE);
    program.load(0, DATA);
    let again = program.add(a64::add(1, 1, 1));
    program.add(a64::store(3, 1, 0));
    program.branch(again);
    program
}

#[test]
fn a_breakpoint_stops_the_core_and_the_handler_is_told() {
    let mut program = Program::at(CODE);
    program.add(a64::NOP);
    let at = program.add(a64::NOP);
    program.branch(CODE);
    let guest = Guest::new(&program, 1);
    guest.arm(FIRST, |arming| arming.bank.breakpoints[0] = breakpoint(at));
    for _ in 0..3 {
        guest.resume(FIRST, Resume::Run);
        assert_eq!(guest.stopped(), FIRST);
        assert_eq!(guest.read(FIRST, Register::Pc), at);
        guest.arm(FIRST, |_| ());
        guest.resume(FIRST, Resume::Step);
        assert_eq!(guest.stopped(), FIRST);
        assert_eq!(guest.read(FIRST, Register::Pc), at + 4);
        guest.arm(FIRST, |arming| arming.bank.breakpoints[0] = breakpoint(at));
    }
    let classes: Vec<u64> = guest
        .session()
        .events
        .iter()
        .map(|(_, event)| match event {
            Event::DebugException { syndrome, .. } => syndrome >> 26,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(classes, [0x30, 0x32, 0x30, 0x32, 0x30, 0x32]);
}

#[test]
fn steps_that_the_handler_goes_on_with_stay_on_the_vcpus_thread() {
    let guest = Guest::new(&counting(), 1);
    guest.session().steps = 3002;
    guest.resume(FIRST, Resume::Step);
    assert_eq!(guest.stopped(), FIRST);
    // Four instructions before the loop of three; 3003 steps in all.
    assert_eq!(guest.read(FIRST, Register::X(1)), 1000);
    assert_eq!(guest.session().events.len(), 1);
}

#[test]
fn a_step_costs_one_ioctl_and_a_hit_with_the_way_to_the_next_one_six() {
    let guest = Guest::new(&counting(), 1);
    guest.session().target.hold_virtual_time(false);
    guest.resume(FIRST, Resume::Step);
    guest.stopped();
    let before = guest.session().target.ioctls();
    guest.session().steps = 999;
    guest.resume(FIRST, Resume::Step);
    guest.stopped();
    assert_eq!(guest.session().target.ioctls() - before, 1000, "KVM_RUN and nothing else");

    let at = CODE + 20;
    guest.arm(FIRST, |arming| arming.bank.breakpoints[0] = breakpoint(at));
    guest.resume(FIRST, Resume::Run);
    guest.stopped();
    let before = guest.session().target.ioctls();
    assert_eq!(guest.read(FIRST, Register::Pc), at);
    guest.arm(FIRST, |_| ());
    guest.resume(FIRST, Resume::Step);
    guest.stopped();
    guest.arm(FIRST, |arming| arming.bank.breakpoints[0] = breakpoint(at));
    guest.resume(FIRST, Resume::Run);
    guest.stopped();
    let hit = guest.session().target.ioctls() - before;
    // PC; guest debug and KVM_RUN for the step; MDSCR_EL1, guest debug and KVM_RUN to the next hit.
    assert_eq!(hit, 6);
}

#[test]
fn a_running_guest_is_halted_reads_true_and_runs_on() {
    let guest = Guest::new(&counting(), 1);
    let mut last = 0;
    for _ in 0..50 {
        guest.resume(FIRST, Resume::Run);
        guest.wait_for(|| guest.word(DATA) > last);
        let mut session = guest.session();
        assert_eq!(session.target.core_state(FIRST).unwrap(), CoreState::Running);
        let refused = session.target.read_register(FIRST, Register::Pc);
        assert!(matches!(refused, Err(TargetError::Refused(Refusal::Running(FIRST)))));
        session.target.halt(FIRST).unwrap();
        assert_eq!(session.target.core_state(FIRST).unwrap(), CoreState::Halted);
        drop(session);
        let (counted, stored) = (guest.read(FIRST, Register::X(1)), guest.word(DATA));
        assert!(counted == stored || counted == stored + 1, "{counted} {stored}");
        last = counted;
    }
    assert!(guest.notices.try_recv().is_err(), "halting makes no event");
}

#[test]
fn halting_at_once_after_resuming_never_hangs() {
    let guest = Guest::new(&counting(), 1);
    for _ in 0..500 {
        let mut session = guest.session();
        session.target.resume(FIRST, Resume::Run).unwrap();
        session.target.halt(FIRST).unwrap();
    }
}

#[test]
fn an_event_that_waits_for_the_handler_is_dropped_by_a_halt_and_comes_again() {
    let mut program = Program::at(CODE);
    program.load(0, DATA);
    let again = program.add(a64::add(1, 1, 1));
    program.add(a64::store(3, 1, 0));
    let at = program.add(a64::NOP);
    program.branch(again);
    let guest = Guest::new(&program, 1);
    for round in 1..20 {
        guest.arm(FIRST, |arming| arming.bank.breakpoints[0] = breakpoint(at));
        let mut session = guest.session();
        session.target.resume(FIRST, Resume::Run).unwrap();
        // The instruction before the breakpoint is executed; then its thread waits for the handler.
        let mut count = [0; 8];
        while u64::from_le_bytes(count) < round {
            session.target.read_memory(PhysicalAddress(DATA), &mut count).unwrap();
        }
        std::thread::sleep(Duration::from_millis(5));
        assert_eq!(session.target.core_state(FIRST).unwrap(), CoreState::Running);
        session.target.halt(FIRST).unwrap();
        assert_eq!(session.target.read_register(FIRST, Register::Pc).unwrap(), at);
        drop(session);
        assert!(guest.notices.recv_timeout(Duration::from_millis(5)).is_err());
        if round % 2 == 0 {
            guest.resume(FIRST, Resume::Run);
            assert_eq!(guest.stopped(), FIRST);
        }
        assert_eq!(guest.session().events.len() as u64, round / 2);
        guest.arm(FIRST, |_| ());
        guest.resume(FIRST, Resume::Step);
        assert_eq!(guest.stopped(), FIRST);
        guest.session().events.pop();
    }
}

#[test]
fn an_access_to_a_device_is_complete_when_the_guest_is_halted() {
    let mut program = Program::at(CODE);
    program.load(0, 0x0900_0007); // the scratch register
    let again = program.add(a64::add(1, 1, 1));
    program.add(a64::store(0, 1, 0));
    program.add(a64::load(0, 2, 0));
    program.branch(again);
    let guest = Guest::new(&program, 1);
    for _ in 0..100 {
        guest.resume(FIRST, Resume::Run);
        std::thread::sleep(Duration::from_micros(300));
        guest.session().target.halt(FIRST).unwrap();
        let pc = guest.read(FIRST, Register::Pc);
        let (written, read) = (guest.read(FIRST, Register::X(1)), guest.read(FIRST, Register::X(2)));
        // Where the guest has not come round since, X2 is still what was written to it here.
        let read_already = (pc == again + 12 || pc == again) && read != 0x1234;
        if read_already {
            assert_eq!(read & 0xff, written & 0xff, "at {pc:#x}");
        }
        // What the debugger writes now must not be overwritten by what the device said.
        guest.session().target.write_register(FIRST, Register::X(2), 0x1234).unwrap();
        guest.resume(FIRST, Resume::Step);
        guest.stopped();
        if pc != again + 8 {
            assert_eq!(guest.read(FIRST, Register::X(2)), 0x1234, "at {pc:#x}");
        }
    }
}

#[test]
fn the_serial_port_speaks() {
    let mut program = Program::at(CODE);
    program.load(0, 0x0900_0000);
    for byte in *b"hello from the guest\n" {
        program.add(a64::movz(1, byte.into()));
        program.add(a64::store(0, 1, 0));
    }
    program.psci(a64::SYSTEM_OFF);
    let guest = Guest::new(&program, 1);
    guest.resume(FIRST, Resume::Run);
    assert!(matches!(guest.notice(), Notice::System { core: FIRST, event: SystemEvent::Shutdown }));
    assert_eq!(guest.output.text(), "hello from the guest\n");
}

#[test]
fn what_is_no_memory_reads_as_zero_and_the_guest_goes_on() {
    let mut program = Program::at(CODE);
    program.load(0, 0x0100_0000);
    program.add(a64::movz(1, 0xffff));
    program.add(a64::store(2, 1, 0));
    program.add(a64::load(3, 1, 0));
    program.add(a64::brk(0));
    let guest = Guest::new(&program, 1);
    guest.arm(FIRST, |arming| arming.software_breakpoints = true);
    guest.resume(FIRST, Resume::Run);
    guest.stopped();
    assert_eq!(guest.read(FIRST, Register::X(1)), 0);
}

#[test]
fn what_kvm_cannot_do_is_told_and_leaves_the_core_halted() {
    let mut program = Program::at(CODE);
    program.load(0, 0x0100_0000);
    let at = program.add(0xa940_0801); // LDP X1, X2, [X0]
    let guest = Guest::new(&program, 1);
    guest.resume(FIRST, Resume::Run);
    let notice = guest.notice();
    assert!(matches!(notice, Notice::Broken { core: FIRST, exit: Exit::UndecodableAccess }), "{notice:?}");
    assert_eq!(guest.read(FIRST, Register::Pc), at);
}

#[test]
fn requests_that_cannot_be_served_are_refused_by_name() {
    let guest = Guest::new(&counting(), 1);
    let mut session = guest.session();
    let target = &mut session.target;
    assert_eq!(target.cores(), 1);
    let none = CoreId(1);
    for refusal in [
        target.read_register(none, Register::Pc).map(|_| ()),
        target.resume(none, Resume::Run),
        target.halt(none),
        target.commit(none, &Arming::default()),
        target.core_state(none).map(|_| ()),
    ] {
        assert!(matches!(refusal, Err(TargetError::Refused(Refusal::NoSuchCore(core))) if core == none));
    }
    let unknown = Register::System(SystemRegister::new(3, 7, 15, 15, 7).unwrap());
    for register in [Register::X(31), unknown] {
        let refused = target.read_register(FIRST, register);
        assert!(matches!(refused, Err(TargetError::Refused(Refusal::NoSuchRegister(_)))), "{register}");
    }
    let refused = target.write_register(FIRST, Register::Pstate, 0x1d3);
    assert!(matches!(
        refused,
        Err(TargetError::Refused(Refusal::BadValue { register: Register::Pstate, value: 0x1d3 }))
    ));
    assert!(matches!(target.read_vector(FIRST, 32), Err(TargetError::Refused(Refusal::NoSuchVector(32)))));
    let range = AddressRange::new(0x3fff_fffc, 8).unwrap();
    assert!(matches!(
        target.read_memory(PhysicalAddress(0x3fff_fffc), &mut [0; 8]),
        Err(TargetError::Refused(Refusal::NoMemory(refused))) if refused == range
    ));
    assert!((1..=target.capabilities().breakpoints).contains(&target.capabilities().context_aware));
}

/// Core 0 starts core 1 and both count; core 1 in X1 at DATA + 8.
fn two_cores() -> (Program, u64) {
    let mut program = Program::at(CODE);
    let second = CODE + 0x100;
    program.load(1, 1);
    program.load(2, second);
    program.load(3, DATA + 8);
    program.psci(a64::CPU_ON);
    program.load(0, DATA);
    let again = program.add(a64::add(1, 1, 1));
    program.add(a64::store(3, 1, 0));
    program.branch(again);
    while program.here() < second {
        program.add(a64::NOP);
    }
    program.add(a64::movz(1, 0));
    let again = program.add(a64::add(1, 1, 1));
    program.add(a64::store(3, 1, 0));
    program.branch(again);
    (program, second)
}

#[test]
fn a_second_core_is_off_until_psci_starts_it_with_what_was_armed_in_it() {
    let (program, second) = two_cores();
    let guest = Guest::new(&program, 2);
    let other = CoreId(1);
    assert_eq!(guest.session().target.core_state(other).unwrap(), CoreState::Off);
    assert_eq!(guest.session().target.core_state(FIRST).unwrap(), CoreState::Halted);
    guest.arm(other, |arming| arming.bank.breakpoints[0] = breakpoint(second));
    guest.resume(other, Resume::Run);
    std::thread::sleep(Duration::from_millis(20));
    // Halting a core that is off and letting it go again changes nothing.
    guest.session().target.halt(other).unwrap();
    assert_eq!(guest.session().target.core_state(other).unwrap(), CoreState::Off);
    guest.resume(other, Resume::Run);
    guest.resume(FIRST, Resume::Run);
    assert_eq!(guest.stopped(), other);
    assert_eq!(guest.read(other, Register::Pc), second);
    assert_eq!(guest.read(other, Register::X(0)), DATA + 8, "PSCI's context argument");
    assert_eq!(guest.session().target.core_state(FIRST).unwrap(), CoreState::Running);
    guest.session().target.halt(FIRST).unwrap();
}

#[test]
fn events_of_all_cores_at_once_are_told_one_at_a_time() {
    let (program, second) = two_cores();
    let guest = Guest::new(&program, 2);
    let other = CoreId(1);
    let first_loop = CODE + 4 * 4 * 5 + 4;
    guest.arm(FIRST, |arming| arming.bank.breakpoints[0] = breakpoint(first_loop));
    guest.arm(other, |arming| arming.bank.breakpoints[0] = breakpoint(second + 4));
    guest.resume(other, Resume::Run);
    guest.resume(FIRST, Resume::Run);
    let mut stopped = [guest.stopped(), guest.stopped()];
    stopped.sort_unstable();
    assert_eq!(stopped, [FIRST, other]);
    assert_eq!(guest.read(FIRST, Register::Pc), first_loop);
    assert_eq!(guest.read(other, Register::Pc), second + 4);
}

#[test]
fn the_machine_ends_while_its_cores_run_and_while_they_are_off() {
    let (program, _) = two_cores();
    for running in [0, 1, 2] {
        let guest = Guest::new(&program, 2);
        for core in 0..running {
            guest.resume(CoreId(core), Resume::Run);
        }
        std::thread::sleep(Duration::from_millis(5));
        drop(guest.machine);
    }
}
