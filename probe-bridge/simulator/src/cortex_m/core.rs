//! The core: what halting debug makes of it.

use armagnac::core::{ArmVersion, Config, Emulator, Event, Irq, Processor};
use armagnac::registers::Mode;

use super::Architecture;
use super::dwt::Dwt;
use super::fpb::Fpb;
use super::memory::{Accesses, Block, Decoder};
use super::timer::{TIMER, Timer};

use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// Where the program is, and its data.
pub(super) const FLASH: u32 = 0x0800_0000;
pub(super) const SRAM: u32 = 0x2000_0000;
const SIZE: usize = 64 << 10;

/// `DHCSR`.
mod dhcsr {
    pub(super) const KEY: u32 = 0xa05f_0000;
    pub(super) const DEBUGEN: u32 = 1;
    pub(super) const HALT: u32 = 1 << 1;
    pub(super) const STEP: u32 = 1 << 2;
    pub(super) const MASKINTS: u32 = 1 << 3;
    pub(super) const CONTROL: u32 = 0xf;
    pub(super) const REGRDY: u32 = 1 << 16;
    pub(super) const S_HALT: u32 = 1 << 17;
    pub(super) const S_LOCKUP: u32 = 1 << 19;
    pub(super) const S_RETIRE: u32 = 1 << 24;
    pub(super) const S_RESET: u32 = 1 << 25;
}

/// `DFSR`.
mod dfsr {
    pub(super) const HALTED: u32 = 1;
    pub(super) const BKPT: u32 = 1 << 1;
    pub(super) const DWTTRAP: u32 = 1 << 2;
    pub(super) const VCATCH: u32 = 1 << 3;
}

/// `DEMCR`.
const VC_CORERESET: u32 = 1;
const TRCENA: u32 = 1 << 24;
/// `VTOR`.
const VTOR: u32 = 0xe000_ed08;

/// The core and its debug registers.
pub(super) struct Core {
    architecture: Architecture,
    processor: Processor,
    accesses: Accesses,
    pub(super) fpb: Fpb,
    pub(super) dwt: Dwt,
    control: u32,
    halted: bool,
    locked_up: bool,
    retired: bool,
    was_reset: bool,
    in_reset: bool,
    fault: u32,
    monitor: u32,
    data: u32,
    /// Debugging is not allowed: C_DEBUGEN stays 0.
    pub(super) locked: bool,
    /// It has no power, and answers no access.
    pub(super) off: bool,
    /// `BASEPRI`, which masks nothing here.
    base_priority: u8,
    /// `S0` to `S31` and `FPSCR` of the Armv8-M core; no instruction here uses them.
    floating_point: ([u32; 32], u32),
    timer: Timer,
    /// The timer's interrupt waits to be taken.
    interrupt: bool,
    /// Whether what is decoded is to be an instruction that does nothing.
    idle: Rc<Cell<bool>>,
}

impl Core {
    /// A core with empty memory.
    pub(super) fn new(architecture: Architecture) -> anyhow::Result<Self> {
        let (config, version) = match architecture {
            Architecture::V6M => (Config::v6m(), ArmVersion::V6M),
            // Armv8-M has all instructions of Armv7E-M; what the crate knows by that name lacks some of them, as `POP`.
            Architecture::V7M | Architecture::V8M => (Config::v7em(), ArmVersion::V7EM),
        };
        // One interrupt, the timer's.
        let mut processor = Processor::new(config.external_exceptions(1));
        let accesses = Accesses::default();
        for base in [FLASH, SRAM] {
            let block = Block::new(base, SIZE, accesses.clone());
            if processor.map_iface(base, Rc::new(RefCell::new(block))).is_err() {
                anyhow::bail!("the memory at {base:#x} is in the way of something");
            }
        }
        let timer = Timer::default();
        let idle = Rc::new(Cell::new(false));
        if processor.map_iface(TIMER, Rc::new(RefCell::new(timer.clone()))).is_err() {
            anyhow::bail!("the timer at {TIMER:#x} is in the way of something");
        }
        processor.instruction_decoder = Box::new(Decoder::new(version, accesses.clone(), idle.clone()));
        Ok(Self {
            architecture,
            processor,
            accesses,
            fpb: Fpb::new(architecture),
            dwt: Dwt::new(architecture),
            control: 0,
            halted: false,
            locked_up: false,
            retired: false,
            was_reset: true,
            in_reset: false,
            fault: 0,
            monitor: 0,
            data: 0,
            locked: false,
            off: false,
            base_priority: 0,
            floating_point: ([0; 32], 0),
            timer,
            interrupt: false,
            idle,
        })
    }

    /// `CPUID`: a Cortex-M0+, a Cortex-M3 or a Cortex-M33.
    pub(super) const fn cpuid(&self) -> u32 {
        match self.architecture {
            Architecture::V6M => 0x410c_c601,
            Architecture::V7M => 0x412f_c231,
            Architecture::V8M => 0x410f_d213,
        }
    }

