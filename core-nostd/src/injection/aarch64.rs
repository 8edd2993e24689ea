//! Entry to EL1 using AArch64.

use crate::registers::{BranchType, Esr, ExceptionLevel, Mode, Pstate, SctlrEl1, StackPointer};
use crate::syndrome::ExceptionClass;

/// Which features change what an exception does to `PSTATE`.
///
/// Fields that read as zero without their feature (UAO, BTYPE, SSBS, PACM, PPEND) need none.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Features {
    /// FEAT_PAN.
    pub pan: bool,
    /// FEAT_MTE.
    pub mte: bool,
    /// FEAT_NMI.
    pub nmi: bool,
    /// FEAT_EBEP.
    pub ebep: bool,
    /// FEAT_SSBS: only AArch32 needs to know whether `CPSR.SSBS` exists.
    pub ssbs: bool,
}

impl Features {
    /// From the ID registers of the core (DDI 0487, "ID_AA64MMFR1_EL1", PAN, bits \[23:20\];
    /// "ID_AA64PFR1_EL1", SSBS, bits \[7:4\], MTE, bits \[11:8\], and NMI, bits \[39:36\]; "ID_AA64DFR1_EL1", EBEP, bits
    /// \[51:48\]).
    #[must_use]
    pub const fn from_id_registers(
        id_aa64pfr1_el1: u64,
        id_aa64mmfr1_el1: u64,
        id_aa64dfr1_el1: u64,
    ) -> Self {
        Self {
            pan: id_aa64mmfr1_el1 >> 20 & 0xf != 0,
            ssbs: id_aa64pfr1_el1 >> 4 & 0xf != 0,
            mte: id_aa64pfr1_el1 >> 8 & 0xf != 0,
            nmi: id_aa64pfr1_el1 >> 36 & 0xf != 0,
            ebep: id_aa64dfr1_el1 >> 48 & 0xf != 0,
        }
    }
}

/// The state of a core before an exception to EL1.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Before {
    /// The preferred return address: of the instruction, for all exceptions but `SVC`.
    pub pc: u64,
    /// `PSTATE`.
    pub pstate: Pstate,
    /// `VBAR_EL1`.
    pub vbar_el1: u64,
    /// `SCTLR_EL1`.
    pub sctlr_el1: SctlrEl1,
    /// `GCSCR_EL1.EXLOCKEN`; clear without FEAT_GCS.
    pub exlock_enabled: bool,
    /// What the core has.
    pub features: Features,
}

/// An exception to deliver.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Exception {
    /// The syndrome, with the class of either level: [`enter_el1`] chooses the one that EL1 sees.
    pub syndrome: u64,
    /// The address for `FAR_EL1`: of a watchpoint, an abort, or a misaligned PC.
    pub fault_address: Option<u64>,
}

/// The state of a core after the exception: what is to be written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct After {
    /// The vector.
    pub pc: u64,
    /// `PSTATE`.
    pub pstate: Pstate,
    /// `ELR_EL1`.
    pub elr_el1: u64,
    /// `SPSR_EL1`.
    pub spsr_el1: Pstate,
    /// `ESR_EL1`.
    pub esr_el1: u64,
    /// `FAR_EL1`, where the exception writes it.
    pub far_el1: Option<u64>,
}

/// Takes a synchronous exception to EL1 using AArch64, from EL0 or EL1 (DDI 0487, "Exception entry" and
/// the pseudocode `AArch64.TakeException`).
#[must_use]
pub const fn enter_el1(before: &Before, exception: &Exception) -> After {
    let old = before.pstate;
    let sctlr = before.sctlr_el1;
    let same_level = matches!(old.exception_level(), ExceptionLevel::El1) && !old.is_aarch32();

    let kept = if old.is_aarch32() {
        // Q, GE and IT have no place in AArch64 state, SSBS has another.
        Pstate::new()
            .with_n(old.n())
            .with_z(old.z())
            .with_c(old.c())
            .with_v(old.v())
            .with_dit(old.dit())
            .with_pan(old.pan())
    } else {
        old
    };
    let pstate = kept
        .with_mode(Mode::El1h)
        .with_daif(Pstate::DAIF)
        .with_ss(false)
        .with_il(false)
        .with_pan(kept.pan() || before.features.pan && !sctlr.span())
        .with_uao(false)
        .with_btype(BranchType::Unchecked)
        .with_ssbs(sctlr.dssbs())
        .with_tco(kept.tco() || before.features.mte)
        .with_allint(before.features.nmi && !sctlr.spintmask())
        .with_pm(before.features.ebep)
        .with_ppend(false)
        .with_exlock(same_level && before.exlock_enabled)
        .with_pacm(false)
        .with_uinj(false);

    After {
        pc: synchronous_vector(before.vbar_el1, old),
        pstate,
        elr_el1: before.pc,
        spsr_el1: old,
        esr_el1: syndrome_at_el1(exception.syndrome, old),
        far_el1: exception.fault_address,
    }
}

