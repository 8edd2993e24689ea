//! How clients of other programs reach the board.

pub mod bitbang;
pub mod glasgow;

use std::io::{self, Read, Write};
use std::net::TcpStream;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::dap::DebugPort;

/// How long the socket is waited for while no core runs.
const IDLE: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
/// Instructions that each core runs before the socket is looked at again.
const SLICE: u32 = 2_000;

/// What a client's bytes mean.
trait Protocol {
    /// Takes bytes of the client, and appends what it is answered; false where it has said that it leaves.
    fn receive(&mut self, bytes: &[u8], port: &mut DebugPort, answer: &mut Vec<u8>) -> bool;
}

/// Serves one client until it leaves. Between its commands the board runs.
fn serve(
    mut stream: TcpStream,
    port: &mut DebugPort,
    mut serial: impl Write,
    mut protocol: impl Protocol,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    port.set_pace(0);
    let mut buffer = [0; 4096];
    let mut answer = Vec::new();
    loop {
        serial.write_all(&port.system().take_serial())?;
        if !is_readable(&stream, port.system().is_running())? {
            port.run(SLICE);
            continue;
        }
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        answer.clear();
        let stays = protocol.receive(buffer.get(..count).unwrap_or_default(), port, &mut answer);
        stream.write_all(&answer)?;
        if !stays {
            return Ok(());
        }
    }
}

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
