//! AArch64 walks against tables that are built here, by the bit ranges that DDI 0487 prints for each
//! granule and level.

mod table_memory;

use proptest::prelude::*;
use table_memory::{NoMemory, Noise, Tables};
use trapline_core::address::PhysicalAddress;
use trapline_core::registers::{SctlrEl1, Tcr2El1, TcrEl1, Ttbr};
use trapline_core::syndrome::FaultStatus;
use trapline_core::translation::{
    Access, Permissions, Privilege, Regime, Translation, TranslationError, translate,
};

/// Miri, which takes a hundred times as long, sees only some.
const STEP: usize = if cfg!(miri) { 173 } else { 1 };

/// A granule as the tables of "Translation table lookup levels" have it.
struct Granule {
    bits: u32,
    tg0: u64,
    tg1: u64,
    /// (level, highest and lowest address bit that it resolves), from the first to the last.
    levels: &'static [(i8, u32, u32)],
    /// (smallest and largest TnSZ, initial level).
    initial: &'static [(u64, u64, i8)],
}

impl Granule {
    fn initial_level(&self, tnsz: u64) -> i8 {
        self.initial
            .iter()
            .find(|(least, most, _)| (*least..=*most).contains(&tnsz))
            .map_or(3, |(.., level)| *level)
    }
}

const GRANULES: [Granule; 3] = [
    Granule {
        bits: 12,
        tg0: 0b00,
        tg1: 0b10,
        levels: &[(-1, 51, 48), (0, 47, 39), (1, 38, 30), (2, 29, 21), (3, 20, 12)],
        initial: &[(12, 15, -1), (16, 24, 0), (25, 33, 1), (34, 42, 2), (43, 48, 3)],
    },
    Granule {
        bits: 14,
        tg0: 0b10,
        tg1: 0b01,
        levels: &[(0, 51, 47), (1, 46, 36), (2, 35, 25), (3, 24, 14)],
        initial: &[(12, 16, 0), (17, 27, 1), (28, 38, 2), (39, 48, 3)],
    },
    Granule {
        bits: 16,
        tg0: 0b01,
        tg1: 0b11,
        levels: &[(1, 51, 42), (2, 41, 29), (3, 28, 16)],
        initial: &[(12, 21, 1), (22, 34, 2), (35, 47, 3)],
    },
];

const OUTPUT: u64 = 0x5_a5a5_5a5a_5000;

/// PARange 52 bits, all granules with 52-bit addresses; hierarchical disables, HA and HD; 52-bit virtual
/// addresses, small tables, E0PD.
fn capable() -> Regime {
    Regime {
        sctlr_el1: SctlrEl1::new().with_m(true),
        id_aa64mmfr0_el1: 6 | 2 << 20 | 1 << 28,
        id_aa64mmfr1_el1: 2 | 1 << 12,
        id_aa64mmfr2_el1: 1 << 16 | 1 << 28 | 1 << 60,
        ..Regime::default()
    }
}

fn field(value: u64, high: u32, low: u32) -> u64 {
    (value >> low) & ((1 << (high - low + 1)) - 1)
}

/// An output address as a descriptor holds it.
fn output_field(granule: &Granule, lpa2: bool, address: u64) -> u64 {
    let top = address >> 48 & 0xf;
    let low = address & 0xffff_ffff_ffff;
    if lpa2 {
        low | (top >> 2) << 8 | (top & 3) << 48
    } else if granule.bits == 16 {
        low | top << 12
    } else {
        low
    }
}

