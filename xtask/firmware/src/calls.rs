//! Calls: a chain to look at from its end, lines to step over and into, floating point.
#![expect(unsafe_code, reason = "statics that a debugger looks at and changes")]

use core::hint::black_box;

/// What the chain starts from. A debugger may change it.
#[unsafe(no_mangle)]
pub(crate) static mut CHAIN_INPUT: u64 = 5;
/// What came of it.
#[unsafe(no_mangle)]
pub(crate) static mut CHAIN_RESULT: u64 = 0;
/// What [`float_work`] made of 1.5 and 2.5.
#[unsafe(no_mangle)]
pub(crate) static mut FLOAT_RESULT: f64 = 0.0;
/// What [`stepping_ground`] returned.
#[unsafe(no_mangle)]
pub(crate) static mut STEPPING_RESULT: u32 = 0;

/// Runs all of this file.
pub(crate) fn run() {
    // SAFETY: only the main loop and a debugger touch it.
    let input = unsafe { CHAIN_INPUT };
    let result = chain_outer(input);
    // SAFETY: as above.
    unsafe { CHAIN_RESULT = result };
    let result = float_work(1.5, 2.5);
    // SAFETY: as above.
    unsafe { FLOAT_RESULT = result };
    let result = stepping_ground();
    // SAFETY: as above.
    unsafe { STEPPING_RESULT = result };
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn chain_outer(value: u64) -> u64 {
    let doubled = value * 2;
    chain_middle(doubled) + 1
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn chain_middle(value: u64) -> u64 {
    let raised = value + 100;
    chain_inner(raised, value) + 1
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn chain_inner(left: u64, right: u64) -> u64 {
    let product = left * right;
    black_box(product) + 1
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn float_work(left: f64, right: f64) -> f64 {
    let product = left * right;
    product + 0.5
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn stepping_ground() -> u32 {
    let first = 3;
    let second = stepping_callee(first);
    let third = first + second;
    third * 2
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn stepping_callee(value: u32) -> u32 {
    let square = value * value;
    square + 1
}
