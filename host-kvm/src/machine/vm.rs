//! The machine put together.

#![expect(unsafe_code, reason = "KVM is told of the guest's memory by its address in this process")]

use std::io::Write;
use std::sync::Arc;

use kvm_bindings::kvm_userspace_memory_region;
use kvm_ioctls::{Kvm, VmFd};
use trapline_core::address::AddressRange;
use vm_memory::{Address, GuestMemoryBackend, GuestMemoryMmap, GuestMemoryRegion};

use super::boot::{Boot, Booted};
use super::bus::Bus;
use super::gic::{self, Gic};
use super::loader::{self, LoadedImage};
use super::power_on::{self, PowerOn};
use super::{MachineError, Pages, RAM_BASE, memory};
use crate::capability::KvmCapabilities;
use crate::error::Error;
use crate::pmu::initialise_pmu;
use crate::vcpu::KvmVcpu;
use crate::vcpu_features::VcpuFeatures;
use crate::write_traps::MemorySlots;

/// The performance monitor's overflow interrupt: private peripheral interrupt 7, as Arm's Base System
/// Architecture (DEN 0094) has it.
pub const PMU_INTERRUPT: u32 = 23;

/// What machine to build.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MachineConfig {
    /// How many vCPUs. The first one starts, the others wait for its PSCI CPU_ON.
    pub cpus: u16,
    /// How much RAM, in bytes.
    pub memory: u64,
    /// What the RAM is made of on the host.
    pub pages: Pages,
    /// What each vCPU has; `power_off` is the machine's business.
    pub features: VcpuFeatures,
}

impl Default for MachineConfig {
    fn default() -> Self {
        Self { cpus: 1, memory: 128 << 20, pages: Pages::Usual, features: VcpuFeatures::default() }
    }
}

/// A machine that does not run yet.
#[derive(Debug)]
pub struct Machine {
    pub(super) vcpus: Vec<KvmVcpu>,
    pub(super) bus: Arc<Bus>,
    pub(super) memory: Arc<GuestMemoryMmap>,
    pub(super) capabilities: KvmCapabilities,
    pub(super) parts: Parts,
    features: VcpuFeatures,
    affinities: Vec<u64>,
    ram: AddressRange,
    pub(super) power_on: Option<PowerOn>,
}

/// What a machine needs to exist, and what of it a reset is for.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) gic: Gic,
    pub(super) vm: Arc<VmFd>,
}

impl Parts {
    /// The memory slots, so that pages can trap writes; none where the host's KVM cannot do that.
    pub(super) fn slots(&self, memory: Arc<GuestMemoryMmap>) -> Option<MemorySlots> {
        // SAFETY: as for `map`, which made these slots, one for each region: each vCPU of the machine keeps
        // the memory mapped, and it is reached by volatile access only.
        unsafe { MemorySlots::new(self.vm.clone(), memory) }.ok()
    }
}

impl Machine {
    /// Builds a machine whose serial port writes to `output`.
    ///
    /// # Errors
    /// [`MachineError`], [`Error::Missing`] for what the host's KVM lacks, [`Error::Ioctl`].
    pub fn new(kvm: &Kvm, config: &MachineConfig, output: Box<dyn Write + Send>) -> Result<Self, Error> {
        let capabilities = KvmCapabilities::probe(kvm);
        capabilities.require_guest_debug()?;
        config.features.check(&capabilities)?;
        let limit = capabilities.max_vcpus.min(gic::MAX_CPUS);
        if config.cpus == 0 || config.cpus > limit {
            return Err(MachineError::Cpus { cpus: config.cpus, limit }.into());
        }
        let memory =
            Arc::new(memory::allocate(config.memory, capabilities.physical_address_bits, config.pages)?);
        let ram = AddressRange::new(RAM_BASE, config.memory)
            .map_err(|_| MachineError::MemorySize { size: config.memory, limit: 0 })?;
        let vm = kvm.create_vm().map_err(Error::ioctl("KVM_CREATE_VM"))?;
        map(&vm, &memory)?;
        let mut vcpus = (0..config.cpus)
            .map(|number| {
                let fd = vm.create_vcpu(number.into()).map_err(Error::ioctl("KVM_CREATE_VCPU"))?;
                VcpuFeatures { power_off: number != 0, ..config.features }.init(&vm, &fd)?;
                Ok(KvmVcpu::new(fd).keeping(memory.clone()))
            })
            .collect::<Result<Vec<_>, Error>>()?;
        let affinities = vcpus.iter_mut().map(KvmVcpu::affinity).collect::<Result<Vec<_>, _>>()?;
        let gic = Gic::new(&vm, &affinities)?;
        if config.features.pmu_v3 {
            for vcpu in &mut vcpus {
                vcpu.with_fd(|fd| initialise_pmu(fd, PMU_INTERRUPT))??;
            }
        }
        let bus = Arc::new(Bus::new(&vm, output)?);
        let (features, parts) = (config.features, Parts { gic, vm: Arc::new(vm) });
        Ok(Self { vcpus, bus, memory, capabilities, parts, features, affinities, ram, power_on: None })
    }

