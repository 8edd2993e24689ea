//! probe-rs's names and habits, with watchpoints.

use std::time::Duration;

use trapline_core::target::Register;
use trapline_core::watchpoint::Access;
use trapline_probe::session::{Board as BoardHost, CoreStatus, Error, HaltReason, Session};
use trapline_simulator::armv8a::Armv8aBoard;

use crate::armv8a::{ADD, COUNT, COUNTER, LOAD, STORE};
use crate::probe::{Board, PATIENCE};

#[test]
fn a_session_is_used_as_in_probe_rs() {
    let board = Board::new(Armv8aBoard::with_program(&COUNT).unwrap());
    let mut session = Session::new(BoardHost::new(board.attach().unwrap()).unwrap());
    assert_eq!(session.list_cores().unwrap(), [0, 1]);
    assert!(matches!(session.core(2), Err(Error::Refused(_))));
    let mut core = session.core(0).unwrap();
    core.halt().unwrap();
    assert_eq!(core.status().unwrap(), CoreStatus::Halted(HaltReason::Request));
    assert_eq!(core.available_breakpoint_units().unwrap(), 6);
    assert_eq!(core.available_watchpoint_units().unwrap(), 4);

    core.set_hw_breakpoint(STORE).unwrap();
    core.run().unwrap();
    core.wait_for_core_halted(PATIENCE).unwrap();
    assert_eq!(core.status().unwrap(), CoreStatus::Halted(HaltReason::HardwareBreakpoint));
    assert_eq!(core.read_core_reg(Register::Pc).unwrap(), STORE);
    core.clear_hw_breakpoint(STORE).unwrap();
    assert!(matches!(core.clear_hw_breakpoint(STORE), Err(Error::NotInserted(_))));
    assert_eq!(core.step().unwrap().pc, LOAD);

    // Six bytes across a doubleword take two units.
    core.set_watchpoint(COUNTER - 3, 6, Access::ReadWrite).unwrap();
    assert_eq!(core.available_watchpoint_units().unwrap(), 2);
    core.run().unwrap();
    core.wait_for_core_halted(PATIENCE).unwrap();
    assert_eq!(core.status().unwrap(), CoreStatus::Halted(HaltReason::Watchpoint(COUNTER)));
    core.clear_watchpoint(COUNTER - 3, 6, Access::ReadWrite).unwrap();
    assert!(matches!(core.set_watchpoint(COUNTER, 0, Access::Read), Err(Error::NotInserted(_))));

    // The firmware counts on from what is written here.
    core.write(COUNTER, &77_u64.to_le_bytes()).unwrap();
    core.write_core_reg(Register::X(1), 1000).unwrap();
    core.write_core_reg(Register::Pc, ADD).unwrap();
    core.step().unwrap();
    core.step().unwrap();
    let mut count = [0; 8];
    core.read(COUNTER, &mut count).unwrap();
    assert_eq!(u64::from_le_bytes(count), 1001);

    core.run().unwrap();
    assert_eq!(core.status().unwrap(), CoreStatus::Running);
    assert!(matches!(core.read_core_reg(Register::Pc), Err(Error::Refused(_))));
    assert!(matches!(core.wait_for_core_halted(Duration::from_millis(5)), Err(Error::Timeout)));
    session.detach().unwrap();
}
