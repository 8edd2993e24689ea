//! What stands in the hardware, and whose the exceptions are.

use super::{CAPABILITIES, Hardware, OPEN, SS, Vcpu};
use crate::breakpoint::{Breakpoint, Instruction};
use crate::comparator::{Bank, Pair};
use crate::context::DebugRegister;
use crate::el2::{GuestDebug, Verdict};
use crate::own_pairs::Displaced;
use crate::pool::Slots;
use crate::registers::MdcrEl2;
use crate::scope::Scope;
use crate::target::{Arming, Event, Resume};

const BREAKPOINT: Event = Event::DebugException { syndrome: 0x30 << 26 | 1 << 25 | 0x22, fault_address: 0 };
const STEP: Event = Event::DebugException { syndrome: 0x32 << 26 | 1 << 25 | 0x22, fault_address: 0 };
const BRK: Event = Event::DebugException { syndrome: 0x3c << 26 | 1 << 25, fault_address: 0 };
/// `DBGWCR`: E, EL1 and EL0, loads and stores, all bytes.
const WATCH: u64 = 1 | 0b11 << 1 | 0b11 << 3 | 0xff << 5;
/// `MDSCR_EL1`: MDE and KDE.
const ON: u64 = 1 << 15 | 1 << 13;

fn watchpoint(address: u64) -> Event {
    Event::DebugException { syndrome: 0x34 << 26 | 1 << 25 | 1 << 6 | 0x22, fault_address: address }
}

fn at(address: u64) -> Pair {
    Breakpoint::at(address, Instruction::A64, Scope::EL1_AND_EL0).unwrap().pair(Default::default())
}

fn arming(change: impl FnOnce(&mut Bank)) -> Arming {
    let mut arming = Arming::default();
    change(&mut arming.bank);
    arming
}

/// A vCPU that has used breakpoint 0 and watchpoint 0 for itself, before anything was armed.
fn with_own() -> (GuestDebug, Hardware, Vcpu) {
    let (mut debug, mut hardware, mut guest) =
        (GuestDebug::new(CAPABILITIES, false), Hardware::default(), Vcpu::new());
    let mdcr = debug.enter(&mut hardware, MdcrEl2::new(), &mut guest).unwrap();
    assert_eq!(mdcr, MdcrEl2::new());
    // It does so in the hardware.
    for (register, value) in [
        (DebugRegister::OslsrEl1, 1 << 3),
        (DebugRegister::MdscrEl1, ON),
        (DebugRegister::Dbgbvr(0), 0x1000),
        (DebugRegister::Dbgbcr(0), at(0x1000).control),
        (DebugRegister::Dbgwvr(0), 0x2000),
        (DebugRegister::Dbgwcr(0), WATCH),
    ] {
        hardware.registers.insert(register, value);
    }
    hardware.writes.clear();
    (debug, hardware, guest)
}

#[test]
fn with_nothing_armed_the_hardware_is_the_guests_and_is_left_alone() {
    let (mut debug, mut hardware, mut guest) = with_own();
    let before = hardware.registers.clone();
    let mdcr = debug.enter(&mut hardware, MdcrEl2::new().with_tde(true), &mut guest).unwrap();
    assert!(!mdcr.tde() && !mdcr.tda() && !mdcr.tdosa() && !mdcr.tdra());
    assert_eq!(hardware.registers, before);
    assert_eq!(hardware.writes, []);
    assert!(debug.own_registers().is_none());
}

#[test]
fn a_vcpu_begins_with_its_os_lock_locked() {
    let (mut debug, mut hardware, mut guest) =
        (GuestDebug::new(CAPABILITIES, true), Hardware::default(), Vcpu::new());
    debug.enter(&mut hardware, MdcrEl2::new(), &mut guest).unwrap();
    assert_eq!(hardware.get(DebugRegister::OslsrEl1), 0b1010);
    assert!(hardware.writes.contains(&DebugRegister::Dbgvcr32El2));
}

#[test]
fn ours_and_the_guests_stand_side_by_side_and_the_guests_come_back() {
    let (mut debug, mut hardware, mut guest) = with_own();
    let before = hardware.registers.clone();
    debug.arm(&arming(|bank| bank.breakpoints[0] = at(0x3000)));
    let mdcr = debug.enter(&mut hardware, MdcrEl2::new(), &mut guest).unwrap();
    assert!(mdcr.tde() && mdcr.tda() && mdcr.tdosa() && mdcr.tdra());
    assert_eq!(hardware.get(DebugRegister::Dbgbvr(0)), 0x3000);
    assert_eq!(hardware.get(DebugRegister::Dbgbvr(1)), 0x1000);
    assert_eq!(hardware.get(DebugRegister::Dbgwvr(0)), 0x2000);
    let mdscr = hardware.mdscr();
    assert!(mdscr.mde() && !mdscr.kde() && !mdscr.ss());
    assert_eq!(debug.own_registers().unwrap().context.bank.breakpoints[0].value, 0x1000);

    // Nothing changed, nothing is written.
    hardware.writes.clear();
    debug.enter(&mut hardware, MdcrEl2::new(), &mut guest).unwrap();
    assert_eq!(hardware.writes, []);

    debug.arm(&Arming::default());
    let mdcr = debug.enter(&mut hardware, mdcr, &mut guest).unwrap();
    assert!(!mdcr.tde());
    for (register, value) in before {
        assert_eq!(hardware.get(register), value, "{register:?}");
    }
}

