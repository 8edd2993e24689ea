//! Single operations on the debug registers of one core.

use std::time::{Duration, Instant};

use trapline_core::comparator::{Capabilities, MAX_PAIRS, Pair};
use trapline_core::m_profile::debug_control::{Demcr, Dfsr};
use trapline_core::m_profile::dwt::{self, DwtCtrl};
use trapline_core::m_profile::dwt_v2::{Abilities, Function};
use trapline_core::m_profile::fpb::{self, BreakpointUnit, FpCtrl};
use trapline_core::m_profile::{Units, WatchRegisters, WatchpointUnit, breakpoint_comparator};
use trapline_core::target::{CoreId, MProfile, MVersion, Resume};

use super::registers::{
    ALL_REASONS, ARCHITECTURE_8, CLIDR, CPUID, DCRDR, DCRSR, DDEVARCH, DHCSR, DWT_DEVARCH, DWT_VERSION_2,
    Dhcsr, ICIALLU, ID_PFR1, MATCHED, MVFR0, WRITE_REGISTER,
};
use crate::board::error::{BoardError, Result};
use crate::board::link::Bus;

/// What a core may take for something that is done in microseconds.
const PATIENCE: Duration = Duration::from_secs(1);

/// What a core is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Identity {
    pub(super) profile: MProfile,
    pub(super) capabilities: Capabilities,
    /// It has caches, so that written instructions are not seen by themselves.
    pub(super) caches: bool,
}

/// The debug registers of one core.
pub(super) struct DebugUnit<'a> {
    pub(super) core: CoreId,
    pub(super) bus: &'a mut dyn Bus,
}

