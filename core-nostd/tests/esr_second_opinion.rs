//! Agreement with the `aarch64-esr-decoder` crate, wherever it has an opinion.

// Miri would spend minutes in the other decoder.
#![cfg(not(miri))]

mod iss_fields;

use std::collections::HashMap;

use aarch64_esr_decoder::{FieldInfo, decode};
use iss_fields::{fields, representative};
use trapline_core::registers::SystemRegister;
use trapline_core::syndrome::{ExceptionClass, FaultStatus, Syndrome};

/// Names of the other decoder that differ from the manual's. It calls the Opc1 of `MCRR` "Opc2".
fn manual_name(class: u64, name: &'static str) -> &'static str {
    match (class, name) {
        (0x04 | 0x0c, "Opc2") => "Opc1",
        _ => name,
    }
}

/// Fields that are not decoded here: reserved ones, VECITR, which is unknown, COND without CV, and
/// status codes of classes that always have the same.
fn is_decoded(class: u64, field: &FieldInfo, siblings: &[FieldInfo]) -> bool {
    let valid = |name| siblings.iter().any(|sibling| sibling.name == name && sibling.value == 1);
    match field.name {
        "RES0" | "VECITR" => false,
        "COND" => valid("CV"),
        "RN" => valid("RV"),
        "IFSC" => matches!(class, 0x20 | 0x21),
        // Only an asynchronous SError has a type; the other decoder shows the bits for all.
        "AET" | "EA" => class != 0x2f || siblings.iter().any(|s| s.name == "DFSC" && s.value == 0b010001),
        _ => true,
    }
}

#[test]
fn both_decoders_read_the_same_fields() {
    let mut compared = HashMap::<u64, usize>::new();
    for class in 0..64 {
        for rest in representative() {
            let esr = class << 26 | rest;
            let Ok(theirs) = decode(esr) else { continue };
            let syndrome = Syndrome::decode(esr);
            assert!(!matches!(syndrome.class, ExceptionClass::Reserved(_)), "EC {class:#04x} has a meaning");
            let ours = fields(&syndrome);
            let iss = theirs.iter().find(|field| field.name == "ISS").unwrap();
            for field in iss.subfields.iter().filter(|field| is_decoded(class, field, &iss.subfields)) {
                let name = manual_name(class, field.name);
                let same = ours.iter().find(|ours| ours.name == name);
                let ours = same.map(|ours| (ours.low, ours.high + 1 - ours.low, ours.value));
                let theirs = (field.start as u32, field.width as u32, field.value);
                assert_eq!(ours, Some(theirs), "EC {class:#04x} {name} of {esr:#x}");
                *compared.entry(class).or_default() += 1;
            }
        }
    }
    // Every class that it decodes and that has fields was compared often.
    let rarely: Vec<_> = compared.iter().filter(|(_, count)| **count < 12).collect();
    assert!(compared.len() >= 24 && rarely.is_empty(), "{} classes, rarely {rarely:?}", compared.len());
}

#[test]
fn both_decoders_know_the_same_fault_status_codes() {
    for code in 0..64_u8 {
        let esr = 0x25 << 26 | u64::from(code);
        let ours = FaultStatus::from_bits(code);
        let Ok(theirs) = decode(esr) else {
            // Level -2 came after it, with FEAT_D128.
            let newer = matches!(code, 0b010010 | 0b100010 | 0b101010 | 0b101100);
            assert!(newer || ours == FaultStatus::Reserved(code), "{code:#08b}: {ours}");
            continue;
        };
        let iss = theirs.iter().find(|field| field.name == "ISS").unwrap();
        let status = iss.subfields.iter().find(|field| field.name == "DFSC").unwrap();
        let theirs = status.description.clone().unwrap().to_lowercase();
        let words = ours.to_string().to_lowercase();
        let (kind, level) = words.split_once(", level ").unwrap_or((&words, ""));
        for word in kind.split([' ', '(', ')']).filter(|word| !matches!(*word, "" | "a" | "table" | "walk")) {
            assert!(theirs.contains(word), "{code:#08b}: {words:?} and {theirs:?}");
        }
        assert_eq!(kind.contains("walk"), theirs.contains("walk") && !theirs.contains("not on"), "{words:?}");
        let their_level = theirs.split_once("level ").map_or("", |(_, rest)| rest);
        let their_level: String =
            their_level.chars().take_while(|letter| letter.is_ascii_digit() || *letter == '-').collect();
        assert_eq!(level, their_level, "{code:#08b}: {words:?} and {theirs:?}");
    }
}

#[test]
fn both_decoders_give_system_registers_the_same_names() {
    let mut unknown = 0;
    for &(register, name) in SystemRegister::named() {
        let encoding = |value: u8, low: u32| u64::from(value) << low;
        let esr = 0x18 << 26
            | encoding(register.op0(), 20)
            | encoding(register.op2(), 17)
            | encoding(register.op1(), 14)
            | encoding(register.crn(), 10)
            | encoding(register.crm(), 1)
            | 1;
        let theirs = decode(esr).unwrap();
        let iss = theirs.iter().find(|field| field.name == "ISS").unwrap();
        let theirs = iss.description.as_deref().unwrap();
        if theirs == "MRS x0, unknown" {
            unknown += 1;
        } else {
            assert_eq!(theirs, format!("MRS x0, {name}"));
        }
        let ours = Syndrome::decode(esr).to_string();
        assert_eq!(ours, format!("trapped MSR, MRS or system instruction: MRS X0, {name}"));
    }
    let known = SystemRegister::named().len() - unknown;
    assert!(known > 100, "the other decoder names {known} registers only");
}
