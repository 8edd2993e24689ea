//! The serial port, a 16550 with its registers one byte apart, and the bus that leads to it.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use kvm_ioctls::VmFd;
use vm_superio::serial::NoEvents;
use vm_superio::{Serial, Trigger};
use vmm_sys_util::eventfd::{EFD_NONBLOCK, EventFd};

use crate::error::{Errno, Error};
use crate::vcpu::Devices;

/// The guest-physical address of the serial port's first register.
pub const SERIAL_BASE: u64 = 0x0900_0000;
/// The size of the serial port's registers in bytes.
pub const SERIAL_SIZE: u64 = 0x1000;
/// The serial port's interrupt as a shared peripheral interrupt: interrupt ID 33, edge-triggered.
pub const SERIAL_INTERRUPT: u32 = 1;

/// Where nothing answers is said once for each of this many addresses.
const UNCLAIMED_TO_LOG: usize = 64;

type Port = Serial<Interrupt, NoEvents, Box<dyn Write + Send>>;

/// The machine's devices.
pub struct Bus {
    port: Mutex<Port>,
    unclaimed: Mutex<BTreeSet<u64>>,
}

impl Bus {
    /// Makes the serial port, whose output goes to `output`, and connects its interrupt.
    pub(super) fn new(vm: &VmFd, output: Box<dyn Write + Send>) -> Result<Self, Error> {
        let failed = |error: io::Error| Error::Ioctl {
            operation: "eventfd for the serial port's interrupt",
            errno: Errno::new(error.raw_os_error().unwrap_or_default()),
        };
        let line = EventFd::new(EFD_NONBLOCK).map_err(failed)?;
        vm.register_irqfd(&line, SERIAL_INTERRUPT).map_err(Error::ioctl("KVM_IRQFD for the serial port"))?;
        Ok(Self::with_line(line, output))
    }

    fn with_line(line: EventFd, output: Box<dyn Write + Send>) -> Self {
        Self {
            port: Mutex::new(Serial::new(Interrupt(line), output)),
            unclaimed: Mutex::new(BTreeSet::new()),
        }
    }

    /// Types into the serial port; returns how many bytes it took, the rest is to be offered again.
    pub fn type_in(&self, input: &[u8]) -> usize {
        // A full FIFO takes nothing; the interrupt's eventfd cannot be full before it is read.
        self.port().enqueue_raw_bytes(input).unwrap_or(0)
    }

    /// A panic of another thread can leave a byte half done, nothing worse.
    fn port(&self) -> MutexGuard<'_, Port> {
        self.port.lock().unwrap_or_else(PoisonError::into_inner)
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
        match (serial_register(address), data.first_mut()) {
            (Some(register), Some(low)) => *low = self.port().read(register),
            _ => self.note_unclaimed(address, data.len(), "reads"),
        }
    }

    fn write(&self, address: u64, data: &[u8]) {
        match (serial_register(address), data.first()) {
            (Some(register), Some(low)) => {
                if let Err(error) = self.port().write(register, *low) {
                    tracing::warn!("output of the guest's serial port is lost: {error:?}");
                }
            }
            _ => self.note_unclaimed(address, data.len(), "writes"),
        }
    }
}

impl std::fmt::Debug for Bus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bus").finish_non_exhaustive()
    }
}

/// The register of the serial port at an address; those past the eighth read as 0.
fn serial_register(address: u64) -> Option<u8> {
    let offset = address.checked_sub(SERIAL_BASE).filter(|offset| *offset < SERIAL_SIZE)?;
    Some(u8::try_from(offset).unwrap_or(u8::MAX))
}

/// The serial port's interrupt line.
struct Interrupt(EventFd);

impl Trigger for Interrupt {
    type E = io::Error;

    fn trigger(&self) -> io::Result<()> {
        self.0.write(1)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

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
        (Bus::with_line(EventFd::new(EFD_NONBLOCK).unwrap(), Box::new(output.clone())), output)
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
    fn what_is_nowhere_reads_as_zero() {
        let (bus, output) = bus();
        for address in [0, SERIAL_BASE - 1, SERIAL_BASE + SERIAL_SIZE, u64::MAX] {
            let mut data = [0xff; 8];
            bus.read(address, &mut data);
            assert_eq!(data, [0; 8], "{address:#x}");
            bus.write(address, b"x");
        }
        assert_eq!(*output.0.lock().unwrap(), b"");
    }
}
