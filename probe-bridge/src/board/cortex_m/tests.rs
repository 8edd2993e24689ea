//! The driver's register traffic, access by access, against a list that allows no other and no other order.

use trapline_core::address::AddressRange;
use trapline_core::breakpoint::{Breakpoint, Instruction};
use trapline_core::comparator::Bank;
use trapline_core::m_profile::Units;
use trapline_core::pool::{BreakpointPool, Owner, Slots, WatchpointPool};
use trapline_core::scope::Scope;
use trapline_core::target::{
    Arming, Comparators, CoreId, CoreState, DebugStateEntry, Event, MVersion, Profile, Refusal, Register,
    Registers, Resume, RunControl, SpecialRegister, TargetError,
};
use trapline_core::watchpoint::{self, Watchpoint};

use super::CortexMTarget;
use crate::board::BoardTarget;
use crate::board::error::Result;
use crate::board::expected::Access::{self, Fault, R, W};
use crate::board::expected::Expected;

const CORE: CoreId = CoreId(0);
const DHCSR: u64 = 0xe000_edf0;
const DCRSR: u64 = 0xe000_edf4;
const DCRDR: u64 = 0xe000_edf8;
const DEMCR: u64 = 0xe000_edfc;
const DFSR: u64 = 0xe000_ed30;
const FP_CTRL: u64 = 0xe000_2000;
const FP_COMP: u64 = 0xe000_2008;
const DWT_CTRL: u64 = 0xe000_1000;
const DWT_COMP: u64 = 0xe000_1020;
const DWT_MASK: u64 = 0xe000_1024;
const DWT_FUNCTION: u64 = 0xe000_1028;
/// `DHCSR` with its key: debugging on, and halted, stepping, interrupts masked.
const RUN: u32 = 0xa05f_0001;
const HALT: u32 = 0xa05f_0003;
const HALT_MASKED: u32 = 0xa05f_000b;
const STEP: u32 = 0xa05f_000d;
/// `DHCSR` as it is read: register ready; halted; locked up; reset.
const READY: u32 = 1 << 16 | 1;
const HALTED: u32 = 1 << 17 | READY;
const LOCKED_UP: u32 = 1 << 19 | READY;
const RESET: u32 = 1 << 25 | READY;

type Target = CortexMTarget<Expected>;

fn expect(target: &mut Target, accesses: &[Access]) {
    target.link().add(accesses);
}

/// A core with two comparators of each kind, as it is found: what it says it is, then what clears it.
fn attach(identity: &[Access], clear: &[Access]) -> Result<Target> {
    let list = Expected::default();
    // Does it let itself be debugged? Then the units are on.
    list.append(&[
        R(DHCSR, READY),
        W(DHCSR, RUN),
        R(DHCSR, READY),
        R(DEMCR, 0),
        W(DEMCR, 1 << 24),
        W(FP_CTRL, 3),
    ]);
    list.append(identity);
    list.append(clear);
    CortexMTarget::attach(list, 1, &[])
}

/// What an empty comparator of either kind is told.
const CLEAR: [Access; 5] =
    [R(DHCSR, READY), W(FP_COMP, 0), W(FP_COMP + 4, 0), W(DWT_FUNCTION, 0), W(DWT_FUNCTION + 16, 0)];

/// A Cortex-M4, running, whose comparators ignore up to 15 address bits.
fn version_7() -> Target {
    let identity = [
        R(0xe000_ed00, 0x410f_c241),
        R(0xe000_efbc, 0),
        R(FP_CTRL, 0x221),
        R(DWT_CTRL, 0x2000_0000),
        R(0xe000_1fbc, 0),
        W(DWT_FUNCTION, 0),
        W(DWT_MASK, 0x1f),
        R(DWT_MASK, 15),
        // It has floating point, and no cache.
        R(0xe000_ef40, 0x1011_0021),
        R(0xe000_ed78, 0),
    ];
    attach(&identity, &CLEAR).unwrap()
}

/// The same, halted.
fn halted() -> Target {
    let mut target = version_7();
    expect(&mut target, &[W(DHCSR, HALT), R(DHCSR, HALTED)]);
    target.halt(CORE).unwrap();
    target
}