/// Where a synchronous exception to EL1 is taken from `pstate` (DDI 0487, "Exception vectors").
#[must_use]
pub const fn synchronous_vector(vbar_el1: u64, pstate: Pstate) -> u64 {
    let offset = if pstate.is_aarch32() {
        0x600
    } else if matches!(pstate.exception_level(), ExceptionLevel::El0) {
        0x400
    } else {
        match pstate.stack_pointer_selector() {
            StackPointer::ElX => 0x200,
            StackPointer::El0 => 0x000,
        }
    };
    // Bits [10:0] of VBAR_EL1 are reserved.
    vbar_el1 & !0x7ff | offset
}

/// A syndrome as EL1 sees it: the one that EL2 was given always has the class of a lower level. IL and
/// ISS stay.
#[must_use]
pub const fn syndrome_at_el1(syndrome: u64, from: Pstate) -> u64 {
    let esr = Esr::from_bits(syndrome);
    let class = ExceptionClass::from_bits(esr.ec());
    // AArch32 state is below an EL1 that uses AArch64, whatever mode it says.
    let lower = matches!(from.exception_level(), ExceptionLevel::El0) || from.is_aarch32();
    let class = if lower { class.from_lower_level() } else { class.from_same_level() };
    esr.with_ec(class.into_bits()).into_bits()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Miri, which takes a hundred times as long, sees only some.
    const STEP: usize = if cfg!(miri) { 13 } else { 1 };

    const VBAR: u64 = 0xffff_8000_0801_0800;

    fn before(pstate: u64) -> Before {
        Before {
            pc: 0xffff_8000_0800_1234,
            pstate: Pstate::from_bits(pstate),
            vbar_el1: VBAR,
            sctlr_el1: SctlrEl1::new().with_span(true),
            exlock_enabled: false,
            features: Features::default(),
        }
    }

    fn exception(syndrome: u64) -> Exception {
        Exception { syndrome, fault_address: None }
    }

    #[test]
    fn the_vector_follows_level_stack_pointer_and_state() {
        for (pstate, offset) in [
            (0b0_0101, 0x200), // EL1h
            (0b0_0100, 0x000), // EL1t
            (0b0_0000, 0x400), // EL0t
            (0b1_0000, 0x600), // User
        ] {
            let after = enter_el1(&before(pstate), &exception(0xf200_0000));
            assert_eq!(after.pc, VBAR + offset, "{pstate:#b}");
            assert_eq!(after.pstate.into_bits(), 0x3c5, "{pstate:#b}");
            assert_eq!(after.spsr_el1.into_bits(), pstate);
            assert_eq!(after.elr_el1, 0xffff_8000_0800_1234);
        }
        // VBAR_EL1's reserved bits are not added to the vector.
        let odd = Before { vbar_el1: VBAR | 0x7ff, ..before(0b101) };
        assert_eq!(enter_el1(&odd, &exception(0xf200_0000)).pc, VBAR + 0x200);
    }

    #[test]
    fn el1_sees_its_own_class_with_il_and_iss_kept() {
        // (as EL2 saw it, from EL1, from EL0)
        for (reported, from_el1, from_el0) in [
            (0xc200_0022, 0xc600_0022, 0xc200_0022_u64), // breakpoint 0x30 → 0x31
            (0xcb00_0062, 0xcf00_0062, 0xcb00_0062),     // software step 0x32 → 0x33
            (0xd200_0162, 0xd600_0162, 0xd200_0162),     // watchpoint 0x34 → 0x35
            (0xf200_03e8, 0xf200_03e8, 0xf200_03e8),     // BRK
            (0xe000_0007, 0xe000_0007, 0xe000_0007),     // BKPT, IL clear
            (0x0200_0000, 0x0200_0000, 0x0200_0000),     // unknown
            (0x8200_0005, 0x8600_0005, 0x8200_0005),     // instruction abort 0x20 → 0x21
            (0x12_9200_0045, 0x12_9600_0045, 0x12_9200_0045), // data abort 0x24 → 0x25, ISS2 kept
        ] {
            for reported in [reported, from_el1] {
                assert_eq!(enter_el1(&before(0x5), &exception(reported)).esr_el1, from_el1);
                assert_eq!(enter_el1(&before(0x0), &exception(reported)).esr_el1, from_el0);
            }
        }
    }

    #[test]
    fn far_is_written_only_where_the_exception_has_an_address() {
        let watch = Exception { syndrome: 0xd200_0062, fault_address: Some(0x4000_1006) };
        assert_eq!(enter_el1(&before(0x5), &watch).far_el1, Some(0x4000_1006));
        assert_eq!(enter_el1(&before(0x5), &exception(0xf200_0000)).far_el1, None);
    }

    /// `AArch64.TakeException` of DDI 0487, by bit number: every PSTATE bit that is defined, for every
    /// value of what it depends on, alone and in the company of all others.
    /// Found by fuzzing: AArch32 modes other than User counted as EL1's.
    #[test]
    fn an_exception_from_aarch32_comes_from_below_whatever_its_mode() {
        for mode in 0x10..0x20 {
            let after = enter_el1(&before(mode), &exception(0xd600_0022));
            assert_eq!((after.esr_el1, after.pc & 0x7ff), (0xd200_0022, 0x600), "{mode:#x}");
        }
    }

    #[test]
    fn pstate_after_entry_follows_the_pseudocode() {
        const DEFINED: u64 = 0xf3f0_3fc0;
        let states = (0..32).flat_map(|bit| [DEFINED & 1 << bit, DEFINED & !(1 << bit)]);
        for old in states.map(|state| state | 0b101) {
            for knobs in (0..64_u64).step_by(STEP) {
                let knob = |number: u32| knobs >> number & 1 != 0;
                let (span, dssbs, spintmask) = (knob(0), knob(1), knob(2));
                let features = Features { pan: knob(3), mte: knob(4), nmi: knob(5), ..Features::default() };
                let after = enter_el1(
                    &Before {
                        sctlr_el1: SctlrEl1::from_bits(
                            u64::from(span) << 23 | u64::from(dssbs) << 44 | u64::from(spintmask) << 62,
                        ),
                        features,
                        ..before(old)
                    },
                    &exception(0xf200_0000),
                );
                let keep = 1 << 31 | 1 << 30 | 1 << 29 | 1 << 28 | 1 << 24; // NZCV and DIT
                let mut expected = old & keep | 0x3c5;
                expected |= if features.pan && !span { 1 << 22 } else { old & 1 << 22 };
                expected |= u64::from(dssbs) << 12;
                expected |= if features.mte { 1 << 25 } else { old & 1 << 25 };
                expected |= u64::from(features.nmi && !spintmask) << 13;
                assert_eq!(after.pstate.into_bits(), expected, "{old:#x} {knobs:#b}");
                assert_eq!(after.spsr_el1.into_bits(), old);
            }
        }
    }

    #[test]
    fn the_upper_half_of_pstate_follows_the_pseudocode() {
        // PM, PPEND, EXLOCK, PACM and UINJ are bits 32 to 36.
        let old = 0x1f_0000_0005;
        let after = |exlock_enabled, ebep, old| {
            let features = Features { ebep, ..Features::default() };
            let state = Before { exlock_enabled, features, ..before(old) };
            enter_el1(&state, &exception(0xf200_0000)).pstate.into_bits() >> 32
        };
        assert_eq!(after(false, false, old), 0);
        assert_eq!(after(false, true, old), 0b1);
        assert_eq!(after(true, false, old), 0b100);
        // From EL0 the lock of EL1 is not set.
        assert_eq!(after(true, false, 0), 0);
    }

    #[test]
    fn aarch32_state_keeps_only_what_aarch64_state_has() {
        // N, Q, IT, DIT[24], SSBS[23], PAN, SS, IL, GE, IT, E, AIF, T, User.
        let old = 0x8fff_ffff & !0b1111_u64;
        let state = Before { features: Features { pan: true, ..Features::default() }, ..before(old) };
        let after = enter_el1(&state, &exception(0xe000_0000));
        assert_eq!(after.pstate.into_bits(), 1 << 31 | 1 << 24 | 1 << 22 | 0x3c5);
        assert_eq!(after.spsr_el1.into_bits(), old);
    }

    #[test]
    fn features_come_from_their_fields() {
        let all = Features::from_id_registers(1 << 4 | 2 << 8 | 1 << 36, 3 << 20, 1 << 48);
        assert_eq!(all, Features { pan: true, mte: true, nmi: true, ebep: true, ssbs: true });
        let others =
            Features::from_id_registers(!(0xf << 4 | 0xf << 8 | 0xf << 36), !(0xf << 20), !(0xf << 48));
        assert_eq!(others, Features::default());
    }
}
