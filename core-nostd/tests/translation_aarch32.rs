//! AArch32 walks, short and long descriptors, against tables that are built here by the formats of
//! DDI 0487, "The AArch32 Virtual Memory System Architecture".

mod table_memory;

use proptest::prelude::*;
use table_memory::{NoMemory, Noise, Tables};
use trapline_core::address::PhysicalAddress;
use trapline_core::registers::SctlrEl1;
use trapline_core::syndrome::FaultStatus;
use trapline_core::translation::aarch32::{Regime, translate};
use trapline_core::translation::{Access, Mapping, Privilege, Translation, TranslationError};

/// Miri, which takes a hundred times as long, sees only some.
const STEP: usize = if cfg!(miri) { 173 } else { 1 };

const MMU: SctlrEl1 = SctlrEl1::from_bits(1);
const AFE: u64 = 1 << 29;
/// All domains are clients.
const CLIENTS: u32 = 0x5555_5555;

fn short() -> Regime {
    Regime { sctlr: MMU, ttbr0: 0x4000_0000, ttbr1: 0x5000_4000, dacr: CLIENTS, ..Regime::default() }
}

#[expect(clippy::unwrap_used, reason = "a test that expects a mapping fails without one")]
fn mapping(found: Result<Translation, TranslationError<NoMemory>>) -> Mapping {
    found.unwrap().mapping.unwrap()
}

#[test]
fn an_mmu_that_is_off_maps_flat() {
    let found = translate(&Regime::default(), 0xffff_0010, &mut Tables::default()).unwrap();
    assert_eq!((found.physical.0, found.block, found.mapping), (0xffff_0010, 1 << 32, None));
}

#[test]
fn short_descriptors_map_sections_supersections_and_both_pages() {
    const VA: u32 = 0xc12a_b678;
    let first = 0x4000_0000 + 0xc12 * 4;
    let second = 0x4800_0400 + 0xab * 4;
    for (first_word, second_word, physical, block, level) in [
        (0x8760_0002, 0, 0x876a_b678, 1 << 20, 1),           // section
        (0x87b4_01a2, 0, 0xdb_872a_b678, 1 << 24, 1),        // supersection: 0x87, [35:32]=b, [39:36]=d
        (0x4800_0401, 0x8765_0001, 0x8765_b678, 1 << 16, 2), // large page
        (0x4800_0401, 0x8765_4002, 0x8765_4678, 1 << 12, 2), // small page
        (0x4800_0401, 0x8765_4003, 0x8765_4678, 1 << 12, 2), // small page, XN
    ] {
        for big_endian in [false, true] {
            let mut tables = Tables::default();
            tables.big_endian = big_endian;
            tables.put(first, 4, first_word);
            tables.put(second, 4, second_word);
            let mut regime = short();
            regime.sctlr.set_ee(big_endian);
            let found = translate(&regime, VA, &mut tables).unwrap_or_else(|error| panic!("{error:?}"));
            assert_eq!((found.physical.0, found.block), (physical, block), "{first_word:#x}");
            assert_eq!(found.mapping.unwrap().level, level);
        }
    }
    for (first_word, second_word, level) in [(0, 0, 1), (0x4800_0401, 0x8765_4000, 2)] {
        let mut tables = Tables::default();
        tables.put(first, 4, first_word);
        tables.put(second, 4, second_word);
        let error = translate(&short(), VA, &mut tables).unwrap_err();
        assert_eq!(error, TranslationError::NotMapped { address: u64::from(VA), level });
        assert_eq!(error.fault_status(), Some(FaultStatus::Translation { level }));
    }
    let address = PhysicalAddress(first);
    let error = translate(&short(), VA, &mut Tables::default()).unwrap_err();
    assert_eq!(error, TranslationError::Memory { address, error: NoMemory, level: 1 });
}

