//! Clients' sockets.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use trapline_core::gdb::Connection;

/// How long a client that takes nothing off its connection is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// The connection to a client.
#[derive(Debug)]
pub enum Client {
    /// Over TCP.
    Tcp(TcpStream),
    /// Over a Unix socket.
    Unix(UnixStream),
}

impl Client {
    /// Readies the connection for packets, which are small, and of which each waits for an answer.
    ///
    /// # Errors
    /// Where the socket does not take it.
    pub fn prepare(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => {
                stream.set_nodelay(true)?;
                stream.set_write_timeout(Some(PATIENCE))
            }
            Self::Unix(stream) => stream.set_write_timeout(Some(PATIENCE)),
        }
    }

    /// Tells a client that it is not served, and nothing more. What it has sent stays unread: the connection must
    /// be kept for a while, or what it was told would be lost with it.
    pub(super) fn refuse(&mut self) -> io::Result<()> {
        // The answer to whatever it asks first. Its text has nothing that would have to be escaped.
        const REASON: &str = "E.another client is served; detach that one first";
        let sum = REASON.bytes().fold(0_u8, u8::wrapping_add);
        self.prepare()?;
        self.write_all(format!("+${REASON}#{sum:02x}").as_bytes())?;
        match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Self::Unix(stream) => stream.shutdown(Shutdown::Write),
        }
    }

    /// Reads what the client has sent; 0 bytes where it has closed the connection.
    ///
    /// # Errors
    /// Where the connection fails.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
        }
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.write_all(bytes),
            Self::Unix(stream) => stream.write_all(bytes),
        }
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}

/// A client for a [`trapline_core::gdb::Server`]: what goes to it is sent a packet at a time.
#[derive(Debug)]
pub struct Outgoing {
    client: Client,
    bytes: Vec<u8>,
}

impl Outgoing {
    /// Nothing is on the way yet.
    #[must_use]
    pub const fn new(client: Client) -> Self {
        Self { client, bytes: Vec::new() }
    }

    /// The client.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// As [`Client::read`].
    ///
    /// # Errors
    /// As [`Client::read`].
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.client.read(buffer)
    }
}

impl Connection for Outgoing {
    type Error = io::Error;

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.client.write_all(&self.bytes)?;
        self.bytes.clear();
        Ok(())
    }
}
