//! All 64 exception classes with representative syndromes, against bit ranges written from DDI 0487.

mod iss_fields;

use iss_fields::{Field, fields, representative};
use trapline_core::syndrome::{Details, ExceptionClass, Syndrome};

/// Miri, which takes a hundred times as long, sees only some.
const STEP: usize = if cfg!(miri) { 61 } else { 1 };

const IL: u64 = 1 << 25;

fn esr(class: u64, rest: u64) -> u64 {
    class << 26 | rest
}

#[test]
fn every_field_of_every_class_has_the_value_of_its_bits() {
    let mut compared = 0;
    for class in 0..64 {
        for rest in representative().into_iter().step_by(STEP) {
            let esr = esr(class, rest);
            let syndrome = Syndrome::decode(esr);
            assert_eq!(u64::from(syndrome.class.into_bits()), class);
            assert_eq!(syndrome.esr.into_bits(), esr);
            for Field { name, high, low, value } in fields(&syndrome) {
                let bits = esr >> low & ((1 << (high - low + 1)) - 1);
                assert_eq!(value, bits, "EC {class:#04x} {name} of {esr:#x}");
                compared += 1;
            }
        }
    }
    assert!(compared > 50_000 / STEP);
}

/// The bits that a class defines, from the ISS encodings of DDI 0487 (EC, bits of the ISS that are not
/// reserved where every field is valid).
const DEFINED: [(u64, u64); 43] = [
    (0x00, 0),
    (0x01, 0x1f0_03e7),
    (0x03, 0x1ff_ffff),
    (0x04, 0x1ff_7fff),
    (0x05, 0x1ff_ffff),
    (0x06, 0x1ff_f3ff),
    (0x07, 0x1f0_0000),
    (0x08, 0x1ff_ffff),
    (0x09, 0),
    (0x0a, 0x1ff_ffff),
    (0x0c, 0x1ff_7fff),
    (0x0d, 0x3),
    (0x0e, 0),
    (0x11, 0xffff),
    (0x12, 0xffff),
    (0x13, 0x1f8_0000),
    (0x14, 0x3f_ffdf),
    (0x15, 0xffff),
    (0x16, 0xffff),
    (0x17, 0xffff),
    (0x18, 0x3f_ffff),
    (0x19, 0),
    (0x1a, 0x3),
    (0x1b, 0x3e0),
    (0x1c, 0x3),
    (0x1d, 0x7),
    (0x1e, 0x3f_e1ff),
    (0x20, 0x1ebf),
    (0x21, 0x1ebf),
    (0x22, 0),
    (0x24, 0xfff_01ff_ffff),
    (0x25, 0xfff_01ff_ffff),
    (0x26, 0),
    (0x27, 0x1ff_7fff),
    (0x28, 0x80_009f),
    (0x2c, 0x80_009f),
    (0x30, 0),
    (0x32, 0x100_0040),
    (0x33, 0x100_0040),
    (0x34, 0xff_a57f),
    (0x35, 0xff_a57f),
    (0x38, 0xffff),
    (0x3c, 0xffff),
];

#[test]
fn no_defined_bit_is_left_out() {
    for (class, defined) in DEFINED {
        // All ones makes every field valid.
        let syndrome = Syndrome::decode(esr(class, 0x00ff_ffff_01ff_ffff));
        let decoded = fields(&syndrome)
            .iter()
            .fold(0_u64, |mask, field| mask | ((1 << (field.high - field.low + 1)) - 1) << field.low);
        assert_eq!(decoded, defined, "EC {class:#04x}");
    }
}

#[test]
fn exactly_the_classes_of_the_manual_have_a_meaning() {
    let meant = DEFINED.iter().map(|(class, _)| *class).chain([0x1f, 0x2d, 0x2f, 0x31, 0x3a, 0x3d]);
    let mut expected: Vec<_> = meant.collect();
    expected.sort_unstable();
    let known: Vec<u64> = (0..64)
        .filter(|class| !matches!(Syndrome::decode(esr(*class, 0)).class, ExceptionClass::Reserved(_)))
        .collect();
    assert_eq!(known, expected);
}

