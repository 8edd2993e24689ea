//! gdb-multiarch, as it comes from the distribution, on A32 and T32 code.

use std::path::Path;

use anyhow::Result;

use crate::clients::Seen;
use crate::clients::script::{Step, gdb, step};
use crate::clients::watches::Symbols;

const STEPS: &[Step] = &[
    // The first instruction, and the first function.
    step("info registers pc cpsr", &["<_start>", "0x1d3"]),
    step("x/2i $pc", &["<_start>:\tmov\tr11, #0", "mov\tr4, r2"]),
    step("print/x $r1", &["= 0xffffffff"]),
    step("tbreak firmware_main", &["Temporary breakpoint 1 at"]),
    step("continue", &["Temporary breakpoint 1, ", "firmware_main (tree="]),
    // A32: a software breakpoint, steps of all kinds.
    step("break write_a32", &["Breakpoint 2 at"]),
    step("continue", &["Breakpoint 2, ", "write_a32 (value=11646767826930344353)"]),
    step("print/x $cpsr & 0x3f", &["= 0x13"]),
    step("bt", &["#0 ", "write_a32", "#1 ", "accesses::run", "#2 ", "one_round", "#3 ", "firmware_main"]),
    step("x/3i $pc", &["=> ", "<", ">:\t", "\n"]),
    step("stepi", &[]),
    step("next", &["WATCHED_U"]),
    step("info args", &["value = 11646767826930344353"]),
    step("finish", &["accesses::run"]),
    // T32: a hardware breakpoint.
    step("hbreak write_t32", &["Hardware assisted breakpoint 3 at"]),
    step("continue", &["Breakpoint 3, ", "write_t32 (value=12804210592339571121)"]),
    step("print/x $cpsr & 0x3f", &["= 0x33"]),
    step("x/3i $pc", &["=> ", "<", ">:\t", "\n"]),
    step("stepi", &[]),
    step("next", &["WATCHED_U"]),
    step("finish", &["accesses::run"]),
    step("delete", &[]),
    // From one set into the other and back.
    step("break chain_middle", &["Breakpoint 4 at"]),
    step("hbreak chain_inner", &["Hardware assisted breakpoint 5 at"]),
    step("continue", &["Breakpoint 4, ", "chain_middle (value=10)"]),
    step("next", &["chain_inner(raised, value)"]),
    step("continue", &["Breakpoint 5, ", "chain_inner (left=110, right=10)"]),
    step("print/x $cpsr & 0x20", &["= 0x0"]),
    step(
        "bt",
        &["chain_inner", "chain_middle (value=10)", "chain_outer (value=5)", "calls::run", "one_round"],
    ),
    step("finish", &["chain_middle", "Value returned is $", " = 1101"]),
    step("print/x $cpsr & 0x20", &["= 0x20"]),
    step("finish", &["chain_outer", "Value returned is $", " = 1102"]),
    step("delete", &[]),
    step("tbreak stepping_ground", &["Temporary breakpoint 6 at"]),
    step("continue", &["stepping_ground ()"]),
    step("next", &["stepping_callee"]),
    step("step", &["stepping_callee (value=3)"]),
    step("finish", &["stepping_ground", "Value returned is $", " = 10"]),
    step("next", &["let third"]),
    step("next", &["third * 2"]),
    // Floating point.
    step("tbreak double_added", &["Temporary breakpoint 7 at"]),
    step("continue", &["Temporary breakpoint 7, ", "double_work"]),
    step("print $d0", &["= 3"]),
    step("print $d17", &["= 1.5"]),
    step("set var $d0 = 5.5", &[]),
    step("set var $d17 = 4.25", &[]),
    step("maint flush register-cache", &[]),
    step("print $d17", &["= 4.25"]),
    step("info registers fpscr", &["fpscr"]),
    step("tbreak own_call_a32", &["Temporary breakpoint 8 at"]),
    step("continue", &["own_call_a32"]),
    step("print trapline_firmware_a32::calls::FLOAT_RESULT", &["= 5.5"]),
    // The stack pointers of other modes, which are looked at by changing to them.
    step("set language c", &[]),
    step("set $status = $cpsr", &[]),
    step("set var $cpsr = $status & ~0x1f | 0x17", &[]),
    step("maint flush register-cache", &[]),
    step("print $sp == (unsigned)&abort_stack", &["= 1"]),
    step("set var $cpsr = $status & ~0x1f | 0x12", &[]),
    step("maint flush register-cache", &[]),
    step("print $sp == (unsigned)&interrupt_stack", &["= 1"]),
    step("set var $cpsr = $status", &[]),
    step("maint flush register-cache", &[]),
    step("print $sp > (unsigned)&abort_stack - 0x2000", &["= 1"]),
    step("print/x $VBAR_EL1 == (unsigned)&vectors", &["= 0x1"]),
    // RAM at its other address.
    step("print *(unsigned *)((unsigned)&_start + 0x80000000) == *(unsigned *)&_start", &["= 1"]),
    step("set language rust", &[]),
    // The guest's own exceptions are its own, with breakpoints of both kinds about.
    step("set $bkpts = trapline_firmware_a32::exceptions::OWN_BKPTS", &[]),
    step("set $calls = trapline_firmware_a32::exceptions::CALLS", &[]),
    step("break one_round", &["Breakpoint 9 at"]),
    step("hbreak own_bkpt_t32", &["Hardware assisted breakpoint 10 at"]),
    step("continue", &["Breakpoint 10, ", "own_bkpt_t32"]),
    step("continue", &["Breakpoint 9, ", "one_round"]),
    step("print trapline_firmware_a32::exceptions::OWN_BKPTS - $bkpts", &["= 2"]),
    step("print trapline_firmware_a32::exceptions::LAST_BKPT", &["= 86"]),
    step("print trapline_firmware_a32::exceptions::CALLS - $calls", &["= 2"]),
    step("delete", &[]),
    // Watchpoints of all kinds, in both sets.
    step("watch trapline_firmware_a32::accesses::WATCHED_U32", &["Hardware watchpoint 11: "]),
    step(
        "continue",
        &["Hardware watchpoint 11: ", "Old value = 2981212593", "New value = 2711724449", "write_a32"],
    ),
    step(
        "continue",
        &["Hardware watchpoint 11: ", "Old value = 2711724449", "New value = 2981212593", "write_t32"],
    ),
    step("delete", &[]),
    step("rwatch trapline_firmware_a32::accesses::ONLY_READ", &["Hardware read watchpoint 12: "]),
    step("continue", &["Hardware read watchpoint 12: ", "Value = 77", "read_a32"]),
    step("continue", &["Hardware read watchpoint 12: ", "Value = 77", "read_t32"]),
    step("delete", &[]),
    step(
        "awatch trapline_firmware_a32::calls::CHAIN_INPUT",
        &["Hardware access (read/write) watchpoint 13: "],
    ),
    step("continue", &["Hardware access (read/write) watchpoint 13: ", "Value = 5", "calls::run"]),
    step("delete", &[]),
    // Conditions over registers that modes have their own of, and over memory.
    step("set language c", &[]),
    step("break chain_inner if $sp != 0 && $r11 != 0 && *(unsigned *)CHAIN_AT == 11", &["Breakpoint 14 at"]),
    step("break one_round if *(unsigned *)ROUNDS_AT % 10 == 7", &["Breakpoint 15 at"]),
    step("continue", &["Breakpoint 15, ", "one_round"]),
    step("print *(unsigned *)ROUNDS_AT % 10", &["= 7"]),
    step("info breakpoints", &[" == 11 (target evals)", "% 10 == 7 (target evals)"]),
    step("set var *(unsigned *)CHAIN_AT = 11", &[]),
    step("continue", &["Breakpoint 14, ", "chain_inner (left=122, right=22)"]),
    step("set var *(unsigned *)CHAIN_AT = 5", &[]),
    step("delete", &[]),
    // The other core.
    step("info threads", &["vCPU 0 [running, EL1 in AArch32]", "vCPU 1 [running, EL1 in AArch32]"]),
    step("thread 2", &["second_main"]),
    step("thread 1", &[]),
    step("python interrupt_soon()", &[]),
    step("continue", &["received signal SIGINT"]),
    step("detach", &["detached"]),
];

/// Plays the session. `…_AT` in a command stands for an address: gdb makes no bytecode of a symbol that it has no type of.
pub(super) fn check(address: &str, elf: &Path) -> Result<Seen> {
    let symbols = Symbols::read(elf)?;
    let chain = format!("{:#x}", symbols.address("CHAIN_INPUT")?);
    let rounds = format!("{:#x}", symbols.address("ROUNDS")?);
    let steps: Vec<&Step> = STEPS.iter().collect();
    gdb(address, elf, &steps, |command| command.replace("CHAIN_AT", &chain).replace("ROUNDS_AT", &rounds))
}
