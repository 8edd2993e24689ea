//! gdb as it comes from the distribution, with what the scripted session of the demonstration leaves out: more
//! watchpoints than comparators, and commands that take packets of their own.

use std::path::Path;

use anyhow::{Context as _, Result};

use super::Seen;
use super::script::{self, Step, step};

const STEPS: &[Step] = &[
    step("break update_packed", &["Breakpoint 1 at"]),
    step("continue", &["Breakpoint 1, ", "update_packed"]),
    step("delete 1", &[]),
    // Six at once. gdb is told which of them the comparators have no room for.
    step("watch trapline_firmware::accesses::WATCHED_U8", &["Hardware watchpoint 2: "]),
    step("watch trapline_firmware::accesses::WATCHED_U16", &["Hardware watchpoint 3: "]),
    step("watch trapline_firmware::accesses::WATCHED_U32", &["Hardware watchpoint 4: "]),
    step("watch trapline_firmware::accesses::WATCHED_U64", &["Hardware watchpoint 5: "]),
    step("watch trapline_firmware::accesses::NEIGHBOURS.middle", &["Hardware watchpoint 6: "]),
    step("watch trapline_firmware::packed::PACKED.record.value", &["Hardware watchpoint 7: "]),
    step(
        "continue",
        &[
            "is watched by pages that trap writes",
            "Hardware watchpoint 7: ",
            "Old value = 1432778632",
            "New value = 287454020",
            "store_unaligned",
        ],
    ),
    step("continue", &["Hardware watchpoint 7: ", "Old value = 287454020", "New value = 1432778632"]),
    step("monitor slots", &["watchpoint comparators: ", "by pages while the target ran: 0x"]),
    step("tbreak write_first", &["Temporary breakpoint 8 at"]),
    step("continue", &["Temporary breakpoint 8, "]),
    step("continue", &["Hardware watchpoint 2: ", "Old value = 177", "New value = 161"]),
    step("continue", &["Hardware watchpoint 3: ", "Old value = 45490", "New value = 41378"]),
    step("continue", &["Hardware watchpoint 4: ", "Old value = 2981278644", "New value = 2711790500"]),
    step("continue", &["Hardware watchpoint 5: ", "Old value = ", "New value = "]),
    step("delete", &[]),
    // What loads and stores exclusives write.
    step("watch trapline_firmware::exclusive::EXCLUSIVE_COUNTER", &["Hardware watchpoint 9: "]),
    step("continue", &["Hardware watchpoint 9: ", "Old value = ", "New value = ", "exclusive_add"]),
    step("continue", &["Hardware watchpoint 9: ", "Old value = ", "New value = ", "exclusive_add"]),
    step("delete", &[]),
    // Reads are for comparators only.
    step("rwatch trapline_firmware::accesses::ONLY_READ", &["Hardware read watchpoint 10: "]),
    step("rwatch trapline_firmware::accesses::WATCHED_U8", &["Hardware read watchpoint 11: "]),
    step("rwatch trapline_firmware::accesses::WATCHED_U32", &["Hardware read watchpoint 12: "]),
    step("rwatch trapline_firmware::accesses::WATCHED_U64", &["Hardware read watchpoint 13: "]),
    step("rwatch trapline_firmware::accesses::NEIGHBOURS", &["Hardware read watchpoint 14: "]),
    step("rwatch trapline_firmware::packed::PACKED", &["Hardware read watchpoint 15: "]),
    step("continue", &["Could not insert hardware watchpoint"]),
    step("monitor why", &["the comparators do not suffice, and pages cannot watch for read, only for write"]),
    step("delete", &[]),
    step("monitor set pages off", &["do not suffice: off"]),
    step("set language c", &[]),
    step("watch *(char (*)[3000003]) 0x40200001", &["Hardware watchpoint 16: "]),
    step("continue", &["Could not insert hardware watchpoint 16"]),
    step("monitor why", &["takes ", " pairs"]),
    step("monitor set pages on", &["do not suffice: on"]),
    step("delete", &[]),
    // More than a mebibyte, at no boundary: only pages can do that.
    step("watch *(char (*)[1048579]) 0x40200001", &["Hardware watchpoint 17: "]),
    step("continue", &["0x40200001..=0x40300003 is watched by pages", "Hardware watchpoint 17: "]),
    step("delete", &[]),
    // What gdb has packets of its own for.
    step("find /b 0x40200000, +0x100, 0x44, 0x33, 0x22, 0x11", &[]),
    step("compare-sections .text", &["Section .text, range 0x40000000 -- ", ": matched."]),
    step("dump binary memory DUMP 0x40000000 0x40001000", &[]),
    step("restore DUMP binary 0", &["Restoring binary file"]),
    step("compare-sections .text", &[": matched."]),
    step("info registers system", &["SCTLR_EL1 "]),
    step("set var $TPIDR_EL0 = 0x1122334455667788", &[]),
    step("maint flush register-cache", &[]),
    step("output/x $TPIDR_EL0", &["0x1122334455667788"]),
    step("set language rust", &[]),
    step("print trapline_firmware::accesses::read_watched()", &["$1 = "]),
    step("hbreak write_neighbours if $sp != 0", &["Hardware assisted breakpoint 18 at"]),
    step("continue", &["Breakpoint 18, "]),
    step("finish", &["one_round"]),
    step("advance write_first", &["trapline_firmware::"]),
    step("set scheduler-locking on", &[]),
    step("stepi", &[]),
    step("set scheduler-locking off", &[]),
    step("jump write_second", &["Breakpoint 18, "]),
    step("maint flush register-cache", &[]),
    step("info registers pc", &["write_neighbours"]),
    step("monitor help", &["monitor set pages on|off"]),
    step("delete", &[]),
    step("detach", &["detached"]),
];

