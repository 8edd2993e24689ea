//! Calls to and fro between A32 and T32: a chain to look at from its end, lines to step over and into, floating point.
#![expect(unsafe_code, reason = "statics that a debugger looks at and changes")]
#![expect(
    clippy::multiple_unsafe_ops_per_block,
    reason = "one proof holds for all of a block: nobody but the main loop and a debugger touches these statics"
)]

use core::arch::global_asm;
use core::hint::black_box;

/// What the chain starts from. A debugger may change it.
#[unsafe(no_mangle)]
pub(crate) static mut CHAIN_INPUT: u32 = 5;
/// What came of it.
#[unsafe(no_mangle)]
pub(crate) static mut CHAIN_RESULT: u32 = 0;
/// What [`stepping_ground`] returned.
#[unsafe(no_mangle)]
pub(crate) static mut STEPPING_RESULT: u32 = 0;
/// What [`double_work`] takes.
#[unsafe(no_mangle)]
pub(crate) static mut FLOAT_INPUT: f64 = 1.5;
/// Twice as much.
#[unsafe(no_mangle)]
pub(crate) static mut FLOAT_RESULT: f64 = 0.0;

global_asm!(
    ".pushsection .text.double_work, \"ax\"",
    ".fpu neon",
    ".thumb",
    ".thumb_func",
    ".global double_work",
    ".type double_work, %function",
    "double_work:",
    "vldr d0, [r0]",
    "vmov.f64 d17, d0",
    // A debugger that stops here finds the value in D0 and in D17, and may change D17.
    ".global double_added",
    ".thumb_func",
    ".type double_added, %function",
    "double_added:",
    "vadd.f64 d0, d0, d17",
    "vstr d0, [r1]",
    "bx lr",
    ".size double_work, . - double_work",
    ".popsection",
);

unsafe extern "C" {
    /// Adds a number to itself, in D0 and D17.
    fn double_work(from: *const f64, to: *mut f64);
}

/// Runs all of this file.
#[instruction_set(arm::a32)]
pub(crate) fn run() {
    // SAFETY: only the main loop and a debugger touch these statics, and what the call accesses are two of them.
    unsafe {
        let result = chain_outer(CHAIN_INPUT);
        CHAIN_RESULT = result;
        STEPPING_RESULT = stepping_ground();
        double_work(&raw const FLOAT_INPUT, &raw mut FLOAT_RESULT);
    }
}

#[unsafe(no_mangle)]
#[inline(never)]
#[instruction_set(arm::a32)]
extern "C" fn chain_outer(value: u32) -> u32 {
    let doubled = value * 2;
    chain_middle(doubled) + 1
}

#[unsafe(no_mangle)]
#[inline(never)]
#[instruction_set(arm::t32)]
extern "C" fn chain_middle(value: u32) -> u32 {
    let raised = value + 100;
    chain_inner(raised, value) + 1
}

#[unsafe(no_mangle)]
#[inline(never)]
#[instruction_set(arm::a32)]
extern "C" fn chain_inner(left: u32, right: u32) -> u32 {
    let product = left * right;
    black_box(product) + 1
}

#[unsafe(no_mangle)]
#[inline(never)]
#[instruction_set(arm::t32)]
extern "C" fn stepping_ground() -> u32 {
    let first = 3;
    let second = stepping_callee(first);
    let third = first + second;
    third * 2
}

#[unsafe(no_mangle)]
#[inline(never)]
#[instruction_set(arm::a32)]
extern "C" fn stepping_callee(value: u32) -> u32 {
    let square = value * value;
    square + 1
}
