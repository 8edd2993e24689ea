//! Entry to EL1 using AArch32: debug exceptions are aborts there.

use crate::registers::{Cpsr, Mode, SctlrEl1};
use crate::syndrome::{Details, ExceptionClass, Syndrome};

/// A debug exception as EL1 using AArch32 knows it (DDI 0487, "DBGDSCRext, Debug Status and Control
/// Register, External View", MOE).
///
/// Software step is not among them: it exists only where EL1 uses AArch64.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum DebugException {
    /// A hardware breakpoint.
    Breakpoint,
    /// The instruction `BKPT`.
    Bkpt,
    /// A vector catch.
    VectorCatch,
    /// A watchpoint.
    Watchpoint {
        /// The data address, for `DFAR`.
        address: u32,
        /// The access was a write, for `DFSR.WnR`.
        write: bool,
        /// It was cache maintenance, for `DFSR.CM`; `WnR` is then set.
        cache_maintenance: bool,
    },
}

impl DebugException {
    /// From what was reported to EL2; `None` where AArch32 has no such debug exception.
    #[must_use]
    pub const fn from_syndrome(syndrome: &Syndrome, fault_address: u64) -> Option<Self> {
        match (syndrome.class, syndrome.details) {
            (ExceptionClass::BreakpointLower | ExceptionClass::BreakpointSame, _) => Some(Self::Breakpoint),
            (ExceptionClass::Bkpt, _) => Some(Self::Bkpt),
            (ExceptionClass::VectorCatch, _) => Some(Self::VectorCatch),
            (_, Details::Watchpoint(watchpoint)) => Some(Self::Watchpoint {
                address: fault_address as u32,
                write: watchpoint.wnr(),
                cache_maintenance: watchpoint.cm(),
            }),
            _ => None,
        }
    }

    /// MOE, the method of entry.
    const fn method_of_entry(self) -> u32 {
        match self {
            Self::Breakpoint => 0b0001,
            Self::Bkpt => 0b0011,
            Self::VectorCatch => 0b0101,
            Self::Watchpoint { .. } => 0b1010,
        }
    }
}

/// The state of a core before an exception to an EL1 that uses AArch32.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Before {
    /// The address of the instruction.
    pub pc: u32,
    /// `CPSR`.
    pub cpsr: Cpsr,
    /// `SCTLR`, which is `SCTLR_EL1`.
    pub sctlr: SctlrEl1,
    /// `VBAR`, which is bits \[31:0\] of `VBAR_EL1`.
    pub vbar: u32,
    /// `TTBCR.EAE`, bit \[31\] of `TCR_EL1`: translation tables and fault status are in the long format.
    pub long_descriptors: bool,
    /// `DBGDSCRext`, which is bits \[31:0\] of `MDSCR_EL1`.
    pub dbgdscr: u32,
    /// FEAT_PAN.
    pub pan: bool,
    /// FEAT_SSBS: `CPSR.SSBS` exists.
    pub ssbs: bool,
}

/// The state of a core after the exception: what is to be written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct After {
    /// The vector.
    pub pc: u32,
    /// `CPSR`, in Abort mode.
    pub cpsr: Cpsr,
    /// `LR_abt`.
    pub lr_abt: u32,
    /// `SPSR_abt`.
    pub spsr_abt: Cpsr,
    /// `DBGDSCRext`.
    pub dbgdscr: u32,
    /// The fault registers.
    pub fault: Fault,
}

/// Which abort it is, with its registers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Fault {
    /// Prefetch abort. `IFAR` is unknown after a debug exception and stays as it was.
    Prefetch {
        /// `IFSR`, which is `IFSR32_EL2`.
        ifsr: u32,
    },
    /// Data abort.
    Data {
        /// `DFSR`, which is bits \[31:0\] of `ESR_EL1`.
        dfsr: u32,
        /// `DFAR`, which is bits \[31:0\] of `FAR_EL1`.
        dfar: u32,
    },
}

/// Takes a debug exception to EL1 using AArch32, from EL0 or EL1 (DDI 0487, the pseudocode
/// `AArch32.Abort` and `AArch32.EnterMode`).
#[must_use]
pub const fn enter_el1(before: &Before, exception: DebugException) -> After {
    let old = before.cpsr;
    let sctlr = before.sctlr;
    let (vector, return_offset, fault) = match exception {
        DebugException::Breakpoint | DebugException::Bkpt | DebugException::VectorCatch => {
            (0x0c, 4, Fault::Prefetch { ifsr: debug_status(before.long_descriptors) })
        }
        DebugException::Watchpoint { address, write, cache_maintenance } => {
            let wnr = if write || cache_maintenance { 1 << 11 } else { 0 };
            let cm = if cache_maintenance { 1 << 13 } else { 0 };
            let dfsr = debug_status(before.long_descriptors) | wnr | cm;
            (0x10, 8, Fault::Data { dfsr, dfar: address })
        }
    };
    let cpsr = old
        .with_mode(Mode::Abort)
        .with_t(sctlr.aarch32_te())
        .with_a(true)
        .with_i(true)
        .with_e(sctlr.ee())
        .with_it(0)
        .with_il(false)
        .with_j(false)
        .with_pan(old.pan() || before.pan && !sctlr.span())
        .with_ssbs(before.ssbs && sctlr.aarch32_dssbs());
    let base = if sctlr.aarch32_v() { 0xffff_0000 } else { before.vbar & !0x1f };
    After {
        pc: base | vector,
        cpsr,
        lr_abt: before.pc.wrapping_add(return_offset),
        spsr_abt: old,
        dbgdscr: before.dbgdscr & !(0xf << 2) | exception.method_of_entry() << 2,
        fault,
    }
}

