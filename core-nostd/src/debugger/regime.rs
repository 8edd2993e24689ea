//! The registers that a core's translations depend on, read no more often than needed.

use crate::aarch32::BUILT_IN;
use crate::address::PhysicalAddress;
use crate::registers::{SctlrEl1, Tcr2El1, TcrEl1, Ttbr};
use crate::target::{CoreId, Profile, Refusal, SystemRegister, Target, TargetError, TargetResult};
use crate::translation::{Regime, TableMemory, Translation, TranslationError, aarch32, translate};

use super::Debugger;

/// The translation regimes of cores while they are halted.
#[derive(Debug, Default)]
pub(super) struct RegimeCache {
    /// ID registers, which never change.
    identification: Option<Identification>,
    /// The regime of the core that was last asked about.
    current: Option<(CoreId, CoreRegime)>,
    /// For which core's code, and in which half of the address space, the regime of an earlier stop still counts.
    code: Option<(CoreId, u64)>,
}

impl RegimeCache {
    /// Forgets what may have changed: registers have been written.
    pub(super) fn forget(&mut self) {
        (self.current, self.code) = (None, None);
    }

    /// Forgets what may change: a core is about to run.
    pub(super) fn forget_of(&mut self, core: CoreId) {
        self.current.take_if(|(known, _)| *known == core);
        self.code.take_if(|(known, _)| *known == core);
    }
}

/// The translation regime of EL1 and EL0.
#[derive(Clone, Copy, Debug)]
pub(super) enum CoreRegime {
    AArch64(Regime),
    AArch32(aarch32::Regime),
    /// The M profile: addresses are physical, and have 32 bits.
    Flat,
}

impl CoreRegime {
    /// Walks the translation tables.
    pub(super) fn translate<M: TableMemory>(
        &self,
        address: u64,
        tables: &mut M,
    ) -> Result<Translation, TranslationError<M::Error>> {
        match self {
            Self::AArch64(regime) => translate(regime, address, tables),
            Self::Flat if address >> 32 != 0 => Err(TranslationError::OutOfRange { address, level: 0 }),
            Self::Flat => {
                Ok(Translation { physical: PhysicalAddress(address), block: 1 << 32, mapping: None })
            }
            Self::AArch32(regime) => match u32::try_from(address) {
                Ok(address) if BUILT_IN => aarch32::translate(regime, address, tables),
                _ => Err(TranslationError::OutOfRange { address, level: 1 }),
            },
        }
    }
}

/// The ID registers that a regime depends on.
#[derive(Clone, Copy, Debug)]
struct Identification {
    mmfr0: u64,
    mmfr1: u64,
    mmfr2: u64,
    has_tcr2: bool,
}

const NO_AARCH32: Refusal = Refusal::Unsupported("an EL1 that uses AArch32 takes the feature aarch32");

impl<T: Target, const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize>
    Debugger<T, CORES, SOFTWARE, BYTECODE>
{
    /// The regime of a halted core for looking up the code that it is about to execute: the one of an
    /// earlier stop as long as the table base of the code's half of the address space is the same.
    ///
    /// What else rules that half (its size, its granule, whether the MMU is on) cannot change under code
    /// that goes on executing there with the same tables, other than where its addresses stay the same as
    /// well. It saves most of what a step over a breakpoint would have to read.
    pub(super) fn code_regime(&mut self, core: CoreId, address: u64) -> TargetResult<CoreRegime, T> {
        let half = address >> 55 & 1;
        if self.regimes.current.is_none_or(|(known, _)| known != core)
            && let Some(CoreRegime::AArch64(known)) = self.core(core)?.regime
        {
            let (register, base) = match half {
                0 => (SystemRegister::TTBR0_EL1, known.ttbr0_el1),
                _ => (SystemRegister::TTBR1_EL1, known.ttbr1_el1),
            };
            if (cfg!(feature = "quick-steps") && self.regimes.code == Some((core, half)))
                || self.read_system(core, register)? == base.into_bits()
            {
                self.regimes.code = Some((core, half));
                return Ok(CoreRegime::AArch64(known));
            }
        }
        self.regime(core)
    }

    /// The regime of a halted core.
    pub(super) fn regime(&mut self, core: CoreId) -> TargetResult<CoreRegime, T> {
        if let Some((known, regime)) = self.regimes.current
            && known == core
        {
            return Ok(regime);
        }
        let regime = if matches!(self.target.profile(), Profile::M(_)) {
            CoreRegime::Flat
        } else if self.el1_uses_aarch32(core)? {
            CoreRegime::AArch32(self.regime_aarch32(core)?)
        } else {
            CoreRegime::AArch64(self.regime_aarch64(core)?)
        };
        self.regimes.current = Some((core, regime));
        self.core(core)?.regime = Some(regime);
        Ok(regime)
    }

    /// Whether EL1 of a halted core uses AArch32; refused where it does and that is not built in.
    pub(super) fn el1_uses_aarch32(&mut self, core: CoreId) -> TargetResult<bool, T> {
        match self.target.el1_uses_aarch32(core)? {
            true if !BUILT_IN => Err(NO_AARCH32.into()),
            uses => Ok(uses),
        }
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
