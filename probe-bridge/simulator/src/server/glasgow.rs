//! SWD transfers over a socket, as the `probe-rs` applet of a Glasgow Interface Explorer offers them: probe-rs's own
//! driver for it then works on the board as it is.
//!
//! Packets are framed by COBS and end with a zero byte; their first byte names an endpoint, the rest is a stream of
//! commands for it. Endpoint 0 is the applet itself, endpoint 1 the SWD port.

use std::io::{self, Write};
use std::net::TcpStream;

use super::Protocol;
use crate::dap::{DebugPort, Response, Space};

const IDENTIFIER: &[u8] = b"probe-rs,v01";
const REFERENCE_CLOCK: u32 = 48_000_000;
/// Acknowledgements of transfers without data.
const NO_DATA: u8 = 0x10;
const OK: u8 = 0b001;
const FAULT: u8 = 0b100;
const PROTOCOL_ERROR: u8 = 0x20;

/// Serves one client until it leaves. Between its commands the board runs.
///
/// # Errors
/// Where the socket fails.
pub fn serve(stream: TcpStream, port: &mut DebugPort, serial: impl Write) -> io::Result<()> {
    super::serve(stream, port, serial, Probe::default())
}

impl Protocol for Probe {
    fn receive(&mut self, bytes: &[u8], port: &mut DebugPort, answer: &mut Vec<u8>) -> bool {
        self.packets.extend_from_slice(bytes);
        while let Some(end) = self.packets.iter().position(|&byte| byte == 0) {
            let packet: Vec<_> = self.packets.drain(..=end).collect();
            let Some(packet) = unstuff(&packet) else { continue };
            let Some((&endpoint, commands)) = packet.split_first() else { continue };
            let said = match endpoint {
                0 => self.root(commands, port),
                _ => self.swd(commands, port),
            };
            if !said.is_empty() {
                answer.extend(stuff(&[&[endpoint], said.as_slice()].concat()));
            }
        }
        true
    }
}

/// What the applet remembers.
#[derive(Debug, Default)]
struct Probe {
    /// Of a packet that has come in part only.
    packets: Vec<u8>,
    divisor: u16,
    /// Commands that have come in part only, for each endpoint.
    pending: [Vec<u8>; 2],
    /// The result of the last read of an access port, which the next one carries.
    posted: u32,
}

impl Probe {
    fn root(&mut self, bytes: &[u8], port: &mut DebugPort) -> Vec<u8> {
        let [pending, _] = &mut self.pending;
        pending.extend_from_slice(bytes);
        let mut said = Vec::new();
        let mut rest = std::mem::take(pending);
        while let Some(&command) = rest.first() {
            let length = if command == 0x12 { 3 } else { 1 };
            if rest.len() < length {
                break;
            }
            let command: Vec<_> = rest.drain(..length).collect();
            match *command.as_slice() {
                [0x00] => said.extend_from_slice(IDENTIFIER),
                [0x10] => said.extend(REFERENCE_CLOCK.to_le_bytes()),
                [0x11] => said.extend(self.divisor.to_le_bytes()),
                [0x12, low, high] => self.divisor = u16::from_le_bytes([low, high]),
                [0x20] => port.set_reset(true),
                [0x21] => port.set_reset(false),
                _ => {}
            }
        }
        self.pending[0] = rest;
        said
    }

    fn swd(&mut self, bytes: &[u8], port: &mut DebugPort) -> Vec<u8> {
        let [_, pending] = &mut self.pending;
        pending.extend_from_slice(bytes);
        let mut said = Vec::new();
        let mut rest = std::mem::take(pending);
        while let Some(&command) = rest.first() {
            // A sequence, or a write, carries a word; a read does not.
            let carries = command & 0x20 != 0 || command & 0b10 == 0;
            let length = if carries { 5 } else { 1 };
            if rest.len() < length {
                break;
            }
            let command: Vec<_> = rest.drain(..length).collect();
            match *command.as_slice() {
                [request] => said.extend(self.read(request, port)),
                // Sequences of bits wake a port and switch protocols; this one listens to SWD from the start.
                [request, ..] if request & 0x20 != 0 => {}
                [request, a, b, c, d] => said.push(write(request, u32::from_le_bytes([a, b, c, d]), port)),
                _ => {}
            }
        }
        self.pending[1] = rest;
        said
    }

    fn read(&mut self, request: u8, port: &mut DebugPort) -> Vec<u8> {
        let (space, address) = register(request);
        let response = match (space, address) {
            // RDBUFF: the last result, without another access.
            (Space::Debug, 0xc) if port.is_faulty() => Response::Fault,
            (Space::Debug, 0xc) => Response::Ok(self.posted),
            _ => port.read(space, address),
        };
        match response {
            Response::Ok(value) => {
                let now =
                    if space == Space::Access { std::mem::replace(&mut self.posted, value) } else { value };
                [&[OK], now.to_le_bytes().as_slice()].concat()
            }
            Response::Fault => vec![NO_DATA | FAULT],
            Response::Silence => vec![PROTOCOL_ERROR],
        }
    }
}

fn write(request: u8, value: u32, port: &mut DebugPort) -> u8 {
    let (space, address) = register(request);
    match port.write(space, address, value) {
        Response::Ok(_) => NO_DATA | OK,
        Response::Fault => NO_DATA | FAULT,
        Response::Silence => PROTOCOL_ERROR,
    }
}

/// The register of a request: `APnDP` in bit 0, A\[3:2\] in bits 3 and 2.
const fn register(request: u8) -> (Space, u8) {
    (if request & 1 != 0 { Space::Access } else { Space::Debug }, request & 0xc)
}

/// Consistent overhead byte stuffing: each code byte says how far the next zero is.
fn stuff(bytes: &[u8]) -> Vec<u8> {
    let mut stuffed = Vec::new();
    for run in bytes.split(|&byte| byte == 0) {
        let mut run = run;
        while run.len() >= 254 {
            let (full, rest) = run.split_at(254);
            stuffed.push(255);
            stuffed.extend_from_slice(full);
            run = rest;
        }
        stuffed.push(run.len() as u8 + 1);
        stuffed.extend_from_slice(run);
    }
    stuffed.push(0);
    stuffed
}

/// The reverse, of a packet with its zero; `None` where it is none.
fn unstuff(packet: &[u8]) -> Option<Vec<u8>> {
    let (&0, mut rest) = packet.split_last()? else { return None };
    let mut bytes = Vec::new();
    while let Some((&code, after)) = rest.split_first() {
        let (run, after) = after.split_at_checked(usize::from(code.checked_sub(1)?))?;
        bytes.extend_from_slice(run);
        if code < 255 && !after.is_empty() {
            bytes.push(0);
        }
        rest = after;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stuffing_hides_zeros_and_loses_nothing() {
        for bytes in
            [vec![], vec![0], vec![1, 0, 0, 2], vec![7; 253], vec![7; 254], vec![7; 600], vec![0; 300]]
        {
            let stuffed = stuff(&bytes);
            assert_eq!(stuffed.iter().filter(|&&byte| byte == 0).count(), 1, "{bytes:?}");
            assert_eq!(unstuff(&stuffed), Some(bytes));
        }
        assert_eq!(unstuff(&[5, 1, 0]), None);
    }
}
