//! What is measured over the remote protocol, the same for every server.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::{
    client::Client,
    guest::{DATA, Guest, NOPS},
    ours::Ours,
};

const STEP: &str = "vCont;s:1";
const CONTINUE: &str = "vCont;c";

/// Steps, and after each asks for something, where `look` says what.
pub(crate) fn steps(client: &mut Client, look: Option<&str>, count: u32) -> Result<Duration> {
    let begun = Instant::now();
    for _ in 0..count {
        client.run(STEP)?;
        if let Some(look) = look {
            ensure!(!client.ask(look)?.is_empty(), "{look} is not answered");
        }
    }
    Ok(begun.elapsed())
}

/// Steps through a loop by one packet.
pub(crate) fn range(client: &mut Client, guest: &Guest, steps: u32) -> Result<Duration> {
    let (begin, end) = (guest.counting, guest.counting + 8);
    client.tell(&format!("P2={:016x}", u64::from(steps / 2).swap_bytes()))?;
    client.tell(&format!("P20={:016x}", begin.swap_bytes()))?;
    let begun = Instant::now();
    client.run(&format!("vCont;r{begin:x},{end:x}:1"))?;
    let time = begun.elapsed();
    let pc = client.ask("p20")?;
    ensure!(pc == format!("{:016x}", end.swap_bytes()), "the range step ended elsewhere: {pc}");
    Ok(time)
}

/// Hits a breakpoint as gdb does: at each hit it is taken out, stepped over and put in again.
pub(crate) fn hits(client: &mut Client, what: &str, look: Option<&str>, count: u32) -> Result<Duration> {
    let (insert, remove) = (format!("Z{what}"), format!("z{what}"));
    client.tell(&insert)?;
    client.run(CONTINUE)?;
    let begun = Instant::now();
    for _ in 0..count {
        if let Some(look) = look {
            ensure!(!client.ask(look)?.is_empty(), "{look} is not answered");
        }
        client.tell(&remove)?;
        client.run(STEP)?;
        client.tell(&insert)?;
        client.run(CONTINUE)?;
    }
    let time = begun.elapsed();
    client.tell(&remove)?;
    Ok(time)
}

/// Hits a breakpoint and just continues: the server steps over it.
pub(crate) fn plain_hits(client: &mut Client, what: &str, count: u32) -> Result<Duration> {
    client.tell(&format!("Z{what}"))?;
    client.run(CONTINUE)?;
    let begun = Instant::now();
    for _ in 0..count {
        client.run(CONTINUE)?;
    }
    let time = begun.elapsed();
    client.tell(&format!("z{what}"))?;
    Ok(time)
}

/// Passes a breakpoint whose condition, on X1 and evaluated by the server, is false until `count` hits later.
pub(crate) fn conditions(client: &mut Client, guest: &Guest, ours: &Ours, count: u16) -> Result<Duration> {
    // Behind the load of the counter.
    let address = guest.function + 4;
    let counter = client.ask(&format!("m{DATA:x},2"))?;
    let now = u16::from_str_radix(&counter, 16).context("the counter cannot be read")?.swap_bytes();
    let last = now.wrapping_add(count);
    ours.stop_at(address, last)?;
    let begun = Instant::now();
    client.run(CONTINUE)?;
    let time = begun.elapsed();
    ours.stop_no_more(address)?;
    let counter = client.ask("p1")?;
    ensure!(
        counter.starts_with(&format!("{:04x}", last.swap_bytes())),
        "stopped at {counter}, not at {last:#x}"
    );
    Ok(time)
}

/// Inserts and removes as many breakpoints as there are NOPs, with a step while they are in.
pub(crate) fn breakpoints(client: &mut Client, guest: &Guest) -> Result<Duration> {
    let begun = Instant::now();
    for kind in ["Z", "z"] {
        for number in 0..NOPS {
            client.tell(&format!("{kind}0,{:x},4", guest.nops + 4 * number))?;
        }
        client.run(STEP)?;
    }
    Ok(begun.elapsed())
}

/// Reads memory in the largest pieces that the server takes; the bytes are those of the RAM behind the guest.
pub(crate) fn read_memory(client: &mut Client, bytes: usize) -> Result<Duration> {
    let piece = client.packet_size / 2 - 16;
    let begun = Instant::now();
    let mut read = 0;
    while read < bytes {
        let answer = client.ask(&format!("m{:x},{piece:x}", DATA as usize + read))?;
        ensure!(answer.len() >= 2 && !answer.starts_with('E'), "memory is not read: {answer:.20}");
        read += answer.len() / 2;
    }
    Ok(begun.elapsed().mul_f64(bytes as f64 / read as f64))
}

/// Writes memory in the largest pieces that the server takes.
pub(crate) fn write_memory(client: &mut Client, bytes: usize) -> Result<Duration> {
    let piece = client.packet_size / 2 - 32;
    let data = "5a".repeat(piece);
    let begun = Instant::now();
    let mut written = 0;
    while written < bytes {
        client.tell(&format!("M{:x},{piece:x}:{data}", DATA as usize + 0x1000 + written))?;
        written += piece;
    }
    Ok(begun.elapsed().mul_f64(bytes as f64 / written as f64))
}

/// Lets all cores run for a moment and stops them, `count` times: the time of the stops.
pub(crate) fn stops(client: &mut Client, count: u32) -> Result<Duration> {
    let mut time = Duration::ZERO;
    for _ in 0..count {
        client.send(CONTINUE.as_bytes())?;
        std::thread::sleep(Duration::from_millis(20));
        let begun = Instant::now();
        client.interrupt()?;
        client.stopped()?;
        time += begun.elapsed();
    }
    Ok(time)
}
