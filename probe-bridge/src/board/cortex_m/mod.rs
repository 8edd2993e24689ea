//! Cortex-M cores behind a debug port, with probe-rs's names and habits and with watchpoints: Armv6-M, Armv7-M, Armv8-M.
//!
//! The engine and the gdb server are for the A profile; here is what a program of one's own needs. The comparators are
//! those of `trapline_core::m_profile`, planned before anything is written and all or none.

mod registers;

use std::time::{Duration, Instant};

use trapline_core::address::AddressRange;
use trapline_core::m_profile::debug_control::{Demcr, Dfsr};
use trapline_core::m_profile::dwt::{self, DwtCtrl};
use trapline_core::m_profile::fpb::{self, BreakpointUnit, FpCtrl};
use trapline_core::m_profile::{dwt_v1, dwt_v2};
use trapline_core::pool::Slots;
use trapline_core::watchpoint::Access;

use self::registers::{DCRDR, DCRSR, DHCSR, Dhcsr, WRITE_REGISTER};
use super::link::{Bus, Link, Port};

/// What a core may take for something that is done in microseconds.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between two looks at a core that runs.
const POLL: Duration = Duration::from_millis(1);

/// Why a Cortex-M core cannot do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The board is lost.
    #[error(transparent)]
    Board(#[from] super::BoardError),
    /// The core's units are of a version that is not known.
    #[error("FP_CTRL reads {fp_ctrl:#x}, which no breakpoint unit that is known here does")]
    UnknownUnit {
        /// What was read.
        fp_ctrl: u32,
    },
    /// The breakpoint unit cannot express it.
    #[error("the breakpoint unit cannot stop at {address:#x}: {why}")]
    Breakpoint {
        /// The address.
        address: u32,
        /// Why.
        why: fpb::FpbError,
    },
    /// The watchpoint unit cannot express it.
    #[error("the watchpoint unit cannot watch this: {0}")]
    Watchpoint(dwt::DwtError),
    /// There are too few comparators left.
    #[error("it takes {wanted} comparators, and {free} are free")]
    TooFew {
        /// How many it takes.
        wanted: u64,
        /// How many there are.
        free: u8,
    },
    /// There is no such breakpoint or watchpoint.
    #[error("there is none of these at {0:#x}")]
    NotThere(u64),
    /// The core is running.
    #[error("the core is running; halt it first")]
    Running,
    /// Nothing has happened in time.
    #[error("the core does not {0} in time")]
    Timeout(&'static str),
}

/// The result of an operation on a Cortex-M core.
pub type Result<T> = std::result::Result<T, Error>;

/// What a core is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CoreStatus {
    /// It executes, or sleeps.
    Running,
    /// It is locked up: a fault in a fault handler.
    LockedUp,
    /// It is halted.
    Halted(HaltReason),
}

/// Why a core is halted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HaltReason {
    /// A breakpoint comparator, or `BKPT`. The instruction has not been executed.
    Breakpoint,
    /// A watchpoint comparator. The access has been made.
    Watchpoint,
    /// A vector catch.
    Exception,
    /// It was asked to, or a step is done.
    Request,
    /// Something outside the core.
    External,
}

/// A watchpoint and the comparators that it takes.
#[derive(Clone, Debug)]
struct Watch {
    range: AddressRange,
    access: Access,
    slots: Slots,
}

/// A Cortex-M core.
#[derive(Debug)]
pub struct CortexM<L> {
    link: L,
    unit: BreakpointUnit,
    breakpoints: Vec<Option<u32>>,
    watch_comparators: u8,
    /// What each comparator of a version 2 unit can do; none for version 1.
    functions: Option<Vec<dwt_v2::FunctionId>>,
    /// The widest mask of a version 1 unit.
    max_mask: u8,
    watchpoints: Vec<Watch>,
}

