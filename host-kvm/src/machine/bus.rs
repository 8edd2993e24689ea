//! The bus that leads from an address to a device.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use kvm_ioctls::VmFd;

use super::rtc::{Clock, RTC_BASE, RTC_SIZE};
use super::serial::{SERIAL_BASE, SERIAL_SIZE, SerialPort};
use crate::error::Error;
use crate::vcpu::Devices;

/// Where nothing answers is said once for each of this many addresses.
const UNCLAIMED_TO_LOG: usize = 64;

/// The machine's devices.
pub struct Bus {
    serial: SerialPort,
    clock: Clock,
    unclaimed: Mutex<BTreeSet<u64>>,
}

/// The device at an address, and the offset of the address in its registers.
enum Place {
    Serial(u8),
    Clock(u16),
    Nowhere,
}

impl Place {
    fn of(address: u64) -> Self {
        let offset = |base: u64, size: u64| address.checked_sub(base).filter(|offset| *offset < size);
        if let Some(offset) = offset(SERIAL_BASE, SERIAL_SIZE) {
            // Registers past the eighth read as 0.
            return Self::Serial(u8::try_from(offset).unwrap_or(u8::MAX));
        }
        match offset(RTC_BASE, RTC_SIZE).and_then(|offset| u16::try_from(offset).ok()) {
            Some(offset) => Self::Clock(offset),
            None => Self::Nowhere,
        }
    }
}

impl Bus {
    /// Makes the devices; the output of the serial port goes to `output`.
    pub(super) fn new(vm: &VmFd, output: Box<dyn Write + Send>) -> Result<Self, Error> {
        Ok(Self::with_serial(SerialPort::new(vm, output)?))
    }

    fn with_serial(serial: SerialPort) -> Self {
        Self { serial, clock: Clock::default(), unclaimed: Mutex::new(BTreeSet::new()) }
    }

    /// Types into the serial port; returns how many bytes it took, the rest is to be offered again.
    pub fn type_in(&self, input: &[u8]) -> usize {
        self.serial.type_in(input)
    }

    /// Waits until the guest has read everything that was typed, after the serial port did not take all of
    /// it; false where [`Bus::hang_up`] ended the wait.
    #[must_use]
    pub fn wait_for_room(&self) -> bool {
        self.serial.wait_for_room()
    }

    /// Ends every [`Bus::wait_for_room`], for good.
    pub fn hang_up(&self) {
        self.serial.hang_up();
    }

    /// Puts the devices back to their state after power-on. The clock runs on.
    pub(super) fn reset(&self) {
        self.serial.reset();
    }

    fn note_unclaimed(&self, address: u64, length: usize, what: &str) {
        let mut seen = self.unclaimed.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() < UNCLAIMED_TO_LOG && seen.insert(address) {
            tracing::warn!("the guest {what} {length} bytes at {address:#x}, where nothing is");
        }
    }
}

impl Devices for Bus {
    fn read(&self, address: u64, data: &mut [u8]) {
        data.fill(0);
        match (Place::of(address), data.first_mut()) {
            (Place::Serial(register), Some(low)) => *low = self.serial.read(register),
            (Place::Clock(offset), _) => self.clock.read(offset, data),
            (Place::Serial(_) | Place::Nowhere, _) => self.note_unclaimed(address, data.len(), "reads"),
        }
    }

    fn write(&self, address: u64, data: &[u8]) {
        match (Place::of(address), data.first()) {
            (Place::Serial(register), Some(low)) => self.serial.write(register, *low),
            (Place::Clock(offset), _) => self.clock.write(offset, data),
            (Place::Serial(_) | Place::Nowhere, _) => self.note_unclaimed(address, data.len(), "writes"),
        }
    }
}

impl std::fmt::Debug for Bus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bus").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use vmm_sys_util::eventfd::{EFD_NONBLOCK, EventFd};

    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn bus() -> (Bus, Shared) {
        let output = Shared::default();
        let line = EventFd::new(EFD_NONBLOCK).unwrap();
        (Bus::with_serial(SerialPort::with_line(line, Box::new(output.clone()))), output)
    }

    #[test]
    fn a_byte_written_to_the_data_register_comes_out() {
        let (bus, output) = bus();
        for byte in *b"trap" {
            bus.write(SERIAL_BASE, &[byte]);
        }
        bus.write(SERIAL_BASE, &u32::from(b'!').to_le_bytes());
        assert_eq!(*output.0.lock().unwrap(), b"trap!");
    }

    #[test]
    fn what_is_typed_in_is_read_from_the_data_register() {
        let (bus, _) = bus();
        let mut data = [0xff; 1];
        bus.read(SERIAL_BASE + 5, &mut data);
        assert_eq!(data[0] & 1, 0, "no data ready");
        assert_eq!(bus.type_in(b"ok"), 2);
        bus.read(SERIAL_BASE + 5, &mut data);
        assert_eq!(data[0] & 1, 1, "data ready");
        bus.read(SERIAL_BASE, &mut data);
        assert_eq!(data, *b"o");
    }

    #[test]
    fn what_does_not_fit_waits_until_the_guest_has_read() {
        let (bus, _) = bus();
        let typed = [b'x'; 200];
        let taken = bus.type_in(&typed);
        assert!((1..typed.len()).contains(&taken), "{taken}");
        assert_eq!(bus.type_in(&typed), 0);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| bus.wait_for_room());
            for _ in 0..taken {
                bus.read(SERIAL_BASE, &mut [0]);
            }
            assert!(waiting.join().unwrap());
        });
        assert_eq!(bus.type_in(&typed), taken);
        bus.type_in(&typed);
        bus.hang_up();
        assert!(!bus.wait_for_room());
    }

    #[test]
    fn what_is_nowhere_reads_as_zero() {
        let (bus, output) = bus();
        for address in [0, SERIAL_BASE - 1, SERIAL_BASE + SERIAL_SIZE, RTC_BASE + RTC_SIZE, u64::MAX] {
            let mut data = [0xff; 8];
            bus.read(address, &mut data);
            assert_eq!(data, [0; 8], "{address:#x}");
            bus.write(address, b"x");
        }
        assert_eq!(*output.0.lock().unwrap(), b"");
    }
}
