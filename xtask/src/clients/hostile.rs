//! What no client should send: the session goes on, whatever it is.

use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::Seen;
use super::wire::{Wire, packet};

/// Packets that are known and whose contents mean nothing, or that are not known; and how their answers begin.
const MALFORMED: [(&[u8], &str); 18] = [
    (b"m", "E"),
    (b"mzz,4", "E"),
    (b"m10000000000000000,4", "E"),
    (b"M40000000,ffffffffffffffff:00", "E"),
    (b"Pffff=00", "E"),
    (b"p7fff", "E"),
    (b"G00", "E"),
    (b"Z0,,", "E"),
    (b"Z1,40000000,4;X2,27", "E"),
    (b"Z9,0,0", ""),
    (b"z2,0,0", "E"),
    (b"vCont;", "E"),
    (b"vCont;x", "E"),
    (b"Hgffff", "E"),
    (b"Hgp9.9", "E"),
    (b"qXfer:features:read:no.xml:0,100", "E"),
    (b"qXfer:features:read:target.xml:", "E"),
    (b"\xff\xfe\xfd", ""),
];

/// How many random packets are sent, and how many at once.
const RANDOM: usize = 100_000;
const AT_ONCE: usize = 500;

pub(super) fn check(wire: &mut Wire, address: &str) -> Result<Seen> {
    let mut seen = Seen::new();
    for (payload, begin) in MALFORMED {
        wire.send(&packet(payload))?;
        let shown = String::from_utf8_lossy(payload).into_owned();
        let answer = wire.receive().with_context(|| shown.clone())?;
        let right = if begin.is_empty() { answer.is_empty() } else { answer.starts_with(begin) };
        ensure!(right, "{shown:?} was answered with {answer:?}");
    }
    alive(wire)?;
    seen.push(("malformed and unknown packets".to_owned(), format!("{} answered", MALFORMED.len())));

    oversized(wire)?;
    seen.push(("a packet longer than any that was agreed on".to_owned(), "answered".to_owned()));
    halves(wire)?;
    seen.push(("half packets, and Ctrl-C in the middle of one".to_owned(), "stopped by SIGINT".to_owned()));
    random(wire)?;
    seen.push(("random packets".to_owned(), format!("{RANDOM} answered")));
    seen.push(("a second client".to_owned(), second(address)?));
    alive(wire)?;
    Ok(seen)
}

/// The session goes on.
fn alive(wire: &mut Wire) -> Result<()> {
    let answer = wire.ask("?")?;
    ensure!(answer.starts_with('T'), "no stop reply: {answer:?}");
    Ok(())
}

fn oversized(wire: &mut Wire) -> Result<()> {
    wire.send(&packet(&vec![b'q'; 0x2_0000]))?;
    let answer = wire.receive()?;
    ensure!(answer.starts_with('E'), "an oversized packet was answered with {answer:?}");
    alive(wire)
}

fn halves(wire: &mut Wire) -> Result<()> {
    // The half that never gets its end costs nothing but itself.
    wire.send(b"$m40000000,")?;
    alive(wire)?;
    for byte in packet(b"?") {
        wire.send(&[byte])?;
    }
    ensure!(wire.receive()?.starts_with('T'), "a packet in single bytes was not taken");
    wire.send(&packet(b"vCont;c"))?;
    thread::sleep(Duration::from_millis(50));
    let read = packet(b"m40000000,4");
    let (begin, end) = read.split_at(6);
    wire.send(begin)?;
    wire.send(&[3])?;
    let stop = wire.receive()?;
    ensure!(stop.starts_with("T02"), "Ctrl-C was answered with {stop:?}");
    // What had begun before it is still a packet.
    wire.send(end)?;
    let read = wire.receive()?;
    ensure!(read.len() == 8, "the packet around Ctrl-C was answered with {read:?}");
    alive(wire)
}

/// Sends packets of random bytes, each of which must be answered. What ends the session or lets the target run is
/// left out.
fn random(wire: &mut Wire) -> Result<()> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for _ in 0..RANDOM / AT_ONCE {
        let mut bytes = Vec::new();
        for _ in 0..AT_ONCE {
            let length = next() % 40;
            let mut payload: Vec<u8> = (0..length).map(|_| next() as u8).collect();
            payload.retain(|byte| !matches!(byte, b'$' | b'#' | b'}' | 3));
            // Half of them begin as packets do.
            if next() % 2 == 0 {
                payload.insert(0, b"?gGpPmxHTqQzZ!"[next() as usize % 14]);
            }
            if matches!(payload.first(), Some(b'c' | b'C' | b's' | b'S' | b'k' | b'D' | b'R' | b'v')) {
                payload[0] = b'?';
            }
            bytes.extend(packet(&payload));
        }
        wire.send(&bytes)?;
        for _ in 0..AT_ONCE {
            wire.receive()?;
        }
    }
    alive(wire)
}

/// A second client is told why it is not served, at once.
fn second(address: &str) -> Result<String> {
    match Wire::connect(address, Duration::from_secs(10)) {
        Ok(_) => anyhow::bail!("it was served"),
        Err(error) => {
            let text = format!("{error:#}");
            ensure!(text.contains("another client is served"), "it was told {text}");
            Ok("refused: another client is served; detach that one first".to_owned())
        }
    }
}
