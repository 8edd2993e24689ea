//! The program's own breakpoint instructions.

#![expect(unsafe_code, reason = "a signal handler, and an instruction that no language has")]

use std::arch::asm;
use std::io;
use std::mem::zeroed;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicU32, Ordering};

const TIMES: u32 = 10;

static TAKEN: AtomicU32 = AtomicU32::new(0);

/// Counts, and goes on behind the instruction.
extern "C" fn on_trap(_: libc::c_int, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
    TAKEN.fetch_add(1, Ordering::Relaxed);
    // SAFETY: with SA_SIGINFO the third argument is the context of the interrupted thread, which the kernel
    // restores from there (sigaction(2)).
    let context = unsafe { &mut *context.cast::<libc::ucontext_t>() };
    context.uc_mcontext.pc += 4;
}

/// Each BRK has to arrive as SIGTRAP, once.
pub(crate) fn check() -> Result<(), String> {
    // SAFETY: an all-zero sigaction is a valid one.
    let mut action: libc::sigaction = unsafe { zeroed() };
    action.sa_sigaction = on_trap as *const () as usize;
    action.sa_flags = libc::SA_SIGINFO;
    // SAFETY: the handler only touches an atomic and its argument.
    if unsafe { libc::sigaction(libc::SIGTRAP, &action, null_mut()) } != 0 {
        return Err(format!("sigaction: {}", io::Error::last_os_error()));
    }
    let before = TAKEN.load(Ordering::Relaxed);
    for _ in 0..TIMES {
        // SAFETY: the handler goes on behind it, and nothing else changes.
        unsafe { asm!("brk #0x123") };
    }
    match TAKEN.load(Ordering::Relaxed) - before {
        TIMES => Ok(()),
        other => Err(format!("{other} of {TIMES} came back")),
    }
}
