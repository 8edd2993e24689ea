//! What the core's pure functions cost, for callgrind to count: each case calls one of them once, inside
//! [`measured`].
//!
//! Without an argument it lists the cases; with the name of one it runs that.

use std::{hint::black_box, process::ExitCode};

use anyhow::{Context as _, Result, ensure};
use trapline_core::{
    address::{AddressRange, PhysicalAddress},
    breakpoint::{Breakpoint, BreakpointNumber, Instruction},
    comparator::Capabilities,
    pool::{BreakpointPool, Owner, WatchpointPool},
    scope::Scope,
    software::SoftwareBreakpoints,
    stepping::Stretch,
    syndrome::Syndrome,
    target::BreakInstruction,
    watchpoint::{Access, Watchpoint, plan},
};

/// The function that is counted, with all that it calls.
#[inline(never)]
fn measured<T>(work: impl FnOnce() -> T) -> T {
    black_box(work())
}

fn encode() -> Result<()> {
    let address = black_box(0xffff_8000_1000_4004);
    measured(|| {
        Some(
            Breakpoint::at(address, Instruction::A64, Scope::EL1_AND_EL0)
                .ok()?
                .pair(BreakpointNumber::default()),
        )
    });
    Ok(())
}

fn watch(address: u64, length: u64) -> Result<Watchpoint> {
    let range = AddressRange::new(address, length).context("no range")?;
    Ok(Watchpoint::new(range, Access::Write, Scope::EL1_AND_EL0))
}

fn planning(length: u64) -> Result<()> {
    let watchpoint = black_box(watch(0x4000_1003, length)?);
    measured(|| plan(&watchpoint).ok().map(|plan| plan.pieces().count())).context("no plan").map(drop)
}

/// Looks up the last of so many watchpoints.
fn lookup(watchpoints: u8) -> Result<()> {
    let capabilities = Capabilities { breakpoints: 16, watchpoints: 16, ..Capabilities::default() };
    let mut pool: WatchpointPool = WatchpointPool::new(&capabilities);
    for number in 0..u64::from(watchpoints) {
        pool.reserve(watch(0x4000_0000 + 0x1_0000 * number, 8)?, Owner::DEBUGGER)?;
    }
    let address = black_box(0x4000_0000 + 0x1_0000 * u64::from(watchpoints - 1));
    measured(|| pool.lookup(address, Some(true), 64)).context("not found").map(drop)
}

fn syndrome() -> Result<()> {
    let esr = black_box(0xd200_0062);
    measured(|| Syndrome::decode(esr));
    Ok(())
}

/// Looks up which of so many breakpoints match at the address of the last.
fn slots(breakpoints: u8) -> Result<()> {
    let capabilities = Capabilities { breakpoints: 16, watchpoints: 16, ..Capabilities::default() };
    let mut pool: BreakpointPool = BreakpointPool::new(&capabilities);
    for number in 0..u64::from(breakpoints) {
        let breakpoint = Breakpoint::at(0x4000_0000 + 4 * number, Instruction::A64, Scope::EL1_AND_EL0)?;
        pool.reserve(breakpoint, Owner::DEBUGGER)?;
    }
    let address = black_box(0x4000_0000 + 4 * u64::from(breakpoints - 1));
    ensure!(!measured(|| pool.slots_at(address)).is_empty(), "not found");
    Ok(())
}

/// Steps through a loop of 8 instructions by breakpoints on its exits.
fn stretch() -> Result<()> {
    // add x1, x1, #1; and cbnz x2, back to the first.
    let word = |address: u64| Some(if address == 0x4000_001c { 0xb5ff_ff22 } else { 0x9100_0421 });
    let pc = black_box(0x4000_0000);
    measured(|| Stretch::find(pc, 0x4000_0020, pc, 4, word)).context("nothing to run through").map(drop)
}

type Table = SoftwareBreakpoints<10_000>;

/// So many software breakpoints, and the address behind the last.
fn table(breakpoints: u64) -> Result<(Box<Table>, u64)> {
    let mut table = Box::new(Table::new(BreakInstruction::Brk));
    for number in 0..breakpoints {
        let address = 0x4000_0000 + 4 * number;
        table.insert(PhysicalAddress(address), address, Instruction::A64, Owner::DEBUGGER)?;
    }
    Ok((table, 0x4000_0000 + 4 * breakpoints))
}

/// Looks up the last of so many software breakpoints.
fn software(breakpoints: u64) -> Result<()> {
    let (table, end) = table(breakpoints)?;
    let address = black_box(PhysicalAddress(end - 4));
    measured(|| table.at(address)).context("not found").map(drop)
}

/// Inserts the last of so many software breakpoints.
fn insertion(breakpoints: u64) -> Result<()> {
    let (mut table, end) = table(breakpoints - 1)?;
    let address = black_box(end);
    let place = PhysicalAddress(address);
    measured(|| table.insert(place, address, Instruction::A64, Owner::DEBUGGER))?;
    Ok(())
}

type Case = (&'static str, fn() -> Result<()>);

const CASES: [Case; 21] = [
    ("encode a breakpoint", encode),
    ("plan a watchpoint on 4 bytes of a doubleword", || planning(4)),
    ("plan a watchpoint on 7 bytes across two", || planning(7)),
    ("plan a watchpoint on 4,000 bytes", || planning(4000)),
    ("decode ESR_ELx of a watchpoint", syndrome),
    ("find one of 1 watchpoint by FAR", || lookup(1)),
    ("find one of 4 watchpoints by FAR", || lookup(4)),
    ("find one of 16 watchpoints by FAR", || lookup(16)),
    ("find one of 1 breakpoint by PC", || slots(1)),
    ("find one of 4 breakpoints by PC", || slots(4)),
    ("find one of 16 breakpoints by PC", || slots(16)),
    ("plan a run through a loop of 8 instructions", stretch),
    ("insert the last of 1 software breakpoint", || insertion(1)),
    ("insert the last of 100 software breakpoints", || insertion(100)),
    ("insert the last of 1,000 software breakpoints", || insertion(1000)),
    ("insert the last of 10,000 software breakpoints", || insertion(10_000)),
    ("find one of 1 software breakpoint", || software(1)),
    ("find one of 10 software breakpoints", || software(10)),
    ("find one of 100 software breakpoints", || software(100)),
    ("find one of 1,000 software breakpoints", || software(1000)),
    ("find one of 10,000 software breakpoints", || software(10_000)),
];

fn main() -> Result<ExitCode> {
    let Some(wanted) = std::env::args().nth(1) else {
        for (name, _) in CASES {
            println!("{name}");
        }
        return Ok(ExitCode::SUCCESS);
    };
    let (_, case) = CASES.iter().find(|(name, _)| *name == wanted).context("there is no such case")?;
    case()?;
    Ok(ExitCode::SUCCESS)
}
