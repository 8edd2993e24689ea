//! Documents that describe the target: which registers there are, by the names that gdb and lldb know, and
//! where which memory is.
//!
//! A document is written anew for each part of it that the client asks for, through a window that keeps
//! only the bytes wanted; so it needs no memory of its own.

mod memory;
mod window;

use core::fmt::{self, Write};

use crate::target::Target;

pub(super) use memory::memory_map;
pub(super) use window::Window;

/// Writes the target description.
pub(super) fn target(out: &mut impl Write, target: &impl Target) -> fmt::Result {
    out.write_str(concat!(
        r#"<?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd">"#,
        r#"<target version="1.0"><architecture>aarch64</architecture>"#,
    ))?;
    core_feature(out)?;
    fpu_feature(out)?;
    system_feature(out, target)?;
    out.write_str("</target>")
}

/// The system registers that the target lists, by Arm's names. gdb saves and restores none of them around a call
/// of its own: most are not the program's, and some change by themselves.
fn system_feature(out: &mut impl Write, target: &impl Target) -> fmt::Result {
    out.write_str(r#"<feature name="org.trapline.aarch64.system">"#)?;
    for register in (0..).map_while(|index| target.system_register(index)) {
        let number = register.encoding();
        write!(out, r#"<reg name="{register}" bitsize="64" type="uint64" regnum="{number}""#)?;
        out.write_str(r#" group="system" save-restore="no"/>"#)?;
    }
    out.write_str("</feature>")
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
    use std::vec::Vec;

    #[test]
    fn registers_stand_in_the_order_of_their_numbers() {
        let mut whole = String::new();
        core_feature(&mut whole).unwrap();
        fpu_feature(&mut whole).unwrap();
        let names: Vec<_> = whole
            .split("<reg name=\"")
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap().to_string())
            .collect();
        assert_eq!(names.len(), 68);
        assert_eq!((names[31].as_str(), names[33].as_str(), names[34].as_str()), ("sp", "cpsr", "v0"));
        assert_eq!((names[66].as_str(), names[67].as_str()), ("fpsr", "fpcr"));
    }
}
