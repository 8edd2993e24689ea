//! What goes wrong with Cortex-M boards: an error that says what, no hang, and nothing left behind.

use trapline_core::address::PhysicalAddress;
use trapline_core::breakpoint::{Breakpoint, Instruction};
use trapline_core::debugger::{Debugger, Request};
use trapline_core::pool::Owner;
use trapline_core::scope::Scope;
use trapline_core::target::{
    CoreId, CoreState, DebugStateEntry, Event, Memory, Refusal, Register, Registers, RunControl, TargetError,
};
use trapline_probe::board::{BoardError, BoardTarget};
use trapline_simulator::armv8a::Armv8aBoard;
use trapline_simulator::cortex_m::{Architecture, CortexMBoard, LOOP};
use trapline_simulator::dap::{Fault, Size};

use crate::probe::Board;

const CORE: CoreId = CoreId(0);
/// `FP_COMP0`, `DWT_FUNCTION0`, `DHCSR`.
const FP_COMP0: u64 = 0xe000_2008;
const DWT_FUNCTION0: u64 = 0xe000_1028;
const DHCSR: u64 = 0xe000_edf0;

fn board() -> Board {
    Board::new(CortexMBoard::new(Architecture::V7M).unwrap())
}

#[test]
fn an_unplugged_probe_is_no_silence_for_ever() {
    let board = board();
    board.port().set_plugged(false);
    let said = board.refusal("simulated-cortex-m");
    assert!(said.contains("No target responded to the debug port"), "{said}");
    board.port().set_plugged(true);
    let mut target = board.attach_cortex_m().unwrap();
    assert_eq!(target.poll().unwrap(), None);
    board.port().set_plugged(false);
    assert!(target.poll().is_err() && target.halt(CORE).is_err());
}

#[test]
fn a_core_without_power_or_locked_is_told_and_comes_back() {
    let board = board();
    for (fault, explained) in [
        (
            Fault::CorePower { core: 0, on: false },
            "core 0 answers no access to its debug registers (at 0xe000ed00); has it power, and is --chip what is on \
             the board?",
        ),
        (
            Fault::Locked(true),
            "core 0 does not allow external debug (DHCSR is 0x1010000); unlock the chip first",
        ),
    ] {
        board.port().suffer(fault);
        assert!(board.refusal("simulated-cortex-m").contains("is --chip what is on the board"));
        assert_eq!(board.explain("simulated-cortex-m").unwrap().to_string(), explained);
        board.port().suffer(Fault::CorePower { core: 0, on: true });
        board.port().suffer(Fault::Locked(false));
        board.port().write(trapline_simulator::dap::Space::Debug, 0, 0x1e);
        assert!(board.attach_cortex_m().is_ok(), "after {fault:?}");
    }
}

#[test]
fn another_board_than_the_one_named_is_noticed() {
    let board = Board::new(Armv8aBoard::with_program(&[0x1400_0000]).unwrap());
    assert!(board.refusal("simulated-cortex-m").contains("is --chip what is on the board"));
    let explained = board.explain("simulated-cortex-m").unwrap();
    assert!(matches!(explained, BoardError::Silent { core: CORE, address: 0xe000_ed00 }), "{explained}");
}

#[test]
fn a_core_that_loses_its_power_is_off_and_armed_when_it_comes_back() {
    let board = board();
    let mut debugger = Debugger::<_>::new(board.attach_cortex_m().unwrap()).unwrap();
    debugger.interrupt().unwrap();
    // Nothing is executed there, so that nothing stops it.
    let breakpoint = Breakpoint::at(u64::from(LOOP) + 0x100, Instruction::T32, Scope::ALL).unwrap();
    debugger.insert(CORE, Request::Breakpoint(breakpoint), Owner::DEBUGGER).unwrap();
    debugger.resume().unwrap();
    board.port().suffer(Fault::CorePower { core: 0, on: false });
    assert_eq!(debugger.target_mut().poll().unwrap(), None);
    assert_eq!(debugger.core_state(CORE).unwrap(), CoreState::Off);
    let error = debugger.read_register(CORE, Register::Pc).unwrap_err();
    assert!(matches!(error, TargetError::Refused(Refusal::Off(CORE))), "{error}");
    board.port().suffer(Fault::CorePower { core: 0, on: true });
    assert_eq!(debugger.target_mut().poll().unwrap(), None);
    assert_eq!(debugger.core_state(CORE).unwrap(), CoreState::Running);
    assert_eq!(board.register(FP_COMP0), 0x8800_0205);
}

#[test]
fn an_address_without_memory_is_refused_and_its_error_does_not_stick() {
    let board = board();
    let mut target = board.attach_cortex_m().unwrap();
    let error = target.read_memory(PhysicalAddress(0x3000_0000), &mut [0; 8]).unwrap_err();
    assert!(matches!(error, TargetError::Refused(Refusal::NoMemory(_))), "{error}");
    assert!(!board.port().is_faulty());
    target.halt(CORE).unwrap();
    assert!(target.read_register(CORE, Register::Pc).is_ok());
}

#[test]
fn what_an_earlier_session_left_armed_is_cleared_at_the_next() {
    let board = board();
    let target = board.attach_cortex_m().unwrap();
    {
        let mut port = board.port();
        let system = port.system();
        for (address, value) in [(FP_COMP0, 0x8800_0105), (0xe000_1020, 0x2000_0010), (DWT_FUNCTION0, 6)] {
            system.write(0, address, Size::Word, value).unwrap();
        }
    }
    // The tool is killed here: nothing is tidied up.
    std::mem::forget(target);
    let _target = board.attach_cortex_m().unwrap();
    assert_eq!([FP_COMP0, DWT_FUNCTION0].map(|address| board.register(address)), [0, 0]);
}

#[test]
fn a_second_tool_that_halts_a_core_is_seen() {
    let board = board();
    let mut target = board.attach_cortex_m().unwrap();
    assert_eq!(target.poll().unwrap(), None);
    board.port().system().write(0, DHCSR, Size::Word, 0xa05f_0003).unwrap();
    let event = target.poll().unwrap();
    assert_eq!(event, Some((CORE, Event::DebugState(DebugStateEntry::ExternalRequest))));
}
