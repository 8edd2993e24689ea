//! JTAG pin by pin over a socket: the server of OpenOCD's `remote_bitbang` driver.
//!
//! Each byte is a command: `0` to `7` set TCK, TMS and TDI (4, 2 and 1), `R` asks for TDO, `r` to `u` set the
//! reset lines (TRST 2, SRST 1), `B` and `b` are a light, `Q` ends.

use std::io::{self, Write};
use std::net::TcpStream;

use super::Protocol;
use crate::dap::DebugPort;
use crate::dap::jtag::Tap;

/// Serves one client until it leaves. Between its commands the board runs.
///
/// # Errors
/// Where the socket fails.
pub fn serve(stream: TcpStream, port: &mut DebugPort, serial: impl Write) -> io::Result<()> {
    super::serve(stream, port, serial, Wires::default())
}

/// The wires between client and board.
#[derive(Debug, Default)]
struct Wires {
    tap: Tap,
    pins: Pins,
}

impl Protocol for Wires {
    fn receive(&mut self, bytes: &[u8], port: &mut DebugPort, answer: &mut Vec<u8>) -> bool {
        let Self { tap, pins } = self;
        for &command in bytes {
            match command {
                b'0'..=b'7' => pins.drive(command - b'0', tap, port),
                b'R' => answer.push(if tap.tdo() { b'1' } else { b'0' }),
                b'r'..=b'u' => {
                    let lines = command - b'r';
                    if lines & 0b10 != 0 {
                        tap.reset();
                    }
                    let reset = lines & 0b01 != 0;
                    if reset != std::mem::replace(&mut pins.in_reset, reset) {
                        port.set_reset(reset);
                    }
                }
                b'Q' => return false,
                _ => {}
            }
        }
        true
    }
}

/// What the client drives.
#[derive(Debug, Default)]
struct Pins {
    clock: bool,
    in_reset: bool,
}

impl Pins {
    fn drive(&mut self, levels: u8, tap: &mut Tap, port: &mut DebugPort) {
        let clock = levels & 4 != 0;
        if clock && !self.clock {
            tap.clock(port, levels & 2 != 0, levels & 1 != 0);
        }
        self.clock = clock;
    }
}
