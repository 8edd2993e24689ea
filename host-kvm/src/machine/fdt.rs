//! The flattened device tree: the machine as its guest is told of it (Devicetree Specification 0.4, and the
//! bindings in Linux, Documentation/devicetree/bindings).

use vm_fdt::{Error, FdtWriter};

use super::gic::{DISTRIBUTOR_BASE, DISTRIBUTOR_SIZE, RedistributorRegion};
use super::rtc::{RTC_BASE, RTC_SIZE};
use super::serial::{SERIAL_BASE, SERIAL_INTERRUPT, SERIAL_SIZE};
use super::vm::PMU_INTERRUPT;
use crate::vcpu_features::VcpuFeatures;
use trapline_core::address::AddressRange;

const GIC: u32 = 1;
const CLOCK: u32 = 2;

// The first cell of an interrupt, and the last: arm,gic-v3.yaml.
const SHARED: u32 = 0;
const PRIVATE: u32 = 1;
const RISING_EDGE: u32 = 1;
const LEVEL_HIGH: u32 = 4;

/// Private peripheral interrupts of the generic timer: secure, non-secure, virtual, hypervisor (Arm Base
/// System Architecture, DEN 0094, section "PPI assignments"), less the 16 that come before.
const TIMER_INTERRUPTS: [u32; 4] = [13, 14, 11, 10];
/// The frequency, in Hz, that a 16550's driver divides by its baud rate. There is no wire to run at it.
const SERIAL_CLOCK: u32 = 1_843_200;
/// The frequency of the bus clock, in Hz, as a PL031's driver wants to have one.
const BUS_CLOCK: u32 = 24_000_000;
/// The bits of `MPIDR_EL1` that are a core's affinity.
const AFFINITY: u64 = 0xff_00ff_ffff;

/// What the tree tells of the machine beside what never changes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Description<'a> {
    /// `MPIDR_EL1` of each vCPU.
    pub(super) affinities: &'a [u64],
    /// Where RAM is.
    pub(super) ram: AddressRange,
    /// What the vCPUs have.
    pub(super) features: VcpuFeatures,
    /// Where the redistributors are.
    pub(super) redistributors: &'a [RedistributorRegion],
    /// The command line.
    pub(super) command_line: &'a str,
    /// The initial RAM disk, guest-physical.
    pub(super) initrd: Option<AddressRange>,
    /// Random bytes for the guest, so that it need not wait for some of its own.
    pub(super) seed: [u8; 64],
}

impl Description<'_> {
    /// The tree.
    pub(super) fn blob(&self) -> Result<Vec<u8>, Error> {
        let mut fdt = FdtWriter::new()?;
        let root = fdt.begin_node("")?;
        fdt.property_string("compatible", "linux,dummy-virt")?;
        fdt.property_string("model", "trapline")?;
        fdt.property_u32("#address-cells", 2)?;
        fdt.property_u32("#size-cells", 2)?;
        fdt.property_u32("interrupt-parent", GIC)?;
        self.chosen(&mut fdt)?;
        let memory = fdt.begin_node(&format!("memory@{:x}", self.ram.first()))?;
        fdt.property_string("device_type", "memory")?;
        fdt.property_array_u64("reg", &[self.ram.first(), self.ram.len()])?;
        fdt.end_node(memory)?;
        self.processors(&mut fdt)?;
        self.interrupt_controller(&mut fdt)?;
        timer(&mut fdt)?;
        if self.features.psci_0_2 {
            let psci = fdt.begin_node("psci")?;
            let compatible = ["arm,psci-1.0", "arm,psci-0.2"].map(str::to_owned);
            fdt.property_string_list("compatible", compatible.to_vec())?;
            fdt.property_string("method", "hvc")?;
            fdt.end_node(psci)?;
        }
        if self.features.pmu_v3 {
            let pmu = fdt.begin_node("pmu")?;
            fdt.property_string("compatible", "arm,armv8-pmuv3")?;
            fdt.property_array_u32("interrupts", &[PRIVATE, PMU_INTERRUPT - 16, LEVEL_HIGH])?;
            fdt.end_node(pmu)?;
        }
        devices(&mut fdt)?;
        fdt.end_node(root)?;
        fdt.finish()
    }

    fn chosen(&self, fdt: &mut FdtWriter) -> Result<(), Error> {
        let chosen = fdt.begin_node("chosen")?;
        fdt.property_string("bootargs", self.command_line)?;
        fdt.property_string("stdout-path", &format!("/serial@{SERIAL_BASE:x}"))?;
        if let Some(initrd) = self.initrd {
            fdt.property_u64("linux,initrd-start", initrd.first())?;
            fdt.property_u64("linux,initrd-end", initrd.last().saturating_add(1))?;
        }
        let (kaslr, rng) = self.seed.split_at(8);
        fdt.property("kaslr-seed", kaslr)?;
        fdt.property("rng-seed", rng)?;
        fdt.end_node(chosen)
    }

    fn processors(&self, fdt: &mut FdtWriter) -> Result<(), Error> {
        let cpus = fdt.begin_node("cpus")?;
        fdt.property_u32("#address-cells", 2)?;
        fdt.property_u32("#size-cells", 0)?;
        for affinity in self.affinities {
            let affinity = affinity & AFFINITY;
            let cpu = fdt.begin_node(&format!("cpu@{affinity:x}"))?;
            fdt.property_string("device_type", "cpu")?;
            fdt.property_string("compatible", "arm,armv8")?;
            if self.features.psci_0_2 {
                fdt.property_string("enable-method", "psci")?;
            }
            fdt.property_u64("reg", affinity)?;
            fdt.end_node(cpu)?;
        }
        fdt.end_node(cpus)
    }

    fn interrupt_controller(&self, fdt: &mut FdtWriter) -> Result<(), Error> {
        let gic = fdt.begin_node(&format!("interrupt-controller@{DISTRIBUTOR_BASE:x}"))?;
        fdt.property_string("compatible", "arm,gic-v3")?;
        fdt.property_u32("#interrupt-cells", 3)?;
        fdt.property_null("interrupt-controller")?;
        fdt.property_u32("#redistributor-regions", self.redistributors.len() as u32)?;
        let mut ranges = vec![DISTRIBUTOR_BASE, DISTRIBUTOR_SIZE];
        for region in self.redistributors {
            ranges.extend([region.base, region.size()]);
        }
        fdt.property_array_u64("reg", &ranges)?;
        fdt.property_phandle(GIC)?;
        fdt.end_node(gic)
    }
}

