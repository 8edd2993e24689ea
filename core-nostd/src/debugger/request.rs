//! What can be inserted into a target and removed from it.

use core::fmt;

use crate::breakpoint::{Breakpoint, Instruction};
use crate::pool::{Owner, PoolError, ReservedBreakpoint, ReservedWatchpoint};
use crate::software::SoftwareError;
use crate::target::{CoreId, Target, TargetError};
use crate::watchpoint::Watchpoint;

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

impl<E> From<TargetError<E>> for InsertError<E> {
    fn from(error: TargetError<E>) -> Self {
        Self::Target(error)
    }
}

impl<T: Target, const CORES: usize, const SOFTWARE: usize> Debugger<T, CORES, SOFTWARE> {
    /// Inserts `request` for `owner`; it is armed when the target next runs. A software breakpoint's
    /// address is looked up as the halted `core` sees it.
    ///
    /// Inserting what the owner has already inserted changes nothing.
    ///
    /// # Errors
    /// [`InsertError`].
    pub fn insert(
        &mut self,
        core: CoreId,
        request: Request,
        owner: Owner,
    ) -> Result<(), InsertError<T::Error>> {
        match request {
            Request::Breakpoint(breakpoint) => {
                let held = |held: ReservedBreakpoint| held.breakpoint == breakpoint && held.owner == owner;
                if !self.breakpoints.iter().any(held) {
                    self.breakpoints.reserve(breakpoint, owner)?;
                    self.generation = self.generation.wrapping_add(1);
                }
            }
            Request::Watchpoint(watchpoint) => {
                let held = |held: ReservedWatchpoint| held.watchpoint == watchpoint && held.owner == owner;
                if !self.watchpoints.iter().any(held) {
                    self.watchpoints.reserve(watchpoint, owner)?;
                    self.generation = self.generation.wrapping_add(1);
                }
            }
            Request::Software { address, instruction } => {
                self.insert_software(core, address, instruction, owner)?;
            }
        }
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
            Request::Watchpoint(watchpoint) => self.watchpoints.release(&watchpoint, owner)?,
            Request::Software { address, .. } => {
                self.software.remove(address, None, owner)?;
                return Ok(());
            }
        }
        self.generation = self.generation.wrapping_add(1);
        Ok(())
    }

    /// Removes everything that `owner` has inserted.
    pub fn remove_all(&mut self, owner: Owner) {
        self.breakpoints.release_owner(owner);
        self.watchpoints.release_owner(owner);
        self.software.remove_owner(owner);
        self.generation = self.generation.wrapping_add(1);
    }

    fn insert_software(
        &mut self,
        core: CoreId,
        address: u64,
        instruction: Instruction,
        owner: Owner,
    ) -> Result<(), InsertError<T::Error>> {
        if self.software.at_virtual(address).any(|inserted| inserted.owner == owner) {
            return Ok(());
        }
        let physical = self.translate(core, address)?.physical;
        // What cannot be read now cannot be planted later.
        let mut word = [0; 4];
        let bytes = word.get_mut(..instruction.alignment() as usize).unwrap_or_default();
        self.target.read_memory(physical, bytes)?;
        Ok(self.software.insert(physical, address, instruction, owner)?)
    }
}
