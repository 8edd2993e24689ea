//! An unmodified gdb on a Cortex-M core, by `trapline board`.

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;

use super::{Kind, tool::Tool};
use crate::check_simulator::{expect_in_order, expect_writes, gdb_on};
use crate::simulator::Board;

/// Instructions to step, in which the timer would interrupt several times.
const STEPS: u32 = 700;

/// Plays a session on a board of this kind, and answers what gdb has said.
pub(crate) fn check(kind: Kind) -> Result<String> {
    let firmware = kind.firmware()?;
    let board = Board::start(kind.name(), "glasgow", &firmware)?;
    let options = ["--connect-under-reset", "--gdb", "127.0.0.1:0"];
    let mut tool = Tool::start(&board, kind, &firmware, &options)?;
    let slots = tool.wait_for("breakpoints")?;
    let unit = if kind == Kind::CortexM3 { "FPB version 1" } else { "FPB version 2" };
    let wanted =
        format!("1 core; 6 breakpoints ({unit}); 4 watchpoints; interrupts are held off while stepping");
    ensure!(slots == wanted, "the slots are told as {slots:?}");
    let address = tool.wait_for("target remote ")?;
    let (_, address) = address.split_once("target remote ").context("there is no address")?;

    let steps = format!("stepi {STEPS}");
    let mut commands = vec![
        "set pagination off",
        "set language rust",
        "info threads",
        // In flash gdb takes a comparator of its own accord, for the memory map says so.
        "break one_round",
        "continue",
        "info breakpoints",
        "print $sp == $msp",
        "print/x $xpsr & 0x1000000",
        "hbreak next",
        "continue",
        "backtrace",
        "delete",
        "watch trapline_firmware_m::program::ROUNDS",
        "continue",
        "continue",
        "delete",
        "watch trapline_firmware_m::program::BYTES[5]",
        "continue",
        "delete",
        "rwatch trapline_firmware_m::program::ONLY_READ",
        "continue",
        "delete",
        // Exclusive loads and stores, in one go.
        "break bump",
        "continue",
        "set $count = trapline_firmware_m::program::EXCLUSIVE",
        "finish",
        "print trapline_firmware_m::program::EXCLUSIVE - $count",
        "delete",
        // Steps that no interrupt disturbs.
        "set $ticks = trapline_firmware_m::program::TICKS",
        &steps,
        "print trapline_firmware_m::program::TICKS - $ticks",
        // And then the interrupt.
        "hbreak tick",
        "continue",
        "info threads",
        "backtrace 2",
        "delete",
        // Registers are written.
        "set var $r4 = 0x12345678",
        "set var $psp = 0x20000800",
        "print/x $psp",
        "set var $primask = 1",
        "print $primask",
        "set var $primask = 0",
        "print/x $r4",
    ];
    if kind == Kind::CortexM33 {
        commands.extend(["set var $d1 = 1.5", "print $d1", "print/x $s3"]);
    }
    commands.extend([
        // A fault that nobody handles.
        "set var trapline_firmware_m::program::FAULT = 1",
        "continue",
        "info registers pc",
        "detach",
    ]);
    let said = gdb_on(&format!("target remote {address}"), &firmware, &commands)?;
    let mut wanted = vec![
        "core 0 [running, Thread mode]",
        "Breakpoint 1, ",
        "one_round ()",
        "breakpoint already hit 1 time",
        "$1 = true",
        "$2 = 0x1000000",
        "Breakpoint 2, ",
        "next (number=0)",
        "one_round ()",
        "reset ()",
        "Old value = 0\nNew value = 1\n",
        "Old value = 1\nNew value = 2\n",
        "Old value = 1\nNew value = 2\n",
        "Value = 0\n",
        "bump ()",
        "$3 = 1\n",
        "$4 = 0\n",
        "tick ()",
        "core 0 [running, interrupt 0]",
        "<signal handler called>",
        "= 0x20000800",
        "= 1\n",
        "= 0x12345678",
    ];
    if kind == Kind::CortexM33 {
        wanted.extend(["= 1.5", "= 0x3ff80000"]);
    }
    wanted.extend(["SIGSEGV", "detached"]);
    expect_in_order(&said, &wanted)?;

    tool.signal(Signal::INT)?;
    let (status, lines) = tool.end()?;
    ensure!(status.code() == Some(130), "it ended with {status}:\n{}", lines.join("\n"));
    // DWT_FUNCTION0 and FP_COMP0, with what gdb had there before; then debugging is off.
    let version1 = [(0xe000_2008, 0), (0xe000_1028, 6), (0xe000_1028, 0), (0xe000_1028, 5), (0xe000_1028, 0)];
    let version2 = [(0xe000_2008, 0), (0xe000_1028, 0x815), (0xe000_1028, 0), (0xe000_1028, 0x416)];
    let off = (0xe000_edf0, 0xa05f_0000);
    let writes = board.writes()?;
    let all: Vec<(u64, u32)> = match kind {
        Kind::CortexM33 => version2.into_iter().chain([off]).collect(),
        _ => version1.into_iter().chain([off]).collect(),
    };
    expect_writes(&writes, 0, &all)?;
    Ok(said)
}
