//! What a backend implements: small traits, one an ability.
//!
//! A backend knows one kind of target (KVM vCPUs, system registers at EL2, a probe) and nothing of
//! breakpoints, conditions or gdb: it reads and writes registers and physical memory, programs
//! comparators as it is told, and runs and halts cores. All policy is in [`crate::debugger`].
//!
//! Failures have two classes, [`TargetError::Refused`] (this request cannot be served, the session goes
//! on) and [`TargetError::Lost`] (the target or the way to it is gone).

mod event;
mod profile;
mod refusal;

pub use crate::registers::{Register, SpecialRegister, SystemRegister};
pub use crate::software::BreakInstruction;
pub use event::{DebugStateEntry, Event, TrappedWrite, WriteData};
pub use profile::{MProfile, MVersion, Profile};
pub use refusal::{Refusal, TargetError};

use core::fmt;

use crate::address::{AddressRange, PhysicalAddress};
use crate::comparator::{Bank, Capabilities};
use crate::scope::Scope;
use crate::stepping::Changes;

/// A core (processing element, vCPU) of the target, numbered from 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct CoreId(pub u16);

impl fmt::Display for CoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "core {}", self.0)
    }
}

/// What every ability of a backend shares: its error and its cores.
pub trait Backend {
    /// Why the target was lost. Refusals are [`Refusal`]s and need no type of the backend's.
    type Error: core::error::Error;

    /// How many cores there are. It does not change while the backend lives.
    fn cores(&self) -> u16;

    /// What one of them is called.
    fn core_kind(&self) -> &'static str {
        "core"
    }

    /// Where what breakpoints' commands print goes; `None` where there is nobody to read it.
    fn console(&mut self) -> Option<&mut dyn Console> {
        None
    }

    /// Writes what the backend counts, a line each; nothing where it counts nothing.
    ///
    /// # Errors
    /// Only those of `out`.
    fn write_counters(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        let _ = out;
        Ok(())
    }

    /// The means to make pages trap writes, where there are any.
    fn write_traps(&mut self) -> Option<&mut dyn WriteTraps<Error = Self::Error>> {
        None
    }
}

/// Pages of physical memory that trap what cores write to them, by the memory map that stands between the
/// cores' physical addresses and memory (stage 2 of translation, slots of KVM).
///
/// Writes of the translation tables' walkers and of devices may not be trapped, and what the debugger writes
/// ([`Memory::write_memory`]) never is.
pub trait WriteTraps {
    /// As [`Backend::Error`].
    type Error;

    /// The size of a page in bytes, a power of two.
    fn page_size(&self) -> u64;

    /// Makes exactly these pages trap writes, as [`Event::TrappedWrite`]; their addresses ascend. All cores are
    /// halted.
    ///
    /// # Errors
    /// [`Refusal`] where one is no memory; nothing has changed.
    fn protect(
        &mut self,
        pages: &mut dyn Iterator<Item = PhysicalAddress>,
    ) -> Result<(), TargetError<Self::Error>>;

    /// Makes a page that traps writes writable for a while, or ends that. All cores are halted.
    ///
    /// # Errors
    /// [`TargetError`].
    fn lift(&mut self, page: PhysicalAddress, writable: bool) -> Result<(), TargetError<Self::Error>>;
}

/// A place for text that whoever watches the target reads.
pub trait Console {
    /// Takes a piece of what commands print on `core`: valid UTF-8, any length, lines end where the
    /// commands say so.
    fn print(&mut self, core: CoreId, text: &str);
}

/// The result of a backend's operation.
pub type TargetResult<T, B> = Result<T, TargetError<<B as Backend>::Error>>;

/// Access to the registers of a core that is halted.
///
/// # Errors
/// All methods refuse a core that is running or does not exist, and a register that it does not have.
pub trait Registers: Backend {
    /// Reads a register.
    fn read_register(&mut self, core: CoreId, register: Register) -> TargetResult<u64, Self>;

