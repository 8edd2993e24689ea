//! The Armv8-A board: OpenOCD's `aarch64` target, and gdb on it.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use object::{Object as _, ObjectSymbol as _};

use super::script::{Script, expect_in_order, expect_writes, gdb};
use crate::{run_guest::build, simulator::Board};

/// Access ports of the board: debug registers, memory.
const DEBUG: u8 = 0;
/// Base addresses of the debug units.
const BASES: [u64; 2] = [0x8001_0000, 0x8011_0000];
/// Offsets of comparators: `DBGBCR<n>_EL1` and `DBGWCR<n>_EL1` from n = 0 on.
const BCR: u64 = 0x408;
const WCR: u64 = 0x808;
/// The context that is set.
const CONTEXT: u32 = 0x42;

const TARGETS: &str = "
jtag newtap board cpu -irlen 4 -expected-id 0x4ba00477
dap create board.dap -chain-position board.cpu
cti create board.cti0 -dap board.dap -ap-num 0 -baseaddr 0x80020000
cti create board.cti1 -dap board.dap -ap-num 0 -baseaddr 0x80120000
target create cpu0 aarch64 -dap board.dap -ap-num 0 -dbgbase 0x80010000 -cti board.cti0 -coreid 0
target create cpu1 aarch64 -dap board.dap -ap-num 0 -dbgbase 0x80110000 -cti board.cti1 -coreid 1
target create registers mem_ap -dap board.dap -ap-num 0 -gdb-port disabled
target create memory mem_ap -dap board.dap -ap-num 1 -gdb-port disabled
target smp cpu0 cpu1
targets cpu0
";

/// Runs everything.
pub(super) fn check() -> Result<()> {
    let elf = build::firmware()?;
    let image = fs::read(&elf)?;
    let file = object::File::parse(&*image)?;
    let address = |name: &str| {
        let symbol = file.symbol_by_name(name).or_else(|| {
            file.symbols().find(|symbol| symbol.name().is_ok_and(|symbol| symbol.ends_with(name)))
        });
        symbol.map(|symbol| symbol.address()).with_context(|| format!("the firmware has no {name}"))
    };
    let board = Board::start("armv8a", "remote-bitbang", &elf)?;
    with_openocd(&board, &address)?;
    with_gdb(&board, &elf)
}

