//! The defects of QEMU's arm64 backend that concern KVM itself, each shown not to be here. The others are in
//! the tests of the core.

use crate::common::a64::Program;
use crate::common::{CODE, Output, id, kvm, machine, machine_from};
use trapline_core::target::{Register, SystemRegister};
use trapline_kvm::machine::MachineConfig;
use trapline_kvm::register_cache::OneRegister;
use trapline_kvm::register_id::{RegisterId, RegisterKind};
use trapline_kvm::{Error, KvmCapabilities, PowerState, SyncLevel, VcpuFeatures, VcpuState};

/// Defect 16: a positive error number returned as if it were a result, and that of the power state ignored.
#[test]
fn defect_16_what_the_kernel_refuses_is_an_error_with_its_number() {
    let mut machine = machine(&Program::idle(CODE));
    let vcpu = &mut machine.vcpus_mut()[0];
    let pc = id(Register::Pc);
    let before = vcpu.read(pc).unwrap();

    // S3_7_C15_C15_7 exists nowhere.
    let nowhere = RegisterId::system(SystemRegister::new(3, 7, 15, 15, 7).unwrap());
    match vcpu.read(nowhere) {
        Err(Error::ReadRegister { id, errno }) => {
            assert_eq!((id, errno.errno()), (nowhere, libc::ENOENT));
        }
        other => panic!("{other:?}"),
    }
    // A mode that no Exception level has.
    let pstate = RegisterId::PSTATE;
    let refused = vcpu.write(pstate, 0b1110).and_then(|()| vcpu.write_back());
    match refused {
        Err(Error::WriteRegister { id, errno, .. }) => {
            assert_eq!((id, errno.errno()), (pstate, libc::EINVAL));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(vcpu.read(pc).unwrap(), before);
    assert_eq!(vcpu.power_state().unwrap(), PowerState::Runnable);
}

/// Defect 17: vCPU events, SVE, the physical timer and the ID registers were not synchronised.
#[test]
fn defect_17_events_vectors_the_physical_timer_and_the_id_registers_are_part_of_a_vcpu() {
    let capabilities = KvmCapabilities::probe(&kvm());
    let features = VcpuFeatures { sve: capabilities.sve, ..VcpuFeatures::default() };
    let config = MachineConfig { memory: 2 << 20, features, ..MachineConfig::default() };
    let mut machine = machine_from(&config, &Program::idle(CODE), Output::default());
    let vcpu = &mut machine.vcpus_mut()[0];
    let state = VcpuState::save(vcpu).unwrap();
    assert!(state.events().is_some(), "vCPU events");

    let saved = |wanted: RegisterId| state.registers().any(|register| register.id == wanted);
    let system = RegisterId::system;
    for register in [SystemRegister::ID_AA64DFR0_EL1, SystemRegister::ID_AA64MMFR0_EL1] {
        assert!(saved(system(register)), "{register}");
    }
    let is_sve = |id: RegisterId| matches!(id.kind(), RegisterKind::Sve(_));
    let vectors = state.registers().filter(|register| is_sve(register.id)).count();
    assert_eq!(vectors > 0, capabilities.sve, "{vectors} registers of SVE");
    // Whatever the kernel lists, the physical timer's among it where it does, is there.
    for listed in vcpu.registers().unwrap() {
        assert!(saved(listed), "{listed} is listed and was not saved");
    }
    // CNTP_CVAL_EL0, which kernels give or do not.
    let compare = system(SystemRegister::new(3, 3, 14, 2, 2).unwrap());
    if vcpu.get(compare, &mut [0; 8]).is_ok() && vcpu.registers().unwrap().contains(&compare) {
        vcpu.write(compare, 0x1234_5678).unwrap();
        let changed = VcpuState::save(vcpu).unwrap();
        vcpu.write(compare, 0).unwrap();
        changed.restore(vcpu, SyncLevel::Reset).unwrap();
        assert_eq!(vcpu.read(compare).unwrap(), 0x1234_5678);
    }
}
