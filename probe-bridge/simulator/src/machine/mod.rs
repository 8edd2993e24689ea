//! What is on the board besides its cores: memory, a serial port, an interrupt controller, time.
//!
//! The map is that of the demonstration firmware: RAM from 0x4000_0000, a UART's data register at 0x0900_0000,
//! a GICv3 at 0x0800_0000 with redistributors from 0x080a_0000.

mod gic;

pub use gic::Gic;

use crate::dap::BusError;

/// Where RAM begins.
pub const RAM_BASE: u64 = 0x4000_0000;
const UART: u64 = 0x0900_0000;
const UART_SECOND: u64 = UART + 1;
const UART_END: u64 = UART + 0x1000;
const GIC: u64 = 0x0800_0000;
const GIC_END: u64 = 0x0900_0000;
/// Counter increments in a second; the counter advances by one with each instruction.
pub const COUNTER_HERTZ: u64 = 1_000_000;

/// Memory and devices, shared by all cores.
#[derive(Debug)]
pub struct Machine {
    ram: Vec<u8>,
    /// The interrupt controller.
    pub gic: Gic,
    /// Bytes written to the serial port.
    pub serial: Vec<u8>,
    /// The system counter.
    pub counter: u64,
    /// Counts stores, so that a core notices whether another one has touched its reservation.
    stores: Vec<(u64, u64)>,
}

impl Machine {
    /// With so many bytes of RAM.
    #[must_use]
    pub fn new(ram: usize, cores: usize) -> Self {
        Self { ram: vec![0; ram], gic: Gic::new(cores), serial: Vec::new(), counter: 0, stores: Vec::new() }
    }

    /// Reads up to 8 bytes.
    ///
    /// # Errors
    /// [`BusError`] where there is nothing.
    pub fn read(&mut self, address: u64, size: u64) -> Result<u64, BusError> {
        if let Some(bytes) = self.ram_at(address, size) {
            return Ok(bytes.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte)));
        }
        match address {
            GIC..GIC_END => Ok(u64::from(self.gic.read(address - GIC))),
            // Every register reads 0: an idle port, ready to send.
            UART..UART_END => Ok(0),
            _ => Err(BusError { address }),
        }
    }

    /// Writes up to 8 bytes.
    ///
    /// # Errors
    /// [`BusError`] where there is nothing.
    pub fn write(&mut self, address: u64, size: u64, value: u64) -> Result<(), BusError> {
        if let Some(bytes) = self.ram_at(address, size) {
            for (place, byte) in bytes.iter_mut().zip(value.to_le_bytes()) {
                *place = byte;
            }
            self.stores.push((address, size));
            return Ok(());
        }
        match address {
            GIC..GIC_END => self.gic.write(address - GIC, value as u32),
            UART => self.serial.push(value as u8),
            UART_SECOND..UART_END => {}
            _ => return Err(BusError { address }),
        }
        Ok(())
    }

    /// Takes the stores to memory since the last call.
    pub fn take_stores(&mut self) -> Vec<(u64, u64)> {
        std::mem::take(&mut self.stores)
    }

    fn ram_at(&mut self, address: u64, size: u64) -> Option<&mut [u8]> {
        let start = usize::try_from(address.checked_sub(RAM_BASE)?).ok()?;
        self.ram.get_mut(start..start.checked_add(size as usize)?)
    }
}
