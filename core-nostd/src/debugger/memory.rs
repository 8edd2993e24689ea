//! Virtual memory, through the guest's own translation tables.

use core::fmt;

use crate::address::PhysicalAddress;
use crate::registers::{SctlrEl1, Tcr2El1, TcrEl1, Ttbr};
use crate::target::{CoreId, Memory, Refusal, SystemRegister, Target, TargetError, TargetResult};
use crate::translation::{Regime, TableMemory, Translation, TranslationError, aarch32, translate};

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

/// The translation regimes of cores while they are halted.
#[derive(Debug, Default)]
pub(super) struct RegimeCache {
    /// ID registers, which never change.
    identification: Option<Identification>,
    /// The regime of the core that was last asked about.
    current: Option<(CoreId, CoreRegime)>,
}

impl RegimeCache {
    /// Forgets what may have changed: cores have run, or registers have been written.
    pub(super) fn forget(&mut self) {
        self.current = None;
    }
}

/// The translation regime of EL1 and EL0.
#[derive(Clone, Copy, Debug)]
enum CoreRegime {
    AArch64(Regime),
    AArch32(aarch32::Regime),
}

/// The ID registers that a regime depends on.
#[derive(Clone, Copy, Debug)]
struct Identification {
    mmfr0: u64,
    mmfr1: u64,
    mmfr2: u64,
    has_tcr2: bool,
}

/// Tables in the target's physical memory.
struct Tables<'a, T>(&'a mut T);

impl<T: Memory> TableMemory for Tables<'_, T> {
    type Error = TargetError<T::Error>;

    fn read_descriptor(&mut self, address: PhysicalAddress, bytes: &mut [u8]) -> Result<(), Self::Error> {
        self.0.read_memory(address, bytes)
    }
}

impl<T: Target, const CORES: usize, const SOFTWARE: usize> Debugger<T, CORES, SOFTWARE> {
    /// Where a virtual address lies in physical memory, as a halted core sees it.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn translate(&mut self, core: CoreId, address: u64) -> Result<Translation, AccessError<T::Error>> {
        let regime = self.regime(core)?;
        let mut tables = Tables(&mut self.target);
        match &regime {
            CoreRegime::AArch64(regime) => translate(regime, address, &mut tables),
            CoreRegime::AArch32(regime) => match u32::try_from(address) {
                Ok(address) => aarch32::translate(regime, address, &mut tables),
                Err(_) => Err(TranslationError::OutOfRange { address, level: 1 }),
            },
        }
        .map_err(AccessError::Translation)
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
        let mut done = 0;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match self.read_within_page(core, address.wrapping_add(done as u64), rest) {
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
    /// reached. Planted break instructions stay, and what is written under them comes out when they go.
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

    /// Writes physical memory, and keeps planted break instructions in place.
    fn write_physical(&mut self, address: PhysicalAddress, bytes: &[u8]) -> TargetResult<(), T> {
        const CHUNK: usize = 256;
        let mut address = address;
        for part in bytes.chunks(CHUNK) {
            let mut chunk = [0; CHUNK];
            let chunk = chunk.get_mut(..part.len()).unwrap_or_default();
            chunk.copy_from_slice(part);
            self.software.hide_write(address, chunk);
            self.target.write_memory(address, chunk)?;
            self.software.record_write(address, part);
            self.target.synchronize_instructions(address, part.len())?;
            address = PhysicalAddress(address.0.wrapping_add(part.len() as u64));
        }
        Ok(())
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

    /// Reads the part of `buffer` that lies in the page of `address`, and says how long it is.
    fn read_within_page(
        &mut self,
        core: CoreId,
        address: u64,
        buffer: &mut [u8],
    ) -> Result<usize, AccessError<T::Error>> {
        let translation = self.translate(core, address)?;
        let count = within(&translation, address, buffer.len());
        let part = buffer.get_mut(..count).unwrap_or_default();
        self.target.read_memory(translation.physical, part)?;
        self.software.mask_read(translation.physical, part);
        Ok(count)
    }

    fn regime(&mut self, core: CoreId) -> TargetResult<CoreRegime, T> {
        if let Some((known, regime)) = self.regimes.current
            && known == core
        {
            return Ok(regime);
        }
        let regime = if self.target.el1_uses_aarch32(core)? {
            CoreRegime::AArch32(self.regime_aarch32(core)?)
        } else {
            CoreRegime::AArch64(self.regime_aarch64(core)?)
        };
        self.regimes.current = Some((core, regime));
        Ok(regime)
    }

    fn regime_aarch32(&mut self, core: CoreId) -> TargetResult<aarch32::Regime, T> {
        Ok(aarch32::Regime {
            sctlr: SctlrEl1::from(self.read_system(core, SystemRegister::SCTLR_EL1)?),
            ttbcr: self.read_system(core, SystemRegister::TCR_EL1)?,
            ttbr0: self.read_system(core, SystemRegister::TTBR0_EL1)?,
            ttbr1: self.read_system(core, SystemRegister::TTBR1_EL1)?,
            dacr: self.read_system(core, SystemRegister::DACR32_EL2)? as u32,
        })
    }

    fn regime_aarch64(&mut self, core: CoreId) -> TargetResult<Regime, T> {
        let identification = self.identification(core)?;
        let tcr2_el1 = match identification.has_tcr2 {
            true => Tcr2El1::from(self.read_system(core, SystemRegister::TCR2_EL1)?),
            false => Tcr2El1::default(),
        };
        let mut regime = Regime {
            sctlr_el1: SctlrEl1::from(self.read_system(core, SystemRegister::SCTLR_EL1)?),
            tcr_el1: TcrEl1::from(self.read_system(core, SystemRegister::TCR_EL1)?),
            tcr2_el1,
            ttbr0_el1: Ttbr::from(self.read_system(core, SystemRegister::TTBR0_EL1)?),
            ttbr1_el1: Ttbr::from(self.read_system(core, SystemRegister::TTBR1_EL1)?),
            pir_el1: 0,
            pire0_el1: 0,
            id_aa64mmfr0_el1: identification.mmfr0,
            id_aa64mmfr1_el1: identification.mmfr1,
            id_aa64mmfr2_el1: identification.mmfr2,
        };
        if tcr2_el1.pie() {
            regime.pir_el1 = self.read_system(core, SystemRegister::PIR_EL1)?;
            regime.pire0_el1 = self.read_system(core, SystemRegister::PIRE0_EL1)?;
        }
        Ok(regime)
    }

    fn identification(&mut self, core: CoreId) -> TargetResult<Identification, T> {
        if let Some(identification) = self.regimes.identification {
            return Ok(identification);
        }
        let identification = Identification {
            mmfr0: self.read_identification(core, SystemRegister::ID_AA64MMFR0_EL1)?,
            mmfr1: self.read_identification(core, SystemRegister::ID_AA64MMFR1_EL1)?,
            mmfr2: self.read_identification(core, SystemRegister::ID_AA64MMFR2_EL1)?,
            // TCRX, bits [3:0].
            has_tcr2: self.read_identification(core, SystemRegister::ID_AA64MMFR3_EL1)? & 0xf != 0,
        };
        self.regimes.identification = Some(identification);
        Ok(identification)
    }

    /// Reads an ID register; one that the target does not have reads as zero, "not implemented".
    pub(super) fn read_identification(
        &mut self,
        core: CoreId,
        register: SystemRegister,
    ) -> TargetResult<u64, T> {
        match self.read_system(core, register) {
            Err(TargetError::Refused(Refusal::NoSuchRegister(_))) => Ok(0),
            result => result,
        }
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
