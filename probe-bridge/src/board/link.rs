//! The way to a board's buses: a probe-rs session, or in tests a list of expected accesses.

pub use super::session_link::SessionLink;

use super::error::Result;

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
    /// [`BoardError::Fault`](super::BoardError::Fault) where the bus answers with an error.
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
    /// Those of `work`, and [`BoardError::Probe`](super::BoardError::Probe).
    fn with<R>(&mut self, port: Port, work: impl FnOnce(&mut dyn Bus) -> Result<R>) -> Result<R>;

    /// Whether there is a bus to memory.
    fn has_memory(&self) -> bool;

    /// Is told that time has passed in which the board may have been reset: what is remembered of its buses may be so no
    /// more.
    fn refresh(&mut self) {}

    /// Is told that the cores run as nobody but their debugger has let them: who has a picture of his own looks again.
    fn released(&mut self) {}
}
