//! What processor KVM gives to guests on this host, found out with a scratch VM.

use kvm_ioctls::{Kvm, VcpuFd, VmFd};
use trapline_core::target::SystemRegister;

use crate::capability::KvmCapabilities;
use crate::edge;
use crate::error::Error;
use crate::register_id::RegisterKind;
use crate::vcpu::KvmVcpu;
use crate::vcpu_features::{FeatureWords, VcpuFeatures};

/// The fixed targets of `KVM_ARM_VCPU_INIT`, for kernels before 3.13, which know no preferred one: AEM
/// v8, Foundation v8, Cortex-A57, X-Gene Potenza, Cortex-A53, generic v8.
const FIXED_TARGETS: [u32; 6] = [0, 1, 2, 3, 4, 5];

/// The processor that a vCPU with every feature that KVM has would have.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HostCpu {
    /// The target for `KVM_ARM_VCPU_INIT`.
    pub target: u32,
    /// The features that the scratch vCPU was made with.
    pub features: VcpuFeatures,
    identification: Vec<(SystemRegister, u64)>,
}

impl HostCpu {
    /// Makes a VM with one vCPU, reads its identification registers and throws it away.
    ///
    /// # Errors
    /// [`Error::Ioctl`], and [`Error::ReadRegister`] for a register that KVM lists and does not give.
    pub fn probe(kvm: &Kvm) -> Result<Self, Error> {
        let capabilities = KvmCapabilities::probe(kvm);
        let features = VcpuFeatures {
            psci_0_2: capabilities.psci_0_2,
            pmu_v3: capabilities.pmu_v3,
            sve: capabilities.sve,
            ptrauth: capabilities.ptrauth,
            ..VcpuFeatures::default()
        };
        let vm = kvm.create_vm().map_err(Error::ioctl("KVM_CREATE_VM for a scratch VM"))?;
        let fd = vm.create_vcpu(0).map_err(Error::ioctl("KVM_CREATE_VCPU in a scratch VM"))?;
        let target = features.init(&vm, &fd)?;
        let mut vcpu = KvmVcpu::new(fd);
        let mut identification = Vec::new();
        for id in vcpu.registers()? {
            if let RegisterKind::System(register) = id.kind()
                && is_identification(register)
            {
                identification.push((register, vcpu.read(id)?));
            }
        }
        Ok(Self { target, features, identification })
    }

    /// The value of an identification register; `None` where KVM does not list it.
    #[must_use]
    pub fn register(&self, register: SystemRegister) -> Option<u64> {
        self.identification.iter().find(|(listed, _)| *listed == register).map(|(_, value)| *value)
    }

    /// All identification registers and their values.
    #[must_use]
    pub fn registers(&self) -> &[(SystemRegister, u64)] {
        &self.identification
    }
}

/// Whether a register says what the processor is: those with op0 3, op1 0 or 1, CRn 0 (DDI 0487,
/// "ID registers": MIDR_EL1 to ID_AA64MMFR4_EL1, CLIDR_EL1), and CTR_EL0 and DCZID_EL0.
pub(crate) fn is_identification(register: SystemRegister) -> bool {
    register.op0() == 3
        && register.crn() == 0
        && match register.op1() {
            0 => true,
            1 => register.crm() == 0 && register.op2() != 0,
            3 => true,
            _ => false,
        }
}

/// `KVM_ARM_VCPU_INIT` for the preferred target or, where KVM knows none, the first fixed one that it
/// takes. Returns the target.
pub(crate) fn init_with_some_target(vm: &VmFd, vcpu: &VcpuFd, features: FeatureWords) -> Result<u32, Error> {
    let unknown = match edge::preferred_target(vm) {
        Ok(target) => return edge::init_vcpu(vcpu, target, features).map(|()| target),
        Err(error) => error,
    };
    FIXED_TARGETS.into_iter().find(|target| edge::init_vcpu(vcpu, *target, features).is_ok()).ok_or(unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identification_registers_are_told_from_the_others() {
        for (name, expected) in [
            ("MIDR_EL1", true),
            ("MPIDR_EL1", true),
            ("ID_AA64DFR0_EL1", true),
            ("ID_AA64MMFR2_EL1", true),
            ("S3_1_C0_C0_1", true),  // CLIDR_EL1
            ("S3_3_C0_C0_1", true),  // CTR_EL0
            ("S3_1_C0_C0_0", false), // CCSIDR_EL1 changes with CSSELR_EL1
            ("CSSELR_EL1", false),
            ("SCTLR_EL1", false),
            ("CNTVCT_EL0", false),
            ("MDSCR_EL1", false),
        ] {
            let register = SystemRegister::by_name(name).unwrap();
            assert_eq!(is_identification(register), expected, "{name}");
        }
    }
}
