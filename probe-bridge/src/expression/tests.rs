//! Expressions compiled and evaluated.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use trapline_core::agent::{Environment, evaluate};

use super::compile;

/// Registers by number, and memory that begins at 0x1000.
struct Core {
    registers: BTreeMap<u16, u64>,
    memory: Vec<u8>,
}

impl Environment for Core {
    type Error = u64;

    fn register(&mut self, number: u16) -> Result<u64, u64> {
        self.registers.get(&number).copied().ok_or(number.into())
    }

    fn read(&mut self, address: u64, buffer: &mut [u8]) -> Result<(), u64> {
        let start = usize::try_from(address.wrapping_sub(0x1000)).map_err(|_| address)?;
        let end = start.checked_add(buffer.len()).ok_or(address)?;
        buffer.copy_from_slice(self.memory.get(start..end).ok_or(address)?);
        Ok(())
    }

    fn print(&mut self, _: &str) {}
}

fn symbol(name: &str) -> Result<u64> {
    match name {
        "table" => Ok(0x1000),
        "packed::VALUE" => Ok(0x1008),
        other => bail!("there is no symbol '{other}'"),
    }
}

fn value(text: &str) -> u64 {
    let code = compile(text, false, &symbol).unwrap_or_else(|error| panic!("{text}: {error}"));
    let mut core = Core {
        registers: BTreeMap::from([(0, 5), (1, u64::MAX), (29, 0x1000), (31, 0x1008), (0xc100, 0x4000)]),
        memory: vec![1, 2, 3, 4, 0xff, 0xff, 0xff, 0xff, 0x10, 0x20, 0, 0, 0, 0, 0, 0x80],
    };
    evaluate(&code, &mut core).unwrap_or_else(|error| panic!("{text}: {error:?}"))
}

fn error(text: &str) -> String {
    compile(text, false, &symbol).map(|code| format!("{code:x?}")).unwrap_err().to_string()
}

#[test]
fn operators_bind_as_in_c() {
    for (text, expected) in [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("10 - 4 - 3", 3),
        ("1 << 4 | 3", 19),
        ("6 & 3 == 3", 0),
        ("7 % 4 / 2", 1),
        ("2 ^ 3 & 1", 3),
        ("!0 + !5", 1),
        ("~0 == -1", 1),
        ("- -3", 3),
        ("3 < 4 == 1", 1),
        ("0x10 + 010 + 0b11 + 1_000", 16 + 8 + 3 + 1000),
        ("'A' + '\\n'", 75),
    ] {
        assert_eq!(value(text), expected, "{text}");
    }
}

#[test]
fn comparisons_are_all_there_signed_and_not() {
    for (text, expected) in [
        ("3 <= 3 && 3 >= 3 && 2 < 3 && 3 > 2 && 2 != 3", 1),
        ("4 <= 3 || 2 >= 3 || 3 < 2 || 2 > 3 || 3 != 3", 0),
        ("$x1 < 0", 1),
        ("(u64)$x1 < 0", 0),
        ("(u64)$x1 > 5", 1),
        ("-1 < table", 0),
        ("-8 / 2 == -4 && -8 % 3 == -2 && -8 >> 1 == -4", 1),
        ("(u64)-8 >> 63", 1),
    ] {
        assert_eq!(value(text), expected, "{text}");
    }
}

#[test]
fn the_right_side_is_evaluated_only_where_it_decides() {
    // Address 0 cannot be read.
    for (text, expected) in
        [("0 && *(u8*)0", 0), ("1 || *(u8*)0", 1), ("5 && 3", 1), ("0 || 0", 0), ("0 || 2 && 3", 1)]
    {
        assert_eq!(value(text), expected, "{text}");
    }
}

#[test]
fn registers_are_named_as_in_gdb() {
    for (text, expected) in [
        ("$x0", 5),
        ("$X0 + 1", 6),
        ("$w1", 0xffff_ffff),
        ("$fp", 0x1000),
        ("$sp - $x29", 8),
        ("$ttbr0_el1", 0x4000),
    ] {
        assert_eq!(value(text), expected, "{text}");
    }
    for wrong in ["$", "$x31", "$nothing", "$xpc"] {
        assert!(compile(wrong, false, &symbol).is_err(), "{wrong}");
    }
}

#[test]
fn memory_is_read_by_type() {
    for (text, expected) in [
        ("*(u32*)table", 0x0403_0201),
        ("*(unsigned char*)(table + 1)", 2),
        ("*(u16 *)&packed::VALUE", 0x2010),
        ("*(int*)(table + 4)", u64::MAX),
        ("*(long*)packed::VALUE < 0", 1),
        ("*((u8*)table + 3)", 4),
        ("*((u32*)table + 1)", 0xffff_ffff),
        ("((u32*)$fp)[2]", 0x2010),
        ("((u8*)table)[*(u8*)table]", 2),
        ("(u8*)0x1010 - (u8*)table", 16),
        ("(i8)0x80", 0xffff_ffff_ffff_ff80),
        ("(unsigned char)0x1ff", 0xff),
    ] {
        assert_eq!(value(text), expected, "{text}");
    }
}

#[test]
fn what_is_no_expression_is_refused_with_its_reason() {
    for (text, reason) in [
        ("", "the expression ends too early"),
        ("1 +", "the expression ends too early"),
        ("(1", "')' is missing at the end"),
        ("1 2", "'2' has no place there"),
        ("$x0 = 3", "write == to compare; an expression changes nothing"),
        ("nothing == 1", "there is no symbol 'nothing'"),
        ("*table", "say what is there before it is read, as in *(u32*)address"),
        ("1 + (u8*)2", "write the pointer before the number that is added to it"),
        ("#", "'#' has no place in an expression"),
        ("08", "'08' is no number of at most 64 bits: invalid digit found in string"),
    ] {
        assert_eq!(error(text), reason, "{text}");
    }
    let deep = format!("{}1{}", "(".repeat(10_000), ")".repeat(10_000));
    assert_eq!(error(&deep), "the expression is nested too deeply");
    let wide = format!("1{}", " + (1".repeat(40)) + &")".repeat(40);
    assert!(error(&wide).contains("more than 32 values"), "{}", error(&wide));
}