/// IFSR and DFSR of a debug exception: LPAE, bit \[9\], with STATUS, bits \[5:0\], of 0b100010, or FS of
/// 0b00010.
const fn debug_status(long_descriptors: bool) -> u32 {
    if long_descriptors { 1 << 9 | 0b10_0010 } else { 0b0_0010 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Miri, which takes a hundred times as long, sees only some.
    const STEP: usize = if cfg!(miri) { 13 } else { 1 };

    fn before(cpsr: u32) -> Before {
        Before {
            pc: 0xc000_1234,
            cpsr: Cpsr::from_bits(cpsr),
            sctlr: SctlrEl1::from_bits(1 << 23),
            vbar: 0xc010_001f,
            long_descriptors: false,
            dbgdscr: 0x0000_8000,
            pan: false,
            ssbs: false,
        }
    }

    const WATCH: DebugException =
        DebugException::Watchpoint { address: 0x8000_0006, write: true, cache_maintenance: false };

    #[test]
    fn code_exceptions_are_prefetch_aborts_and_watchpoints_data_aborts() {
        for (exception, moe) in [
            (DebugException::Breakpoint, 0b0001),
            (DebugException::Bkpt, 0b0011),
            (DebugException::VectorCatch, 0b0101),
        ] {
            let after = enter_el1(&before(0x6000_0013), exception);
            assert_eq!((after.pc, after.lr_abt), (0xc010_000c, 0xc000_1238));
            assert_eq!(after.fault, Fault::Prefetch { ifsr: 0x002 });
            assert_eq!(after.dbgdscr, 0x8000 | moe << 2);
            assert_eq!(after.spsr_abt.into_bits(), 0x6000_0013);
            assert_eq!(after.cpsr.into_bits(), 0x6000_0197, "A and I are masked, F is not");
        }
        let after = enter_el1(&before(0x6000_0010), WATCH);
        assert_eq!((after.pc, after.lr_abt), (0xc010_0010, 0xc000_123c));
        assert_eq!(after.fault, Fault::Data { dfsr: 0x802, dfar: 0x8000_0006 });
        assert_eq!(after.dbgdscr, 0x8000 | 0b1010 << 2);
    }

    #[test]
    fn the_long_format_has_its_own_status() {
        let long = Before { long_descriptors: true, dbgdscr: 0x3c, ..before(0x13) };
        assert_eq!(enter_el1(&long, DebugException::Bkpt).fault, Fault::Prefetch { ifsr: 0x222 });
        assert_eq!(enter_el1(&long, DebugException::Bkpt).dbgdscr, 0x0c, "MOE is replaced");
        let clean = DebugException::Watchpoint { address: 4, write: false, cache_maintenance: true };
        assert_eq!(enter_el1(&long, clean).fault, Fault::Data { dfsr: 0x2a22, dfar: 4 });
        let read = DebugException::Watchpoint { address: 4, write: false, cache_maintenance: false };
        assert_eq!(enter_el1(&long, read).fault, Fault::Data { dfsr: 0x222, dfar: 4 });
    }

    #[test]
    fn the_vectors_are_high_where_sctlr_says_so() {
        let high = Before { sctlr: SctlrEl1::from_bits(1 << 13), ..before(0x13) };
        assert_eq!(enter_el1(&high, WATCH).pc, 0xffff_0010);
    }

    /// `AArch32.EnterMode` of DDI 0487, by bit number, for each bit of CPSR alone and in the company of
    /// all others.
    #[test]
    fn cpsr_after_entry_follows_the_pseudocode() {
        for old in (5..32).flat_map(|bit| [1 << bit, !(1_u32 << bit)]).map(|state| state & !0x1f | 0x10) {
            for knobs in (0..64_u64).step_by(STEP) {
                let knob = |number: u32| knobs >> number & 1;
                let (te, ee, span, dssbs) = (knob(0), knob(1), knob(2), knob(3));
                let (pan, ssbs) = (knob(4) == 1, knob(5) == 1);
                let sctlr = te << 30 | ee << 25 | span << 23 | dssbs << 31;
                let state = Before { sctlr: SctlrEl1::from_bits(sctlr), pan, ssbs, ..before(old) };
                let after = enter_el1(&state, DebugException::Breakpoint);
                // N, Z, C, V, Q, DIT, GE and F stay.
                let keep = 0xf800_0000 | 1 << 21 | 0xf << 16 | 1 << 6;
                let mut expected = old & keep | 0x17 | 1 << 8 | 1 << 7;
                expected |= (te as u32) << 5 | (ee as u32) << 9;
                expected |= if pan && span == 0 { 1 << 22 } else { old & 1 << 22 };
                expected |= if ssbs { (dssbs as u32) << 23 } else { 0 };
                assert_eq!(after.cpsr.into_bits(), expected, "{old:#x} {knobs:#b}");
                assert_eq!(after.spsr_abt.into_bits(), old);
            }
        }
    }

    #[test]
    fn only_what_aarch32_has_comes_from_a_syndrome() {
        let from = |esr| DebugException::from_syndrome(&Syndrome::decode(esr), 0x1_8000_0006);
        assert_eq!(from(0xc200_0022), Some(DebugException::Breakpoint));
        assert_eq!(from(0xe000_0000), Some(DebugException::Bkpt));
        assert_eq!(from(0xea00_0022), Some(DebugException::VectorCatch));
        assert_eq!(from(0xd200_0062), Some(WATCH));
        assert_eq!(from(0xca00_0022), None, "software step");
        assert_eq!(from(0xf200_0000), None, "BRK");
        assert_eq!(from(0x9200_0046), None, "data abort");
    }
}
