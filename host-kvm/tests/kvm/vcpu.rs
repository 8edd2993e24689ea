//! One vCPU on a real KVM: registers, debug exits, devices, power.

use std::path::Path;

use crate::common::a64::{self, Program};
use crate::common::{CODE, DATA, LOADS, STORES, breakpoint, id, kvm, machine, pc, watchpoint, x};
use trapline_core::address::PhysicalAddress;
use trapline_core::target::{Arming, Register, Resume, SystemRegister};
use trapline_kvm::machine::{Machine, MachineConfig, MachineError};
use trapline_kvm::register_id::{CoreRegister, RegisterId, SpsrBank};
use trapline_kvm::{Error, Exit, GuestMemory, KvmCapabilities, KvmVcpu, NoDevices, SystemEvent, open};

/// Exception classes of debug exits (DDI 0487, ESR_ELx.EC).
const EC_BREAKPOINT: u64 = 0x30;
const EC_STEP: u64 = 0x32;
const EC_WATCHPOINT: u64 = 0x34;
const EC_BRK: u64 = 0x3c;

/// Runs into a debug exit: exception class, ISS, FAR.
fn debug_exit(vcpu: &mut KvmVcpu, how: Resume) -> (u64, u64, u64) {
    match vcpu.run(how, &NoDevices).unwrap() {
        Exit::Debug { syndrome, fault_address } => {
            (syndrome >> 26 & 0x3f, syndrome & 0x01ff_ffff, fault_address)
        }
        other => panic!("{other:?}"),
    }
}

fn armed(change: impl FnOnce(&mut Arming)) -> Arming {
    let mut arming = Arming::default();
    change(&mut arming);
    arming
}

#[test]
fn kvm_has_guest_debug_with_comparators() {
    let capabilities = KvmCapabilities::probe(&kvm());
    capabilities.require_guest_debug().unwrap();
    assert!((2..=16).contains(&capabilities.breakpoints), "{capabilities:?}");
    assert!((2..=16).contains(&capabilities.watchpoints), "{capabilities:?}");
    assert!(capabilities.psci_0_2 && capabilities.mp_state, "{capabilities:?}");
    assert!(capabilities.max_vcpus >= 4, "{capabilities:?}");
}

#[test]
fn a_missing_kvm_device_is_refused_by_name() {
    let refused = open(Path::new("/dev/no-kvm")).unwrap_err();
    assert!(matches!(refused, Error::OpenKvm { .. }));
    assert!(refused.to_string().starts_with("/dev/no-kvm cannot be opened: No such file"), "{refused}");
    let refused = open(Path::new("/dev/null")).unwrap_err();
    assert!(refused.to_string().starts_with("/dev/null speaks KVM API version -1"), "{refused}");
}

