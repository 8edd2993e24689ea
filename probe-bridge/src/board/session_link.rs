//! The way to a board's buses by a session of probe-rs.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use probe_rs::Session;
use probe_rs::architecture::arm::dp::{DpAddress, DpRegisterAddress};
use probe_rs::architecture::arm::memory::ArmMemoryInterface;
use probe_rs::architecture::arm::{
    ApAddress, ArmDebugInterface, ArmError, DapError, FullyQualifiedApAddress,
};

use super::access_port::AccessPort;
use super::busy::Busy;
use super::error::{BoardError, Result};
use super::link::{Bus, Link, Port};

/// A session of probe-rs.
#[derive(Debug)]
pub struct SessionLink {
    /// Or what its driver has said before it failed.
    session: std::result::Result<Session, String>,
    /// The access ports that are used, each once.
    ports: Vec<AccessPort>,
    /// Which of them are the cores', by the cores' numbers.
    cores: Vec<usize>,
    /// Which of them leads to memory.
    memory: Option<usize>,
    busy: Busy,
    /// Whether a block must not meet a fault: probe-rs's driver for a Glasgow Interface Explorer leaves what comes
    /// behind one unread, and takes it for the answer to the next access, or panics over it.
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
        let mut ports: Vec<AccessPort> = Vec::new();
        let mut place = |address: FullyQualifiedApAddress| {
            let known = ports.iter().position(|port| *port.address() == address);
            known.unwrap_or_else(|| {
                ports.push(AccessPort::new(address));
                ports.len() - 1
            })
        };
        let cores = cores.into_iter().map(&mut place).collect();
        let memory = memory.map(place);
        Self { session: Ok(session), ports, cores, memory, busy: Busy::default(), careful: false }
    }

    /// Every access is told of there from now on; `probe` is what probe-rs calls the probe.
    pub(super) fn set_probe(&mut self, busy: &Busy, probe: &str) {
        self.busy = busy.clone();
        self.careful = probe.contains("Glasgow");
    }

    /// The session. Who uses it may leave access ports other than they were.
    ///
    /// # Errors
    /// [`BoardError::Driver`] where there is none any more.
    pub fn session(&mut self) -> Result<&mut Session> {
        self.refresh();
        self.session.as_mut().map_err(|said| BoardError::Driver(said.clone()))
    }

    /// Does something that asks the probe.
    fn ask<R>(&mut self, work: impl FnOnce(&mut Self) -> Result<R>) -> Result<R> {
        let busy = self.busy.clone();
        busy.during(|| {
            let result = catch_driver(|| work(self));
            if let Err(BoardError::Driver(said)) = &result
                && let Ok(session) = std::mem::replace(&mut self.session, Err(said.clone()))
            {
                // Nobody knows what state it is in, so it is not used again. Not even to end it: its end talks to the
                // probe from destructors, and where two of them panic the process is aborted. The system closes the
                // probe when the process ends.
                std::mem::forget(session);
            }
            result
        })
    }

    fn access<R>(&mut self, port: Port, work: impl FnOnce(&mut dyn Bus) -> Result<R>) -> Result<R> {
        let place = match port {
            Port::Memory => self.memory,
            Port::Core(core) => self.cores.get(usize::from(core)).copied(),
        };
        let none = BoardError::Description { chip: "of this board".to_owned(), what: "has no access port" };
        let place = place.or(self.cores.first().copied());
        let port = place.and_then(|place| self.ports.get_mut(place)).ok_or(none)?;
        let session = self.session.as_mut().map_err(|said| BoardError::Driver(said.clone()))?;
        let interface = session.get_arm_interface().map_err(probe_rs::Error::from)?;
        // A probe without raw transfers, or a port behind another one, is probe-rs's alone.
        let result = if interface.try_dap_probe().is_some() && matches!(port.address().ap(), ApAddress::V1(_))
        {
            work(&mut WordBus { interface, port, busy: &self.busy, careful: self.careful, written: 0 })
        } else {
            match interface.memory_interface(port.address()) {
                Ok(mut memory) => work(&mut MemoryBus { memory: &mut *memory }),
                Err(error) => Err(error_at(error, 0)),
            }
        };
        if let Err(BoardError::Fault { .. }) = &result {
            let dp = port.address().dp();
            port.unsettle();
            self.clear_sticky_errors(dp)?;
        }
        result
    }

    /// Clears what the debug port keeps of an error.
    fn clear_sticky_errors(&mut self, port: DpAddress) -> Result<()> {
        /// ABORT: STKCMPCLR, STKERRCLR, WDERRCLR, ORUNERRCLR.
        const CLEAR: u32 = 0b1_1110;
        let abort = DpRegisterAddress { address: 0, bank: None };
        let session = self.session.as_mut().map_err(|said| BoardError::Driver(said.clone()))?;
        let interface = session.get_arm_interface().map_err(probe_rs::Error::from)?;
        interface.write_raw_dp_register(port, abort, CLEAR).map_err(probe_rs::Error::from)?;
        Ok(())
    }
}

