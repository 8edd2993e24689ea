//! What goes wrong with boards: an error that says what, no hang, and nothing left behind.

use std::time::Instant;

use trapline_core::address::PhysicalAddress;
use trapline_core::breakpoint::{Breakpoint, Instruction};
use trapline_core::comparator::Pair;
use trapline_core::debugger::{AccessError, Debugger, Request};
use trapline_core::pool::Owner;
use trapline_core::scope::Scope;
use trapline_core::target::{
    Arming, Comparators, CoreId, CoreState, DebugStateEntry, Event, Memory, Refusal, Register, Registers,
    RunControl, TargetError,
};
use trapline_probe::board::{BoardError, BoardTarget};
use trapline_simulator::armv8a::{Armv8aBoard, DEBUG_BASES};
use trapline_simulator::dap::{Fault, Size, Space};

use crate::probe::{Board, PATIENCE};

const CORE0: CoreId = CoreId(0);
const CORE1: CoreId = CoreId(1);
/// `b .`
const LOOP: [u32; 1] = [0x1400_0000];
const START: u64 = 0x4000_0000;
/// How probe-rs's own errors end.
const WAY_OUT: &str =
    "; is --chip what is on the board, has the board power, and does no other tool hold the probe?";

fn board() -> Board {
    Board::new(Armv8aBoard::with_program(&LOOP).unwrap())
}

/// What the board then says of itself.
fn explained(board: &Board, chip: &str) -> String {
    board.explain(chip).unwrap().to_string()
}

#[test]
fn an_unplugged_probe_is_no_silence_for_ever() {
    let board = board();
    board.port().set_plugged(false);
    let said = board.refusal("simulated-armv8a");
    assert!(said.contains("No target responded to the debug port") && said.ends_with(WAY_OUT), "{said}");
    assert!(board.explain("simulated-armv8a").is_none(), "there is nothing to ask");

    board.port().set_plugged(true);
    let mut target = board.attach().unwrap();
    target.halt(CORE0).unwrap();
    board.port().set_plugged(false);
    let begun = Instant::now();
    let error = target.read_register(CORE0, Register::Pc).unwrap_err();
    assert!(matches!(error, TargetError::Lost(BoardError::Probe(_))), "{error}");
    assert!(target.poll().is_err(), "the other core cannot be looked at either");
    assert!(begun.elapsed() < PATIENCE);
}

#[test]
fn a_debug_port_that_does_not_power_up_is_said_to_be_one() {
    let board = board();
    board.port().set_powers_up(false);
    let said = board.refusal("simulated-armv8a");
    assert!(said.contains("timeout") && said.ends_with(WAY_OUT), "{said}");
}

#[test]
fn a_chip_that_forbids_debugging_is_not_one_that_is_broken() {
    let board = board();
    board.port().suffer(Fault::Locked(true));
    let said = board.refusal("simulated-armv8a");
    assert!(said.ends_with(WAY_OUT), "{said}");
    assert_eq!(
        explained(&board, "simulated-armv8a"),
        "core 0 does not allow external debug (DBGAUTHSTATUS_EL1 is 0xa); unlock the chip first"
    );
    board.port().suffer(Fault::Locked(false));
    board.port().write(Space::Debug, 0, 0x1e);
    assert!(board.attach().is_ok(), "unlocked, it can be debugged");
}

#[test]
fn another_chip_than_the_one_named_is_noticed() {
    let board = board();
    let said = board.refusal("simulated-elsewhere");
    assert!(said.ends_with(WAY_OUT), "{said}");
    assert_eq!(
        explained(&board, "simulated-elsewhere"),
        "there is no Armv8-A debug unit at 0x80020000 of core 0 (EDDEVARCH reads 0x47701a14); is --chip what is on the \
         board?"
    );
    assert_eq!(
        explained(&board, "simulated-cortex-m"),
        "core 0 answers no access to its debug registers (at 0xe000ed00); has it power, and is --chip what is on the \
         board?"
    );
    let said = board.refusal("no-such-chip");
    assert!(said.contains("no-such-chip"), "{said}");
}

#[test]
fn a_board_whose_cores_have_no_power_is_told_from_a_broken_one() {
    let board = board();
    for core in [0, 1] {
        board.port().suffer(Fault::CorePower { core, on: false });
    }
    assert!(board.attach().is_err());
    assert_eq!(
        explained(&board, "simulated-armv8a"),
        "no core of the chip has power (EDPRSR.PU is 0); power it up, or reset the board"
    );
    for core in [0, 1] {
        board.port().suffer(Fault::CorePower { core, on: true });
    }
    assert!(board.attach().is_ok());
}

#[test]
fn an_error_that_somebody_has_left_in_the_debug_port_is_in_nobodys_way() {
    let board = board();
    {
        let mut port = board.port();
        port.write(Space::Debug, 4, 0x5000_0000);
        port.write(Space::Access, 4, 0xffff_fff0);
        port.read(Space::Access, 0xc);
        assert!(port.is_faulty());
    }
    let mut target = board.attach().unwrap();
    target.halt(CORE0).unwrap();
    // And one that comes meanwhile, by nobody's access here.
    board.port().write(Space::Access, 4, 0xffff_fff0);
    board.port().read(Space::Access, 0xc);
    assert!(board.port().is_faulty());
    assert!(target.read_register(CORE0, Register::Pc).is_err());
    assert_eq!(target.read_register(CORE0, Register::Pc).unwrap(), START);
}

