//! What the engine makes of watchpoint exceptions on a real KVM: a stop for every access that touches a watched byte and
//! for no other, with the first such byte, also where accesses are unaligned and cross whatever there is to cross.
//!
//! QEMU's emulation traps more than it should there (see `common::accesses`): these hits are passed in silence.

use std::sync::MutexGuard;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use crate::common::a64::{self, Program};
use crate::common::accesses::{BASE, FORMS, MemoryAccess, ready};
use crate::common::{CODE, DATA, GuestDebugger, debugged};
use trapline_core::address::AddressRange;
use trapline_core::breakpoint::Instruction;
use trapline_core::debugger::Request;
use trapline_core::pool::Owner;
use trapline_core::scope::Scope;
use trapline_core::stop::StopReason;
use trapline_core::target::{CoreId, Register};
use trapline_core::watchpoint::{Access, Watchpoint};
use trapline_kvm::Notice;
use trapline_kvm::machine::RunningMachine;

const CORE: CoreId = CoreId(0);
const LONG: Duration = Duration::from_secs(60);

struct Guest {
    machine: RunningMachine<GuestDebugger>,
    notices: Receiver<Notice>,
    accesses: Vec<MemoryAccess>,
    end: u64,
}

impl Guest {
    /// A guest that makes accesses of every form at addresses that are as unaligned as can be.
    fn new(addresses: impl Iterator<Item = u64>) -> Self {
        let mut program = Program::at(CODE);
        let mut accesses = Vec::new();
        for address in addresses {
            program.load(3, address);
            for (size, registers, load, store) in FORMS {
                for (write, instruction) in [(false, load), (true, store)] {
                    let pc = program.add(instruction | 3 << 5 | 4);
                    let bytes = AddressRange::new(address, size * registers).unwrap();
                    accesses.push(MemoryAccess { pc, bytes, write, aligned: address.is_multiple_of(size) });
                }
            }
        }
        let end = program.add(a64::NOP);
        program.branch(end);
        let machine = ready(&program);
        let (machine, notices) = debugged(machine);
        Self { machine, notices, accesses, end }
    }

    fn debugger(&self) -> MutexGuard<'_, GuestDebugger> {
        self.machine.handler().lock().unwrap()
    }

    /// Runs the program under these watchpoints; every stop is the next one that the plain rule expects.
    fn check(&self, watched: &[Watchpoint]) {
        {
            let mut debugger = self.debugger();
            debugger.remove_all(Owner::DEBUGGER);
            for watchpoint in watched {
                debugger.insert(CORE, Request::Watchpoint(*watchpoint), Owner::DEBUGGER).unwrap();
            }
            let end = Request::Software { address: self.end, instruction: Instruction::A64 };
            debugger.insert(CORE, end, Owner::DEBUGGER).unwrap();
            debugger.write_register(CORE, Register::Pc, CODE).unwrap();
        }
        let touched = |access: &MemoryAccess| {
            let of_direction =
                watched.iter().filter(|watchpoint| watchpoint.access().includes(Some(access.write)));
            let ranges = of_direction.map(|watchpoint| watchpoint.range());
            let touched = ranges.filter(|range| range.overlaps(access.bytes));
            touched.map(|range| range.nearest(access.bytes.first())).min()
        };
        let mut expected = self.accesses.iter().filter_map(|access| Some((access, touched(access)?)));
        loop {
            self.debugger().resume().unwrap();
            let Notice::Stopped { .. } = self.notices.recv_timeout(LONG).unwrap() else { panic!("no stop") };
            let stop = self.debugger().stop().unwrap();
            let next = expected.next();
            match (stop.reason, next) {
                (StopReason::Watchpoint { address, .. }, Some((access, first))) => {
                    assert_eq!((stop.pc, address), (access.pc, first), "{access:x?} with {watched:x?}");
                }
                (StopReason::SoftwareBreakpoint, None) => return,
                _ => panic!("{stop}, expected was {next:x?} with {watched:x?}"),
            }
        }
    }
}

fn watch(first: u64, length: u64, access: Access) -> Watchpoint {
    Watchpoint::new(AddressRange::new(first, length).unwrap(), access, Scope::EL1_AND_EL0)
}

#[test]
fn the_engine_stops_for_what_is_touched_and_nothing_else_at_any_offset() {
    let guest = Guest::new((0..48).map(|offset| BASE - 16 + offset));
    for (offset, length) in [(0, 1), (3, 1), (7, 1), (6, 4), (5, 3), (0, 16), (3, 13)] {
        for access in [Access::Read, Access::Write] {
            guest.check(&[watch(BASE + offset, length, access)]);
        }
    }
    guest.check(&[watch(BASE & !0xfff, 4096, Access::Write)]);
    guest.check(&[
        watch(BASE + 1, 1, Access::Write),
        watch(BASE + 6, 4, Access::ReadWrite),
        watch(BASE + 15, 1, Access::Read),
    ]);
}

#[test]
fn the_engine_stops_for_what_is_touched_and_nothing_else_around_the_border_of_a_page() {
    let border = DATA + 0x2000;
    let guest = Guest::new((0..40).map(|offset| border - 20 + offset));
    for (first, length) in [(border - 1, 1), (border, 1), (border, 8), (border - 3, 6)] {
        for access in [Access::Read, Access::Write] {
            guest.check(&[watch(first, length, access)]);
        }
    }
}

#[test]
fn a_store_is_not_taken_for_one_to_the_start_of_its_page() {
    let page = DATA + 0x2000;
    let guest = Guest::new([1, 3, 5, 0x101, 0x7fd].into_iter().map(|offset| page + 0x40 + offset));
    guest.check(&[watch(page, 8, Access::Write), watch(page + 0x400, 8, Access::Write)]);
}
