//! One guest on its core: what it does by itself, what traps, and what comes of it.
#![expect(unsafe_code, reason = "one static for each core")]

use core::sync::atomic::{AtomicU8, Ordering};

#[cfg(feature = "write-traps")]
use trapline_core::address::PhysicalAddress;
use trapline_core::injection::Exception;
#[cfg(feature = "write-traps")]
use trapline_core::syndrome::FaultStatus;
use trapline_core::syndrome::{DataAbort, Details, ExceptionClass, Syndrome};
#[cfg(feature = "write-traps")]
use trapline_core::target::TrappedWrite;

use crate::devices::{Access, Devices};
use crate::entry::{Exit, Frame, Trap, run};
use crate::stage2::{GuestMemory, Stage2};
use crate::vcpu::UNDEFINED;
use crate::{gic, psci, vcpu};

/// Guests, and cores.
const GUESTS: u8 = 2;

/// See `own_debug.rs` of the firmware.
const OWN_DEBUG_WANTED: u64 = 0x6f77_6e20_6465_6267;

/// How many guests have not ended.
static ON: AtomicU8 = AtomicU8::new(GUESTS);

/// The boot code continues here, on each core with its number.
pub(crate) extern "C" fn hypervisor_main(core: usize) -> ! {
    if core == 0 {
        defmt::info!("hypervisor at EL2, {=u8} guests of {=u64} MiB", GUESTS, crate::stage2::RAM_SIZE >> 20);
        gic::start();
        psci::start_the_second_core();
    }
    gic::start_core(core);
    let guest = Guest::new(core as u8);
    #[cfg(feature = "debugger")]
    if core == crate::debug::CORE {
        crate::debug::run(guest);
    }
    run_alone(guest)
}

/// Runs a guest that nobody debugs.
fn run_alone(mut guest: Guest) -> ! {
    loop {
        match guest.run() {
            Outcome::Continues => {}
            Outcome::Uart => gic::deactivate(gic::UART),
            Outcome::Debug(trap) => guest.give_back(trap),
            #[cfg(feature = "write-traps")]
            Outcome::TrappedWrite(_) => {}
            Outcome::Off => guest.end(),
        }
    }
}

/// What is to happen after a guest was left.
pub(crate) enum Outcome {
    /// It runs on.
    Continues,
    /// The UART has something for the debugger.
    Uart,
    /// A debug exception was taken to EL2, or a debug register was accessed.
    Debug(Trap),
    /// It was about to write to a page that traps writes.
    #[cfg(feature = "write-traps")]
    TrappedWrite(TrappedWrite),
    /// It has switched itself off.
    Off,
}

/// A guest.
#[derive(Debug)]
pub(crate) struct Guest {
    /// Its number, and that of its core.
    pub(crate) number: u8,
    /// Its registers.
    pub(crate) frame: Frame,
    /// Its memory.
    #[cfg_attr(not(feature = "debugger"), expect(dead_code, reason = "nobody looks at it"))]
    pub(crate) memory: GuestMemory,
    devices: Devices,
}

impl Guest {
    /// A guest at its reset, on this core.
    fn new(number: u8) -> Self {
        static mut TABLES: [Stage2; GUESTS as usize] = [const { Stage2::new() }; GUESTS as usize];
        // SAFETY: each core takes the tables of its own number, once.
        let tables = unsafe { &mut TABLES[usize::from(number)] };
        let memory = tables.activate(number);
        memory.clean();
        let mut frame = vcpu::reset();
        if number != 0 {
            // The firmware takes it for a wish: that it use debug registers of its own.
            frame.write(0, OWN_DEBUG_WANTED);
        }
        Self { number, frame, memory, devices: Devices::new(number) }
    }

    /// Runs it until it traps or an interrupt comes, and does what that takes.
    pub(crate) fn run(&mut self) -> Outcome {
        match run(&mut self.frame) {
            Exit::Synchronous => self.trap(Trap::read()),
            Exit::Interrupt => self.interrupt(),
            Exit::Other => {
                defmt::error!("guest {=u8}: a system error, at {=u64:#x}", self.number, self.frame.pc);
                Outcome::Off
            }
        }
    }

    /// Ends the guest, and the machine with the last one. This core has nothing to do any more.
    pub(crate) fn end(&self) -> ! {
        defmt::info!("guest {=u8}: off", self.number);
        if ON.fetch_sub(1, Ordering::Relaxed) == 1 {
            semihosting::process::exit(0);
        }
        loop {
            // SAFETY: waits for an interrupt, which none is taken of.
            unsafe { core::arch::asm!("wfi", options(nomem, nostack, preserves_flags)) };
        }
    }

