//! One core's debug unit and cross-trigger interface: single operations on their registers.

use std::time::{Duration, Instant};

use trapline_core::comparator::{Capabilities, Pair};
use trapline_core::registers::{
    DebugStatus, Eddfr, Edecr, Edprsr, Edrcr, Edscr, IdAa64dfr1El1, IdAa64dfr2El1, Uint,
};
use trapline_core::target::CoreId;

use super::instructions;
use crate::board::error::{BoardError, Result};
use crate::board::link::Bus;

/// Where a core's debug components are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CoreAddresses {
    /// Its debug unit.
    pub debug: u64,
    /// Its cross-trigger interface.
    pub cti: u64,
}

/// What a core may take for something that is done in microseconds.
const PATIENCE: Duration = Duration::from_secs(1);

/// Registers of the debug unit that are no more than an address (DDI 0487, "External Debug Register Map").
mod offset {
    pub(super) const EDWAR: u64 = 0x030;
    pub(super) const DBGDTRRX: u64 = 0x080;
    pub(super) const EDITR: u64 = 0x084;
    pub(super) const DBGDTRTX: u64 = 0x08c;
    pub(super) const OSLAR: u64 = 0x300;
    pub(super) const DBGBVR: u64 = 0x400;
    pub(super) const DBGWVR: u64 = 0x800;
    pub(super) const EDLAR: u64 = 0xfb0;
    pub(super) const DBGAUTHSTATUS: u64 = 0xfb8;
    pub(super) const EDDEVARCH: u64 = 0xfbc;
}

/// Registers of the cross-trigger interface.
mod cti {
    pub(super) const CONTROL: u64 = 0x000;
    pub(super) const INTACK: u64 = 0x010;
    pub(super) const APPPULSE: u64 = 0x01c;
    pub(super) const INEN0: u64 = 0x020;
    pub(super) const OUTEN0: u64 = 0x0a0;
    pub(super) const OUTEN1: u64 = 0x0a4;
    pub(super) const TRIGOUTSTATUS: u64 = 0x134;
    pub(super) const GATE: u64 = 0x140;
    pub(super) const LAR: u64 = 0xfb0;
}

/// Opens a software lock.
const UNLOCK: u32 = 0xc5ac_ce55;
/// Channels: one halts this core, one restarts it, and one, which passes the gate, carries the news that a core
/// has entered Debug state to the others.
const HALT: u32 = 1;
const RESTART: u32 = 1 << 1;
const NEWS: u32 = 1 << 2;

/// `EDDEVARCH.ARCHID` of an Armv8-A debug unit, without its revision: bits \[11:0\].
const ARCHITECTURE: u32 = 0xa15;

/// What became of an instruction in Debug state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Executed {
    /// It completed.
    Done,
    /// It took an exception. The error is cleared.
    Exception,
}

/// One core's debug unit, while there is a bus to it.
pub(super) struct DebugUnit<'a> {
    pub(super) core: CoreId,
    pub(super) bus: &'a mut dyn Bus,
    pub(super) at: CoreAddresses,
}