fn with_openocd(board: &Board, address: &impl Fn(&str) -> Result<u64>) -> Result<()> {
    let (first, second) = (address("write_first")?, address("write_second")?);
    let (word, read, middle) = (address("WATCHED_U32")?, address("ONLY_READ")?, address("NEIGHBOURS")? + 2);
    let mut script = Script::new(&format!("{}gdb_port disabled\n{TARGETS}init", board.adapter()));

    // Find and halt: one request halts both cores through the cross-trigger matrix.
    script.run("sleep 300\nhalt");
    script.expect("state of core 0", "cpu0 curstate", "halted");
    script.expect("state of core 1", "cpu1 curstate", "halted");
    script.expect(
        "debug units in the ROM table",
        "regexp -all {Debug Logic, Processor} [capture {dap info 0}]",
        2,
    );

    // A breakpoint halts both cores, and both run on.
    script.run(&format!("bp {first:#x} 4 hw\nresume\nwait_halt 20000"));
    script.expect_register("cpu0", "pc", first);
    script.expect("state of core 1 after core 0's breakpoint", "cpu1 curstate", "halted");

    // Steps.
    script.run(&format!("rbp {first:#x}\nstep"));
    script.expect_register("cpu0", "pc", first + 4);
    script.run("step");
    script.expect_register("cpu0", "pc", first + 8);

    // Watchpoints: a store to a word, a load of one, a store to one byte of a doubleword.
    let value = |address: u64| format!("format %x [memory read_memory {address:#x} 32 1]");
    script.run(&format!("wp {word:#x} 4 w\nresume\nwait_halt 20000"));
    script.expect("the word before the store", &value(word), "b1b2b3b4");
    script.run(&format!("rwp {word:#x}\nstep"));
    script.expect("the word after the store", &value(word), "a1a2a3a4");
    script.run(&format!("wp {read:#x} 4 r\nresume\nwait_halt 20000"));
    script.run(&format!("rwp {read:#x}\nwp {middle:#x} 1 a\nresume\nwait_halt 20000"));
    script.run(&format!("rwp {middle:#x}"));

    // A breakpoint that is linked to a context: it does not hit in another one.
    let debugger_writes =
        |offset: u64, value: u32| format!("registers mww {:#x} {value:#x}", BASES[0] + offset);
    let set_context = |context: u32| {
        // MRS X0, DBGDTRRX_EL0; MSR CONTEXTIDR_EL1, X0. OpenOCD is made to restore X0.
        [
            "cpu0 set_reg [cpu0 get_reg x0]".to_owned(),
            debugger_writes(0x080, context),
            debugger_writes(0x084, 0xd533_0500),
            debugger_writes(0x084, 0xd518_d020),
        ]
        .join("\n")
    };
    script.run(&set_context(CONTEXT + 1));
    script.run(&format!("bp {first:#x} {CONTEXT:#x} 4 hw_ctx\nbp {second:#x} 4 hw\nresume\nwait_halt 20000"));
    script.expect_register("cpu0", "pc", second);
    script.run(&set_context(CONTEXT));
    script.run(&format!("rbp {second:#x}"));
    script.run("resume\nwait_halt 20000");
    script.expect_register("cpu0", "pc", first);
    script.run(&format!("rbp {first:#x}"));

    // Registers of all kinds.
    script.run(&format!("bp {:#x} 4 hw\nresume\nwait_halt 20000", address("known_registers_here")?));
    for number in [2_u64, 20, 28] {
        script.expect_register("cpu0", &format!("x{number}"), 0x0123_4567_89ab_cd00 + number);
    }
    script.run(&format!("rbp {:#x}\nresume", address("known_registers_here")?));
    script.expect_halts(
        "cpu0",
        &[
            "debug-request",
            "breakpoint",
            "single-step",
            "single-step",
            "watchpoint",
            "single-step",
            "watchpoint",
            "watchpoint",
            "breakpoint",
            "breakpoint",
            "breakpoint",
        ],
    );
    script.play(board)?;

    let writes = board.writes()?;
    let watch =
        |kind: u32, length: u32, address: u64| 0x2007 | kind << 3 | ((1 << length) - 1) << (address & 7) << 5;
    for base in BASES {
        expect_writes(
            &writes,
            DEBUG,
            &[
                (base + BCR, 0x21e7),
                (base + BCR, 0),
                (base + WCR, watch(0b10, 4, word)),
                (base + WCR, 0),
                (base + WCR, watch(0b01, 4, read)),
                (base + WCR, watch(0b11, 1, middle)),
                (base + WCR, 0),
                (base + BCR + 4 * 16, 0x0030_01e7),
                (base + BCR, 0x0014_21e7),
            ],
        )?;
    }
    let serial = board.serial()?;
    ensure!(serial.contains("ticking at 100 Hz"), "the firmware says {serial:?}");
    Ok(())
}

fn with_gdb(board: &Board, elf: &std::path::Path) -> Result<()> {
    let configuration = board.file("board.cfg", &format!("{}{TARGETS}", board.adapter()))?;
    let said = gdb(
        board,
        &configuration,
        elf,
        &[
            "monitor halt",
            // The page tables say so as well; gdb then takes comparators for its own breakpoints.
            "mem 0x40000000 0x40200000 ro",
            "mem 0x40200000 0x41000000 rw",
            "hbreak chain_inner",
            "continue",
            "backtrace",
            "finish",
            "delete",
            "watch trapline_firmware::accesses::WATCHED_U64",
            "continue",
            "print/x trapline_firmware::accesses::WATCHED_U64",
            "delete",
            "rwatch trapline_firmware::accesses::ONLY_READ",
            "continue",
            "delete",
            "hbreak stepping_ground",
            "continue",
            "next",
            "step",
            "info threads",
            "print trapline_firmware::rounds::ROUNDS > 0",
        ],
    )?;
    expect_in_order(
        &said,
        &[
            "Breakpoint 1, trapline_firmware::calls::chain_inner (left=110, right=10)",
            "#1 ",
            "chain_middle (value=10)",
            "#2 ",
            "chain_outer (value=5)",
            "Value returned is $1 = 1101",
            "Old value = 12804494279291877304\nNew value = 11647051513882650536\n",
            "$2 = 0xa1a2a3a4a5a6a7a8",
            "Value = 1611526157",
            "stepping_ground ()",
            "stepping_callee (",
            "= true",
        ],
    )
}
