//! The guest's virtual time, which stands still while the guest is stopped.

use trapline_core::target::SystemRegister;

use crate::error::Error;
use crate::host_instructions;
use crate::register_id::RegisterId;
use crate::vcpu::KvmVcpu;

/// A stop shorter than this part of a second is not made up for: it is the debugger's own, as for a
/// condition that is false, and shorter than what a guest's timers can tell from a busy host.
const SHORTEST_STOP: u64 = 1000;

/// Whether and how the guest's counters are set back after a stop.
///
/// The guest's counters are the host's less an offset, and they run on while no vCPU runs. Writing
/// `CNTVCT_EL0` of one vCPU moves the offset of all (KVM API, section 4.68; Linux,
/// arch/arm64/kvm/arch_timer.c).
#[derive(Debug)]
pub(crate) struct VirtualTime {
    hold: bool,
    shortest: u64,
}

impl Default for VirtualTime {
    fn default() -> Self {
        Self { hold: true, shortest: host_instructions::counter_frequency() / SHORTEST_STOP }
    }
}

impl VirtualTime {
    pub(crate) const fn hold(&mut self, hold: bool) {
        self.hold = hold;
    }

    /// Sets the counters back to where they stood when the last vCPU was halted, at `halted_at` by the
    /// host's counter. To be called before the first vCPU runs on.
    pub(crate) fn run_on(&self, vcpu: &mut KvmVcpu, halted_at: u64) -> Result<(), Error> {
        let stopped = host_instructions::counter().saturating_sub(halted_at);
        if !self.hold || stopped < self.shortest {
            return Ok(());
        }
        let counter = RegisterId::system(SystemRegister::CNTVCT_EL0);
        let now = vcpu.read(counter)?;
        vcpu.write(counter, now.saturating_sub(stopped))
    }
}
