//! With what a vCPU is made: `KVM_ARM_VCPU_INIT` and `KVM_ARM_VCPU_FINALIZE`.

use kvm_ioctls::{VcpuFd, VmFd};

use crate::capability::KvmCapabilities;
use crate::edge;
use crate::error::Error;
use crate::host_cpu::init_with_some_target;

/// `struct kvm_vcpu_init.features`: 32 features a word.
pub(crate) type FeatureWords = [u32; 7];

// KVM API, section 4.82 "KVM_ARM_VCPU_INIT": bit numbers of the features.
const POWER_OFF: u32 = 0;
const EL1_32BIT: u32 = 1;
const PSCI_0_2: u32 = 2;
const PMU_V3: u32 = 3;
const SVE: u32 = 4;
const PTRAUTH_ADDRESS: u32 = 5;
const PTRAUTH_GENERIC: u32 = 6;

/// What a vCPU is to have. The default is a plain AArch64 vCPU that PSCI can control.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct VcpuFeatures {
    /// It waits for another vCPU's PSCI CPU_ON.
    pub power_off: bool,
    /// PSCI 0.2 or later, by the kernel.
    pub psci_0_2: bool,
    /// EL1 is AArch32.
    pub el1_32bit: bool,
    /// A performance monitor, version 3.
    pub pmu_v3: bool,
    /// The Scalable Vector Extension.
    pub sve: bool,
    /// Pointer authentication with address and generic keys; KVM allows both or neither.
    pub ptrauth: bool,
}

impl Default for VcpuFeatures {
    fn default() -> Self {
        Self { power_off: false, psci_0_2: true, el1_32bit: false, pmu_v3: false, sve: false, ptrauth: false }
    }
}

impl VcpuFeatures {
    /// Whether KVM has all of it.
    ///
    /// # Errors
    /// [`Error::Missing`] with the first feature that KVM lacks, [`Error::Aarch32Without`] with the first that no
    /// AArch32 guest can have.
    pub fn check(&self, capabilities: &KvmCapabilities) -> Result<(), Error> {
        const OR_WITHOUT: &str = "use a host processor that has it, or leave the feature out";
        if self.el1_32bit && !capabilities.el1_32bit {
            return Err(Error::Missing {
                what: "AArch32 guests",
                capability: "KVM_CAP_ARM_EL1_32BIT",
                hint: "use a host whose processor executes AArch32 at EL1, as Cortex-A53, A57 and A72 do and newer ones \
                       often do not, or build the guest for AArch64",
            });
        }
        for (wanted, what) in [(self.sve, "SVE"), (self.ptrauth, "pointer authentication")] {
            if self.el1_32bit && wanted {
                return Err(Error::Aarch32Without { what });
            }
        }
        for (wanted, present, what, capability) in [
            (self.psci_0_2, capabilities.psci_0_2, "PSCI 0.2", "KVM_CAP_ARM_PSCI_0_2"),
            (self.pmu_v3, capabilities.pmu_v3, "a performance monitor for guests", "KVM_CAP_ARM_PMU_V3"),
            (self.sve, capabilities.sve, "SVE for guests", "KVM_CAP_ARM_SVE"),
            (
                self.ptrauth,
                capabilities.ptrauth,
                "pointer authentication for guests",
                "KVM_CAP_ARM_PTRAUTH_ADDRESS",
            ),
        ] {
            if wanted && !present {
                return Err(Error::Missing { what, capability, hint: OR_WITHOUT });
            }
        }
        Ok(())
    }

    /// Initialises a vCPU: the host's preferred target, these features, then what needs to be
    /// finalised. Returns the target.
    ///
    /// # Errors
    /// [`Error::Ioctl`] and [`Error::UnsupportedHost`].
    pub fn init(&self, vm: &VmFd, vcpu: &VcpuFd) -> Result<u32, Error> {
        let target = init_with_some_target(vm, vcpu, self.words())?;
        if self.sve {
            edge::finalize_vcpu(vcpu, SVE)?;
        }
        Ok(target)
    }

    /// Resets a vCPU that has been initialised with these features; only `power_off` may differ.
    #[cfg(feature = "machine")]
    pub(crate) fn reset(&self, vm: &VmFd, vcpu: &VcpuFd) -> Result<(), Error> {
        // What has been finalised stays so.
        init_with_some_target(vm, vcpu, self.words()).map(|_| ())
    }

    fn words(&self) -> FeatureWords {
        let bit = |wanted: bool, number: u32| u32::from(wanted) << number;
        let first = bit(self.power_off, POWER_OFF)
            | bit(self.el1_32bit, EL1_32BIT)
            | bit(self.psci_0_2, PSCI_0_2)
            | bit(self.pmu_v3, PMU_V3)
            | bit(self.sve, SVE)
            | bit(self.ptrauth, PTRAUTH_ADDRESS)
            | bit(self.ptrauth, PTRAUTH_GENERIC);
        [first, 0, 0, 0, 0, 0, 0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capability::tests::complete;

    #[test]
    fn what_an_aarch32_guest_cannot_have_is_refused_with_the_way_out() {
        let features = VcpuFeatures { el1_32bit: true, ..VcpuFeatures::default() };
        let refused = |features: VcpuFeatures, el1_32bit| {
            let capabilities = KvmCapabilities { el1_32bit, sve: true, ptrauth: true, ..complete() };
            features.check(&capabilities).err().map(|error| error.to_string()).unwrap_or_default()
        };
        assert_eq!(refused(features, true), "");
        let missing = refused(features, false);
        assert!(missing.contains("lacks AArch32 guests (KVM_CAP_ARM_EL1_32BIT); use a host"), "{missing}");
        let sve = refused(VcpuFeatures { sve: true, ..features }, true);
        assert!(sve.starts_with("a guest whose EL1 uses AArch32 has no SVE;"), "{sve}");
        let pointers = refused(VcpuFeatures { ptrauth: true, ..features }, true);
        assert!(pointers.contains("has no pointer authentication;"), "{pointers}");
    }

    #[test]
    fn each_feature_is_its_bit_of_the_kvm_api() {
        let none = VcpuFeatures { psci_0_2: false, ..VcpuFeatures::default() };
        for (features, word) in [
            (none, 0),
            (VcpuFeatures::default(), 1 << 2),
            (VcpuFeatures { power_off: true, ..none }, 1 << 0),
            (VcpuFeatures { el1_32bit: true, ..none }, 1 << 1),
            (VcpuFeatures { pmu_v3: true, ..none }, 1 << 3),
            (VcpuFeatures { sve: true, ..none }, 1 << 4),
            (VcpuFeatures { ptrauth: true, ..none }, 1 << 5 | 1 << 6),
        ] {
            assert_eq!(features.words(), [word, 0, 0, 0, 0, 0, 0], "{features:?}");
        }
    }
}