    /// Begins at the reset vector. What the debugger has set stays.
    pub(super) fn reset(&mut self) {
        // The vectors are those of the flash, for good.
        let _ = self.processor.write_u32le_iface(VTOR, FLASH);
        let word = |processor: &mut Processor, address| processor.read_u32le_iface(address).unwrap_or(0);
        let stack = word(&mut self.processor, FLASH);
        let entry = word(&mut self.processor, FLASH + 4);
        let registers = &mut self.processor.registers;
        *registers = armagnac::registers::CoreRegisters::new();
        (registers.msp, registers.pc, registers.lr) = (stack & !0b11, entry & !1, 0xffff_ffff);
        registers.psr.set_t(entry & 1 != 0);
        self.timer.stop();
        self.interrupt = false;
        (self.halted, self.locked_up, self.in_reset, self.was_reset) = (false, false, false, true);
        if self.monitor & VC_CORERESET != 0 && self.debugs() {
            self.halt(dfsr::VCATCH);
        }
    }

    /// Loses its power, and all that its debug registers held, or has it again and begins anew.
    pub(super) fn set_power(&mut self, on: bool) {
        self.off = !on;
        if on {
            (self.control, self.monitor, self.fault) = (0, 0, 0);
            self.fpb = Fpb::new(self.architecture);
            self.dwt = Dwt::new(self.architecture);
            self.reset();
        }
    }

    /// Is held in reset.
    pub(super) const fn hold_in_reset(&mut self) {
        self.in_reset = true;
        self.was_reset = true;
    }

    const fn debugs(&self) -> bool {
        self.control & dhcsr::DEBUGEN != 0
    }

    pub(super) const fn is_running(&self) -> bool {
        !self.halted && !self.locked_up && !self.in_reset && !self.off
    }

    const fn halt(&mut self, reason: u32) {
        self.halted = true;
        self.control |= dhcsr::HALT;
        self.fault |= reason;
    }

    /// Executes one instruction, or halts before it.
    pub(super) fn step(&mut self) {
        if !self.is_running() {
            return;
        }
        let pc = self.processor.pc();
        if self.debugs() && self.fpb.matches(pc) {
            return self.halt(dfsr::BKPT);
        }
        if self.interrupt_is_due() {
            return self.take_interrupt();
        }
        self.accesses.borrow_mut().clear();
        // What the processor does not take is a fault, and nobody here handles faults: lockup.
        match self.processor.next_event() {
            Ok(Event::Break(_)) if self.debugs() => {
                self.processor.set_pc(pc);
                return self.halt(dfsr::BKPT);
            }
            Ok(Event::Break(_)) | Err(_) => self.locked_up = true,
            Ok(_) => self.retired = true,
        }
        let accesses = self.accesses.take();
        if self.debugs() && self.monitor & TRCENA != 0 {
            // A watchpoint halts after the access.
            let watched = accesses.iter().filter(|access| self.dwt.watches(access)).count();
            if self.dwt.watches_instruction(pc) || watched > 0 {
                return self.halt(dfsr::DWTTRAP);
            }
        }
        if self.debugs() && self.control & dhcsr::STEP != 0 {
            self.halt(dfsr::HALTED);
        }
    }

    /// Whether the timer's interrupt is to be taken: neither the program nor the debugger masks it.
    fn interrupt_is_due(&mut self) -> bool {
        self.interrupt |= self.timer.tick();
        let registers = &self.processor.registers;
        let masked = registers.primask.pm()
            || registers.faultmask.pm()
            || registers.mode == Mode::Handler
            || self.debugs() && self.control & dhcsr::MASKINTS != 0;
        self.interrupt && !masked
    }

    /// Goes to the handler's first instruction, where a breakpoint may be. The processor knows no entry without that
    /// instruction: it is given one that does nothing.
    fn take_interrupt(&mut self) {
        let irq = Irq::External(0);
        self.interrupt = false;
        let vector = self.processor.read_u32le_iface(FLASH + 4 * u32::from(irq.number())).unwrap_or(0);
        self.processor.request_interrupt(irq);
        self.idle.set(true);
        let taken = self.processor.next_event();
        self.idle.set(false);
        self.accesses.borrow_mut().clear();
        match taken {
            Ok(_) => self.processor.set_pc(vector & !1),
            Err(_) => self.locked_up = true,
        }
        if self.debugs() && self.control & dhcsr::STEP != 0 {
            self.halt(dfsr::HALTED);
        }
    }

    /// Reads a debug register of the System Control Space; `None` where it is none.
    pub(super) fn read(&mut self, address: u32) -> Option<u32> {
        Some(match address {
            0xe000_ed00 => self.cpuid(),
            // MVFR0: single precision.
            0xe000_ef40 if self.architecture == Architecture::V8M => 0x1011_0021,
            0xe000_ed30 => self.fault,
            0xe000_edf0 => {
                let value = self.control & dhcsr::CONTROL
                    | dhcsr::REGRDY
                    | if self.halted { dhcsr::S_HALT } else { 0 }
                    // It reads as 0 in Debug state.
                    | if self.locked_up && !self.halted { dhcsr::S_LOCKUP } else { 0 }
                    | if self.retired { dhcsr::S_RETIRE } else { 0 }
                    | if self.was_reset { dhcsr::S_RESET } else { 0 };
                (self.retired, self.was_reset) = (false, self.in_reset);
                value
            }
            0xe000_edf4 => 0,
            0xe000_edf8 => self.data,
            0xe000_edfc => self.monitor,
            _ => return None,
        })
    }

