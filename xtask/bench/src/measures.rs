//! What is measured over the remote protocol, the same for every server.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::{
    client::Client,
    guest::{DATA, Guest, Loop, NOPS},
    ours::Ours,
};

/// Steps by a client that sleeps until it is answered, and by one that does not.
pub(crate) const STEPS: &str = "step";
pub(crate) const STEPS_LOOKED_OUT_FOR: &str = "step, for a client that never sleeps";

pub(crate) const STEPS_AND_REGISTERS: &str = "step and g";
pub(crate) const HARDWARE_HITS: &str = "hardware breakpoint, as gdb does it";

/// The same range, but with a limit that reads PC after each step.
pub(crate) const SEEN: &str = "range step, stepped, PC read";

const STEP: &str = "vCont;s:1";
const CONTINUE: &str = "vCont;c";
const MEBIBYTE: usize = 1 << 20;

/// A server with a guest, and who asks it.
pub(crate) struct Scene<'a> {
    pub(crate) client: &'a mut Client,
    pub(crate) guest: &'a Guest,
    /// The server, where it is this project's.
    pub(crate) ours: Option<&'a Ours>,
}

/// Something to measure: how often it is done with this project and with the peer, not at all where that is 0, and
/// what does it so many times.
pub(crate) struct Measure {
    pub(crate) name: &'static str,
    pub(crate) ours: u32,
    pub(crate) peer: u32,
    pub(crate) work: fn(&mut Scene<'_>, u32) -> Result<Duration>,
}

const fn measure(
    name: &'static str,
    ours: u32,
    peer: u32,
    work: fn(&mut Scene<'_>, u32) -> Result<Duration>,
) -> Measure {
    Measure { name, ours, peer, work }
}

pub(crate) const MEASURES: [Measure; 19] = [
    measure(STEPS, 2000, 40, |scene, count| steps(scene.client, None, count)),
    measure(STEPS_LOOKED_OUT_FOR, 2000, 40, |scene, count| {
        scene.client.look_out(true)?;
        let time = steps(scene.client, None, count);
        scene.client.look_out(false)?;
        time
    }),
    measure("step and p of PC", 2000, 40, |scene, count| steps(scene.client, Some("p20"), count)),
    measure(STEPS_AND_REGISTERS, 2000, 40, |scene, count| steps(scene.client, Some("g"), count)),
    measure("range step, run", 40_000, 40, |scene, count| step_range(scene, scene.guest.counting, count)),
    measure("range step, stepped", 8000, 40, |scene, count| step_range(scene, scene.guest.stepped, count)),
    measure(SEEN, 8000, 0, |scene, count| step_range(scene, scene.guest.stepped, count)),
    measure(HARDWARE_HITS, 500, 12, |scene, count| {
        hits(scene.client, &format!("1,{:x},4", scene.guest.function), None, count)
    }),
    measure("software breakpoint, as gdb does it", 500, 12, |scene, count| {
        hits(scene.client, &format!("0,{:x},4", scene.guest.function), None, count)
    }),
    measure("watchpoint, as gdb does it", 500, 12, |scene, count| {
        hits(scene.client, &format!("2,{DATA:x},8"), None, count)
    }),
    measure("hardware breakpoint, continue only", 500, 0, |scene, count| {
        plain_hits(scene.client, &format!("1,{:x},4", scene.guest.function), count)
    }),
    measure("software breakpoint, continue only", 500, 0, |scene, count| {
        plain_hits(scene.client, &format!("0,{:x},4", scene.guest.function), count)
    }),
    measure("condition false", 3000, 12, condition),
    measure("1000 breakpoints in and out", 1, 1, |scene, _| breakpoints(scene.client, scene.guest)),
    measure("memory read, MiB", 2, 1, |scene, count| read_memory(scene.client, MEBIBYTE * count as usize)),
    measure("memory write, MiB", 2, 1, |scene, count| write_memory(scene.client, MEBIBYTE * count as usize)),
    measure("memory read in pieces of 64 bytes", 500, 40, |scene, count| read_pieces(scene.client, count)),
    measure("registers", 500, 40, |scene, count| ask(scene.client, "g", count)),
    measure("attach and first stop", 20, 5, attach),
];

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

/// Steps through a loop as quickly as the server lets a client do it.
fn step_range(scene: &mut Scene<'_>, place: Loop, count: u32) -> Result<Duration> {
    match scene.ours {
        Some(_) => range(scene.client, place, count),
        // A server that steps through no ranges is asked for a step and where that has led to.
        None => steps(scene.client, Some("g"), count),
    }
}

/// Steps through a loop by one packet.
pub(crate) fn range(client: &mut Client, place: Loop, steps: u32) -> Result<Duration> {
    let (begin, end) = (place.address, place.address + 4 * u64::from(place.instructions));
    let back = client.ask("p20")?;
    client.tell(&format!("P2={:016x}", u64::from(steps / place.instructions).swap_bytes()))?;
    client.tell(&format!("P20={:016x}", begin.swap_bytes()))?;
    let begun = Instant::now();
    client.run(&format!("vCont;r{begin:x},{end:x}:1"))?;
    let time = begun.elapsed();
    let pc = client.ask("p20")?;
    ensure!(pc == format!("{:016x}", end.swap_bytes()), "the range step ended elsewhere: {pc}");
    // Back to where the guest was.
    client.tell(&format!("P20={back}"))?;
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

/// Passes a breakpoint whose condition, on X1, is false: evaluated by the server where that is this project's, else
/// by the client, as gdb does it, which looks at the registers at each hit.
pub(crate) fn condition(scene: &mut Scene<'_>, count: u32) -> Result<Duration> {
    // Behind the load of the counter.
    let address = scene.guest.function + 4;
    let Some(ours) = scene.ours else {
        return hits(scene.client, &format!("1,{address:x},4"), Some("g"), count);
    };
    let client = &mut *scene.client;
    let counter = client.ask(&format!("m{DATA:x},2"))?;
    let now = u16::from_str_radix(&counter, 16).context("the counter cannot be read")?.swap_bytes();
    let last = now.wrapping_add(u16::try_from(count)?);
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
fn breakpoints(client: &mut Client, guest: &Guest) -> Result<Duration> {
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
fn read_memory(client: &mut Client, bytes: usize) -> Result<Duration> {
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

/// Asks the same thing again and again.
fn ask(client: &mut Client, packet: &str, count: u32) -> Result<Duration> {
    let begun = Instant::now();
    for _ in 0..count {
        let answer = client.ask(packet)?;
        ensure!(!answer.is_empty() && !answer.starts_with('E'), "{packet} is answered {answer:?}");
    }
    Ok(begun.elapsed())
}

/// Reads memory in pieces as gdb reads a stack.
fn read_pieces(client: &mut Client, count: u32) -> Result<Duration> {
    ask(client, &format!("m{DATA:x},40"), count)
}

/// Detaches, and measures how long it takes until a client that attaches anew has its first stop.
fn attach(scene: &mut Scene<'_>, count: u32) -> Result<Duration> {
    let mut time = Duration::ZERO;
    for _ in 0..count {
        scene.client.tell("D")?;
        let begun = Instant::now();
        *scene.client = scene.client.again()?;
        time += begun.elapsed();
    }
    Ok(time)
}

/// Writes memory in the largest pieces that the server takes.
fn write_memory(client: &mut Client, bytes: usize) -> Result<Duration> {
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
