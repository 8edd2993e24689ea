//! A packed record, stored by unaligned accesses.
#![expect(unsafe_code, reason = "a static that a debugger looks at, stored by unaligned accesses")]

use core::arch::asm;

/// A record as it would come from a wire.
#[repr(C, packed)]
pub(crate) struct Record {
    /// Byte 0.
    pub(crate) tag: u8,
    /// Bytes 1 to 4.
    pub(crate) length: u32,
    /// Bytes 5 to 8: the first three end a doubleword, the last begins the next one.
    pub(crate) value: u32,
    /// Bytes 9 to 16.
    pub(crate) stamp: u64,
}

/// Gives the record an address that is known modulo 16.
#[repr(C, align(16))]
pub(crate) struct Aligned {
    /// The record.
    pub(crate) record: Record,
}

/// The record. Each round stores 0x11223344, then 0x55667788, to its `value`.
#[unsafe(no_mangle)]
pub(crate) static mut PACKED: Aligned =
    Aligned { record: Record { tag: 1, length: 17, value: 0x5566_7788, stamp: 0x0102_0304_0506_0708 } };

/// Stores to the record's unaligned field twice, each time with one instruction.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn update_packed() {
    // SAFETY: takes an address only.
    let value = unsafe { &raw mut PACKED.record.value };
    store_unaligned(value, 0x1122_3344);
    store_unaligned(value, 0x5566_7788);
}

/// One store to an address of any alignment. The compiler's own stores for this target are aligned ones only.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn store_unaligned(to: *mut u32, value: u32) {
    // SAFETY: `to` is the field of the record, which only the main loop touches; SCTLR_EL1.A is 0.
    unsafe { asm!("str {:w}, [{}]", in(reg) value, in(reg) to, options(nostack, preserves_flags)) };
}
