//! lldb as it comes from the distribution, with commands as a user types them.

use std::path::Path;

use anyhow::Result;

use super::Seen;
use super::script::{self, Step, step};
use super::watches::Symbols;

/// The static that is watched; `WATCHED` in a command stands for its address.
const WATCHED: &str = "WATCHED_U64";

const READ_VECTOR: &str = "register read v0";

/// What is typed behind `gdb-remote`, and what must come.
const STEPS: &[Step] = &[
    step("thread list", &["Process 1 stopped", "* thread #1"]),
    step("breakpoint set -n write_first", &["Breakpoint 1: where = ", "write_first"]),
    step("continue", &["stop reason = breakpoint 1.1", "write_first at accesses.rs"]),
    step("bt", &["frame #0", "write_first", "frame #1", "one_round", "frame #2", "firmware_main", "_start"]),
    step("register read x29 lr sp pc cpsr", &["x29 = 0x", "x30 = 0x", "sp = 0x", "pc = 0x", "cpsr = 0x"]),
    step("register read fpsr SCTLR_EL1 TTBR0_EL1", &["fpsr = 0x", "SCTLR_EL1 = 0x", "TTBR0_EL1 = 0x"]),
    step(READ_VECTOR, &["v0 = 0x"]),
    step("thread step-inst", &["stop reason = instruction step into"]),
    step("thread step-over", &["stop reason = step over", "accesses.rs:47"]),
    step("breakpoint delete 1", &["1 breakpoints deleted"]),
    step("breakpoint set -H -n update_packed", &["Breakpoint 2: where = "]),
    step("continue", &["stop reason = breakpoint 2.1"]),
    step("breakpoint delete 2", &["1 breakpoints deleted"]),
    step("watchpoint set expression -w write -s 8 -- WATCHED", &["Watchpoint created"]),
    step("continue", &["stop reason = watchpoint 1"]),
    step("watchpoint list", &["size = 8", "type = w"]),
    step("watchpoint delete 1", &["1 watchpoints deleted"]),
    step("memory region 0x40000000", &["[0x0000000040000000-", "r"]),
    step("memory read --size 4 --format x --count 1 0x40000000", &["0x40000000: 0x"]),
    step("detach", &["Process 1 detached"]),
];

/// Plays the session.
pub(super) fn check(address: &str, elf: &Path, symbols: &Symbols, description: &str) -> Result<Seen> {
    let watched = format!("{:#x}", symbols.address(WATCHED)?);
    let typed = |command: &str| command.replace("WATCHED", &watched);
    // Where there are scalable vectors, lldb knows no others, and shows none.
    let scalable = description.contains("org.gnu.gdb.aarch64.sve");
    let steps: Vec<&Step> = STEPS.iter().filter(|step| !scalable || step.command != READ_VECTOR).collect();
    script::lldb(address, elf, &steps, typed)
}
