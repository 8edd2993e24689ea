//! The run: rounds in which everybody has a turn at everything.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use trapline_kvm::{SyncLevel, VcpuState};

use crate::{
    bare::{self, Bare},
    client::Client,
    guest::{Guest, guest},
    measures,
    ours::{self, Ours},
    peer::Peer,
};

/// How much memory is read and written at once.
const MEBIBYTE: usize = 1 << 20;

/// Prints a measurement: how often in a second.
fn rate(name: &str, who: &str, count: impl Into<f64>, time: Duration) {
    sample(name, who, count.into() / time.as_secs_f64(), "/s");
}

fn sample(name: &str, who: &str, value: f64, unit: &str) {
    println!("sample\t{name}\t{who}\t{value:.6}\t{unit}");
}

/// Measures everything.
pub(crate) fn run(peer: Option<&str>, rounds: u32, most_cores: u16) -> Result<()> {
    let guest = guest(1);
    let ours = Ours::start(&guest.elf, 1)?;
    let our_client = &mut Client::attach(ours.address)?;
    let peer_process = peer.map(|command| Peer::start(command, &guest.elf, 1)).transpose()?;
    let mut peer_client = peer_process.as_ref().map(|peer| Client::attach(peer.address)).transpose()?;
    for round in 0..rounds {
        eprintln!("round {} of {rounds}", round + 1);
        limit(&guest)?;
        this_project(&guest, &ours, our_client).context("of this project")?;
        if let Some(client) = &mut peer_client {
            the_peer(&guest, client).context("of the peer")?;
        }
        save_and_restore(&guest)?;
    }
    ioctls(&guest, &ours, our_client)?;
    drop(peer_client);
    drop(peer_process);

    let mut cores = 1;
    while cores <= most_cores {
        eprintln!("stops of {cores} vCPUs");
        all_stop(peer, cores, rounds)?;
        cores *= if cores < 8 { 2 } else { 8 };
    }
    Ok(())
}

fn limit(guest: &Guest) -> Result<()> {
    const STEPS: u32 = 8000;
    const HITS: u32 = 2000;
    let mut bare = Bare::new(&guest.elf)?;
    rate("range step", "limit", STEPS, bare.steps(guest.counting, STEPS)?);
    rate("condition false", "limit", HITS, bare.hits(guest.function, HITS)?);
    Ok(())
}

fn this_project(guest: &Guest, ours: &Ours, client: &mut Client) -> Result<()> {
    const STEPS: u32 = 2000;
    const HITS: u32 = 500;
    let function = guest.function;
    rate("step", "ours", STEPS, measures::steps(client, None, STEPS)?);
    rate("step and p of PC", "ours", STEPS, measures::steps(client, Some("p20"), STEPS)?);
    rate("step and g", "ours", STEPS, measures::steps(client, Some("g"), STEPS)?);
    rate(
        "hardware breakpoint, as gdb does it",
        "ours",
        HITS,
        measures::hits(client, &format!("1,{function:x},4"), None, HITS)?,
    );
    rate(
        "software breakpoint, as gdb does it",
        "ours",
        HITS,
        measures::hits(client, &format!("0,{function:x},4"), None, HITS)?,
    );
    rate(
        "hardware breakpoint, continue only",
        "ours",
        HITS,
        measures::plain_hits(client, &format!("1,{function:x},4"), HITS)?,
    );
    rate(
        "software breakpoint, continue only",
        "ours",
        HITS,
        measures::plain_hits(client, &format!("0,{function:x},4"), HITS)?,
    );
    rate(
        "watchpoint, as gdb does it",
        "ours",
        HITS,
        measures::hits(client, &format!("2,{:x},8", crate::guest::DATA), None, HITS)?,
    );
    rate("condition false", "ours", 3000, measures::conditions(client, guest, ours, 3000)?);
    rate("1000 breakpoints in and out", "ours", 1, measures::breakpoints(client, guest)?);
    rate("memory read, MiB", "ours", 1, measures::read_memory(client, MEBIBYTE)?);
    rate("memory write, MiB", "ours", 1, measures::write_memory(client, MEBIBYTE)?);
    const RANGE: u32 = 8000;
    let pc = client.ask("p20")?;
    rate("range step", "ours", RANGE, measures::range(client, guest, RANGE)?);
    // Back to where the guest was.
    client.tell(&format!("P20={pc}"))
}

