//! What this host's KVM can do.

use std::ffi::{CString, c_ulong};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use kvm_bindings as kvm;
use kvm_ioctls::Kvm;
use trapline_core::comparator::MAX_PAIRS;

use crate::edge;
use crate::error::{Errno, Error};

/// The only version of the KVM API that there has been since Linux 2.6.22.
const API_VERSION: i32 = 12;

/// Opens a KVM device, `/dev/kvm` as a rule.
///
/// # Errors
/// [`Error::UnsupportedHost`] in a build that is not for arm64, [`Error::OpenKvm`] and
/// [`Error::ApiVersion`].
pub fn open(path: &Path) -> Result<Kvm, Error> {
    edge::check_host()?;
    let failed = |errno| Error::OpenKvm { path: path.to_owned(), errno };
    let name = CString::new(path.as_os_str().as_bytes()).map_err(|_| failed(Errno::new(libc::EINVAL)))?;
    let device = Kvm::new_with_path(name).map_err(failed)?;
    match device.get_api_version() {
        API_VERSION => Ok(device),
        version => Err(Error::ApiVersion { path: path.to_owned(), version }),
    }
}

/// What a KVM offers, as far as a debugger or a small machine cares (`KVM_CHECK_EXTENSION`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct KvmCapabilities {
    /// `KVM_CAP_SET_GUEST_DEBUG`.
    pub guest_debug: bool,
    /// `KVM_CAP_GUEST_DEBUG_HW_BPS`: breakpoint pairs.
    pub breakpoints: u8,
    /// `KVM_CAP_GUEST_DEBUG_HW_WPS`: watchpoint pairs.
    pub watchpoints: u8,
    /// `KVM_CAP_IMMEDIATE_EXIT`: `kvm_run.immediate_exit` is looked at.
    pub immediate_exit: bool,
    /// `KVM_CAP_ARM_EL1_32BIT`: guests may be AArch32 at EL1.
    pub el1_32bit: bool,
    /// `KVM_CAP_ARM_PSCI_0_2`.
    pub psci_0_2: bool,
    /// `KVM_CAP_ARM_PMU_V3`.
    pub pmu_v3: bool,
    /// `KVM_CAP_ARM_SVE`.
    pub sve: bool,
    /// `KVM_CAP_ARM_PTRAUTH_ADDRESS` and `_GENERIC`; KVM allows both or neither.
    pub ptrauth: bool,
    /// `KVM_CAP_VCPU_EVENTS`.
    pub vcpu_events: bool,
    /// `KVM_CAP_MP_STATE`.
    pub mp_state: bool,
    /// `KVM_CAP_COUNTER_OFFSET`: the counters' offset belongs to the whole VM.
    pub counter_offset: bool,
    /// `KVM_CAP_ARM_VM_IPA_SIZE`: bits of the largest guest-physical address space; 40 where the kernel
    /// knows no other.
    pub physical_address_bits: u8,
    /// `KVM_CAP_NR_VCPUS`: how many vCPUs are recommended.
    pub recommended_vcpus: u16,
    /// `KVM_CAP_MAX_VCPUS`: how many vCPUs are possible.
    pub max_vcpus: u16,
}