/// A bank with a breakpoint and a watchpoint, as the engine's pools fill it.
fn bank(target: &Target, breakpoint: u64, (address, length, access): (u64, u64, watchpoint::Access)) -> Bank {
    let capabilities = target.capabilities();
    let mut bank = Bank::default();
    let mut breakpoints: BreakpointPool = BreakpointPool::new(&capabilities);
    let breakpoint = Breakpoint::at(breakpoint, Instruction::T32, Scope::ALL).unwrap();
    breakpoints.reserve(breakpoint, Owner::DEBUGGER).unwrap();
    breakpoints.arm(&mut bank.breakpoints, Slots::NONE);
    let mut watchpoints: WatchpointPool = WatchpointPool::new(&capabilities);
    let range = AddressRange::new(address, length).unwrap();
    watchpoints.reserve(Watchpoint::new(range, access, Scope::ALL), Owner::DEBUGGER).unwrap();
    watchpoints.arm(&mut bank.watchpoints, Slots::NONE);
    bank
}

fn commit(target: &mut Target, bank: Bank) {
    target.commit(CORE, &Arming { bank, ..Arming::default() }).unwrap();
}

#[test]
fn comparators_of_version_1_get_the_known_values_and_only_what_changes() {
    let mut target = halted();
    let armed = bank(&target, 0x0800_0102, (0x2000_0000, 4, watchpoint::Access::Write));
    expect(
        &mut target,
        &[
            W(FP_COMP, 0x8800_0101),
            // Off, then what it compares, then on.
            W(DWT_FUNCTION, 0),
            W(DWT_COMP, 0x2000_0000),
            W(DWT_MASK, 2),
            W(DWT_FUNCTION, 6),
        ],
    );
    commit(&mut target, armed);
    commit(&mut target, armed);
    let other = bank(&target, 0x0800_0100, (0x2000_0000, 4, watchpoint::Access::Write));
    expect(&mut target, &[W(FP_COMP, 0x4800_0101)]);
    commit(&mut target, other);
    // What goes away goes first.
    let empty = Bank { watchpoints: [Default::default(); 16], ..armed };
    expect(&mut target, &[W(DWT_FUNCTION, 0), W(FP_COMP, 0x8800_0101)]);
    commit(&mut target, empty);
    expect(&mut target, &[]);
}

#[test]
fn comparators_of_version_2_get_the_known_values() {
    let identity = [
        R(0xe000_ed00, 0x410f_d213),
        R(0xe000_efbc, 0x4770_2a04),
        R(FP_CTRL, 0x1000_0021),
        R(DWT_CTRL, 0x2000_0000),
        R(0xe000_1fbc, 0x4770_1a02),
        W(DWT_FUNCTION, 0),
        R(DWT_FUNCTION, 0b01010 << 27),
        W(DWT_FUNCTION + 16, 0),
        R(DWT_FUNCTION + 16, 0b11110 << 27),
        R(0xe000_ef40, 0),
        R(0xe000_ed78, 0),
        // The Security Extension, but Secure state is not to be debugged.
        R(0xe000_ed44, 0x10),
        R(DHCSR, READY),
    ];
    let mut target = attach(&identity, &CLEAR).unwrap();
    let Profile::M(profile) = target.profile() else { panic!() };
    assert_eq!(
        (profile.version, profile.floating_point, profile.security),
        (MVersion::V8Mainline, false, false)
    );
    expect(&mut target, &[W(DHCSR, HALT), R(DHCSR, HALTED)]);
    target.halt(CORE).unwrap();
    let armed = bank(&target, 0x0800_0102, (0x2000_0000, 4, watchpoint::Access::ReadWrite));
    let expected =
        [W(FP_COMP, 0x0800_0103), W(DWT_FUNCTION, 0), W(DWT_COMP, 0x2000_0000), W(DWT_FUNCTION, 0x814)];
    expect(&mut target, &expected);
    commit(&mut target, armed);
    // Five bytes, by two neighbours: the second is the limit.
    let range = bank(&target, 0x0800_0102, (0x2000_0001, 5, watchpoint::Access::Write));
    expect(
        &mut target,
        &[
            W(DWT_FUNCTION, 0),
            W(DWT_COMP, 0x2000_0001),
            W(DWT_FUNCTION, 0x15),
            W(DWT_FUNCTION + 16, 0),
            W(DWT_COMP + 16, 0x2000_0005),
            W(DWT_FUNCTION + 16, 0x07),
        ],
    );
    commit(&mut target, range);
    expect(&mut target, &[]);
}

