//! The firmware's own exceptions: `SVC` and `BKPT`, made in both instruction sets and handled by its own vectors.
#![expect(unsafe_code, reason = "vectors, and statics that a debugger looks at")]
#![expect(
    clippy::multiple_unsafe_ops_per_block,
    reason = "one proof holds for all of a block: nobody but the main loop and a debugger touches these statics"
)]

use core::arch::{asm, global_asm};
use core::hint::spin_loop;
use core::ptr::read_volatile;

/// How many `BKPT`s of its own the firmware has handled.
#[unsafe(no_mangle)]
pub(crate) static mut OWN_BKPTS: u32 = 0;
/// The last of their immediates.
#[unsafe(no_mangle)]
pub(crate) static mut LAST_BKPT: u32 = 0;
/// How many `SVC`s it has handled.
#[unsafe(no_mangle)]
pub(crate) static mut CALLS: u32 = 0;
/// Whether the `BKPT` that comes next is one of T32. `SPSR` says so as well, but QEMU's emulation (7.2) leaves that of a
/// mode as it was when a hypervisor enters that mode, as a debugger does that gives an exception back.
static mut IN_T32: bool = false;
/// The fault status of an abort that was none of its own.
#[unsafe(no_mangle)]
pub(crate) static mut UNEXPECTED: u32 = 0;

global_asm!(
    ".pushsection .text.vectors, \"ax\"",
    ".arm",
    ".balign 32",
    ".global vectors",
    "vectors:",
    "b _start",
    "b unexpected_entry",
    "b call_entry",
    "b prefetch_entry",
    "b data_entry",
    "b unexpected_entry",
    "b unexpected_entry",
    "b unexpected_entry",
    "call_entry:",
    "srsdb sp!, #0x13",
    "push {{r0-r3, r12, lr}}",
    "bl own_call",
    "pop {{r0-r3, r12, lr}}",
    "rfeia sp!",
    "prefetch_entry:",
    "sub lr, lr, #4",
    "srsdb sp!, #0x17",
    "push {{r0-r3, r12, lr}}",
    "mrc p15, 0, r0, c5, c0, 1", // IFSR
    "add r1, sp, #24",
    "bl own_prefetch_abort",
    "pop {{r0-r3, r12, lr}}",
    "rfeia sp!",
    "data_entry:",
    "mrc p15, 0, r0, c5, c0, 0", // DFSR
    "b unexpected",
    "unexpected_entry:",
    "mov r0, #0xff",
    "b unexpected",
    ".popsection",
);

/// What `SRS` has saved.
#[repr(C)]
struct Saved {
    pc: u32,
    status: u32,
}

/// `CPSR` in Supervisor mode with everything masked, as it always is in the main loop.
const SUPERVISOR: u32 = 0x1d3;
/// `CPSR.T`.
const THUMB: u32 = 1 << 5;
/// `IFSR` without what is not its status.
const STATUS: u32 = 0x40f;
/// A debug event (DDI 0487, "Short-descriptor format FSR encodings").
const DEBUG_EVENT: u32 = 0b0_0010;

/// Runs all of this file.
#[instruction_set(arm::a32)]
pub(crate) fn run() {
    own_call_a32();
    own_call_t32();
    // SAFETY: only the main loop writes it.
    unsafe { IN_T32 = false };
    own_bkpt_a32();
    // SAFETY: as above.
    unsafe { IN_T32 = true };
    own_bkpt_t32();
}

#[unsafe(no_mangle)]
#[inline(never)]
#[instruction_set(arm::a32)]
fn own_call_a32() {
    // SAFETY: the handler gives everything back but LR, for it is of the same mode.
    unsafe { asm!("svc #7", out("lr") _) };
}

#[unsafe(no_mangle)]
#[inline(never)]
#[instruction_set(arm::t32)]
fn own_call_t32() {
    // SAFETY: as above.
    unsafe { asm!("svc #8", out("lr") _) };
}

#[unsafe(no_mangle)]
#[inline(never)]
#[instruction_set(arm::a32)]
fn own_bkpt_a32() {
    // SAFETY: the handler gives everything back, and returns behind it.
    unsafe { asm!("bkpt #0x1234") };
}

#[unsafe(no_mangle)]
#[inline(never)]
#[instruction_set(arm::t32)]
fn own_bkpt_t32() {
    // SAFETY: as above.
    unsafe { asm!("bkpt #0x56") };
}

/// An `SVC`.
#[unsafe(no_mangle)]
#[instruction_set(arm::t32)]
extern "C" fn own_call() {
    // SAFETY: only this handler writes it.
    unsafe { CALLS = CALLS.wrapping_add(1) };
}

/// A prefetch abort with this status: of `BKPT` instructions the execution goes on behind them.
#[unsafe(no_mangle)]
#[instruction_set(arm::a32)]
extern "C" fn own_prefetch_abort(status: u32, saved: &mut Saved) {
    if status & STATUS != DEBUG_EVENT {
        unexpected(status);
    }
    // SAFETY: only the main loop writes it, which is at the instruction.
    let in_t32 = unsafe { IN_T32 };
    saved.status = SUPERVISOR | if in_t32 { THUMB } else { 0 };
    let (comment, length) = if !in_t32 {
        // SAFETY: the instruction that was executed, a word of the firmware's own code.
        let word = unsafe { read_volatile(saved.pc as *const u32) };
        (word >> 4 & 0xfff0 | word & 0xf, 4)
    } else {
        // SAFETY: as above, a halfword.
        let halfword = unsafe { read_volatile(saved.pc as *const u16) };
        (u32::from(halfword & 0xff), 2)
    };
    saved.pc += length;
    // SAFETY: only this handler writes them.
    unsafe {
        LAST_BKPT = comment;
        OWN_BKPTS = OWN_BKPTS.wrapping_add(1);
    }
}

/// The end, where an exception is none of the firmware's own.
#[unsafe(no_mangle)]
#[instruction_set(arm::a32)]
extern "C" fn unexpected(status: u32) -> ! {
    // SAFETY: nobody else is left.
    unsafe { UNEXPECTED = status };
    crate::uart::text("unexpected exception\n");
    loop {
        spin_loop();
    }
}
