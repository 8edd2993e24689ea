//! A client that speaks the remote serial protocol by itself.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

/// A connection on which packets are not acknowledged.
pub(crate) struct Wire {
    stream: TcpStream,
    /// What has arrived and is no whole packet yet.
    pending: Vec<u8>,
}

impl Wire {
    /// Connects, and agrees on no acknowledgements.
    pub(crate) fn connect(address: &str, timeout: Duration) -> Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(timeout))?;
        let mut wire = Self { stream, pending: Vec::new() };
        wire.expect("QStartNoAckMode", "OK")?;
        Ok(wire)
    }

    /// Sends bytes as they are.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).context("the server takes no more")
    }

    /// The payload of the next packet.
    pub(crate) fn receive(&mut self) -> Result<String> {
        loop {
            if let Some(end) = self.pending.iter().position(|byte| *byte == b'#')
                && self.pending.len() >= end + 3
            {
                let packet: Vec<u8> = self.pending.drain(..end + 3).collect();
                let begin = packet.iter().position(|byte| *byte == b'$').context("a packet begins with $")?;
                let payload = &packet[begin + 1..end];
                ensure!(packet[end..] == *checksum(payload).as_bytes(), "a wrong checksum");
                return Ok(String::from_utf8_lossy(payload).into_owned());
            }
            let mut bytes = [0; 4096];
            match self.stream.read(&mut bytes) {
                Ok(0) => bail!("the server has closed the connection"),
                Ok(count) => self.pending.extend_from_slice(&bytes[..count]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    bail!("no answer")
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Sends a packet and returns the payload of what comes next.
    pub(crate) fn ask(&mut self, payload: &str) -> Result<String> {
        self.send(&packet(payload.as_bytes()))?;
        self.receive().with_context(|| format!("the answer to {payload}"))
    }

    /// Sends a packet that has exactly one right answer.
    pub(crate) fn expect(&mut self, payload: &str, answer: &str) -> Result<()> {
        let seen = self.ask(payload)?;
        ensure!(seen == answer, "{payload} was answered with {seen:?}, not {answer:?}");
        Ok(())
    }

    /// Lets the target run until it stops.
    pub(crate) fn go_on(&mut self) -> Result<Stop> {
        let mut reply = self.ask("vCont;c")?;
        // Text comes before the stop.
        while reply.starts_with('O') {
            reply = self.receive()?;
        }
        Stop::parse(&reply).with_context(|| format!("{reply:?} is no stop"))
    }

    /// Lets go of the target.
    pub(crate) fn detach(mut self) -> Result<()> {
        self.expect("D", "OK")
    }
}

/// A packet around a payload, whose bytes mean nothing to packets.
pub(crate) fn packet(payload: &[u8]) -> Vec<u8> {
    [b"$", payload, checksum(payload).as_bytes()].concat()
}

/// `#` and the checksum.
fn checksum(payload: &[u8]) -> String {
    let sum = payload.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    format!("#{sum:02x}")
}

/// A stop reply, as far as it matters here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Stop {
    pub(crate) signal: u8,
    /// The program counter.
    pub(crate) pc: u64,
    /// The name and the value of the reason, if one is given.
    pub(crate) reason: Option<(String, String)>,
}

impl Stop {
    fn parse(reply: &str) -> Option<Self> {
        let signal = u8::from_str_radix(reply.strip_prefix('T')?.get(..2)?, 16).ok()?;
        let pairs = reply.get(3..)?.split(';').filter_map(|pair| pair.split_once(':'));
        let mut stop = Self { signal, pc: 0, reason: None };
        for (name, value) in pairs {
            match name {
                "20" => stop.pc = u64::from_str_radix(value, 16).ok()?.swap_bytes(),
                // That of AArch32; X15 does not come with a stop.
                "f" | "0f" => stop.pc = u32::from_str_radix(value, 16).ok()?.swap_bytes().into(),
                "watch" | "rwatch" | "awatch" | "hwbreak" | "swbreak" => {
                    stop.reason = Some((name.to_owned(), value.to_owned()));
                }
                _ => {}
            }
        }
        Some(stop)
    }

    /// The address that a watchpoint of this kind was hit at.
    pub(crate) fn watched(&self, kind: &str) -> Option<u64> {
        let (name, value) = self.reason.as_ref()?;
        (name == kind).then(|| u64::from_str_radix(value, 16).ok())?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_is_taken_apart() {
        let stop = Stop::parse("T05thread:1;core:0;watch:40200025;20:9c1c004000000000;").unwrap();
        assert_eq!((stop.signal, stop.pc, stop.watched("watch")), (5, 0x4000_1c9c, Some(0x4020_0025)));
        assert_eq!(stop.watched("awatch"), None);
        assert_eq!(Stop::parse("OK"), None);
        assert_eq!(packet(b"OK"), b"$OK#9a");
    }
}
