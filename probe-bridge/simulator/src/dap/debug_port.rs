//! The debug port's registers, whatever protocol carries them.

use std::time::Duration;

use super::{Fault, MemoryAp, System};

/// `DPIDR` of a board that is reached by SWD: version 1, designer Arm.
const DPIDR: u32 = 0x2ba0_1477;

/// `CTRL/STAT`: what a debugger may write.
const POWER_REQUESTS: u32 = 1 << 28 | 1 << 30;
const WRITABLE: u32 = POWER_REQUESTS | 1 << 26 | 0x003f_ff0c | 1;
const STICKY_ERROR: u32 = 1 << 5;
const STICKY_COMPARE: u32 = 1 << 4;
const STICKY_OVERRUN: u32 = 1 << 1;
/// Bits that JTAG clears by writing 1.
const STICKY: u32 = STICKY_ERROR | STICKY_COMPARE | STICKY_OVERRUN;

/// Instructions that a running core may execute between two transfers, so that polling passes time.
const INSTRUCTIONS_FOR_A_TRANSFER: u32 = 100;

/// Which registers are meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Space {
    /// The debug port's own.
    Debug,
    /// Those of the access port that is selected.
    Access,
}

/// What the port answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Response {
    /// It is done; a read has this value.
    Ok(u32),
    /// A sticky flag is set: nothing was done.
    Fault,
    /// Nothing answers at all.
    Silence,
}

/// A write to something behind an access port, for tests to look at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Write {
    /// The access port.
    pub port: u8,
    /// The address.
    pub address: u64,
    /// The value.
    pub value: u32,
}

/// A debug port with a board behind it.
pub struct DebugPort {
    system: Box<dyn System>,
    ports: Vec<MemoryAp>,
    control: u32,
    select: u32,
    writes: Vec<Write>,
    transfers: u64,
    pace: u32,
    delay: Duration,
    plugged: bool,
    powers_up: bool,
}

impl DebugPort {
    /// The port of a board after power-up.
    #[must_use]
    pub fn new(system: Box<dyn System>) -> Self {
        let ports = system.access_ports();
        Self {
            system,
            ports,
            control: 0,
            select: 0,
            writes: Vec::new(),
            transfers: 0,
            pace: INSTRUCTIONS_FOR_A_TRANSFER,
            delay: Duration::ZERO,
            plugged: true,
            powers_up: true,
        }
    }

    /// How many instructions a running core executes for each transfer. A server that lets the board run by
    /// itself sets it to 0.
    pub const fn set_pace(&mut self, instructions: u32) {
        self.pace = instructions;
    }

    /// How long each transfer takes besides.
    pub const fn set_delay(&mut self, delay: Duration) {
        self.delay = delay;
    }

    /// Pulls the probe's plug, or puts it back.
    pub const fn set_plugged(&mut self, plugged: bool) {
        self.plugged = plugged;
    }

    /// Makes the port refuse to power up the debug domain, or no longer.
    pub const fn set_powers_up(&mut self, powers_up: bool) {
        self.powers_up = powers_up;
    }

    /// The board itself.
    pub fn system(&mut self) -> &mut dyn System {
        &mut *self.system
    }

    /// Something breaks on the board, or is mended.
    pub fn suffer(&mut self, fault: Fault) {
        self.system.suffer(fault);
    }

    /// Lets the cores run.
    pub fn run(&mut self, instructions: u32) {
        self.system.run(instructions);
    }

    /// Takes the writes behind access ports so far.
    pub fn take_writes(&mut self) -> Vec<Write> {
        std::mem::take(&mut self.writes)
    }

    /// Takes the number of transfers so far: what a session costs on a wire.
    pub const fn take_transfers(&mut self) -> u64 {
        std::mem::replace(&mut self.transfers, 0)
    }

    /// Reads a register by its address, 0, 4, 8 or 0xc.
    pub fn read(&mut self, space: Space, address: u8) -> Response {
        self.begin();
        if !self.plugged {
            return Response::Silence;
        }
        match space {
            Space::Debug => Response::Ok(match (address, self.select & 0xf) {
                (0x0, _) => DPIDR,
                (0x4, 0) => self.control_and_status(),
                _ => 0,
            }),
            Space::Access => self.access(|port, system, register| port.read(system, register), address),
        }
    }