impl DebugUnit<'_> {
    /// Whether this is a core, and one that lets a debugger in. It stays as it is.
    pub(super) fn check(&mut self) -> Result<()> {
        self.version()?;
        if self.status()?.allows_debug() {
            return Ok(());
        }
        self.allow(Dhcsr::RUN)?;
        self.write(DHCSR, Dhcsr::OFF.into())
    }

    /// Turns debugging on.
    fn allow(&mut self, control: Dhcsr) -> Result<()> {
        self.write(DHCSR, control.into())?;
        let now = self.status()?;
        if now.allows_debug() {
            return Ok(());
        }
        Err(BoardError::Locked { core: self.core, register: "DHCSR", value: now.into() })
    }

    /// Turns debugging on, and the two units; the core runs on, or stays halted.
    pub(super) fn open(&mut self) -> Result<()> {
        let status = self.status()?;
        let control = if status.is_halted() { Dhcsr::HALT } else { Dhcsr::RUN };
        self.allow(control)?;
        let demcr = Demcr::from(self.bus.read_word(Demcr::ADDRESS.into())?);
        self.write(Demcr::ADDRESS.into(), demcr.with_trcena(true).into())?;
        self.write(FpCtrl::ADDRESS.into(), FpCtrl::ENABLE.into())
    }

    /// Has the core halt at its first instruction after the reset that it is held in.
    pub(super) fn catch_reset(&mut self) -> Result<()> {
        self.write(DHCSR, Dhcsr::RUN.into())?;
        let demcr = Demcr::from(self.bus.read_word(Demcr::ADDRESS.into())?);
        self.write(Demcr::ADDRESS.into(), demcr.with_vc_corereset(true).into())?;
        self.bus.flush()
    }

    /// Waits until it has done so.
    pub(super) fn end_catch_reset(&mut self) -> Result<()> {
        self.wait("halt behind its reset", Dhcsr::is_halted)?;
        let demcr = Demcr::from(self.bus.read_word(Demcr::ADDRESS.into())?);
        self.write(Demcr::ADDRESS.into(), demcr.with_vc_corereset(false).into())
    }

    /// Turns all that off again; a halted core runs.
    pub(super) fn close(&mut self) -> Result<()> {
        self.write(FpCtrl::ADDRESS.into(), FpCtrl::DISABLE.into())?;
        self.clear_reasons()?;
        // C_MASKINTS is cleared while the core is halted (DDI 0403, "Debug Halting Control and Status Register").
        if self.status()?.is_halted() {
            self.write(DHCSR, Dhcsr::HALT.into())?;
        }
        self.write(DHCSR, Dhcsr::OFF.into())?;
        self.bus.flush()
    }

    /// Looks what core this is; a comparator that is looked at is empty afterwards.
    pub(super) fn identify(&mut self) -> Result<Identity> {
        let version = self.version()?;
        let fp_ctrl = self.bus.read_word(FpCtrl::ADDRESS.into())?;
        let control = FpCtrl::from(fp_ctrl);
        let unit = match control.unit() {
            Some(BreakpointUnit::FpbV1) if version == MVersion::V6 => BreakpointUnit::Bpu,
            Some(unit) => unit,
            None => {
                return Err(BoardError::UnknownUnit { core: self.core, register: "FP_CTRL", value: fp_ctrl });
            }
        };
        let watchpoints = DwtCtrl::from(self.bus.read_word(DwtCtrl::ADDRESS.into())?).numcomp().get();
        let version_2 = self.bus.read_word(DWT_DEVARCH)? & 0xffff == DWT_VERSION_2;
        let units = Units {
            breakpoints: unit,
            watchpoints: if version_2 { self.functions(watchpoints)? } else { self.max_mask(watchpoints)? },
        };
        let mainline = matches!(version, MVersion::V7 | MVersion::V8Mainline);
        let floating_point = mainline && self.bus.read_word(MVFR0)? & 0xf0 != 0;
        let caches = mainline && self.bus.read_word(CLIDR)? != 0;
        let security = matches!(version, MVersion::V8Baseline | MVersion::V8Mainline)
            && self.bus.read_word(ID_PFR1)? & 0xf0 != 0
            && self.status()?.debugs_secure();
        Ok(Identity {
            profile: MProfile { version, floating_point, security },
            capabilities: Capabilities {
                breakpoints: control.num_code().min(MAX_PAIRS as u8),
                watchpoints,
                m_profile: Some(units),
                ..Capabilities::NONE
            },
            caches,
        })
    }

    fn version(&mut self) -> Result<MVersion> {
        let cpuid = self.bus.read_word(CPUID)?;
        let new = self.bus.read_word(DDEVARCH)? & 0xffff == ARCHITECTURE_8;
        // Architecture, bits [19:16]: 0xc of Armv6-M and the Baseline, 0xf with the Main Extension.
        match (cpuid >> 16 & 0xf, new) {
            (0xc, false) => Ok(MVersion::V6),
            (0xf, false) => Ok(MVersion::V7),
            (0xc, true) => Ok(MVersion::V8Baseline),
            (0xf, true) => Ok(MVersion::V8Mainline),
            _ => Err(BoardError::NoCortexM { core: self.core, found: cpuid }),
        }
    }

    fn functions(&mut self, count: u8) -> Result<WatchpointUnit> {
        let mut abilities = Abilities::NONE;
        for number in 0..count {
            self.write(dwt::function_address(number).into(), 0)?;
            let function = self.bus.read_word(dwt::function_address(number).into())?;
            abilities = abilities.with(number, Function::from(function).id());
        }
        Ok(WatchpointUnit::V2(abilities))
    }

    fn max_mask(&mut self, count: u8) -> Result<WatchpointUnit> {
        let mut max_mask = 0;
        if count > 0 {
            self.write(dwt::function_address(0).into(), 0)?;
            // A mask that is too wide reads back as the widest that there is.
            self.write(dwt::mask_address(0).into(), 0x1f)?;
            max_mask = (self.bus.read_word(dwt::mask_address(0).into())? & 0x1f) as u8;
        }
        Ok(WatchpointUnit::V1 { max_mask })
    }

    /// `DHCSR`. What a read clears of it is told by the one that has seen it.
    pub(super) fn status(&mut self) -> Result<Dhcsr> {
        Ok(Dhcsr(self.bus.read_word(DHCSR)?))
    }

    /// Why the core has halted.
    pub(super) fn reasons(&mut self) -> Result<Dfsr> {
        Ok(Dfsr::from(self.bus.read_word(Dfsr::ADDRESS.into())?))
    }

    fn clear_reasons(&mut self) -> Result<()> {
        // A bit is cleared by writing it as 1.
        self.write(Dfsr::ADDRESS.into(), ALL_REASONS)
    }

    /// Halts the core, and returns when it has.
    pub(super) fn halt(&mut self) -> Result<()> {
        self.write(DHCSR, Dhcsr::HALT.into())?;
        self.wait("halt", Dhcsr::is_halted)
    }

    /// Lets a halted core run, or execute one instruction; `masked` says whether interrupts were masked for what it did
    /// last.
    pub(super) fn restart(&mut self, how: Resume, masked: bool) -> Result<()> {
        self.clear_reasons()?;
        // C_MASKINTS may change only while the core is halted, and not with what lets it go.
        let masks = how != Resume::Run;
        if masks != masked {
            let control = if masks { Dhcsr::HALT_MASKED } else { Dhcsr::HALT };
            self.write(DHCSR, control.into())?;
        }
        let control = match how {
            Resume::Step => Dhcsr::STEP,
            Resume::RunQuietly => Dhcsr::RUN_MASKED,
            Resume::Run => Dhcsr::RUN,
        };
        self.write(DHCSR, control.into())?;
        self.bus.flush()
    }

    /// Reads a register by its number in `DCRSR`; the core is halted.
    pub(super) fn read_register(&mut self, selector: u8) -> Result<u32> {
        self.write(DCRSR, selector.into())?;
        self.wait("transfer a register", Dhcsr::register_ready)?;
        self.bus.read_word(DCRDR)
    }

    /// Writes a register by its number in `DCRSR`; the core is halted.
    pub(super) fn write_register(&mut self, selector: u8, value: u32) -> Result<()> {
        self.write(DCRDR, value)?;
        self.write(DCRSR, WRITE_REGISTER | u32::from(selector))?;
        self.wait("transfer a register", Dhcsr::register_ready)
    }

    /// Writes breakpoint comparator `number`.
    pub(super) fn write_breakpoint(&mut self, number: u8, pair: Pair) -> Result<()> {
        self.write(fpb::comparator_address(number).into(), breakpoint_comparator(pair))
    }

    /// Writes watchpoint comparator `number`, which is off meanwhile; `masks` says whether it has a mask.
    pub(super) fn write_watchpoint(&mut self, number: u8, pair: Pair, masks: bool) -> Result<()> {
        let WatchRegisters { comp, mask, function } = WatchRegisters::from_pair(pair);
        self.write(dwt::function_address(number).into(), 0)?;
        if function == 0 {
            return Ok(());
        }
        self.write(dwt::comparator_address(number).into(), comp)?;
        if masks {
            self.write(dwt::mask_address(number).into(), mask)?;
        }
        self.write(dwt::function_address(number).into(), function)
    }

    /// Whether watchpoint comparator `number` has matched since this was last asked.
    pub(super) fn has_matched(&mut self, number: u8) -> Result<bool> {
        Ok(self.bus.read_word(dwt::function_address(number).into())? & MATCHED != 0)
    }

    /// Empties the instruction cache.
    pub(super) fn synchronize_instructions(&mut self) -> Result<()> {
        self.write(ICIALLU, 0)?;
        self.bus.flush()
    }

    fn wait(&mut self, what: &'static str, done: impl Fn(Dhcsr) -> bool) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !done(self.status()?) {
            if Instant::now() >= deadline {
                return Err(BoardError::Timeout { core: self.core, what });
            }
        }
        Ok(())
    }

    fn write(&mut self, address: u64, value: u32) -> Result<()> {
        self.bus.write_word(address, value)
    }
}
