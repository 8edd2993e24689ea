//! Cortex-M cores that execute a program, stopped by the breakpoint and the watchpoint unit, under the engine.

use trapline_core::address::AddressRange;
use trapline_core::debugger::{Options, Request, ValueCondition};
use trapline_core::pool::{Owner, PoolError};
use trapline_core::scope::Scope;
use trapline_core::stop::{Change, StopReason};
use trapline_core::target::{CoreId, MVersion, Profile, Register, Registers, SpecialRegister};
use trapline_core::watchpoint::{Access, Watchpoint};
use trapline_probe::board::cortex_m::CortexMTarget;
use trapline_probe::board::link::SessionLink;
use trapline_probe::session::{Board as BoardHost, CoreStatus, Error, HaltReason, Host, Session};
use trapline_simulator::cortex_m::{Architecture, COUNTER, CortexMBoard, LOOP};

use crate::probe::{Board, PATIENCE};

const CORE: CoreId = CoreId(0);
const FIRST: u64 = LOOP as u64;
const COUNT: u64 = COUNTER as u64;

type OneCore = Session<BoardHost<CortexMTarget<SessionLink>>>;

fn attached(architecture: Architecture) -> (Board, OneCore) {
    let board = Board::new(CortexMBoard::new(architecture).unwrap());
    let chip = if architecture == Architecture::V6M { "simulated-cortex-m0" } else { "simulated-cortex-m" };
    let target = board.attach_cortex_m_as(chip).unwrap();
    let mut session = Session::new(BoardHost::new(target).unwrap());
    session.core(0).unwrap().halt().unwrap();
    board.port().take_writes();
    (board, session)
}

/// Runs to the next stop; answers its reason and the program counter.
fn run(session: &mut OneCore) -> (HaltReason, u64) {
    let mut core = session.core(0).unwrap();
    core.run().unwrap();
    core.wait_for_core_halted(PATIENCE).unwrap();
    let CoreStatus::Halted(reason) = core.status().unwrap() else { panic!("it is not halted") };
    (reason, core.read_core_reg(Register::Pc).unwrap())
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
    for (architecture, comparator, [breakpoints, watchpoints]) in [
        (Architecture::V6M, 0x8800_0105, [4, 2]),
        (Architecture::V7M, 0x8800_0105, [6, 4]),
        (Architecture::V8M, 0x0800_0107, [6, 4]),
    ] {
        let (board, mut session) = attached(architecture);
        let mut core = session.core(0).unwrap();
        assert_eq!(core.available_breakpoint_units().unwrap(), breakpoints);
        assert_eq!(core.available_watchpoint_units().unwrap(), watchpoints);
        core.set_hw_breakpoint(FIRST).unwrap();
        let mut last = None;
        for round in 0..3 {
            assert_eq!(run(&mut session), (HaltReason::HardwareBreakpoint, FIRST));
            if round == 0 {
                assert_eq!(written(&board, 0xe000_2008), [comparator]);
            }
            let count = session.core(0).unwrap().read_core_reg(Register::X(0)).unwrap();
            assert!(last.is_none_or(|last| count == last + 1), "one round after the other");
            last = Some(count);
        }
        let mut core = session.core(0).unwrap();
        assert_eq!(core.step().unwrap().pc, FIRST + 2);
        core.clear_hw_breakpoint(FIRST).unwrap();
        assert!(matches!(core.clear_hw_breakpoint(FIRST), Err(Error::NotInserted(_))));
        session.detach().unwrap();
    }
}

#[test]
fn watchpoints_stop_behind_the_access_that_they_watch() {
    let cases = [
        (COUNT, 4, Access::Write, FIRST + 4, [6, 6, 0x815]),
        (COUNT + 5, 1, Access::Write, FIRST + 6, [6, 6, 0x015]),
        (COUNT + 2, 2, Access::Read, FIRST + 8, [5, 5, 0x416]),
    ];
    let architectures = [Architecture::V6M, Architecture::V7M, Architecture::V8M];
    for (version, architecture) in architectures.into_iter().enumerate() {
        for (address, length, access, behind, functions) in cases {
            let (board, mut session) = attached(architecture);
            session.core(0).unwrap().set_watchpoint(address, length, access).unwrap();
            assert_eq!(run(&mut session), (HaltReason::Watchpoint(address), behind));
            assert_eq!(written(&board, 0xe000_1028), [functions[version]]);
            // It does not stop at the same access again.
            assert_eq!(run(&mut session), (HaltReason::Watchpoint(address), behind));
            let mut core = session.core(0).unwrap();
            let taken = core.available_watchpoint_units().unwrap();
            core.clear_watchpoint(address, length, access).unwrap();
            assert_eq!(core.available_watchpoint_units().unwrap(), taken + 1);
        }
    }
}

