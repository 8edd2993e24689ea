//! Guests that take exceptions of their own: each left to itself and under the debugger.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use super::a64::{self, Program};
use super::{CODE, DATA, Output, machine_from};
use trapline_core::address::PhysicalAddress;
use trapline_core::breakpoint::{Breakpoint, Instruction};
use trapline_core::debugger::{Debugger, Request};
use trapline_core::pool::Owner;
use trapline_core::scope::Scope;
use trapline_core::target::{CoreId, Resume};
use trapline_kvm::machine::{Machine, MachineConfig};
use trapline_kvm::{Exit, GuestMemory, KvmTarget, NoDevices, Notice, Observer, SystemEvent, VcpuFeatures};

pub(crate) const VECTORS: u64 = CODE + 0x800;
/// An address that no program here comes to.
pub(crate) const ELSEWHERE: u64 = CODE + 0x700;
const MSR_VBAR_EL1_X0: u32 = 0xd518_c000;
const MSR_SPSR_EL1_X0: u32 = 0xd518_4000;
const MSR_ELR_EL1_X0: u32 = 0xd518_4020;
const ERET: u32 = 0xd69f_03e0;

/// What a handler stores, in this order, each with `MRS X1` before.
///
/// Not NZCV: it stays as it is (DDI 0487, `AArch64.TakeException`), but QEMU (7.2) clears it.
const FINDS: [u32; 7] = [
    0xd538_5201, // ESR_EL1
    0xd538_4021, // ELR_EL1
    0xd538_4001, // SPSR_EL1
    0xd538_6001, // FAR_EL1
    0xd53b_4221, // DAIF
    0xd538_4201, // SPSel
    0xd538_4241, // CurrentEL
];

/// Begins a program that has handlers at [`VECTORS`] for all 16 exceptions: each stores its number and
/// what it finds at [`DATA`], and switches the machine off.
pub(crate) fn with_handlers(body: impl FnOnce(&mut Program)) -> Program {
    let mut program = Program::at(CODE);
    program.load(0, VECTORS);
    program.add(MSR_VBAR_EL1_X0);
    body(&mut program);
    program.pad_to(VECTORS);
    let handler = VECTORS + 0x800;
    for vector in 0..16_u16 {
        program.pad_to(VECTORS + 0x80 * u64::from(vector));
        program.add(a64::movz(9, vector));
        program.branch(handler);
    }
    program.pad_to(handler);
    program.load(2, DATA);
    program.add(a64::store(3, 9, 2));
    for read in FINDS {
        program.add(read);
        program.add(a64::add(2, 2, 8));
        program.add(a64::store(3, 1, 2));
    }
    program.psci(a64::SYSTEM_OFF);
    program
}

fn build(code: &[u8], features: VcpuFeatures) -> Machine {
    let config = MachineConfig { memory: 2 << 20, features, ..MachineConfig::default() };
    let mut machine = machine_from(&config, &Program::idle(CODE), Output::default());
    machine.load_flat(CODE, code).unwrap();
    machine
}

fn found(memory: &dyn GuestMemory) -> Vec<u64> {
    let mut bytes = [0; 8 * (1 + FINDS.len())];
    memory.read(PhysicalAddress(DATA), &mut bytes).unwrap();
    bytes.chunks(8).map(|word| u64::from_le_bytes(word.try_into().unwrap())).collect()
}

/// Left to itself.
pub(crate) fn alone(code: &[u8], features: VcpuFeatures) -> Vec<u64> {
    let mut machine = build(code, features);
    let memory = machine.memory().clone();
    let exit = machine.vcpus_mut()[0].run(Resume::Run, &NoDevices).unwrap();
    assert_eq!(exit, Exit::System(SystemEvent::Shutdown));
    found(&*memory)
}

/// A hardware breakpoint.
pub(crate) fn hardware(address: u64) -> Request {
    Request::Breakpoint(Breakpoint::at(address, Instruction::A64, Scope::EL1_AND_EL0).unwrap())
}

/// A software breakpoint.
pub(crate) fn software(address: u64) -> Request {
    Request::Software { address, instruction: Instruction::A64 }
}

/// Under the debugger with this armed, so that every debug exception comes to it. Where it stops, it runs
/// on. How often it stopped comes with what the guest found.
pub(crate) fn debugged(code: &[u8], features: VcpuFeatures, armed: &[Request]) -> (Vec<u64>, usize) {
    let machine = build(code, features);
    let memory = machine.memory().clone();
    let (send, notices) = mpsc::channel();
    let observer: Observer = Arc::new(move |notice| send.send(notice).unwrap_or_default());
    let machine = machine
        .start(
            |target| Ok::<Debugger<KvmTarget>, trapline_kvm::Error>(Debugger::new(target).unwrap()),
            &observer,
        )
        .unwrap();
    let resume = || machine.handler().lock().unwrap().resume().unwrap();
    for request in armed {
        machine.handler().lock().unwrap().insert(CoreId(0), *request, Owner::DEBUGGER).unwrap();
    }
    resume();
    let mut stops = 0;
    loop {
        match notices.recv_timeout(Duration::from_secs(60)).unwrap() {
            Notice::Stopped { .. } => resume(),
            Notice::System { event: SystemEvent::Shutdown, .. } => return (found(&*memory), stops),
            other => panic!("{other:?}"),
        }
        stops += 1;
    }
}

/// Goes to EL0 with this SPSR, behind the instructions that do it.
pub(crate) fn go_to_el0(program: &mut Program, spsr: u64) {
    program.load(0, spsr);
    program.add(MSR_SPSR_EL1_X0);
    let after = program.here() + 4 * 6;
    program.load(0, after);
    program.add(MSR_ELR_EL1_X0);
    program.add(ERET);
}
