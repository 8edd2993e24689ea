//! Starting the machine, the first time and again after the guest has reset it.

use std::sync::Arc;

use trapline_core::address::AddressRange;
use trapline_core::breakpoint::Instruction;
use trapline_core::registers::Cpsr;
use trapline_core::target::{Backend, CoreId, Register, TargetError};
use vm_memory::GuestMemoryMmap;

use super::boot::{self, Boot, Booted};
use super::bus::Bus;
use super::fdt::Description;
use super::gic;
use super::loader::LoadedImage;
use super::vm::Parts;
use crate::error::Error;
use crate::register_id::RegisterId;
use crate::target::KvmTarget;
use crate::vcpu::KvmVcpu;
use crate::vcpu_features::VcpuFeatures;

/// Lets a vCPU that has been reset start at an image's first instruction.
pub(super) fn start_at(vcpu: &mut KvmVcpu, image: &LoadedImage) -> Result<(), Error> {
    if image.instruction == Some(Instruction::T32) {
        let reset = Cpsr::from_bits(vcpu.read(RegisterId::PSTATE)? as u32);
        vcpu.write(RegisterId::PSTATE, reset.with_t(true).into_bits().into())?;
    }
    write(vcpu, Register::Pc, image.entry)
}

fn write(vcpu: &mut KvmVcpu, register: Register, value: u64) -> Result<(), Error> {
    RegisterId::of(register).map_or(Ok(()), |id| vcpu.write(id, value))
}

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
        let arguments = match booted.kernel.instruction {
            Some(Instruction::A32 | Instruction::T32) => [0, u32::MAX.into(), booted.tree],
            _ => [booted.tree, 0, 0],
        };
        for (number, value) in (0..).zip(arguments) {
            write(first, Register::X(number), value)?;
        }
        start_at(first, &booted.kernel)
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
