//! What answers on a host that is not arm64.

use kvm_bindings as kvm;
use kvm_ioctls::{VcpuFd, VmFd};

use super::Attribute;
use crate::error::{Errno, Error};
use crate::exit::Exit;
use crate::guest_debug::GuestDebug;
use crate::register_id::RegisterId;
use crate::register_sync::VcpuEvents;
use crate::vcpu_features::FeatureWords;

pub(crate) fn check_host() -> Result<(), Error> {
    Err(Error::UnsupportedHost)
}

pub(crate) fn preferred_target(_: &VmFd) -> Result<u32, Error> {
    Err(Error::UnsupportedHost)
}

pub(crate) fn init_vcpu(_: &VcpuFd, _target: u32, _: FeatureWords) -> Result<(), Error> {
    Err(Error::UnsupportedHost)
}

pub(crate) fn finalize_vcpu(_: &VcpuFd, _feature: u32) -> Result<(), Error> {
    Err(Error::UnsupportedHost)
}

pub(crate) fn set_guest_debug(_: &VcpuFd, _: &GuestDebug) -> Result<(), Error> {
    Err(Error::UnsupportedHost)
}

pub(crate) fn debug_exit(_: &kvm::kvm_debug_exit_arch, _flags: u16) -> Exit {
    Exit::Other { reason: kvm::KVM_EXIT_DEBUG }
}

pub(crate) fn tell_undecodable_accesses(_: &VmFd) -> Result<(), Error> {
    Err(Error::UnsupportedHost)
}

pub(crate) fn register_list(_: &VcpuFd) -> Result<Vec<RegisterId>, Error> {
    Err(Error::UnsupportedHost)
}

pub(crate) fn vcpu_attribute(
    _: &VcpuFd,
    _: Attribute,
    _group: u32,
    _attribute: u64,
    _address: u64,
) -> Result<(), Errno> {
    Err(Errno::new(libc::ENOTSUP))
}

pub(crate) fn vcpu_events(_: &VcpuFd) -> Result<Option<VcpuEvents>, Error> {
    Err(Error::UnsupportedHost)
}

pub(crate) fn set_vcpu_events(_: &VcpuFd, _: &VcpuEvents) -> Result<(), Error> {
    Err(Error::UnsupportedHost)
}
