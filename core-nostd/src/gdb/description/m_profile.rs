//! The registers of the M profile.

use core::fmt::{self, Write};

use crate::registers::SpecialRegister;
use crate::target::MProfile;

use super::super::layout::m_profile::{XPSR, number};
use super::aarch32::general_registers;

/// What makes `org.gnu.gdb.arm.m-system`, by which gdb unwinds exceptions; it is to have the first two.
const SYSTEM: [SpecialRegister; 6] = [
    SpecialRegister::Msp,
    SpecialRegister::Psp,
    SpecialRegister::Primask,
    SpecialRegister::Basepri,
    SpecialRegister::Faultmask,
    SpecialRegister::Control,
];

/// What makes `org.gnu.gdb.arm.secext`, all of it.
const SECURITY: [SpecialRegister; 4] =
    [SpecialRegister::MspNs, SpecialRegister::MspS, SpecialRegister::PspNs, SpecialRegister::PspS];

/// Writes `org.gnu.gdb.arm.m-profile` and what else the core has.
pub(super) fn features(out: &mut impl Write, profile: MProfile) -> fmt::Result {
    out.write_str(r#"<feature name="org.gnu.gdb.arm.m-profile">"#)?;
    // Thumb code has its frame pointer in R7.
    general_registers(out, 7)?;
    write!(out, r#"<reg name="xpsr" bitsize="32" regnum="{XPSR}" generic="flags"/></feature>"#)?;
    if profile.floating_point {
        out.write_str(r#"<feature name="org.gnu.gdb.arm.vfp">"#)?;
        for number in 0..16 {
            write!(out, r#"<reg name="d{number}" bitsize="64" type="ieee_double"/>"#)?;
        }
        special(out, SpecialRegister::Fpscr, r#" type="int" group="float""#)?;
        out.write_str("</feature>")?;
    }
    out.write_str(r#"<feature name="org.gnu.gdb.arm.m-system">"#)?;
    for register in SYSTEM.into_iter().filter(|register| profile.has(*register)) {
        let more = match register {
            SpecialRegister::Msp | SpecialRegister::Psp => r#" type="data_ptr""#,
            _ => r#" type="uint32""#,
        };
        special(out, register, more)?;
    }
    out.write_str("</feature>")?;
    if profile.security {
        out.write_str(r#"<feature name="org.gnu.gdb.arm.secext">"#)?;
        for register in SECURITY {
            special(out, register, r#" type="data_ptr""#)?;
        }
        out.write_str("</feature>")?;
    }
    Ok(())
}

fn special(out: &mut impl Write, register: SpecialRegister, more: &str) -> fmt::Result {
    let number = number(register);
    write!(out, r#"<reg name="{register}" bitsize="32" regnum="{number}"{more}/>"#)
}
