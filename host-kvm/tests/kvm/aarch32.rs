//! AArch32 guests on a real KVM: banked registers, A32 and T32 breakpoints, BKPT, steps.

use crate::common::{CODE, DATA, Output, id, kvm, machine_from, pc, x};
use trapline_core::aarch32;
use trapline_core::address::PhysicalAddress;
use trapline_core::breakpoint::{Breakpoint, Instruction};
use trapline_core::registers::Mode;
use trapline_core::scope::Scope;
use trapline_core::target::{Arming, Register, Resume};
use trapline_kvm::machine::{Machine, MachineConfig};
use trapline_kvm::register_id::{CoreRegister, RegisterId, SpsrBank};
use trapline_kvm::{
    Exit, GuestMemory, KvmCapabilities, KvmVcpu, NoDevices, SyncLevel, SystemEvent, VcpuFeatures, VcpuState,
};

const EC_BREAKPOINT: u64 = 0x30;
const EC_STEP: u64 = 0x32;
pub(crate) const EC_WATCHPOINT: u64 = 0x34;
pub(crate) const EC_BKPT: u64 = 0x38;

/// A program in A32 or T32: little-endian words or halfwords.
#[derive(Default)]
pub(crate) struct Code(pub(crate) Vec<u8>);

impl Code {
    pub(crate) fn here(&self) -> u64 {
        CODE + self.0.len() as u64
    }

    pub(crate) fn a32(&mut self, word: u32) -> u64 {
        let address = self.here();
        self.0.extend(word.to_le_bytes());
        address
    }

    pub(crate) fn t32(&mut self, halfword: u16) -> u64 {
        let address = self.here();
        self.0.extend(halfword.to_le_bytes());
        address
    }

    /// MOVW, MOVT: a 32-bit value into a register.
    pub(crate) fn load(&mut self, register: u32, value: u32) {
        for (instruction, half) in [(0xe300_0000, value & 0xffff), (0xe340_0000, value >> 16)] {
            self.a32(instruction | (half >> 12) << 16 | register << 12 | half & 0xfff);
        }
    }

    /// CPS: changes to another mode.
    fn enter(&mut self, mode: u32) {
        self.a32(0xf102_0000 | mode);
    }

    pub(crate) fn bkpt(&mut self, comment: u32) -> u64 {
        self.a32(0xe120_0070 | comment >> 4 << 8 | comment & 0xf)
    }

    /// Branches to the T32 instruction that follows.
    pub(crate) fn enter_t32(&mut self, scratch: u32) {
        let after = self.here() + 12;
        self.load(scratch, after as u32 | 1);
        self.a32(0xe12f_ff10 | scratch); // BX
    }

    /// A machine for programs that are still to be loaded.
    pub(crate) fn default_machine() -> Option<Machine> {
        let mut code = Self::default();
        code.bkpt(0);
        code.machine()
    }

    /// `None` where KVM runs no AArch32 guests.
    fn machine(&self) -> Option<Machine> {
        if !KvmCapabilities::probe(&kvm()).el1_32bit {
            return None;
        }
        let features = VcpuFeatures { el1_32bit: true, ..VcpuFeatures::default() };
        let config = MachineConfig { memory: 2 << 20, features, ..MachineConfig::default() };
        let mut machine = machine_from(&config, &crate::common::a64::Program::idle(CODE), Output::default());
        machine.load_flat(CODE, &self.0).unwrap();
        Some(machine)
    }
}

