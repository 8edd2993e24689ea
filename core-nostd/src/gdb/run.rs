//! Running on, and telling the client why the target stopped.

use gdbstub::common::{Signal, Tid};
use gdbstub::conn;
use gdbstub::stub::state_machine::{GdbStubStateMachine, GdbStubStateMachineInner, state};
use gdbstub::stub::{DisconnectReason, GdbStubError, MultiThreadStopReason};
use gdbstub::target::ext::base::multithread::{
    MultiThreadRangeStepping, MultiThreadRangeSteppingOps, MultiThreadResume, MultiThreadSchedulerLocking,
    MultiThreadSchedulerLockingOps, MultiThreadSingleStep, MultiThreadSingleStepOps,
};
use gdbstub::target::ext::breakpoints::WatchKind;

use crate::debugger::{Action, Debugger};
use crate::stop::{Stop, StopReason};
use crate::target::{CoreId, Register, Target, TargetError};
use crate::watchpoint::Access;

use super::Closed;
use super::arch::RegisterNumber;

/// gdb's thread number of a core: thread numbers begin at 1.
pub(super) fn thread(core: CoreId) -> Tid {
    Tid::MIN.saturating_add(usize::from(core.0))
}

/// The core behind a thread number; one that no target has where the number is too large.
pub(super) fn core(thread: Tid) -> CoreId {
    CoreId(u16::try_from(thread.get() - 1).unwrap_or(u16::MAX))
}

/// A stop in gdbstub's words.
pub(super) fn stop_reason(stop: Stop) -> MultiThreadStopReason<u64> {
    let tid = thread(stop.core);
    match stop.reason {
        StopReason::Breakpoint => MultiThreadStopReason::HwBreak(tid),
        StopReason::SoftwareBreakpoint => MultiThreadStopReason::SwBreak(tid),
        StopReason::Watchpoint { watchpoint, address, .. } => {
            let kind = match watchpoint.access() {
                Access::Read => WatchKind::Read,
                Access::Write => WatchKind::Write,
                Access::ReadWrite => WatchKind::ReadWrite,
            };
            MultiThreadStopReason::Watch { tid, kind, addr: address }
        }
        StopReason::Step | StopReason::ExternalRequest => {
            MultiThreadStopReason::SignalWithThread { tid, signal: Signal::SIGTRAP }
        }
        StopReason::Interrupt => MultiThreadStopReason::SignalWithThread { tid, signal: Signal::SIGINT },
    }
}

/// How a session ended, in our words.
pub(super) fn closed(reason: DisconnectReason) -> Closed {
    match reason {
        DisconnectReason::TargetExited(_) | DisconnectReason::TargetTerminated(_) => Closed::Exited,
        DisconnectReason::Disconnect => Closed::Detached,
        DisconnectReason::Kill => Closed::Killed,
    }
}

/// The protocol engine after a stop was reported.
type Reported<'b, T, W, const CORES: usize, const SOFTWARE: usize> = Result<
    GdbStubStateMachine<'b, Debugger<T, CORES, SOFTWARE>, W>,
    GdbStubError<<T as crate::target::Backend>::Error, <W as conn::Connection>::Error>,
>;

/// Tells the client of `stop`, with the registers that it asks for at every stop.
pub(super) fn report<'b, T: Target, W: conn::Connection, const CORES: usize, const SOFTWARE: usize>(
    machine: GdbStubStateMachineInner<'b, state::Running, Debugger<T, CORES, SOFTWARE>, W>,
    debugger: &mut Debugger<T, CORES, SOFTWARE>,
    stop: Stop,
) -> Reported<'b, T, W, CORES, SOFTWARE> {
    let mut values = [(RegisterNumber::Pc, [0; 8]); 4];
    let mut count = 0;
    let stack_pointer = debugger.stack_pointer(stop.core).ok();
    let wanted = [
        (RegisterNumber::Pc, Some(Register::Pc)),
        (RegisterNumber::Sp, stack_pointer),
        (RegisterNumber::X(29), Some(Register::X(29))),
        (RegisterNumber::X(30), Some(Register::X(30))),
    ];
    for (number, register) in wanted {
        let Some(Ok(value)) = register.map(|register| debugger.read_register(stop.core, register)) else {
            continue;
        };
        if let Some(place) = values.get_mut(count) {
            *place = (number, value.to_le_bytes());
            count += 1;
        }
    }
    let mut registers = values.iter().take(count).map(|(number, bytes)| (*number, bytes.as_slice()));
    machine.report_stop_with_regs(debugger, stop_reason(stop), &mut registers)
}

impl<T: Target, const CORES: usize, const SOFTWARE: usize> Debugger<T, CORES, SOFTWARE> {
    /// Sets an action of the client's. A thread that does not exist is not worth losing the session for.
    fn set_client_action(&mut self, tid: Tid, action: Action) {
        let _ = self.set_action(core(tid), action);
    }
}

impl<T: Target, const CORES: usize, const SOFTWARE: usize> MultiThreadResume
    for Debugger<T, CORES, SOFTWARE>
{
    fn resume(&mut self) -> Result<(), T::Error> {
        match Self::resume(self) {
            Ok(()) => Ok(()),
            // What could not be started stays halted; the client's interrupt gets it back.
            Err(TargetError::Refused(_)) => Ok(()),
            Err(TargetError::Lost(error)) => Err(error),
        }
    }

    fn clear_resume_actions(&mut self) -> Result<(), T::Error> {
        self.clear_actions();
        Ok(())
    }

    fn set_resume_action_continue(&mut self, tid: Tid, _signal: Option<Signal>) -> Result<(), T::Error> {
        self.set_client_action(tid, Action::Continue);
        Ok(())
    }

    fn support_single_step(&mut self) -> Option<MultiThreadSingleStepOps<'_, Self>> {
        Some(self)
    }

    fn support_range_step(&mut self) -> Option<MultiThreadRangeSteppingOps<'_, Self>> {
        Some(self)
    }

    fn support_scheduler_locking(&mut self) -> Option<MultiThreadSchedulerLockingOps<'_, Self>> {
        Some(self)
    }
}

impl<T: Target, const CORES: usize, const SOFTWARE: usize> MultiThreadSingleStep
    for Debugger<T, CORES, SOFTWARE>
{
    fn set_resume_action_step(&mut self, tid: Tid, _signal: Option<Signal>) -> Result<(), T::Error> {
        self.set_client_action(tid, Action::Step);
        Ok(())
    }
}

impl<T: Target, const CORES: usize, const SOFTWARE: usize> MultiThreadRangeStepping
    for Debugger<T, CORES, SOFTWARE>
{
    fn set_resume_action_range_step(&mut self, tid: Tid, start: u64, end: u64) -> Result<(), T::Error> {
        self.set_client_action(tid, Action::StepRange { start, end });
        Ok(())
    }
}

impl<T: Target, const CORES: usize, const SOFTWARE: usize> MultiThreadSchedulerLocking
    for Debugger<T, CORES, SOFTWARE>
{
    /// Threads that the client named keep their action; all others, which still have the default, hold.
    fn set_resume_action_scheduler_lock(&mut self) -> Result<(), T::Error> {
        self.hold_others();
        Ok(())
    }
}