fn timer(fdt: &mut FdtWriter) -> Result<(), Error> {
    let timer = fdt.begin_node("timer")?;
    fdt.property_string("compatible", "arm,armv8-timer")?;
    let interrupts = TIMER_INTERRUPTS.map(|number| [PRIVATE, number, LEVEL_HIGH]);
    fdt.property_array_u32("interrupts", interrupts.as_flattened())?;
    fdt.property_null("always-on")?;
    fdt.end_node(timer)
}

fn devices(fdt: &mut FdtWriter) -> Result<(), Error> {
    let clock = fdt.begin_node("apb-pclk")?;
    fdt.property_string("compatible", "fixed-clock")?;
    fdt.property_u32("#clock-cells", 0)?;
    fdt.property_u32("clock-frequency", BUS_CLOCK)?;
    fdt.property_phandle(CLOCK)?;
    fdt.end_node(clock)?;

    let serial = fdt.begin_node(&format!("serial@{SERIAL_BASE:x}"))?;
    fdt.property_string("compatible", "ns16550a")?;
    fdt.property_array_u64("reg", &[SERIAL_BASE, SERIAL_SIZE])?;
    fdt.property_u32("clock-frequency", SERIAL_CLOCK)?;
    fdt.property_array_u32("interrupts", &[SHARED, SERIAL_INTERRUPT, RISING_EDGE])?;
    fdt.end_node(serial)?;

    // Without an interrupt, for its alarm never rings.
    let rtc = fdt.begin_node(&format!("rtc@{RTC_BASE:x}"))?;
    fdt.property_string_list("compatible", ["arm,pl031", "arm,primecell"].map(str::to_owned).to_vec())?;
    fdt.property_array_u64("reg", &[RTC_BASE, RTC_SIZE])?;
    fdt.property_u32("clocks", CLOCK)?;
    fdt.property_string("clock-names", "apb_pclk")?;
    fdt.end_node(rtc)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::gic::redistributor_regions;

    fn blob(affinities: &[u64], command_line: &str) -> Vec<u8> {
        let description = Description {
            affinities,
            ram: AddressRange::new(0x4000_0000, 0x1000_0000).unwrap(),
            features: VcpuFeatures::default(),
            redistributors: &redistributor_regions(affinities.len() as u16),
            command_line,
            initrd: AddressRange::new(0x4400_0000, 0x123).ok(),
            seed: [0xa5; 64],
        };
        description.blob().unwrap()
    }

    fn contains(blob: &[u8], bytes: &[u8]) -> bool {
        blob.windows(bytes.len()).any(|window| window == bytes)
    }

    #[test]
    fn the_guest_is_told_of_its_processors_as_they_call_themselves() {
        // Bit 31 of MPIDR_EL1 is RES1; level 3 of the affinity stands apart.
        let blob = blob(&[0x8000_0000, 0x8000_0001, 0x01_8000_0100], "");
        for name in [&b"cpu@0\0"[..], b"cpu@1\0", b"cpu@100000100\0", b"psci\0"] {
            assert!(contains(&blob, name), "{}", String::from_utf8_lossy(name));
        }
    }

    #[test]
    fn the_guest_is_told_of_its_command_line_and_initial_ram_disk() {
        let blob = blob(&[0x8000_0000], "console=ttyS0 quiet");
        assert!(contains(&blob, b"console=ttyS0 quiet\0"));
        for address in [0x4400_0000_u64, 0x4400_0123] {
            assert!(contains(&blob, &address.to_be_bytes()), "{address:#x}");
        }
        assert_eq!(blob.get(..4), Some(&[0xd0, 0x0d, 0xfe, 0xed][..]));
    }
}