#[test]
fn ttbcr_n_divides_the_address_space() {
    for n in 0..8_u32 {
        let limit = 1_u64 << (32 - n);
        for va in [0, limit - 1, limit, 0xffff_ffff_u64] {
            let Ok(va) = u32::try_from(va) else { continue };
            let mut tables = Tables::default();
            // TTBR0's table is 16 KiB >> N large and may lie at any multiple of that.
            let base0 = 0x4000_0000 + (0x4000 >> n) * 5;
            tables.put(base0 + u64::from(va >> 20) * 4, 4, 0x1000_0002);
            tables.put(0x5000_4000 + u64::from(va >> 20) * 4, 4, 0x2000_0002);
            let regime = Regime { ttbcr: u64::from(n), ttbr0: base0 | 0x5b, ttbr1: 0x5000_405b, ..short() };
            let lower = n == 0 || u64::from(va) < limit;
            let expected = if lower { 0x1000_0000 } else { 0x2000_0000 } | u64::from(va & 0xf_ffff);
            assert_eq!(translate(&regime, va, &mut tables).unwrap().physical.0, expected, "{n} {va:#x}");
            // PD0 and PD1.
            let disabled = Regime { ttbcr: u64::from(n) | if lower { 1 << 4 } else { 1 << 5 }, ..regime };
            let error = TranslationError::WalkDisabled { address: u64::from(va), level: 1 };
            assert_eq!(translate(&disabled, va, &mut tables), Err(error));
            assert_eq!(error.fault_status(), Some(FaultStatus::Translation { level: 1 }));
            let other = Regime { ttbcr: u64::from(n) | if lower { 1 << 5 } else { 1 << 4 }, ..regime };
            assert!(translate(&other, va, &mut tables).is_ok());
        }
    }
}

/// One short descriptor of each kind with these attribute bits; the bit numbers are the formats' own.
fn short_leaf(kind: usize, ap: u32, xn: u32, pxn: u32, domain: u32) -> Tables {
    let mut tables = Tables::default();
    let (ap2, ap10) = (ap >> 2, ap & 3);
    let table = 0x4800_0001 | domain << 5 | pxn << 2;
    match kind {
        0 => {
            tables.put(
                0x4000_0000,
                4,
                u64::from(0b10 | domain << 5 | ap2 << 15 | ap10 << 10 | xn << 4 | pxn),
            );
        }
        1 => {
            tables.put(0x4000_0000, 4, u64::from(table));
            tables.put(0x4800_0000, 4, u64::from(0b01 | ap2 << 9 | ap10 << 4 | xn << 15));
        }
        _ => {
            tables.put(0x4000_0000, 4, u64::from(table));
            tables.put(0x4800_0000, 4, u64::from(0b10 | ap2 << 9 | ap10 << 4 | xn));
        }
    }
    tables
}

/// AP\[2:0\] of the short format without an access flag: EL1, EL0.
fn short_permissions(ap: u32) -> (&'static str, &'static str) {
    match ap {
        0b000 | 0b100 => ("--", "--"),
        0b001 => ("rw", "--"),
        0b010 => ("rw", "r-"),
        0b011 => ("rw", "rw"),
        0b101 => ("r-", "--"),
        _ => ("r-", "r-"),
    }
}

/// The same with AP\[0\] as the access flag, by AP\[2:1\]; long descriptors are alike.
fn simple_permissions(ap: u32) -> (&'static str, &'static str) {
    match ap {
        0b00 => ("rw", "--"),
        0b01 => ("rw", "rw"),
        0b10 => ("r-", "--"),
        _ => ("r-", "r-"),
    }
}

fn with_execute(data: (&str, &str), xn: u32, pxn: u32, wxn: bool, uwxn: bool) -> (String, String) {
    let (el1, el0) = data;
    let writable = |data: &str| data.ends_with('w');
    let el1_x = el1 != "--" && xn | pxn == 0 && !(wxn && writable(el1)) && !(uwxn && writable(el0));
    let el0_x = el0 != "--" && xn == 0 && !(wxn && writable(el0));
    let letter = |execute| if execute { "x" } else { "-" };
    (format!("{el1}{}", letter(el1_x)), format!("{el0}{}", letter(el0_x)))
}

