//! Giving an exception back to the guest.

use crate::injection::{Before, Exception, Features, enter_el1};
use crate::registers::{Pstate, SctlrEl1};
use crate::stop::{Cause, StopReason};
use crate::target::{CoreId, Event, Refusal, Register, SystemRegister, Target, TargetResult};

use super::resume::Goal;
use super::{Debugger, Outcome};

impl<T: Target, const CORES: usize, const SOFTWARE: usize> Debugger<T, CORES, SOFTWARE> {
    /// Delivers an exception that is not ours to EL1 of the guest, and runs on. A client that was
    /// stepping is at the vector then.
    ///
    /// Where there is nothing to deliver, or no way to, the client is told of a stop instead: a core
    /// must not run on as if nothing had happened.
    pub(super) fn give_back(&mut self, core: CoreId, event: Event, goal: Goal) -> TargetResult<Outcome, T> {
        let Event::DebugException { syndrome, fault_address } = event else {
            return self.stop_all(core, StopReason::ExternalRequest, crate::pool::Slots::NONE);
        };
        let fault_address = match Cause::of(&event) {
            Cause::Watchpoint { .. } => Some(fault_address),
            _ => None,
        };
        self.inject(core, &Exception { syndrome, fault_address })?;
        self.after_step(core, goal)
    }

    /// Lets EL1 of a halted core take a synchronous exception, as hardware would have delivered it.
    ///
    /// # Errors
    /// [`crate::target::TargetError`]; refused for a core in AArch32 state and for one at EL2 or EL3.
    pub fn inject(&mut self, core: CoreId, exception: &Exception) -> TargetResult<(), T> {
        let pstate = Pstate::from(self.target.read_register(core, Register::Pstate)?);
        if pstate.is_aarch32() {
            return Err(Refusal::Unsupported("exceptions of AArch32 code cannot be delivered yet").into());
        }
        let before = Before {
            pc: self.target.read_register(core, Register::Pc)?,
            pstate,
            vbar_el1: self.read_system(core, SystemRegister::VBAR_EL1)?,
            sctlr_el1: SctlrEl1::from(self.read_system(core, SystemRegister::SCTLR_EL1)?),
            // Without FEAT_GCS, which no guest of ours has, this is clear.
            exlock_enabled: false,
            features: self.exception_features(core)?,
        };
        let after = enter_el1(&before, exception);
        let writes = [
            (Register::System(SystemRegister::ELR_EL1), Some(after.elr_el1)),
            (Register::System(SystemRegister::SPSR_EL1), Some(after.spsr_el1.into_bits())),
            (Register::System(SystemRegister::ESR_EL1), Some(after.esr_el1)),
            (Register::System(SystemRegister::FAR_EL1), after.far_el1),
            (Register::Pstate, Some(after.pstate.into_bits())),
            (Register::Pc, Some(after.pc)),
        ];
        for (register, value) in writes {
            if let Some(value) = value {
                self.target.write_register(core, register, value)?;
            }
        }
        Ok(())
    }

    /// What the core's ID registers say about exceptions, read once.
    fn exception_features(&mut self, core: CoreId) -> TargetResult<Features, T> {
        if let Some(features) = self.features {
            return Ok(features);
        }
        let features = Features::from_id_registers(
            self.read_identification(core, SystemRegister::ID_AA64PFR1_EL1)?,
            self.read_identification(core, SystemRegister::ID_AA64MMFR1_EL1)?,
            self.read_identification(core, SystemRegister::ID_AA64DFR1_EL1)?,
        );
        self.features = Some(features);
        Ok(features)
    }
}
