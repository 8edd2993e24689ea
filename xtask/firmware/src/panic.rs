//! The last words.

use core::fmt::Write;
use core::panic::PanicInfo;

use crate::uart::Uart;

#[panic_handler]
fn panic(info: &PanicInfo) -> ! {
    // Nobody is left to tell that the serial line failed; it cannot.
    let _ = writeln!(Uart, "{info}");
    loop {
        core::hint::spin_loop();
    }
}
