//! Loads and stores of known sizes and values: something to watch.
#![expect(unsafe_code, reason = "statics that a debugger looks at")]
#![expect(clippy::multiple_unsafe_ops_per_block, reason = "one argument covers all statics of this file")]

/// Stored 0xa1, then 0xb1, each round.
#[unsafe(no_mangle)]
pub(crate) static mut WATCHED_U8: u8 = 0xb1;
/// Stored 0xa1a2, then 0xb1b2, each round.
#[unsafe(no_mangle)]
pub(crate) static mut WATCHED_U16: u16 = 0xb1b2;
/// Stored 0xa1a2a3a4, then 0xb1b2b3b4, each round.
#[unsafe(no_mangle)]
pub(crate) static mut WATCHED_U32: u32 = 0xb1b2_b3b4;
/// Stored 0xa1a2a3a4a5a6a7a8, then 0xb1b2b3b4b5b6b7b8, each round.
#[unsafe(no_mangle)]
pub(crate) static mut WATCHED_U64: u64 = 0xb1b2_b3b4_b5b6_b7b8;
/// Loaded each round, never stored.
#[unsafe(no_mangle)]
pub(crate) static mut ONLY_READ: u32 = 0x600d_f00d;
/// Sum of what [`read_watched`] loaded.
#[unsafe(no_mangle)]
pub(crate) static mut READ_SUM: u64 = 0;
/// Bytes in one doubleword. Each round stores them all, `middle` with the rest but never with the same store.
#[unsafe(no_mangle)]
pub(crate) static mut NEIGHBOURS: Neighbours = Neighbours { before: 0, middle: 0, after: 0, far: 0 };

/// Fields that share a doubleword.
#[repr(C, align(8))]
pub(crate) struct Neighbours {
    /// Bytes 0 and 1.
    pub(crate) before: u16,
    /// Byte 2: 0x33, then 0x44, each round.
    pub(crate) middle: u8,
    /// Byte 3.
    pub(crate) after: u8,
    /// Bytes 4 to 7.
    pub(crate) far: u32,
}

/// The first store of a round to each watched static.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn write_first() {
    // SAFETY: only the main loop touches these statics.
    unsafe {
        WATCHED_U8 = 0xa1;
        WATCHED_U16 = 0xa1a2;
        WATCHED_U32 = 0xa1a2_a3a4;
        WATCHED_U64 = 0xa1a2_a3a4_a5a6_a7a8;
    }
}

/// The second store of a round to each watched static.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn write_second() {
    // SAFETY: as in `write_first`.
    unsafe {
        WATCHED_U8 = 0xb1;
        WATCHED_U16 = 0xb1b2;
        WATCHED_U32 = 0xb1b2_b3b4;
        WATCHED_U64 = 0xb1b2_b3b4_b5b6_b7b8;
    }
}

/// One load of each size.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn read_watched() -> u64 {
    // SAFETY: as in `write_first`.
    unsafe {
        let mut sum = u64::from(WATCHED_U8);
        sum += u64::from(WATCHED_U16);
        sum += u64::from(WATCHED_U32);
        sum = sum.wrapping_add(WATCHED_U64);
        sum = sum.wrapping_add(u64::from(ONLY_READ));
        READ_SUM = sum;
        sum
    }
}

/// Stores around one byte, and to it.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn write_neighbours() {
    // SAFETY: as in `write_first`.
    unsafe {
        NEIGHBOURS.before = 0x1111;
        NEIGHBOURS.after = 0x22;
        NEIGHBOURS.middle = 0x33;
        NEIGHBOURS.far = 0x5555_5555;
        NEIGHBOURS.middle = 0x44;
    }
}