#[test]
fn short_permissions_follow_ap_domain_and_execute_never() {
    // A step that has no factor with 256 comes by every value of every field.
    for bits in (0..1_u32 << 8).step_by(if cfg!(miri) { 29 } else { 1 }) {
        let flag = |number: u32| bits >> number & 1;
        let (ap, xn, pxn) = (bits & 7, flag(3), flag(4));
        let (wxn, uwxn, afe) = (flag(5) == 1, flag(6) == 1, flag(7) == 1);
        for kind in 0..3 {
            let mut tables = short_leaf(kind, ap, xn, pxn, 9);
            let mut regime = short();
            regime.sctlr = SctlrEl1::from_bits(1 | if afe { AFE } else { 0 } | u64::from(flag(6)) << 20);
            regime.sctlr.set_wxn(wxn);
            let data = if afe { simple_permissions(ap >> 1) } else { short_permissions(ap) };
            let expected = with_execute(data, xn, pxn, wxn, uwxn);
            let found = mapping(translate(&regime, 0, &mut tables));
            assert_eq!((found.el1.to_string(), found.el0.to_string()), expected, "{bits:#b} {kind}");
            assert_eq!(found.access_flag, !afe || ap & 1 == 1);
            // Domain 9: no access, then manager.
            for (dacr, expected) in [(CLIENTS & !(3 << 18), "---"), (CLIENTS | 3 << 18, "rwx")] {
                let found = mapping(translate(&Regime { dacr, ..regime }, 0, &mut tables));
                assert_eq!(
                    (found.el1.to_string(), found.el0.to_string()),
                    (expected.into(), expected.into())
                );
            }
        }
    }
}

#[test]
fn short_attributes_are_those_of_their_format() {
    // TEX 0b101, C 0, B 1, nG 1, in the bits of section, large page and small page.
    for (first, second) in [
        (0b10 | 5 << 12 | 1 << 2 | 1 << 17 | 1 << 10, 0),
        (0x4800_0001, 0b01 | 5 << 12 | 1 << 2 | 1 << 11),
        (0x4800_0001, 0b10 | 5 << 6 | 1 << 2 | 1 << 11),
    ] {
        let mut tables = Tables::default();
        tables.put(0x4000_0000, 4, first);
        tables.put(0x4800_0000, 4, second);
        let found = mapping(translate(&short(), 0, &mut tables));
        assert_eq!((found.attribute_index, found.not_global), (0b1_0101, true), "{first:#x}");
    }
}

/// TTBCR.EAE: the long format.
const EAE: u64 = 1 << 31;

fn long(t0sz: u64) -> Regime {
    // The upper bits of TTBR0 are the ASID.
    Regime { sctlr: MMU, ttbcr: EAE | t0sz, ttbr0: 0x00ab_0000_0000_1000, ..Regime::default() }
}

const VA: u32 = 0x2123_4567;
const PAGE: u64 = 0x12_3456_7000 | 0b11 | 1 << 10;

/// Three levels for `VA` from T0SZ 0 on: entry 0 of level 1, 0x109 of level 2, 0x34 of level 3.
fn three_levels(descriptors: [u64; 3]) -> Tables {
    let mut tables = Tables::default();
    for (address, descriptor) in [0x1000, 0x2848, 0x31a0].into_iter().zip(descriptors) {
        tables.put(address, 8, descriptor);
    }
    tables
}

