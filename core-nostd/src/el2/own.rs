//! A guest's own debug registers while they are not in the hardware.

use crate::comparator::{Capabilities, MAX_PAIRS};
use crate::context::DebugContext;
use crate::registers::{ExceptionLevel, MdscrEl1, Pstate};
use crate::syndrome::SystemRegisterAccess;

/// The debug registers of a vCPU, as its guest reads and writes them while a debugger has the hardware's.
///
/// The rules are those of DDI 0487, "AArch64 System Register Descriptions", for EL1 of a core with no more
/// than 16 pairs, no external debugger, no Debug Communications Channel partner, and no OS Double Lock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct OwnRegisters {
    /// What [`DebugContext`] saves and restores.
    pub context: DebugContext,
    /// The claim tags, `DBGCLAIMSET_EL1` and `DBGCLAIMCLR_EL1`. They are neither taken from the hardware
    /// nor given to it, where an external debugger may use them.
    pub claim: u8,
}

/// What comes of a guest's access to a debug register.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Answer {
    /// A read gives this. The instruction is done.
    Value(u64),
    /// A write is done, or ignored as the architecture says. The instruction is done.
    Written,
    /// The instruction is UNDEFINED: the guest takes an exception with EC 0.
    Undefined,
}

/// `DBGBCR<n>_EL1`: E, PMC, BAS, HMC, SSC, LBN and BT.
const DBGBCR: u64 = 0x00ff_e1e7;
/// MASK of `DBGBCR<n>_EL1`, with FEAT_BWE.
const DBGBCR_MASK: u64 = 0x1f << 24;
/// BT2 of `DBGBCR<n>_EL1`, with FEAT_ABLE.
const DBGBCR_BT2: u64 = 1 << 3;
/// WT2 of `DBGWCR<n>_EL1`, with FEAT_BWE2.
const DBGWCR_WT2: u64 = 1 << 22;
/// `DBGWCR<n>_EL1`: E, PAC, LSC, BAS, HMC, SSC, LBN, WT and MASK.
const DBGWCR: u64 = 0x1f1f_ffff;
/// Bits \[1:0\] of `DBGWVR<n>_EL1` are RES0.
const DBGWVR: u64 = !0b11;
/// `MDSCR_EL1`: SS, TDCC, KDE and MDE.
const MDSCR: u64 = 1 | 1 << 12 | 1 << 13 | 1 << 15;
/// `MDSCR_EL1`: ERR, HDE, SC2, TDA, INTdis, TXU, RXO, TXfull and RXfull, which mirror `EDSCR`. They are
/// written while the OS Lock is locked, and else read-only.
const MDSCR_MIRRORS: u64 = 1 << 6 | 1 << 14 | 1 << 19 | 1 << 21 | 0b11 << 22 | 0b11 << 26 | 0b11 << 29;
/// `MDCCINT_EL1`: TX and RX.
const MDCCINT: u64 = 0b11 << 29;
/// `OSLSR_EL1.OSLM`, 0b10: there is an OS Lock.
const OS_LOCK_MODEL: u64 = 1 << 3;

impl Default for OwnRegisters {
    fn default() -> Self {
        Self::new()
    }
}

impl OwnRegisters {
    /// As after a Cold reset: everything off, and the OS Lock locked.
    #[must_use]
    pub fn new() -> Self {
        Self { context: DebugContext { os_lock: true, ..DebugContext::default() }, claim: 0 }
    }

    /// Carries out a trapped access (EC 0x18) of the guest, which writes `value` if it is a write.
    ///
    /// Registers with another op0 than 2 are none of debug, and [`Answer::Undefined`].
    pub fn access(
        &mut self,
        access: SystemRegisterAccess,
        value: u64,
        capabilities: &Capabilities,
    ) -> Answer {
        let register = access.register();
        let operands = (register.op1(), register.crn(), register.crm(), register.op2());
        match (register.op0(), access.direction()) {
            (2, true) => self.read(operands, capabilities).map_or(Answer::Undefined, Answer::Value),
            (2, false) => {
                self.write(operands, value, capabilities).map_or(Answer::Undefined, |()| Answer::Written)
            }
            _ => Answer::Undefined,
        }
    }

    /// Whether breakpoint and watchpoint exceptions are generated at all.
    #[must_use]
    pub const fn comparators_enabled(&self) -> bool {
        self.context.mdscr_el1.mde() && !self.context.os_lock
    }

    /// Whether software step is enabled at some Exception level.
    #[must_use]
    pub const fn step_enabled(&self) -> bool {
        self.context.mdscr_el1.ss() && !self.context.os_lock
    }

    /// Whether EL1 would take a software step exception from a core in this state (DDI 0487, "Enabling debug
    /// exceptions from the current Exception level and Security state").
    #[must_use]
    pub const fn steps_from(&self, pstate: Pstate) -> bool {
        let from_here = match pstate.exception_level() {
            ExceptionLevel::El0 => true,
            ExceptionLevel::El1 => self.context.mdscr_el1.kde() && !pstate.d(),
            ExceptionLevel::El2 | ExceptionLevel::El3 => false,
        };
        self.step_enabled() && from_here
    }

