//! Starting the machine, the first time and again after the guest has reset it.

use std::sync::Arc;

use trapline_core::address::AddressRange;
use trapline_core::target::{Backend, CoreId, Register, TargetError};
use vm_memory::GuestMemoryMmap;

use super::boot::{self, Boot, Booted};
use super::bus::Bus;
use super::fdt::Description;
use super::gic;
use super::vm::Parts;
use crate::error::Error;
use crate::register_id::RegisterId;
use crate::target::KvmTarget;
use crate::vcpu::KvmVcpu;
use crate::vcpu_features::VcpuFeatures;

/// What it takes to start a machine.
#[derive(Debug)]
pub(super) struct PowerOn {
    pub(super) boot: Boot,
    /// `MPIDR_EL1` of each vCPU.
    pub(super) affinities: Vec<u64>,
    pub(super) memory: Arc<GuestMemoryMmap>,
    pub(super) ram: AddressRange,
    pub(super) features: VcpuFeatures,
}

impl PowerOn {
    /// Puts everything that the guest starts with into memory.
    pub(super) fn load(&self) -> Result<Booted, Error> {
        let machine = Description {
            affinities: &self.affinities,
            ram: self.ram,
            features: self.features,
            redistributors: &gic::redistributor_regions(self.affinities.len() as u16),
            command_line: "",
            initrd: None,
            seed: [0; 64],
        };
        Ok(boot::load(&self.memory, self.ram, &self.boot, &machine)?)
    }

    /// Lets the first vCPU start what is loaded.
    pub(super) fn start(first: &mut KvmVcpu, booted: &Booted) -> Result<(), Error> {
        for (register, value) in [(Register::Pc, booted.kernel.entry), (Register::X(0), booted.tree)] {
            if let Some(id) = RegisterId::of(register) {
                first.write(id, value)?;
            }
        }
        Ok(())
    }

    /// Resets every part of the machine but RAM, where only what the guest starts with is put back, and lets
    /// the first vCPU start. All vCPUs are halted.
    pub(super) fn again(&self, target: &KvmTarget, parts: &Parts, bus: &Bus) -> Result<(), Error> {
        let work = |core: u16, work: &mut dyn FnMut(&mut KvmVcpu) -> Result<(), Error>| {
            match target.with_vcpu(CoreId(core), work) {
                Ok(result) => result,
                Err(TargetError::Lost(error)) => Err(error),
                // Who resets has halted them all.
                Err(TargetError::Refused(_)) => Err(Error::Poisoned { what: "a vCPU" }),
            }
        };
        for core in 0..target.cores() {
            let features = VcpuFeatures { power_off: core != 0, ..self.features };
            work(core, &mut |vcpu| vcpu.reset(&parts.vm, features))?;
        }
        parts.gic.reset()?;
        bus.reset();
        let booted = self.load()?;
        work(0, &mut |vcpu| Self::start(vcpu, &booted))
    }
}