impl<L: Link> CortexM<L> {
    /// Turns debugging on, and clears what an earlier session has left in the comparators. The core runs on, or stays
    /// halted.
    ///
    /// # Errors
    /// [`Error`].
    pub fn attach(mut link: L) -> Result<Self> {
        let (fp_ctrl, comparators, functions, max_mask) = link.with(Port::Debug, |bus| {
            let status = Dhcsr(bus.read_word(DHCSR)?);
            bus.write_word(DHCSR, status.control(status.is_halted(), false).into())?;
            let demcr = Demcr::from(bus.read_word(u64::from(Demcr::ADDRESS))?);
            bus.write_word(u64::from(Demcr::ADDRESS), demcr.with_trcena(true).into())?;
            let fp_ctrl = bus.read_word(u64::from(FpCtrl::ADDRESS))?;
            let count = DwtCtrl::from(bus.read_word(u64::from(DwtCtrl::ADDRESS))?).numcomp().get();
            let (mut functions, mut max_mask) = (None, 0);
            if bus.read_word(registers::DWT_DEVARCH)? & 0xffff == registers::DWT_VERSION_2 {
                let mut ids = Vec::new();
                for number in 0..count {
                    bus.write_word(u64::from(dwt::function_address(number)), 0)?;
                    let function = bus.read_word(u64::from(dwt::function_address(number)))?;
                    ids.push(dwt_v2::Function::from(function).id());
                }
                functions = Some(ids);
            } else if count > 0 {
                for number in 0..count {
                    bus.write_word(u64::from(dwt::function_address(number)), 0)?;
                }
                // A mask that is too wide reads back as the widest that there is.
                bus.write_word(u64::from(dwt::mask_address(0)), 0x1f)?;
                max_mask = (bus.read_word(u64::from(dwt::mask_address(0)))? & 0x1f) as u8;
            }
            for number in 0..FpCtrl::from(fp_ctrl).num_code() {
                bus.write_word(u64::from(fpb::comparator_address(number)), 0)?;
            }
            bus.write_word(u64::from(FpCtrl::ADDRESS), FpCtrl::ENABLE.into())?;
            bus.flush()?;
            Ok((fp_ctrl, count, functions, max_mask))
        })?;
        let unit = FpCtrl::from(fp_ctrl).unit().ok_or(Error::UnknownUnit { fp_ctrl })?;
        let breakpoints = vec![None; usize::from(FpCtrl::from(fp_ctrl).num_code())];
        let watchpoints = Vec::new();
        Ok(Self { link, unit, breakpoints, watch_comparators: comparators, functions, max_mask, watchpoints })
    }

    /// Disarms everything, turns debugging off, lets the core run, and gives the link back.
    ///
    /// # Errors
    /// [`Error::Board`].
    pub fn detach(mut self) -> Result<L> {
        let (breakpoints, watchpoints) = (self.breakpoints.len() as u8, self.watch_comparators);
        self.work(|bus| {
            for number in 0..breakpoints {
                bus.write_word(u64::from(fpb::comparator_address(number)), 0)?;
            }
            for number in 0..watchpoints {
                bus.write_word(u64::from(dwt::function_address(number)), 0)?;
            }
            bus.write_word(u64::from(FpCtrl::ADDRESS), FpCtrl::DISABLE.into())?;
            bus.write_word(DHCSR, Dhcsr::OFF.into())?;
            bus.flush()
        })?;
        Ok(self.link)
    }

    /// Halts the core.
    ///
    /// # Errors
    /// [`Error::Timeout`] where it does not halt.
    pub fn halt(&mut self) -> Result<()> {
        self.work(|bus| bus.write_word(DHCSR, Dhcsr(0).control(true, false).into()))?;
        self.wait_for_core_halted(PATIENCE).map_err(|_| Error::Timeout("halt"))
    }

    /// Lets the core run. One that stands at a breakpoint passes it first, with interrupts masked.
    ///
    /// # Errors
    /// [`Error::Running`] where it does already.
    pub fn run(&mut self) -> Result<()> {
        let pc = self.read_core_reg(registers::PC)?;
        if self.breakpoints.contains(&Some(pc)) {
            self.step()?;
        }
        self.clear_reasons()?;
        self.work(|bus| bus.write_word(DHCSR, Dhcsr(0).control(false, false).into()))
    }

    /// Executes one instruction, with interrupts masked; answers the program counter. A breakpoint at it is passed.
    ///
    /// # Errors
    /// [`Error::Running`].
    pub fn step(&mut self) -> Result<u32> {
        let pc = self.read_core_reg(registers::PC)?;
        let here = self.breakpoints.iter().position(|breakpoint| *breakpoint == Some(pc));
        if let Some(number) = here {
            self.work(|bus| bus.write_word(u64::from(fpb::comparator_address(number as u8)), 0))?;
        }
        self.clear_reasons()?;
        // C_MASKINTS may change only while the core is halted, before it steps (DDI 0403, "DHCSR").
        self.work(|bus| {
            bus.write_word(DHCSR, Dhcsr(0).control(true, true).into())?;
            bus.write_word(DHCSR, Dhcsr::STEP.into())
        })?;
        self.wait_for_core_halted(PATIENCE).map_err(|_| Error::Timeout("complete a step"))?;
        self.work(|bus| bus.write_word(DHCSR, Dhcsr(0).control(true, false).into()))?;
        if let Some(number) = here {
            self.write_breakpoint(number, Some(pc))?;
        }
        self.read_core_reg(registers::PC)
    }