impl DebugUnit<'_> {
    fn read(&mut self, offset: u64) -> Result<u32> {
        self.bus.read_word(self.at.debug + offset)
    }

    fn write(&mut self, offset: u64, value: u32) -> Result<()> {
        self.bus.write_word(self.at.debug + offset, value)
    }

    fn write_cti(&mut self, offset: u64, value: u32) -> Result<()> {
        self.bus.write_word(self.at.cti + offset, value)
    }

    /// Whether this is a debug unit, and one that lets a debugger in.
    pub(super) fn check(&mut self) -> Result<()> {
        let found = self.read(offset::EDDEVARCH)?;
        if found & 0xfff != ARCHITECTURE {
            return Err(BoardError::WrongChip { core: self.core, address: self.at.debug, found });
        }
        // Invasive debug of either Security state, implemented and enabled.
        let status = self.read(offset::DBGAUTHSTATUS)?;
        if status & 0b11 != 0b11 && status >> 4 & 0b11 != 0b11 {
            return Err(BoardError::Locked { core: self.core, register: "DBGAUTHSTATUS_EL1", value: status });
        }
        Ok(())
    }

    /// Power, reset and halt, in a register that can always be read.
    pub(super) fn state(&mut self) -> Result<Edprsr> {
        Ok(Edprsr::from(self.read(u64::from(Edprsr::OFFSET))?))
    }

    /// `EDSCR`.
    pub(super) fn status(&mut self) -> Result<Edscr> {
        Ok(Edscr::from(self.read(u64::from(Edscr::OFFSET))?))
    }

    /// The data address of a watchpoint.
    pub(super) fn watched_address(&mut self) -> Result<u64> {
        let low = self.read(offset::EDWAR)?;
        Ok(u64::from(self.read(offset::EDWAR + 4)?) << 32 | u64::from(low))
    }

    /// How many comparators there are.
    pub(super) fn capabilities(&mut self) -> Result<Capabilities> {
        let mut double = |offset: u16| -> Result<u64> {
            let low = self.read(u64::from(offset))?;
            Ok(u64::from(self.read(u64::from(offset) + 4)?) << 32 | u64::from(low))
        };
        let features = Eddfr::from(double(Eddfr::OFFSET)?);
        let features1 = IdAa64dfr1El1::from(double(Eddfr::EDDFR1_OFFSET)?);
        let features2 = IdAa64dfr2El1::from(double(Eddfr::EDDFR2_OFFSET)?);
        Ok(Capabilities::from_eddfr(features, features1, features2))
    }

    /// Opens the locks, turns halting debug on, and connects the core to the others.
    pub(super) fn open(&mut self) -> Result<()> {
        self.write(offset::EDLAR, UNLOCK)?;
        self.write(offset::OSLAR, 0)?;
        self.write_cti(cti::LAR, UNLOCK)?;
        self.write_cti(cti::CONTROL, 1)?;
        self.write_cti(cti::GATE, NEWS)?;
        self.write_cti(cti::OUTEN0, HALT | NEWS)?;
        self.write_cti(cti::OUTEN1, RESTART)?;
        let status = self.status()?;
        self.write_status(status.with_hde(true).with_ma(false).with_intdis(Uint::from_bits(0)))
    }

    /// Leaves the core as another tool, or none, finds it: halted by itself alone, and by nothing armed.
    pub(super) fn close(&mut self) -> Result<()> {
        self.set_step(false)?;
        let status = self.status()?;
        self.write_status(status.with_intdis(Uint::from_bits(0)))?;
        self.write_cti(cti::INEN0, 0)?;
        self.write_cti(cti::OUTEN0, HALT)?;
        self.write_cti(cti::GATE, 0)
    }

    /// Writes a breakpoint pair, which matches nothing meanwhile.
    pub(super) fn write_breakpoint(&mut self, number: usize, pair: Pair) -> Result<()> {
        self.write_pair(offset::DBGBVR + 16 * number as u64, pair)
    }

    /// Writes a watchpoint pair, which matches nothing meanwhile.
    pub(super) fn write_watchpoint(&mut self, number: usize, pair: Pair) -> Result<()> {
        self.write_pair(offset::DBGWVR + 16 * number as u64, pair)
    }

    fn write_pair(&mut self, offset: u64, pair: Pair) -> Result<()> {
        self.write(offset + 8, 0)?;
        if pair.is_enabled() {
            self.write(offset, pair.value as u32)?;
            self.write(offset + 4, (pair.value >> 32) as u32)?;
            self.write(offset + 8, pair.control as u32)?;
        }
        Ok(())
    }

    /// Halts the core, and no other.
    pub(super) fn halt(&mut self) -> Result<()> {
        self.write_cti(cti::APPPULSE, HALT)?;
        self.wait("halt", |state| state.halted() || !state.pu())?;
        self.acknowledge_halt()
    }

    /// Takes the request to halt back, which would halt the core again at once. Meanwhile another core may have halted,
    /// whose news is a request of its own.
    fn acknowledge_halt(&mut self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.write_cti(cti::INTACK, HALT)?;
            if self.bus.read_word(self.at.cti + cti::TRIGOUTSTATUS)? & 1 == 0 {
                return Ok(());
            }
            self.expire(deadline, "let go of its debug request")?;
        }
    }

    /// Says whether the core's own entry to Debug state is news for the others.
    pub(super) fn set_tells(&mut self, tells: bool) -> Result<()> {
        self.write_cti(cti::INEN0, if tells { NEWS } else { 0 })
    }

    /// Lets the core run.
    pub(super) fn restart(&mut self) -> Result<()> {
        self.acknowledge_halt()?;
        // Restarts of the past are forgotten by a read.
        self.state()?;
        self.write_cti(cti::APPPULSE, RESTART)?;
        self.wait("restart", |state| state.sdr() || !state.pu())
    }

    /// Turns halting step on or off.
    pub(super) fn set_step(&mut self, on: bool) -> Result<()> {
        self.write(u64::from(Edecr::OFFSET), Edecr::new().with_ss(on).into())
    }

    /// Holds interrupts off or lets them come: `EDSCR.INTdis`. All its bits, which every version of it takes
    /// for all interrupts.
    pub(super) fn set_interrupts_disabled(&mut self, off: bool) -> Result<()> {
        let status = self.status()?;
        self.write_status(status.with_intdis(Uint::from_bits(if off { 0b11 } else { 0 })))
    }

    fn write_status(&mut self, status: Edscr) -> Result<()> {
        self.write(u64::from(Edscr::OFFSET), status.into())
    }

    /// Has the halted core execute an instruction.
    pub(super) fn execute(&mut self, instruction: u32) -> Result<Executed> {
        self.write(offset::EDITR, instruction)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let status = self.status()?;
            if status.err() {
                self.write(u64::from(Edrcr::OFFSET), Edrcr::new().with_cse(true).into())?;
                return Ok(Executed::Exception);
            }
            if status.ite() {
                return Ok(Executed::Done);
            }
            self.expire(deadline, "complete an instruction of the debugger")?;
        }
    }

    /// Reads `X<n>`.
    pub(super) fn read_x(&mut self, n: u8) -> Result<u64> {
        self.execute(instructions::send(n))?;
        let high = self.read(offset::DBGDTRRX)?;
        Ok(u64::from(high) << 32 | u64::from(self.read(offset::DBGDTRTX)?))
    }

    /// Writes `X<n>`.
    pub(super) fn write_x(&mut self, n: u8, value: u64) -> Result<()> {
        self.write(offset::DBGDTRTX, (value >> 32) as u32)?;
        self.write(offset::DBGDTRRX, value as u32)?;
        self.execute(instructions::receive(n))?;
        Ok(())
    }

    /// Takes the word that the core has sent.
    pub(super) fn receive_word(&mut self) -> Result<u32> {
        self.read(offset::DBGDTRTX)
    }

    /// Sends the core a word.
    pub(super) fn send_word(&mut self, word: u32) -> Result<()> {
        self.write(offset::DBGDTRRX, word)
    }

    fn wait(&mut self, what: &'static str, done: impl Fn(Edprsr) -> bool) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !done(self.state()?) {
            self.expire(deadline, what)?;
        }
        Ok(())
    }

    fn expire(&self, deadline: Instant, what: &'static str) -> Result<()> {
        if Instant::now() > deadline {
            return Err(BoardError::Timeout { core: self.core, what });
        }
        Ok(())
    }
}

/// Whether a status says that the core was halted from outside.
pub(super) fn is_external(status: DebugStatus) -> bool {
    status == DebugStatus::EXTERNAL_REQUEST
}