/// Maps `va` in tables of `granule` with `tnsz`, with a leaf of `leaf_level`; returns the regime.
#[expect(clippy::too_many_arguments, reason = "each one is a dimension of the exhaustive test")]
fn build(
    tables: &mut Tables,
    granule: &Granule,
    tnsz: u64,
    upper: bool,
    lpa2: bool,
    va: u64,
    leaf_level: i8,
    output: u64,
) -> Regime {
    let initial = granule.initial_level(tnsz);
    let wide = lpa2 || granule.bits == 16;
    let place = |level: i8| {
        // Tables lie at the top of the output range, each aligned to its own greatest size.
        let high = if wide { 0xf_0000_0000_0000 } else { 0 };
        high | 0x7000_0000_0000 | ((level + 1) as u64) << 24
    };
    for &(level, high, low) in granule.levels {
        if level < initial || level > leaf_level {
            continue;
        }
        let high = if level == initial { 63 - tnsz as u32 } else { high };
        let entry = place(level) + field(va, high, low) * 8;
        let descriptor = if level == leaf_level {
            output_field(granule, lpa2, output >> low << low) | if level == 3 { 0b11 } else { 0b01 } | 1 << 10
        } else {
            output_field(granule, lpa2, place(level + 1)) | 0b11
        };
        tables.put(entry, 8, descriptor);
    }
    let base = place(initial);
    let ttbr =
        Ttbr::from_bits(if wide { base & 0xffff_ffff_ffff | (base >> 48) << 2 } else { base } | 0xabcd << 48);
    let other = Ttbr::from_bits(0x6660_0000_0000);
    let tcr = if upper { tnsz << 16 | granule.tg1 << 30 | 63 } else { tnsz | granule.tg0 << 14 | 63 << 16 };
    Regime {
        tcr_el1: TcrEl1::from_bits(tcr | 6 << 32 | u64::from(lpa2) << 59),
        ttbr0_el1: if upper { other } else { ttbr },
        ttbr1_el1: if upper { ttbr } else { other },
        ..capable()
    }
}

/// "Block descriptor formats": which levels have blocks.
fn blocks(granule: &Granule, lpa2: bool) -> &'static [i8] {
    match (granule.bits, lpa2) {
        (12, false) => &[1, 2],
        (12, true) => &[0, 1, 2],
        (14, false) => &[2],
        _ => &[1, 2],
    }
}

#[test]
fn every_granule_input_size_half_and_leaf_level_maps_exactly() {
    let mut walks = 0;
    for granule in &GRANULES {
        for lpa2 in [false, true] {
            if granule.bits == 16 && lpa2 {
                continue;
            }
            let least = if lpa2 || granule.bits == 16 { 12 } else { 16 };
            let most = if granule.bits == 16 { 47 } else { 48 };
            for tnsz in (least..=most).step_by(if cfg!(miri) { 9 } else { 1 }) {
                let initial = granule.initial_level(tnsz);
                for upper in [false, true] {
                    for &(level, _, low) in granule.levels.iter().filter(|(level, ..)| *level >= initial) {
                        let legal = level == 3 || blocks(granule, lpa2).contains(&level);
                        let inside = 0x000a_bcde_f123_4567_u64 & ((1 << (64 - tnsz)) - 1);
                        let va = if upper { inside | !((1 << (64 - tnsz)) - 1) } else { inside };
                        let output =
                            if lpa2 || granule.bits == 16 { 0xf_0000_0000_0000 | OUTPUT } else { OUTPUT };
                        let output =
                            if lpa2 || granule.bits == 16 { output } else { output & 0xffff_ffff_ffff };
                        let mut tables = Tables::default();
                        let regime = build(&mut tables, granule, tnsz, upper, lpa2, va, level, output);
                        let result = translate(&regime, va, &mut tables);
                        let context = (granule.bits, lpa2, tnsz, upper, level);
                        if !legal {
                            let fault = TranslationError::NotMapped { address: va, level };
                            assert_eq!(result, Err(fault), "{context:?}");
                            continue;
                        }
                        let translation = result.unwrap_or_else(|error| panic!("{context:?}: {error:?}"));
                        let offset = va & ((1 << low) - 1);
                        assert_eq!(translation.physical.0, output >> low << low | offset, "{context:?}");
                        assert_eq!(translation.block, 1 << low, "{context:?}");
                        assert_eq!(translation.remaining(va), (1 << low) - offset);
                        assert_eq!(translation.mapping.unwrap().level, level);
                        assert_eq!(tables.reads, usize::try_from(level - initial + 1).unwrap());
                        walks += 1;
                    }
                }
            }
        }
    }
    assert!(walks > if cfg!(miri) { 50 } else { 500 }, "{walks}");
}

