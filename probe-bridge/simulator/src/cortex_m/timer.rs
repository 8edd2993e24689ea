//! A timer: it interrupts after every so many instructions, until it is told otherwise.

use std::cell::Cell;
use std::rc::Rc;

use armagnac::memory::{Env, MemoryAccessError, MemoryInterface, MemoryReadResult, MemoryWriteResult};

/// Where its one register is: the period in instructions, 0 for none.
pub(super) const TIMER: u32 = 0x4000_0000;

/// The register, which the processor and the core share.
#[derive(Clone, Debug, Default)]
pub(super) struct Timer {
    period: Rc<Cell<u32>>,
    counted: u32,
}

impl Timer {
    /// An instruction is executed; whether an interrupt is due.
    pub(super) fn tick(&mut self) -> bool {
        let period = self.period.get();
        if period == 0 {
            self.counted = 0;
            return false;
        }
        self.counted += 1;
        let due = self.counted >= period;
        if due {
            self.counted = 0;
        }
        due
    }

    /// No interrupts, as after a reset.
    pub(super) fn stop(&mut self) {
        self.period.set(0);
        self.counted = 0;
    }
}

impl MemoryInterface for Timer {
    fn read_u32le(&mut self, address: u32, _: &mut Env) -> MemoryReadResult<u32> {
        if address == 0 { Ok(self.period.get()) } else { Err(MemoryAccessError::InvalidAddress) }
    }

    fn write_u32le(&mut self, address: u32, value: u32, _: &mut Env) -> MemoryWriteResult {
        if address != 0 {
            return Err(MemoryAccessError::InvalidAddress);
        }
        self.period.set(value);
        Ok(())
    }

    fn size(&self) -> u32 {
        4
    }
}
