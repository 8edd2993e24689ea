//! The way to a board's buses by a session of probe-rs.

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
    session: Session,
    /// The access ports that are used, each once.
    ports: Vec<AccessPort>,
    /// Which of them are the cores', by the cores' numbers.
    cores: Vec<usize>,
    /// Which of them leads to memory.
    memory: Option<usize>,
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
        Self { session, ports, cores, memory, busy: Busy::default(), careful: false }
    }

    /// Every access is told of there from now on; `probe` is what probe-rs calls the probe.
    pub(super) fn set_probe(&mut self, busy: &Busy, probe: &str) {
        self.busy = busy.clone();
        self.careful = probe.contains("Glasgow");
    }

    /// The session. Who uses it may leave access ports other than they were.
    pub fn session(&mut self) -> &mut Session {
        self.refresh();
        &mut self.session
    }

    fn access<R>(&mut self, port: Port, work: impl FnOnce(&mut dyn Bus) -> Result<R>) -> Result<R> {
        let place = match port {
            Port::Memory => self.memory,
            Port::Core(core) => self.cores.get(usize::from(core)).copied(),
        };
        let none = BoardError::Description { chip: "of this board".to_owned(), what: "has no access port" };
        let place = place.or(self.cores.first().copied());
        let port = place.and_then(|place| self.ports.get_mut(place)).ok_or(none)?;
        let interface = self.session.get_arm_interface().map_err(probe_rs::Error::from)?;
        // A probe without raw transfers, or a port behind another one, is probe-rs's alone.
        let result = if interface.try_dap_probe().is_some() && matches!(port.address().ap(), ApAddress::V1(_))
        {
            work(&mut WordBus { interface, port, careful: self.careful })
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

    fn refresh(&mut self) {
        for port in &mut self.ports {
            port.unsettle();
        }
    }

    fn released(&mut self) {
        self.refresh();
        for (number, _) in self.session.list_cores() {
            // A core that cannot be looked at any more has nothing to be released from.
            let _ = self.session.core(number).and_then(|mut core| core.status());
        }
    }
}

/// An access port whose words are transferred here.
struct WordBus<'a> {
    interface: &'a mut dyn ArmDebugInterface,
    port: &'a mut AccessPort,
    careful: bool,
}

impl Bus for WordBus<'_> {
    fn read_word(&mut self, address: u64) -> Result<u32> {
        let value = self.port.read(self.interface, address).map_err(|error| error_at(error, address))?;
        tracing::trace!("{address:#x} is {value:#x}");
        Ok(value)
    }

    fn write_word(&mut self, address: u64, value: u32) -> Result<()> {
        tracing::trace!("{address:#x} becomes {value:#x}");
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
        let read = self.port.read_block(self.interface, address & !3, &mut words);
        read.map_err(|error| error_at(error, address))?;
        let bytes = words.into_iter().flat_map(u32::to_le_bytes).skip(before);
        for (place, byte) in buffer.iter_mut().zip(bytes) {
            *place = byte;
        }
        Ok(())
    }

    fn write_bytes(&mut self, address: u64, bytes: &[u8]) -> Result<()> {
        let (words, rest) = bytes.as_chunks();
        if !address.is_multiple_of(4) || !rest.is_empty() {
            // probe-rs has accesses of other sizes than words.
            self.port.unsettle();
            let memory = self.interface.memory_interface(self.port.address());
            let written = memory.and_then(|mut memory| memory.write(address, bytes));
            return written.map_err(|error| error_at(error, address));
        }
        let words: Vec<_> = words.iter().map(|&word| u32::from_le_bytes(word)).collect();
        let written = self.port.write_block(self.interface, address, &words);
        written.map_err(|error| error_at(error, address))
    }

    fn flush(&mut self) -> Result<()> {
        self.interface.flush().map_err(|error| error_at(error, 0))
    }
}

/// A memory interface of probe-rs.
struct MemoryBus<'a> {
    memory: &'a mut (dyn ArmMemoryInterface + 'a),
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
