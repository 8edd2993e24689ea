//! System registers by name.

/// Reads a system register that it is safe to read at any time.
macro_rules! read {
    ($name:literal) => {{
        let value: u64;
        // SAFETY: reading this register has no effect but its value.
        #[expect(unsafe_code, reason = "a system register")]
        unsafe {
            core::arch::asm!(concat!("mrs {}, ", $name), out(reg) value, options(nomem, nostack, preserves_flags));
        }
        value
    }};
}

/// Writes a system register that has no effect on the execution of this program at EL2 but what is meant by
/// it: those of EL1, and those that rule traps, interrupts and translations of EL1.
macro_rules! write {
    ($name:literal, $value:expr) => {{
        let value: u64 = $value;
        // SAFETY: no memory that this program uses is reached in another way after it.
        #[expect(unsafe_code, reason = "a system register")]
        unsafe {
            core::arch::asm!(concat!("msr ", $name, ", {}"), in(reg) value, options(nostack, preserves_flags));
        }
    }};
}

pub(crate) use read;
pub(crate) use write;

/// Makes writes to system registers take effect before anything that follows.
pub(crate) fn synchronize() {
    // SAFETY: a barrier.
    #[expect(unsafe_code, reason = "a barrier")]
    unsafe {
        core::arch::asm!("isb", options(nostack, preserves_flags));
    }
}
