//! The interrupt controller's registers as they are after power-on, to bring them back at a reset, for KVM has
//! no reset of its own for them (Linux, Documentation/virt/kvm/devices/arm-vgic-v3.rst).

#![expect(unsafe_code, reason = "KVM writes a register's value to an address of this process")]

use std::ptr::{from_mut, from_ref};

use kvm_bindings::kvm_device_attr;
use kvm_ioctls::DeviceFd;

use crate::error::Error;

const GROUP_DISTRIBUTOR: u32 = 1;
const GROUP_REDISTRIBUTOR: u32 = 5;
const GROUP_SYSTEM_REGISTERS: u32 = 6;

/// The frame of a redistributor that has its SGIs and PPIs.
const SGI_FRAME: u64 = 0x1_0000;

// Offsets of registers, the same in the distributor and in a redistributor's frame for SGIs and PPIs: IHI 0069,
// "GIC Distributor register map" and "GIC Redistributor register map".
const GROUP: u64 = 0x080;
const ENABLE_SET: u64 = 0x100;
const ENABLE_CLEAR: u64 = 0x180;
const PENDING_SET: u64 = 0x200;
const ACTIVE_SET: u64 = 0x300;
const ACTIVE_CLEAR: u64 = 0x380;
const PRIORITY: u64 = 0x400;
const CONFIGURATION: u64 = 0xc00;
/// `GICD_CTLR`.
const CONTROL: u64 = 0;
/// `GICD_IROUTER<n>`, of 8 bytes each.
const ROUTER: u64 = 0x6000;

/// `ICC_*` registers, encoded as in `MRS`: op0, op1, CRn, CRm, op2.
const SYSTEM_REGISTERS: [u64; 8] = [
    system_register(4, 6, 0),   // ICC_PMR_EL1
    system_register(12, 8, 3),  // ICC_BPR0_EL1
    system_register(12, 8, 4),  // ICC_AP0R0_EL1
    system_register(12, 9, 0),  // ICC_AP1R0_EL1
    system_register(12, 12, 3), // ICC_BPR1_EL1
    system_register(12, 12, 4), // ICC_CTLR_EL1
    system_register(12, 12, 6), // ICC_IGRPEN0_EL1
    system_register(12, 12, 7), // ICC_IGRPEN1_EL1
];

const fn system_register(crn: u64, crm: u64, op2: u64) -> u64 {
    3 << 14 | crn << 7 | crm << 3 | op2
}

/// A register, and what it is to hold.
#[derive(Clone, Copy, Debug)]
struct Saved {
    group: u32,
    attr: u64,
    value: u64,
}

/// Every register's value, in the order to write them.
#[derive(Debug)]
pub(super) struct GicState(Vec<Saved>);

impl GicState {
    /// Reads the registers of an initialised controller for interrupts up to `interrupts`, and of the vCPUs
    /// with these affinities (`MPIDR_EL1`).
    pub(super) fn read(device: &DeviceFd, interrupts: u32, affinities: &[u64]) -> Result<Self, Error> {
        let mut state = Vec::new();
        let shared = 32..u64::from(interrupts);
        bank(&mut state, GROUP_DISTRIBUTOR, 0, shared.clone());
        for interrupt in shared {
            let offset = ROUTER + 8 * interrupt;
            state.push(read(GROUP_DISTRIBUTOR, offset));
            state.push(read(GROUP_DISTRIBUTOR, offset + 4));
        }
        state.push(read(GROUP_DISTRIBUTOR, CONTROL));
        for affinity in affinities {
            let vcpu = attribute_of(*affinity);
            bank(&mut state, GROUP_REDISTRIBUTOR, vcpu | SGI_FRAME, 0..32);
            for register in SYSTEM_REGISTERS {
                state.push(read(GROUP_SYSTEM_REGISTERS, vcpu | register));
            }
        }
        for saved in &mut state {
            // What is cleared by ones says so already.
            if saved.value == 0 {
                saved.value = saved.get(device)?;
            }
        }
        Ok(Self(state))
    }

    /// Writes them all.
    pub(super) fn write(&self, device: &DeviceFd) -> Result<(), Error> {
        self.0.iter().try_for_each(|saved| saved.set(device))
    }
}

/// A register to be read first.
const fn read(group: u32, attr: u64) -> Saved {
    Saved { group, attr, value: 0 }
}

/// The registers of some interrupts in the distributor or a redistributor.
fn bank(state: &mut Vec<Saved>, group: u32, base: u64, interrupts: std::ops::Range<u64>) {
    let words = |bits: u64| interrupts.start * bits / 32..interrupts.end * bits / 32;
    for word in words(1) {
        for register in [ENABLE_CLEAR, ACTIVE_CLEAR] {
            state.push(Saved { group, attr: base + register + 4 * word, value: u32::MAX.into() });
        }
        for register in [GROUP, PENDING_SET, ACTIVE_SET, ENABLE_SET] {
            state.push(read(group, base + register + 4 * word));
        }
    }
    for (register, bits) in [(PRIORITY, 8), (CONFIGURATION, 2)] {
        state.extend(words(bits).map(|word| read(group, base + register + 4 * word)));
    }
}

/// A vCPU in an attribute: its affinity, the four levels side by side, in the upper half.
const fn attribute_of(affinity: u64) -> u64 {
    (affinity & 0xff_ffff | affinity >> 8 & 0xff00_0000) << 32
}

impl Saved {
    fn get(&self, device: &DeviceFd) -> Result<u64, Error> {
        let mut value = 0_u64;
        let mut request = kvm_device_attr {
            flags: 0,
            group: self.group,
            attr: self.attr,
            addr: from_mut(&mut value) as u64,
        };
        // SAFETY: `addr` is that of `value`, which lives on and has 8 bytes; KVM API, devices/arm-vgic-v3.rst:
        // a register of these groups takes 4 or 8.
        unsafe { device.get_device_attr(&mut request) }
            .map_err(Error::ioctl("reading a register of the GICv3"))?;
        Ok(value)
    }

    fn set(&self, device: &DeviceFd) -> Result<(), Error> {
        // Of a register of 32 bits KVM reads the first four bytes, the low ones on a little-endian host.
        let request = kvm_device_attr {
            flags: 0,
            group: self.group,
            attr: self.attr,
            addr: from_ref(&self.value) as u64,
        };
        device.set_device_attr(&request).map_err(Error::ioctl("writing a register of the GICv3"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vcpu_is_named_by_its_four_levels_of_affinity() {
        assert_eq!(attribute_of(0x8000_0000), 0);
        assert_eq!(attribute_of(0x8000_0102), 0x0000_0102_0000_0000);
        assert_eq!(attribute_of(0x03_8001_0205), 0x0301_0205_0000_0000);
    }

    #[test]
    fn every_interrupt_has_its_bits_in_the_bank() {
        let mut state = Vec::new();
        bank(&mut state, GROUP_DISTRIBUTOR, 0, 32..96);
        let has = |offset: u64| state.iter().any(|saved| saved.attr == offset);
        for (first, last) in [(0x084, 0x088), (0x104, 0x108), (0x420, 0x45c), (0xc08, 0xc14)] {
            assert!(has(first) && has(last) && !has(last + 4) && !has(first - 4), "{first:#x}");
        }
    }
}
