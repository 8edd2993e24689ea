//! The registers of AArch32.

use core::fmt::{self, Write};

use super::super::layout::aarch32::CPSR;

/// Writes `org.gnu.gdb.arm.core` and `.vfp`.
pub(super) fn features(out: &mut impl Write) -> fmt::Result {
    out.write_str(r#"<feature name="org.gnu.gdb.arm.core">"#)?;
    general_registers(out, 11)?;
    write!(out, r#"<reg name="cpsr" bitsize="32" regnum="{CPSR}" generic="flags"/></feature>"#)?;
    out.write_str(r#"<feature name="org.gnu.gdb.arm.vfp">"#)?;
    for number in 0..32_u8 {
        write!(out, r#"<reg name="d{number}" bitsize="64" type="ieee_double"/>"#)?;
    }
    out.write_str(r#"<reg name="fpscr" bitsize="32" type="int" group="float"/></feature>"#)
}

/// Writes R0 to PC, of which `frame_pointer` is the one that code of the instruction set points to its frame with.
pub(super) fn general_registers(out: &mut impl Write, frame_pointer: u8) -> fmt::Result {
    for number in 0..=12 {
        write!(out, r#"<reg name="r{number}" bitsize="32""#)?;
        if number == frame_pointer {
            out.write_str(r#" generic="fp""#)?;
        }
        out.write_str("/>")?;
    }
    out.write_str(concat!(
        r#"<reg name="sp" bitsize="32" type="data_ptr" generic="sp"/>"#,
        r#"<reg name="lr" bitsize="32" generic="ra"/>"#,
        r#"<reg name="pc" bitsize="32" type="code_ptr" generic="pc"/>"#,
    ))
}