/// 4 KiB granule, T0SZ and T1SZ 25 (39 bits), one page at `va` with these descriptors for levels 1 to 3.
fn three_levels(va: u64, descriptors: [u64; 3]) -> (Regime, Tables) {
    let mut tables = Tables::default();
    let places = [(0x1000, 30), (0x2000, 21), (0x3000, 12)];
    for ((table, shift), descriptor) in places.into_iter().zip(descriptors) {
        tables.put(table + (va >> shift & 0x1ff) * 8, 8, descriptor);
    }
    let regime = Regime {
        tcr_el1: TcrEl1::from_bits(25 | 25 << 16 | 0b10 << 30 | 5 << 32),
        ttbr0_el1: Ttbr::from_bits(0x1000),
        ttbr1_el1: Ttbr::from_bits(0x1000),
        ..capable()
    };
    (regime, tables)
}

const VA: u64 = 0x40_8123_4567 & 0x7f_ffff_ffff;
const L1: u64 = 0x2003;
const L2: u64 = 0x3003;
const PAGE: u64 = 0x4567_8000 | 0b11 | 1 << 10;

fn walk(descriptors: [u64; 3]) -> Result<Translation, TranslationError<NoMemory>> {
    let (regime, mut tables) = three_levels(VA, descriptors);
    translate(&regime, VA, &mut tables)
}

#[test]
fn an_invalid_descriptor_faults_at_its_level() {
    for (descriptors, level) in
        [([0, L2, PAGE], 1), ([L1, 0b10, PAGE], 2), ([L1, L2, 0b10], 3), ([L1, L2, 0b01], 3)]
    {
        let error = walk(descriptors).unwrap_err();
        assert_eq!(error, TranslationError::NotMapped { address: VA, level });
        assert_eq!(error.fault_status(), Some(FaultStatus::Translation { level }));
    }
    // A level 0 block needs TCR_EL1.DS; here level 0 is not even walked, so take 48 bits.
    let (mut regime, mut tables) = three_levels(VA, [L1, L2, PAGE]);
    regime.tcr_el1 = TcrEl1::from_bits(16 | 5 << 32);
    tables.put(0x1000, 8, 0x4000_0001);
    assert_eq!(
        translate(&regime, VA, &mut tables),
        Err(TranslationError::NotMapped { address: VA, level: 0 })
    );
}

#[test]
fn output_beyond_its_size_is_an_address_size_fault_of_the_level() {
    // IPS 0b101 is 48 bits; PARange is narrowed to 40.
    for (descriptors, output, level) in [
        ([L1 | 1 << 40, L2, PAGE], 0x100_0000_2000, 1),
        ([L1, L2 | 1 << 41, PAGE], 0x200_0000_3000, 2),
        ([L1, L2, PAGE | 1 << 47], 0x8000_4567_8000, 3),
    ] {
        let (mut regime, mut tables) = three_levels(VA, descriptors);
        regime.id_aa64mmfr0_el1 = 2;
        let error = translate(&regime, VA, &mut tables).unwrap_err();
        assert_eq!(error, TranslationError::AddressSize { output: PhysicalAddress(output), level });
        assert_eq!(error.fault_status(), Some(FaultStatus::AddressSize { level }));
        // The same with IPS narrowed instead.
        regime.id_aa64mmfr0_el1 = 5;
        regime.tcr_el1 = TcrEl1::from_bits(25 | 2 << 32);
        assert_eq!(translate(&regime, VA, &mut tables).unwrap_err(), error);
    }
    let (mut regime, mut tables) = three_levels(VA, [L1, L2, PAGE]);
    regime.id_aa64mmfr0_el1 = 2;
    regime.ttbr0_el1 = Ttbr::from_bits(1 << 44);
    assert_eq!(
        translate(&regime, VA, &mut tables),
        Err(TranslationError::AddressSize { output: PhysicalAddress(1 << 44), level: 0 })
    );
}

