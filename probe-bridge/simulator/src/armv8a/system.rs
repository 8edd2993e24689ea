//! The board: cores, memory, and what the access ports lead to.

use super::core::{Core, Outcome};
use super::cti::{self, Effect};
use super::external::Request;
use crate::dap::component::{Identity, rom_table};
use crate::dap::{BusError, Fault, MemoryAp, MemoryApKind, Size, System};
use crate::machine::{Machine, RAM_BASE};

/// The access port of debug registers, and that of memory.
pub const DEBUG_PORT: u8 = 0;
/// The access port of memory.
pub const MEMORY_PORT: u8 = 1;
const ROM_TABLE: u64 = 0x8000_0000;
/// Where each core's debug unit is.
pub const DEBUG_BASES: [u64; 2] = [0x8001_0000, 0x8011_0000];
/// Where each core's cross-trigger interface is.
pub const CTI_BASES: [u64; 2] = [0x8002_0000, 0x8012_0000];

const ROM_IDENTITY: Identity =
    Identity { part: 0x4a1, class: 1, architecture: 0, device_type: 0, device_id: 0 };

/// PSCI's functions.
const PSCI_VERSION: u64 = 0x8400_0000;
const CPU_OFF: u64 = 0x8400_0002;
const CPU_ON: u64 = 0xc400_0003;
const SYSTEM_OFF: u64 = 0x8400_0008;
const NOT_SUPPORTED: u64 = -1_i64 as u64;
const INVALID_PARAMETERS: u64 = -2_i64 as u64;
const ALREADY_ON: u64 = -4_i64 as u64;

/// Two cores with 16 MiB of RAM.
#[derive(Debug)]
pub struct Armv8aBoard {
    cores: Vec<Core>,
    machine: Machine,
    entry: u64,
    write_protected: bool,
}

impl Armv8aBoard {
    /// A board whose cores begin at the start of RAM, where there are zeros.
    #[must_use]
    pub fn new() -> Self {
        let cores = (0..DEBUG_BASES.len()).map(|number| Core::new(number, RAM_BASE)).collect();
        Self {
            cores,
            machine: Machine::new(16 << 20, DEBUG_BASES.len()),
            entry: RAM_BASE,
            write_protected: false,
        }
    }

    /// A board with the loadable segments of an AArch64 ELF file in its RAM, both cores at the file's entry.
    ///
    /// # Errors
    /// Where the file is none, or does not fit.
    pub fn with_elf(image: &[u8]) -> anyhow::Result<Self> {
        let mut board = Self::new();
        board.entry = crate::image::load(image, object::Architecture::Aarch64, |address, bytes| {
            for (place, &byte) in (address..).zip(bytes) {
                board.machine.write(place, 1, u64::from(byte))?;
            }
            Ok(())
        })?;
        for core in &mut board.cores {
            core.reset(board.entry);
        }
        Ok(board)
    }

    /// A board with a program at the start of RAM.
    ///
    /// # Errors
    /// [`BusError`] where it does not fit.
    pub fn with_program(instructions: &[u32]) -> Result<Self, BusError> {
        let mut board = Self::new();
        for (address, &instruction) in (RAM_BASE..).step_by(4).zip(instructions) {
            board.machine.write(address, 4, u64::from(instruction))?;
        }
        Ok(board)
    }

    /// Its cores.
    pub fn cores(&mut self) -> &mut [Core] {
        &mut self.cores
    }

    /// What is around them.
    pub const fn machine(&mut self) -> &mut Machine {
        &mut self.machine
    }

    /// One instruction of each core; whether any was executed, by a core that does not just wait.
    fn step(&mut self) -> bool {
        let mut busy = false;
        self.machine.counter += 1;
        for number in 0..self.cores.len() {
            busy |= self.step_core(number);
        }
        busy
    }

    /// One instruction of one core; whether it did more than wait.
    fn step_core(&mut self, number: usize) -> bool {
        let Some(core) = self.cores.get_mut(number) else { return false };
        match core.step(&mut self.machine) {
            Outcome::Nothing | Outcome::Waits => return false,
            Outcome::Executed => {}
            Outcome::Halted => {
                let channels = core.cti.channels_of_halt();
                self.pulse(number, channels);
            }
            Outcome::Calls => self.call(number),
        }
        self.break_reservations(number);
        true
    }

    /// Stores of one core end the reservations of the others.
    fn break_reservations(&mut self, storing: usize) {
        for (address, size) in self.machine.take_stores() {
            for core in self.cores.iter_mut().filter(|core| core.state.number != storing) {
                core.state
                    .exclusive
                    .take_if(|(start, length)| address < *start + *length && *start < address + size);
            }
        }
    }

    /// Time passes until the next timer, for nobody has anything else to do.
    fn skip_to_timer(&mut self) {
        let next = self.cores.iter().filter(|core| core.is_running()).filter_map(Core::next_timer).min();
        if let Some(next) = next {
            self.machine.counter = self.machine.counter.max(next);
        }
    }

    fn pulse(&mut self, source: usize, channels: u32) {
        if channels == 0 {
            return;
        }
        let mut ctis: Vec<_> = self.cores.iter_mut().map(|core| &mut core.cti).collect();
        cti::pulse(&mut ctis, source, channels);
        for number in 0..self.cores.len() {
            let Some(core) = self.cores.get_mut(number) else { continue };
            if core.cti.take_restart() {
                core.restart();
                // A step is over before a debugger can look: one instruction, then Debug state.
                if core.external.steps() {
                    self.step_core(number);
                    self.step_core(number);
                    continue;
                }
            }
            // So is the way into Debug state.
            if self.cores.get(number).is_some_and(|core| core.cti.debug_request() && core.is_running()) {
                self.step_core(number);
            }
        }
    }

