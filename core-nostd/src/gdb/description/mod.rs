//! Documents that describe the target: which registers there are, by the names that gdb and lldb know, and
//! where which memory is.
//!
//! A document is written anew for each part of it that the client asks for, through a window that keeps
//! only the bytes wanted; so it needs no memory of its own.

mod aarch32;
mod aarch64;
mod m_profile;
mod memory;
mod window;

use core::fmt::{self, Write};

use crate::target::Target;

use super::layout::Layout;

pub(super) use memory::memory_map;
pub(super) use window::Window;

/// Writes the target description.
pub(super) fn target(out: &mut impl Write, layout: Layout, target: &impl Target) -> fmt::Result {
    let architecture = match layout.built_in() {
        Layout::Aarch64 { .. } => "aarch64",
        Layout::Aarch32 | Layout::M(_) => "arm",
    };
    out.write_str(r#"<?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd"><target version="1.0">"#)?;
    write!(out, "<architecture>{architecture}</architecture>")?;
    match layout.built_in() {
        Layout::Aarch64 { scalable, authenticates } => aarch64::features(out, scalable, authenticates)?,
        Layout::Aarch32 => aarch32::features(out)?,
        // It has no system registers by encoding.
        Layout::M(profile) => {
            m_profile::features(out, profile)?;
            return out.write_str("</target>");
        }
    }
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
