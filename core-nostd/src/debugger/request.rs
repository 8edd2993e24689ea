//! What can be inserted into a target and removed from it.

use core::fmt;

use crate::breakpoint::{Breakpoint, Instruction};
use crate::pool::{Owner, PoolError, ReservedBreakpoint, ReservedWatchpoint};
use crate::software::SoftwareError;
use crate::target::{CoreId, Target, TargetError};
use crate::watchpoint::Watchpoint;

use super::options::{Options, OptionsError};
use super::pages::PagesError;
use super::{AccessError, Debugger};

/// Something to trap.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Request {
    /// A breakpoint instruction in memory.
    Software {
        /// Virtual address of the instruction, as the core through whose translation it is inserted
        /// sees it.
        address: u64,
        /// The instruction set of the code there.
        instruction: Instruction,
    },
    /// A breakpoint comparator.
    Breakpoint(Breakpoint),
    /// Watchpoint comparators, as many as the range needs.
    Watchpoint(Watchpoint),
}

impl Request {
    /// Whether both are the same request of an owner: for a software breakpoint the address decides.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Software { address, .. }, Self::Software { address: other, .. }) => address == other,
            (Self::Breakpoint(breakpoint), Self::Breakpoint(other)) => breakpoint == other,
            (Self::Watchpoint(watchpoint), Self::Watchpoint(other)) => watchpoint == other,
            _ => false,
        }
    }
}

/// Why a request was not inserted. Nothing has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum InsertError<E> {
    /// The comparators do not suffice, or cannot express the request.
    Pool(PoolError),
    /// The table of software breakpoints does not take it.
    Software(SoftwareError),
    /// The instruction's memory cannot be reached.
    Memory(AccessError<E>),
    /// Its conditions or commands cannot be evaluated or kept.
    Options(OptionsError),
    /// Neither comparators nor pages serve it.
    Pages(PagesError),
    /// The target refused or is lost.
    Target(TargetError<E>),
}

/// Why a request was not removed. Nothing has changed.
pub type RemoveError<E> = InsertError<E>;

impl<E: fmt::Display> fmt::Display for InsertError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pool(error) => error.fmt(f),
            Self::Software(error) => error.fmt(f),
            Self::Memory(error) => error.fmt(f),
            Self::Options(error) => error.fmt(f),
            Self::Pages(error) => error.fmt(f),
            Self::Target(error) => error.fmt(f),
        }
    }
}

impl<E: core::error::Error + 'static> core::error::Error for InsertError<E> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Pool(error) => Some(error),
            Self::Software(error) => Some(error),
            Self::Memory(error) => Some(error),
            Self::Options(error) => Some(error),
            Self::Pages(error) => Some(error),
            Self::Target(error) => Some(error),
        }
    }
}

impl<E> From<PoolError> for InsertError<E> {
    fn from(error: PoolError) -> Self {
        Self::Pool(error)
    }
}

impl<E> From<SoftwareError> for InsertError<E> {
    fn from(error: SoftwareError) -> Self {
        Self::Software(error)
    }
}

impl<E> From<AccessError<E>> for InsertError<E> {
    fn from(error: AccessError<E>) -> Self {
        Self::Memory(error)
    }
}

impl<E> From<PagesError> for InsertError<E> {
    fn from(error: PagesError) -> Self {
        Self::Pages(error)
    }
}

impl<E> From<OptionsError> for InsertError<E> {
    fn from(error: OptionsError) -> Self {
        Self::Options(error)
    }
}

impl<E> From<TargetError<E>> for InsertError<E> {
    fn from(error: TargetError<E>) -> Self {
        Self::Target(error)
    }
}