#[test]
fn every_register_comes_back_as_it_was_written() {
    let mut machine = machine(&Program::idle(CODE));
    let vcpu = &mut machine.vcpus_mut()[0];
    let mut ids: Vec<RegisterId> = (0..=30).map(|number| id(Register::X(number))).collect();
    ids.push(id(Register::Pc));
    for system in [
        SystemRegister::SP_EL0,
        SystemRegister::SP_EL1,
        SystemRegister::ELR_EL1,
        SystemRegister::TTBR0_EL1,
        SystemRegister::TPIDR_EL1,
        SystemRegister::VBAR_EL1,
        SystemRegister::CONTEXTIDR_EL1,
        SystemRegister::CNTV_CVAL_EL0,
    ] {
        ids.push(id(Register::System(system)));
    }
    ids.extend(SpsrBank::ALL.map(|bank| RegisterId::core(CoreRegister::Spsr(bank)).unwrap()));
    let value_of = |index: usize| 0x1000 * (index as u64 + 1);
    for (index, id) in ids.iter().enumerate() {
        vcpu.write(*id, value_of(index)).unwrap();
    }
    vcpu.write(id(Register::Pstate), 0x8000_03c4).unwrap();
    vcpu.write(id(Register::Fpsr), 0x0800_009f).unwrap();
    vcpu.write(id(Register::Fpcr), 0x03c0_0000).unwrap();
    for number in 0..32 {
        let value = 0x0123_4567_89ab_cdef_0000_1111_2222_3300 | u128::from(number);
        vcpu.write_vector(number, value).unwrap();
    }
    // Looking at the vCPU itself writes everything back and forgets it.
    vcpu.with_fd(|_| ()).unwrap();
    let before = vcpu.ioctls();
    for (index, id) in ids.iter().enumerate() {
        assert_eq!(vcpu.read(*id).unwrap(), value_of(index), "{id}");
    }
    assert_eq!(vcpu.ioctls() - before, ids.len() as u64, "each register was read from KVM");
    assert_eq!(vcpu.read(id(Register::Pstate)).unwrap(), 0x8000_03c4);
    assert_eq!(vcpu.read(id(Register::Fpsr)).unwrap(), 0x0800_009f);
    assert_eq!(vcpu.read(id(Register::Fpcr)).unwrap(), 0x03c0_0000);
    for number in 0..32 {
        let value = 0x0123_4567_89ab_cdef_0000_1111_2222_3300 | u128::from(number);
        assert_eq!(vcpu.read_vector(number).unwrap(), value, "V{number}");
    }
}

#[test]
fn a_value_that_kvm_refuses_is_an_error_that_names_it() {
    let mut machine = machine(&Program::idle(CODE));
    let vcpu = &mut machine.vcpus_mut()[0];
    // An AArch32 mode in a vCPU whose EL1 is AArch64.
    let refused = vcpu.write(id(Register::Pstate), 0x1d3).unwrap_err();
    assert!(matches!(refused, Error::WriteRegister { value: 0x1d3, .. }), "{refused}");
    assert_eq!(vcpu.read(id(Register::Pstate)).unwrap(), 0x3c5);
    let unknown = SystemRegister::new(3, 7, 15, 15, 7).unwrap();
    let refused = vcpu.read(id(Register::System(unknown))).unwrap_err();
    assert!(refused.to_string().starts_with("KVM does not give S3_7_C15_C15_7"), "{refused}");
}

