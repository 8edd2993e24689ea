//! The Cortex-M boards: OpenOCD's `cortex_m` target.

use anyhow::Result;

use super::script::{Script, expect_writes};
use crate::simulator::Board;

const TARGET: &str = "
jtag newtap board cpu -irlen 4 -expected-id 0x4ba00477
dap create board.dap -chain-position board.cpu
target create cpu cortex_m -dap board.dap -ap-num 0
init
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
        (FP_COMP0, 0x8800_0105),
        (FP_CTRL, 0b11),
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
        (FP_COMP0, 0x0800_0107),
        (FP_CTRL, 0b11),
        (DWT_COMP0, WORD as u32),
        (DWT_FUNCTION0, 0x815),
        (DWT_COMP0, BYTE as u32),
        (DWT_FUNCTION0, 0x015),
        (DWT_COMP0, HALFWORD as u32),
        (DWT_FUNCTION0, 0x416),
    ];
    on_board("cortex-m33", &version2)
}

fn on_board(kind: &str, writes: &[(u64, u32)]) -> Result<()> {
    let board = Board::start_alone(kind, "remote-bitbang")?;
    let mut script = Script::new(&format!("{}gdb_port disabled\n{TARGET}", board.adapter()));
    // OpenOCD tells why a core halts only where it has seen it run before.
    script.run("sleep 300\ncpu arp_poll\nhalt");
    script.expect("state", "cpu curstate", "halted");
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