    /// Waits until the core has halted.
    ///
    /// # Errors
    /// [`Error::Timeout`].
    pub fn wait_for_core_halted(&mut self, timeout: Duration) -> Result<()> {
        let deadline = Instant::now() + timeout;
        while !self.dhcsr()?.is_halted() {
            if Instant::now() >= deadline {
                return Err(Error::Timeout("halt"));
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    /// What the core is doing.
    ///
    /// # Errors
    /// [`Error::Board`].
    pub fn status(&mut self) -> Result<CoreStatus> {
        let status = self.dhcsr()?;
        if !status.is_halted() {
            return Ok(if status.is_locked_up() { CoreStatus::LockedUp } else { CoreStatus::Running });
        }
        let reasons = Dfsr::from(self.work(|bus| bus.read_word(u64::from(Dfsr::ADDRESS)))?);
        Ok(CoreStatus::Halted(if reasons.bkpt() {
            HaltReason::Breakpoint
        } else if reasons.dwttrap() {
            HaltReason::Watchpoint
        } else if reasons.vcatch() {
            HaltReason::Exception
        } else if reasons.external() {
            HaltReason::External
        } else {
            HaltReason::Request
        }))
    }

    /// Reads a register by its number in `DCRSR`: 0 to 12, 13 SP, 14 LR, 15 PC, 16 xPSR, 17 MSP, 18 PSP.
    ///
    /// # Errors
    /// [`Error::Running`].
    pub fn read_core_reg(&mut self, number: u8) -> Result<u32> {
        self.transfer(u32::from(number))?;
        self.work(|bus| bus.read_word(DCRDR))
    }

    /// Writes a register.
    ///
    /// # Errors
    /// [`Error::Running`].
    pub fn write_core_reg(&mut self, number: u8, value: u32) -> Result<()> {
        self.work(|bus| bus.write_word(DCRDR, value))?;
        self.transfer(WRITE_REGISTER | u32::from(number))
    }

    /// Fills `data` from an address on; the core may run meanwhile.
    ///
    /// # Errors
    /// [`Error::Board`] where there is nothing.
    pub fn read(&mut self, address: u64, data: &mut [u8]) -> Result<()> {
        self.work(|bus| bus.read_bytes(address, data))
    }

    /// Writes `data` from an address on.
    ///
    /// # Errors
    /// [`Error::Board`].
    pub fn write(&mut self, address: u64, data: &[u8]) -> Result<()> {
        self.work(|bus| {
            bus.write_bytes(address, data)?;
            bus.flush()
        })
    }

    /// Sets a breakpoint.
    ///
    /// # Errors
    /// [`Error::Breakpoint`], [`Error::TooFew`].
    pub fn set_hw_breakpoint(&mut self, address: u32) -> Result<()> {
        if self.breakpoints.contains(&Some(address)) {
            return Ok(());
        }
        let free = self.breakpoints.iter().position(Option::is_none);
        self.write_breakpoint(free.ok_or(Error::TooFew { wanted: 1, free: 0 })?, Some(address))
    }

    /// Removes a breakpoint.
    ///
    /// # Errors
    /// [`Error::NotThere`].
    pub fn clear_hw_breakpoint(&mut self, address: u32) -> Result<()> {
        let number = self.breakpoints.iter().position(|breakpoint| *breakpoint == Some(address));
        self.write_breakpoint(number.ok_or(Error::NotThere(u64::from(address)))?, None)
    }

    /// Watches `length` bytes, exactly, in as many comparators as that takes.
    ///
    /// # Errors
    /// [`Error::Watchpoint`], [`Error::TooFew`]. Nothing has changed then.
    pub fn set_watchpoint(&mut self, address: u64, length: u64, access: Access) -> Result<()> {
        let range = AddressRange::new(address, length).map_err(|_| Error::NotThere(address))?;
        let used = self.watchpoints.iter().fold(Slots::NONE, |used, watch| used.union(watch.slots));
        let free = Slots::first(self.watch_comparators).without(used);
        let mut writes = Vec::new();
        let slots = match &self.functions {
            None => {
                let plan = dwt_v1::plan(range, access, self.max_mask).map_err(Error::Watchpoint)?;
                let wanted = plan.len();
                if wanted > u64::from(free.len()) {
                    return Err(Error::TooFew { wanted, free: free.len() });
                }
                let mut slots = Slots::NONE;
                for (piece, number) in plan.pieces().zip(free.iter()) {
                    writes.push((dwt::comparator_address(number), piece.comp));
                    writes.push((dwt::mask_address(number), piece.mask));
                    writes.push((dwt::function_address(number), piece.function));
                    slots = slots.union(Slots::one(number));
                }
                slots
            }
            Some(ids) => {
                let limits = ids.iter().any(|id| id.has_data_address_limit());
                let placed = [limits, false].into_iter().find_map(|limits| {
                    let plan = dwt_v2::plan(range, access, limits).ok()?;
                    Some((plan, plan.place(ids, free)?))
                });
                let Some((plan, slots)) = placed else {
                    let plan = dwt_v2::plan(range, access, limits).map_err(Error::Watchpoint)?;
                    return Err(Error::TooFew { wanted: plan.len(), free: free.len() });
                };
                for (comparator, number) in plan.comparators().zip(slots.iter()) {
                    writes.push((dwt::comparator_address(number), comparator.comp));
                    writes.push((dwt::function_address(number), comparator.function.into()));
                }
                slots
            }
        };
        self.work(|bus| {
            for (address, value) in writes {
                bus.write_word(u64::from(address), value)?;
            }
            bus.flush()
        })?;
        self.watchpoints.push(Watch { range, access, slots });
        Ok(())
    }

    /// Removes a watchpoint.
    ///
    /// # Errors
    /// [`Error::NotThere`].
    pub fn clear_watchpoint(&mut self, address: u64, length: u64, access: Access) -> Result<()> {
        let found = self.watchpoints.iter().position(|watch| {
            AddressRange::new(address, length) == Ok(watch.range) && watch.access == access
        });
        let slots = match found {
            Some(index) => self.watchpoints.remove(index).slots,
            None => return Err(Error::NotThere(address)),
        };
        self.work(|bus| {
            for number in slots.iter() {
                bus.write_word(u64::from(dwt::function_address(number)), 0)?;
            }
            bus.flush()
        })
    }

    /// How many breakpoint comparators are free.
    pub fn available_breakpoint_units(&self) -> u32 {
        self.breakpoints.iter().filter(|breakpoint| breakpoint.is_none()).count() as u32
    }

    /// How many watchpoint comparators are free.
    pub fn available_watchpoint_units(&self) -> u32 {
        let used: u8 = self.watchpoints.iter().map(|watch| watch.slots.len()).sum();
        u32::from(self.watch_comparators.saturating_sub(used))
    }

    fn write_breakpoint(&mut self, number: usize, address: Option<u32>) -> Result<()> {
        let value = match address {
            None => 0,
            Some(address) => {
                self.unit.comparator(address).map_err(|why| Error::Breakpoint { address, why })?
            }
        };
        self.work(|bus| {
            bus.write_word(u64::from(fpb::comparator_address(number as u8)), value)?;
            bus.flush()
        })?;
        if let Some(place) = self.breakpoints.get_mut(number) {
            *place = address;
        }
        Ok(())
    }

    /// `DFSR` keeps its bits until they are written as 1.
    fn clear_reasons(&mut self) -> Result<()> {
        self.work(|bus| bus.write_word(u64::from(Dfsr::ADDRESS), 0x1f))
    }

    fn dhcsr(&mut self) -> Result<Dhcsr> {
        Ok(Dhcsr(self.work(|bus| bus.read_word(DHCSR))?))
    }

    fn transfer(&mut self, request: u32) -> Result<()> {
        if !self.dhcsr()?.is_halted() {
            return Err(Error::Running);
        }
        self.work(|bus| bus.write_word(DCRSR, request))?;
        let deadline = Instant::now() + PATIENCE;
        while !self.dhcsr()?.register_ready() {
            if Instant::now() >= deadline {
                return Err(Error::Timeout("transfer a register"));
            }
        }
        Ok(())
    }

    fn work<R>(&mut self, work: impl FnOnce(&mut dyn Bus) -> super::Result<R>) -> Result<R> {
        Ok(self.link.with(Port::Debug, work)?)
    }
}