fn the_peer(guest: &Guest, client: &mut Client) -> Result<()> {
    const STEPS: u32 = 40;
    const HITS: u32 = 12;
    let function = guest.function;
    rate("step", "peer", STEPS, measures::steps(client, None, STEPS)?);
    rate("step and p of PC", "peer", STEPS, measures::steps(client, Some("p20"), STEPS)?);
    rate("step and g", "peer", STEPS, measures::steps(client, Some("g"), STEPS)?);
    rate(
        "hardware breakpoint, as gdb does it",
        "peer",
        HITS,
        measures::hits(client, &format!("1,{function:x},4"), None, HITS)?,
    );
    rate(
        "software breakpoint, as gdb does it",
        "peer",
        HITS,
        measures::hits(client, &format!("0,{function:x},4"), None, HITS)?,
    );
    rate(
        "watchpoint, as gdb does it",
        "peer",
        HITS,
        measures::hits(client, &format!("2,{:x},8", crate::guest::DATA), None, HITS)?,
    );
    // It knows no conditions: gdb looks at the registers at each hit.
    rate(
        "condition false",
        "peer",
        HITS,
        measures::hits(client, &format!("1,{:x},4", function + 4), Some("g"), HITS)?,
    );
    rate("1000 breakpoints in and out", "peer", 1, measures::breakpoints(client, guest)?);
    rate("memory read, MiB", "peer", 1, measures::read_memory(client, MEBIBYTE / 4)? * 4);
    rate("memory write, MiB", "peer", 1, measures::write_memory(client, MEBIBYTE / 4)? * 4);
    Ok(())
}

/// A whole vCPU, by the library and by a bare loop, on one vCPU.
fn save_and_restore(guest: &Guest) -> Result<()> {
    const TIMES: u32 = 50;
    let mut machine = ours::machine(&guest.elf, 1)?;
    let vcpu = machine.vcpus_mut().first_mut().context("the machine has no vCPU")?;
    let begun = Instant::now();
    for _ in 0..TIMES {
        let state = VcpuState::save(vcpu)?;
        state.restore(vcpu, SyncLevel::Full)?;
    }
    rate("save and restore of a vCPU", "ours", TIMES, begun.elapsed());
    let limit = vcpu.with_fd(|fd| bare::save_and_restore(fd, TIMES))??;
    rate("save and restore of a vCPU", "limit", TIMES, limit);
    Ok(())
}

/// How many ioctls a thing takes.
fn ioctls(guest: &Guest, ours: &Ours, client: &mut Client) -> Result<()> {
    const TIMES: u32 = 100;
    let hardware = format!("1,{:x},4", guest.function);
    let software = format!("0,{:x},4", guest.function);
    let mut count = |name: &str, work: &mut dyn FnMut(&mut Client) -> Result<Duration>| -> Result<()> {
        let before = ours.ioctls()?;
        work(client)?;
        let ioctls = (ours.ioctls()? - before) as f64 / f64::from(TIMES);
        sample(name, "ours", ioctls, "ioctls");
        Ok(())
    };
    count("ioctls of a step", &mut |client| measures::steps(client, None, TIMES))?;
    count("ioctls of a step and g", &mut |client| measures::steps(client, Some("g"), TIMES))?;
    count("ioctls of a hardware breakpoint, continue only", &mut |client| {
        measures::plain_hits(client, &hardware, TIMES)
    })?;
    count("ioctls of a software breakpoint, continue only", &mut |client| {
        measures::plain_hits(client, &software, TIMES)
    })?;
    count("ioctls of a false condition", &mut |client| {
        measures::conditions(client, guest, ours, TIMES as u16)
    })
}

/// How long it takes to stop all cores.
fn all_stop(peer: Option<&str>, cores: u16, times: u32) -> Result<()> {
    let guest = guest(cores);
    let name = format!("stop of {cores} vCPUs");
    let measure = |who: &str, client: &mut Client| -> Result<()> {
        // The first stops find cores that have yet to start.
        measures::stops(client, 2)?;
        for _ in 0..times {
            sample(&name, who, measures::stops(client, 3)?.as_secs_f64() * 1e3 / 3.0, "ms");
        }
        Ok(())
    };
    {
        let ours = Ours::start(&guest.elf, cores)?;
        measure("ours", &mut Client::attach(ours.address)?)?;
    }
    if let Some(command) = peer {
        let peer = Peer::start(command, &guest.elf, cores)?;
        measure("peer", &mut Client::attach(peer.address)?)?;
    }
    Ok(())
}
