//! What a vCPU's guest debug is to be, as `KVM_SET_GUEST_DEBUG` takes it.

use trapline_core::comparator::Bank;
use trapline_core::target::{Arming, Resume};

// KVM API, section 4.87 "KVM_SET_GUEST_DEBUG": bits of `control`.
const ENABLE: u32 = 1 << 0;
const SINGLE_STEP: u32 = 1 << 1;
const USE_SW_BP: u32 = 1 << 16;
const USE_HW: u32 = 1 << 17;

/// The guest debug of one vCPU.
///
/// `KVM_SET_GUEST_DEBUG` replaces the whole bank and checks none of its values, so this is always the
/// whole state. With anything set, KVM routes every debug exception of the guest to the caller; with
/// nothing set, `control` is 0 and the guest has its debug hardware to itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct GuestDebug {
    /// The comparators.
    pub bank: Bank,
    /// Whether breakpoint instructions are planted in the guest's memory.
    pub software_breakpoints: bool,
    /// Whether the bank takes the place of the guest's own although no pair of it is enabled.
    pub hides_own: bool,
    /// Whether the next instruction is to be stepped.
    pub step: bool,
}

impl GuestDebug {
    /// Guest debug for a vCPU that runs on in this way with this armed.
    #[must_use]
    pub const fn new(arming: &Arming, how: Resume) -> Self {
        Self {
            bank: arming.bank,
            software_breakpoints: arming.software_breakpoints,
            hides_own: arming.hides_own,
            step: matches!(how, Resume::Step),
        }
    }

    /// The `control` word; 0 where there is nothing to trap.
    #[must_use]
    pub fn control(&self) -> u32 {
        let mut control = 0;
        if self.step {
            control |= ENABLE | SINGLE_STEP;
        }
        if self.software_breakpoints {
            control |= ENABLE | USE_SW_BP;
        }
        if self.hides_own || !self.bank.is_disarmed() {
            control |= ENABLE | USE_HW;
        }
        control
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trapline_core::comparator::Pair;

    #[test]
    fn with_nothing_armed_guest_debug_is_off() {
        assert_eq!(GuestDebug::default().control(), 0);
        let mut disabled = GuestDebug::default();
        disabled.bank.breakpoints[3] = Pair { control: 0x1e6, value: 0x4000_0000 };
        assert_eq!(disabled.control(), 0, "a pair without its enable bit traps nothing");
    }

    #[test]
    fn each_thing_to_trap_sets_its_bit_and_enable() {
        let step = GuestDebug::new(&Arming::default(), Resume::Step);
        assert_eq!(step.control(), 0x0000_0003);
        let software = Arming { software_breakpoints: true, ..Arming::default() };
        assert_eq!(GuestDebug::new(&software, Resume::Run).control(), 0x0001_0001);
        let mut hardware = Arming::default();
        hardware.bank.watchpoints[15] = Pair { control: 0x1ff7, value: 0 };
        assert_eq!(GuestDebug::new(&hardware, Resume::Run).control(), 0x0002_0001);
        let hidden = Arming { hides_own: true, ..Arming::default() };
        assert_eq!(GuestDebug::new(&hidden, Resume::Step).control(), 0x0002_0003, "an empty bank");
        let all = Arming { software_breakpoints: true, ..hardware };
        assert_eq!(GuestDebug::new(&all, Resume::Step).control(), 0x0003_0003);
    }
}
