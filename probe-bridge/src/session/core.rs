//! One core of a session.

use std::time::Duration;

use trapline_core::address::AddressRange;
use trapline_core::breakpoint::{Breakpoint, Instruction};
use trapline_core::debugger::{Action, Request};
use trapline_core::pool::Owner;
use trapline_core::stop::StopReason;
use trapline_core::target::{Comparators, CoreId, CoreState, Profile, Register};
use trapline_core::watchpoint::{Access, Watchpoint};

use super::{Error, Host, Result, SessionDebugger};

/// What a core is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CoreStatus {
    /// It executes.
    Running,
    /// It is halted, for this reason.
    Halted(HaltReason),
    /// It has no power.
    Off,
}

/// Why a core is halted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum HaltReason {
    /// A breakpoint in a comparator.
    HardwareBreakpoint,
    /// A planted breakpoint instruction.
    SoftwareBreakpoint,
    /// A watchpoint; the byte of its range that was touched.
    Watchpoint(u64),
    /// A step is done.
    Step,
    /// It was asked to halt, or another core has stopped.
    Request,
    /// Something outside the debugger has halted it.
    External,
    /// It was locked up, by a fault that it could not take (Cortex-M).
    LockedUp,
}

/// Where a core stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CoreInformation {
    /// Its program counter.
    pub pc: u64,
}

/// One core of a session.
#[derive(Debug)]
pub struct Core<'a, H> {
    host: &'a mut H,
    id: CoreId,
}

impl<'a, H: Host> Core<'a, H> {
    pub(super) const fn new(host: &'a mut H, id: CoreId) -> Self {
        Self { host, id }
    }

    /// Its number.
    #[must_use]
    pub const fn id(&self) -> usize {
        self.id.0 as usize
    }

    /// Halts it, and the others with it.
    ///
    /// # Errors
    /// [`Error`].
    pub fn halt(&mut self) -> Result<CoreInformation> {
        self.with(|debugger, _| debugger.interrupt())??;
        self.information()
    }

    /// Lets it run, and only it: a core that is halted stays so. It passes what it has stopped at.
    ///
    /// # Errors
    /// [`Error`].
    pub fn run(&mut self) -> Result<()> {
        self.act(Action::Continue)
    }

    /// Executes one instruction; no interrupt is taken meanwhile.
    ///
    /// # Errors
    /// [`Error`]; [`Error::Timeout`] where the instruction does not end.
    pub fn step(&mut self) -> Result<CoreInformation> {
        self.act(Action::Step)?;
        self.wait_for_core_halted(Duration::from_secs(5))?;
        self.information()
    }

    /// Waits until it has halted.
    ///
    /// # Errors
    /// [`Error::Timeout`] where it has not.
    pub fn wait_for_core_halted(&mut self, timeout: Duration) -> Result<()> {
        if self.core_halted()? || self.host.wait(timeout)? { Ok(()) } else { Err(Error::Timeout) }
    }

    /// Whether it is halted.
    ///
    /// # Errors
    /// [`Error`].
    pub fn core_halted(&mut self) -> Result<bool> {
        Ok(self.with(|debugger, core| debugger.core_state(core))?? == CoreState::Halted)
    }

    /// What it is doing, and where it is halted, why.
    ///
    /// # Errors
    /// [`Error`].
    pub fn status(&mut self) -> Result<CoreStatus> {
        self.with(|debugger, core| {
            Ok(match debugger.core_state(core)? {
                CoreState::Running => CoreStatus::Running,
                CoreState::Off => CoreStatus::Off,
                CoreState::Halted => CoreStatus::Halted(match debugger.stop() {
                    Some(stop) if stop.core == core => match stop.reason {
                        StopReason::Breakpoint => HaltReason::HardwareBreakpoint,
                        StopReason::SoftwareBreakpoint => HaltReason::SoftwareBreakpoint,
                        StopReason::Watchpoint { address, .. } => HaltReason::Watchpoint(address),
                        StopReason::Step => HaltReason::Step,
                        StopReason::ExternalRequest => HaltReason::External,
                        StopReason::LockedUp => HaltReason::LockedUp,
                        _ => HaltReason::Request,
                    },
                    _ => HaltReason::Request,
                }),
            })
        })?
    }

    /// Reads a register.
    ///
    /// # Errors
    /// [`Error`]; refused while it runs.
    pub fn read_core_reg(&mut self, register: Register) -> Result<u64> {
        Ok(self.with(|debugger, core| debugger.read_register(core, register))??)
    }

    /// Writes a register.
    ///
    /// # Errors
    /// As [`Self::read_core_reg`].
    pub fn write_core_reg(&mut self, register: Register, value: u64) -> Result<()> {
        Ok(self.with(|debugger, core| debugger.write_register(core, register, value))??)
    }

