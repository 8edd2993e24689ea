//! The target description, `target.xml`: which registers there are, by the names that gdb and lldb know.
//!
//! It is written anew for each part of it that the client asks for, through a window that keeps only
//! the bytes wanted; so it needs no memory of its own.

use core::fmt::{self, Write};

/// Writes the `length` bytes of the description from `offset` on into `out`, as far as there are so
/// many and `out` has room, and returns how many it wrote.
pub(super) fn read(offset: u64, length: usize, out: &mut [u8]) -> usize {
    let wanted = length.min(out.len());
    let mut window = Window { skip: offset, out: out.get_mut(..wanted).unwrap_or_default(), written: 0 };
    // The window itself never fails, so neither does the document.
    let _ = document(&mut window);
    window.written
}

/// A writer that drops the first `skip` bytes and what no longer fits into `out`.
struct Window<'a> {
    skip: u64,
    out: &'a mut [u8],
    written: usize,
}

impl Write for Window<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for &byte in text.as_bytes() {
            if self.skip > 0 {
                self.skip -= 1;
            } else if let Some(place) = self.out.get_mut(self.written) {
                *place = byte;
                self.written += 1;
            }
        }
        Ok(())
    }
}

fn document(out: &mut impl Write) -> fmt::Result {
    out.write_str(concat!(
        r#"<?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd">"#,
        r#"<target version="1.0"><architecture>aarch64</architecture>"#,
    ))?;
    core_feature(out)?;
    fpu_feature(out)?;
    out.write_str("</target>")
}

/// `org.gnu.gdb.aarch64.core`, with the generic roles that lldb looks for.
fn core_feature(out: &mut impl Write) -> fmt::Result {
    out.write_str(r#"<feature name="org.gnu.gdb.aarch64.core">"#)?;
    out.write_str(r#"<flags id="cpsr_flags" size="4">"#)?;
    for (name, bit) in CPSR_FLAGS {
        write!(out, r#"<field name="{name}" start="{bit}" end="{bit}"/>"#)?;
    }
    out.write_str(concat!(
        r#"<field name="BTYPE" start="10" end="11"/>"#,
        r#"<field name="EL" start="2" end="3"/>"#,
        r#"</flags>"#,
    ))?;
    for number in 0..31 {
        let role = match number {
            0..=7 => ["arg1", "arg2", "arg3", "arg4", "arg5", "arg6", "arg7", "arg8"].get(number).copied(),
            29 => Some("fp"),
            30 => Some("ra"),
            _ => None,
        };
        write!(out, r#"<reg name="x{number}" bitsize="64""#)?;
        if let Some(role) = role {
            write!(out, r#" generic="{role}""#)?;
        }
        out.write_str("/>")?;
    }
    out.write_str(concat!(
        r#"<reg name="sp" bitsize="64" type="data_ptr" generic="sp"/>"#,
        r#"<reg name="pc" bitsize="64" type="code_ptr" generic="pc"/>"#,
        r#"<reg name="cpsr" bitsize="32" type="cpsr_flags" generic="flags"/>"#,
        r#"</feature>"#,
    ))
}

/// One-bit fields of PSTATE in SPSR layout; DDI 0487, "SPSR_EL1, Saved Program Status Register".
const CPSR_FLAGS: [(&str, u8); 18] = [
    ("N", 31),
    ("Z", 30),
    ("C", 29),
    ("V", 28),
    ("TCO", 25),
    ("DIT", 24),
    ("UAO", 23),
    ("PAN", 22),
    ("SS", 21),
    ("IL", 20),
    ("ALLINT", 13),
    ("SSBS", 12),
    ("D", 9),
    ("A", 8),
    ("I", 7),
    ("F", 6),
    ("nRW", 4),
    ("SP", 0),
];

/// `org.gnu.gdb.aarch64.fpu`: FPSR before FPCR, both 32 bits wide.
fn fpu_feature(out: &mut impl Write) -> fmt::Result {
    out.write_str(r#"<feature name="org.gnu.gdb.aarch64.fpu">"#)?;
    for (id, element, count) in VECTORS {
        write!(out, r#"<vector id="{id}" type="{element}" count="{count}"/>"#)?;
    }
    for (union, members) in UNIONS {
        write!(out, r#"<union id="{union}">"#)?;
        for (name, member) in members {
            write!(out, r#"<field name="{name}" type="{member}"/>"#)?;
        }
        out.write_str("</union>")?;
    }
    for number in 0..32 {
        write!(out, r#"<reg name="v{number}" bitsize="128" type="vreg""#)?;
        if number == 0 {
            out.write_str(r#" regnum="34""#)?;
        }
        out.write_str("/>")?;
    }
    out.write_str(concat!(
        r#"<reg name="fpsr" bitsize="32" type="int"/>"#,
        r#"<reg name="fpcr" bitsize="32" type="int"/>"#,
        r#"</feature>"#,
    ))
}

/// Vector types: name, element type, number of elements.
const VECTORS: [(&str, &str, u8); 11] = [
    ("d_f", "ieee_double", 2),
    ("d_u", "uint64", 2),
    ("d_s", "int64", 2),
    ("s_f", "ieee_single", 4),
    ("s_u", "uint32", 4),
    ("s_s", "int32", 4),
    ("h_u", "uint16", 8),
    ("h_s", "int16", 8),
    ("b_u", "uint8", 16),
    ("b_s", "int8", 16),
    ("q_u", "uint128", 1),
];

/// What a vector register can be read as: by element size, then by element type.
const UNIONS: [(&str, &[(&str, &str)]); 6] = [
    ("vreg_d", &[("f", "d_f"), ("u", "d_u"), ("s", "d_s")]),
    ("vreg_s", &[("f", "s_f"), ("u", "s_u"), ("s", "s_s")]),
    ("vreg_h", &[("u", "h_u"), ("s", "h_s")]),
    ("vreg_b", &[("u", "b_u"), ("s", "b_s")]),
    ("vreg_q", &[("u", "q_u")]),
    ("vreg", &[("d", "vreg_d"), ("s", "vreg_s"), ("h", "vreg_h"), ("b", "vreg_b"), ("q", "vreg_q")]),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::{String, ToString};
    use std::vec;

    fn whole() -> String {
        let mut text = String::new();
        document(&mut text).unwrap();
        text
    }

    #[test]
    fn any_window_shows_that_part_of_the_document() {
        let whole = whole();
        for (offset, length) in
            [(0, 64), (1, 1), (500, 700), (whole.len() - 3, 100), (whole.len(), 8), (1 << 20, 8)]
        {
            let mut out = vec![0; 128];
            let count = read(offset as u64, length, &mut out);
            let expected = whole.get(offset..).unwrap_or_default();
            let expected = &expected[..expected.len().min(length).min(out.len())];
            assert_eq!(String::from_utf8_lossy(&out[..count]), expected);
        }
    }

    #[test]
    fn registers_stand_in_the_order_of_their_numbers() {
        let whole = whole();
        let names: vec::Vec<_> = whole
            .split("<reg name=\"")
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap().to_string())
            .collect();
        assert_eq!(names.len(), 68);
        assert_eq!((names[31].as_str(), names[33].as_str(), names[34].as_str()), ("sp", "cpsr", "v0"));
        assert_eq!((names[66].as_str(), names[67].as_str()), ("fpsr", "fpcr"));
    }
}
