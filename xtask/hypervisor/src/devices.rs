//! The devices as a guest sees them: a UART that only sends, and as much of a GICv3 as one private
//! interrupt takes.

use crate::gic;

const UART: u64 = 0x0900_0000;
const UART_END: u64 = UART + 0x1000;
const DISTRIBUTOR: u64 = 0x0800_0000;
const DISTRIBUTOR_END: u64 = DISTRIBUTOR + 0x1_0000;
const REDISTRIBUTOR: u64 = 0x080a_0000;
const REDISTRIBUTOR_END: u64 = REDISTRIBUTOR + 0x2_0000;

/// The longest line of a guest that is logged as one.
const LINE: usize = 120;

/// What a guest does to a register of a device.
#[derive(Clone, Copy)]
pub(crate) enum Access {
    /// It reads it.
    Read,
    /// It writes this to it.
    Write(u64),
}

/// The devices of one guest.
#[derive(Debug)]
pub(crate) struct Devices {
    guest: u8,
    line: [u8; LINE],
    length: usize,
    /// GICD_CTLR.
    distributor: u32,
    /// GICR_WAKER.ProcessorSleep.
    asleep: bool,
    /// GICR_IGROUPR0.
    group: u32,
    /// GICR_ISENABLER0.
    enabled: u32,
    /// GICR_IPRIORITYR.
    priorities: [u8; 32],
}

impl Devices {
    /// Devices after reset.
    pub(crate) const fn new(guest: u8) -> Self {
        Self {
            guest,
            line: [0; LINE],
            length: 0,
            distributor: 0,
            asleep: true,
            group: 0,
            enabled: 0,
            priorities: [0; 32],
        }
    }

    /// Carries out an access of the guest; `None` where there is no device.
    pub(crate) fn access(&mut self, address: u64, access: Access) -> Option<u64> {
        match address {
            UART..UART_END => Some(self.uart(address - UART, access)),
            DISTRIBUTOR..DISTRIBUTOR_END => Some(self.distributor(address - DISTRIBUTOR, access)),
            REDISTRIBUTOR..REDISTRIBUTOR_END => Some(self.redistributor(address - REDISTRIBUTOR, access)),
            _ => None,
        }
    }

    /// Whether the guest has the timer's interrupt on.
    pub(crate) fn timer_is_enabled(&self) -> bool {
        self.enabled & self.group & 1 << gic::VIRTUAL_TIMER != 0
    }

    /// A PL011 whose flags are all clear: it is always ready to send, and receives nothing.
    fn uart(&mut self, offset: u64, access: Access) -> u64 {
        if let (0, Access::Write(value)) = (offset, access) {
            match value as u8 {
                b'\n' => self.end_line(),
                byte => {
                    if self.length == LINE {
                        self.end_line();
                    }
                    if let Some(place) = self.line.get_mut(self.length) {
                        *place = byte;
                        self.length += 1;
                    }
                }
            }
        }
        0
    }

    /// What a guest says is a line of the log.
    fn end_line(&mut self) {
        let line = self.line.get(..self.length).unwrap_or_default();
        match core::str::from_utf8(line) {
            Ok(line) => defmt::info!("guest {=u8}: {=str}", self.guest, line),
            Err(_) => defmt::info!("guest {=u8}: {=[u8]:a}", self.guest, line),
        }
        self.length = 0;
    }

    /// Only GICD_CTLR does anything: there are no shared interrupts.
    fn distributor(&mut self, offset: u64, access: Access) -> u64 {
        match (offset, access) {
            (0, Access::Write(value)) => self.distributor = value as u32,
            (0, Access::Read) => return self.distributor.into(),
            _ => {}
        }
        0
    }

    fn redistributor(&mut self, offset: u64, access: Access) -> u64 {
        /// GICR_TYPER.Last: there is no other core.
        const LAST: u64 = 1 << 4;
        let core = usize::from(self.guest);
        match (offset, access) {
            (0x8, Access::Read) => return LAST,
            (0x14, Access::Read) => return if self.asleep { 0b110 } else { 0 },
            (0x14, Access::Write(value)) => self.asleep = value & 0b10 != 0,
            (0x1_0080, Access::Read) => return self.group.into(),
            (0x1_0080, Access::Write(value)) => self.group = value as u32,
            (0x1_0100 | 0x1_0180, Access::Read) => return self.enabled.into(),
            (0x1_0100, Access::Write(value)) => {
                self.enabled |= value as u32;
                gic::enable_timer(core, self.timer_is_enabled());
            }
            (0x1_0180, Access::Write(value)) => {
                self.enabled &= !(value as u32);
                gic::enable_timer(core, self.timer_is_enabled());
            }
            (0x1_0400..0x1_0420, _) => return self.priorities(offset as usize - 0x1_0400, access),
            _ => {}
        }
        0
    }

    /// A word of priorities. They are kept and have no effect: there is one interrupt.
    fn priorities(&mut self, first: usize, access: Access) -> u64 {
        let Some(word) = self.priorities.get_mut(first & !3..).and_then(|rest| rest.first_chunk_mut::<4>())
        else {
            return 0;
        };
        if let Access::Write(value) = access {
            *word = (value as u32).to_le_bytes();
        }
        u32::from_le_bytes(*word).into()
    }
}
