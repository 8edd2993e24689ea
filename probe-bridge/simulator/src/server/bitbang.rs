//! JTAG pin by pin over a socket: the server of OpenOCD's `remote_bitbang` driver.
//!
//! Each byte is a command: `0` to `7` set TCK, TMS and TDI (4, 2 and 1), `R` asks for TDO, `r` to `u` set the
//! reset lines (TRST 2, SRST 1), `B` and `b` are a light, `Q` ends.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use super::is_readable;
use crate::dap::DebugPort;
use crate::dap::jtag::Tap;

/// Instructions that each core runs before the socket is looked at again.
const SLICE: u32 = 2_000;

/// Serves one client until it leaves. Between its commands the board runs.
///
/// # Errors
/// Where the socket fails.
pub fn serve(mut stream: TcpStream, port: &mut DebugPort, mut serial: impl Write) -> io::Result<()> {
    stream.set_nodelay(true)?;
    port.set_pace(0);
    let mut tap = Tap::default();
    let mut pins = Pins::default();
    let mut buffer = [0; 4096];
    loop {
        serial.write_all(&port.system().take_serial())?;
        if !is_readable(&stream, port.system().is_running())? {
            port.run(SLICE);
            continue;
        }
        let count = stream.read(&mut buffer)?;
        let mut answer = Vec::new();
        for &command in buffer.get(..count).unwrap_or_default() {
            match command {
                b'0'..=b'7' => pins.drive(command - b'0', &mut tap, port),
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
                b'Q' => return Ok(()),
                _ => {}
            }
        }
        stream.write_all(&answer)?;
        if count == 0 {
            return Ok(());
        }
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
