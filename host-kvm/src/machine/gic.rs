//! The kernel's GICv3 for the guest.

use std::ptr::from_ref;

use kvm_bindings as kvm;
use kvm_ioctls::{DeviceFd, VmFd};

use super::gic_state::GicState;
use crate::error::Error;

/// The distributor's guest-physical address.
pub const DISTRIBUTOR_BASE: u64 = 0x0800_0000;
/// The distributor's size in bytes.
pub const DISTRIBUTOR_SIZE: u64 = 0x1_0000;
/// The first redistributor's guest-physical address.
pub const REDISTRIBUTOR_BASE: u64 = 0x080a_0000;
/// The size of one vCPU's redistributor in bytes: a frame for LPIs and one for SGIs and PPIs.
pub const REDISTRIBUTOR_SIZE: u64 = 0x2_0000;

/// The first redistributor of the second region, for which the first has no room.
const FURTHER_REDISTRIBUTORS_BASE: u64 = 0x1000_0000;

/// Interrupt IDs: the 32 that are each vCPU's own, and the shared ones.
const INTERRUPTS: u32 = 32 + 64;

// Documentation/virt/kvm/devices/arm-vgic-v3.rst: groups and attributes. kvm-bindings has them for arm64
// hosts only.
const GROUP_ADDRESS: u32 = 0;
const ADDRESS_DISTRIBUTOR: u64 = 2;
const ADDRESS_REDISTRIBUTOR: u64 = 3;
const ADDRESS_REDISTRIBUTOR_REGION: u64 = 5;
const GROUP_INTERRUPTS: u32 = 3;
const GROUP_CONTROL: u32 = 4;
const CONTROL_INIT: u64 = 0;

/// How many vCPUs have room for their redistributors: in the first region before the serial port, in the
/// second before RAM.
const FIRST_REGION: u16 = ((super::SERIAL_BASE - REDISTRIBUTOR_BASE) / REDISTRIBUTOR_SIZE) as u16;
pub(super) const MAX_CPUS: u16 =
    FIRST_REGION + ((super::RAM_BASE - FURTHER_REDISTRIBUTORS_BASE) / REDISTRIBUTOR_SIZE) as u16;

/// Redistributors that stand one behind the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct RedistributorRegion {
    /// The guest-physical address of the first one.
    pub(super) base: u64,
    /// How many there are.
    pub(super) count: u16,
}

impl RedistributorRegion {
    /// Its size in bytes.
    pub(super) const fn size(&self) -> u64 {
        self.count as u64 * REDISTRIBUTOR_SIZE
    }
}

/// Where the redistributors of that many vCPUs are.
pub(super) fn redistributor_regions(cpus: u16) -> Vec<RedistributorRegion> {
    let first = RedistributorRegion { base: REDISTRIBUTOR_BASE, count: cpus.min(FIRST_REGION) };
    let rest = RedistributorRegion { base: FURTHER_REDISTRIBUTORS_BASE, count: cpus - first.count };
    [first, rest].into_iter().filter(|region| region.count > 0).collect()
}

/// The interrupt controller. It lives as long as this does.
#[derive(Debug)]
pub(super) struct Gic {
    device: DeviceFd,
    after_power_on: GicState,
}

impl Gic {
    /// Makes the interrupt controller of a VM whose vCPUs, with these affinities (`MPIDR_EL1`), all exist.
    pub(super) fn new(vm: &VmFd, affinities: &[u64]) -> Result<Self, Error> {
        let cpus = affinities.len() as u16;
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
        // Regions have a count and a number since Linux 4.18; one alone needs neither.
        match redistributor_regions(cpus).as_slice() {
            [only] => {
                let base = from_ref(&only.base) as u64;
                set(GROUP_ADDRESS, ADDRESS_REDISTRIBUTOR, base, "placing the GICv3 redistributors")?;
            }
            regions => {
                for (number, region) in (0..).zip(regions) {
                    let encoded = u64::from(region.count) << 52 | region.base | number;
                    let encoded = from_ref(&encoded) as u64;
                    let operation = "placing a region of GICv3 redistributors";
                    set(GROUP_ADDRESS, ADDRESS_REDISTRIBUTOR_REGION, encoded, operation)?;
                }
            }
        }
        let interrupts = from_ref(&INTERRUPTS) as u64;
        set(GROUP_INTERRUPTS, 0, interrupts, "setting the GICv3's number of interrupts")?;
        set(GROUP_CONTROL, CONTROL_INIT, 0, "initialising the GICv3")?;
        let after_power_on = GicState::read(&device, INTERRUPTS, affinities)?;
        Ok(Self { device, after_power_on })
    }

    /// Brings back the state after power-on. All vCPUs are out of `KVM_RUN`.
    pub(super) fn reset(&self) -> Result<(), Error> {
        self.after_power_on.write(&self.device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_vcpu_has_its_redistributor_between_the_devices() {
        const { assert!(MAX_CPUS >= 512, "as many as KVM has") };
        for cpus in [1, 4, 123, 124, 512, MAX_CPUS] {
            let regions = redistributor_regions(cpus);
            assert_eq!(regions.iter().map(|region| region.count).sum::<u16>(), cpus);
            let ends: Vec<_> = regions.iter().map(|region| region.base + region.size()).collect();
            assert!(
                ends.iter()
                    .zip([super::super::SERIAL_BASE, super::super::RAM_BASE])
                    .all(|(end, next)| *end <= next)
            );
        }
        assert_eq!(redistributor_regions(123).len(), 1);
        assert_eq!(redistributor_regions(124).len(), 2);
    }
}
