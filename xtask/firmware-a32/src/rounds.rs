//! The main loop.
#![expect(unsafe_code, reason = "a static that a debugger watches, and functions that it names")]

use core::hint::spin_loop;
use core::panic::PanicInfo;

use crate::{accesses, boot, calls, exceptions, uart};

/// Counts rounds.
#[unsafe(no_mangle)]
pub(crate) static mut ROUNDS: u32 = 0;
/// Counts rounds of the second core, which is at work where there is one.
#[unsafe(no_mangle)]
pub(crate) static mut SECOND_ROUNDS: u32 = 0;

/// Where the first core comes to once the MMU is on.
#[unsafe(no_mangle)]
#[instruction_set(arm::a32)]
pub(crate) extern "C" fn firmware_main(tree: u32) -> ! {
    uart::text("AArch32 firmware, device tree at 0x");
    uart::hexadecimal(tree);
    uart::text(if boot::start_second_core() { ", two cores\n" } else { ", one core\n" });
    loop {
        one_round();
    }
}

/// A round.
#[unsafe(no_mangle)]
#[inline(never)]
#[instruction_set(arm::a32)]
fn one_round() {
    accesses::run();
    calls::run();
    exceptions::run();
    // SAFETY: only the main loop writes it.
    let rounds = unsafe { ROUNDS }.wrapping_add(1);
    // SAFETY: as above.
    unsafe { ROUNDS = rounds };
    if rounds == 2 {
        uart::text("two rounds\n");
    }
}

/// Where the second core comes to, with its MMU off.
#[unsafe(no_mangle)]
#[instruction_set(arm::t32)]
pub(crate) extern "C" fn second_main() -> ! {
    loop {
        // SAFETY: only the second core writes it.
        let rounds = unsafe { SECOND_ROUNDS }.wrapping_add(1);
        // SAFETY: as above.
        unsafe { SECOND_ROUNDS = rounds };
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    uart::text("panic\n");
    loop {
        spin_loop();
    }
}