    /// Fills `data` from a virtual address on.
    ///
    /// # Errors
    /// [`Error::Memory`] where it cannot be reached, or not all of it.
    pub fn read(&mut self, address: u64, data: &mut [u8]) -> Result<()> {
        let length = data.len();
        let read = self.with(|debugger, core| debugger.read_virtual(core, address, data))??;
        if read == length {
            return Ok(());
        }
        Err(Error::Memory(format!("only {read} of {length} bytes at {address:#x} can be read")))
    }

    /// Writes `data` from a virtual address on.
    ///
    /// # Errors
    /// [`Error::Memory`].
    pub fn write(&mut self, address: u64, data: &[u8]) -> Result<()> {
        Ok(self.with(|debugger, core| debugger.write_virtual(core, address, data))??)
    }

    /// Sets a breakpoint in a comparator of every core.
    ///
    /// # Errors
    /// [`Error::NotInserted`].
    pub fn set_hw_breakpoint(&mut self, address: u64) -> Result<()> {
        self.change(|debugger, core| {
            let request = breakpoint(debugger, address)?;
            Ok(debugger.insert(core, request, Owner::DEBUGGER)?)
        })
    }

    /// Removes a breakpoint.
    ///
    /// # Errors
    /// [`Error::NotInserted`] where there is none.
    pub fn clear_hw_breakpoint(&mut self, address: u64) -> Result<()> {
        self.change(|debugger, _| {
            let request = breakpoint(debugger, address)?;
            Ok(debugger.remove(request, Owner::DEBUGGER)?)
        })
    }

    /// Watches `length` bytes in as many comparators as that takes, exactly, or not at all.
    ///
    /// # Errors
    /// [`Error::NotInserted`].
    pub fn set_watchpoint(&mut self, address: u64, length: u64, access: Access) -> Result<()> {
        self.change(|debugger, core| {
            let request = watchpoint(debugger, address, length, access)?;
            Ok(debugger.insert(core, request, Owner::DEBUGGER)?)
        })
    }

    /// Removes a watchpoint.
    ///
    /// # Errors
    /// [`Error::NotInserted`] where there is none.
    pub fn clear_watchpoint(&mut self, address: u64, length: u64, access: Access) -> Result<()> {
        self.change(|debugger, _| {
            let request = watchpoint(debugger, address, length, access)?;
            Ok(debugger.remove(request, Owner::DEBUGGER)?)
        })
    }

    /// How many comparators for breakpoints are free.
    ///
    /// # Errors
    /// [`Error::Lost`].
    pub fn available_breakpoint_units(&mut self) -> Result<u32> {
        self.with(|debugger, _| u32::from(debugger.breakpoints().free()))
    }

    /// How many comparators for watchpoints are free.
    ///
    /// # Errors
    /// [`Error::Lost`].
    pub fn available_watchpoint_units(&mut self) -> Result<u32> {
        self.with(|debugger, _| u32::from(debugger.watchpoints().free()))
    }

    fn information(&mut self) -> Result<CoreInformation> {
        Ok(CoreInformation { pc: self.read_core_reg(Register::Pc)? })
    }

    fn act(&mut self, action: Action) -> Result<()> {
        self.with(|debugger, core| {
            debugger.clear_actions();
            debugger.set_action(core, action)?;
            debugger.hold_others();
            Ok(debugger.resume()?)
        })?
    }

    fn change(
        &mut self,
        work: impl FnOnce(&mut SessionDebugger<H::Target>, CoreId) -> Result<()>,
    ) -> Result<()> {
        self.with(work)?
    }

    fn with<R>(&mut self, work: impl FnOnce(&mut SessionDebugger<H::Target>, CoreId) -> R) -> Result<R> {
        let core = self.id;
        self.host.with(|debugger| work(debugger, core))
    }
}

/// The request for a breakpoint, in the scope that the target has for clients.
fn breakpoint<T: Comparators + trapline_core::target::Target>(
    debugger: &SessionDebugger<T>,
    address: u64,
) -> Result<Request> {
    let instruction = match debugger.target().profile() {
        Profile::M(_) => Instruction::T32,
        _ => Instruction::A64,
    };
    let breakpoint = Breakpoint::at(address, instruction, debugger.target().scope())
        .map_err(|error| Error::NotInserted(error.to_string()))?;
    Ok(Request::Breakpoint(breakpoint))
}

fn watchpoint<T: Comparators + trapline_core::target::Target>(
    debugger: &SessionDebugger<T>,
    address: u64,
    length: u64,
    access: Access,
) -> Result<Request> {
    let range = AddressRange::new(address, length).map_err(|error| Error::NotInserted(error.to_string()))?;
    Ok(Request::Watchpoint(Watchpoint::new(range, access, debugger.target().scope())))
}
