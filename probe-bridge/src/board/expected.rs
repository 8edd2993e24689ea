//! A way to a board, for the drivers' tests, that allows listed accesses and no other and no other order.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use super::error::{BoardError, Result};
use super::link::{Bus, Link, Port};

/// One access that is expected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Access {
    /// A read, and what it gives.
    R(u64, u32),
    /// A write.
    W(u64, u32),
    /// A read that the bus answers with an error.
    Fault(u64),
}

/// A list of accesses that is worked off. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Expected(Rc<RefCell<VecDeque<Access>>>);

impl Expected {
    /// Adds to what is expected, when everything before has come.
    pub(super) fn add(&self, accesses: &[Access]) {
        assert!(self.0.borrow().is_empty(), "accesses that never came: {:x?}", self.0.borrow());
        self.append(accesses);
    }

    /// Adds to what is expected.
    pub(super) fn append(&self, accesses: &[Access]) {
        self.0.borrow_mut().extend(accesses);
    }

    fn next(&self) -> Option<Access> {
        self.0.borrow_mut().pop_front()
    }
}

impl Link for Expected {
    fn with<R>(&mut self, port: Port, work: impl FnOnce(&mut dyn Bus) -> Result<R>) -> Result<R> {
        assert!(matches!(port, Port::Core(_)));
        work(self)
    }

    fn has_memory(&self) -> bool {
        false
    }
}

impl Bus for Expected {
    fn read_word(&mut self, address: u64) -> Result<u32> {
        match self.next() {
            Some(Access::R(expected, value)) if expected == address => Ok(value),
            Some(Access::Fault(expected)) if expected == address => Err(BoardError::Fault { address }),
            other => panic!("a read of {address:#x} where {other:x?} was due"),
        }
    }

    fn write_word(&mut self, address: u64, value: u32) -> Result<()> {
        match self.next() {
            Some(Access::W(expected, due)) if (expected, due) == (address, value) => Ok(()),
            other => panic!("a write of {value:#x} to {address:#x} where {other:x?} was due"),
        }
    }

    fn read_bytes(&mut self, address: u64, _: &mut [u8]) -> Result<()> {
        panic!("bytes read at {address:#x}")
    }

    fn write_bytes(&mut self, address: u64, _: &[u8]) -> Result<()> {
        panic!("bytes written at {address:#x}")
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}
