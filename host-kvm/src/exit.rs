//! Why a vCPU came back from `KVM_RUN`, as an owned value.

use trapline_core::stop::Cause;
use trapline_core::target::{Event, TrappedWrite};

/// `KVM_DEBUG_ARCH_HSR_HIGH_VALID` in `kvm_run.flags`.
const HSR_HIGH_VALID: u16 = 1 << 0;

/// Why a vCPU came back from `KVM_RUN`.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Exit {
    /// A debug exception of the guest was routed to us (`KVM_EXIT_DEBUG`).
    Debug {
        /// `ESR_EL2`: 32 bits, 64 on kernels that give them.
        syndrome: u64,
        /// `FAR_EL2`, for a watchpoint.
        fault_address: u64,
    },
    /// The guest was about to write to a page that traps writes ([`crate::MemorySlots`]).
    TrappedWrite(TrappedWrite),
    /// A signal, a kick or `immediate_exit` ended it; nothing happened in the guest.
    Interrupted,
    /// The guest accessed an address that is no memory by an instruction that gives no syndrome (`LDP`,
    /// a SIMD load, a write-back, cache maintenance), so that KVM cannot say what it wanted.
    UndecodableAccess,
    /// The guest asked for something by PSCI, or the kernel found it broken (`KVM_EXIT_SYSTEM_EVENT`).
    System(SystemEvent),
    /// KVM could not emulate what the guest did (`KVM_EXIT_INTERNAL_ERROR`).
    InternalError,
    /// The processor cannot run this vCPU (`KVM_EXIT_FAIL_ENTRY`).
    FailEntry {
        /// `hardware_entry_failure_reason`; 1 is "this CPU is not supported by the VM".
        reason: u64,
        /// The host CPU.
        cpu: u32,
    },
    /// KVM could not reach guest memory (`KVM_EXIT_MEMORY_FAULT`).
    MemoryFault {
        /// The guest-physical address.
        address: u64,
        /// Bytes from there on.
        size: u64,
    },
    /// Any other reason, by its `KVM_EXIT_*` number.
    Other {
        /// The number.
        reason: u32,
    },
}

impl Exit {
    /// A debug exit from its fields in `kvm_run`: `hsr_high` counts only where the flags say so.
    #[cfg_attr(
        not(any(test, target_arch = "aarch64")),
        expect(dead_code, reason = "debug exits are arm64's")
    )]
    pub(crate) fn from_debug(hsr: u32, hsr_high: u32, far: u64, flags: u16) -> Self {
        let high = if flags & HSR_HIGH_VALID != 0 { u64::from(hsr_high) << 32 } else { 0 };
        Self::Debug { syndrome: high | u64::from(hsr), fault_address: far }
    }

    /// Whether it is the end of a single step.
    pub(crate) fn is_step(&self) -> bool {
        self.event().is_some_and(|event| Cause::of(&event) == Cause::Step)
    }

    /// The event for the debugger, where the exit is one.
    #[must_use]
    pub const fn event(&self) -> Option<Event> {
        match self {
            Self::Debug { syndrome, fault_address } => {
                Some(Event::DebugException { syndrome: *syndrome, fault_address: *fault_address })
            }
            Self::TrappedWrite(write) => Some(Event::TrappedWrite(*write)),
            _ => None,
        }
    }
}

/// What a guest asked of the machine, or what became of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum SystemEvent {
    /// Power off: PSCI SYSTEM_OFF.
    Shutdown,
    /// Restart: PSCI SYSTEM_RESET or SYSTEM_RESET2.
    Reset,
    /// The guest has crashed.
    Crash,
    /// Suspend to memory: PSCI SYSTEM_SUSPEND.
    Suspend,
    /// A suspended vCPU has something to wake up for.
    Wakeup,
    /// Any other, by its `KVM_SYSTEM_EVENT_*` number.
    Other(u32),
}

impl SystemEvent {
    pub(crate) const fn from_raw(raw: u32) -> Self {
        match raw {
            kvm_bindings::KVM_SYSTEM_EVENT_SHUTDOWN => Self::Shutdown,
            kvm_bindings::KVM_SYSTEM_EVENT_RESET => Self::Reset,
            kvm_bindings::KVM_SYSTEM_EVENT_CRASH => Self::Crash,
            kvm_bindings::KVM_SYSTEM_EVENT_SUSPEND => Self::Suspend,
            kvm_bindings::KVM_SYSTEM_EVENT_WAKEUP => Self::Wakeup,
            other => Self::Other(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_high_half_of_the_syndrome_counts_only_where_the_flags_say_so() {
        let syndrome = |flags| match Exit::from_debug(0xd200_0022, 0x0000_00ff, 0x10, flags) {
            Exit::Debug { syndrome, fault_address: 0x10 } => syndrome,
            other => panic!("{other:?}"),
        };
        assert_eq!(syndrome(0), 0xd200_0022);
        assert_eq!(syndrome(1), 0x0000_00ff_d200_0022);
        assert_eq!(syndrome(2), 0xd200_0022);
    }
}