#[test]
fn an_armv6_m_core_has_a_breakpoint_unit_and_no_floating_point() {
    let identity = [
        R(0xe000_ed00, 0x410c_c601),
        R(0xe000_efbc, 0),
        R(FP_CTRL, 0x21),
        R(DWT_CTRL, 0x2000_0000),
        R(0xe000_1fbc, 0),
        W(DWT_FUNCTION, 0),
        W(DWT_MASK, 0x1f),
        R(DWT_MASK, 0x1f),
    ];
    let mut target = attach(&identity, &CLEAR).unwrap();
    let Profile::M(profile) = target.profile() else { panic!() };
    assert_eq!(profile.version, MVersion::V6);
    let Some(Units { breakpoints, .. }) = target.capabilities().m_profile else { panic!() };
    assert_eq!(breakpoints.to_string(), "BPU");
    expect(&mut target, &[W(DHCSR, HALT), R(DHCSR, HALTED)]);
    target.halt(CORE).unwrap();
    let armed = bank(&target, 0x0000_0102, (0x2000_0010, 2, watchpoint::Access::Read));
    let watch = [W(DWT_FUNCTION, 0), W(DWT_COMP, 0x2000_0010), W(DWT_MASK, 1), W(DWT_FUNCTION, 5)];
    expect(&mut target, &[W(FP_COMP, 0x8000_0101)]);
    target.link().append(&watch);
    commit(&mut target, armed);
    let none = target.read_register(CORE, Register::Special(SpecialRegister::Basepri)).unwrap_err();
    assert!(matches!(none, TargetError::Refused(Refusal::NoSuchRegister(_))));
    assert!(matches!(target.read_vector(CORE, 0), Err(TargetError::Refused(Refusal::NoSuchVector(0)))));
    expect(&mut target, &[]);
}

#[test]
fn interrupts_are_masked_for_a_step_while_the_core_is_halted() {
    let mut target = halted();
    expect(&mut target, &[W(DFSR, 0x1f), W(DHCSR, HALT_MASKED), W(DHCSR, STEP)]);
    target.resume(CORE, Resume::Step).unwrap();
    expect(&mut target, &[R(DHCSR, HALTED), R(DFSR, 1)]);
    assert_eq!(target.poll().unwrap(), Some((CORE, Event::DebugState(DebugStateEntry::Step))));
    // The next step finds them masked.
    expect(&mut target, &[W(DFSR, 0x1f), W(DHCSR, STEP)]);
    target.resume(CORE, Resume::Step).unwrap();
    expect(&mut target, &[R(DHCSR, HALTED), R(DFSR, 1)]);
    target.poll().unwrap();
    expect(&mut target, &[W(DFSR, 0x1f), W(DHCSR, HALT), W(DHCSR, RUN)]);
    target.resume(CORE, Resume::Run).unwrap();
    expect(&mut target, &[R(DHCSR, READY)]);
    assert_eq!(target.poll().unwrap(), None);
    expect(&mut target, &[]);
}

