//! The registers of AArch64.

use core::fmt::{self, Write};

use super::super::layout::{MASKS, PREDICATES, SVE};

/// Writes the features of a core, with the length of its scalable vectors in bytes, if it has any.
pub(super) fn features(out: &mut impl Write, scalable: Option<u16>, authenticates: bool) -> fmt::Result {
    core_feature(out)?;
    match scalable {
        Some(length) if SVE => sve_feature(out, length)?,
        _ => fpu_feature(out)?,
    }
    if authenticates { authentication_feature(out) } else { Ok(()) }
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
    for number in 0..31_u8 {
        let role = match number {
            0..=7 => ["arg1", "arg2", "arg3", "arg4", "arg5", "arg6", "arg7", "arg8"]
                .get(usize::from(number))
                .copied(),
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

/// What a vector register can be read as, for elements of one size: by element type. The vectors are those of
/// [`VECTORS`], their names behind `prefix`.
macro_rules! views {
    ($union:literal, $prefix:literal, $size:literal: $($name:literal)+) => {
        concat!(
            r#"<union id=""#, $union, "_", $size, r#"">"#,
            $(r#"<field name=""#, $name, r#"" type=""#, $prefix, $size, "_", $name, r#""/>"#,)+
            "</union>",
        )
    };
}

/// What a vector register can be read as: by element size, then by element type. Text, for it takes no code.
macro_rules! unions {
    ($union:literal, $prefix:literal) => {
        concat!(
            views!($union, $prefix, "d": "f" "u" "s"),
            views!($union, $prefix, "s": "f" "u" "s"),
            views!($union, $prefix, "h": "u" "s"),
            views!($union, $prefix, "b": "u" "s"),
            views!($union, $prefix, "q": "u"),
            r#"<union id=""#, $union, r#"">"#,
            r#"<field name="d" type=""#, $union, r#"_d"/>"#,
            r#"<field name="s" type=""#, $union, r#"_s"/>"#,
            r#"<field name="h" type=""#, $union, r#"_h"/>"#,
            r#"<field name="b" type=""#, $union, r#"_b"/>"#,
            r#"<field name="q" type=""#, $union, r#"_q"/>"#,
            "</union>",
        )
    };
}

/// `org.gnu.gdb.aarch64.fpu`: FPSR before FPCR, both 32 bits wide.
fn fpu_feature(out: &mut impl Write) -> fmt::Result {
    out.write_str(r#"<feature name="org.gnu.gdb.aarch64.fpu">"#)?;
    vectors(out, "", 16)?;
    out.write_str(unions!("vreg", ""))?;
    for number in 0..32_u8 {
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

/// Vector types: name, element type, bytes of an element.
const VECTORS: [(&str, &str, u16); 11] = [
    ("d_f", "ieee_double", 8),
    ("d_u", "uint64", 8),
    ("d_s", "int64", 8),
    ("s_f", "ieee_single", 4),
    ("s_u", "uint32", 4),
    ("s_s", "int32", 4),
    ("h_u", "uint16", 2),
    ("h_s", "int16", 2),
    ("b_u", "uint8", 1),
    ("b_s", "int8", 1),
    ("q_u", "uint128", 16),
];

/// The vector types of registers of `length` bytes, their names behind `prefix`.
fn vectors(out: &mut impl Write, prefix: &str, length: u16) -> fmt::Result {
    for (name, element, bytes) in VECTORS {
        let count = length.checked_div(bytes).unwrap_or(0);
        write!(out, r#"<vector id="{prefix}{name}" type="{element}" count="{count}"/>"#)?;
    }
    Ok(())
}

/// `org.gnu.gdb.aarch64.sve`, which has `v0` to `v31` within its `z0` to `z31`.
fn sve_feature(out: &mut impl Write, length: u16) -> fmt::Result {
    out.write_str(r#"<feature name="org.gnu.gdb.aarch64.sve">"#)?;
    vectors(out, "sve_", length)?;
    out.write_str(unions!("svev", "sve_"))?;
    write!(out, r#"<vector id="svep" type="uint8" count="{}"/>"#, length / 8)?;
    let (vector, predicate) = (8 * length, length);
    for number in 0..32_u8 {
        write!(out, r#"<reg name="z{number}" bitsize="{vector}" type="svev""#)?;
        if number == 0 {
            out.write_str(r#" regnum="34""#)?;
        }
        out.write_str("/>")?;
    }
    out.write_str(concat!(
        r#"<reg name="fpsr" bitsize="32" type="int"/>"#,
        r#"<reg name="fpcr" bitsize="32" type="int"/>"#,
    ))?;
    for number in 0..16_u8 {
        write!(out, r#"<reg name="p{number}" bitsize="{predicate}" type="svep""#)?;
        if number == 0 {
            write!(out, r#" regnum="{PREDICATES}""#)?;
        }
        out.write_str("/>")?;
    }
    write!(out, r#"<reg name="ffr" bitsize="{predicate}" type="svep"/>"#)?;
    out.write_str(r#"<reg name="vg" bitsize="64" type="uint64"/></feature>"#)
}

/// `org.gnu.gdb.aarch64.pauth`: which bits of pointers are authentication codes, for data and code pointers
/// in the lower half of the addresses, and then in the higher half.
fn authentication_feature(out: &mut impl Write) -> fmt::Result {
    out.write_str(r#"<feature name="org.gnu.gdb.aarch64.pauth">"#)?;
    for (name, number) in
        ["pauth_dmask", "pauth_cmask", "pauth_dmask_high", "pauth_cmask_high"].iter().zip(MASKS..)
    {
        write!(
            out,
            r#"<reg name="{name}" bitsize="64" type="uint64" regnum="{number}" save-restore="no"/>"#
        )?;
    }
    out.write_str("</feature>")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::{String, ToString};
    use std::vec::Vec;

    #[test]
    fn registers_stand_in_the_order_of_their_numbers() {
        let mut whole = String::new();
        features(&mut whole, None, false).unwrap();
        let names: Vec<_> = whole
            .split("<reg name=\"")
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap().to_string())
            .collect();
        assert_eq!(names.len(), 68);
        assert_eq!((names[31].as_str(), names[33].as_str(), names[34].as_str()), ("sp", "cpsr", "v0"));
        assert_eq!((names[66].as_str(), names[67].as_str()), ("fpsr", "fpcr"));
    }

    #[test]
    #[cfg_attr(not(feature = "sve"), ignore = "takes the feature sve")]
    fn scalable_vectors_have_the_places_of_the_others() {
        let mut whole = String::new();
        features(&mut whole, Some(64), true).unwrap();
        for register in [
            r#"<reg name="z0" bitsize="512" type="svev" regnum="34"/>"#,
            r#"<reg name="p0" bitsize="64" type="svep" regnum="68"/>"#,
            r#"<vector id="sve_q_u" type="uint128" count="4"/>"#,
            r#"<field name="f" type="sve_d_f"/>"#,
            r#"<field name="d" type="svev_d"/>"#,
            r#"<reg name="pauth_cmask" bitsize="64" type="uint64" regnum="87" save-restore="no"/>"#,
        ] {
            assert!(whole.contains(register), "{register}: {whole}");
        }
    }
}
