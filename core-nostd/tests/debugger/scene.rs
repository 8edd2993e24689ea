//! What the tests of the engine have in common.

use crate::recorder::Recorder;
use trapline_core::address::AddressRange;
use trapline_core::breakpoint::{Breakpoint, Instruction};
use trapline_core::debugger::{Debugger, Outcome, Request};
use trapline_core::pool::Owner;
use trapline_core::scope::Scope;
use trapline_core::target::{CoreId, Event, Register, SystemRegister};
use trapline_core::watchpoint::{Access, Watchpoint};

/// PSTATE of a core at EL1 with interrupts masked for a step.
pub(crate) const QUIET: u64 = 0b0101 | 0b0111 << 6;
/// PSTATE of a core at EL1 with interrupts on.
pub(crate) const OPEN: u64 = 0b0101;

pub(crate) type Engine = Debugger<Recorder, 4, 16>;

pub(crate) fn engine(cores: u16) -> Engine {
    Debugger::new(Recorder::new(cores)).unwrap()
}

pub(crate) fn insert(engine: &mut Engine, request: Request) {
    engine.insert(CoreId(0), request, Owner::DEBUGGER).unwrap();
}

pub(crate) fn hardware(address: u64) -> Request {
    Request::Breakpoint(Breakpoint::at(address, Instruction::A64, Scope::EL1_AND_EL0).unwrap())
}

pub(crate) fn software(address: u64) -> Request {
    Request::Software { address, instruction: Instruction::A64 }
}

pub(crate) fn watch(address: u64, length: u64, access: Access) -> Request {
    let range = AddressRange::new(address, length).unwrap();
    Request::Watchpoint(Watchpoint::new(range, access, Scope::EL1_AND_EL0))
}

/// A core halts at `pc` with `event`; what the engine makes of it.
pub(crate) fn event(engine: &mut Engine, core: u16, pc: u64, event: Event) -> Outcome {
    engine.target_mut().halts(core, pc);
    engine.on_event(CoreId(core), event).unwrap()
}

/// What a guest must have set to take breakpoint exceptions from EL1: MDE and KDE.
pub(crate) fn debugs_itself(engine: &mut Engine) {
    engine.target_mut().set(0, Register::System(SystemRegister::MDSCR_EL1), 1 << 15 | 1 << 13);
}