#[test]
fn every_reason_to_halt_is_told() {
    let mut target = halted();
    let armed = bank(&target, 0x0800_0102, (0x2000_0000, 2, watchpoint::Access::Write));
    let watch = [W(DWT_FUNCTION, 0), W(DWT_COMP, 0x2000_0000), W(DWT_MASK, 1), W(DWT_FUNCTION, 6)];
    expect(&mut target, &[W(FP_COMP, 0x8800_0101)]);
    target.link().append(&watch);
    commit(&mut target, armed);
    let pc = |pc| [W(DCRSR, 15), R(DHCSR, HALTED), R(DCRDR, pc)];
    let none: &[Access] = &[];
    for (dfsr, more, entry) in [
        (0b100, &[R(DWT_FUNCTION, 1 << 24 | 6)][..], DebugStateEntry::Accessed { comparators: 1 }),
        // A core that does not say which one.
        (0b100, &[R(DWT_FUNCTION, 6)], DebugStateEntry::Accessed { comparators: 1 }),
        (0b010, &pc(0x0800_0102), DebugStateEntry::Breakpoint),
        (0b010, &pc(0x0800_0100), DebugStateEntry::HaltInstruction),
        (0b1000, none, DebugStateEntry::Other(3)),
        (0b10000, none, DebugStateEntry::ExternalRequest),
        (0b1, none, DebugStateEntry::ExternalRequest),
    ] {
        expect(&mut target, &[W(DFSR, 0x1f), W(DHCSR, RUN), R(DHCSR, HALTED), R(DFSR, dfsr)]);
        target.link().append(more);
        target.resume(CORE, Resume::Run).unwrap();
        assert_eq!(target.poll().unwrap(), Some((CORE, Event::DebugState(entry))), "{dfsr:#x}");
    }
    expect(&mut target, &[W(DFSR, 0x1f), W(DHCSR, RUN)]);
    target.resume(CORE, Resume::Run).unwrap();
    expect(&mut target, &[R(DHCSR, LOCKED_UP), W(DHCSR, HALT), R(DHCSR, HALTED)]);
    assert_eq!(target.poll().unwrap(), Some((CORE, Event::DebugState(DebugStateEntry::LockedUp))));
    expect(&mut target, &[]);
}

#[test]
fn registers_go_through_the_selector_and_are_read_once() {
    let mut target = halted();
    let read = |selector, value| [W(DCRSR, selector), R(DHCSR, HALTED), R(DCRDR, value)];
    expect(&mut target, &read(13, 0x2000_1000));
    assert_eq!(target.read_register(CORE, Register::X(13)).unwrap(), 0x2000_1000);
    assert_eq!(target.read_register(CORE, Register::X(13)).unwrap(), 0x2000_1000);
    // CONTROL, FAULTMASK, BASEPRI and PRIMASK share a selector.
    let special = Register::Special;
    expect(&mut target, &read(20, 0x0200_8001));
    assert_eq!(target.read_register(CORE, special(SpecialRegister::Control)).unwrap(), 2);
    assert_eq!(target.read_register(CORE, special(SpecialRegister::Basepri)).unwrap(), 0x80);
    assert_eq!(target.read_register(CORE, special(SpecialRegister::Primask)).unwrap(), 1);
    expect(&mut target, &[W(DCRDR, 0x0200_4001), W(DCRSR, 1 << 16 | 20), R(DHCSR, HALTED)]);
    target.write_register(CORE, special(SpecialRegister::Basepri), 0x40).unwrap();
    let refused = target.write_register(CORE, special(SpecialRegister::Basepri), 0x100).unwrap_err();
    assert_eq!(refused.to_string(), "basepri does not take the value 0x100");
    // Bit 0 of an address of Thumb code is not in the program counter.
    expect(&mut target, &[W(DCRDR, 0x0800_0100), W(DCRSR, 1 << 16 | 15), R(DHCSR, HALTED)]);
    target.write_register(CORE, Register::Pc, 0x0800_0101).unwrap();
    // V1 is S4 to S7.
    for (number, value) in (68..72).zip(1..) {
        target.link().append(&read(number, value));
    }
    assert_eq!(target.read_vector(CORE, 1).unwrap(), 4 << 96 | 3 << 64 | 2 << 32 | 1);
    assert!(matches!(target.read_vector(CORE, 8), Err(TargetError::Refused(Refusal::NoSuchVector(8)))));
    expect(&mut target, &[]);
}

