//! Text out: byte stores to the data register of the machine's UART.
#![expect(unsafe_code, reason = "a device register")]

use core::ptr::write_volatile;

const DATA: *mut u8 = 0x0900_0000 as *mut u8;

/// Sends `text`.
#[instruction_set(arm::a32)]
pub(crate) fn text(text: &str) {
    for byte in text.as_bytes() {
        // SAFETY: the data register of the UART, mapped as Device memory, which takes any byte at any time.
        unsafe { write_volatile(DATA, *byte) };
    }
}

/// Sends `number` in hexadecimal.
#[instruction_set(arm::t32)]
pub(crate) fn hexadecimal(number: u32) {
    let mut digits = *b"00000000";
    for (place, digit) in digits.iter_mut().rev().enumerate() {
        let value = (number >> (4 * place) & 0xf) as u8;
        *digit = if value < 10 { b'0' + value } else { b'a' + value - 10 };
    }
    text(core::str::from_utf8(&digits).unwrap_or_default());
}
