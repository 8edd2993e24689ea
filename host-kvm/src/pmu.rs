//! The performance monitor of a vCPU that was made with `pmu_v3`.

use kvm_ioctls::VcpuFd;

use crate::edge;
use crate::error::{Errno, Error};

// Documentation/virt/kvm/devices/vcpu.rst, "GROUP: KVM_ARM_VCPU_PMU_V3_CTRL".
const GROUP: u32 = 0;
const INTERRUPT: u64 = 0;
const INIT: u64 = 1;

/// Why a vCPU's performance monitor cannot be set up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PmuError {
    /// The vCPU has no performance monitor.
    #[error("this vCPU has no performance monitor that could be set up ({0}); make it with pmu_v3")]
    Absent(Errno),
    /// The overflow interrupt is not taken.
    #[error(
        "KVM does not take interrupt {interrupt} for the performance monitor: {errno}; \
         it must be a free private one (16 to 31), the same for all vCPUs"
    )]
    Interrupt {
        /// The interrupt ID.
        interrupt: u32,
        /// Why not.
        errno: Errno,
    },
    /// Initialising failed.
    #[error("KVM does not initialise the performance monitor: {0}; the interrupt controller comes first")]
    Init(Errno),
}

/// Sets up the performance monitor of a vCPU: the interrupt ID of its overflow interrupt, then the
/// monitor itself. The VM's interrupt controller must exist.
///
/// # Errors
/// [`Error::Pmu`], and [`Error::UnsupportedHost`].
pub fn initialise_pmu(vcpu: &VcpuFd, interrupt: u32) -> Result<(), Error> {
    edge::check_host()?;
    let interrupt_attribute = |set| {
        let address = std::ptr::from_ref(&interrupt) as u64;
        edge::vcpu_attribute(vcpu, set, GROUP, INTERRUPT, address)
    };
    interrupt_attribute(edge::Attribute::Has).map_err(PmuError::Absent)?;
    interrupt_attribute(edge::Attribute::Set).map_err(|errno| PmuError::Interrupt { interrupt, errno })?;
    edge::vcpu_attribute(vcpu, edge::Attribute::Set, GROUP, INIT, 0).map_err(PmuError::Init)?;
    Ok(())
}
