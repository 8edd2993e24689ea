//! Cortex-M cores that execute a program, stopped by the breakpoint and the watchpoint unit.

use std::time::Duration;

use probe_rs::architecture::arm::FullyQualifiedApAddress;
use trapline_core::watchpoint::Access;
use trapline_probe::board::cortex_m::{CoreStatus, CortexM, Error, HaltReason};
use trapline_probe::board::link::SessionLink;
use trapline_simulator::cortex_m::{Architecture, COUNTER, CortexMBoard, LOOP};

use crate::probe::Board;

const PATIENCE: Duration = Duration::from_secs(30);
const PC: u8 = 15;

fn attached(architecture: Architecture) -> (Board, CortexM<SessionLink>) {
    let board = Board::new(CortexMBoard::new(architecture).unwrap());
    let session = board.session("simulated-cortex-m").unwrap();
    let link = SessionLink::new(session, FullyQualifiedApAddress::v1_with_default_dp(0), None);
    board.port().take_writes();
    (board, CortexM::attach(link).unwrap())
}

/// Runs to the next stop; answers its reason and the program counter.
fn run(core: &mut CortexM<SessionLink>) -> (HaltReason, u32) {
    core.run().unwrap();
    core.wait_for_core_halted(PATIENCE).unwrap();
    let CoreStatus::Halted(reason) = core.status().unwrap() else { panic!("it is not halted") };
    (reason, core.read_core_reg(PC).unwrap())
}

/// What was written to an address, but for zeros.
fn written(board: &Board, address: u64) -> Vec<u32> {
    let writes = board.port().take_writes();
    writes
        .iter()
        .filter(|write| write.address == address && write.value != 0)
        .map(|write| write.value)
        .collect()
}

#[test]
fn a_breakpoint_stops_every_round_and_a_step_passes_it() {
    for (architecture, comparator) in [(Architecture::V7M, 0x8800_0105), (Architecture::V8M, 0x0800_0107)] {
        let (board, mut core) = attached(architecture);
        core.halt().unwrap();
        assert_eq!((core.available_breakpoint_units(), core.available_watchpoint_units()), (6, 4));
        core.set_hw_breakpoint(LOOP).unwrap();
        assert_eq!(written(&board, 0xe000_2008), [comparator]);
        let mut last = None;
        for _ in 0..3 {
            assert_eq!(run(&mut core), (HaltReason::Breakpoint, LOOP));
            let count = core.read_core_reg(0).unwrap();
            assert!(last.is_none_or(|last| count == last + 1), "one round after the other");
            last = Some(count);
        }
        assert_eq!(core.step().unwrap(), LOOP + 2);
        core.clear_hw_breakpoint(LOOP).unwrap();
        assert!(matches!(core.clear_hw_breakpoint(LOOP), Err(Error::NotThere(_))));
        core.detach().unwrap();
    }
}

#[test]
fn watchpoints_stop_behind_the_access_that_they_watch() {
    let counter = u64::from(COUNTER);
    let cases = [
        (counter, 4, Access::Write, LOOP + 4, [6, 0x815]),
        (counter + 5, 1, Access::Write, LOOP + 6, [6, 0x015]),
        (counter + 2, 2, Access::Read, LOOP + 8, [5, 0x416]),
    ];
    for (version, architecture) in [Architecture::V7M, Architecture::V8M].into_iter().enumerate() {
        for (address, length, access, behind, functions) in cases {
            let (board, mut core) = attached(architecture);
            core.halt().unwrap();
            core.set_watchpoint(address, length, access).unwrap();
            assert_eq!(written(&board, 0xe000_1028), [functions[version]]);
            assert_eq!(run(&mut core), (HaltReason::Watchpoint, behind));
            core.clear_watchpoint(address, length, access).unwrap();
            assert_eq!(core.available_watchpoint_units(), 4);
        }
    }
}

#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    let (board, mut core) = attached(Architecture::V7M);
    core.halt().unwrap();
    board.port().take_writes();
    // Bytes 1 to 30 of a block: 1, 2, 4, 8, 8, 4, 2, 1.
    let error = core.set_watchpoint(u64::from(COUNTER) + 1, 30, Access::Write).unwrap_err();
    assert!(matches!(error, Error::TooFew { wanted: 8, free: 4 }), "{error}");
    assert_eq!(core.available_watchpoint_units(), 4);
    assert!(board.port().take_writes().iter().all(|write| write.address & 0xffff_ff00 != 0xe000_1000));
    let error = core.set_hw_breakpoint(0x2000_0000).unwrap_err();
    assert!(matches!(error, Error::Breakpoint { .. }), "{error}");
}
