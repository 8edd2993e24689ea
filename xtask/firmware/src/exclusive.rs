//! A counter advanced by load-exclusive and store-exclusive.
#![expect(unsafe_code, reason = "exclusive accesses, and statics that a debugger looks at")]

use core::arch::asm;

use crate::rounds::{Check, check};

/// Advanced by four each round.
#[unsafe(no_mangle)]
pub(crate) static mut EXCLUSIVE_COUNTER: u64 = 0;
/// How often a store-exclusive was tried.
#[unsafe(no_mangle)]
pub(crate) static mut EXCLUSIVE_TRIES: u64 = 0;

/// Advances the counter four times.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn count_exclusively() {
    let mut i = 0;
    while i < 4 {
        // SAFETY: only the main loop touches the counter.
        let before = unsafe { EXCLUSIVE_COUNTER };
        exclusive_add(&raw mut EXCLUSIVE_COUNTER, 1);
        // SAFETY: as above.
        check(Check::Exclusive, unsafe { EXCLUSIVE_COUNTER } == before + 1);
        i += 1;
    }
}

/// Adds `amount` to `counter` and returns what it was.
#[unsafe(no_mangle)]
#[inline(never)]
#[expect(named_asm_labels, reason = "names to break on; the function is never inlined")]
extern "C" fn exclusive_add(counter: *mut u64, amount: u64) -> u64 {
    let old: u64;
    let tries: u64;
    // SAFETY: `counter` is the static above, aligned, in normal memory.
    unsafe {
        asm!(
            "mov {tries}, xzr",
            "2:",
            "add {tries}, {tries}, #1",
            ".globl exclusive_load",
            "exclusive_load:",
            "ldxr {old}, [{counter}]",
            "add {new}, {old}, {amount}",
            "stxr {failed:w}, {new}, [{counter}]",
            "cbnz {failed:w}, 2b",
            ".globl exclusive_done",
            "exclusive_done:",
            counter = in(reg) counter,
            amount = in(reg) amount,
            old = out(reg) old,
            new = out(reg) _,
            tries = out(reg) tries,
            failed = out(reg) _,
            options(nostack, preserves_flags)
        );
    }
    // SAFETY: only the main loop touches it.
    unsafe { EXCLUSIVE_TRIES += tries };
    old
}
