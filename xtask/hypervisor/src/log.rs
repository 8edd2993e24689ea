//! The log: defmt frames over semihosting, from both cores.
#![expect(unsafe_code, reason = "a critical section is an unsafe trait")]

use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, Ordering};

use critical_section::RawRestoreState;
// The global logger.
use defmt_semihosting as _;

use crate::system::read;

defmt::timestamp!("{=u64:us}", microseconds());

/// Microseconds since the machine was switched on.
fn microseconds() -> u64 {
    let ticks = u128::from(read!("cntpct_el0"));
    let frequency = u128::from(read!("cntfrq_el0")).max(1);
    (ticks * 1_000_000 / frequency) as u64
}

/// Interrupts are never taken at EL2, so another core is all that has to be kept out.
struct OneCoreAtATime;

critical_section::set_impl!(OneCoreAtATime);

static TAKEN: AtomicBool = AtomicBool::new(false);

// SAFETY: between `acquire` and `release`, which order memory accesses, there is no other core, and a core is
// not interrupted. A section within another would wait for ever; the logger, its only user, has none.
unsafe impl critical_section::Impl for OneCoreAtATime {
    unsafe fn acquire() -> RawRestoreState {
        while TAKEN.swap(true, Ordering::Acquire) {
            core::hint::spin_loop();
        }
        false
    }

    unsafe fn release(_: RawRestoreState) {
        TAKEN.store(false, Ordering::Release);
    }
}

/// The last words. Whatever the other core does, the machine ends.
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    // A panic inside the logger must not wait for it.
    TAKEN.store(false, Ordering::Release);
    match info.location() {
        Some(at) => defmt::error!("panic at {=str}:{=u32}", at.file(), at.line()),
        None => defmt::error!("panic"),
    }
    semihosting::process::exit(1)
}
