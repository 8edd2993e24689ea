//! What vCPUs can be made with on a real KVM: the host's processor, performance monitor, SVE, pointer
//! authentication.

use crate::common::a64::{self, Program};
use crate::common::{CODE, DATA, Output, id, kvm, machine_from, x};
use trapline_core::target::{Arming, Register, Resume, SystemRegister};
use trapline_kvm::machine::{Machine, MachineConfig};
use trapline_kvm::register_id::{CoreRegister, RegisterId, SveRegister};
use trapline_kvm::{
    Error, Exit, HostCpu, KvmCapabilities, KvmVcpu, NoDevices, PmuError, VcpuFeatures, initialise_pmu,
};

fn with(features: VcpuFeatures, program: &Program) -> Machine {
    let config = MachineConfig { memory: 2 << 20, features, ..MachineConfig::default() };
    machine_from(&config, program, Output::default())
}

fn run_to_brk(vcpu: &mut KvmVcpu) {
    vcpu.arm(&Arming { software_breakpoints: true, ..Arming::default() });
    match vcpu.run(Resume::Run, &NoDevices).unwrap() {
        Exit::Debug { syndrome, .. } => assert_eq!(syndrome >> 26, 0x3c),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_host_processor_is_read_and_is_what_a_vcpu_has() {
    let host = HostCpu::probe(&kvm()).unwrap();
    let capabilities = KvmCapabilities::probe(&kvm());
    let dfr0 = host.register(SystemRegister::ID_AA64DFR0_EL1).unwrap();
    assert_eq!((dfr0 >> 12 & 0xf) + 1, u64::from(capabilities.breakpoints), "BRPs");
    assert_eq!((dfr0 >> 20 & 0xf) + 1, u64::from(capabilities.watchpoints), "WRPs");
    assert_eq!(host.register(SystemRegister::SCTLR_EL1), None);
    let pfr0 = host.register(SystemRegister::ID_AA64PFR0_EL1).unwrap();
    assert_eq!(pfr0 >> 32 & 0xf != 0, capabilities.sve, "SVE");
    assert_eq!(pfr0 >> 4 & 0xf == 2, capabilities.el1_32bit, "EL1 can be AArch32");
    let mut machine = with(host.features, &Program::idle(CODE));
    let vcpu = &mut machine.vcpus_mut()[0];
    for register in [SystemRegister::MIDR_EL1, SystemRegister::ID_AA64MMFR0_EL1] {
        assert_eq!(host.register(register).unwrap(), vcpu.read(RegisterId::system(register)).unwrap());
    }
}

#[test]
fn vcpus_have_affinities_of_their_own_that_their_guest_sees() {
    let mut program = Program::at(CODE);
    program.add(0xd538_00a1); // MRS X1, MPIDR_EL1
    program.add(a64::brk(0));
    let config = MachineConfig { cpus: 3, memory: 2 << 20, ..MachineConfig::default() };
    let mut machine = machine_from(&config, &program, Output::default());
    let mut affinities: Vec<u64> =
        machine.vcpus_mut().iter_mut().map(|vcpu| vcpu.affinity().unwrap()).collect();
    let first = &mut machine.vcpus_mut()[0];
    run_to_brk(first);
    assert_eq!(x(first, 1), affinities[0]);
    affinities.dedup();
    assert_eq!(affinities.len(), 3);
}

#[test]
fn a_performance_monitor_counts_once_it_is_set_up() {
    if !KvmCapabilities::probe(&kvm()).pmu_v3 {
        return;
    }
    let mut program = Program::at(CODE);
    program.load(0, 1 << 31);
    program.add(0xd51b_9c20); // MSR PMCNTENSET_EL0, X0: the cycle counter
    program.add(a64::movz(0, 1));
    program.add(0xd51b_9c00); // MSR PMCR_EL0, X0: enable
    for _ in 0..16 {
        program.add(a64::NOP);
    }
    program.add(0xd53b_9d01); // MRS X1, PMCCNTR_EL0
    program.add(a64::brk(0));
    let features = VcpuFeatures { pmu_v3: true, ..VcpuFeatures::default() };
    let mut machine = with(features, &program);
    let vcpu = &mut machine.vcpus_mut()[0];
    run_to_brk(vcpu);
    assert_ne!(x(vcpu, 1), 0);
    let again = vcpu.with_fd(|fd| initialise_pmu(fd, 23)).unwrap();
    assert!(matches!(again, Err(Error::Pmu(PmuError::Interrupt { interrupt: 23, .. }))), "{again:?}");
}

#[test]
fn a_performance_monitor_that_is_not_there_is_a_typed_error() {
    let mut machine = with(VcpuFeatures::default(), &Program::idle(CODE));
    let refused = machine.vcpus_mut()[0].with_fd(|fd| initialise_pmu(fd, 23)).unwrap().unwrap_err();
    assert!(matches!(refused, Error::Pmu(PmuError::Absent(_))), "{refused}");
}

#[test]
fn a_feature_that_kvm_lacks_is_refused_by_its_capability() {
    let capabilities = KvmCapabilities::probe(&kvm());
    for (features, present, name) in [
        (VcpuFeatures { sve: true, ..VcpuFeatures::default() }, capabilities.sve, "KVM_CAP_ARM_SVE"),
        (
            VcpuFeatures { ptrauth: true, ..VcpuFeatures::default() },
            capabilities.ptrauth,
            "KVM_CAP_ARM_PTRAUTH_ADDRESS",
        ),
    ] {
        let config = MachineConfig { features, ..MachineConfig::default() };
        match Machine::new(&kvm(), &config, Box::new(std::io::sink())) {
            Ok(_) => assert!(present, "{name}"),
            Err(error) => {
                assert!(!present, "{error}");
                assert!(error.to_string().contains(name), "{error}");
            }
        }
    }
}

#[test]
fn with_sve_vectors_are_read_and_written_through_the_z_registers() {
    if !KvmCapabilities::probe(&kvm()).sve {
        return;
    }
    let mut program = Program::at(CODE);
    program.load(0, 3 << 20 | 3 << 16);
    program.add(0xd518_1040); // MSR CPACR_EL1, X0: no traps of SVE and SIMD
    program.add(0xd503_3fdf); // ISB
    program.load(0, DATA);
    program.add(0x3d80_0005); // STR Q5, [X0]
    program.add(0x4f00_e606 | 2 << 5); // MOVI V6.16B, #0x12
    program.add(a64::brk(0));
    let mut machine = with(VcpuFeatures { sve: true, ..VcpuFeatures::default() }, &program);
    let memory = machine.memory().clone();
    let vcpu = &mut machine.vcpus_mut()[0];
    let value = 0x0123_4567_89ab_cdef_0011_2233_4455_6677_u128;
    vcpu.write_vector(5, value).unwrap();
    assert_eq!(vcpu.read_vector(5).unwrap(), value);
    run_to_brk(vcpu);
    assert_eq!(vcpu.read_vector(5).unwrap(), value);
    assert_eq!(vcpu.read_vector(6).unwrap(), u128::MAX / 0xff * 0x12);
    let mut stored = [0; 16];
    trapline_kvm::GuestMemory::read(&*memory, trapline_core::address::PhysicalAddress(DATA), &mut stored)
        .unwrap();
    assert_eq!(u128::from_le_bytes(stored), value);
    let listed = vcpu.registers().unwrap();
    assert!(listed.contains(&RegisterId::sve(SveRegister::Z { number: 31, slice: 0 })));
    assert!(listed.contains(&RegisterId::sve(SveRegister::VectorLengths)));
    assert!(!listed.contains(&RegisterId::core(CoreRegister::V(0)).unwrap()));
}

#[test]
fn with_pointer_authentication_keys_are_registers() {
    if !KvmCapabilities::probe(&kvm()).ptrauth {
        return;
    }
    let features = VcpuFeatures { ptrauth: true, ..VcpuFeatures::default() };
    let mut machine = with(features, &Program::idle(CODE));
    let vcpu = &mut machine.vcpus_mut()[0];
    let key = id(Register::System(SystemRegister::by_name("S3_0_C2_C1_0").unwrap())); // APIAKeyLo_EL1
    vcpu.write(key, 0x1234_5678_9abc_def0).unwrap();
    vcpu.with_fd(|_| ()).unwrap();
    assert_eq!(vcpu.read(key).unwrap(), 0x1234_5678_9abc_def0);
}
