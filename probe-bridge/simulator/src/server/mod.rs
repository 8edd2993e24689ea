//! How clients of other programs reach the board.

pub mod bitbang;
pub mod glasgow;

use std::io;
use std::net::TcpStream;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// How long the socket is waited for while no core runs.
const IDLE: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// Whether there is something to read: now where the board has work, else after a while.
fn is_readable(stream: &TcpStream, busy: bool) -> io::Result<bool> {
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut fds = [PollFd::new(stream, PollFlags::IN)];
    match poll(&mut fds, Some(if busy { &now } else { &IDLE })) {
        Ok(_) => Ok(fds.iter().any(|fd| !fd.revents().is_empty())),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