    /// `OSLSR_EL1`.
    #[must_use]
    pub const fn oslsr_el1(&self) -> u64 {
        // OSLK is bit 1.
        OS_LOCK_MODEL | (self.context.os_lock as u64) << 1
    }

    fn read(&self, operands: (u8, u8, u8, u8), capabilities: &Capabilities) -> Option<u64> {
        let context = &self.context;
        let breakpoint = |n: u8| numbered(&context.bank.breakpoints, n, capabilities.breakpoints);
        let watchpoint = |n: u8| numbered(&context.bank.watchpoints, n, capabilities.watchpoints);
        Some(match operands {
            // Of the Debug Communications Channel nothing arrives and everything is gone at once:
            // OSDTRRX_EL1, OSDTRTX_EL1, OSECCR_EL1, MDCCSR_EL0, DBGDTR_EL0, DBGDTRRX_EL0.
            (0, 0, 0, 2) | (0, 0, 3, 2) | (0, 0, 6, 2) | (3, 0, 1, 0) | (3, 0, 4, 0) | (3, 0, 5, 0) => 0,
            (0, 0, 2, 0) => context.mdccint_el1,
            (0, 0, 2, 2) => context.mdscr_el1.into_bits(),
            (0, 0, n, 4) => breakpoint(n)?.value,
            (0, 0, n, 5) => breakpoint(n)?.control,
            (0, 0, n, 6) => watchpoint(n)?.value,
            (0, 0, n, 7) => watchpoint(n)?.control,
            (0, 1, 1, 4) => self.oslsr_el1(),
            // MDRAR_EL1: no ROM table. OSDLR_EL1, DBGPRCR_EL1. DBGAUTHSTATUS_EL1: no external debug.
            (0, 1, 0, 0) | (0, 1, 3, 4) | (0, 1, 4, 4) | (0, 7, 14, 6) => 0,
            // DBGCLAIMSET_EL1 reads the tags that there are, DBGCLAIMCLR_EL1 those that are set.
            (0, 7, 8, 6) => u8::MAX.into(),
            (0, 7, 9, 6) => self.claim.into(),
            // OSLAR_EL1 is write-only, the rest does not exist.
            _ => return None,
        })
    }

    fn write(&mut self, operands: (u8, u8, u8, u8), value: u64, capabilities: &Capabilities) -> Option<()> {
        let context = &mut self.context;
        let (breakpoints, watchpoints) = (&mut context.bank.breakpoints, &mut context.bank.watchpoints);
        match operands {
            // What the channel is given is gone: OSDTRRX_EL1, OSDTRTX_EL1, OSECCR_EL1, DBGDTR_EL0,
            // DBGDTRTX_EL0. And OSDLR_EL1, DBGPRCR_EL1.
            (0, 0, 0, 2) | (0, 0, 3, 2) | (0, 0, 6, 2) | (3, 0, 4, 0) | (3, 0, 5, 0) => {}
            (0, 1, 3, 4) | (0, 1, 4, 4) => {}
            (0, 0, 2, 0) => context.mdccint_el1 = value & MDCCINT,
            (0, 0, 2, 2) => {
                let writable = if context.os_lock { MDSCR | MDSCR_MIRRORS } else { MDSCR };
                let kept = context.mdscr_el1.into_bits() & !writable;
                context.mdscr_el1 = MdscrEl1::from_bits(kept | value & writable);
            }
            (0, 0, n, 4) => numbered_mut(breakpoints, n, capabilities.breakpoints)?.value = value,
            (0, 0, n, 5) => {
                let mask = if capabilities.mismatch { DBGBCR_MASK } else { 0 };
                let bt2 = if capabilities.address_linking != 0 { DBGBCR_BT2 } else { 0 };
                let writable = DBGBCR | mask | bt2;
                numbered_mut(breakpoints, n, capabilities.breakpoints)?.control = value & writable;
            }
            (0, 0, n, 6) => numbered_mut(watchpoints, n, capabilities.watchpoints)?.value = value & DBGWVR,
            (0, 0, n, 7) => {
                let wt2 = if capabilities.watchpoint_mismatch { DBGWCR_WT2 } else { 0 };
                numbered_mut(watchpoints, n, capabilities.watchpoints)?.control = value & (DBGWCR | wt2);
            }
            // OSLAR_EL1.OSLK is bit 0.
            (0, 1, 0, 4) => context.os_lock = value & 1 != 0,
            (0, 7, 8, 6) => self.claim |= value as u8,
            (0, 7, 9, 6) => self.claim &= !(value as u8),
            // MDCCSR_EL0, MDRAR_EL1, OSLSR_EL1 and DBGAUTHSTATUS_EL1 are read-only, the rest does not exist.
            _ => return None,
        }
        Some(())
    }
}

fn numbered<T>(pairs: &[T; MAX_PAIRS], number: u8, count: u8) -> Option<&T> {
    pairs.get(..count.into())?.get(usize::from(number))
}

fn numbered_mut<T>(pairs: &mut [T; MAX_PAIRS], number: u8, count: u8) -> Option<&mut T> {
    pairs.get_mut(..count.into())?.get_mut(usize::from(number))
}
