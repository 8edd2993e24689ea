//! What a core was doing when it was halted, in words.

use core::fmt;

use crate::breakpoint::Instruction;
use crate::registers::{Pstate, StackPointer};
use crate::stepping::QuietStep;
use crate::target::{CoreId, CoreState, Register, Target, TargetResult};

use super::Debugger;

/// What a core was doing when it was halted. Its [`fmt::Display`] is what a client shows: `running, EL1h`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Activity {
    /// It is not halted.
    Running,
    /// It was executing.
    Executing(Pstate),
    /// It was waiting for an interrupt or an event: the instruction before PC is `WFI`, `WFE` or a timed
    /// form of them.
    Waiting(Pstate),
    /// It is powered off.
    Off,
}

impl<T: Target, const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize>
    Debugger<T, CORES, SOFTWARE, BYTECODE>
{
    /// What a core is doing, or was doing when it was halted.
    ///
    /// # Errors
    /// As [`crate::target::RunControl::core_state`] and [`Self::read_register`].
    pub fn activity(&mut self, core: CoreId) -> TargetResult<Activity, T> {
        match self.target.core_state(core)? {
            CoreState::Running => return Ok(Activity::Running),
            CoreState::Off => return Ok(Activity::Off),
            CoreState::Halted => {}
        }
        let pstate = Pstate::from(self.target.read_register(core, Register::Pstate)?);
        let pc = self.target.read_register(core, Register::Pc)?;
        let before = pc.wrapping_sub(4);
        let instruction = match pstate.is_aarch32() {
            true => None,
            false => self.fetch(core, before, Instruction::A64),
        };
        let waits = QuietStep::begin(before, instruction, pstate).0.may_wait();
        Ok(if waits { Activity::Waiting(pstate) } else { Activity::Executing(pstate) })
    }
}

impl fmt::Display for Activity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, pstate) = match self {
            Self::Running => return f.write_str("running"),
            Self::Off => return f.write_str("off"),
            Self::Executing(pstate) => ("running, ", pstate),
            Self::Waiting(pstate) => ("in WFI, ", pstate),
        };
        f.write_str(what)?;
        pstate.exception_level().fmt(f)?;
        f.write_str(match pstate.stack_pointer_selector() {
            _ if pstate.is_aarch32() => " in AArch32",
            StackPointer::El0 => "t",
            StackPointer::ElX => "h",
        })
    }
}
