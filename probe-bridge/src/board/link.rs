//! The way to a board's buses: a probe-rs session, or in tests a list of expected accesses.

use probe_rs::Session;
use probe_rs::architecture::arm::dp::{DpAddress, DpRegisterAddress};
use probe_rs::architecture::arm::memory::ArmMemoryInterface;
use probe_rs::architecture::arm::{ArmError, DapError, FullyQualifiedApAddress};

use super::busy::Busy;
use super::error::{BoardError, Result};

/// Which of a board's buses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Port {
    /// The debug registers of a core, by its number.
    Core(u16),
    /// Memory.
    Memory,
}

/// A bus of a board.
pub trait Bus {
    /// Reads a word.
    ///
    /// # Errors
    /// [`BoardError::Fault`] where the bus answers with an error.
    fn read_word(&mut self, address: u64) -> Result<u32>;

    /// Writes a word.
    ///
    /// # Errors
    /// As [`Self::read_word`]; a fault may be told by a later access only.
    fn write_word(&mut self, address: u64, value: u32) -> Result<()>;

    /// Reads bytes.
    ///
    /// # Errors
    /// As [`Self::read_word`].
    fn read_bytes(&mut self, address: u64, buffer: &mut [u8]) -> Result<()>;

    /// Writes bytes.
    ///
    /// # Errors
    /// As [`Self::write_word`].
    fn write_bytes(&mut self, address: u64, bytes: &[u8]) -> Result<()>;

    /// Waits until everything that was written has arrived.
    ///
    /// # Errors
    /// As [`Self::read_word`].
    fn flush(&mut self) -> Result<()>;
}

/// The way to a board's buses.
pub trait Link {
    /// Works on a bus. Errors that the board keeps until they are cleared are cleared afterwards.
    ///
    /// # Errors
    /// Those of `work`, and [`BoardError::Probe`].
    fn with<R>(&mut self, port: Port, work: impl FnOnce(&mut dyn Bus) -> Result<R>) -> Result<R>;

    /// Whether there is a bus to memory.
    fn has_memory(&self) -> bool;

    /// Is told that the cores run as nobody but their debugger has let them: who has a picture of his own looks again.
    fn released(&mut self) {}
}

/// A session of probe-rs.
#[derive(Debug)]
pub struct SessionLink {
    session: Session,
    /// By the cores' numbers.
    cores: Vec<FullyQualifiedApAddress>,
    memory: Option<FullyQualifiedApAddress>,
    busy: Busy,
    /// Whether a block that is read must not end in a fault: probe-rs's driver for a Glasgow Interface Explorer leaves
    /// what comes behind one unread, and panics over it at the next access.
    careful: bool,
}

impl SessionLink {
    /// The buses behind access ports of a session: those of the cores' debug registers by their numbers, and that of
    /// memory.
    #[must_use]
    pub fn new(
        session: Session,
        cores: Vec<FullyQualifiedApAddress>,
        memory: Option<FullyQualifiedApAddress>,
    ) -> Self {
        Self { session, cores, memory, busy: Busy::default(), careful: false }
    }

    /// Every access is told of there from now on; `probe` is what probe-rs calls the probe.
    pub(super) fn set_probe(&mut self, busy: &Busy, probe: &str) {
        self.busy = busy.clone();
        self.careful = probe.contains("Glasgow");
    }

    /// The session.
    pub const fn session(&mut self) -> &mut Session {
        &mut self.session
    }

    /// Clears what the debug port keeps of an error.
    fn clear_sticky_errors(&mut self, port: DpAddress) -> Result<()> {
        /// ABORT: STKCMPCLR, STKERRCLR, WDERRCLR, ORUNERRCLR.
        const CLEAR: u32 = 0b1_1110;
        let abort = DpRegisterAddress { address: 0, bank: None };
        let interface = self.session.get_arm_interface().map_err(probe_rs::Error::from)?;
        interface.write_raw_dp_register(port, abort, CLEAR).map_err(probe_rs::Error::from)?;
        Ok(())
    }
}

impl Link for SessionLink {
    fn with<R>(&mut self, port: Port, work: impl FnOnce(&mut dyn Bus) -> Result<R>) -> Result<R> {
        let busy = self.busy.clone();
        busy.during(|| self.access(port, work))
    }

    fn has_memory(&self) -> bool {
        self.memory.is_some()
    }

    fn released(&mut self) {
        for (number, _) in self.session.list_cores() {
            // A core that cannot be looked at any more has nothing to be released from.
            let _ = self.session.core(number).and_then(|mut core| core.status());
        }
    }
}

impl SessionLink {
    fn access<R>(&mut self, port: Port, work: impl FnOnce(&mut dyn Bus) -> Result<R>) -> Result<R> {
        let access_port = match port {
            Port::Memory => self.memory.as_ref(),
            Port::Core(core) => self.cores.get(usize::from(core)),
        };
        let access_port = access_port.or(self.cores.first()).cloned();
        let none = BoardError::Description { chip: "of this board".to_owned(), what: "has no access port" };
        let access_port = access_port.ok_or(none)?;
        let interface = self.session.get_arm_interface().map_err(probe_rs::Error::from)?;
        let result = match interface.memory_interface(&access_port) {
            Ok(mut memory) => work(&mut SessionBus { memory: &mut *memory, careful: self.careful }),
            Err(error) => Err(error_at(error, 0)),
        };
        if let Err(BoardError::Fault { .. }) = &result {
            self.clear_sticky_errors(access_port.dp())?;
        }
        result
    }
}

/// A memory interface of probe-rs.
struct SessionBus<'a> {
    memory: &'a mut (dyn ArmMemoryInterface + 'a),
    careful: bool,
}

impl Bus for SessionBus<'_> {
    fn read_word(&mut self, address: u64) -> Result<u32> {
        let value = self.memory.read_word_32(address).map_err(|error| error_at(error, address))?;
        tracing::trace!("{address:#x} is {value:#x}");
        Ok(value)
    }

    fn write_word(&mut self, address: u64, value: u32) -> Result<()> {
        tracing::trace!("{address:#x} becomes {value:#x}");
        self.memory.write_word_32(address, value).map_err(|error| error_at(error, address))
    }

    fn read_bytes(&mut self, address: u64, buffer: &mut [u8]) -> Result<()> {
        let last = address.saturating_add((buffer.len() as u64).saturating_sub(1)) & !3;
        if self.careful && address & !3 != last {
            // Memory ends at one end of a block rather than in its middle.
            self.read_word(address & !3)?;
            self.read_word(last)?;
        }
        self.memory.read(address, buffer).map_err(|error| error_at(error, address))
    }

    fn write_bytes(&mut self, address: u64, bytes: &[u8]) -> Result<()> {
        self.memory.write(address, bytes).map_err(|error| error_at(error, address))
    }

    fn flush(&mut self) -> Result<()> {
        self.memory.flush().map_err(|error| error_at(error, 0))
    }
}

/// A FAULT response is the board's answer to one access; everything else ends the session.
fn error_at(error: ArmError, address: u64) -> BoardError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(inner) = cause {
        if let Some(DapError::FaultResponse) = inner.downcast_ref() {
            return BoardError::Fault { address };
        }
        if let Some(ArmError::Dap(DapError::FaultResponse)) = inner.downcast_ref() {
            return BoardError::Fault { address };
        }
        cause = inner.source();
    }
    BoardError::Probe(error.into())
}