impl<T: Target, const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize>
    Debugger<T, CORES, SOFTWARE, BYTECODE>
{
    /// Inserts `request` for `owner`, to stop the target at every hit; it is armed when the target next
    /// runs. A software breakpoint's address is looked up as the halted `core` sees it.
    ///
    /// Inserting what the owner has already inserted changes nothing but its options.
    ///
    /// # Errors
    /// [`InsertError`].
    pub fn insert(
        &mut self,
        core: CoreId,
        request: Request,
        owner: Owner,
    ) -> Result<(), InsertError<T::Error>> {
        self.insert_with(core, request, owner, &Options::default())
    }

    /// As [`Self::insert`], with options; they replace those that the owner has given this request before.
    ///
    /// # Errors
    /// [`InsertError`].
    pub fn insert_with(
        &mut self,
        core: CoreId,
        request: Request,
        owner: Owner,
        options: &Options<'_>,
    ) -> Result<(), InsertError<T::Error>> {
        let console = self.target.console().is_some();
        options.check(&request, console, self.longest_compared())?;
        self.attached.fits(&request, owner, options)?;
        self.value_fits(&request, options)?;
        match request {
            Request::Breakpoint(breakpoint) => {
                let held = |held: ReservedBreakpoint| held.breakpoint == breakpoint && held.owner == owner;
                if !self.breakpoints.iter().any(held) {
                    self.breakpoints.reserve(breakpoint, owner)?;
                    self.pools_changed = true;
                }
            }
            Request::Watchpoint(watchpoint) => {
                let held = |held: ReservedWatchpoint| held.watchpoint == watchpoint && held.owner == owner;
                if !self.watchpoints.iter().any(held) && !self.paged.contains(&watchpoint, owner) {
                    self.insert_watchpoint(core, watchpoint, owner, options.pages)?;
                }
            }
            Request::Software { address, instruction } => {
                self.insert_software(core, address, instruction, owner)?;
            }
        }
        self.attached.set(request, owner, options);
        Ok(())
    }

    /// Removes what `owner` inserted by exactly this request; it is disarmed when the target next runs.
    ///
    /// A software breakpoint is found by the virtual address that it was inserted with, even where the
    /// address space has changed since.
    ///
    /// # Errors
    /// [`RemoveError`]; also where `owner` has no such request.
    pub fn remove(&mut self, request: Request, owner: Owner) -> Result<(), RemoveError<T::Error>> {
        match request {
            Request::Breakpoint(breakpoint) => self.breakpoints.release(&breakpoint, owner)?,
            Request::Watchpoint(watchpoint) => {
                if !self.has_page_watches() || !self.paged.remove(&watchpoint, owner) {
                    self.watchpoints.release(&watchpoint, owner)?;
                }
            }
            Request::Software { address, .. } => self.software.remove(address, None, owner)?,
        }
        self.pools_changed = true;
        self.attached.remove(&request, owner);
        Ok(())
    }

    /// Removes everything that `owner` has inserted.
    pub fn remove_all(&mut self, owner: Owner) {
        self.breakpoints.release_owner(owner);
        self.watchpoints.release_owner(owner);
        self.software.remove_owner(owner);
        self.paged.remove_owner(owner);
        self.attached.remove_owner(owner);
        self.pools_changed = true;
    }

    /// How often a request has been hit that was inserted with options; ignored hits count as well.
    #[must_use]
    pub fn hit_count(&self, request: &Request, owner: Owner) -> Option<u64> {
        self.attached.get(request, owner).map(|entry| entry.hits)
    }

    /// How many bytes of expressions are kept, of `BYTECODE`.
    #[must_use]
    pub fn bytecode_used(&self) -> usize {
        self.attached.used()
    }

    /// Reserves comparators, or pages where those do not suffice and the client allows it.
    fn insert_watchpoint(
        &mut self,
        core: CoreId,
        watchpoint: Watchpoint,
        owner: Owner,
        pages: bool,
    ) -> Result<(), InsertError<T::Error>> {
        let refused = match self.watchpoints.reserve(watchpoint, owner) {
            Ok(()) => {
                self.pools_changed = true;
                return Ok(());
            }
            Err(refused) => refused,
        };
        if !pages || self.target.write_traps().is_none() {
            return Err(refused.into());
        }
        self.insert_paged(core, watchpoint, owner)
    }

    fn insert_software(
        &mut self,
        core: CoreId,
        address: u64,
        instruction: Instruction,
        owner: Owner,
    ) -> Result<(), InsertError<T::Error>> {
        if let Some(known) = self.software.at_virtual(address).find(|known| known.owner == owner) {
            // Not for code of another instruction set, of which as much as is planted may be too little.
            let existing = known.address;
            let overlaps = SoftwareError::Overlaps { address: existing, existing };
            return if known.instruction == instruction { Ok(()) } else { Err(overlaps.into()) };
        }
        let physical = self.translate(core, address)?.physical;
        // What cannot be read now cannot be planted later.
        let mut word = [0; 4];
        let bytes = word.get_mut(..instruction.alignment() as usize).unwrap_or_default();
        self.target.read_memory(physical, bytes)?;
        Ok(self.software.insert(physical, address, instruction, owner)?)
    }
}
