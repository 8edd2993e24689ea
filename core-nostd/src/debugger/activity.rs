//! What a core was doing when it was halted, in words.

use core::fmt;

use crate::breakpoint::Instruction;
use crate::m_profile;
use crate::registers::{Pstate, StackPointer};
use crate::stepping::QuietStep;
use crate::target::{CoreId, CoreState, Register, SpecialRegister, Target, TargetResult};

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
    /// A core of the M profile was executing, or waiting.
    MProfile {
        /// The number of the exception that it handles, `IPSR`; 0 in Thread mode.
        exception: u16,
        /// Whether the instruction before PC is `WFI` or `WFE`.
        waits: bool,
    },
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
        let Some(pstate) = self.pstate(core)? else { return self.m_profile_activity(core) };
        let pc = self.target.read_register(core, Register::Pc)?;
        let before = pc.wrapping_sub(4);
        let instruction = match pstate.is_aarch32() {
            true => None,
            false => self.fetch(core, before, Instruction::A64),
        };
        let waits = QuietStep::begin(before, instruction, pstate).0.may_wait();
        Ok(if waits { Activity::Waiting(pstate) } else { Activity::Executing(pstate) })
    }

    fn m_profile_activity(&mut self, core: CoreId) -> TargetResult<Activity, T> {
        /// `WFE` and `WFI` (DDI 0403, "WFE", "WFI").
        const WAITS: [u32; 2] = [0xbf20, 0xbf30];
        /// `IPSR` within `XPSR`.
        const EXCEPTION: u64 = 0x1ff;
        let xpsr = self.target.read_register(core, Register::Special(SpecialRegister::Xpsr))?;
        let pc = self.target.read_register(core, Register::Pc)?;
        let before = self.fetch(core, pc.wrapping_sub(2), Instruction::T32);
        let waits = before.is_some_and(|word| WAITS.contains(&(word & 0xffff)));
        Ok(Activity::MProfile { exception: (xpsr & EXCEPTION) as u16, waits })
    }
}

impl fmt::Display for Activity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, pstate) = match self {
            Self::Running => return f.write_str("running"),
            Self::Off => return f.write_str("off"),
            Self::MProfile { .. } if !m_profile::BUILT_IN => return f.write_str("running"),
            Self::MProfile { exception, waits } => {
                f.write_str(if *waits { "in WFI, " } else { "running, " })?;
                return write_exception(f, *exception);
            }
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

/// What an M-profile core handles (DDI 0403 and DDI 0553, "Exception number definition").
fn write_exception(f: &mut fmt::Formatter<'_>, number: u16) -> fmt::Result {
    const FIRST_INTERRUPT: u16 = 16;
    f.write_str(match number {
        0 => "Thread mode",
        1 => "Reset",
        2 => "NMI",
        3 => "HardFault",
        4 => "MemManage",
        5 => "BusFault",
        6 => "UsageFault",
        7 => "SecureFault",
        11 => "SVCall",
        12 => "DebugMonitor",
        14 => "PendSV",
        15 => "SysTick",
        FIRST_INTERRUPT.. => return write!(f, "interrupt {}", number - FIRST_INTERRUPT),
        _ => return write!(f, "exception {number}"),
    })
}