impl Link for SessionLink {
    fn with<R>(&mut self, port: Port, work: impl FnOnce(&mut dyn Bus) -> Result<R>) -> Result<R> {
        self.ask(|link| link.access(port, work))
    }

    fn has_memory(&self) -> bool {
        self.memory.is_some()
    }

    fn refresh(&mut self) {
        for port in &mut self.ports {
            port.unsettle();
        }
    }

    fn released(&mut self) {
        // A core that cannot be looked at any more has nothing to be released from.
        let _ = self.ask(|link| {
            let session = link.session()?;
            for (number, _) in session.list_cores() {
                let _ = session.core(number).and_then(|mut core| core.status());
            }
            Ok(())
        });
    }
}

impl Drop for SessionLink {
    fn drop(&mut self) {
        // The end of a session talks to the probe.
        let session = std::mem::replace(&mut self.session, Err(String::new()));
        let _ = self.busy.during(|| {
            catch_driver(|| {
                drop(session);
                Ok(())
            })
        });
    }
}

/// Does something with a session. A driver of a probe that panics ends the session, and not the tool, which may still
/// have something to tidy up. What has panicked is not used again, so that nobody sees what it has left half done.
pub(super) fn catch_driver<R>(work: impl FnOnce() -> Result<R>) -> Result<R> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(BoardError::Driver(said(&*panic))))
}

/// The words of a panic.
fn said(panic: &(dyn Any + Send)) -> String {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (_, Some(text)) => text.clone(),
        _ => "it gives no reason".to_owned(),
    }
}

/// An access port whose words are transferred here.
struct WordBus<'a> {
    interface: &'a mut dyn ArmDebugInterface,
    port: &'a mut AccessPort,
    busy: &'a Busy,
    careful: bool,
    /// The last address that was written.
    written: u64,
}

impl WordBus<'_> {
    /// Writes by probe-rs's interface, which has accesses of other sizes than words.
    fn write_in_bytes(
        &mut self,
        address: u64,
        work: impl FnOnce(&mut dyn ArmMemoryInterface) -> std::result::Result<(), ArmError>,
    ) -> Result<()> {
        self.port.unsettle();
        let memory = self.interface.memory_interface(self.port.address());
        memory.and_then(|mut memory| work(&mut *memory)).map_err(|error| error_at(error, address))
    }

    /// Writes one word after the other, and what is no whole word byte by byte, each with its own answer.
    fn write_singly(&mut self, address: u64, bytes: &[u8]) -> Result<()> {
        let before = (address.wrapping_neg() % 4) as usize;
        let (head, rest) = bytes.split_at(before.min(bytes.len()));
        let (words, tail) = rest.as_chunks();
        let aligned = address.wrapping_add(head.len() as u64);
        self.write_each(address, head)?;
        for (address, &word) in (aligned..).step_by(4).zip(words) {
            self.write_word(address, u32::from_le_bytes(word))?;
            self.busy.moved(4);
        }
        self.write_each(aligned.wrapping_add(4 * words.len() as u64), tail)
    }

    fn write_each(&mut self, address: u64, bytes: &[u8]) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        // The interface begins with reads, which must not find an error of an earlier write.
        self.flush()?;
        self.write_in_bytes(address, |memory| {
            (address..).zip(bytes).try_for_each(|(address, &byte)| memory.write_word_8(address, byte))
        })
    }
}

