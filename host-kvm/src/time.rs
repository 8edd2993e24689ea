//! The guest's time, which stands still while the guest is stopped.

use trapline_core::target::SystemRegister;

use crate::capability::KvmCapabilities;
use crate::error::Error;
use crate::host_instructions;
use crate::register_id::RegisterId;
use crate::vcpu::KvmVcpu;

/// A stop shorter than this part of a second is not made up for: it is the debugger's own, as for a
/// condition that is false, and shorter than what a guest's timers can tell from a busy host.
const SHORTEST_STOP: u64 = 1000;

/// Whether and how the guest's counters are set back after a stop.
///
/// The guest's counters are the host's less an offset each, and they run on while no vCPU runs. Writing
/// `CNTVCT_EL0` of one vCPU moves the offset of all (KVM API, section 4.68; Linux,
/// arch/arm64/kvm/arch_timer.c). `CNTPCT_EL0` has an offset since Linux 6.4, with
/// `KVM_CAP_COUNTER_OFFSET`; before, it is the host's own counter, and does not stand still.
#[derive(Debug)]
pub(crate) struct VirtualTime {
    hold: bool,
    shortest: u64,
    /// The counters that can be set.
    counters: &'static [SystemRegister],
    /// The host's counter when they were last set.
    set_at: u64,
}

impl VirtualTime {
    pub(crate) fn new(kvm: &KvmCapabilities) -> Self {
        const COUNTERS: [SystemRegister; 2] = [SystemRegister::CNTVCT_EL0, SystemRegister::CNTPCT_EL0];
        let counters: &[_] = if kvm.counter_offset { &COUNTERS } else { &[SystemRegister::CNTVCT_EL0] };
        Self {
            hold: true,
            shortest: host_instructions::counter_frequency() / SHORTEST_STOP,
            counters,
            set_at: 0,
        }
    }

    pub(crate) const fn hold(&mut self, hold: bool) {
        self.hold = hold;
    }

    /// Since when the guest's time should have stood still, by the host's counter, where its vCPUs came out last at
    /// `halted_at`: halted again before one of them was inside, they have their counters set back already.
    pub(crate) fn still_since(&self, halted_at: u64) -> u64 {
        halted_at.max(self.set_at)
    }

    /// For how long the guest's time is to be set back before the first vCPU runs on, where the last one was halted at
    /// `halted_at` by the host's counter; `None` where that is too short to be made up for.
    pub(crate) fn stopped(&self, halted_at: u64) -> Option<u64> {
        let stopped = host_instructions::counter().saturating_sub(self.still_since(halted_at));
        (self.hold && stopped >= self.shortest).then_some(stopped)
    }

    /// Sets the counters back by [`Self::stopped`].
    pub(crate) fn run_on(&mut self, vcpu: &mut KvmVcpu, stopped: u64) -> Result<(), Error> {
        for counter in self.counters {
            let counter = RegisterId::system(*counter);
            let now = vcpu.read(counter)?;
            vcpu.write(counter, now.saturating_sub(stopped))?;
        }
        self.set_at = host_instructions::counter();
        Ok(())
    }
}