#[test]
fn a_descriptor_that_cannot_be_read_says_where_it_lies() {
    let (regime, mut tables) = three_levels(VA, [L1, 0xdead_0003, PAGE]);
    let address = PhysicalAddress(0xdead_0000 + (VA >> 12 & 0x1ff) * 8);
    let error = translate(&regime, VA, &mut tables).unwrap_err();
    assert_eq!(error, TranslationError::Memory { address, error: NoMemory, level: 3 });
    assert_eq!(error.fault_status(), Some(FaultStatus::ExternalOnWalk { level: 3 }));
}

#[test]
fn big_endian_tables_are_read_as_such() {
    let (mut regime, mut tables) = three_levels(VA, [L1, L2, PAGE]);
    tables.big_endian = true;
    assert!(translate(&regime, VA, &mut tables).is_err());
    regime.sctlr_el1.set_ee(true);
    assert_eq!(translate(&regime, VA, &mut tables).unwrap().physical.0, 0x4567_8567);
}

#[test]
fn the_halves_are_apart_and_tags_are_ignored_only_where_tbi_says_so() {
    let (mut regime, mut tables) = three_levels(VA, [L1, L2, PAGE]);
    let physical = Ok(0x4567_8567);
    let upper = VA | !0x7f_ffff_ffff;
    let out = |address| Err(TranslationError::OutOfRange { address, level: 0 });
    let mut at = |regime: &Regime, va| translate(regime, va, &mut tables).map(|found| found.physical.0);

    assert_eq!(at(&regime, VA), physical);
    assert_eq!(at(&regime, upper), physical);
    // One bit above the half, on either side, and a tag without TBI.
    assert_eq!(at(&regime, VA | 1 << 39), out(VA | 1 << 39));
    assert_eq!(at(&regime, upper & !(1 << 39)), out(upper & !(1 << 39)));
    assert_eq!(at(&regime, VA | 0x5a << 56), out(VA | 0x5a << 56));
    assert_eq!(at(&regime, upper & !(1 << 63)), out(upper & !(1 << 63)));

    regime.tcr_el1.set_tbi0(true);
    assert_eq!(at(&regime, VA | 0x5a << 56), physical);
    assert_eq!(at(&regime, VA | 1 << 54), out(VA | 1 << 54));
    assert_eq!(at(&regime, upper & !(1 << 63)), out(upper & !(1 << 63)));
    regime.tcr_el1.set_tbi1(true);
    assert_eq!(at(&regime, upper & !(0xa5 << 56)), physical);
    assert_eq!(at(&regime, upper & !(1 << 54)), out(upper & !(1 << 54)));

    // A logical tag leaves bits [63:60] to be checked.
    regime.tcr_el1 = TcrEl1::from_bits(25 | 5 << 32).with_mtx0(true);
    assert_eq!(at(&regime, VA | 0xa << 56), physical);
    assert_eq!(at(&regime, VA | 0x1a << 56), out(VA | 0x1a << 56));
}

#[test]
fn a_half_can_be_switched_off() {
    let (mut regime, mut tables) = three_levels(VA, [L1, L2, PAGE]);
    regime.tcr_el1.set_epd1(true);
    assert!(translate(&regime, VA, &mut tables).is_ok());
    let upper = VA | !0x7f_ffff_ffff;
    assert_eq!(
        translate(&regime, upper, &mut tables),
        Err(TranslationError::WalkDisabled { address: upper, level: 0 })
    );
    regime.tcr_el1 = TcrEl1::from_bits(25 | 5 << 32).with_epd0(true);
    assert_eq!(
        translate(&regime, VA, &mut tables),
        Err(TranslationError::WalkDisabled { address: VA, level: 0 })
    );
}

