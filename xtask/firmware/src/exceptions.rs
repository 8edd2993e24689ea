//! The exception vectors, the saved registers, and who handles what.
#![expect(unsafe_code, reason = "the vectors are assembly, and system registers are read by it")]

use core::arch::{asm, global_asm};

use crate::{gic, own_brk, own_debug, timer, verdict};

/// What the vectors save, in their order.
#[repr(C)]
pub(crate) struct Frame {
    /// x0 to x30.
    pub(crate) x: [u64; 31],
    /// `ELR_EL1`: where the exception was taken from.
    pub(crate) elr: u64,
    /// `SPSR_EL1`: the state that it was taken from.
    pub(crate) spsr: u64,
    /// Keeps the vector registers 16-byte aligned.
    reserved: u64,
    /// v0 to v31.
    v: [u128; 32],
    /// FPSR and FPCR.
    floating_point: [u64; 2],
}

const _: () = assert!(size_of::<Frame>() == 800, "the vectors save 800 bytes");

// Handlers are compiled code and may use any register: all are saved. The unwind information makes a
// backtrace go on into the interrupted function (its own x30 is lost to it; the return address is ELR).
macro_rules! vector {
    ($name:literal, $handler:literal) => {
        global_asm!(
            ".section .text.vectors, \"ax\"",
            concat!(".type ", $name, ", %function"),
            concat!($name, ":"),
            ".cfi_startproc",
            ".cfi_signal_frame",
            "sub sp, sp, #800",
            ".cfi_def_cfa_offset 800",
            "stp x0, x1, [sp, #0]",
            "stp x2, x3, [sp, #16]",
            "stp x4, x5, [sp, #32]",
            "stp x6, x7, [sp, #48]",
            "stp x8, x9, [sp, #64]",
            "stp x10, x11, [sp, #80]",
            "stp x12, x13, [sp, #96]",
            "stp x14, x15, [sp, #112]",
            "stp x16, x17, [sp, #128]",
            "stp x18, x19, [sp, #144]",
            "stp x20, x21, [sp, #160]",
            "stp x22, x23, [sp, #176]",
            "stp x24, x25, [sp, #192]",
            "stp x26, x27, [sp, #208]",
            "stp x28, x29, [sp, #224]",
            "mrs x0, elr_el1",
            "stp x30, x0, [sp, #240]",
            ".cfi_offset x19, -648",
            ".cfi_offset x20, -640",
            ".cfi_offset x21, -632",
            ".cfi_offset x22, -624",
            ".cfi_offset x23, -616",
            ".cfi_offset x24, -608",
            ".cfi_offset x25, -600",
            ".cfi_offset x26, -592",
            ".cfi_offset x27, -584",
            ".cfi_offset x28, -576",
            ".cfi_offset x29, -568",
            ".cfi_offset x30, -552",
            "mrs x0, spsr_el1",
            "str x0, [sp, #256]",
            "add x1, sp, #272",
            "stp q0, q1, [x1, #0]",
            "stp q2, q3, [x1, #32]",
            "stp q4, q5, [x1, #64]",
            "stp q6, q7, [x1, #96]",
            "stp q8, q9, [x1, #128]",
            "stp q10, q11, [x1, #160]",
            "stp q12, q13, [x1, #192]",
            "stp q14, q15, [x1, #224]",
            "stp q16, q17, [x1, #256]",
            "stp q18, q19, [x1, #288]",
            "stp q20, q21, [x1, #320]",
            "stp q22, q23, [x1, #352]",
            "stp q24, q25, [x1, #384]",
            "stp q26, q27, [x1, #416]",
            "stp q28, q29, [x1, #448]",
            "stp q30, q31, [x1, #480]",
            "mrs x2, fpsr",
            "mrs x3, fpcr",
            "str x2, [sp, #784]",
            "str x3, [sp, #792]",
            "mov x0, sp",
            concat!("bl ", $handler),
            "b exception_return",
            ".cfi_endproc",
            concat!(".size ", $name, ", . - ", $name),
        );
    };
}

vector!("synchronous_vector", "synchronous_exception");
vector!("irq_vector", "irq_exception");
vector!("unexpected_vector", "unexpected_exception");

