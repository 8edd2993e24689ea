//! A copy, byte after byte.
#![expect(unsafe_code, reason = "a static that a debugger looks at")]

use crate::rounds::{Check, check};

const LENGTH: usize = 24;

/// What is copied: a text with its NUL, as C and debuggers like it.
#[unsafe(no_mangle)]
pub(crate) static COPY_SOURCE: [u8; LENGTH] = *b"a copy, byte after byte\0";
/// Where it goes.
#[unsafe(no_mangle)]
pub(crate) static mut COPY_TARGET: [u8; LENGTH] = [0; LENGTH];

/// Clears the target and copies the source to it.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn copy_bytes() {
    let mut i = 0;
    while i < LENGTH {
        // SAFETY: only the main loop touches the target.
        unsafe { COPY_TARGET[i] = 0 };
        i += 1;
    }
    i = 0;
    while i < LENGTH {
        // SAFETY: as above.
        unsafe { COPY_TARGET[i] = COPY_SOURCE[i] };
        i += 1;
    }
    let mut same = true;
    i = 0;
    while i < LENGTH {
        // SAFETY: as above.
        same &= unsafe { COPY_TARGET[i] } == COPY_SOURCE[i];
        i += 1;
    }
    check(Check::Copy, same);
}