    /// Loads an ELF executable alone and lets the first vCPU start at its entry point.
    ///
    /// # Errors
    /// [`Error::Load`] and [`Error::WriteRegister`].
    pub fn load_elf(&mut self, image: &[u8]) -> Result<LoadedImage, Error> {
        let loaded = loader::load_elf(&*self.memory, self.ram, image)?;
        self.enter(&loaded.for_state(self.features.el1_32bit)?)?;
        Ok(loaded)
    }

    /// Loads a flat binary at a guest-physical address and lets the first vCPU start there.
    ///
    /// # Errors
    /// [`Error::Load`] and [`Error::WriteRegister`].
    pub fn load_flat(&mut self, address: u64, image: &[u8]) -> Result<LoadedImage, Error> {
        let loaded = loader::load_flat(&*self.memory, self.ram, address, image)?;
        self.enter(&loaded)?;
        Ok(loaded)
    }

    /// Loads a kernel with all that it starts with, and lets the first vCPU start it. A guest that resets the
    /// machine starts with the same once more.
    ///
    /// # Errors
    /// [`Error::Boot`] and [`Error::WriteRegister`].
    pub fn boot(&mut self, boot: Boot) -> Result<Booted, Error> {
        let power_on = PowerOn {
            boot,
            affinities: self.affinities.clone(),
            memory: self.memory.clone(),
            ram: self.ram,
            features: self.features,
        };
        let booted = power_on.load()?;
        if let Some(first) = self.vcpus.first_mut() {
            PowerOn::start(first, &booted)?;
        }
        self.power_on = Some(power_on);
        Ok(booted)
    }

    fn enter(&mut self, image: &LoadedImage) -> Result<(), Error> {
        self.vcpus.first_mut().map_or(Ok(()), |first| power_on::start_at(first, image))
    }

    /// What the host's KVM offers.
    #[must_use]
    pub const fn capabilities(&self) -> &KvmCapabilities {
        &self.capabilities
    }

    /// Where RAM is, guest-physical.
    #[must_use]
    pub const fn ram(&self) -> AddressRange {
        self.ram
    }

    /// The guest's memory.
    #[must_use]
    pub const fn memory(&self) -> &Arc<GuestMemoryMmap> {
        &self.memory
    }

    /// The machine's devices.
    #[must_use]
    pub const fn bus(&self) -> &Arc<Bus> {
        &self.bus
    }

    /// The VM, for what this type does not do.
    #[must_use]
    pub fn vm(&self) -> &VmFd {
        &self.parts.vm
    }

    /// The vCPUs.
    pub fn vcpus_mut(&mut self) -> &mut [KvmVcpu] {
        &mut self.vcpus
    }
}

/// Tells KVM of the guest's memory.
fn map(vm: &VmFd, memory: &Arc<GuestMemoryMmap>) -> Result<(), Error> {
    for (slot, region) in (0..).zip(memory.iter()) {
        let slot = kvm_userspace_memory_region {
            slot,
            flags: 0,
            guest_phys_addr: region.start_addr().raw_value(),
            memory_size: region.size() as u64,
            userspace_addr: region.as_ptr() as u64,
        };
        // SAFETY: the range is that of a mapping that `memory` owns and that nothing unmaps while an
        // `Arc` of it lives. Only KVM_RUN lets a guest write there, and each vCPU of the machine holds
        // such an `Arc` (`KvmVcpu::keeping`). The memory is never borrowed as plain Rust memory:
        // vm-memory reaches it by volatile access.
        unsafe { vm.set_user_memory_region(slot) }.map_err(Error::ioctl("KVM_SET_USER_MEMORY_REGION"))?;
    }
    Ok(())
}