#[test]
fn input_sizes_are_those_that_the_core_has() {
    // (T0SZ, TG0, ID_AA64MMFR0, ID_AA64MMFR2, DS, allowed)
    let lpa2 = 6 | 2 << 20 | 1 << 28;
    for (t0sz, tg0, mmfr0, mmfr2, ds, allowed) in [
        (16, 0b00, 5, 0, 0, true),
        (15, 0b00, 5, 0, 0, false),
        (15, 0b00, 5, 0, 1, false), // DS without FEAT_LPA2 has no effect
        (12, 0b00, lpa2, 0, 1, true),
        (11, 0b00, lpa2, 0, 1, false),
        (15, 0b00, lpa2, 1 << 16, 0, false),
        (12, 0b10, lpa2, 0, 1, true),
        (15, 0b01, 6, 0, 0, false),
        (12, 0b01, 6, 1 << 16, 0, true),
        (11, 0b01, 6, 1 << 16, 0, false),
        (39, 0b00, 5, 0, 0, true),
        (40, 0b00, 5, 0, 0, false),
        (48, 0b00, 5, 1 << 28, 0, true),
        (49, 0b00, 5, 1 << 28, 0, false),
        (47, 0b01, 5, 1 << 28, 0, true),
        (48, 0b01, 5, 1 << 28, 0, false),
    ] {
        let regime = Regime {
            tcr_el1: TcrEl1::from_bits(t0sz | tg0 << 14 | 5 << 32 | ds << 59),
            id_aa64mmfr0_el1: mmfr0,
            id_aa64mmfr2_el1: mmfr2,
            ..capable()
        };
        let error = translate(&regime, 0, &mut Tables::default()).unwrap_err();
        let refused = error == TranslationError::InputSize { tnsz: t0sz as u8 };
        assert_eq!(!refused, allowed, "T0SZ {t0sz} TG0 {tg0:#b}: {error:?}");
    }
}

#[test]
fn a_granule_that_is_reserved_or_missing_is_refused() {
    // 16 KiB is missing where TGran16 is 0; 4 and 64 KiB where their fields are 0b1111.
    for (mmfr0, tcr, va, tg) in [
        (5, 0b11 << 14, 0, Some(0b11)),
        (5, 0, u64::MAX, Some(0)),
        (5, 0b10 << 14, 0, Some(0b10)),
        (5 | 1 << 20, 0b10 << 14, 0, None),
        (5 | 0xf << 28, 0, 0, Some(0)),
        (5 | 0xf << 24, 0b01 << 14, 0, Some(1)),
        (5, 0b01 << 14, 0, None),
        (5, 0b11 << 30, u64::MAX, None),
    ] {
        let tcr_el1 = TcrEl1::from_bits(25 | 25 << 16 | 5 << 32 | tcr);
        let regime = Regime { tcr_el1, id_aa64mmfr0_el1: mmfr0, ..capable() };
        let error = translate(&regime, va, &mut Tables::default()).unwrap_err();
        let refused = match error {
            TranslationError::Granule { tg } => Some(tg),
            _ => None,
        };
        assert_eq!(refused, tg, "{mmfr0:#x} {tcr:#x}");
    }
}

#[test]
fn an_mmu_that_is_off_maps_flat_within_the_physical_address_size() {
    let mut regime = Regime { id_aa64mmfr0_el1: 2, ..Regime::default() };
    let at = |regime: &Regime, va| translate(regime, va, &mut Tables::default());
    let found = at(&regime, 0xff_ffff_fff0).unwrap();
    assert_eq!((found.physical.0, found.block, found.mapping), (0xff_ffff_fff0, 1 << 40, None));
    assert_eq!(found.remaining(0xff_ffff_fff0), 16);
    assert_eq!(found.check(Privilege::El0, Access::Execute), Ok(()));
    let beyond = |address| Err(TranslationError::AddressSize { output: PhysicalAddress(address), level: 0 });
    assert_eq!(at(&regime, 1 << 40), beyond(1 << 40));
    assert_eq!(at(&regime, 1 << 56), beyond(1 << 56));
    regime.tcr_el1.set_tbi0(true);
    assert_eq!(at(&regime, 0x5a << 56 | 0x1234).unwrap().physical.0, 0x1234);
}

#[test]
fn wide_descriptors_are_refused() {
    let (mut regime, mut tables) = three_levels(VA, [L1, L2, PAGE]);
    regime.tcr2_el1 = Tcr2El1::new().with_d128(true);
    assert_eq!(translate(&regime, VA, &mut tables), Err(TranslationError::WideDescriptors));
}