impl Bus for WordBus<'_> {
    fn read_word(&mut self, address: u64) -> Result<u32> {
        let value = self.port.read(self.interface, address).map_err(|error| error_at(error, address))?;
        tracing::trace!("{address:#x} is {value:#x}");
        Ok(value)
    }

    fn write_word(&mut self, address: u64, value: u32) -> Result<()> {
        tracing::trace!("{address:#x} becomes {value:#x}");
        self.written = address;
        self.port.write(self.interface, address, value).map_err(|error| error_at(error, address))
    }

    fn read_bytes(&mut self, address: u64, buffer: &mut [u8]) -> Result<()> {
        let last = address.saturating_add((buffer.len() as u64).saturating_sub(1)) & !3;
        if self.careful && address & !3 != last {
            // Memory ends at one end of a block rather than in its middle.
            self.read_word(address & !3)?;
            self.read_word(last)?;
        }
        // As probe-rs does: all words that have bytes of these.
        let before = (address % 4) as usize;
        let mut words = vec![0; (before + buffer.len()).div_ceil(4)];
        let read = self.port.read_block(self.interface, address & !3, &mut words, self.busy);
        read.map_err(|error| error_at(error, address))?;
        let bytes = words.into_iter().flat_map(u32::to_le_bytes).skip(before);
        for (place, byte) in buffer.iter_mut().zip(bytes) {
            *place = byte;
        }
        Ok(())
    }

    fn write_bytes(&mut self, address: u64, bytes: &[u8]) -> Result<()> {
        self.written = address;
        if self.careful {
            return self.write_singly(address, bytes);
        }
        let (words, rest) = bytes.as_chunks();
        if !address.is_multiple_of(4) || !rest.is_empty() {
            return self.write_in_bytes(address, |memory| memory.write(address, bytes));
        }
        let words: Vec<_> = words.iter().map(|&word| u32::from_le_bytes(word)).collect();
        let written = self.port.write_block(self.interface, address, &words, self.busy);
        written.map_err(|error| error_at(error, address))
    }

    fn flush(&mut self) -> Result<()> {
        /// `CTRL/STAT`, and in it WDATAERR and STICKYERR.
        const STATUS: DpRegisterAddress = DpRegisterAddress { address: 4, bank: Some(0) };
        const FAILED: u32 = 1 << 7 | 1 << 5;
        let address = self.written;
        let dp = self.port.address().dp();
        self.interface.flush().map_err(|error| error_at(error, address))?;
        // A write is acknowledged before it is made. That it has failed the port keeps, for the next access to suffer
        // from, unless it is asked.
        let status =
            self.interface.read_raw_dp_register(dp, STATUS).map_err(|error| error_at(error, address))?;
        if status & FAILED == 0 { Ok(()) } else { Err(BoardError::Fault { address }) }
    }
}

/// A memory interface of probe-rs.
pub(super) struct MemoryBus<'a> {
    pub(super) memory: &'a mut (dyn ArmMemoryInterface + 'a),
}

impl Bus for MemoryBus<'_> {
    fn read_word(&mut self, address: u64) -> Result<u32> {
        self.memory.read_word_32(address).map_err(|error| error_at(error, address))
    }

    fn write_word(&mut self, address: u64, value: u32) -> Result<()> {
        self.memory.write_word_32(address, value).map_err(|error| error_at(error, address))
    }

    fn read_bytes(&mut self, address: u64, buffer: &mut [u8]) -> Result<()> {
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
pub(super) fn error_at(error: ArmError, address: u64) -> BoardError {
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
