//! Virtual memory, through the guest's own translation tables.

use core::fmt;

use crate::address::PhysicalAddress;
use crate::target::{CoreId, Memory, Target, TargetError, TargetResult};
use crate::translation::{TableMemory, Translation, TranslationError};

use super::Debugger;

/// Why memory at a virtual address could not be reached.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum AccessError<E> {
    /// The core's translation tables lead to nothing there.
    Translation(TranslationError<TargetError<E>>),
    /// The target refused, or is lost.
    Target(TargetError<E>),
}

impl<E: fmt::Display> fmt::Display for AccessError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Translation(error) => error.fmt(f),
            Self::Target(error) => error.fmt(f),
        }
    }
}

impl<E: core::error::Error + 'static> core::error::Error for AccessError<E> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Translation(error) => Some(error),
            Self::Target(error) => Some(error),
        }
    }
}

impl<E> From<TargetError<E>> for AccessError<E> {
    fn from(error: TargetError<E>) -> Self {
        Self::Target(error)
    }
}

impl<E> AccessError<E> {
    /// The loss of the target behind the error, if it is one.
    pub fn into_lost(self) -> Option<E> {
        match self {
            Self::Target(TargetError::Lost(error))
            | Self::Translation(TranslationError::Memory { error: TargetError::Lost(error), .. }) => {
                Some(error)
            }
            _ => None,
        }
    }
}

/// Tables in the target's physical memory.
struct Tables<'a, T>(&'a mut T);

impl<T: Memory> TableMemory for Tables<'_, T> {
    type Error = TargetError<T::Error>;

    fn read_descriptor(&mut self, address: PhysicalAddress, bytes: &mut [u8]) -> Result<(), Self::Error> {
        self.0.read_memory(address, bytes)
    }
}

impl<T: Target, const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize>
    Debugger<T, CORES, SOFTWARE, BYTECODE>
{
    /// Where a virtual address lies in physical memory, as a halted core sees it.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn translate(&mut self, core: CoreId, address: u64) -> Result<Translation, AccessError<T::Error>> {
        let regime = self.regime(core)?;
        regime.translate(address, &mut Tables(&mut self.target)).map_err(AccessError::Translation)
    }

    /// As [`Self::translate`], for the code that a core is about to execute; see [`Self::code_regime`].
    pub(super) fn translate_code(
        &mut self,
        core: CoreId,
        address: u64,
    ) -> Result<Translation, AccessError<T::Error>> {
        let regime = self.code_regime(core, address)?;
        regime.translate(address, &mut Tables(&mut self.target)).map_err(AccessError::Translation)
    }

    /// Reads virtual memory as a halted core sees it, with what stands under planted break instructions.
    /// Returns how many bytes from the start of `buffer` were read: fewer than asked for where the rest
    /// cannot be reached.
    ///
    /// # Errors
    /// [`AccessError`] where not even the first byte can be reached.
    pub fn read_virtual(
        &mut self,
        core: CoreId,
        address: u64,
        buffer: &mut [u8],
    ) -> Result<usize, AccessError<T::Error>> {
        self.read_through(Self::translate, core, address, buffer)
    }

    /// As [`Self::read_virtual`], for the code that a core is about to execute.
    pub(super) fn read_code(
        &mut self,
        core: CoreId,
        address: u64,
        buffer: &mut [u8],
    ) -> Result<usize, AccessError<T::Error>> {
        self.read_through(Self::translate_code, core, address, buffer)
    }

    fn read_through(
        &mut self,
        translate: impl Fn(&mut Self, CoreId, u64) -> Result<Translation, AccessError<T::Error>>,
        core: CoreId,
        address: u64,
        buffer: &mut [u8],
    ) -> Result<usize, AccessError<T::Error>> {
        let mut done = 0;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let address = address.wrapping_add(done as u64);
            let part = translate(self, core, address)
                .and_then(|translation| self.read_within_page(&translation, address, rest));
            match part {
                Ok(count) => done += count,
                Err(error) if done == 0 => return Err(error),
                Err(error) => match error.into_lost() {
                    Some(error) => return Err(TargetError::Lost(error).into()),
                    None => break,
                },
            }
        }
        Ok(done)
    }

    /// Writes virtual memory as a halted core sees it: everything, or nothing where a byte cannot be
    /// reached. Break instructions that are planted there are lifted, and planted over it at the next resume.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn write_virtual(
        &mut self,
        core: CoreId,
        address: u64,
        bytes: &[u8],
    ) -> Result<(), AccessError<T::Error>> {
        // First without writing, so that a hole behind the first page changes nothing.
        self.for_each_page(core, address, bytes, |debugger, physical, part| {
            let mut probe = [0];
            debugger.target.read_memory(physical, &mut probe)?;
            let last = PhysicalAddress(physical.0.wrapping_add(part.len() as u64 - 1));
            debugger.target.read_memory(last, &mut probe)
        })?;
        self.for_each_page(core, address, bytes, Self::write_physical)
    }

    /// Writes physical memory. What is planted there is lifted before, and planted over it at the next resume.
    pub(super) fn write_physical(&mut self, address: PhysicalAddress, bytes: &[u8]) -> TargetResult<(), T> {
        while let Some(site) = self.software.first_planted(address, bytes.len()) {
            self.restore_site(&site)?;
        }
        #[cfg(feature = "quick-steps")]
        self.simple.forget();
        self.target.write_memory(address, bytes)?;
        self.target.synchronize_instructions(address, bytes.len())
    }

    /// Does something with each part of `bytes` that lies in one page.
    fn for_each_page(
        &mut self,
        core: CoreId,
        address: u64,
        bytes: &[u8],
        mut action: impl FnMut(&mut Self, PhysicalAddress, &[u8]) -> TargetResult<(), T>,
    ) -> Result<(), AccessError<T::Error>> {
        let mut done = 0;
        while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
            let address = address.wrapping_add(done as u64);
            let translation = self.translate(core, address)?;
            let count = within(&translation, address, rest.len());
            action(self, translation.physical, rest.get(..count).unwrap_or_default())?;
            done += count;
        }
        Ok(())
    }

    /// Reads the part of `buffer` that lies in the page of `address`, and says how long that part is.
    fn read_within_page(
        &mut self,
        translation: &Translation,
        address: u64,
        buffer: &mut [u8],
    ) -> Result<usize, AccessError<T::Error>> {
        let count = within(translation, address, buffer.len());
        let part = buffer.get_mut(..count).unwrap_or_default();
        self.target.read_memory(translation.physical, part)?;
        self.software.mask_read(translation.physical, part);
        Ok(count)
    }
}

/// How many of `length` bytes from `address` on are reached at once: at least one, at most to the end of
/// the page.
///
/// A larger block is taken in pages as well, because the memory behind it may end in the middle.
fn within(translation: &Translation, address: u64, length: usize) -> usize {
    const PAGE: u64 = 4096;
    let count = translation.remaining(address).min(PAGE - address % PAGE);
    usize::try_from(count).unwrap_or(usize::MAX).min(length)
}