/// Before the last step, where vCPUs have SVE: its registers in all their views, read and written.
const SCALABLE: &[Step] = &[
    step("set language c", &[]),
    step("print $vg >= 2", &["= 1"]),
    step("set var $z0.d.u[1] = 0x1122334455667788", &[]),
    step("print/x $z0.d.u[1]", &["= 0x1122334455667788"]),
    step("print/x $z0.b.u[15]", &["= 0x11"]),
    step("print/x $v0.d.u[1]", &["= 0x1122334455667788"]),
    step("set var $p3[1] = 0x5a", &[]),
    step("print/x $p3[1]", &["= 0x5a"]),
    step("info registers ffr fpsr", &["ffr", "fpsr"]),
    step("set var $vg = 2", &["Could not write register"]),
];

/// The same for pointer authentication: where the code is in a pointer.
const AUTHENTICATION: &[Step] = &[
    step("set language c", &[]),
    // Between the address and the tag, or up to the top where there is none.
    step("print/x $pauth_cmask & 0x7f00000000ffffff", &["= 0x"]),
    step("print $pauth_dmask != 0", &["= 1"]),
    // gdb keeps writes of these to itself.
    step("set var $pauth_dmask = 0", &[]),
    step("maint flush register-cache", &[]),
    step("print $pauth_dmask != 0", &["= 1"]),
    step("bt 1", &["#0"]),
];

/// Plays the session, on a target with this description.
pub(super) fn check(address: &str, elf: &Path, description: &str) -> Result<Seen> {
    let has = |feature: &str| description.contains(&format!("org.gnu.gdb.aarch64.{feature}"));
    let (last, most) = STEPS.split_last().context("a session has steps")?;
    let mut steps: Vec<&Step> = most.iter().collect();
    steps.extend(SCALABLE.iter().filter(|_| has("sve")));
    steps.extend(AUTHENTICATION.iter().filter(|_| has("pauth")));
    steps.push(last);
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let dump = folder.path().join("dump").display().to_string();
    script::gdb(address, elf, &steps, |command| command.replace("DUMP", &dump))
}
