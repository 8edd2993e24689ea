//! The same code and data a second time, in the high half of the address space.
#![expect(unsafe_code, reason = "a call to an address, and statics that a debugger looks at")]

use core::arch::asm;

use crate::rounds::{Check, check};

/// From an address as linked to its alias.
pub(crate) const ALIAS_OFFSET: usize = 0xffff_8000_0000_0000;

/// Cleared at its address as linked before each call of [`alias_work`], which stores its result at the high
/// address.
#[unsafe(no_mangle)]
pub(crate) static mut ALIAS_RESULT: u64 = 0;
/// Where [`alias_work`] last ran.
#[unsafe(no_mangle)]
pub(crate) static mut ALIAS_PC: u64 = 0;

/// Calls [`alias_work`] by its address in the high half.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn call_through_alias() {
    let high = alias_work as *const () as usize + ALIAS_OFFSET;
    // SAFETY: the same code is mapped there. It reaches its data relative to itself, so in the high half too,
    // and returns to where it was called from.
    let work = unsafe { core::mem::transmute::<usize, extern "C" fn(u64) -> u64>(high) };
    // SAFETY: only the main loop touches it.
    unsafe { ALIAS_RESULT = 0 };
    let result = work(0x1234);
    // SAFETY: as above.
    check(Check::Alias, unsafe { ALIAS_RESULT } == result && result == 0xedcb);
    // SAFETY: as above.
    check(Check::Alias, unsafe { ALIAS_PC } >> 47 == 0x1_ffff);
}

/// Runs in the high half.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn alias_work(input: u64) -> u64 {
    let pc: u64;
    // SAFETY: reads the program counter.
    unsafe { asm!("adr {}, .", out(reg) pc, options(nomem, nostack, preserves_flags)) };
    // SAFETY: only the main loop touches it.
    unsafe { ALIAS_PC = pc };
    let result = input ^ 0xffff;
    // SAFETY: as above.
    unsafe { ALIAS_RESULT = result };
    result
}
