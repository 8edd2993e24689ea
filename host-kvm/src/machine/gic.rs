//! The kernel's GICv3 for the guest.

use std::ptr::from_ref;

use kvm_bindings as kvm;
use kvm_ioctls::{DeviceFd, VmFd};

use crate::error::Error;

/// The distributor's guest-physical address.
pub const DISTRIBUTOR_BASE: u64 = 0x0800_0000;
/// The distributor's size in bytes.
pub const DISTRIBUTOR_SIZE: u64 = 0x1_0000;
/// The first redistributor's guest-physical address.
pub const REDISTRIBUTOR_BASE: u64 = 0x080a_0000;
/// The size of one vCPU's redistributor in bytes: a frame for LPIs and one for SGIs and PPIs.
pub const REDISTRIBUTOR_SIZE: u64 = 0x2_0000;

/// Interrupt IDs: the 32 that are each vCPU's own, and the shared ones.
const INTERRUPTS: u32 = 32 + 64;

// Documentation/virt/kvm/devices/arm-vgic-v3.rst: groups and attributes. kvm-bindings has them for arm64
// hosts only.
const GROUP_ADDRESS: u32 = 0;
const ADDRESS_DISTRIBUTOR: u64 = 2;
const ADDRESS_REDISTRIBUTOR: u64 = 3;
const GROUP_INTERRUPTS: u32 = 3;
const GROUP_CONTROL: u32 = 4;
const CONTROL_INIT: u64 = 0;

/// How many vCPUs have room for their redistributors before the serial port.
pub(super) const MAX_CPUS: u16 = ((super::SERIAL_BASE - REDISTRIBUTOR_BASE) / REDISTRIBUTOR_SIZE) as u16;

/// The interrupt controller. It lives as long as this does.
#[derive(Debug)]
pub(super) struct Gic {
    _device: DeviceFd,
}

impl Gic {
    /// Makes the interrupt controller of a VM whose vCPUs all exist.
    pub(super) fn new(vm: &VmFd) -> Result<Self, Error> {
        let mut request =
            kvm::kvm_create_device { type_: kvm::kvm_device_type_KVM_DEV_TYPE_ARM_VGIC_V3, fd: 0, flags: 0 };
        let create = |errno: crate::error::Errno| match errno.errno() {
            libc::ENODEV => Error::Missing {
                what: "an interrupt controller GICv3 for guests",
                capability: "KVM_DEV_TYPE_ARM_VGIC_V3",
                hint: "the host needs a GICv3 (QEMU: -M virt,gic-version=3)",
            },
            _ => Error::Ioctl { operation: "KVM_CREATE_DEVICE for the GICv3", errno },
        };
        let device = vm.create_device(&mut request).map_err(create)?;
        let set = |group, attr, addr: u64, operation| {
            let request = kvm::kvm_device_attr { flags: 0, group, attr, addr };
            device.set_device_attr(&request).map_err(Error::ioctl(operation))
        };
        let distributor = from_ref(&DISTRIBUTOR_BASE) as u64;
        set(GROUP_ADDRESS, ADDRESS_DISTRIBUTOR, distributor, "placing the GICv3 distributor")?;
        let redistributor = from_ref(&REDISTRIBUTOR_BASE) as u64;
        set(GROUP_ADDRESS, ADDRESS_REDISTRIBUTOR, redistributor, "placing the GICv3 redistributors")?;
        let interrupts = from_ref(&INTERRUPTS) as u64;
        set(GROUP_INTERRUPTS, 0, interrupts, "setting the GICv3's number of interrupts")?;
        set(GROUP_CONTROL, CONTROL_INIT, 0, "initialising the GICv3")?;
        Ok(Self { _device: device })
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn redistributors_end_before_the_serial_port() {
        assert_eq!(super::MAX_CPUS, 123);
    }
}