#[test]
fn own_comparators_are_off_where_the_guest_has_them_off_or_the_engine_hides_them() {
    for (mdscr, oslsr, hidden) in [(1 << 13, 0, false), (ON, 1 << 1, false), (ON, 0, true)] {
        let (mut debug, mut hardware, mut guest) = with_own();
        hardware.registers.insert(DebugRegister::MdscrEl1, mdscr);
        hardware.registers.insert(DebugRegister::OslsrEl1, 1 << 3 | oslsr);
        debug.arm(&Arming { software_breakpoints: true, hides_own: hidden, ..Arming::default() });
        debug.enter(&mut hardware, MdcrEl2::new(), &mut guest).unwrap();
        assert_eq!(hardware.get(DebugRegister::Dbgbcr(0)) & 1, 0);
        assert_eq!(hardware.get(DebugRegister::Dbgwcr(0)) & 1, 0);
        assert!(!hardware.mdscr().mde());
    }
}

#[test]
fn pairs_without_room_are_named() {
    let (mut debug, mut hardware, mut guest) = with_own();
    debug.arm(&arming(|bank| bank.watchpoints[..4].fill(Pair { control: WATCH, value: 0x5000 })));
    debug.enter(&mut hardware, MdcrEl2::new(), &mut guest).unwrap();
    let expected = Displaced { breakpoints: Slots::NONE, watchpoints: Slots::one(0) };
    assert_eq!(debug.displaced(), expected);
    debug.arm(&Arming::default());
    debug.enter(&mut hardware, MdcrEl2::new(), &mut guest).unwrap();
    assert_eq!(debug.displaced(), Displaced::default());
}

#[test]
fn exceptions_go_to_whom_they_belong() {
    let (mut debug, mut hardware, mut guest) = with_own();
    debug.arm(&arming(|bank| {
        bank.breakpoints[0] = at(0x3000);
        bank.watchpoints[0] = Pair { control: WATCH, value: 0x2010 };
    }));
    debug.enter(&mut hardware, MdcrEl2::new(), &mut guest).unwrap();
    for (pc, event, own) in [
        (0x3000, BREAKPOINT, false),
        (0x1000, BREAKPOINT, true),
        (0x1000, BRK, false),
        (0x1000, watchpoint(0x2010), false),
        (0x1000, watchpoint(0x2000), true),
        // Of an access that begins before what is watched: the nearer one.
        (0x1000, watchpoint(0x200c), false),
        (0x1000, watchpoint(0x1ffc), true),
    ] {
        guest.pc = pc;
        let expected = if own { Verdict::Guest(event) } else { Verdict::Debugger(event) };
        assert_eq!(debug.on_exception(event, &mut guest), expected, "{pc:#x} {event:?}");
    }
    // The engine steps over its own, with that pair off: what comes then at the same place is the guest's.
    hardware.registers.clear();
    debug.arm(&arming(|bank| bank.breakpoints[1] = at(0x4000)));
    guest.pc = 0x1000;
    assert_eq!(debug.on_exception(BREAKPOINT, &mut guest), Verdict::Guest(BREAKPOINT));
}

#[test]
fn a_step_begins_once_and_leaves_no_trace() {
    let (mut debug, mut hardware, mut guest) = with_own();
    debug.resume(Resume::Step);
    debug.enter(&mut hardware, MdcrEl2::new(), &mut guest).unwrap();
    assert!(hardware.mdscr().ss());
    assert_eq!(guest.pstate, OPEN | SS);
    // An interrupt came: the instruction is still to be executed.
    debug.enter(&mut hardware, MdcrEl2::new(), &mut guest).unwrap();
    assert_eq!(guest.pstate, OPEN | SS);
    // It was carried out for the guest: the step ends before the next.
    (guest.pc, guest.pstate) = (0x1004, OPEN);
    debug.enter(&mut hardware, MdcrEl2::new(), &mut guest).unwrap();
    assert_eq!(guest.pstate, OPEN);
    assert_eq!(debug.on_exception(STEP, &mut guest), Verdict::Debugger(STEP));
    assert_eq!(guest.pstate, OPEN);
    debug.resume(Resume::Run);
    debug.enter(&mut hardware, MdcrEl2::new(), &mut guest).unwrap();
    assert_eq!(guest.pstate, OPEN);
    assert_eq!(hardware.get(DebugRegister::MdscrEl1), ON);
}

#[test]
fn a_core_that_runs_another_vcpu_has_nothing_armed() {
    for armed in [false, true] {
        let (mut debug, mut hardware, mut guest) = with_own();
        let before = hardware.registers.clone();
        if armed {
            debug.arm(&arming(|bank| bank.breakpoints[0] = at(0x3000)));
            debug.enter(&mut hardware, MdcrEl2::new(), &mut guest).unwrap();
        }
        debug.leave(&mut hardware, &mut guest).unwrap();
        let enabled = |n| hardware.get(DebugRegister::Dbgbcr(n)) | hardware.get(DebugRegister::Dbgwcr(n));
        assert!((0..6).all(|n| enabled(n) & 1 == 0));
        debug.arm(&Arming::default());
        debug.enter(&mut hardware, MdcrEl2::new(), &mut guest).unwrap();
        for (register, value) in before {
            assert_eq!(hardware.get(register), value, "{register:?}");
        }
    }
}
