//! The serial port, a 16550 with its registers one byte apart.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use kvm_ioctls::VmFd;
use vm_superio::serial::SerialEvents;
use vm_superio::{Serial, Trigger};
use vmm_sys_util::eventfd::{EFD_NONBLOCK, EventFd};

use crate::error::{Errno, Error};

/// The guest-physical address of the serial port's first register.
pub const SERIAL_BASE: u64 = 0x0900_0000;
/// The size of the serial port's registers in bytes.
pub const SERIAL_SIZE: u64 = 0x1000;
/// The serial port's interrupt as a shared peripheral interrupt: interrupt ID 33, edge-triggered.
pub const SERIAL_INTERRUPT: u32 = 1;

type Port = Serial<Interrupt, Arc<Room>, Box<dyn Write + Send>>;

/// The serial port.
pub(super) struct SerialPort {
    port: Mutex<Port>,
    room: Arc<Room>,
    /// Whether it has been said that output is lost, of which there can be much.
    told: AtomicBool,
}

impl SerialPort {
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

    pub(super) fn with_line(line: EventFd, output: Box<dyn Write + Send>) -> Self {
        let room = Arc::new(Room::default());
        let port = Serial::with_events(Interrupt(line), room.clone(), output);
        Self { port: Mutex::new(port), room, told: AtomicBool::new(false) }
    }

    /// Types into the serial port; returns how many bytes it took, the rest is to be offered again.
    pub(super) fn type_in(&self, input: &[u8]) -> usize {
        // A full FIFO takes nothing; the interrupt's eventfd cannot be full before it is read.
        let taken = self.port().enqueue_raw_bytes(input).unwrap_or(0);
        if taken < input.len() {
            self.room.lock().empty = false;
        }
        taken
    }

    /// Waits until the guest has read what was typed; false where [`Self::hang_up`] ended it.
    pub(super) fn wait_for_room(&self) -> bool {
        let state = self.room.lock();
        let state = self.room.changed.wait_while(state, |state| !state.empty && !state.hung_up);
        !state.unwrap_or_else(PoisonError::into_inner).hung_up
    }

    /// Ends every wait for room.
    pub(super) fn hang_up(&self) {
        self.room.lock().hung_up = true;
        self.room.changed.notify_all();
    }

    /// Reads a register.
    pub(super) fn read(&self, register: u8) -> u8 {
        self.port().read(register)
    }

    /// Writes a register.
    pub(super) fn write(&self, register: u8, value: u8) {
        if let Err(error) = self.port().write(register, value)
            && !self.told.swap(true, Ordering::Relaxed)
        {
            tracing::warn!("output of the guest's serial port is lost, and the guest runs on: {error}");
        }
    }

    /// Puts the registers back to what they are after power-on; what has been typed stays.
    pub(super) fn reset(&self) {
        const INTERRUPT_ENABLE: u8 = 1;
        const LINE_CONTROL: u8 = 3;
        const MODEM_CONTROL: u8 = 4;
        const EIGHT_BITS: u8 = 0x03;
        const OUTPUT_2: u8 = 0x08;
        // In this order: the first one makes the second register what it is.
        for (register, value) in
            [(LINE_CONTROL, EIGHT_BITS), (INTERRUPT_ENABLE, 0), (MODEM_CONTROL, OUTPUT_2)]
        {
            self.write(register, value);
        }
    }

    /// A panic of another thread can leave a byte half done, nothing worse.
    fn port(&self) -> MutexGuard<'_, Port> {
        self.port.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the port's FIFO has room for what is typed, for whoever waits for it.
#[derive(Debug, Default)]
struct Room {
    state: Mutex<RoomState>,
    changed: Condvar,
}

#[derive(Debug)]
struct RoomState {
    empty: bool,
    hung_up: bool,
}

impl Default for RoomState {
    fn default() -> Self {
        Self { empty: true, hung_up: false }
    }
}

impl Room {
    fn lock(&self) -> MutexGuard<'_, RoomState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SerialEvents for Room {
    fn buffer_read(&self) {}

    fn out_byte(&self) {}

    fn tx_lost_byte(&self) {}

    fn in_buffer_empty(&self) {
        self.lock().empty = true;
        self.changed.notify_all();
    }
}

/// The serial port's interrupt line.
struct Interrupt(EventFd);

impl Trigger for Interrupt {
    type E = io::Error;

    fn trigger(&self) -> io::Result<()> {
        self.0.write(1)
    }
}