/// "Direct permissions" by its tables: for AP\[2:1\], what EL1 and EL0 may read and write.
fn data_permissions(ap: u64) -> (&'static str, &'static str) {
    match ap {
        0b00 => ("rw", "--"),
        0b01 => ("rw", "rw"),
        0b10 => ("r-", "--"),
        _ => ("r-", "r-"),
    }
}

#[test]
fn permissions_follow_descriptor_tables_and_wxn() {
    for bits in (0..1_u64 << 9).step_by(STEP) {
        let flag = |number: u32| bits >> number & 1;
        let (ap, pxn, uxn) = (bits & 3, flag(2), flag(3));
        let (ap_table, pxn_table, uxn_table) = (bits >> 4 & 3, flag(6), flag(7));
        let wxn = flag(8) == 1;
        for table_level in [1, 2] {
            for disabled in [false, true] {
                let table = ap_table << 61 | uxn_table << 60 | pxn_table << 59;
                let l1 = if table_level == 1 { L1 | table } else { L1 };
                let l2 = if table_level == 2 { L2 | table } else { L2 };
                let (mut regime, mut tables) =
                    three_levels(VA, [l1, l2, PAGE | ap << 6 | pxn << 53 | uxn << 54]);
                regime.sctlr_el1.set_wxn(wxn);
                regime.tcr_el1.set_hpd0(disabled);
                let mapping = translate(&regime, VA, &mut tables).unwrap().mapping.unwrap();

                // APTable 0b01 takes EL0's access, 0b10 takes writes, 0b11 both.
                let (ap_table, pxn_table, uxn_table) =
                    if disabled { (0, 0, 0) } else { (ap_table, pxn_table, uxn_table) };
                let (el1, el0) = data_permissions(ap);
                let el1_write = el1 == "rw" && ap_table < 2;
                let el0_read = el0 != "--" && ap_table & 1 == 0;
                let el0_write = el0 == "rw" && ap_table == 0;
                let el1_execute = pxn | pxn_table == 0 && !el0_write && !(wxn && el1_write);
                let el0_execute = uxn | uxn_table == 0 && !(wxn && el0_write);
                let expected1 = Permissions { read: true, write: el1_write, execute: el1_execute };
                let expected0 = Permissions { read: el0_read, write: el0_write, execute: el0_execute };
                assert_eq!((mapping.el1, mapping.el0), (expected1, expected0), "{bits:#b} {disabled}");
            }
        }
    }
}

#[test]
fn indirect_permissions_come_from_the_nibble_that_the_descriptor_selects() {
    // Index 0b1011: bits 54, 53, 51, 6.
    let page = PAGE | 1 << 54 | 1 << 51 | 1 << 6;
    let names = [
        "---", "r--", "--x", "r-x", "---", "rw-", "rw-", "rwx", "r--", "r--", "r-x", "---", "rw-", "---",
        "rwx", "---",
    ];
    for (nibble, name) in (0_u64..).zip(names) {
        let (mut regime, mut tables) = three_levels(VA, [L1 | 0b11 << 61, L2, page]);
        regime.tcr2_el1 = Tcr2El1::new().with_pie(true);
        regime.sctlr_el1.set_wxn(true);
        (regime.pir_el1, regime.pire0_el1) = (nibble << 44, !0 ^ nibble << 44);
        let mapping = translate(&regime, VA, &mut tables).unwrap().mapping.unwrap();
        assert_eq!(mapping.el1.to_string(), name);
        assert_eq!(mapping.el0.to_string(), names[15 - nibble as usize]);
    }
    // nDirty takes the write away unless hardware clears it.
    let (mut regime, mut tables) = three_levels(VA, [L1, L2, page | 1 << 7]);
    regime.tcr2_el1 = Tcr2El1::new().with_pie(true);
    regime.pir_el1 = 0x7 << 44;
    let write = |regime: &Regime, tables: &mut Tables| {
        translate(regime, VA, tables).unwrap().mapping.unwrap().el1.write
    };
    assert!(!write(&regime, &mut tables));
    regime.tcr_el1 = regime.tcr_el1.with_ha(true).with_hd(true);
    assert!(write(&regime, &mut tables));
}

