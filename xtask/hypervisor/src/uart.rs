//! The machine's UART, a PL011: gdb's, both ways.
#![expect(unsafe_code, reason = "device registers")]

use core::convert::Infallible;

use trapline_core::gdb::Connection;

const UART: usize = 0x0900_0000;
const DR: usize = 0x00;
const FR: usize = 0x18;
const LCR_H: usize = 0x2c;
const CR: usize = 0x30;
const IMSC: usize = 0x38;

const FR_RXFE: u32 = 1 << 4;
const FR_TXFF: u32 = 1 << 5;
/// Eight bits, FIFOs on.
const LCR_H_8_FIFO: u32 = 0b11 << 5 | 1 << 4;
/// On, in both directions.
const CR_ON: u32 = 1 | 1 << 8 | 1 << 9;
/// Interrupts: something has arrived, and nothing more arrives for now.
const RECEIVED: u32 = 1 << 4 | 1 << 6;

/// The UART.
#[derive(Debug)]
pub(crate) struct Uart;

impl Uart {
    /// Turns it on. Its speed is nobody's business on an emulated machine.
    pub(crate) fn start() -> Self {
        store(CR, 0);
        store(LCR_H, LCR_H_8_FIFO);
        store(IMSC, RECEIVED);
        store(CR, CR_ON);
        Self
    }

    /// Whether a byte has arrived.
    pub(crate) fn has_received() -> bool {
        load(FR) & FR_RXFE == 0
    }

    /// Takes what has arrived, as far as it fits.
    pub(crate) fn receive(buffer: &mut [u8]) -> &[u8] {
        let mut count = 0;
        for place in &mut *buffer {
            if !Self::has_received() {
                break;
            }
            *place = load(DR) as u8;
            count += 1;
        }
        buffer.get(..count).unwrap_or_default()
    }
}

impl Connection for Uart {
    type Error = Infallible;

    fn send(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        for &byte in bytes {
            while load(FR) & FR_TXFF != 0 {}
            store(DR, byte.into());
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

fn load(register: usize) -> u32 {
    // SAFETY: one of the registers above, mapped as device memory.
    unsafe { ((UART + register) as *const u32).read_volatile() }
}

fn store(register: usize, value: u32) {
    // SAFETY: as in `load`.
    unsafe { ((UART + register) as *mut u32).write_volatile(value) };
}