    /// Writes a register by its address, 0, 4, 8 or 0xc. ABORT is one only where SWD carries it; JTAG has an
    /// instruction for it, [`Self::abort`], and clears sticky flags in `CTRL/STAT`.
    pub fn write(&mut self, space: Space, address: u8, value: u32) -> Response {
        self.begin();
        if !self.plugged {
            return Response::Silence;
        }
        match space {
            Space::Debug => {
                match (address, self.select & 0xf) {
                    (0x0, _) => self.abort(value),
                    (0x4, 0) => {
                        self.control &= !(value & STICKY);
                        self.control = self.control & !WRITABLE | value & WRITABLE;
                    }
                    (0x8, _) => self.select = value,
                    _ => {}
                }
                Response::Ok(0)
            }
            Space::Access => {
                let mut written = None;
                let number = self.selected();
                let response = self.access(
                    |port, system, register| {
                        written = port.write(system, register, value)?;
                        Ok(0)
                    },
                    address,
                );
                if let Some(address) = written {
                    self.writes.push(Write { port: number, address, value });
                }
                response
            }
        }
    }

    /// Writes the ABORT register.
    pub const fn abort(&mut self, value: u32) {
        // STKCMPCLR, STKERRCLR, WDERRCLR and ORUNERRCLR: bits 1 to 4.
        if value & 1 << 1 != 0 {
            self.control &= !STICKY_COMPARE;
        }
        if value & 1 << 2 != 0 {
            self.control &= !STICKY_ERROR;
        }
        if value & 1 << 4 != 0 {
            self.control &= !STICKY_OVERRUN;
        }
    }

    /// Whether an error of an access is pending.
    #[must_use]
    pub const fn is_faulty(&self) -> bool {
        self.control & STICKY != 0
    }

    /// Pulls the cable's reset line, or releases it.
    pub fn set_reset(&mut self, asserted: bool) {
        self.system.set_reset(asserted);
    }

    /// A transfer begins.
    fn begin(&mut self) {
        self.transfers += 1;
        if !self.delay.is_zero() {
            std::thread::sleep(self.delay);
        }
    }

    const fn control_and_status(&self) -> u32 {
        // Each power request, CDBGPWRUPREQ and CSYSPWRUPREQ, has its acknowledgement one bit above.
        let acknowledged = if self.powers_up { (self.control & POWER_REQUESTS) << 1 } else { 0 };
        self.control & (WRITABLE | STICKY) | acknowledged
    }

    const fn selected(&self) -> u8 {
        (self.select >> 24) as u8
    }

    fn access(
        &mut self,
        work: impl FnOnce(&mut MemoryAp, &mut dyn System, u8) -> Result<u32, super::BusError>,
        address: u8,
    ) -> Response {
        if self.is_faulty() {
            return Response::Fault;
        }
        if self.control & 1 << 28 == 0 || !self.powers_up {
            self.control |= STICKY_ERROR;
            return Response::Fault;
        }
        if self.pace > 0 {
            self.system.run(self.pace);
        }
        let number = self.selected();
        let register = (self.select & 0xf0) as u8 | address;
        let Some(port) = self.ports.get_mut(usize::from(number)) else { return Response::Ok(0) };
        match work(port, &mut *self.system, register) {
            Ok(value) => Response::Ok(value),
            Err(_) => {
                self.control |= STICKY_ERROR;
                // SWD acknowledges the transfer that fails, as the failure is known only afterwards.
                Response::Ok(0)
            }
        }
    }
}