#[test]
fn a_class_without_a_meaning_keeps_its_number_and_its_iss() {
    let syndrome = Syndrome::decode(0xfe12_3456);
    assert_eq!(syndrome.class, ExceptionClass::Reserved(0x3f));
    assert_eq!(syndrome.details, Details::Raw(0x12_3456));
    assert!(syndrome.il);
    assert_eq!(syndrome.to_string(), "exception of reserved class 0x3f, ISS 0x123456");
}

#[test]
fn every_syndrome_has_words() {
    for class in 0..64 {
        for rest in representative().into_iter().step_by(STEP) {
            for il in [0, IL] {
                let syndrome = Syndrome::decode(esr(class, rest | il));
                let words = syndrome.to_string();
                assert!(words.starts_with(&syndrome.class.to_string()), "{words}");
                assert!(!words.contains("  ") && !words.ends_with([' ', ',', ':']), "{words:?}");
                assert_eq!(syndrome.il, il != 0);
            }
        }
    }
}

#[test]
fn syndromes_of_a_debugger_and_a_hypervisor_in_words() {
    for (esr, words) in [
        (0x0200_0000, "undefined instruction or unknown reason"),
        (0x07e0_0000, "trapped WFI or WFE: WFI"),
        (0x07e0_0087, "trapped WFI or WFE: WFET X4"),
        (0x0fe0_0001, "trapped MCR or MRC of coprocessor 15: MRC 0, X0, C0, C0, 0"),
        (0x13e0_0862, "trapped MCRR or MRRC of coprocessor 15: MCRR 0, X3, X2, C1"),
        (0x1be0_2061, "trapped LDC or STC: LDC at X3 minus 2 words"),
        (0x1fe0_0000, "trapped SIMD or floating-point access"),
        (0x2a00_0002, "trapped LD64B, ST64B or other instruction: LD64B or ST64B"),
        (0x3600_0003, "branch target exception after BR"),
        (0x3a00_0000, "illegal execution state"),
        (0x5600_002a, "SVC #0x2a"),
        (0x5a00_0001, "HVC #0x1"),
        (0x5e00_0000, "SMC #0x0"),
        (0x6230_0061, "trapped MSR, MRS or system instruction: MRS X3, MIDR_EL1"),
        (0x6224_00e4, "trapped MSR, MRS or system instruction: MSR MDSCR_EL1, X7"),
        (0x6220_03f6, "trapped MSR, MRS or system instruction: MSR S2_0_C0_C11_0, XZR"),
        (0x6600_0000, "trapped SVE access"),
        (0x6a00_0002, "trapped ERET: ERETAA"),
        (0x7200_0003, "pointer authentication failure with key DB"),
        (0x7600_0002, "trapped SME access, illegal outside Streaming SVE mode"),
        (0x8200_000e, "instruction abort from a lower level, permission fault, level 2"),
        (0x8600_0610, "instruction abort, external abort, recoverable, address not valid"),
        (0x9600_0045, "data abort on a write, translation fault, level 1"),
        (0x93c5_8006, "data abort from a lower level on a read of 8 bytes to X5, translation fault, level 2"),
        (
            0x931f_0046,
            "data abort from a lower level on a write of 1 byte from WZR, translation fault, level 2",
        ),
        (0x9600_0121, "data abort on cache maintenance, alignment fault"),
        (0x9e00_0841, "memory copy or set exception: CPYM to X2 from X2, size in X1"),
        (0xb080_0002, "floating-point exception, divide by zero"),
        (0xb600_0022, "guarded control stack exception, data check of a return with key A"),
        (0xb600_0028, "guarded control stack exception, data check of GCSPOPCX"),
        (0xbe00_0011, "SError, uncontainable"),
        (0xbf00_0abc, "SError, implementation defined 0xabc"),
        (0xc200_0022, "breakpoint from a lower level"),
        (0xc600_0022, "breakpoint"),
        (0xcb00_0062, "software step from a lower level of a load exclusive"),
        (0xcf00_0022, "software step"),
        (0xd200_0062, "watchpoint from a lower level on a write"),
        (0xd60e_8522, "watchpoint on cache maintenance, number 3, address not precise, address not valid"),
        (0xe000_00ab, "BKPT #0xab"),
        (0xf200_03e8, "BRK #0x3e8"),
    ] {
        assert_eq!(Syndrome::decode(esr).to_string(), words, "{esr:#x}");
    }
}
