//! The gdb server: the remote serial protocol over a [`Debugger`](crate::debugger::Debugger).
//!
//! | file | holds |
//! |---|---|
//! | `wire` | bytes and packets: framing, acknowledgements, numbers, escapes |
//! | `packet` | from a payload to what it says |
//! | `server`, `session` | what a session remembers, and the answer to each packet |
//! | `failure` | why a packet is not honoured, and how the client is told |
//! | `layout`, `registers`, `memory`, `search`, `threads` | which registers there are; reading and writing |
//! | `points`, `run` | breakpoints and watchpoints; running on, and stops |
//! | `paged` | what the client is told of watchpoints that pages serve |
//! | `query`, `lldb`, `description` | what the server can do and what the target is |
//! | `monitor` | commands that the protocol has no packet for |
//!
//! Bytes of the connection go no further than `packet`; the engine gets requests.
//!
//! A [`Server`] serves one client over one [`Connection`]. It blocks on nothing: the embedder feeds it
//! the bytes that arrive ([`Server::receive`]) and tells it when the target may have stopped
//! ([`Server::report_stop`]), from a `poll` loop, a thread, or the receive interrupt of a UART.
//! Whatever arrives, the session goes on: what is no packet, or one that cannot be honoured, is answered with
//! an error.

mod description;
mod failure;
mod layout;
mod lldb;
mod memory;
mod monitor;
mod packet;
mod paged;
mod points;
mod query;
mod registers;
mod run;
mod search;
mod server;
mod session;
mod threads;
mod wire;

use core::fmt;

pub use monitor::Commands;
pub use server::Server;

/// The smallest packet buffer that a [`Server`] takes, in bytes: two of a whole `G` packet and some.
pub const MIN_PACKET_BUFFER: usize = 2048;

/// The way back to the client.
pub trait Connection {
    /// Why it failed.
    type Error: core::error::Error;

    /// Sends all of `bytes`, or keeps them until [`Self::flush`].
    ///
    /// # Errors
    /// Where the client can no longer be reached.
    fn send(&mut self, bytes: &[u8]) -> Result<(), Self::Error>;

    /// Sends what is still kept.
    ///
    /// # Errors
    /// As [`Self::send`].
    fn flush(&mut self) -> Result<(), Self::Error>;
}

/// Where a session stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Status {
    /// The target is halted and the client has the word.
    Halted,
    /// The target runs and the client waits for it to stop.
    Running,
    /// The target runs with nothing of the client's armed, and the client may attach to it again.
    Detached,
    /// The session is over.
    Closed(Closed),
    /// The session broke down with a [`ServerError`].
    Broken,
}

/// How a session ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Closed {
    /// The client detached. Nothing of it is armed any more and the target runs.
    Detached,
    /// The client asked for the target to be ended.
    Killed,
    /// The target had ended, and the client was told.
    Exited,
}

/// Why a session broke down. What the client had armed is still armed:
/// [`Debugger::detach`](crate::debugger::Debugger::detach) removes it.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServerError<E, C> {
    /// The client cannot be reached.
    Connection(C),
    /// The target is lost.
    Target(E),
    /// The packet buffer has fewer bytes than [`MIN_PACKET_BUFFER`].
    PacketBuffer {
        /// How many it has.
        length: usize,
    },
}

impl<E: fmt::Display, C: fmt::Display> fmt::Display for ServerError<E, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(error) => write!(f, "the gdb client cannot be reached: {error}"),
            Self::Target(error) => write!(f, "the target is lost: {error}"),
            Self::PacketBuffer { length } => {
                write!(f, "a packet buffer of {length} bytes is too small; give it {MIN_PACKET_BUFFER}")
            }
        }
    }
}

impl<E, C> core::error::Error for ServerError<E, C>
where
    E: core::error::Error + 'static,
    C: core::error::Error + 'static,
{
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Connection(error) => Some(error),
            Self::Target(error) => Some(error),
            Self::PacketBuffer { .. } => None,
        }
    }
}

/// The result of feeding a [`Server`].
pub type ServerResult<T, C> =
    Result<Status, ServerError<<T as crate::target::Backend>::Error, <C as Connection>::Error>>;
