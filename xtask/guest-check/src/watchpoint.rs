//! A watchpoint on a child, by ptrace(2).

#![expect(unsafe_code, reason = "system calls that have no wrapper")]

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

/// linux/elf.h.
const NT_ARM_HW_WATCH: usize = 0x403;
/// Eight bytes, writes, from EL0, enabled: as `DBGWCR<n>_EL1`.
const CONTROL: u32 = 0xff << 5 | 0b10 << 3 | 0b10 << 1 | 1;
/// siginfo.h.
const TRAP_HWBKPT: i32 = 4;

static WATCHED: AtomicU64 = AtomicU64::new(0);

/// `struct user_hwdebug_state` with one pair (asm/ptrace.h).
#[repr(C)]
struct Watch {
    information: u32,
    padding: u32,
    address: u64,
    control: u32,
    padding_of_pair: u32,
}

/// The child's store has to stop it, before it is made and once.
pub(crate) fn check() -> Result<(), String> {
    // SAFETY: this process has one thread at this point, so the child is a whole copy of it.
    match unsafe { libc::fork() } {
        -1 => Err(format!("fork: {}", io::Error::last_os_error())),
        0 => child(),
        child => {
            let result = parent(child);
            // SAFETY: no memory is involved; a child that has ended needs no end.
            unsafe { libc::kill(child, libc::SIGKILL) };
            result
        }
    }
}

fn child() -> ! {
    // SAFETY: these calls take no memory of ours.
    unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) };
    // SAFETY: as above.
    unsafe { libc::raise(libc::SIGSTOP) };
    WATCHED.store(0x55, Ordering::SeqCst);
    // SAFETY: it does not return, and nothing has to be cleaned up.
    unsafe { libc::_exit(if WATCHED.load(Ordering::SeqCst) == 0x55 { 0 } else { 1 }) }
}

fn parent(child: libc::pid_t) -> Result<(), String> {
    expect(child, |status| libc::WIFSTOPPED(status) && libc::WSTOPSIG(status) == libc::SIGSTOP)?;
    set(child, CONTROL)?;
    go_on(child)?;
    expect(child, |status| libc::WIFSTOPPED(status) && libc::WSTOPSIG(status) == libc::SIGTRAP)?;
    // SAFETY: an all-zero siginfo_t is a valid one.
    let mut information: libc::siginfo_t = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes one siginfo_t to the last argument (ptrace(2)).
    if unsafe { libc::ptrace(libc::PTRACE_GETSIGINFO, child, 0, &raw mut information) } != 0 {
        return Err(failed("PTRACE_GETSIGINFO"));
    }
    if information.si_code != TRAP_HWBKPT {
        return Err(format!("the trap's code is {}", information.si_code));
    }
    // SAFETY: the kernel reads a word of the child, which is stopped.
    let word = unsafe { libc::ptrace(libc::PTRACE_PEEKDATA, child, WATCHED.as_ptr(), 0) };
    if word != 0 {
        return Err(format!("the store was made before the trap: {word:#x}"));
    }
    set(child, 0)?;
    go_on(child)?;
    expect(child, |status| libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0)
}

fn set(child: libc::pid_t, control: u32) -> Result<(), String> {
    let mut watch =
        Watch { information: 0, padding: 0, address: WATCHED.as_ptr() as u64, control, padding_of_pair: 0 };
    let mut part = libc::iovec { iov_base: (&raw mut watch).cast(), iov_len: size_of::<Watch>() };
    // SAFETY: the kernel reads as many bytes as the part has, from where it is.
    match unsafe { libc::ptrace(libc::PTRACE_SETREGSET, child, NT_ARM_HW_WATCH, &raw mut part) } {
        0 => Ok(()),
        _ => Err(failed("PTRACE_SETREGSET")),
    }
}

fn go_on(child: libc::pid_t) -> Result<(), String> {
    // SAFETY: no memory is involved.
    match unsafe { libc::ptrace(libc::PTRACE_CONT, child, 0, 0) } {
        0 => Ok(()),
        _ => Err(failed("PTRACE_CONT")),
    }
}

fn expect(child: libc::pid_t, is: impl Fn(i32) -> bool) -> Result<(), String> {
    let mut status = 0;
    // SAFETY: the kernel writes one status.
    match unsafe { libc::waitpid(child, &raw mut status, 0) } {
        pid if pid == child && is(status) => Ok(()),
        -1 => Err(failed("waitpid")),
        _ => Err(format!("the status of the child is {status:#x}")),
    }
}

fn failed(what: &str) -> String {
    format!("{what}: {}", io::Error::last_os_error())
}
