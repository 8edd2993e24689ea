//! The memory map.

use core::fmt::{self, Write};

use crate::target::{MemoryKind, Target};

/// Writes the memory map.
///
/// Addresses of a client are virtual ones, and a client reaches nothing that its map does not have. So the map
/// has everything, and only where the target has memory that cannot be written does it say so: gdb then uses
/// breakpoint comparators there.
pub(crate) fn memory_map(out: &mut impl Write, target: &impl Target) -> fmt::Result {
    out.write_str(concat!(
        r#"<?xml version="1.0"?><!DOCTYPE memory-map PUBLIC "+//IDN gnu.org//DTD GDB Memory Map V1.0//EN""#,
        r#" "http://sourceware.org/gdb/gdb-memory-map.dtd"><memory-map>"#,
    ))?;
    let mut next = Some(0);
    for region in (0..).map_while(|index| target.region(index)) {
        let Some(begin) = next else { break };
        let (first, last) = (region.range.first(), region.range.last());
        if region.kind != MemoryKind::Rom || first < begin {
            continue;
        }
        if let Some(before) = first.checked_sub(1).filter(|before| *before >= begin) {
            memory(out, "ram", begin, before)?;
        }
        memory(out, "rom", first, last)?;
        next = last.checked_add(1);
    }
    if let Some(begin) = next {
        memory(out, "ram", begin, u64::MAX)?;
    }
    out.write_str("</memory-map>")
}

/// The element for `first..=last`.
fn memory(out: &mut impl Write, kind: &str, first: u64, last: u64) -> fmt::Result {
    // The length of everything has no room in 64 bits.
    let Some(length) = (last - first).checked_add(1) else {
        memory(out, kind, first, last / 2)?;
        return memory(out, kind, last / 2 + 1, last);
    };
    write!(out, r#"<memory type="{kind}" start="{first:#x}" length="{length:#x}"/>"#)
}
