//! KVM's interface for arm64, over kvm-ioctls.

use kvm_bindings as kvm;
use kvm_ioctls::{VcpuFd, VmFd};

use super::Attribute;
use crate::error::{Errno, Error};
use crate::exit::Exit;
use crate::guest_debug::GuestDebug;
use crate::register_id::RegisterId;
use crate::register_sync::VcpuEvents;
use crate::vcpu_features::FeatureWords;

/// The most registers that a vCPU is asked to list.
const MAX_REGISTERS: usize = 500;

/// Whether this build can use an arm64 KVM.
pub(crate) fn check_host() -> Result<(), Error> {
    Ok(())
}

/// `KVM_ARM_PREFERRED_TARGET`.
pub(crate) fn preferred_target(vm: &VmFd) -> Result<u32, Error> {
    let mut init = kvm::kvm_vcpu_init::default();
    vm.get_preferred_target(&mut init).map_err(Error::ioctl("KVM_ARM_PREFERRED_TARGET"))?;
    Ok(init.target)
}

/// `KVM_ARM_VCPU_INIT`.
pub(crate) fn init_vcpu(fd: &VcpuFd, target: u32, features: FeatureWords) -> Result<(), Error> {
    fd.vcpu_init(&kvm::kvm_vcpu_init { target, features }).map_err(Error::ioctl("KVM_ARM_VCPU_INIT"))
}

/// `KVM_ARM_VCPU_FINALIZE`.
pub(crate) fn finalize_vcpu(fd: &VcpuFd, feature: u32) -> Result<(), Error> {
    fd.vcpu_finalize(&(feature as i32)).map_err(Error::ioctl("KVM_ARM_VCPU_FINALIZE"))
}

/// `KVM_SET_GUEST_DEBUG`.
pub(crate) fn set_guest_debug(fd: &VcpuFd, debug: &GuestDebug) -> Result<(), Error> {
    let mut arch = kvm::kvm_guest_debug_arch::default();
    for (index, pair) in debug.bank.breakpoints.iter().enumerate() {
        (arch.dbg_bcr[index], arch.dbg_bvr[index]) = (pair.control, pair.value);
    }
    for (index, pair) in debug.bank.watchpoints.iter().enumerate() {
        (arch.dbg_wcr[index], arch.dbg_wvr[index]) = (pair.control, pair.value);
    }
    let debug = kvm::kvm_guest_debug { control: debug.control(), pad: 0, arch };
    fd.set_guest_debug(&debug).map_err(Error::ioctl("KVM_SET_GUEST_DEBUG"))
}

/// `KVM_HAS_DEVICE_ATTR` or `KVM_SET_DEVICE_ATTR` on a vCPU.
pub(crate) fn vcpu_attribute(
    fd: &VcpuFd,
    what: Attribute,
    group: u32,
    attr: u64,
    addr: u64,
) -> Result<(), Errno> {
    let request = kvm::kvm_device_attr { flags: 0, group, attr, addr };
    match what {
        Attribute::Has => fd.has_device_attr(&request),
        Attribute::Set => fd.set_device_attr(&request),
    }
}

/// `KVM_GET_VCPU_EVENTS`; `None` where the kernel does not have it.
pub(crate) fn vcpu_events(fd: &VcpuFd) -> Result<Option<VcpuEvents>, Error> {
    match fd.get_vcpu_events() {
        Ok(events) => {
            let exception = events.exception;
            let syndrome = (exception.serror_has_esr != 0).then_some(exception.serror_esr);
            Ok(Some(VcpuEvents { serror: (exception.serror_pending != 0).then_some(syndrome) }))
        }
        Err(errno) if matches!(errno.errno(), libc::EINVAL | libc::ENOTTY) => Ok(None),
        Err(errno) => Err(Error::Ioctl { operation: "KVM_GET_VCPU_EVENTS", errno }),
    }
}

/// `KVM_SET_VCPU_EVENTS`.
pub(crate) fn set_vcpu_events(fd: &VcpuFd, events: &VcpuEvents) -> Result<(), Error> {
    let mut raw = kvm::kvm_vcpu_events::default();
    if let Some(syndrome) = events.serror {
        raw.exception.serror_pending = 1;
        raw.exception.serror_has_esr = u8::from(syndrome.is_some());
        raw.exception.serror_esr = syndrome.unwrap_or_default();
    }
    fd.set_vcpu_events(&raw).map_err(Error::ioctl("KVM_SET_VCPU_EVENTS"))
}

/// A debug exit as it stands in `kvm_run`, whose flags are `flags`.
pub(crate) fn debug_exit(arch: &kvm::kvm_debug_exit_arch, flags: u16) -> Exit {
    Exit::from_debug(arch.hsr, arch.hsr_high, arch.far, flags)
}

/// Lets accesses to no memory whose instruction gives no syndrome come back as `KVM_EXIT_ARM_NISV`.
pub(crate) fn tell_undecodable_accesses(vm: &VmFd) -> Result<(), Error> {
    let capability = kvm::kvm_enable_cap { cap: kvm::KVM_CAP_ARM_NISV_TO_USER, ..Default::default() };
    vm.enable_cap(&capability).map_err(Error::ioctl("KVM_ENABLE_CAP of KVM_CAP_ARM_NISV_TO_USER"))
}

/// `KVM_GET_REG_LIST`.
pub(crate) fn register_list(fd: &VcpuFd) -> Result<Vec<RegisterId>, Error> {
    let too_long =
        |_| Error::Ioctl { operation: "allocating for KVM_GET_REG_LIST", errno: Errno::new(libc::ENOMEM) };
    let mut list = kvm::RegList::new(MAX_REGISTERS).map_err(too_long)?;
    fd.get_reg_list(&mut list).map_err(Error::ioctl("KVM_GET_REG_LIST"))?;
    Ok(list.as_slice().iter().copied().map(RegisterId::from_raw).collect())
}