#[test]
fn a_core_that_loses_its_power_is_off_and_the_session_goes_on() {
    let board = board();
    let mut target = board.attach().unwrap();
    target.halt(CORE0).unwrap();
    target.halt(CORE1).unwrap();
    board.port().suffer(Fault::CorePower { core: 1, on: false });
    let error = target.read_register(CORE1, Register::Pc).unwrap_err();
    assert!(matches!(error, TargetError::Refused(Refusal::Off(CORE1))), "{error}");
    assert_eq!(target.core_state(CORE1).unwrap(), CoreState::Off);
    assert_eq!(target.read_register(CORE0, Register::Pc).unwrap(), START, "the other one is still there");
}

#[test]
fn a_core_that_comes_back_is_armed_before_it_is_trusted() {
    let board = board();
    let mut debugger = Debugger::<_>::new(board.attach().unwrap()).unwrap();
    debugger.interrupt().unwrap();
    let breakpoint = Breakpoint::at(START + 0x40, Instruction::A64, Scope::ALL).unwrap();
    debugger.insert(CORE0, Request::Breakpoint(breakpoint), Owner::DEBUGGER).unwrap();
    debugger.resume().unwrap();
    board.port().suffer(Fault::CorePower { core: 1, on: false });
    assert_eq!(debugger.target_mut().poll().unwrap(), None);
    assert_eq!(debugger.core_state(CORE1).unwrap(), CoreState::Off);
    board.port().suffer(Fault::CorePower { core: 1, on: true });
    assert_eq!(debugger.target_mut().poll().unwrap(), None);
    assert_eq!(debugger.core_state(CORE1).unwrap(), CoreState::Running);
    assert_eq!(board.register(DEBUG_BASES[1] + 0x408), 0x21e7);
}

#[test]
fn an_address_without_memory_is_refused_and_its_error_does_not_stick() {
    let board = board();
    let mut target = board.attach().unwrap();
    let error = target.read_memory(PhysicalAddress(0x1_0000), &mut [0; 8]).unwrap_err();
    assert!(matches!(error, TargetError::Refused(Refusal::NoMemory(_))), "{error}");
    assert!(!board.port().is_faulty());
    let mut bytes = [0; 4];
    target.read_memory(PhysicalAddress(START), &mut bytes).unwrap();
    assert_eq!(u32::from_le_bytes(bytes), LOOP[0]);
    let mut debugger = Debugger::<_>::new(target).unwrap();
    debugger.interrupt().unwrap();
    let error = debugger.read_virtual(CORE0, 0x1_0000, &mut [0; 4]).unwrap_err();
    assert!(!matches!(error, AccessError::Target(TargetError::Lost(_))));
}

#[test]
fn what_an_earlier_session_left_armed_is_cleared_at_the_next() {
    let board = board();
    let mut target = board.attach().unwrap();
    target.halt(CORE0).unwrap();
    {
        // The tool is killed here: nothing is tidied up. Another one has armed a watchpoint besides.
        let mut port = board.port();
        let system = port.system();
        for (offset, value) in [(0x800, 0x4000_0000), (0x808, 0x3ff7), (0x408, 0x21e7)] {
            system.write(0, DEBUG_BASES[0] + offset, Size::Word, value).unwrap();
        }
    }
    std::mem::forget(target);
    let _target = board.attach().unwrap();
    for offset in [0x408, 0x808] {
        assert_eq!(board.register(DEBUG_BASES[0] + offset), 0);
    }
}

#[test]
fn a_second_tool_that_halts_a_core_is_seen() {
    let board = board();
    let mut target = board.attach().unwrap();
    assert_eq!(target.poll().unwrap(), None);
    // Its own channel 0, by its own cross-trigger interface.
    board.port().system().write(0, 0x8012_001c, Size::Word, 1).unwrap();
    let event = target.poll().unwrap();
    assert_eq!(event, Some((CORE1, Event::DebugState(DebugStateEntry::ExternalRequest))));
}

#[test]
fn a_driver_that_panics_ends_the_session_and_not_the_tool() {
    let board = board();
    let mut target = board.attach().unwrap();
    target.halt(CORE0).unwrap();
    let mut arming = Arming::default();
    arming.bank.watchpoints[0] = Pair { control: 0x3ff7, value: 0x4001_0000 };
    target.commit(CORE0, &arming).unwrap();
    assert_eq!(board.register(DEBUG_BASES[0] + 0x808), 0x3ff7);
    board.set_driver_panics(true);
    let begun = Instant::now();
    let said = target.poll().unwrap_err().to_string();
    assert_eq!(
        said,
        "the driver of the probe has failed (a defect of this driver), which is a defect of the driver; what was \
         armed is cleared at the next attach"
    );
    // It is not asked again, whatever it would do.
    board.set_driver_panics(false);
    assert!(matches!(target.poll(), Err(BoardError::Driver(_))));
    assert!(target.detach().is_err());
    drop(target);
    assert!(begun.elapsed() < PATIENCE);
    board.attach().unwrap().detach().unwrap();
    assert_eq!(board.register(DEBUG_BASES[0] + 0x808), 0);

    board.set_driver_panics(true);
    assert!(matches!(board.attach(), Err(BoardError::Driver(_))));
}
