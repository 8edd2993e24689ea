//! Giving an exception back to the guest.

use crate::aarch32::{register, spsr};
use crate::injection::{Before, DebugControls, Exception, Features, aarch32, enter_el1};
use crate::pool::Slots;
use crate::registers::{ExceptionLevel, MdscrEl1, Mode, OslsrEl1, Pstate, SctlrEl1};
use crate::stop::{Cause, StopReason};
use crate::syndrome::Syndrome;
use crate::target::{CoreId, Event, Refusal, Register, SystemRegister, Target, TargetResult};

use super::resume::Goal;
use super::{Debugger, Outcome};

impl<T: Target, const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize>
    Debugger<T, CORES, SOFTWARE, BYTECODE>
{
    /// Delivers an exception that is not ours to EL1 of the guest, and runs on. A client that was
    /// stepping is at the vector then. One of the guest's own comparators that the guest would not have
    /// taken is passed instead.
    ///
    /// Where there is nothing to deliver, or no way to, the client is told of a stop instead: a core
    /// must not run on as if nothing had happened.
    pub(super) fn give_back(&mut self, core: CoreId, event: Event, goal: Goal) -> TargetResult<Outcome, T> {
        let Event::DebugException { syndrome, fault_address } = event else {
            return self.stop_all(core, StopReason::ExternalRequest, Slots::NONE);
        };
        let cause = Cause::of(&event);
        if matches!(cause, Cause::Breakpoint | Cause::Watchpoint { .. }) && !self.takes_itself(core)? {
            return self.pass(core, Slots::NONE, true, goal);
        }
        let fault_address = match cause {
            Cause::Watchpoint { .. } => Some(fault_address),
            _ => None,
        };
        self.inject(core, &Exception { syndrome, fault_address })?;
        self.after_step(core, goal)
    }

    /// Whether a halted core would take exceptions of the guest's own comparators if they were not routed
    /// to the debugger.
    pub(super) fn takes_itself(&mut self, core: CoreId) -> TargetResult<bool, T> {
        let controls = DebugControls {
            mdscr_el1: MdscrEl1::from(self.read_system(core, SystemRegister::MDSCR_EL1)?),
            // A guest that has no OS Lock cannot have locked it.
            oslsr_el1: OslsrEl1::from(self.read_identification(core, SystemRegister::OSLSR_EL1)?),
            el1_uses_aarch32: self.el1_uses_aarch32(core)?,
        };
        let pstate = Pstate::from(self.target.read_register(core, Register::Pstate)?);
        Ok(controls.enable_comparators(pstate))
    }

    /// Lets EL1 of a halted core take a synchronous exception, as hardware would have delivered it.
    ///
    /// # Errors
    /// [`crate::target::TargetError`]; refused for a core at EL2 or EL3 or of the M profile, and for an exception that
    /// an EL1 that uses AArch32 does not know.
    pub fn inject(&mut self, core: CoreId, exception: &Exception) -> TargetResult<(), T> {
        let pstate = self.pstate(core)?;
        let Some(pstate) = pstate.filter(|pstate| pstate.exception_level() <= ExceptionLevel::El1) else {
            return Err(Refusal::Unsupported("exceptions can be delivered to EL1 only").into());
        };
        if self.el1_uses_aarch32(core)? {
            self.inject_aarch32(core, pstate, exception)
        } else {
            self.inject_aarch64(core, pstate, exception)
        }
    }

    fn inject_aarch64(&mut self, core: CoreId, pstate: Pstate, exception: &Exception) -> TargetResult<(), T> {
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
        self.write_system(core, SystemRegister::ELR_EL1, after.elr_el1)?;
        self.write_system(core, SystemRegister::SPSR_EL1, after.spsr_el1.into_bits())?;
        self.write_system(core, SystemRegister::ESR_EL1, after.esr_el1)?;
        if let Some(far) = after.far_el1 {
            self.write_system(core, SystemRegister::FAR_EL1, far)?;
        }
        self.target.write_register(core, Register::Pstate, after.pstate.into_bits())?;
        self.target.write_register(core, Register::Pc, after.pc)
    }

    fn inject_aarch32(&mut self, core: CoreId, pstate: Pstate, exception: &Exception) -> TargetResult<(), T> {
        let syndrome = Syndrome::decode(exception.syndrome);
        let fault_address = exception.fault_address.unwrap_or(0);
        let debug_exception = aarch32::DebugException::from_syndrome(&syndrome, fault_address)
            .ok_or(Refusal::Unsupported("an EL1 that uses AArch32 knows no such exception"))?;
        let features = self.exception_features(core)?;
        let before = aarch32::Before {
            pc: self.target.read_register(core, Register::Pc)? as u32,
            cpsr: pstate.aarch32().ok_or(Refusal::Unsupported("the core is not in AArch32 state"))?,
            sctlr: SctlrEl1::from(self.read_system(core, SystemRegister::SCTLR_EL1)?),
            vbar: self.read_system(core, SystemRegister::VBAR_EL1)? as u32,
            long_descriptors: self.read_system(core, SystemRegister::TCR_EL1)? >> 31 & 1 != 0,
            dbgdscr: self.read_system(core, SystemRegister::MDSCR_EL1)? as u32,
            pan: features.pan,
            ssbs: features.ssbs,
        };
        let after = aarch32::enter_el1(&before, debug_exception);
        let high = |old: u64| old & !u64::from(u32::MAX);
        match after.fault {
            aarch32::Fault::Prefetch { ifsr } => {
                self.write_system(core, SystemRegister::IFSR32_EL2, ifsr.into())?;
            }
            aarch32::Fault::Data { dfsr, dfar } => {
                self.write_system(core, SystemRegister::ESR_EL1, dfsr.into())?;
                // The upper half is IFAR.
                let far = high(self.read_system(core, SystemRegister::FAR_EL1)?) | u64::from(dfar);
                self.write_system(core, SystemRegister::FAR_EL1, far)?;
            }
        }
        self.write_system(core, SystemRegister::MDSCR_EL1, after.dbgdscr.into())?;
        if let Some(lr) = register(Mode::Abort, 14) {
            self.target.write_register(core, lr, after.lr_abt.into())?;
        }
        if let Some(spsr) = spsr(Mode::Abort) {
            self.write_system(core, spsr, after.spsr_abt.into_bits().into())?;
        }
        // SS and DIT have other places in PSTATE than in CPSR.
        let pstate = after.cpsr.to_pstate(false);
        self.target.write_register(core, Register::Pstate, pstate.into_bits())?;
        self.target.write_register(core, Register::Pc, after.pc.into())
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
