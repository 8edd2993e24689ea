//! ioctls of KVM that fail on request: a filter of the kernel's answers them.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch,
};

/// ioctls of KVM by name (Linux, include/uapi/linux/kvm.h), and what they fail with.
const IOCTLS: [(&str, u64, u32); 6] = [
    ("KVM_RUN", 0xae80, EIO),
    ("KVM_SET_GUEST_DEBUG", 0x4208_ae9b, ENOMEM),
    ("KVM_GET_ONE_REG", 0x4010_aeab, EIO),
    ("KVM_SET_ONE_REG", 0x4010_aeac, EIO),
    ("KVM_CREATE_VCPU", 0xae41, ENOMEM),
    ("KVM_SET_USER_MEMORY_REGION", 0x4020_ae46, ENOMEM),
];
/// `ioctl`, asm-generic/unistd.h.
const IOCTL: i64 = 29;
/// Numbers of errors that all architectures of Linux have alike.
const EIO: u32 = 5;
const ENOMEM: u32 = 12;

/// A filter that lets the ioctl of this name fail, for a thread and all that it starts; none where it is not known
/// here.
pub(crate) fn filter(ioctl: &str) -> Option<BpfProgram> {
    let (_, request, error) = IOCTLS.iter().find(|(name, ..)| *name == ioctl)?;
    let is_it = SeccompCondition::new(1, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, *request).ok()?;
    let rules = BTreeMap::from([(IOCTL, vec![SeccompRule::new(vec![is_it]).ok()?])]);
    let filter =
        SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(*error), TargetArch::aarch64);
    filter.ok()?.try_into().ok()
}