pub(crate) fn stop(vcpu: &mut KvmVcpu, how: Resume) -> (u64, u64) {
    match vcpu.run(how, &NoDevices).unwrap() {
        Exit::Debug { syndrome, .. } => (syndrome >> 26 & 0x3f, syndrome & 0xffff),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn bkpts() -> Arming {
    Arming { software_breakpoints: true, ..Arming::default() }
}

const FIQ: u32 = 0x11;
const IRQ: u32 = 0x12;
const SVC: u32 = 0x13;
const ABT: u32 = 0x17;
const UND: u32 = 0x1b;
const SYS: u32 = 0x1f;

/// Every banked register gets a value of its own: mode, then number.
fn banked() -> Code {
    let mut code = Code::default();
    // System mode comes last: QEMU (7.2) does not show EL2 the SPSR of the mode that the guest is in.
    for mode in [FIQ, IRQ, ABT, UND, SVC, SYS] {
        code.enter(mode);
        for register in if mode == FIQ { 8..=14 } else { 13..=14 } {
            code.load(register, mode << 8 | register);
        }
        if mode != SYS {
            code.load(0, 0x6000_0010 | (mode & 0xf) << 24);
            code.a32(0xe16f_f000); // MSR SPSR_fsxc, R0
        }
    }
    code.bkpt(0x42);
    code
}

/// DDI 0487, "Mapping of the general-purpose registers between the Execution states".
const BANKED_IN_AARCH64: [(u8, u32, u32); 17] = [
    (13, SYS, 13),
    (14, SYS, 14),
    (16, IRQ, 14),
    (17, IRQ, 13),
    (18, SVC, 14),
    (19, SVC, 13),
    (20, ABT, 14),
    (21, ABT, 13),
    (22, UND, 14),
    (23, UND, 13),
    (24, FIQ, 8),
    (25, FIQ, 9),
    (26, FIQ, 10),
    (27, FIQ, 11),
    (28, FIQ, 12),
    (29, FIQ, 13),
    (30, FIQ, 14),
];

#[test]
fn banked_registers_are_where_the_manual_maps_them() {
    let Some(mut machine) = banked().machine() else { return };
    let vcpu = &mut machine.vcpus_mut()[0];
    vcpu.arm(&bkpts());
    assert_eq!(stop(vcpu, Resume::Run), (EC_BKPT, 0x42));
    for (number, mode, register) in BANKED_IN_AARCH64 {
        assert_eq!(x(vcpu, number), u64::from(mode << 8 | register), "X{number}");
        let mode = Mode::from_bits(mode as u8);
        assert_eq!(aarch32::x_register(mode, register as u8), Some(number), "R{register} of {mode:?}");
    }
    for (bank, mode) in [
        (SpsrBank::El1, SVC),
        (SpsrBank::Abt, ABT),
        (SpsrBank::Und, UND),
        (SpsrBank::Irq, IRQ),
        (SpsrBank::Fiq, FIQ),
    ] {
        let spsr = vcpu.read(RegisterId::core(CoreRegister::Spsr(bank)).unwrap()).unwrap();
        assert_eq!(spsr, u64::from(0x6000_0010 | (mode & 0xf) << 24), "{bank:?}");
    }
    assert_eq!(vcpu.read(id(Register::Pstate)).unwrap() & 0x1f, u64::from(SYS), "CPSR.M");
    assert!(vcpu.el1_uses_aarch32().unwrap());
}

#[test]
fn in_user_mode_the_vcpu_still_knows_what_its_el1_uses() {
    const USER: u64 = 0x2000_0010;
    let mut aarch64 = crate::common::machine(&crate::common::a64::Program::idle(CODE));
    let mut aarch32 = banked().machine();
    for (machine, expected) in [(Some(&mut aarch64), false), (aarch32.as_mut(), true)] {
        let Some(machine) = machine else { return };
        let vcpu = &mut machine.vcpus_mut()[0];
        vcpu.write(id(Register::Pstate), USER).unwrap();
        assert_eq!(vcpu.el1_uses_aarch32().unwrap(), expected);
        vcpu.with_fd(|_| ()).unwrap();
        assert_eq!(vcpu.read(id(Register::Pstate)).unwrap(), USER, "asking changes nothing");
    }
}

#[test]
fn a_banked_register_that_is_written_is_the_guests() {
    let mut code = Code::default();
    code.bkpt(0);
    code.enter(IRQ);
    code.a32(0xe1a0_100d); // MOV R1, SP
    code.a32(0xe14f_2000); // MRS R2, SPSR
    code.enter(SVC);
    code.bkpt(1);
    let Some(mut machine) = code.machine() else { return };
    let vcpu = &mut machine.vcpus_mut()[0];
    vcpu.arm(&bkpts());
    stop(vcpu, Resume::Run);
    vcpu.write(id(Register::X(17)), 0x1234_5678).unwrap();
    vcpu.write(RegisterId::core(CoreRegister::Spsr(SpsrBank::Irq)).unwrap(), 0x2000_0010).unwrap();
    vcpu.write(id(Register::Pc), CODE + 4).unwrap();
    assert_eq!(stop(vcpu, Resume::Run), (EC_BKPT, 1));
    assert_eq!((x(vcpu, 1), x(vcpu, 2)), (0x1234_5678, 0x2000_0010));
}

#[test]
fn breakpoints_stop_at_a32_and_at_t32_instructions_of_either_halfword() {
    let mut code = Code::default();
    let in_a32 = code.a32(0xe3a0_1001); // MOV R1, #1
    code.enter_t32(0);
    let first = code.t32(0x2102); // MOVS R1, #2
    let second = code.t32(0x2103); // MOVS R1, #3
    let third = code.t32(0x2104); // MOVS R1, #4
    code.t32(0xbe05); // BKPT #5
    let Some(mut machine) = code.machine() else { return };
    let vcpu = &mut machine.vcpus_mut()[0];
    for (at, instruction, before) in [
        (in_a32, Instruction::A32, 0),
        (first, Instruction::T32, 1),
        (second, Instruction::T32, 2),
        (third, Instruction::T32, 3),
    ] {
        let mut arming = bkpts();
        arming.bank.breakpoints[0] =
            Breakpoint::at(at, instruction, Scope::EL1_AND_EL0).unwrap().pair(Default::default());
        vcpu.arm(&arming);
        assert_eq!(stop(vcpu, Resume::Run).0, EC_BREAKPOINT);
        assert_eq!((pc(vcpu), x(vcpu, 1)), (at, before));
    }
    vcpu.arm(&bkpts());
    assert_eq!(stop(vcpu, Resume::Run), (EC_BKPT, 5));
    assert_eq!(x(vcpu, 1), 4);
}

#[test]
fn a_step_executes_one_a32_or_t32_instruction() {
    let mut code = Code::default();
    code.a32(0xe3a0_1001); // MOV R1, #1
    code.enter_t32(0);
    code.t32(0x2102); // MOVS R1, #2
    code.t32(0xf04f); // MOV.W R1, #3
    code.t32(0x0103);
    code.t32(0xbe00);
    let Some(mut machine) = code.machine() else { return };
    let vcpu = &mut machine.vcpus_mut()[0];
    for offset in [4, 8, 12, 16, 18, 22] {
        assert_eq!(stop(vcpu, Resume::Step).0, EC_STEP);
        assert_eq!(pc(vcpu), CODE + offset);
    }
    assert_eq!(x(vcpu, 1), 3);
}

#[test]
fn a_watchpoint_stops_a_store_of_an_aarch32_guest() {
    let mut code = Code::default();
    code.load(1, DATA as u32);
    let store = code.a32(0xe581_0004); // STR R0, [R1, #4]
    code.bkpt(0);
    let Some(mut machine) = code.machine() else { return };
    let vcpu = &mut machine.vcpus_mut()[0];
    let mut arming = bkpts();
    arming.bank.watchpoints[0] = crate::common::watchpoint(DATA, 0b0001_0000, crate::common::STORES);
    vcpu.arm(&arming);
    assert_eq!(stop(vcpu, Resume::Run).0, EC_WATCHPOINT);
    assert_eq!(pc(vcpu), store);
}

#[test]
fn an_aarch32_guest_switches_itself_off() {
    let mut code = Code::default();
    code.load(0, crate::common::a64::SYSTEM_OFF);
    code.a32(0xe140_0070); // HVC #0
    let Some(mut machine) = code.machine() else { return };
    let exit = machine.vcpus_mut()[0].run(Resume::Run, &NoDevices).unwrap();
    assert_eq!(exit, Exit::System(SystemEvent::Shutdown));
}

#[test]
fn an_aarch32_vcpu_comes_back_register_for_register() {
    let Some(mut machine) = banked().machine() else { return };
    let memory = machine.memory().clone();
    let vcpu = &mut machine.vcpus_mut()[0];
    vcpu.arm(&bkpts());
    stop(vcpu, Resume::Run);
    let saved = VcpuState::save(vcpu).unwrap();
    for number in 0..31 {
        vcpu.write(id(Register::X(number)), 0x55).unwrap();
    }
    vcpu.write(id(Register::Pstate), u64::from(FIQ) | 1 << 6).unwrap();
    let mut code = Code::default();
    code.load(3, 3);
    code.bkpt(9);
    GuestMemory::write(&*memory, PhysicalAddress(CODE + 0x800), &code.0).unwrap();
    vcpu.write(id(Register::Pc), CODE + 0x800).unwrap();
    assert_eq!(stop(vcpu, Resume::Run), (EC_BKPT, 9));
    assert_eq!(saved.restore(vcpu, SyncLevel::Runtime).unwrap(), []);
    for (number, mode, register) in BANKED_IN_AARCH64 {
        assert_eq!(x(vcpu, number), u64::from(mode << 8 | register), "X{number}");
    }
    let pstate = id(Register::Pstate);
    assert_eq!(Some(vcpu.read(pstate).unwrap()), saved.register(pstate));
}
