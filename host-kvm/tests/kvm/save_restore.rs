//! Whole vCPUs saved and put back, on a real KVM.

use crate::common::a64::{self, Program};
use crate::common::{CODE, DATA, Output, id, kvm, machine, machine_from, pc, x};
use trapline_core::target::{Arming, Register, Resume, SystemRegister};
use trapline_kvm::machine::MachineConfig;
use trapline_kvm::register_cache::OneRegister;
use trapline_kvm::register_id::{CoreRegister, RegisterId, RegisterKind};
use trapline_kvm::{
    Exit, KvmCapabilities, KvmVcpu, NoDevices, PowerState, SyncLevel, VcpuFeatures, VcpuState,
};

/// Registers whose values are time's: the counters, and the timers' control with their status bits.
fn is_time(id: RegisterId) -> bool {
    match id.kind() {
        RegisterKind::System(register) => register.crn() == 14 && matches!(register.crm(), 0 | 2 | 3),
        _ => false,
    }
}

/// Every register, but time's, that differs: its value before and after.
fn differences(before: &VcpuState, after: &VcpuState) -> Vec<String> {
    assert_eq!(before.registers().len(), after.registers().len());
    let pairs = before.registers().zip(after.registers());
    pairs
        .filter(|(before, after)| before != after && !is_time(before.id))
        .map(|(before, after)| format!("{}: {:x?} became {:x?}", before.id, before.bytes, after.bytes))
        .collect()
}

