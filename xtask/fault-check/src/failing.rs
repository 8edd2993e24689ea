//! A program whose calls of one ioctl fail: a filter of the kernel's answers them.

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, apply_filter,
};

/// An ioctl that fails, and the program.
#[derive(Args)]
pub(crate) struct Options {
    /// Which ioctl
    ioctl: String,
    /// The program and its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    command: Vec<String>,
}

/// ioctls of KVM by name (Linux, include/uapi/linux/kvm.h), and what they fail with.
const IOCTLS: [(&str, u64, u32); 6] = [
    ("KVM_RUN", 0xae80, libc_errno::EIO),
    ("KVM_SET_GUEST_DEBUG", 0x4208_ae9b, libc_errno::ENOMEM),
    ("KVM_GET_ONE_REG", 0x4010_aeab, libc_errno::EIO),
    ("KVM_SET_ONE_REG", 0x4010_aeac, libc_errno::EIO),
    ("KVM_CREATE_VCPU", 0xae41, libc_errno::ENOMEM),
    ("KVM_SET_USER_MEMORY_REGION", 0x4020_ae46, libc_errno::ENOMEM),
];
/// `ioctl`, asm-generic/unistd.h.
const IOCTL: i64 = 29;

/// Numbers of errors that all architectures of Linux have alike.
mod libc_errno {
    pub(super) const EIO: u32 = 5;
    pub(super) const ENOMEM: u32 = 12;
}

/// Becomes the program.
pub(crate) fn run(options: &Options) -> Result<()> {
    let Some((_, request, error)) = IOCTLS.iter().find(|(name, ..)| *name == options.ioctl) else {
        bail!("there is no ioctl {} here", options.ioctl);
    };
    let is_it = SeccompCondition::new(1, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, *request)?;
    // On arm64 its argument structure has 520 bytes, of which the number has the lowest 14 bits above the command.
    let rules = BTreeMap::from([(IOCTL, vec![SeccompRule::new(vec![is_it])?])]);
    let filter =
        SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(*error), TargetArch::aarch64)?;
    let program: BpfProgram = filter.try_into()?;
    apply_filter(&program)?;
    let (program, arguments) = options.command.split_first().context("no program")?;
    Err(Command::new(program).args(arguments).exec()).with_context(|| format!("cannot run {program}"))
}
