//! lldb, as it comes from the distribution, on A32 and T32 code.

use std::path::Path;

use anyhow::Result;

use crate::clients::Seen;
use crate::clients::script::{Step, lldb, step};

const STEPS: &[Step] = &[
    step("thread list", &["Process 1 stopped", "* thread #1"]),
    step("breakpoint set -n write_a32", &["Breakpoint 1: where = ", "write_a32"]),
    step("continue", &["stop reason = breakpoint 1.1", "write_a32"]),
    step("bt", &["frame #0", "write_a32", "frame #1", "one_round"]),
    step(
        "register read r0 r11 sp lr pc cpsr",
        &["r0 = 0x", "r11 = 0x", "sp = 0x", "lr = 0x", "pc = 0x", "cpsr = 0x"],
    ),
    step("register read d0 d31 fpscr", &["d0 = ", "d31 = ", "fpscr = 0x"]),
    step("thread step-inst", &["stop reason = instruction step into"]),
    step("disassemble -c 2", &["write_a32"]),
    step("breakpoint delete 1", &["1 breakpoints deleted"]),
    step("breakpoint set -H -n write_t32", &["Breakpoint 2: where = "]),
    step("continue", &["stop reason = breakpoint 2.1", "write_t32"]),
    step("thread step-inst", &["stop reason = instruction step into"]),
    step("breakpoint delete 2", &["1 breakpoints deleted"]),
    step("watchpoint set expression -w write -s 4 -- WATCHED", &["Watchpoint created"]),
    step("continue", &["stop reason = watchpoint 1"]),
    step("watchpoint delete 1", &["1 watchpoints deleted"]),
    step("memory read --size 4 --format x --count 1 0x40000000", &["0x40000000: 0x"]),
    step("detach", &["Process 1 detached"]),
];

/// Plays the session.
pub(super) fn check(address: &str, elf: &Path) -> Result<Seen> {
    let symbols = crate::clients::watches::Symbols::read(elf)?;
    let watched = format!("{:#x}", symbols.address("WATCHED_U32")?);
    let steps: Vec<&Step> = STEPS.iter().collect();
    lldb(address, elf, &steps, |command| command.replace("WATCHED", &watched))
}
