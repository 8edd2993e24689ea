//! A target that starts over, as after a reset, with everything that is inserted kept.

use crate::stop::{Stop, StopReason};
use crate::target::{CoreId, Register, Target, TargetError, TargetResult};

use super::arming::Committed;
use super::{Core, Debugger, Outcome};

impl<T: Target, const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize>
    Debugger<T, CORES, SOFTWARE, BYTECODE>
{
    /// Whether [`Self::restart`] leaves the target halted at its first instruction, for a client that wants
    /// to see that. [`Self::detach`] takes it back.
    pub const fn stop_at_restart(&mut self, stop: bool) {
        self.stops_at_restart = stop;
    }

    /// Starts the target over: all cores are halted, memory is given back as the guest had it, and `reset`
    /// brings the target to its first state. What is inserted stays inserted, and is armed when the target
    /// next runs; a software breakpoint is planted at the physical address that it had.
    ///
    /// The target runs on, unless a stop is wanted, which [`Self::stop`] then has as
    /// [`StopReason::ExternalRequest`].
    ///
    /// # Errors
    /// [`TargetError`]; the target is halted then.
    pub fn restart(
        &mut self,
        reset: impl FnOnce(&mut T) -> Result<(), T::Error>,
    ) -> TargetResult<Outcome, T> {
        for core in self.core_ids() {
            self.halt(core)?;
        }
        self.lift()?;
        reset(&mut self.target).map_err(TargetError::Lost)?;
        self.alone = None;
        self.regimes.forget();
        #[cfg(feature = "quick-steps")]
        self.simple.forget();
        for core in &mut self.cores {
            *core = Core { action: core.action, committed: Committed::Other, ..Core::default() };
        }
        if !self.stops_at_restart {
            self.resume()?;
            return Ok(Outcome::Resumed);
        }
        let core = CoreId(0);
        let pc = self.target.read_register(core, Register::Pc)?;
        self.stop = Some(Stop { core, pc, reason: StopReason::ExternalRequest });
        Ok(Outcome::Stopped)
    }
}
