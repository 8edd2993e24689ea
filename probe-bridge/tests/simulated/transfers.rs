//! What operations cost on the wire between probe and board: transfers, which is what users of real probes wait for.

use trapline_core::address::{AddressRange, PhysicalAddress};
use trapline_core::breakpoint::{Breakpoint, Instruction};
use trapline_core::debugger::{Action, Debugger, Request};
use trapline_core::pool::Owner;
use trapline_core::scope::Scope;
use trapline_core::target::{CoreId, Memory, Register};
use trapline_core::watchpoint::{Access, Watchpoint};
use trapline_probe::board::{BoardTarget, Found, Unobserved, run_until_stopped};
use trapline_simulator::armv8a::Armv8aBoard;
use trapline_simulator::cortex_m::{Architecture, COUNTER as COUNTER_M, CortexMBoard, LOOP};

use crate::armv8a::{COUNT, COUNTER, STORE};
use crate::probe::Board;

const CORE: CoreId = CoreId(0);

/// A debugger on a board, whose transfers are counted.
struct Counted<T: BoardTarget> {
    board: Board,
    debugger: Debugger<T>,
}

impl<T: BoardTarget> Counted<T> {
    /// Halts the board; the other cores are held from then on.
    fn new(board: Board, target: T) -> Self {
        let mut debugger = Debugger::<T>::new(target).unwrap();
        debugger.interrupt().unwrap();
        let others: Vec<_> = debugger.core_ids().filter(|&core| core != CORE).collect();
        for core in others {
            debugger.set_action(core, Action::Hold).unwrap();
        }
        Self { board, debugger }
    }

    /// How many transfers something takes, once everything that is asked only once is known.
    fn count(&mut self, work: impl Fn(&mut Debugger<T>)) -> u64 {
        work(&mut self.debugger);
        self.board.port().take_transfers();
        work(&mut self.debugger);
        self.board.port().take_transfers()
    }

    fn insert(&mut self, request: Request) {
        self.debugger.insert(CORE, request, Owner::DEBUGGER).unwrap();
    }

    fn step(&mut self) -> u64 {
        self.debugger.set_action(CORE, Action::Step).unwrap();
        let count = self.count(run);
        self.debugger.set_action(CORE, Action::Continue).unwrap();
        count
    }
}

/// Runs on until the target stops.
fn run<T: BoardTarget>(debugger: &mut Debugger<T>) {
    debugger.resume().unwrap();
    for _ in 0..10_000 {
        if run_until_stopped(debugger, &mut Unobserved).unwrap() == Found::Stop {
            return;
        }
    }
    panic!("the target does not stop");
}

fn watchpoint(start: u64, access: Access) -> Request {
    Request::Watchpoint(Watchpoint::new(AddressRange::new(start, 4).unwrap(), access, Scope::ALL))
}

fn breakpoint(address: u64, instruction: Instruction) -> Request {
    Request::Breakpoint(Breakpoint::at(address, instruction, Scope::ALL).unwrap())
}

/// Compares with the most that is allowed, all at once, so that a failure shows everything.
fn check(counts: &[(&str, u64, u64)]) {
    let over: Vec<_> = counts.iter().filter(|(_, count, limit)| count > limit).collect();
    assert!(over.is_empty(), "more transfers than allowed: {over:?}");
}

#[test]
fn an_armv8_a_core_is_asked_little() {
    let board = Board::new(Armv8aBoard::with_program(&COUNT).unwrap());
    let target = board.attach().unwrap();
    let mut counted = Counted::new(board, target);
    let step = counted.step();
    counted.insert(breakpoint(STORE, Instruction::A64));
    let again = counted.count(run);
    let stop = counted.count(|debugger| {
        run(debugger);
        for register in (0..31).map(Register::X).chain([Register::Pc, Register::Pstate]) {
            debugger.read_register(CORE, register).unwrap();
        }
    });
    let registers = stop - again;
    counted.debugger.remove_all(Owner::DEBUGGER);
    counted.insert(watchpoint(COUNTER, Access::Write));
    let watch = counted.count(run);
    let memory = counted.count(|debugger| {
        debugger.target_mut().read_memory(PhysicalAddress(COUNTER), &mut [0; 64]).unwrap();
    });
    let word = counted.count(|debugger| {
        debugger.target_mut().read_memory(PhysicalAddress(COUNTER), &mut [0; 4]).unwrap();
    });
    check(&[
        ("a step", step, 66),
        ("from a breakpoint to the next hit", again, 118),
        ("33 registers", registers, 120),
        ("from a watchpoint to the next hit", watch, 130),
        ("64 bytes", memory, 17),
        ("a word", word, 2),
    ]);
}

#[test]
fn a_cortex_m_core_is_asked_little() {
    let board = Board::new(CortexMBoard::new(Architecture::V8M).unwrap());
    let target = board.attach_cortex_m().unwrap();
    let mut counted = Counted::new(board, target);
    let step = counted.step();
    counted.insert(breakpoint(LOOP.into(), Instruction::T32));
    let again = counted.count(run);
    let stop = counted.count(|debugger| {
        run(debugger);
        for register in (0..15).map(Register::X).chain([Register::Pc]) {
            debugger.read_register(CORE, register).unwrap();
        }
    });
    let registers = stop - again;
    counted.debugger.remove_all(Owner::DEBUGGER);
    counted.insert(watchpoint(COUNTER_M.into(), Access::Write));
    let watch = counted.count(run);
    let memory = counted.count(|debugger| {
        debugger.target_mut().read_memory(PhysicalAddress(COUNTER_M.into()), &mut [0; 64]).unwrap();
    });
    check(&[
        ("a step", step, 22),
        ("from a breakpoint to the next hit", again, 44),
        ("16 registers", registers, 45),
        ("from a watchpoint to the next hit", watch, 18),
        ("64 bytes", memory, 17),
    ]);
}
