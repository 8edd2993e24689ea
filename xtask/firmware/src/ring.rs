//! A ring buffer fed by the tick, and a checksum over it.
#![expect(unsafe_code, reason = "statics that a debugger looks at, shared with the tick's interrupt")]

use crate::exceptions::{mask_interrupts, restore_interrupts};
use crate::rounds::{Check, check};

const SLOTS: usize = 16;

/// The last 16 ticks, scrambled.
#[unsafe(no_mangle)]
pub(crate) static mut RING: [u32; SLOTS] = [0; SLOTS];
/// The slot that the next tick fills.
#[unsafe(no_mangle)]
pub(crate) static mut RING_NEXT: usize = 0;
/// Sum of the slots, kept as they are filled.
#[unsafe(no_mangle)]
pub(crate) static mut RING_SUM: u32 = 0;

/// Puts `tick` into the ring buffer. Called by the interrupt.
#[unsafe(no_mangle)]
#[inline(never)]
#[expect(clippy::multiple_unsafe_ops_per_block, reason = "one argument covers all three statics")]
pub(crate) extern "C" fn ring_push(tick: u64) {
    let value = (tick as u32).wrapping_mul(0x9e37_79b1);
    // SAFETY: the interrupt does not nest, and the other reader masks it.
    unsafe {
        let old = RING[RING_NEXT];
        RING[RING_NEXT] = value;
        RING_SUM = RING_SUM.wrapping_sub(old).wrapping_add(value);
        RING_NEXT = (RING_NEXT + 1) % SLOTS;
    }
}

/// Adds the ring buffer up with interrupts masked, and compares with the sum kept by the tick.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn checksum_ring() -> u32 {
    let daif = mask_interrupts();
    let mut sum = 0_u32;
    let mut slot = 0;
    while slot < SLOTS {
        // SAFETY: the interrupt that writes the ring buffer is masked.
        sum = sum.wrapping_add(unsafe { RING[slot] });
        slot += 1;
    }
    // SAFETY: as above.
    let kept = unsafe { RING_SUM };
    restore_interrupts(daif);
    check(Check::RingSum, sum == kept);
    // Interrupts were on. A debugger that masks them to step over an instruction must not let it show.
    check(Check::InterruptsWereOn, daif == 0);
    sum
}