    /// Writes a register. The value is in the core before it runs on, not necessarily at return.
    fn write_register(&mut self, core: CoreId, register: Register, value: u64) -> TargetResult<(), Self>;

    /// Reads `V<number>`, 0 to 31: byte 0 in bits 7 to 0.
    fn read_vector(&mut self, core: CoreId, number: u8) -> TargetResult<u128, Self>;

    /// Writes `V<number>`, 0 to 31.
    fn write_vector(&mut self, core: CoreId, number: u8, value: u128) -> TargetResult<(), Self>;

    /// Which profile the cores are of, the same for all of them and at all times.
    fn profile(&self) -> Profile {
        Profile::A
    }

    /// Whether EL1 of a halted core uses AArch32, so that its exceptions and translation tables are those
    /// of AArch32. `PSTATE` does not say so at EL0.
    fn el1_uses_aarch32(&mut self, core: CoreId) -> TargetResult<bool, Self> {
        let _ = core;
        Ok(false)
    }

    /// The core's scalable vectors, SVE; `None` where the target has none, the same for all cores.
    fn scalable_vectors(&mut self) -> Option<&mut dyn ScalableVectors<Error = Self::Error>> {
        None
    }

    /// The system registers that a client is shown, by their place in a list that does not change; `None`
    /// behind its end. One that is not in it may be reached all the same.
    fn system_register(&self, index: usize) -> Option<SystemRegister> {
        let _ = index;
        None
    }
}

/// Access to the scalable vectors, SVE, of a core that is halted.
///
/// # Errors
/// As those of [`Registers`].
pub trait ScalableVectors: Backend {
    /// The length of a vector in bytes: a multiple of 16, 16 to 256.
    fn vector_length(&self) -> u16;

    /// Fills `buffer`, which is as long as the register, with its lowest byte first.
    fn read_scalable(
        &mut self,
        core: CoreId,
        register: ScalableRegister,
        buffer: &mut [u8],
    ) -> TargetResult<(), Self>;

    /// Writes all bytes of the register, the lowest first.
    fn write_scalable(
        &mut self,
        core: CoreId,
        register: ScalableRegister,
        bytes: &[u8],
    ) -> TargetResult<(), Self>;
}

/// A register of SVE.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ScalableRegister {
    /// `Z0` to `Z31`, as long as a vector; `V0` to `V31` are its lowest 16 bytes.
    Z(u8),
    /// `P0` to `P15`, with a bit for each byte of a vector.
    P(u8),
    /// The first fault register, as long as a predicate.
    Ffr,
}

/// A part of the physical address space.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct MemoryRegion {
    /// Its physical addresses.
    pub range: AddressRange,
    /// What is there.
    pub kind: MemoryKind,
}

/// What is at physical addresses.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum MemoryKind {
    /// Memory that can be read and written.
    Ram,
    /// Memory in which a plain write changes nothing, such as flash.
    Rom,
}

/// Access to physical memory.
pub trait Memory: Backend {
    /// Fills `buffer` from `address` on.
    ///
    /// # Errors
    /// [`Refusal::NoMemory`] where a byte of it is not memory; then the buffer's contents mean nothing.
    fn read_memory(&mut self, address: PhysicalAddress, buffer: &mut [u8]) -> TargetResult<(), Self>;

    /// Writes `bytes` from `address` on: all of them or, where one is not writable memory, none.
    ///
    /// # Errors
    /// [`Refusal::NoMemory`].
    fn write_memory(&mut self, address: PhysicalAddress, bytes: &[u8]) -> TargetResult<(), Self>;

    /// Makes what was written to the `length` bytes from `address` on visible to the instruction fetches
    /// of all cores.
    fn synchronize_instructions(&mut self, address: PhysicalAddress, length: usize)
    -> TargetResult<(), Self>;

    /// The target's memory, by its place in a list that does not change and is sorted by address; `None`
    /// behind its end, and everywhere where the target does not know its own memory.
    fn region(&self, index: usize) -> Option<MemoryRegion> {
        let _ = index;
        None
    }
}