fn assert_same(before: &VcpuState, vcpu: &mut KvmVcpu) {
    let differences = differences(before, &VcpuState::save(vcpu).unwrap());
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Changes every register that KVM lets change; returns how many did.
fn scramble(vcpu: &mut KvmVcpu) -> usize {
    let state = VcpuState::save(vcpu).unwrap();
    let mut changed = 0;
    for register in state.registers() {
        let id = register.id;
        // The mode stays AArch64 EL1, and firmware and vector lengths are the VM's, not the guest's.
        if SyncLevel::of(id) != SyncLevel::Runtime || is_time(id) {
            continue;
        }
        let mut bytes = register.bytes.to_vec();
        let keep = if id == RegisterId::core(CoreRegister::Pstate).unwrap() { 1 } else { 0 };
        for byte in &mut bytes[keep..] {
            *byte ^= 0x5a;
        }
        let mut after = vec![0; bytes.len()];
        if vcpu.set(id, &bytes).is_ok() && vcpu.get(id, &mut after).is_ok() && after != register.bytes {
            changed += 1;
        }
    }
    changed
}

fn run_to_brk(vcpu: &mut KvmVcpu) -> u64 {
    vcpu.arm(&Arming { software_breakpoints: true, ..Arming::default() });
    assert!(matches!(vcpu.run(Resume::Run, &NoDevices).unwrap(), Exit::Debug { .. }));
    pc(vcpu)
}

/// Sets system registers, fills vectors and counts.
fn busy() -> (Program, u64) {
    let mut program = Program::at(CODE);
    program.load(0, 3 << 20 | 3 << 16);
    program.add(0xd518_1040); // MSR CPACR_EL1, X0
    program.load(0, 0x1122_3344_5566_7788);
    program.add(0xd518_d080); // MSR TPIDR_EL1, X0
    program.add(0xd518_4100); // MSR SP_EL0, X0
    program.add(0xd518_4020); // MSR ELR_EL1, X0
    program.load(0, DATA);
    program.add(0xd518_c000); // MSR VBAR_EL1, X0
    for number in 0..32 {
        program.add(0x4f00_e400 | number); // MOVI Vn.16B, #0
        program.add(0x4e08_1c00 | number); // MOV Vn.D[0], X0
    }
    for number in 1..30 {
        program.add(a64::movz(number, number as u16));
    }
    let first = program.add(a64::brk(0));
    let again = program.add(a64::add(1, 1, 1));
    program.add(a64::brk(1));
    program.branch(again);
    (program, first)
}

fn round_trip(features: VcpuFeatures) {
    let (program, first) = busy();
    let config = MachineConfig { memory: 2 << 20, features, ..MachineConfig::default() };
    let mut machine = machine_from(&config, &program, Output::default());
    let vcpu = &mut machine.vcpus_mut()[0];
    assert_eq!(run_to_brk(vcpu), first);
    vcpu.write(id(Register::Pc), first + 4).unwrap();

    let saved = VcpuState::save(vcpu).unwrap();
    assert!(saved.registers().len() >= 240, "{}", saved.registers().len());
    assert_eq!(saved.register(id(Register::Pc)), Some(first + 4), "with what the debugger changed");
    let tpidr = id(Register::System(SystemRegister::TPIDR_EL1));
    assert_eq!(saved.register(tpidr), Some(0x1122_3344_5566_7788));

    let changed = scramble(vcpu);
    assert!(changed >= 100, "only {changed} registers could be scrambled");
    assert!(!differences(&saved, &VcpuState::save(vcpu).unwrap()).is_empty());
    let refused = saved.restore(vcpu, SyncLevel::Full).unwrap();
    assert!(refused.is_empty(), "{refused:?}");
    assert_same(&saved, vcpu);

    // The same after the guest has run, and the guest runs the same way again.
    for _ in 0..2 {
        assert_eq!(run_to_brk(vcpu), first + 8);
        assert_eq!((x(vcpu, 1), x(vcpu, 29)), (2, 29));
        let refused = saved.restore(vcpu, SyncLevel::Reset).unwrap();
        assert!(refused.is_empty(), "{refused:?}");
        assert_same(&saved, vcpu);
    }
}

#[test]
fn a_vcpu_comes_back_register_for_register() {
    round_trip(VcpuFeatures::default());
}

#[test]
fn a_vcpu_with_everything_comes_back_register_for_register() {
    let capabilities = KvmCapabilities::probe(&kvm());
    round_trip(VcpuFeatures {
        pmu_v3: capabilities.pmu_v3,
        sve: capabilities.sve,
        ptrauth: capabilities.ptrauth,
        ..VcpuFeatures::default()
    });
}

#[test]
fn the_counter_goes_back_at_the_full_level_only() {
    let mut machine = machine(&Program::idle(CODE));
    let vcpu = &mut machine.vcpus_mut()[0];
    let counter = id(Register::System(SystemRegister::CNTVCT_EL0));
    let now = |vcpu: &mut KvmVcpu| {
        vcpu.with_fd(|_| ()).unwrap();
        vcpu.read(counter).unwrap()
    };
    let saved = VcpuState::save(vcpu).unwrap();
    let then = saved.register(counter).unwrap();
    let far = then + (1 << 40);
    vcpu.write(counter, far).unwrap();
    saved.restore(vcpu, SyncLevel::Reset).unwrap();
    assert!(now(vcpu) >= far);
    saved.restore(vcpu, SyncLevel::Full).unwrap();
    assert!((then..far).contains(&now(vcpu)));
}

#[test]
fn what_kvm_does_not_take_is_reported_with_both_values() {
    let features = VcpuFeatures { pmu_v3: true, ..VcpuFeatures::default() };
    let config = MachineConfig { memory: 2 << 20, features, ..MachineConfig::default() };
    let mut counted = machine_from(&config, &Program::idle(CODE), Output::default());
    let saved = VcpuState::save(&mut counted.vcpus_mut()[0]).unwrap();
    // A vCPU without performance monitor, and off.
    let config = MachineConfig { cpus: 2, memory: 2 << 20, ..MachineConfig::default() };
    let mut plain = machine_from(&config, &Program::idle(CODE), Output::default());
    let second = &mut plain.vcpus_mut()[1];
    assert_eq!(second.power_state().unwrap(), PowerState::Off);
    let refused = saved.restore(second, SyncLevel::Full).unwrap();
    let features = RegisterId::system(SystemRegister::ID_AA64DFR0_EL1);
    let refused = refused.iter().find(|refused| refused.id == features).unwrap();
    assert_eq!(refused.wanted, saved.register(features).unwrap().to_ne_bytes());
    assert_eq!(refused.actual, Some(second.read(features).unwrap().to_ne_bytes().to_vec()));
    assert_eq!(second.power_state().unwrap(), PowerState::Runnable, "power is part of the state");
    let pc = saved.register(id(Register::Pc)).unwrap();
    assert_eq!(second.read(id(Register::Pc)).unwrap(), pc);
}