#[test]
fn a_page_keeps_its_attributes() {
    let page = PAGE & !(1 << 10) | 0b101 << 2 | 1 << 11 | 1 << 52 | 1 << 59;
    let (mut regime, mut tables) = three_levels(VA, [L1, L2, page]);
    let mapping = translate(&regime, VA, &mut tables).unwrap().mapping.unwrap();
    assert_eq!((mapping.attribute_index, mapping.not_global, mapping.contiguous), (5, true, true));
    assert!(!mapping.access_flag && !mapping.access_flag_by_hardware && !mapping.el0_prevented);
    regime.tcr2_el1 = Tcr2El1::new().with_aie(true);
    assert_eq!(translate(&regime, VA, &mut tables).unwrap().mapping.unwrap().attribute_index, 13);
}

#[test]
fn a_check_gives_the_fault_that_the_target_would_meet() {
    let page = |bits: u64| walk([L1, L2, PAGE & !(1 << 10) | bits]).unwrap();
    let accessed = 1 << 10;
    assert_eq!(page(0).check(Privilege::El1, Access::Read), Err(FaultStatus::AccessFlag { level: 3 }));
    assert_eq!(page(accessed).check(Privilege::El1, Access::Write), Ok(()));
    let permission = Err(FaultStatus::Permission { level: 3 });
    assert_eq!(page(accessed).check(Privilege::El0, Access::Read), permission);
    assert_eq!(page(accessed | 1 << 7).check(Privilege::El1, Access::Write), permission);
    assert_eq!(page(accessed | 1 << 53).check(Privilege::El1, Access::Execute), permission);

    let (mut regime, mut tables) = three_levels(VA, [L1, L2, PAGE & !(1 << 10) | 1 << 6 | 1 << 7 | 1 << 51]);
    regime.tcr_el1.set_e0pd0(true);
    regime.tcr_el1.set_ha(true);
    let found = translate(&regime, VA, &mut tables).unwrap();
    assert_eq!(found.check(Privilege::El0, Access::Read), Err(FaultStatus::Translation { level: 0 }));
    assert_eq!(found.check(Privilege::El1, Access::Read), Ok(()), "hardware sets the access flag");
    assert_eq!(found.check(Privilege::El1, Access::Write), permission);
    regime.tcr_el1.set_hd(true);
    let found = translate(&regime, VA, &mut tables).unwrap();
    assert_eq!(found.check(Privilege::El1, Access::Write), Ok(()), "hardware makes it dirty");
}

proptest! {
    #[test]
    fn any_registers_and_any_tables_end_within_five_reads(
        registers in any::<[u64; 9]>(), large in any::<bool>(), va in any::<u64>(), seed in any::<u64>()
    ) {
        let [sctlr, tcr, tcr2, ttbr0, ttbr1, pir, mmfr0, mmfr1, mmfr2] = registers;
        // Half of the cases are steered to what gets past the first checks.
        let steered = if large { 6 | 2 << 20 | 1 << 28 } else { mmfr0 };
        let regime = Regime {
            sctlr_el1: SctlrEl1::from_bits(sctlr | 1),
            tcr_el1: TcrEl1::from_bits(tcr),
            tcr2_el1: Tcr2El1::from_bits(tcr2 & !0x20),
            ttbr0_el1: Ttbr::from_bits(ttbr0),
            ttbr1_el1: Ttbr::from_bits(ttbr1),
            pir_el1: pir,
            pire0_el1: !pir,
            id_aa64mmfr0_el1: steered,
            id_aa64mmfr1_el1: mmfr1,
            id_aa64mmfr2_el1: mmfr2,
        };
        let mut memory = Noise { seed, set: 0b11, may_be_set: u64::MAX, reads: 0 };
        if let Ok(found) = translate(&regime, va, &mut memory) {
            prop_assert!(found.block.is_power_of_two());
            prop_assert_eq!(found.physical.0 & (found.block - 1), va & (found.block - 1));
            prop_assert!(found.physical.0 < 1 << 52);
        }
        prop_assert!(memory.reads <= 5);
    }
}