impl std::fmt::Debug for DebugPort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DebugPort").field("control", &self.control).field("select", &self.select).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{BusError, MemoryApKind, Size};
    use super::*;

    /// 2 KiB of memory at 0.
    struct Memory([u8; 2048]);

    impl System for Memory {
        fn access_ports(&self) -> Vec<MemoryAp> {
            vec![MemoryAp::new(0, MemoryApKind::Ahb, 0xe00f_f003)]
        }

        fn read(&mut self, _: u8, address: u64, size: Size) -> Result<u32, BusError> {
            let start = address as usize;
            let bytes = self.0.get(start..start + size.bytes() as usize).ok_or(BusError { address })?;
            Ok(bytes.iter().rev().fold(0, |value, &byte| value << 8 | u32::from(byte)))
        }

        fn write(&mut self, _: u8, address: u64, size: Size, value: u32) -> Result<(), BusError> {
            let start = address as usize;
            let bytes = self.0.get_mut(start..start + size.bytes() as usize).ok_or(BusError { address })?;
            for (place, byte) in bytes.iter_mut().zip(value.to_le_bytes()) {
                *place = byte;
            }
            Ok(())
        }

        fn run(&mut self, _: u32) {}

        fn is_running(&self) -> bool {
            false
        }

        fn set_reset(&mut self, _: bool) {}

        fn suffer(&mut self, _: Fault) {}

        fn take_serial(&mut self) -> Vec<u8> {
            Vec::new()
        }
    }

    fn powered() -> DebugPort {
        let mut port = DebugPort::new(Box::new(Memory([0; 2048])));
        port.write(Space::Debug, 0x4, POWER_REQUESTS);
        port
    }

    #[test]
    fn power_requests_are_acknowledged_and_taken_back() {
        let mut port = powered();
        assert_eq!(port.read(Space::Debug, 0x4), Response::Ok(0xf000_0000));
        port.write(Space::Debug, 0x4, 0);
        assert_eq!(port.read(Space::Debug, 0x4), Response::Ok(0));
        port.write(Space::Debug, 0x4, POWER_REQUESTS);
        port.set_powers_up(false);
        assert_eq!(port.read(Space::Debug, 0x4), Response::Ok(0x5000_0000));
    }

    #[test]
    fn an_error_sticks_until_it_is_cleared() {
        let mut port = powered();
        port.write(Space::Access, 0x4, 0x8000_0000);
        assert_eq!(port.read(Space::Access, 0xc), Response::Ok(0));
        assert_eq!(port.read(Space::Access, 0xc), Response::Fault);
        assert_eq!(port.read(Space::Debug, 0x4), Response::Ok(0xf000_0020));
        port.write(Space::Debug, 0x0, 1 << 2);
        assert_eq!(port.read(Space::Access, 0x0), Response::Ok(0x0300_0042));
        // JTAG's way.
        port.read(Space::Access, 0xc);
        assert!(port.is_faulty());
        port.write(Space::Debug, 0x4, POWER_REQUESTS | STICKY_ERROR);
        assert!(!port.is_faulty());
    }

    #[test]
    fn addresses_advance_within_a_kibibyte() {
        let mut port = powered();
        port.write(Space::Access, 0x0, 0x12); // words, single increment
        port.write(Space::Access, 0x4, 0x3fc);
        port.write(Space::Access, 0xc, 0x1111_1111);
        assert_eq!(port.read(Space::Access, 0x4), Response::Ok(0), "the address wraps at 1 KiB");
        port.write(Space::Access, 0x4, 0x100);
        for n in 0..3 {
            port.write(Space::Access, 0xc, n);
        }
        let written: Vec<_> = port.take_writes().iter().map(|write| (write.address, write.value)).collect();
        assert_eq!(written, [(0x3fc, 0x1111_1111), (0x100, 0), (0x104, 1), (0x108, 2)]);
    }

    #[test]
    fn small_and_packed_accesses_use_their_byte_lanes() {
        let mut port = powered();
        port.write(Space::Access, 0x4, 0x10);
        port.write(Space::Access, 0x0, 0x20); // bytes, packed: four accesses
        port.write(Space::Access, 0xc, 0x4433_2211);
        assert_eq!(port.read(Space::Access, 0x4), Response::Ok(0x14));
        port.write(Space::Access, 0x0, 0x10); // bytes, single increment
        port.write(Space::Access, 0x4, 0x12);
        assert_eq!(port.read(Space::Access, 0xc), Response::Ok(0x0033_0000));
        assert_eq!(port.read(Space::Access, 0x4), Response::Ok(0x13));
        port.write(Space::Access, 0x0, 0x11); // halfwords
        port.write(Space::Access, 0x4, 0x12);
        assert_eq!(port.read(Space::Access, 0xc), Response::Ok(0x4433_0000));
    }

    #[test]
    fn without_a_plug_nothing_answers() {
        let mut port = powered();
        port.set_plugged(false);
        assert_eq!(port.read(Space::Debug, 0x0), Response::Silence);
        assert_eq!(port.write(Space::Access, 0x0, 0), Response::Silence);
    }
}