/// Everything that a core's debug hardware is to trap.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Arming {
    /// Breakpoint and watchpoint pairs.
    pub bank: Bank,
    /// Whether breakpoint instructions are planted in memory.
    pub software_breakpoints: bool,
    /// Whether the comparators that the target's own software has set are to trap nothing, even where
    /// none of `bank` is enabled: for a step over an instruction at which they hit the debugger but would
    /// not hit the software.
    pub hides_own: bool,
}

impl Arming {
    /// Whether there is nothing to trap, so that every debug exception can be left to the target itself.
    #[must_use]
    pub fn is_disarmed(&self) -> bool {
        !self.software_breakpoints && !self.hides_own && self.bank.is_disarmed()
    }
}

/// Programming of the debug hardware.
pub trait Comparators: Backend {
    /// What the debug hardware offers, the same for all cores.
    fn capabilities(&self) -> Capabilities;

    /// Where the breakpoints and watchpoints of a client match that asks for no scope of its own: EL1 and
    /// EL0 for a guest, everywhere for a board.
    fn scope(&self) -> Scope;

    /// The instruction to plant for a software breakpoint.
    fn break_instruction(&self) -> BreakInstruction;

    /// Makes the debug hardware of a halted core trap exactly what `arming` says.
    ///
    /// The engine calls this only where something changed since its last call for this core.
    fn commit(&mut self, core: CoreId, arming: &Arming) -> TargetResult<(), Self>;
}

/// How a core is to run on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Resume {
    /// Until something stops it.
    Run,
    /// As `Run`, with interrupts held off as [`RunControl::steps_with_interrupts_disabled`] says: several instructions
    /// that are one step. Only a backend that says so is asked for it.
    RunQuietly,
    /// For one instruction.
    Step,
}

/// What a core is doing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum CoreState {
    /// Stopped for the debugger: its registers can be read and written.
    Halted,
    /// Executing, or about to.
    Running,
    /// Powered off, waiting for another core to start it.
    Off,
}

/// Running and halting cores.
pub trait RunControl: Backend {
    /// What the core is doing now.
    fn core_state(&mut self, core: CoreId) -> TargetResult<CoreState, Self>;

    /// Lets a halted core run; it returns at once. What stops the core arrives as an [`Event`] for
    /// [`crate::debugger::Debugger::on_event`].
    fn resume(&mut self, core: CoreId, how: Resume) -> TargetResult<(), Self>;

    /// As [`Self::resume`] for one step, of an instruction that changes no more than `changes` says: a backend that keeps
    /// what it has read of a halted core may keep the rest of it.
    fn step_changing(&mut self, core: CoreId, changes: Changes) -> TargetResult<(), Self> {
        let _ = changes;
        self.resume(core, Resume::Step)
    }

    /// Halts a running core and returns when it has halted. It makes no [`Event`]; one that the core
    /// had on its way may still arrive.
    fn halt(&mut self, core: CoreId) -> TargetResult<(), Self>;

    /// Lets a running core begin to halt, without waiting for it; [`Self::halt`] follows. So many cores come
    /// to a halt at once instead of one after the other.
    fn begin_halt(&mut self, core: CoreId) -> TargetResult<(), Self> {
        let _ = core;
        Ok(())
    }

    /// Has the backend hand in [`Event::CalledBack`] for a halted core soon, from where its events come, without
    /// running it; [`Self::halt`] calls that off. Whether it does: without it, a change that a core made to what is
    /// watched in the very moment in which another one stopped the target may go untold.
    fn call_back(&mut self, core: CoreId) -> TargetResult<bool, Self> {
        let _ = core;
        Ok(false)
    }

    /// Whether [`Resume::Step`] holds interrupts off by itself, so that the engine must not mask them
    /// in `PSTATE` (`EDSCR.INTdis` on a board).
    fn steps_with_interrupts_disabled(&self) -> bool {
        false
    }
}

/// A whole target: what [`crate::debugger::Debugger`] works on.
pub trait Target: Registers + Memory + Comparators + RunControl {}

impl<T: Registers + Memory + Comparators + RunControl> Target for T {}