global_asm!(
    ".section .text.vectors, \"ax\"",
    ".type exception_return, %function",
    "exception_return:",
    "add x1, sp, #272",
    "ldp q0, q1, [x1, #0]",
    "ldp q2, q3, [x1, #32]",
    "ldp q4, q5, [x1, #64]",
    "ldp q6, q7, [x1, #96]",
    "ldp q8, q9, [x1, #128]",
    "ldp q10, q11, [x1, #160]",
    "ldp q12, q13, [x1, #192]",
    "ldp q14, q15, [x1, #224]",
    "ldp q16, q17, [x1, #256]",
    "ldp q18, q19, [x1, #288]",
    "ldp q20, q21, [x1, #320]",
    "ldp q22, q23, [x1, #352]",
    "ldp q24, q25, [x1, #384]",
    "ldp q26, q27, [x1, #416]",
    "ldp q28, q29, [x1, #448]",
    "ldp q30, q31, [x1, #480]",
    "ldr x2, [sp, #784]",
    "ldr x3, [sp, #792]",
    "msr fpsr, x2",
    "msr fpcr, x3",
    "ldr x0, [sp, #256]",
    "msr spsr_el1, x0",
    "ldp x30, x0, [sp, #240]",
    "msr elr_el1, x0",
    "ldp x0, x1, [sp, #0]",
    "ldp x2, x3, [sp, #16]",
    "ldp x4, x5, [sp, #32]",
    "ldp x6, x7, [sp, #48]",
    "ldp x8, x9, [sp, #64]",
    "ldp x10, x11, [sp, #80]",
    "ldp x12, x13, [sp, #96]",
    "ldp x14, x15, [sp, #112]",
    "ldp x16, x17, [sp, #128]",
    "ldp x18, x19, [sp, #144]",
    "ldp x20, x21, [sp, #160]",
    "ldp x22, x23, [sp, #176]",
    "ldp x24, x25, [sp, #192]",
    "ldp x26, x27, [sp, #208]",
    "ldp x28, x29, [sp, #224]",
    "add sp, sp, #800",
    "eret",
    ".size exception_return, . - exception_return",
    // Four groups of four: synchronous, IRQ, FIQ, SError. All but the second group (this exception level,
    // on its own stack pointer) are mistakes.
    ".balign 2048",
    ".globl exception_vectors",
    ".type exception_vectors, %object",
    "exception_vectors:",
    ".rept 4",
    "b unexpected_vector",
    ".balign 128",
    ".endr",
    "b synchronous_vector",
    ".balign 128",
    "b irq_vector",
    ".balign 128",
    ".rept 10",
    "b unexpected_vector",
    ".balign 128",
    ".endr",
    ".size exception_vectors, . - exception_vectors",
);

/// ESR_EL1.EC of a BRK in AArch64 state.
const EC_BRK64: u64 = 0x3c;

#[unsafe(no_mangle)]
extern "C" fn synchronous_exception(frame: &mut Frame) {
    let esr = syndrome();
    if esr >> 26 & 0x3f == EC_BRK64 && esr & 0xffff == verdict::COMMENT {
        own_brk::taken(frame, esr);
    } else if !own_debug::taken(frame, esr, fault_address()) {
        unexpected_exception(frame);
    }
}

#[unsafe(no_mangle)]
extern "C" fn irq_exception(_frame: &mut Frame) {
    let interrupt = gic::acknowledge();
    if interrupt == timer::INTERRUPT {
        timer::timer_tick();
    }
    if interrupt < gic::FIRST_SPECIAL {
        gic::end(interrupt);
    }
}

#[unsafe(no_mangle)]
#[expect(clippy::panic, reason = "there is nothing to return to")]
extern "C" fn unexpected_exception(frame: &mut Frame) {
    let esr = syndrome();
    let far = fault_address();
    panic!(
        "unexpected exception: ESR {esr:#x}, ELR {:#x}, SPSR {:#x}, FAR {far:#x}, LR {:#x}",
        frame.elr, frame.spsr, frame.x[30]
    );
}

fn syndrome() -> u64 {
    let esr: u64;
    // SAFETY: reading ESR_EL1 has no effect.
    unsafe { asm!("mrs {}, esr_el1", out(reg) esr, options(nomem, nostack, preserves_flags)) };
    esr
}

fn fault_address() -> u64 {
    let far: u64;
    // SAFETY: reading FAR_EL1 has no effect.
    unsafe { asm!("mrs {}, far_el1", out(reg) far, options(nomem, nostack, preserves_flags)) };
    far
}

/// Masks interrupts; returns what `PSTATE.DAIF` was, for [`restore_interrupts`].
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) fn mask_interrupts() -> u64 {
    let daif: u64;
    // SAFETY: masking interrupts is always allowed, and memory accesses are not moved across.
    unsafe { asm!("mrs {}, daif", "msr daifset, #2", out(reg) daif, options(nostack, preserves_flags)) };
    daif
}

/// Gives `PSTATE.DAIF` back what it was.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) fn restore_interrupts(daif: u64) {
    // SAFETY: the handlers are in place since boot.
    unsafe { asm!("msr daif, {}", in(reg) daif, options(nostack, preserves_flags)) };
}

/// Lets interrupts, aborts and debug exceptions come in.
pub(crate) fn unmask_all() {
    restore_interrupts(0);
}
