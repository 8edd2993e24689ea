//! The driver's register traffic, access by access, against a list that allows no other and no other order.

use trapline_core::comparator::{Bank, Pair};
use trapline_core::target::{
    Arming, Comparators, CoreId, CoreState, DebugStateEntry, Event, Register, Registers, Resume, RunControl,
};

use super::{Armv8aTarget, CoreAddresses};
use crate::board::BoardTarget;
use crate::board::expected::Access::{self, R, W};
use crate::board::expected::Expected;

const CORE: CoreId = CoreId(0);
/// Where the debug unit and the cross-trigger interface are.
const D: u64 = 0x1_0000;
const C: u64 = 0x2_0000;
const UNLOCK: u32 = 0xc5ac_ce55;
/// `EDSCR` with ITE, beside STATUS.
const ITE: u32 = 1 << 24;
const TXFULL: u32 = 1 << 29;

/// What attaching does to a core with two breakpoints and one watchpoint, which is running; where its debug unit and
/// its cross-trigger interface are.
fn attaching(CoreAddresses { debug: d, cti: c }: CoreAddresses) -> [Access; 23] {
    [
        // Is this a debug unit, does it let anybody in, has the core power?
        R(d + 0xfbc, 0x4770_6a15),
        R(d + 0xfb8, 0xff),
        R(d + 0x314, 1),
        // Locks, cross triggers, halting debug.
        W(d + 0xfb0, UNLOCK),
        W(d + 0x300, 0),
        W(c + 0xfb0, UNLOCK),
        W(c, 1),
        W(c + 0x140, 0b100),
        W(c + 0x0a0, 0b101),
        W(c + 0x0a4, 0b010),
        R(d + 0x088, ITE | 2),
        W(d + 0x088, ITE | 1 << 14 | 2),
        // EDDFR to EDDFR2.
        R(d + 0xd28, 0x1000),
        R(d + 0xd2c, 0),
        R(d + 0xd48, 0),
        R(d + 0xd4c, 0),
        R(d + 0xd50, 0),
        R(d + 0xd54, 0),
        // Nothing is armed, no step is on.
        W(d + 0x408, 0),
        W(d + 0x418, 0),
        W(d + 0x808, 0),
        W(d + 0x024, 0),
        R(d + 0x314, 1),
    ]
}

/// One such core.
fn attached() -> (Expected, Armv8aTarget<Expected>) {
    attached_to(&[CoreAddresses { debug: D, cti: C }])
}

/// Several of them.
fn attached_to(addresses: &[CoreAddresses]) -> (Expected, Armv8aTarget<Expected>) {
    let expected = Expected::default();
    let all: Vec<_> = addresses.iter().flat_map(|&at| attaching(at)).collect();
    expected.add(&all);
    let target = Armv8aTarget::attach(expected.clone(), addresses).unwrap();
    (expected, target)
}

/// The same, halted.
fn halted() -> (Expected, Armv8aTarget<Expected>) {
    let (expected, mut target) = attached();
    expected.add(&[
        R(D + 0x314, 1),
        W(C + 0x01c, 1),
        R(D + 0x314, 1),
        R(D + 0x314, 0x11),
        // The request is taken back before anybody runs on.
        W(C + 0x010, 1),
        // Another core's news has come in between.
        R(C + 0x134, 1),
        W(C + 0x010, 1),
        R(C + 0x134, 0),
        R(D + 0x314, 0x11),
    ]);
    target.halt(CORE).unwrap();
    (expected, target)
}

fn arming() -> Arming {
    let mut bank = Bank::default();
    bank.breakpoints[0] = Pair { control: 0x21e7, value: 0xffff_8000_4000_0000 };
    bank.watchpoints[0] = Pair { control: 0x3ff7, value: 0x4001_0000 };
    Arming { bank, ..Arming::default() }
}

#[test]
fn attaching_finds_opens_and_clears() {
    let (expected, target) = attached();
    let capabilities = target.capabilities();
    assert_eq!((capabilities.breakpoints, capabilities.watchpoints), (2, 1));
    expected.add(&[]);
}

#[test]
fn a_pair_is_off_while_its_value_changes() {
    let (expected, mut target) = halted();
    expected.add(&[
        W(D + 0x408, 0),
        W(D + 0x400, 0x4000_0000),
        W(D + 0x404, 0xffff_8000),
        W(D + 0x408, 0x21e7),
        W(D + 0x808, 0),
        W(D + 0x800, 0x4001_0000),
        W(D + 0x804, 0),
        W(D + 0x808, 0x3ff7),
    ]);
    target.commit(CORE, &arming()).unwrap();
    // What stands there already is not written again, and what goes away is only switched off.
    expected.add(&[]);
    target.commit(CORE, &arming()).unwrap();
    expected.add(&[W(D + 0x408, 0), W(D + 0x808, 0)]);
    target.commit(CORE, &Arming::default()).unwrap();
    expected.add(&[]);
}