#[test]
fn values_are_compared_with_those_before_the_core_ran() {
    let board = Board::new(CortexMBoard::new(Architecture::V8M).unwrap());
    let mut host = BoardHost::new(board.attach_cortex_m().unwrap()).unwrap();
    let range = AddressRange::new(COUNT, 4).unwrap();
    let request = Request::Watchpoint(Watchpoint::new(range, Access::Write, Scope::ALL));
    let equals = Options { value: ValueCondition::Equals(1000), ..Options::default() };
    host.with(|debugger| {
        debugger.interrupt().unwrap();
        debugger.write_register(CORE, Register::Pc, FIRST).unwrap();
        debugger.write_register(CORE, Register::X(0), 995).unwrap();
        debugger.insert_with(CORE, request, Owner::DEBUGGER, &equals).unwrap();
        let long = AddressRange::new(COUNT, 12).unwrap();
        let long = Request::Watchpoint(Watchpoint::new(long, Access::Write, Scope::ALL));
        let changed = Options { value: ValueCondition::Changed, ..Options::default() };
        let refused = debugger.insert_with(CORE, long, Owner::DEBUGGER, &changed).unwrap_err();
        assert_eq!(refused.to_string(), "the value of 12 bytes cannot be compared; 8 are the most");
        debugger.resume().unwrap();
    })
    .unwrap();
    assert!(host.wait(PATIENCE).unwrap());
    let stop = host.with(|debugger| debugger.stop()).unwrap().unwrap();
    let StopReason::Watchpoint { address: COUNT, made: true, change: Some(change), .. } = stop.reason else {
        panic!("{stop}")
    };
    assert_eq!(change, Change { address: COUNT, length: 4, old: 999, new: 1000 });
    assert_eq!(stop.pc, FIRST + 4);
}

#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    let (board, mut session) = attached(Architecture::V7M);
    let mut core = session.core(0).unwrap();
    // Bytes 1 to 30 of a block: 1, 2, 4, 8, 8, 4, 2, 1.
    let error = core.set_watchpoint(COUNT + 1, 30, Access::Write).unwrap_err();
    assert_eq!(error.to_string(), PoolError::NotEnoughPairs { needed: 8, free: 4 }.to_string());
    assert_eq!(core.available_watchpoint_units().unwrap(), 4);
    let error = core.set_hw_breakpoint(0x2000_0000).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the FPB version 1 cannot match at 0x20000000, only below 0x20000000; use a software breakpoint"
    );
    let error = core.write(FIRST, &[0; 2]).unwrap_err();
    assert!(error.to_string().starts_with("flash takes no plain write"), "{error}");
    assert!(board.port().take_writes().iter().all(|write| write.address & 0xffff_ff00 != 0xe000_1000));
}

#[test]
fn registers_are_read_and_written_and_the_profile_is_told() {
    for (architecture, version) in [
        (Architecture::V6M, MVersion::V6),
        (Architecture::V7M, MVersion::V7),
        (Architecture::V8M, MVersion::V8Mainline),
    ] {
        let (_board, mut session) = attached(architecture);
        let mut core = session.core(0).unwrap();
        let special = Register::Special;
        for (register, value) in [
            (Register::X(7), 0x1234_5678),
            (Register::X(14), 0xffff_ffff),
            (special(SpecialRegister::Psp), 0x2000_0800),
            (special(SpecialRegister::Msp), 0x2000_0f00),
            (special(SpecialRegister::Primask), 1),
        ] {
            core.write_core_reg(register, value).unwrap();
            assert_eq!(core.read_core_reg(register).unwrap(), value, "{register}");
        }
        assert_eq!(core.read_core_reg(Register::X(13)).unwrap(), 0x2000_0f00, "Thread mode uses MSP here");
        let xpsr = core.read_core_reg(special(SpecialRegister::Xpsr)).unwrap();
        assert_eq!(xpsr & 1 << 24, 1 << 24, "EPSR.T");
        let mut host = session.detach().unwrap();
        let profile = host.with(|debugger| debugger.target().profile()).unwrap();
        let Profile::M(profile) = profile else { panic!("{profile:?}") };
        assert_eq!(profile.version, version);
    }
}