#[test]
fn long_descriptors_map_blocks_and_pages_from_either_first_level() {
    // (T0SZ, the entries on the way, physical address, log2 of the size, level)
    for (t0sz, entries, physical, bits, level) in [
        (0, &[(0x1000, 0x12_4000_0401)][..], 0x12_6123_4567, 30, 1),
        (1, &[(0x1000, 0x12_4000_0401)], 0x12_6123_4567, 30, 1),
        (0, &[(0x1000, 0x2003), (0x2848, 0x12_3460_0401)], 0x12_3463_4567, 21, 2),
        (0, &[(0x1000, 0x2003), (0x2848, 0x3003), (0x31a0, PAGE)], 0x12_3456_7567, 12, 3),
        // With 30 bits and fewer the first level is 2.
        (2, &[(0x1848, 0x12_3460_0401)], 0x12_3463_4567, 21, 2),
        (2, &[(0x1848, 0x3003), (0x31a0, PAGE)], 0x12_3456_7567, 12, 3),
    ] {
        for big_endian in [false, true] {
            let mut tables = Tables::default();
            tables.big_endian = big_endian;
            for (address, word) in entries {
                tables.put(*address, 8, *word);
            }
            let mut regime = long(t0sz);
            regime.sctlr.set_ee(big_endian);
            let found = translate(&regime, VA, &mut tables).unwrap_or_else(|error| panic!("{error:?}"));
            assert_eq!((found.physical.0, found.block), (physical, 1 << bits));
            assert_eq!(found.mapping.unwrap().level, level);
        }
    }
    // The smallest region, 25 bits, has 16 entries and is aligned to 128 bytes.
    let mut tables = Tables::default();
    tables.put(0x1080 + 9 * 8, 8, 0x12_3460_0401);
    let small = Regime { ttbr0: 0x10ff, ..long(7) };
    assert_eq!(translate(&small, 0x0123_4567, &mut tables).unwrap().physical.0, 0x12_3463_4567);
}

#[test]
fn t0sz_and_t1sz_divide_the_address_space() {
    // "Use of TTBR0 and TTBR1 in the Long-descriptor format": the last address of TTBR0 and the first
    // of TTBR1.
    for t0sz in 0..8_u64 {
        for t1sz in 0..8_u64 {
            let (last0, first1) = match (t0sz, t1sz) {
                (0, 0) => (0xffff_ffff, 1 << 32),
                (0, n) => ((1 << 32) - (1 << (32 - n)) - 1, (1 << 32) - (1 << (32 - n))),
                (n, 0) => ((1 << (32 - n)) - 1, 1 << (32 - n)),
                (n, m) => ((1 << (32 - n)) - 1, (1 << 32) - (1 << (32 - m))),
            };
            for va in [0, last0, last0 + 1, first1 - 1, first1, 0xffff_ffff] {
                let Ok(va) = u32::try_from(va) else { continue };
                let address = u64::from(va);
                let mut regime = Regime { ttbr0: 0x1_0000_0000, ttbr1: 0x2_0000_0000, ..long(t0sz) };
                regime.ttbcr |= t1sz << 16;
                // No table is there, so the address of the read tells which was walked.
                let error = translate(&regime, va, &mut Tables::default()).unwrap_err();
                let walked = match error {
                    TranslationError::Memory { address, .. } => address.0 >> 32,
                    TranslationError::OutOfRange { level: 1, .. } => 0,
                    other => panic!("{other:?}"),
                };
                let expected = match address {
                    va if va <= last0 => 1,
                    va if va >= first1 => 2,
                    _ => 0,
                };
                assert_eq!(walked, expected, "T0SZ {t0sz} T1SZ {t1sz} {va:#x}");
                // EPD0 and EPD1.
                if walked != 0 {
                    regime.ttbcr |= if walked == 1 { 1 << 7 } else { 1 << 23 };
                    let disabled = TranslationError::WalkDisabled { address, level: 1 };
                    assert_eq!(translate(&regime, va, &mut Tables::default()), Err(disabled));
                }
            }
        }
    }
}

