//! Guests: small programs at the start of RAM.

use crate::a64::{self, Program};

/// Where programs start.
pub(crate) const CODE: u64 = 0x4000_0000;
/// Where they have data.
pub(crate) const DATA: u64 = 0x4010_0000;
const SERIAL: u64 = 0x0900_0000;

/// A store of 32 bits, and one of 8.
const WORD: u32 = 2;
const BYTE: u32 = 0;
const DOUBLEWORD: u32 = 3;

/// A guest, and the places in it that matter.
pub(crate) struct Guest {
    pub(crate) bytes: Vec<u8>,
    /// An instruction that is executed again and again.
    pub(crate) busy: u64,
    /// One that is executed once, after what the guest is for.
    pub(crate) last: u64,
}

/// Counts in X5 and at [`DATA`], for ever.
pub(crate) fn counter() -> Guest {
    let mut program = Program::at(CODE);
    program.load(0, DATA);
    let busy = program.add(a64::add(5, 5, 1));
    program.add(a64::store(DOUBLEWORD, 5, 0));
    program.branch(busy);
    let last = program.here();
    Guest { bytes: program.bytes(), busy, last }
}

/// Counts to `rounds`, then calls PSCI.
pub(crate) fn counts_and_calls(rounds: u64, function: u32) -> Guest {
    let mut program = Program::at(CODE);
    program.load(6, rounds);
    let busy = program.add(a64::sub(6, 6, 1));
    program.branch_if_not_zero(6, busy);
    let last = program.here();
    program.psci(function);
    Guest { bytes: program.bytes(), busy, last }
}

/// Counts to `rounds`, does what `instructions` do, and executes what is UNDEFINED.
pub(crate) fn breaks_down(rounds: u64, instructions: &[u32]) -> Guest {
    let mut program = Program::at(CODE);
    // TTBR0_EL1, VBAR_EL1 and SCTLR_EL1 get this: tables of nothing, vectors nowhere, the MMU on.
    program.load(1, 0x10_0000_0001_f000);
    program.load(2, 0x30d0_1805);
    program.load(6, rounds);
    let busy = program.add(a64::sub(6, 6, 1));
    program.branch_if_not_zero(6, busy);
    let last = program.here();
    for instruction in instructions {
        program.add(*instruction);
    }
    program.add(0);
    Guest { bytes: program.bytes(), busy, last }
}

/// `MSR VBAR_EL1, X1`, `MSR TTBR0_EL1, X1`, `MSR SCTLR_EL1, X2`, `ISB`.
pub(crate) const CORRUPT_VECTORS: &[u32] = &[0xd518_c001];
pub(crate) const CORRUPT_TABLES: &[u32] = &[0xd518_c001, 0xd518_2001, 0xd518_1002, 0xd503_3fdf];

/// Waits until X6 is 0, then writes a `NOP` over the instruction at `last`, and goes there.
pub(crate) fn overwrites() -> Guest {
    let mut program = Program::at(CODE);
    let last = CODE + 0x100;
    program.load(0, last);
    program.load(1, a64::NOP.into());
    program.load(6, 1000);
    let busy = program.add(a64::sub(6, 6, 1));
    program.branch_if_not_zero(6, busy);
    program.add(a64::store(WORD, 1, 0));
    // DC CVAU, X0; DSB ISH; IC IVAU, X0; DSB ISH; ISB.
    for instruction in [0xd50b_7b20, 0xd503_3b9f, 0xd50b_7520, 0xd503_3b9f, 0xd503_3fdf] {
        program.add(instruction);
    }
    program.pad_to(last);
    program.add(a64::add(7, 7, 1));
    let end = program.here();
    program.branch(end);
    Guest { bytes: program.bytes(), busy, last }
}

/// Writes to the serial port `count` times, then switches the machine off; for ever with 0.
pub(crate) fn talks(count: u64) -> Guest {
    let mut program = Program::at(CODE);
    program.load(0, SERIAL);
    program.load(1, b'x'.into());
    program.load(6, count);
    let busy = program.add(a64::store(BYTE, 1, 0));
    program.add(a64::sub(6, 6, 1));
    program.branch_if_not_zero(6, busy);
    let last = program.here();
    program.psci(a64::SYSTEM_OFF);
    Guest { bytes: program.bytes(), busy, last }
}
