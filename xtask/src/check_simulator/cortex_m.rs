//! The Cortex-M boards: OpenOCD's `cortex_m` target, and gdb on it.

use anyhow::Result;

use super::script::{Script, expect_in_order, expect_writes, gdb};
use crate::{check_board::Kind, simulator::Board};

const TARGET: &str = "
jtag newtap board cpu -irlen 4 -expected-id 0x4ba00477
dap create board.dap -chain-position board.cpu
target create cpu cortex_m -dap board.dap -ap-num 0
";
/// The board's program counts in R0 from here on, and stores the count in a word, a byte of it in a byte.
const LOOP: u64 = 0x0800_0106;
const WORD: u64 = 0x2000_0010;
const BYTE: u64 = 0x2000_0015;
const HALFWORD: u64 = 0x2000_0012;
/// The comparators' registers: `FP_COMP0`; `DWT_COMP0`, `DWT_MASK0` and `DWT_FUNCTION0`.
const FP_CTRL: u64 = 0xe000_2000;
const FP_COMP0: u64 = 0xe000_2008;
const DWT_COMP0: u64 = 0xe000_1020;
const DWT_MASK0: u64 = 0xe000_1024;
const DWT_FUNCTION0: u64 = 0xe000_1028;

/// Runs everything on all boards.
pub(super) fn check() -> Result<()> {
    let version1 = [
        (FP_CTRL, 0b11),
        (FP_COMP0, 0x8800_0105),
        (DWT_COMP0, WORD as u32),
        (DWT_MASK0, 2),
        (DWT_FUNCTION0, 6),
        (DWT_COMP0, BYTE as u32),
        (DWT_MASK0, 0),
        (DWT_FUNCTION0, 6),
        (DWT_COMP0, HALFWORD as u32),
        (DWT_MASK0, 1),
        (DWT_FUNCTION0, 5),
    ];
    on_board("cortex-m0", &version1)?;
    on_board("cortex-m3", &version1)?;
    let version2 = [
        (FP_CTRL, 0b11),
        (FP_COMP0, 0x0800_0107),
        (DWT_COMP0, WORD as u32),
        (DWT_FUNCTION0, 0x815),
        (DWT_COMP0, BYTE as u32),
        (DWT_FUNCTION0, 0x015),
        (DWT_COMP0, HALFWORD as u32),
        (DWT_FUNCTION0, 0x416),
    ];
    on_board("cortex-m33", &version2)?;
    for kind in [Kind::CortexM3, Kind::CortexM33] {
        with_gdb(kind)?;
    }
    Ok(())
}

/// gdb finds, halts, breaks, watches and steps through OpenOCD.
fn with_gdb(kind: Kind) -> Result<()> {
    let elf = kind.firmware()?;
    let board = Board::start(kind.name(), "remote-bitbang", &elf)?;
    let configuration = board.file("board.cfg", &format!("{}{TARGET}", board.adapter()))?;
    let said = gdb(
        &board,
        &configuration,
        &elf,
        &[
            "set language rust",
            "monitor halt",
            // gdb takes comparators of its own accord where memory is read-only.
            "mem 0x08000000 0x08010000 ro",
            "mem 0x20000000 0x20010000 rw",
            "break next",
            "continue",
            "backtrace",
            "delete",
            "watch trapline_firmware_m::program::ROUNDS",
            "continue",
            "delete",
            "rwatch trapline_firmware_m::program::ONLY_READ",
            "continue",
            "delete",
            "hbreak bump",
            "continue",
            "stepi",
            "finish",
            "print $sp == $msp",
        ],
    )?;
    expect_in_order(
        &said,
        &[
            "Breakpoint 1, ",
            "next (number=",
            "one_round ()",
            "reset ()",
            "Old value = ",
            "New value = ",
            "Value = 0\n",
            "Breakpoint 4, ",
            "bump ()",
            "one_round ()",
            "= true",
        ],
    )
}

fn on_board(kind: &str, writes: &[(u64, u32)]) -> Result<()> {
    let board = Board::start_alone(kind, "remote-bitbang")?;
    let mut script = Script::new(&format!("{}gdb_port disabled\n{TARGET}init", board.adapter()));
    // OpenOCD tells why a core halts only where it has seen it run before.
    script.run("sleep 300\ncpu arp_poll\nhalt");
    script.expect("state", "cpu curstate", "halted");
    // The control space and both units are found in the ROM table.
    script.expect("components", "regexp -all {Component base address} [capture {dap info 0}]", 4);
    // Registers are written, which OpenOCD does before a step, and read.
    script.run("cpu set_reg {r7 0x12345678 psp 0x20000800 primask 1}\nstep");
    for (register, value) in [("r7", 0x1234_5678), ("psp", 0x2000_0800), ("primask", 1)] {
        script.expect_register("cpu", register, value);
    }
    script.run("cpu set_reg {primask 0}");
    // A breakpoint halts before its instruction, and OpenOCD steps over it to run on.
    script.run(&format!("bp {LOOP:#x} 2 hw\nresume\nwait_halt 20000"));
    script.expect_register("cpu", "pc", LOOP);
    script.run("set count [dict get [cpu get_reg -force r0] r0]\nresume\nwait_halt 20000");
    script.expect_register("cpu", "pc", LOOP);
    script.expect("rounds", "expr {[dict get [cpu get_reg -force r0] r0] - $count}", 1);
    script.run(&format!("rbp {LOOP:#x}\nstep"));
    script.expect_register("cpu", "pc", LOOP + 2);
    // A watchpoint halts behind the access.
    for (address, length, kind, behind) in
        [(WORD, 4, "w", LOOP + 4), (BYTE, 1, "w", LOOP + 6), (HALFWORD, 2, "r", LOOP + 8)]
    {
        script.run(&format!("wp {address:#x} {length} {kind}\nresume\nwait_halt 20000"));
        script.expect_register("cpu", "pc", behind);
        script.run(&format!("rwp {address:#x}"));
    }
    script.expect_halts(
        "[cpu]",
        &[
            "debug-request",
            "single-step",
            "breakpoint",
            "breakpoint",
            "single-step",
            "watchpoint",
            "watchpoint",
            "watchpoint",
        ],
    );
    script.play(&board)?;
    expect_writes(&board.writes()?, 0, writes)
}