#[test]
fn the_listed_registers_are_known_and_readable() {
    let mut machine = machine(&Program::idle(CODE));
    let vcpu = &mut machine.vcpus_mut()[0];
    let listed = vcpu.registers().unwrap();
    assert!(listed.len() >= 200, "{}", listed.len());
    for number in 0..=30 {
        assert!(listed.contains(&id(Register::X(number))));
    }
    for register in [
        id(Register::Pc),
        id(Register::Pstate),
        id(Register::Fpsr),
        RegisterId::core(CoreRegister::V(31)).unwrap(),
        RegisterId::core(CoreRegister::Spsr(SpsrBank::Fiq)).unwrap(),
        id(Register::System(SystemRegister::CNTVCT_EL0)),
        id(Register::System(SystemRegister::CNTV_CVAL_EL0)),
        RegisterId::firmware(0),
    ] {
        assert!(listed.contains(&register), "{register}");
    }
    let unknown: Vec<_> =
        listed.iter().filter(|id| id.kind() == trapline_kvm::register_id::RegisterKind::Unknown).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn a_breakpoint_stops_before_its_instruction_and_only_there() {
    let mut program = Program::at(CODE);
    program.add(a64::movz(1, 1));
    program.add(a64::movz(2, 2));
    let at = program.add(a64::movz(3, 3));
    program.add(a64::brk(7));
    let mut machine = machine(&program);
    let vcpu = &mut machine.vcpus_mut()[0];
    vcpu.arm(&armed(|arming| arming.bank.breakpoints[1] = breakpoint(at)));
    let (class, _, _) = debug_exit(vcpu, Resume::Run);
    assert_eq!((class, pc(vcpu)), (EC_BREAKPOINT, at));
    assert_eq!((x(vcpu, 2), x(vcpu, 3)), (2, 0));
    // It would stop there for ever; with other things armed, the guest goes on.
    vcpu.arm(&armed(|arming| arming.software_breakpoints = true));
    let (class, iss, _) = debug_exit(vcpu, Resume::Run);
    assert_eq!((class, iss, pc(vcpu)), (EC_BRK, 7, at + 4));
    assert_eq!(x(vcpu, 3), 3);
}

#[test]
fn a_watchpoint_reports_the_address_and_the_direction_before_the_access() {
    let mut program = Program::at(CODE);
    program.load(0, DATA + 4);
    program.add(a64::movz(1, 0x55));
    let store = program.add(a64::store(1, 1, 0));
    let load = program.add(a64::load(0, 2, 0));
    program.add(a64::brk(0));
    let mut machine = machine(&program);
    let memory = machine.memory().clone();
    let vcpu = &mut machine.vcpus_mut()[0];
    let watch = |select, kind| armed(|arming| arming.bank.watchpoints[0] = watchpoint(DATA, select, kind));
    const WNR: u64 = 1 << 6;

    vcpu.arm(&watch(0b0011_0000, STORES));
    let (class, iss, far) = debug_exit(vcpu, Resume::Run);
    assert_eq!((class, far, pc(vcpu)), (EC_WATCHPOINT, DATA + 4, store));
    assert_ne!(iss & WNR, 0, "a write");
    let mut bytes = [0; 2];
    GuestMemory::read(&*memory, PhysicalAddress(DATA + 4), &mut bytes).unwrap();
    assert_eq!(bytes, [0, 0], "the store has not been done");

    vcpu.arm(&watch(0b0011_0000, LOADS));
    let (class, iss, far) = debug_exit(vcpu, Resume::Run);
    assert_eq!((class, far, pc(vcpu)), (EC_WATCHPOINT, DATA + 4, load));
    assert_eq!(iss & WNR, 0, "a read");

    vcpu.arm(&watch(0b1100_1111, LOADS | STORES));
    assert_eq!(debug_exit(vcpu, Resume::Run).0, EC_BRK, "none of the bytes around it is accessed");
}

#[test]
fn a_step_executes_one_instruction() {
    let mut program = Program::at(CODE);
    for number in 0..3 {
        program.add(a64::movz(number, 0x11));
    }
    let back = program.branch(CODE);
    let mut machine = machine(&program);
    let vcpu = &mut machine.vcpus_mut()[0];
    for expected in [CODE + 4, CODE + 8, back, CODE, CODE + 4] {
        let (class, _, _) = debug_exit(vcpu, Resume::Step);
        assert_eq!((class, pc(vcpu)), (EC_STEP, expected));
        // PSTATE as a vCPU is reset to: EL1h, DAIF. KVM's own use of PSTATE.SS does not show.
        assert_eq!(vcpu.read(id(Register::Pstate)).unwrap(), 0x3c5);
    }
    assert_eq!((x(vcpu, 0), x(vcpu, 1), x(vcpu, 2)), (0x11, 0x11, 0x11));
}

#[test]
fn a_step_over_an_access_to_a_device_completes_the_access() {
    let mut program = Program::at(CODE);
    program.load(0, 0x0900_0000);
    program.add(a64::movz(1, u16::from(b'!')));
    program.add(a64::movz(2, 0xffff));
    let write = program.add(a64::store(0, 1, 0));
    let read = program.add(a64::load(0, 2, 0));
    program.branch(CODE);
    let output = crate::common::Output::default();
    let mut machine = crate::common::machine_with(&program, 1, output.clone());
    let bus = machine.bus().clone();
    let vcpu = &mut machine.vcpus_mut()[0];
    vcpu.arm(&armed(|arming| arming.bank.breakpoints[0] = breakpoint(write)));
    assert_eq!(debug_exit(vcpu, Resume::Run).0, EC_BREAKPOINT);
    vcpu.arm(&Arming::default());
    for (expected, text) in [(write + 4, "!"), (read + 4, "!")] {
        match vcpu.run(Resume::Step, &*bus).unwrap() {
            Exit::Debug { syndrome, .. } => assert_eq!(syndrome >> 26, EC_STEP),
            other => panic!("{other:?}"),
        }
        assert_eq!((pc(vcpu), output.text().as_str()), (expected, text));
    }
    assert_eq!(x(vcpu, 2), 0, "nothing was typed");
}

#[test]
fn a_changed_register_is_in_the_vcpu_when_it_runs() {
    let mut program = Program::at(CODE);
    program.add(a64::brk(0));
    program.load(5, DATA);
    let skipped_to = program.add(a64::add(1, 2, 0x10));
    program.add(a64::store(3, 1, 3));
    program.add(a64::brk(1));
    let mut machine = machine(&program);
    let memory = machine.memory().clone();
    let vcpu = &mut machine.vcpus_mut()[0];
    vcpu.arm(&armed(|arming| arming.software_breakpoints = true));
    assert_eq!(debug_exit(vcpu, Resume::Run).0, EC_BRK);
    vcpu.write(id(Register::Pc), skipped_to).unwrap();
    vcpu.write(id(Register::X(2)), 0x1234).unwrap();
    vcpu.write(id(Register::X(3)), DATA).unwrap();
    let (class, iss, _) = debug_exit(vcpu, Resume::Run);
    assert_eq!((class, iss, x(vcpu, 5)), (EC_BRK, 1, 0));
    let mut bytes = [0; 8];
    GuestMemory::read(&*memory, PhysicalAddress(DATA), &mut bytes).unwrap();
    assert_eq!(u64::from_le_bytes(bytes), 0x1244);
}

#[test]
fn with_nothing_armed_a_brk_is_the_guests_own() {
    let mut program = Program::at(CODE);
    program.load(0, CODE + 0x800);
    program.add(0xd518_c000); // MSR VBAR_EL1, X0
    program.add(a64::brk(0));
    while program.here() < CODE + 0x800 + 0x200 {
        program.add(a64::NOP);
    }
    program.psci(a64::SYSTEM_OFF);
    let mut machine = machine(&program);
    let vcpu = &mut machine.vcpus_mut()[0];
    vcpu.arm(&armed(|arming| arming.bank.breakpoints[0] = breakpoint(CODE)));
    assert_eq!(debug_exit(vcpu, Resume::Run).0, EC_BREAKPOINT);
    vcpu.arm(&Arming::default());
    assert_eq!(vcpu.run(Resume::Run, &NoDevices).unwrap(), Exit::System(SystemEvent::Shutdown));
}

#[test]
fn an_instruction_in_changed_memory_is_the_new_one() {
    let mut program = Program::at(CODE);
    let changed = program.add(a64::movz(1, 1));
    program.add(a64::brk(0));
    program.branch(CODE);
    let mut machine = machine(&program);
    let memory = machine.memory().clone();
    let vcpu = &mut machine.vcpus_mut()[0];
    vcpu.arm(&armed(|arming| arming.software_breakpoints = true));
    for value in 1..20 {
        GuestMemory::write(&*memory, PhysicalAddress(changed), &a64::movz(1, value).to_le_bytes()).unwrap();
        memory.synchronize_instructions(PhysicalAddress(changed), 4).unwrap();
        assert_eq!(debug_exit(vcpu, Resume::Run).0, EC_BRK);
        assert_eq!(x(vcpu, 1), u64::from(value));
        let next = pc(vcpu) + 4;
        vcpu.write(id(Register::Pc), next).unwrap();
    }
}

#[test]
fn power_off_and_reset_by_psci_are_exits() {
    for (function, event) in
        [(a64::SYSTEM_OFF, SystemEvent::Shutdown), (a64::SYSTEM_RESET, SystemEvent::Reset)]
    {
        let mut program = Program::at(CODE);
        program.psci(function);
        let mut machine = machine(&program);
        let exit = machine.vcpus_mut()[0].run(Resume::Run, &NoDevices).unwrap();
        assert_eq!(exit, Exit::System(event));
    }
}

#[test]
fn a_guest_that_steps_into_its_own_power_off_is_an_exit_with_its_state_kept() {
    let mut program = Program::at(CODE);
    program.load(0, a64::SYSTEM_OFF.into());
    let call = program.add(a64::hvc(0));
    let mut machine = machine(&program);
    let vcpu = &mut machine.vcpus_mut()[0];
    for _ in 0..4 {
        assert_eq!(debug_exit(vcpu, Resume::Step).0, EC_STEP);
    }
    assert_eq!(pc(vcpu), call);
    assert_eq!(vcpu.run(Resume::Step, &NoDevices).unwrap(), Exit::System(SystemEvent::Shutdown));
    assert_eq!(x(vcpu, 30), 0);
}

#[test]
fn a_guest_that_steps_into_its_own_reset_is_an_exit() {
    let mut program = Program::at(CODE);
    program.load(0, a64::SYSTEM_RESET.into());
    program.add(a64::hvc(0));
    let mut machine = machine(&program);
    let vcpu = &mut machine.vcpus_mut()[0];
    for _ in 0..4 {
        assert_eq!(debug_exit(vcpu, Resume::Step).0, EC_STEP);
    }
    assert_eq!(vcpu.run(Resume::Step, &NoDevices).unwrap(), Exit::System(SystemEvent::Reset));
}

#[test]
fn a_vcpu_that_was_never_initialised_is_a_typed_error_at_every_turn() {
    let vm = kvm().create_vm().unwrap();
    let mut vcpu = KvmVcpu::new(vm.create_vcpu(0).unwrap());
    let refused = vcpu.read(id(Register::Pc)).unwrap_err();
    assert!(matches!(refused, Error::ReadRegister { .. }), "{refused}");
    let refused = vcpu.registers().unwrap_err();
    assert!(matches!(refused, Error::Ioctl { operation: "KVM_GET_REG_LIST", .. }), "{refused}");
    let refused = vcpu.run(Resume::Run, &NoDevices).unwrap_err();
    assert!(matches!(refused, Error::Ioctl { operation: "KVM_RUN", .. }), "{refused}");
    vcpu.write(id(Register::X(0)), 1).unwrap();
    let refused = vcpu.run(Resume::Run, &NoDevices).unwrap_err();
    assert!(matches!(refused, Error::WriteRegister { value: 1, .. }), "{refused}");
}

#[test]
fn an_access_that_kvm_cannot_decode_is_an_exit() {
    let mut program = Program::at(CODE);
    program.load(0, 0x0a00_0000);
    program.add(0xa940_0801); // LDP X1, X2, [X0]
    let mut machine = machine(&program);
    let exit = machine.vcpus_mut()[0].run(Resume::Run, &NoDevices).unwrap();
    assert_eq!(exit, Exit::UndecodableAccess);
}

#[test]
fn machines_that_cannot_be_are_refused() {
    let kvm = kvm();
    for (config, expected) in [
        (MachineConfig { cpus: 0, ..MachineConfig::default() }, "0 vCPUs cannot be had"),
        (MachineConfig { cpus: u16::MAX, ..MachineConfig::default() }, "65535 vCPUs cannot be had"),
        (MachineConfig { memory: 0, ..MachineConfig::default() }, "0 MiB (0x0 bytes) of guest memory"),
        (
            MachineConfig { memory: 1 << 36, ..MachineConfig::default() },
            "the guest is to have 65536 MiB of memory, and this host has ",
        ),
    ] {
        let refused = Machine::new(&kvm, &config, Box::new(std::io::sink())).unwrap_err();
        assert!(matches!(
            refused,
            Error::Machine(
                MachineError::Cpus { .. }
                    | MachineError::MoreThanHost { .. }
                    | MachineError::MemorySize { .. }
            )
        ));
        assert!(refused.to_string().starts_with(expected), "{refused}");
    }
}
