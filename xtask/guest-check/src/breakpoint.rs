//! A hardware breakpoint of the program's own, by perf_event_open(2).

#![expect(unsafe_code, reason = "system calls that have no wrapper")]

use std::fs::File;
use std::hint::black_box;
use std::io::{self, Read};
use std::os::fd::{FromRawFd, RawFd};

const TIMES: u64 = 7;

/// `struct perf_event_attr` of its first version but for a breakpoint's fields, by 32-bit words
/// (linux/perf_event.h).
#[repr(C)]
#[derive(Default)]
struct Attributes {
    kind: u32,
    size: u32,
    config: u64,
    period: u64,
    sample: u64,
    read: u64,
    flags: u64,
    wakeup: u32,
    access: u32,
    address: u64,
    length: u64,
}

const TYPE_BREAKPOINT: u32 = 5;
const ACCESS_EXECUTE: u32 = 4;
const EXCLUDE_KERNEL: u64 = 1 << 5;
const EXCLUDE_HYPERVISOR: u64 = 1 << 6;

#[inline(never)]
fn counted(value: u64) -> u64 {
    black_box(value) + 1
}

/// The kernel has to count every call of a function.
pub(crate) fn check() -> Result<(), String> {
    let attributes = Attributes {
        kind: TYPE_BREAKPOINT,
        size: size_of::<Attributes>() as u32,
        period: 1,
        flags: EXCLUDE_KERNEL | EXCLUDE_HYPERVISOR,
        access: ACCESS_EXECUTE,
        address: counted as *const () as u64,
        length: 4,
        ..Attributes::default()
    };
    // SAFETY: the kernel reads `size` bytes of the attributes, which are as long as they say.
    let fd = unsafe { libc::syscall(libc::SYS_perf_event_open, &attributes, 0, -1, -1, 0) };
    if fd < 0 {
        return Err(format!("perf_event_open: {}", io::Error::last_os_error()));
    }
    // SAFETY: the descriptor is new and nobody else's.
    let mut event = unsafe { File::from_raw_fd(fd as RawFd) };
    let mut sum = 0;
    for value in 0..TIMES {
        sum += counted(black_box(value));
    }
    black_box(sum);
    let mut count = [0; 8];
    event.read_exact(&mut count).map_err(|error| error.to_string())?;
    match u64::from_ne_bytes(count) {
        TIMES => Ok(()),
        other => Err(format!("{other} calls were counted of {TIMES}")),
    }
}