    /// A PSCI call of a core.
    fn call(&mut self, caller: usize) {
        let Some([function, target, entry, context]) =
            self.cores.get(caller).map(|core| [0, 1, 2, 3].map(|n| core.state.x(n)))
        else {
            return;
        };
        let result = match function {
            PSCI_VERSION => 1 << 16 | 1,
            CPU_OFF => {
                if let Some(core) = self.cores.get_mut(caller) {
                    core.started = false;
                    core.external.set_power(false);
                }
                return;
            }
            CPU_ON => match self.cores.get_mut(target as usize & 0xff) {
                None => INVALID_PARAMETERS,
                Some(core) if core.started => ALREADY_ON,
                Some(core) => {
                    core.external.set_power(true);
                    core.reset(entry);
                    core.state.set_x(0, context);
                    0
                }
            },
            SYSTEM_OFF => {
                for core in &mut self.cores {
                    core.started = false;
                    core.external.set_power(false);
                }
                return;
            }
            _ => NOT_SUPPORTED,
        };
        if let Some(core) = self.cores.get_mut(caller) {
            core.state.set_x(0, result);
        }
    }

    /// Which component of the debug bus an address belongs to.
    fn component(address: u64) -> Option<Component> {
        let (base, offset) = (address & !0xffff, address & 0xffff);
        if offset >= 0x1000 {
            return None;
        }
        if base == ROM_TABLE {
            return Some(Component::RomTable);
        }
        let find = |bases: [u64; 2]| bases.iter().position(|&candidate| candidate == base);
        find(DEBUG_BASES).map(Component::Debug).or_else(|| find(CTI_BASES).map(Component::Cti))
    }
}

impl Default for Armv8aBoard {
    fn default() -> Self {
        Self::new()
    }
}

enum Component {
    RomTable,
    Debug(usize),
    Cti(usize),
}

impl System for Armv8aBoard {
    fn access_ports(&self) -> Vec<MemoryAp> {
        vec![
            // BASE: present, in the format of ADIv5.
            MemoryAp::new(DEBUG_PORT, MemoryApKind::Apb, ROM_TABLE as u32 | 0b11),
            MemoryAp::new(MEMORY_PORT, MemoryApKind::Ahb, 0xffff_ffff),
        ]
    }

    fn read(&mut self, port: u8, address: u64, size: Size) -> Result<u32, BusError> {
        if port == MEMORY_PORT {
            return Ok(self.machine.read(address, size.bytes())? as u32);
        }
        let offset = address & 0xfff;
        match Self::component(address) {
            None => Err(BusError { address }),
            Some(Component::RomTable) => {
                let bases = [DEBUG_BASES[0], CTI_BASES[0], DEBUG_BASES[1], CTI_BASES[1]];
                let offsets = bases.map(|base| (base - ROM_TABLE) as u32);
                Ok(rom_table(&ROM_IDENTITY, &offsets, offset))
            }
            Some(Component::Cti(number)) => {
                Ok(self.cores.get(number).map_or(0, |core| core.cti.read(offset)))
            }
            Some(Component::Debug(number)) => {
                let core = self.cores.get_mut(number).ok_or(BusError { address })?;
                let el = core.state.pstate.el();
                let (value, request) = core.external.read(offset, el).map_err(|_| BusError { address })?;
                core.serve(&mut self.machine, request);
                Ok(value)
            }
        }
    }

    fn write(&mut self, port: u8, address: u64, size: Size, value: u32) -> Result<(), BusError> {
        if port == MEMORY_PORT {
            if self.write_protected {
                return Err(BusError { address });
            }
            return self.machine.write(address, size.bytes(), u64::from(value));
        }
        let offset = address & 0xfff;
        match Self::component(address) {
            None => Err(BusError { address }),
            Some(Component::RomTable) => Ok(()),
            Some(Component::Cti(number)) => {
                let Some(core) = self.cores.get_mut(number) else { return Ok(()) };
                if let Effect::Pulse(channels) = core.cti.write(offset, value) {
                    self.pulse(number, channels);
                }
                Ok(())
            }
            Some(Component::Debug(number)) => {
                let entry = self.entry;
                let core = self.cores.get_mut(number).ok_or(BusError { address })?;
                match core.external.write(offset, value).map_err(|_| BusError { address })? {
                    Request::Reset => core.reset(entry),
                    request => core.serve(&mut self.machine, request),
                }
                Ok(())
            }
        }
    }

    fn run(&mut self, instructions: u32) {
        for _ in 0..instructions {
            if !self.is_running() {
                return;
            }
            if !self.step() {
                self.skip_to_timer();
                // Nothing but waiting, and nothing to wait for.
                if !self.step() {
                    return;
                }
            }
        }
    }

    fn is_running(&self) -> bool {
        self.cores.iter().any(Core::is_running)
    }

    fn set_reset(&mut self, asserted: bool) {
        for core in &mut self.cores {
            if asserted {
                core.hold_in_reset();
            } else {
                core.reset(self.entry);
            }
        }
    }

    fn suffer(&mut self, fault: Fault) {
        match fault {
            Fault::CorePower { core, on } => {
                let entry = self.entry;
                if let Some(core) = self.cores.get_mut(usize::from(core)) {
                    core.external.set_power(on);
                    core.started = on;
                    if on {
                        core.reset(entry);
                    }
                }
            }
            Fault::WriteProtected(protected) => self.write_protected = protected,
            Fault::Locked(locked) => {
                for core in &mut self.cores {
                    core.external.locked = locked;
                }
            }
        }
    }

    fn take_serial(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.machine.serial)
    }
}
