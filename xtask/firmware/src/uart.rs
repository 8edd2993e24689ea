//! Text out: byte stores to a data register, nothing else. A PL011 and a 16550 both have it there, and
//! neither loses a byte in a model that is always ready.
#![expect(unsafe_code, reason = "a device register")]

use core::arch::asm;
use core::fmt;

const DATA: usize = 0x0900_0000;

/// The serial line.
pub(crate) struct Uart;

impl Uart {
    /// Sends `text`.
    pub(crate) fn text(&self, text: &str) -> &Self {
        let bytes = text.as_bytes();
        let mut i = 0;
        while i < bytes.len() {
            put(bytes[i]);
            i += 1;
        }
        self
    }

    /// Sends `number` in decimal. Without `core::fmt`, to keep what runs each round small.
    pub(crate) fn decimal(&self, number: u64) -> &Self {
        if number >= 10 {
            self.decimal(number / 10);
        }
        put(b'0' + (number % 10) as u8);
        self
    }

    /// Sends `number` in hexadecimal.
    pub(crate) fn hexadecimal(&self, number: u64) -> &Self {
        self.text("0x");
        let mut shift = 64;
        while shift > 4 && number >> (shift - 4) == 0 {
            shift -= 4;
        }
        while shift > 0 {
            shift -= 4;
            put(b"0123456789abcdef"[(number >> shift & 0xf) as usize]);
        }
        self
    }
}

impl fmt::Write for Uart {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.text(text);
        Ok(())
    }
}

fn put(byte: u8) {
    // SAFETY: the data register of the UART, mapped as device memory.
    unsafe {
        asm!("strb {:w}, [{}]", in(reg) u32::from(byte), in(reg) DATA, options(nostack, preserves_flags));
    }
}
