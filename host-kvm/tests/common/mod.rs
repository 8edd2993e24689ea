//! Guests for the tests: small machines with small programs.

#![expect(dead_code, reason = "each test binary uses its own part")]

pub(crate) mod a64;

use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};

use kvm_ioctls::Kvm;
use trapline_core::comparator::Pair;
use trapline_core::target::Register;
use trapline_kvm::machine::{Machine, MachineConfig};
use trapline_kvm::register_id::RegisterId;
use trapline_kvm::{KvmVcpu, open};

/// Where programs are put and start.
pub(crate) const CODE: u64 = 0x4000_0000;
/// Where programs have data.
pub(crate) const DATA: u64 = 0x4010_0000;

pub(crate) fn kvm() -> Kvm {
    open(Path::new("/dev/kvm")).unwrap()
}

/// A machine of 2 MiB that is about to run a program at [`CODE`].
pub(crate) fn machine(program: &a64::Program) -> Machine {
    machine_with(program, 1, Output::default())
}

pub(crate) fn machine_with(program: &a64::Program, cpus: u16, output: Output) -> Machine {
    let config = MachineConfig { cpus, memory: 2 << 20, ..MachineConfig::default() };
    machine_from(&config, program, output)
}

pub(crate) fn machine_from(config: &MachineConfig, program: &a64::Program, output: Output) -> Machine {
    let mut machine = Machine::new(&kvm(), config, Box::new(output)).unwrap();
    machine.load_flat(CODE, &program.bytes()).unwrap();
    machine
}

pub(crate) fn id(register: Register) -> RegisterId {
    RegisterId::of(register).unwrap()
}

pub(crate) fn pc(vcpu: &mut KvmVcpu) -> u64 {
    vcpu.read(id(Register::Pc)).unwrap()
}

pub(crate) fn x(vcpu: &mut KvmVcpu, number: u8) -> u64 {
    vcpu.read(id(Register::X(number))).unwrap()
}

/// A breakpoint at EL0 and EL1: E, PMC 0b11, BAS 0b1111 (DDI 0487, DBGBCR<n>_EL1).
pub(crate) fn breakpoint(address: u64) -> Pair {
    Pair { control: 0x1e7, value: address }
}

/// A watchpoint at EL0 and EL1 on bytes of one doubleword: E, PAC 0b11, LSC, BAS (DDI 0487,
/// DBGWCR<n>_EL1).
pub(crate) fn watchpoint(doubleword: u64, byte_select: u8, load_store: u64) -> Pair {
    Pair { control: 0x7 | load_store << 3 | u64::from(byte_select) << 5, value: doubleword }
}

pub(crate) const LOADS: u64 = 1;
pub(crate) const STORES: u64 = 2;

/// What a serial port has said.
#[derive(Clone, Default)]
pub(crate) struct Output(Arc<Mutex<Vec<u8>>>);

impl Output {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
