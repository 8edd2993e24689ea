//! System calls for a debugger to find.

#![expect(unsafe_code, reason = "system calls that have no wrapper")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// How often each thread asks for its parent's number.
const QUESTIONS: u32 = 500;
/// How many children each thread has.
const CHILDREN: u32 = 5;

/// Waits at a gate: calls `getpgid` with the address of a word until a debugger has written to that.
pub(crate) fn gate() {
    let gate = AtomicU64::new(0);
    loop {
        // SAFETY: the kernel takes the address for a process's number, finds none, and touches no memory.
        unsafe { libc::syscall(libc::SYS_getpgid, gate.as_ptr()) };
        if gate.load(Ordering::SeqCst) != 0 {
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Asks for the number of the parent process.
fn parent() {
    // SAFETY: no memory is involved. The C library might keep an answer; this asks the kernel.
    unsafe { libc::syscall(libc::SYS_getppid) };
}

/// Asks for the number of the user.
pub(crate) fn user() {
    // SAFETY: no memory is involved.
    unsafe { libc::syscall(libc::SYS_getuid) };
}

/// Asks often.
pub(crate) fn ask() {
    (0..QUESTIONS).for_each(|_| parent());
}

/// Has children, one after the other.
pub(crate) fn fork() {
    for _ in 0..CHILDREN {
        // SAFETY: the child only ends.
        match unsafe { libc::fork() } {
            // SAFETY: it does not return, and nothing has to be cleaned up.
            0 => unsafe { libc::_exit(0) },
            // SAFETY: a null pointer says that the status is not wanted.
            child => _ = unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) },
        }
    }
}

/// Does it in two threads, each on a processor of its own where there are two.
pub(crate) fn on_each_processor(work: fn()) {
    thread::scope(|scope| {
        for processor in 0..2 {
            scope.spawn(move || {
                let mask: u64 = 1 << processor;
                // SAFETY: the kernel reads as many bytes as it is told. Where there is no such processor it
                // refuses, and the thread runs anywhere.
                unsafe { libc::syscall(libc::SYS_sched_setaffinity, 0, size_of_val(&mask), &raw const mask) };
                work();
            });
        }
    });
}

/// Switches the machine off.
pub(crate) fn switch_off() {
    // SAFETY: no memory is involved; unsaved files are nobody's here.
    unsafe { libc::reboot(libc::RB_POWER_OFF) };
}

/// Restarts the machine.
pub(crate) fn restart() {
    // SAFETY: as above.
    unsafe { libc::reboot(libc::RB_AUTOBOOT) };
}
