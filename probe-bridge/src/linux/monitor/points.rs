//! Breakpoints and watchpoints for one thread: comparators linked to its number in `CONTEXTIDR_EL1`.
//!
//! They have an owner of their own: a client passes over stops at places where it knows of no breakpoint, unless
//! they are told to it as plain traps.

use std::fmt;

use trapline_core::address::AddressRange;
use trapline_core::breakpoint::{Breakpoint, Context, Instruction};
use trapline_core::debugger::Request;
use trapline_core::pool::Owner;
use trapline_core::target::Target;
use trapline_core::watchpoint::{Access, Watchpoint};

use super::Said;
use super::halted::Halted;
use crate::linux::live::{self, Live};

/// Whose they are.
pub(super) const OWNER: Owner = Owner(4);

/// What is to be trapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// The instruction at an address.
    Instruction(u64),
    /// Accesses of bytes.
    Data(AddressRange, Access),
}

/// What is to be trapped, and in which thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Point {
    pub(super) place: Place,
    pub(super) pid: u32,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Place::Instruction(address) => write!(f, "breakpoint at {address:#x}")?,
            Place::Data(range, access) => write!(f, "watchpoint, {access} of {range}")?,
        }
        write!(f, ", PID {}", self.pid)
    }
}

/// One that is inserted.
#[derive(Clone, Copy, Debug)]
struct Inserted {
    number: u32,
    point: Point,
    request: Request,
}

/// Those that a client has inserted.
#[derive(Debug, Default)]
pub(super) struct Points {
    inserted: Vec<Inserted>,
    last: u32,
}

impl Points {
    /// Inserts one.
    ///
    /// # Errors
    /// Why that cannot be.
    pub(super) fn insert<T: Target, const CORES: usize, const SOFTWARE: usize>(
        &mut self,
        memory: &mut Halted<'_, T, CORES, SOFTWARE>,
        live: &Live<'_>,
        point: Point,
    ) -> Said<String> {
        if !live.kernel.keeps_pid_in_context() {
            return Err("this kernel does not keep the PID in CONTEXTIDR_EL1: its __switch_to does not write that \
                        register (CONFIG_PID_IN_CONTEXTIDR is off), so no comparator can tell its threads apart"
                .to_owned());
        }
        if let Some(known) = self.inserted.iter().find(|known| known.point == point) {
            return Err(format!("that is number {} already", known.number));
        }
        let context = context(point.pid);
        let scope = memory.debugger.target().scope();
        let core = memory.core;
        let request = match point.place {
            Place::Instruction(address) => {
                let breakpoint =
                    Breakpoint::at(address, Instruction::A64, scope).map_err(|error| error.to_string())?;
                Request::Breakpoint(breakpoint.linked(context))
            }
            Place::Data(range, access) => {
                let target = Breakpoint::link_target(context);
                let insert = memory.debugger.insert(core, Request::Breakpoint(target), OWNER);
                insert.map_err(|error| error.to_string())?;
                let watchpoint = Watchpoint::new(range, access, scope);
                match memory.debugger.breakpoints().number(&target) {
                    Some(number) => Request::Watchpoint(watchpoint.linked_to(number)),
                    None => return Err("the comparator for the context is gone".to_owned()),
                }
            }
        };
        if let Err(error) = memory.debugger.insert(core, request, OWNER) {
            self.release_context(memory, point.pid)?;
            return Err(error.to_string());
        }
        self.last += 1;
        self.inserted.push(Inserted { number: self.last, point, request });
        let tasks = live::tasks(live, memory).unwrap_or_default();
        let known = tasks.iter().any(|task| task.pid == point.pid);
        let note = if known { "" } else { "; no thread has this PID now" };
        Ok(format!("{}: {point}{note}\n", self.last))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.inserted.is_empty()
    }

    /// What is inserted, a line each.
    pub(super) fn list(&self) -> String {
        let mut text = String::new();
        for Inserted { number, point, .. } in &self.inserted {
            text += &format!("{number}: {point}\n");
        }
        if text.is_empty() { "none\n".to_owned() } else { text }
    }

    /// Removes one, or all.
    ///
    /// # Errors
    /// Where there is none of the number, or it cannot be removed.
    pub(super) fn delete<T: Target, const CORES: usize, const SOFTWARE: usize>(
        &mut self,
        memory: &mut Halted<'_, T, CORES, SOFTWARE>,
        number: Option<u32>,
    ) -> Said<String> {
        let chosen = |inserted: &Inserted| number.is_none_or(|number| inserted.number == number);
        let mut deleted = 0;
        while let Some(index) = self.inserted.iter().position(chosen) {
            let Inserted { request, point, .. } = self.inserted.remove(index);
            memory.debugger.remove(request, OWNER).map_err(|error| error.to_string())?;
            self.release_context(memory, point.pid)?;
            deleted += 1;
        }
        match (deleted, number) {
            (0, Some(number)) => Err(format!("there is no number {number}")),
            (count, _) => Ok(format!("{count} removed\n")),
        }
    }

    /// Gives the comparator for a context back when no watchpoint is linked to it any more. The pool counts
    /// itself which breakpoints are.
    fn release_context<T: Target, const CORES: usize, const SOFTWARE: usize>(
        &self,
        memory: &mut Halted<'_, T, CORES, SOFTWARE>,
        pid: u32,
    ) -> Said<()> {
        let is_linked = |inserted: &Inserted| {
            inserted.point.pid == pid && matches!(inserted.point.place, Place::Data(..))
        };
        let target = Breakpoint::link_target(context(pid));
        let held = memory.debugger.breakpoints().iter().any(|reserved| reserved.breakpoint == target);
        if held && !self.inserted.iter().any(is_linked) {
            let target = Request::Breakpoint(target);
            memory.debugger.remove(target, OWNER).map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}

/// The context that a thread runs in.
const fn context(pid: u32) -> Context {
    Context::ContextId(pid)
}