    /// Writes a debug register; whether it was one.
    pub(super) fn write(&mut self, address: u32, value: u32) -> bool {
        match address {
            0xe000_ed0c => {
                // AIRCR with its key: SYSRESETREQ or VECTRESET.
                if value & 0xffff_0000 == 0x05fa_0000 && value & 0b101 != 0 {
                    self.reset();
                }
            }
            0xe000_ed30 => self.fault &= !value,
            0xe000_edf0 if value & 0xffff_0000 == dhcsr::KEY => self.control(value & dhcsr::CONTROL),
            0xe000_edf0 => {}
            0xe000_edf4 if self.halted => self.transfer(value),
            0xe000_edf4 => {}
            0xe000_edf8 => self.data = value,
            0xe000_edfc => self.monitor = value,
            _ => return false,
        }
        true
    }

    fn control(&mut self, control: u32) {
        if self.locked {
            return;
        }
        self.control = control;
        match (self.debugs(), control & dhcsr::HALT != 0) {
            (false, _) => self.halted = false,
            (true, true) if !self.halted => self.halt(dfsr::HALTED),
            (true, true) => {}
            (true, false) => {
                let was_halted = std::mem::take(&mut self.halted);
                // A step is over before a debugger can look.
                if was_halted && control & dhcsr::STEP != 0 {
                    self.step();
                }
            }
        }
    }

    /// `DCRSR`: one register to or from `DCRDR`.
    fn transfer(&mut self, request: u32) {
        let write = request & 1 << 16 != 0;
        let value = self.data;
        let registers = &mut self.processor.registers;
        let uses_process_stack = registers.control.spsel() && registers.mode == Mode::Thread;
        let place = match request & 0x7f {
            0 => &mut registers.r0,
            1 => &mut registers.r1,
            2 => &mut registers.r2,
            3 => &mut registers.r3,
            4 => &mut registers.r4,
            5 => &mut registers.r5,
            6 => &mut registers.r6,
            7 => &mut registers.r7,
            8 => &mut registers.r8,
            9 => &mut registers.r9,
            10 => &mut registers.r10,
            11 => &mut registers.r11,
            12 => &mut registers.r12,
            13 if uses_process_stack => &mut registers.psp,
            13 | 17 => &mut registers.msp,
            14 => &mut registers.lr,
            15 => {
                // From another place the core goes on.
                self.locked_up &= !write;
                &mut registers.pc
            }
            16 if write => {
                registers.psr.set(value);
                return;
            }
            16 => {
                self.data = registers.psr.get();
                return;
            }
            18 => &mut registers.psp,
            20 if write => {
                let [primask, basepri, faultmask, control] = value.to_le_bytes();
                // Armv6-M has neither BASEPRI nor FAULTMASK.
                let [basepri, faultmask] =
                    if self.architecture == Architecture::V6M { [0; 2] } else { [basepri, faultmask] };
                registers.primask.set_pm(primask & 1 != 0);
                registers.faultmask.set_pm(faultmask & 1 != 0);
                registers.control.set_privileged_bit(control & 1 != 0);
                registers.control.set_spsel(control & 2 != 0);
                self.base_priority = basepri;
                return;
            }
            20 => {
                self.data = u32::from_le_bytes([
                    registers.primask.pm().into(),
                    self.base_priority,
                    registers.faultmask.pm().into(),
                    registers.control.read() as u8,
                ]);
                return;
            }
            33 if self.architecture == Architecture::V8M => &mut self.floating_point.1,
            number @ 64..96 if self.architecture == Architecture::V8M => {
                match self.floating_point.0.get_mut(number as usize - 64) {
                    Some(single) => single,
                    None => return,
                }
            }
            _ => {
                if !write {
                    self.data = 0;
                }
                return;
            }
        };
        if write {
            *place = value;
        } else {
            self.data = *place;
        }
    }

    /// Reads memory as a debugger does, which no watchpoint sees.
    pub(super) fn read_memory(&mut self, address: u32, size: u64) -> Option<u32> {
        let value = match size {
            1 => u32::from(self.processor.read_u8_iface(address).ok()?),
            2 => u32::from(self.processor.read_u16le_iface(address).ok()?),
            _ => self.processor.read_u32le_iface(address).ok()?,
        };
        self.accesses.borrow_mut().clear();
        Some(value)
    }

    /// Writes memory as a debugger does.
    pub(super) fn write_memory(&mut self, address: u32, size: u64, value: u32) -> Option<()> {
        match size {
            1 => self.processor.write_u8_iface(address, value as u8),
            2 => self.processor.write_u16le_iface(address, value as u16),
            _ => self.processor.write_u32le_iface(address, value),
        }
        .ok()?;
        self.accesses.borrow_mut().clear();
        Some(())
    }
}