    fn interrupt(&mut self) -> Outcome {
        match gic::acknowledge() {
            Some(gic::VIRTUAL_TIMER) => gic::hand_over_timer(),
            Some(gic::UART) => return Outcome::Uart,
            Some(number) => gic::deactivate(number),
            None => {}
        }
        Outcome::Continues
    }

    fn trap(&mut self, trap: Trap) -> Outcome {
        let syndrome = Syndrome::decode(trap.syndrome);
        match (syndrome.class, syndrome.details) {
            (ExceptionClass::Hvc64, _) => return self.power_call(),
            (ExceptionClass::Smc64, _) => {
                // Unlike HVC, a trapped SMC has not been executed.
                self.frame.advance();
                return self.power_call();
            }
            (ExceptionClass::DataAbortLower, Details::DataAbort(abort)) => {
                #[cfg(feature = "write-traps")]
                if let Some(write) = self.trapped_write(&trap, abort) {
                    return Outcome::TrappedWrite(write);
                }
                self.device_access(&trap, abort);
            }
            (ExceptionClass::SystemRegister, Details::SystemRegister(access)) if access.op0() == 2 => {
                return Outcome::Debug(trap);
            }
            (
                ExceptionClass::BreakpointLower
                | ExceptionClass::SoftwareStepLower
                | ExceptionClass::WatchpointLower
                | ExceptionClass::Bkpt
                | ExceptionClass::Brk,
                _,
            ) => return Outcome::Debug(trap),
            _ => {
                let (number, pc) = (self.number, self.frame.pc);
                defmt::warn!("guest {=u8}: {} at {=u64:#x}, taken as undefined", number, syndrome, pc);
                vcpu::inject(&mut self.frame, &UNDEFINED);
            }
        }
        Outcome::Continues
    }

    /// Delivers a debug exception to the guest's own EL1.
    fn give_back(&mut self, trap: Trap) {
        let syndrome = Syndrome::decode(trap.syndrome);
        let fault_address = match syndrome.class {
            ExceptionClass::WatchpointLower => Some(trap.fault_address),
            _ => None,
        };
        vcpu::inject(&mut self.frame, &Exception { syndrome: trap.syndrome, fault_address });
    }

    fn power_call(&mut self) -> Outcome {
        let (function, argument) = (self.frame.read(0), self.frame.read(1));
        match psci::call(function, argument) {
            psci::Call::Answer(value) => {
                self.frame.write(0, value);
                Outcome::Continues
            }
            psci::Call::Off => Outcome::Off,
        }
    }

    /// What the guest was about to write to a page that traps writes. It makes all of them by itself, in a step: one that
    /// steps itself would miss an instruction that was carried out for it.
    #[cfg(feature = "write-traps")]
    fn trapped_write(&mut self, trap: &Trap, abort: DataAbort) -> Option<TrappedWrite> {
        // A walker that writes to the guest's tables is not answered so: no instruction of its own would be.
        if !abort.wnr() || abort.s1ptw() || !matches!(abort.dfsc(), FaultStatus::Permission { .. }) {
            return None;
        }
        let address = crate::stage2::physical(trap.fault_address)?;
        let address = self.memory.traps(address).then_some(PhysicalAddress(address))?;
        Some(TrappedWrite { address, data: None })
    }

    /// Loads from and stores to addresses that are not RAM.
    fn device_access(&mut self, trap: &Trap, abort: DataAbort) {
        let value = self.frame.read(abort.srt());
        // In bits.
        let size = 8_u32 << abort.sas();
        let access = match abort.wnr() {
            true => Access::Write(value & u64::MAX >> (64 - size)),
            false => Access::Read,
        };
        // Without ISV the instruction would have to be decoded; no driver that knows hypervisors has such
        // ones.
        let done = if abort.isv() { self.devices.access(trap.guest_address, access) } else { None };
        let Some(read) = done else {
            let (number, pc, address) = (self.number, self.frame.pc, trap.guest_address);
            defmt::warn!("guest {=u8}: no device at {=u64:#x}, accessed at {=u64:#x}", number, address, pc);
            // A synchronous external abort.
            let syndrome = (trap.syndrome & !0x1ff_ffff) | u64::from(abort.wnr()) << 6 | 0b01_0000;
            vcpu::inject(&mut self.frame, &Exception { syndrome, fault_address: Some(trap.fault_address) });
            return;
        };
        if let Access::Read = access {
            let read = read & u64::MAX >> (64 - size);
            let extended =
                if abort.sse() { ((read << (64 - size)) as i64 >> (64 - size)) as u64 } else { read };
            self.frame.write(abort.srt(), if abort.sf() { extended } else { extended & 0xffff_ffff });
        }
        self.frame.advance();
    }
}
