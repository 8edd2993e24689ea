//! Why something about KVM or a machine on it failed.

use std::path::PathBuf;

use crate::register_id::RegisterId;

/// The number of a failed system call, as the operating system gives it.
pub type Errno = kvm_ioctls::Error;

/// Why an operation on KVM, a vCPU or a machine failed.
///
/// Each message names the thing and, where there is one, the way out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// This build is not for arm64.
    #[error(
        "arm64 guests need an arm64 host with KVM, and this program was built for {}; \
         run an arm64 build of it on such a host, real or emulated",
        std::env::consts::ARCH
    )]
    UnsupportedHost,

    /// `/dev/kvm` cannot be opened.
    #[error("{} cannot be opened: {errno}; {}", path.display(), open_hint(*errno))]
    OpenKvm {
        /// Which device.
        path: PathBuf,
        /// Why.
        errno: Errno,
    },

    /// The device is no KVM that this crate knows.
    #[error("{} speaks KVM API version {version}, and 12 is the only one known", path.display())]
    ApiVersion {
        /// Which device.
        path: PathBuf,
        /// What it said.
        version: i32,
    },

    /// KVM lacks something that is needed.
    #[error("this kernel's KVM lacks {what} ({capability}); {hint}")]
    Missing {
        /// What is lacking, in words.
        what: &'static str,
        /// The capability's name in the KVM API.
        capability: &'static str,
        /// The way out.
        hint: &'static str,
    },

    /// Something was asked for that only AArch64 has.
    #[error("a guest whose EL1 uses AArch32 has no {what}; leave it out, or build the guest for AArch64")]
    Aarch32Without {
        /// What it was, in words.
        what: &'static str,
    },

    /// An ioctl failed.
    #[error("{operation} failed: {errno}")]
    Ioctl {
        /// The ioctl, and what it was for.
        operation: &'static str,
        /// Why.
        errno: Errno,
    },

    /// A register could not be read.
    #[error("KVM does not give {id}: {errno}")]
    ReadRegister {
        /// Which.
        id: RegisterId,
        /// Why.
        errno: Errno,
    },

    /// A register could not be written.
    #[error("KVM does not take {value:#x} for {id}: {errno}")]
    WriteRegister {
        /// Which.
        id: RegisterId,
        /// The value, the low 128 bits of a wider one.
        value: u128,
        /// Why.
        errno: Errno,
    },

    /// A vCPU's performance monitor cannot be set up.
    #[error(transparent)]
    Pmu(#[from] crate::pmu::PmuError),

    /// The signal handler for kicks cannot be installed.
    #[error("the handler of the signal that interrupts vCPUs cannot be installed: {errno}")]
    SignalHandler {
        /// Why.
        errno: Errno,
    },

    /// A vCPU's thread cannot be started.
    #[error("the thread of vCPU {core} cannot be started: {source}")]
    SpawnThread {
        /// Which vCPU.
        core: u16,
        /// Why.
        source: std::io::Error,
    },

    /// A thread ended in a panic while it held a lock.
    #[error("a thread of this process has panicked and left {what} in an unknown state")]
    Poisoned {
        /// What the lock guards.
        what: &'static str,
    },

    /// The machine as configured cannot be built.
    #[cfg(feature = "machine")]
    #[error(transparent)]
    Machine(#[from] crate::machine::MachineError),

    /// A guest image cannot be loaded.
    #[cfg(feature = "machine")]
    #[error(transparent)]
    Load(#[from] crate::machine::LoadError),

    /// A guest cannot be started.
    #[cfg(feature = "machine")]
    #[error(transparent)]
    Boot(#[from] crate::machine::BootError),
}

impl Error {
    /// For `map_err` on an ioctl.
    pub(crate) fn ioctl(operation: &'static str) -> impl FnOnce(Errno) -> Self {
        move |errno| Self::Ioctl { operation, errno }
    }
}

fn open_hint(errno: Errno) -> &'static str {
    match errno.errno() {
        libc::ENOENT => "the kernel has no KVM, or the machine did not start it at EL2",
        libc::EACCES | libc::EPERM => "join the group that owns it (usually kvm), or run as root",
        libc::ENODEV | libc::ENXIO => "the kernel's KVM found no virtualisation hardware",
        libc::EBUSY => "another hypervisor has the hardware",
        _ => "is it the KVM device?",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_device_says_what_to_look_for() {
        let path = PathBuf::from("/dev/kvm");
        let missing = Error::OpenKvm { path: path.clone(), errno: Errno::new(libc::ENOENT) };
        assert_eq!(
            missing.to_string(),
            "/dev/kvm cannot be opened: No such file or directory (os error 2); \
             the kernel has no KVM, or the machine did not start it at EL2"
        );
        let unreadable = Error::OpenKvm { path, errno: Errno::new(libc::EACCES) }.to_string();
        assert!(unreadable.ends_with("join the group that owns it (usually kvm), or run as root"));
    }
}