#[test]
fn long_descriptors_fault_at_their_level() {
    let address = u64::from(VA);
    let not_mapped = |level| TranslationError::NotMapped { address, level };
    let beyond = |output, level| TranslationError::AddressSize { output: PhysicalAddress(output), level };
    for (descriptors, error) in [
        ([0, 0x3003, PAGE], not_mapped(1)),
        ([0x2003, 0x12_3460_0400, PAGE], not_mapped(2)),
        ([0x2003, 0x3003, PAGE & !1], not_mapped(3)),
        ([0x2003, 0x3003, PAGE & !2], not_mapped(3)),
        ([0x2003 | 1 << 40, 0x3003, PAGE], beyond(0x100_0000_2000, 1)),
        ([0x2003, 0x3003 | 1 << 47, PAGE], beyond(0x8000_0000_3000, 2)),
        ([0x2003, 0x3003, PAGE | 1 << 41], beyond(0x212_3456_7000, 3)),
    ] {
        assert_eq!(translate(&long(0), VA, &mut three_levels(descriptors)), Err(error));
    }
    let wide = Regime { ttbr0: 1 << 40, ..long(0) };
    assert_eq!(translate(&wide, VA, &mut Tables::default()), Err(beyond(1 << 40, 0)));
}

#[test]
fn long_permissions_follow_descriptor_tables_and_execute_never() {
    for bits in (0..1_u64 << 10).step_by(STEP) {
        let flag = |number: u32| (bits >> number & 1) as u32;
        let (ap, pxn, xn) = (bits & 3, flag(2), flag(3));
        let (ap_table, pxn_table, xn_table) = (bits >> 4 & 3, flag(6), flag(7));
        let (wxn, uwxn) = (flag(8) == 1, flag(9) == 1);
        let limits = ap_table << 61 | u64::from(xn_table) << 60 | u64::from(pxn_table) << 59;
        let page = PAGE | ap << 6 | u64::from(pxn) << 53 | u64::from(xn) << 54;
        for hpd in [false, true] {
            let mut regime = long(0);
            regime.sctlr = SctlrEl1::from_bits(1 | u64::from(uwxn) << 20).with_wxn(wxn);
            // T2E with TTBCR2.HPD0; without T2E it does not count.
            regime.ttbcr |= 1 << 41 | if hpd { 1 << 6 } else { 0 };
            let (ap_table, pxn_table, xn_table) =
                if hpd { (0, 0, 0) } else { (ap_table, pxn_table, xn_table) };
            // APTable[1] makes read-only, APTable[0] takes EL0's access.
            let effective = (ap as u32 & !(ap_table as u32 & 1)) | ap_table as u32 & 2;
            let expected =
                with_execute(simple_permissions(effective), xn | xn_table, pxn | pxn_table, wxn, uwxn);
            for descriptors in [[0x2003 | limits, 0x3003, page], [0x2003, 0x3003 | limits, page]] {
                let found = mapping(translate(&regime, VA, &mut three_levels(descriptors)));
                assert_eq!((found.el1.to_string(), found.el0.to_string()), expected, "{bits:#b} {hpd}");
            }
        }
    }
}

#[test]
fn long_attributes_are_those_of_the_descriptor() {
    let page = PAGE & !(1 << 10) | 6 << 2 | 1 << 11 | 1 << 52;
    let found = translate(&long(0), VA, &mut three_levels([0x2003, 0x3003, page])).unwrap();
    assert_eq!(found.check(Privilege::El1, Access::Read), Err(FaultStatus::AccessFlag { level: 3 }));
    let found = found.mapping.unwrap();
    assert_eq!((found.attribute_index, found.not_global, found.contiguous), (6, true, true));
}

proptest! {
    #[test]
    fn any_registers_and_any_tables_end_without_a_panic(
        registers in any::<[u64; 4]>(), dacr in any::<u32>(), va in any::<u32>(), seed in any::<u64>()
    ) {
        let [sctlr, ttbcr, ttbr0, ttbr1] = registers;
        let regime = Regime { sctlr: SctlrEl1::from_bits(sctlr | 1), ttbcr, ttbr0, ttbr1, dacr };
        // Output addresses within 40 bits, so that walks go on.
        let mut memory = Noise { seed, set: 0, may_be_set: !(0xff << 40), reads: 0 };
        if let Ok(found) = translate(&regime, va, &mut memory) {
            prop_assert!(found.block.is_power_of_two() && found.physical.0 < 1 << 40);
            prop_assert_eq!(found.physical.0 & (found.block - 1), u64::from(va) & (found.block - 1));
        }
        prop_assert!(memory.reads <= 3);
    }
}
