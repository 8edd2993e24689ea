//! Guests for the tests: small machines with small programs.

pub(crate) mod a64;
pub(crate) mod accesses;
pub(crate) mod failing;
pub(crate) mod handlers;
pub(crate) mod random;

use std::io::{self, Write};
use std::path::Path;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};

use kvm_ioctls::Kvm;
use trapline_core::address::PhysicalAddress;
use trapline_core::comparator::Pair;
use trapline_core::debugger::Debugger;
use trapline_core::target::{Register, SystemRegister};
use trapline_kvm::machine::{Machine, MachineConfig, RunningMachine};
use trapline_kvm::register_id::RegisterId;
use trapline_kvm::{Error, GuestMemory, KvmTarget, KvmVcpu, Notice, Observer, open};

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

/// A debugger of a machine's guest.
pub(crate) type GuestDebugger = Debugger<KvmTarget>;

/// Starts a machine under a debugger, halted; what happens to its guest is told.
pub(crate) fn debugged(machine: Machine) -> (RunningMachine<GuestDebugger>, Receiver<Notice>) {
    let (send, notices) = mpsc::channel();
    let observer: Observer = Arc::new(move |notice| send.send(notice).unwrap_or_default());
    let machine = machine.start(|target| Ok::<_, Error>(Debugger::new(target).unwrap()), &observer);
    (machine.unwrap(), notices)
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

/// Switches the first vCPU's MMU on, with every address mapped to itself: the first gigabyte as Device
/// memory, RAM's as Normal write-back memory (DDI 0487, "VMSAv8-64 descriptor formats"): 39-bit addresses,
/// 4 KiB granule, so that level 1 maps 1 GiB a descriptor. Floating point is on as well.
pub(crate) fn map_memory(machine: &mut Machine) {
    const TABLE: u64 = 0x401f_f000;
    const BLOCK: u64 = 1;
    const INNER_SHAREABLE: u64 = 3 << 8;
    const ACCESS_FLAG: u64 = 1 << 10;
    const DEVICE: u64 = 1 << 2;
    const NEVER_EXECUTE: u64 = 3 << 53;
    let memory = machine.memory().clone();
    for (index, descriptor) in [
        (0, NEVER_EXECUTE | ACCESS_FLAG | DEVICE | BLOCK),
        (1, 0x4000_0000 | ACCESS_FLAG | INNER_SHAREABLE | BLOCK),
    ] {
        let entry = PhysicalAddress(TABLE + 8 * index);
        GuestMemory::write(&*memory, entry, &descriptor.to_le_bytes()).unwrap();
    }
    let vcpu = &mut machine.vcpus_mut()[0];
    let mut set = |register, value| vcpu.write(id(Register::System(register)), value).unwrap();
    // Attribute 0: Normal, write-back; attribute 1: Device-nGnRnE.
    set(SystemRegister::MAIR_EL1, 0x00ff);
    // T0SZ 25; inner and outer write-back, inner shareable; EPD1; 40 bits of output.
    set(SystemRegister::TCR_EL1, 25 | 1 << 8 | 1 << 10 | 3 << 12 | 1 << 23 | 2 << 32);
    set(SystemRegister::TTBR0_EL1, TABLE);
    set(SystemRegister::CPACR_EL1, 3 << 20);
    // SCTLR_EL1: M, C, I, and the bits that are RES1 without later extensions.
    set(SystemRegister::SCTLR_EL1, 0x30d0_1805);
}