#[test]
fn a_step_holds_interrupts_off_and_tells_nobody() {
    let (expected, mut target) = halted();
    let status = ITE | 1 << 14 | 0x13;
    expected.add(&[
        W(D + 0x024, 0b100),
        R(D + 0x088, status),
        W(D + 0x088, status | 0b11 << 22),
        W(C + 0x020, 0),
        W(C + 0x010, 1),
        R(C + 0x134, 0),
        R(D + 0x314, 0x11),
        W(C + 0x01c, 0b10),
        R(D + 0x314, 0x801),
    ]);
    target.resume(CORE, Resume::Step).unwrap();
    expected.add(&[R(D + 0x314, 0x11), R(D + 0x088, ITE | 0x1b)]);
    assert_eq!(target.poll().unwrap(), Some((CORE, Event::DebugState(DebugStateEntry::Step))));

    // X0 carries the program counter, and gets its own value back; interrupts come again, and the next stop is
    // news for the other cores.
    expected.add(&[
        W(D + 0x084, 0xd513_0400),
        R(D + 0x088, ITE | TXFULL | 0x1b),
        R(D + 0x080, 0x1111_1111),
        R(D + 0x08c, 0x2222_2222),
        W(D + 0x084, 0xd53b_4520),
        R(D + 0x088, ITE | 0x1b),
        W(D + 0x084, 0xd513_0400),
        R(D + 0x088, ITE | TXFULL | 0x1b),
        R(D + 0x080, 0),
        R(D + 0x08c, 0x4000_0004),
    ]);
    assert_eq!(target.read_register(CORE, Register::Pc).unwrap(), 0x4000_0004);
    expected.add(&[]);
    assert_eq!(target.read_register(CORE, Register::Pc).unwrap(), 0x4000_0004, "known already");
    expected.add(&[
        W(D + 0x08c, 0x1111_1111),
        W(D + 0x080, 0x2222_2222),
        W(D + 0x084, 0xd533_0400),
        R(D + 0x088, ITE | 0x1b),
        W(D + 0x024, 0),
        R(D + 0x088, status | 0b11 << 22),
        W(D + 0x088, status),
        W(C + 0x020, 0b100),
        W(C + 0x010, 1),
        R(C + 0x134, 0),
        R(D + 0x314, 0x11),
        W(C + 0x01c, 0b10),
        R(D + 0x314, 0x801),
    ]);
    target.resume(CORE, Resume::Run).unwrap();
    expected.add(&[]);
}

#[test]
fn stops_are_told_with_what_the_hardware_knows_of_them() {
    let (expected, mut target) = attached();
    expected.add(&[R(D + 0x314, 1)]);
    assert_eq!(target.poll().unwrap(), None);
    expected.add(&[
        R(D + 0x314, 0x11),
        R(D + 0x088, ITE | 0x2b),
        R(D + 0x030, 0x4001_0008),
        R(D + 0x034, 0xffff_8000),
    ]);
    let entry = DebugStateEntry::Watchpoint { address: 0xffff_8000_4001_0008 };
    assert_eq!(target.poll().unwrap(), Some((CORE, Event::DebugState(entry))));
    // A core that is known to be halted is not asked again.
    expected.add(&[]);
    assert_eq!(target.poll().unwrap(), None);
}

#[test]
fn a_core_that_is_to_be_called_back_is_so_once_unless_it_is_halted_before() {
    let (_expected, mut target) = halted();
    assert!(target.call_back(CORE).unwrap());
    assert_eq!(target.poll().unwrap(), Some((CORE, Event::CalledBack)));
    assert_eq!(target.core_state(CORE).unwrap(), CoreState::Halted);
    assert_eq!(target.poll().unwrap(), None);

    assert!(target.call_back(CORE).unwrap());
    target.halt(CORE).unwrap();
    assert_eq!(target.poll().unwrap(), None);
}

#[test]
fn a_core_that_halts_another_one_between_two_looks_has_the_stop() {
    let second = CoreAddresses { debug: 2 * D, cti: 2 * C };
    let (expected, mut target) = attached_to(&[CoreAddresses { debug: D, cti: C }, second]);
    let [running, halted] = [1, 0x11];
    let [breakpoint, request] = [ITE | 0x07, ITE | 0x13];
    expected.add(&[
        R(D + 0x314, running),
        // It halts here, and the matrix halts the other one.
        R(2 * D + 0x314, halted),
        R(2 * D + 0x088, request),
        R(D + 0x314, halted),
        R(D + 0x088, breakpoint),
    ]);
    let event = Event::DebugState(DebugStateEntry::Breakpoint);
    assert_eq!(target.poll().unwrap(), Some((CORE, event)));
    // The other one was halted by that; where nobody was, another tool has done it.
    let (expected, mut target) = attached_to(&[CoreAddresses { debug: D, cti: C }, second]);
    let look = [R(D + 0x314, running), R(2 * D + 0x314, halted), R(2 * D + 0x088, request)];
    expected.add(&[look, look].concat());
    let event = Event::DebugState(DebugStateEntry::ExternalRequest);
    assert_eq!(target.poll().unwrap(), Some((CoreId(1), event)));
    expected.add(&[]);
}

#[test]
fn a_core_without_power_is_left_alone_until_it_has_it() {
    let (expected, mut target) = attached();
    expected.add(&[R(D + 0x314, 0)]);
    assert_eq!(target.poll().unwrap(), None);
    assert_eq!(target.core_state(CORE).unwrap(), CoreState::Off);
    assert!(target.resume(CORE, Resume::Run).is_err());
    expected.add(&[
        R(D + 0x314, 0b11),
        W(D + 0xfb0, UNLOCK),
        W(D + 0x300, 0),
        W(C + 0xfb0, UNLOCK),
        W(C, 1),
        W(C + 0x140, 0b100),
        W(C + 0x0a0, 0b101),
        W(C + 0x0a4, 0b010),
        R(D + 0x088, ITE | 2),
        W(D + 0x088, ITE | 1 << 14 | 2),
    ]);
    assert_eq!(target.poll().unwrap(), None);
    assert_eq!(target.core_state(CORE).unwrap(), CoreState::Running);
}