impl KvmCapabilities {
    /// Asks KVM.
    #[must_use]
    pub fn probe(device: &Kvm) -> Self {
        let value = |capability: u32| device.check_extension_raw(c_ulong::from(capability)).max(0);
        let has = |capability| value(capability) > 0;
        let pairs = |capability| u8::try_from(value(capability)).unwrap_or(u8::MAX).min(MAX_PAIRS as u8);
        let vcpus = |capability| u16::try_from(value(capability)).unwrap_or(u16::MAX);
        Self {
            guest_debug: has(kvm::KVM_CAP_SET_GUEST_DEBUG),
            breakpoints: pairs(kvm::KVM_CAP_GUEST_DEBUG_HW_BPS),
            watchpoints: pairs(kvm::KVM_CAP_GUEST_DEBUG_HW_WPS),
            immediate_exit: has(kvm::KVM_CAP_IMMEDIATE_EXIT),
            el1_32bit: has(kvm::KVM_CAP_ARM_EL1_32BIT),
            psci_0_2: has(kvm::KVM_CAP_ARM_PSCI_0_2),
            pmu_v3: has(kvm::KVM_CAP_ARM_PMU_V3),
            sve: has(kvm::KVM_CAP_ARM_SVE),
            ptrauth: has(kvm::KVM_CAP_ARM_PTRAUTH_ADDRESS) && has(kvm::KVM_CAP_ARM_PTRAUTH_GENERIC),
            vcpu_events: has(kvm::KVM_CAP_VCPU_EVENTS),
            mp_state: has(kvm::KVM_CAP_MP_STATE),
            counter_offset: has(kvm::KVM_CAP_COUNTER_OFFSET),
            physical_address_bits: match value(kvm::KVM_CAP_ARM_VM_IPA_SIZE) {
                0 => 40,
                bits => u8::try_from(bits).unwrap_or(u8::MAX),
            },
            recommended_vcpus: vcpus(kvm::KVM_CAP_NR_VCPUS),
            max_vcpus: vcpus(kvm::KVM_CAP_MAX_VCPUS),
        }
    }

    /// Whether everything is there that this crate's guest debug is built on.
    ///
    /// # Errors
    /// [`Error::Missing`] with the first thing that is not.
    pub fn require_guest_debug(&self) -> Result<(), Error> {
        const NEWER: &str = "use a kernel of 4.11 or later with KVM for arm64";
        for (present, what, capability, hint) in [
            (self.guest_debug, "guest debug", "KVM_CAP_SET_GUEST_DEBUG", NEWER),
            (self.immediate_exit, "immediate exits", "KVM_CAP_IMMEDIATE_EXIT", NEWER),
            (
                self.breakpoints > 0,
                "hardware breakpoints for guests",
                "KVM_CAP_GUEST_DEBUG_HW_BPS",
                "build the kernel with CONFIG_HAVE_HW_BREAKPOINT and CONFIG_PERF_EVENTS",
            ),
        ] {
            if !present {
                return Err(Error::Missing { what, capability, hint });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn complete() -> KvmCapabilities {
        KvmCapabilities {
            guest_debug: true,
            breakpoints: 6,
            watchpoints: 4,
            immediate_exit: true,
            el1_32bit: false,
            psci_0_2: true,
            pmu_v3: false,
            sve: false,
            ptrauth: false,
            vcpu_events: true,
            mp_state: true,
            counter_offset: false,
            physical_address_bits: 40,
            recommended_vcpus: 2,
            max_vcpus: 512,
        }
    }

    #[test]
    fn a_kvm_without_guest_debug_is_refused_by_its_capability() {
        assert!(complete().require_guest_debug().is_ok());
        let refused = KvmCapabilities { guest_debug: false, ..complete() }.require_guest_debug();
        assert_eq!(
            refused.unwrap_err().to_string(),
            "this kernel's KVM lacks guest debug (KVM_CAP_SET_GUEST_DEBUG); \
             use a kernel of 4.11 or later with KVM for arm64"
        );
        let no_comparators = KvmCapabilities { breakpoints: 0, ..complete() }.require_guest_debug();
        assert!(no_comparators.unwrap_err().to_string().contains("KVM_CAP_GUEST_DEBUG_HW_BPS"));
    }

    #[test]
    #[cfg_attr(target_arch = "aarch64", expect(unused_variables, reason = "another host is what it tests"))]
    fn another_host_is_refused_with_a_sentence() {
        let opened = open(Path::new("/dev/kvm"));
        #[cfg(not(target_arch = "aarch64"))]
        assert!(matches!(opened, Err(Error::UnsupportedHost)));
    }
}