#[test]
fn a_core_that_was_reset_or_had_no_power_is_armed_anew() {
    let mut target = halted();
    let armed = bank(&target, 0x0800_0102, (0x2000_0000, 2, watchpoint::Access::Write));
    let watch = [W(DWT_FUNCTION, 0), W(DWT_COMP, 0x2000_0000), W(DWT_MASK, 1), W(DWT_FUNCTION, 6)];
    expect(&mut target, &[W(FP_COMP, 0x8800_0101)]);
    target.link().append(&watch);
    commit(&mut target, armed);
    expect(&mut target, &[W(DFSR, 0x1f), W(DHCSR, RUN)]);
    target.resume(CORE, Resume::Run).unwrap();
    let anew = [
        R(DHCSR, READY),
        W(DHCSR, RUN),
        R(DHCSR, READY),
        R(DEMCR, 0),
        W(DEMCR, 1 << 24),
        W(FP_CTRL, 3),
        W(FP_COMP + 4, 0),
        W(DWT_FUNCTION + 16, 0),
        W(FP_COMP, 0x8800_0101),
        watch[0],
        watch[1],
        watch[2],
        watch[3],
    ];
    expect(&mut target, &[R(DHCSR, RESET)]);
    target.link().append(&anew);
    assert_eq!(target.poll().unwrap(), None);
    expect(&mut target, &[Fault(DHCSR)]);
    assert_eq!(target.poll().unwrap(), None);
    assert_eq!(target.core_state(CORE).unwrap(), CoreState::Off);
    assert!(matches!(target.halt(CORE), Err(TargetError::Refused(Refusal::Off(CORE)))));
    expect(&mut target, &[R(DHCSR, READY)]);
    target.link().append(&anew);
    assert_eq!(target.poll().unwrap(), None);
    assert_eq!(target.core_state(CORE).unwrap(), CoreState::Running);
    expect(&mut target, &[]);
}

#[test]
fn detaching_leaves_nothing_armed_and_debugging_off() {
    let mut target = halted();
    let armed = bank(&target, 0x0800_0102, (0x2000_0000, 2, watchpoint::Access::Write));
    let watch = [W(DWT_FUNCTION, 0), W(DWT_COMP, 0x2000_0000), W(DWT_MASK, 1), W(DWT_FUNCTION, 6)];
    expect(&mut target, &[W(FP_COMP, 0x8800_0101)]);
    target.link().append(&watch);
    commit(&mut target, armed);
    let off = [W(FP_COMP, 0), W(DWT_FUNCTION, 0), W(FP_CTRL, 2), W(DFSR, 0x1f), R(DHCSR, HALTED)];
    expect(&mut target, &off);
    target.link().append(&[W(DHCSR, HALT), W(DHCSR, 0xa05f_0000)]);
    target.detach().unwrap();
    expect(&mut target, &[]);
}

#[test]
fn what_is_no_cortex_m_or_is_locked_is_told() {
    let said = |list: &[Access]| {
        let expected = Expected::default();
        expected.add(list);
        CortexMTarget::attach(expected, 1, &[]).unwrap_err().to_string()
    };
    assert_eq!(
        said(&[R(DHCSR, READY & !1), W(DHCSR, RUN), R(DHCSR, READY & !1)]),
        "core 0 does not allow external debug (DHCSR is 0x10000); unlock the chip first"
    );
    let open =
        [R(DHCSR, READY), W(DHCSR, RUN), R(DHCSR, READY), R(DEMCR, 0), W(DEMCR, 1 << 24), W(FP_CTRL, 3)];
    let found = |more: &[Access]| said(&[&open, more].concat());
    assert_eq!(
        found(&[R(0xe000_ed00, 0x410f_d034 & !0xf_0000), R(0xe000_efbc, 0)]),
        "there is no Cortex-M core behind the access port of core 0 (CPUID reads 0x4100d034); \
         is --chip what is on the board?"
    );
    assert_eq!(
        found(&[R(0xe000_ed00, 0x410f_c241), R(0xe000_efbc, 0), R(FP_CTRL, 0x2000_0021)]),
        "FP_CTRL of core 0 reads 0x20000021, a version that this tool does not know"
    );
    assert_eq!(said(&[Fault(DHCSR)]), "the board's bus answers an access to 0xe000edf0 with an error");
}
