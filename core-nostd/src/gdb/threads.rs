//! Threads: the cores, and what they are doing.

use core::fmt::{self, Write as _};

use crate::debugger::{Activity, Debugger};
use crate::stop::StopReason;
use crate::target::{CoreId, Target, TargetError};

use super::failure::{Failure, Handled};
use super::packet::Thread;
use super::session::Exchange;

/// The most threads in one packet of a list.
const IN_A_LIST: usize = 32;

impl<T: Target, const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize>
    Exchange<'_, '_, T, CORES, SOFTWARE, BYTECODE>
{
    /// Appends a thread's number.
    pub(super) fn write_thread(&mut self, core: CoreId) {
        self.reply.number(u64::from(core.0) + 1);
    }

    /// The next threads of the list, or its end.
    pub(super) fn list_threads(&mut self, first: bool) {
        let begin = if first { 0 } else { self.session.listed };
        let mut separator = b'm';
        for core in self.threads().skip(usize::from(begin)).take(IN_A_LIST) {
            self.reply.byte(core::mem::replace(&mut separator, b','));
            self.write_thread(core);
            self.session.listed = core.0 + 1;
        }
        if separator == b'm' {
            self.reply.byte(b'l');
        }
    }

    /// Answers `qThreadExtraInfo`.
    pub(super) fn write_thread_name(&mut self, thread: Thread) -> Handled<(), T::Error> {
        let core = self.core_of(thread)?;
        let name = self.thread_name(core)?;
        // A reply takes any text that fits.
        let _ = write!(self.reply.hex_text(), "{name}");
        Ok(())
    }

    pub(super) fn thread_name(&mut self, core: CoreId) -> Handled<ThreadName, T::Error> {
        ThreadName::of(self.debugger, core).map_err(Failure::from)
    }

    /// What lldb wants to know of all threads at every stop: their numbers and program counters, and the reason.
    pub(super) fn write_threads_for_stop(&mut self, reason: Option<StopReason>) {
        self.reply.text("threads:");
        for core in self.debugger.core_ids() {
            if core.0 > 0 {
                self.reply.byte(b',');
            }
            self.write_thread(core);
        }
        self.reply.text(";reason:");
        self.reply.text(reason_for_lldb(reason));
        self.reply.byte(b';');
        if let Some(StopReason::Watchpoint { watchpoint, .. }) = reason {
            // lldb 18 and newer find a watchpoint by its first address alone, and the hit may be anywhere in it.
            self.reply.text("description:");
            // A reply takes any text that fits.
            let _ = write!(self.reply.hex_text(), "{}", watchpoint.range().first());
            self.reply.byte(b';');
        }
    }
}

/// A stop's reason as lldb calls it.
pub(super) const fn reason_for_lldb(reason: Option<StopReason>) -> &'static str {
    match reason {
        None => "none",
        Some(StopReason::Breakpoint | StopReason::SoftwareBreakpoint) => "breakpoint",
        Some(StopReason::Watchpoint { .. }) => "watchpoint",
        Some(StopReason::Step) => "trace",
        Some(StopReason::LockedUp) => "exception",
        Some(StopReason::Interrupt | StopReason::ExternalRequest) => "signal",
    }
}

/// What a thread is called: the core by what its target calls it, and what it is doing.
#[derive(Clone, Copy, Debug)]
pub(super) struct ThreadName {
    kind: &'static str,
    core: CoreId,
    activity: Activity,
}

impl ThreadName {
    pub(super) fn of<T: Target, const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize>(
        debugger: &mut Debugger<T, CORES, SOFTWARE, BYTECODE>,
        core: CoreId,
    ) -> Result<Self, TargetError<T::Error>> {
        let activity = debugger.activity(core)?;
        Ok(Self { kind: debugger.target().core_kind(), core, activity })
    }
}

impl fmt::Display for ThreadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, core: CoreId(number), activity } = self;
        write!(f, "{kind} {number} [{activity}]")
    }
}
