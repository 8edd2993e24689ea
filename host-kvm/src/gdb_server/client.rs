//! Clients' sockets.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use trapline_core::gdb::Connection;

use super::notifier::Notifier;

/// How long a client may take to take a packet off its connection, once there is no more room in that.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is asked meanwhile whether service is to end.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

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

    /// Another name of the same connection.
    pub(super) fn duplicate(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(stream) => Self::Tcp(stream.try_clone()?),
            Self::Unix(stream) => Self::Unix(stream.try_clone()?),
        })
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
    service: Option<Arc<Notifier>>,
}

impl Outgoing {
    /// Nothing is on the way yet.
    #[must_use]
    pub const fn new(client: Client) -> Self {
        Self { client, bytes: Vec::new(), service: None }
    }

    /// A client that takes nothing is not waited for any longer than service lasts.
    #[must_use]
    pub fn until(self, end_of_service: Arc<Notifier>) -> Self {
        Self { service: Some(end_of_service), ..self }
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

impl Outgoing {
    /// Reads what the client has sent, if it has sent something; 0 bytes where it has closed the connection.
    pub(super) fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        loop {
            match recv(&self.client, &mut *buffer, RecvFlags::DONTWAIT) {
                Ok((count, _)) => return Ok(Some(count)),
                Err(Errno::AGAIN) => return Ok(None),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Connection for Outgoing {
    type Error = io::Error;

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// Whoever takes a byte now and then takes time from everybody: the guest's stops, other clients, the end of
    /// service. So all has to be gone by the deadline.
    fn flush(&mut self) -> io::Result<()> {
        let mut deadline = None;
        let mut rest = self.bytes.as_slice();
        while !rest.is_empty() {
            match send(&self.client, rest, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    if self.service.as_ref().is_some_and(|service| service.is_finished()) {
                        return Err(io::Error::other("it takes no answer, and service ends"));
                    }
                    if Instant::now() >= *deadline.get_or_insert_with(|| Instant::now() + PATIENCE) {
                        return Err(io::Error::new(io::ErrorKind::TimedOut, "it does not take its answers"));
                    }
                    match poll(&mut [PollFd::new(&self.client, PollFlags::OUT)], Some(&LOOK)) {
                        Ok(_) | Err(Errno::INTR) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        self.bytes.clear();
        Ok(())
    }
}
