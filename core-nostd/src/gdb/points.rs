//! Breakpoints and watchpoints: the `Z` and `z` packets.
//!
//! A packet is honoured exactly or answered with an error; the same packet twice is one breakpoint.

use gdbstub::target::TargetResult as GdbResult;
use gdbstub::target::ext::breakpoints::{
    Breakpoints, HwBreakpoint, HwBreakpointOps, HwWatchpoint, HwWatchpointOps, SwBreakpoint, SwBreakpointOps,
    WatchKind,
};

use crate::address::AddressRange;
use crate::breakpoint::Breakpoint;
use crate::debugger::{Debugger, InsertError, Request};
use crate::pool::Owner;
use crate::registers::Pstate;
use crate::target::{CoreId, Register, Target, TargetError};
use crate::watchpoint::{Access, Watchpoint};

use super::arch::InstructionKind;

impl<T: Target, const CORES: usize, const SOFTWARE: usize> Breakpoints for Debugger<T, CORES, SOFTWARE> {
    fn support_sw_breakpoint(&mut self) -> Option<SwBreakpointOps<'_, Self>> {
        Some(self)
    }

    fn support_hw_breakpoint(&mut self) -> Option<HwBreakpointOps<'_, Self>> {
        Some(self)
    }

    fn support_hw_watchpoint(&mut self) -> Option<HwWatchpointOps<'_, Self>> {
        Some(self)
    }
}

impl<T: Target, const CORES: usize, const SOFTWARE: usize> SwBreakpoint for Debugger<T, CORES, SOFTWARE> {
    fn add_sw_breakpoint(&mut self, address: u64, kind: InstructionKind) -> GdbResult<bool, Self> {
        let request = self.software_request(address, kind);
        answer(self.insert(self.current_core(), request, Owner::DEBUGGER))
    }

    fn remove_sw_breakpoint(&mut self, address: u64, kind: InstructionKind) -> GdbResult<bool, Self> {
        let request = self.software_request(address, kind);
        answer(self.remove(request, Owner::DEBUGGER))
    }
}

impl<T: Target, const CORES: usize, const SOFTWARE: usize> HwBreakpoint for Debugger<T, CORES, SOFTWARE> {
    fn add_hw_breakpoint(&mut self, address: u64, kind: InstructionKind) -> GdbResult<bool, Self> {
        match self.hardware_request(address, kind) {
            Some(request) => answer(self.insert(self.current_core(), request, Owner::DEBUGGER)),
            None => Ok(false),
        }
    }

    fn remove_hw_breakpoint(&mut self, address: u64, kind: InstructionKind) -> GdbResult<bool, Self> {
        match self.hardware_request(address, kind) {
            Some(request) => answer(self.remove(request, Owner::DEBUGGER)),
            None => Ok(false),
        }
    }
}

impl<T: Target, const CORES: usize, const SOFTWARE: usize> HwWatchpoint for Debugger<T, CORES, SOFTWARE> {
    fn add_hw_watchpoint(&mut self, address: u64, length: u64, kind: WatchKind) -> GdbResult<bool, Self> {
        match self.watch_request(address, length, kind) {
            Some(request) => answer(self.insert(self.current_core(), request, Owner::DEBUGGER)),
            None => Ok(false),
        }
    }

    fn remove_hw_watchpoint(&mut self, address: u64, length: u64, kind: WatchKind) -> GdbResult<bool, Self> {
        match self.watch_request(address, length, kind) {
            Some(request) => answer(self.remove(request, Owner::DEBUGGER)),
            None => Ok(false),
        }
    }
}

/// An insertion or a removal in gdbstub's words: done, refused, or the target is lost.
fn answer<E, G>(result: Result<(), InsertError<E>>) -> Result<bool, gdbstub::target::TargetError<G>>
where
    G: From<E>,
{
    match result {
        Ok(()) => Ok(true),
        Err(InsertError::Target(TargetError::Lost(error))) => {
            Err(gdbstub::target::TargetError::Fatal(error.into()))
        }
        Err(_) => Ok(false),
    }
}

impl<T: Target, const CORES: usize, const SOFTWARE: usize> Debugger<T, CORES, SOFTWARE> {
    /// The core that the client looks at: the one that stopped last. `Z` packets name no thread.
    pub(super) fn current_core(&self) -> CoreId {
        self.stop().map_or(CoreId(0), |stop| stop.core)
    }

    fn is_aarch32(&mut self) -> bool {
        let core = self.current_core();
        self.read_register(core, Register::Pstate).is_ok_and(|pstate| Pstate::from(pstate).is_aarch32())
    }

    fn software_request(&mut self, address: u64, kind: InstructionKind) -> Request {
        Request::Software { address, instruction: kind.instruction(self.is_aarch32()) }
    }

    fn hardware_request(&mut self, address: u64, kind: InstructionKind) -> Option<Request> {
        let instruction = kind.instruction(self.is_aarch32());
        Breakpoint::at(address, instruction, self.target().scope()).ok().map(Request::Breakpoint)
    }

    fn watch_request(&self, address: u64, length: u64, kind: WatchKind) -> Option<Request> {
        let access = match kind {
            WatchKind::Read => Access::Read,
            WatchKind::Write => Access::Write,
            WatchKind::ReadWrite => Access::ReadWrite,
        };
        let range = AddressRange::new(address, length).ok()?;
        Some(Request::Watchpoint(Watchpoint::new(range, access, self.target().scope())))
    }
}
