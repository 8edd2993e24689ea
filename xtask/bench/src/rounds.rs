//! The run: rounds in which everybody has a turn at everything.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, bail};
use trapline_kvm::{SyncLevel, VcpuState};

use crate::{
    bare::{self, Bare},
    client::Client,
    gdb::Work,
    guest::{ENTRY, Guest, guest},
    measures::{self, MEASURES, Measure, Scene, hits, plain_hits, range, steps, stops},
    ours::{self, Ours},
    peer::Peer,
};

/// What is measured, with whom, and how often.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    /// The command that starts the peer.
    pub(crate) peer: Option<&'a str>,
    /// The command that starts gdb.
    pub(crate) gdb: Option<&'a str>,
    pub(crate) rounds: u32,
    /// The most vCPUs to stop at once.
    pub(crate) most_cores: u16,
    /// A part of the names of those measures that are wanted; without it all.
    pub(crate) only: Option<&'a str>,
}

impl Plan<'_> {
    fn wants(&self, name: &str) -> bool {
        self.only.is_none_or(|only| name.contains(only))
    }
}

/// Prints a measurement: how often in a second.
fn rate(name: &str, who: &str, count: u32, time: Duration) {
    sample(name, who, f64::from(count) / time.as_secs_f64(), "/s");
}

fn sample(name: &str, who: &str, value: f64, unit: &str) {
    println!("sample\t{name}\t{who}\t{value:.6}\t{unit}");
}

/// Measures.
pub(crate) fn run(plan: &Plan<'_>) -> Result<()> {
    let guest = guest(1);
    let ours = Ours::start(&guest.elf, 1)?;
    let mut our_client = Client::attach(ours.address)?;
    {
        let peer = plan.peer.map(|command| Peer::start(command, &guest.elf, 1)).transpose()?;
        let mut peer_client = peer.as_ref().map(|peer| Client::attach(peer.address)).transpose()?;
        for round in 0..plan.rounds {
            eprintln!("round {} of {}", round + 1, plan.rounds);
            limit(plan, &guest)?;
            for measure in MEASURES.iter().filter(|measure| plan.wants(measure.name)) {
                let scene = Scene { client: &mut our_client, guest: &guest, ours: Some(&ours) };
                take(measure, "ours", measure.ours, scene)?;
                if let Some(client) = &mut peer_client {
                    take(measure, "peer", measure.peer, Scene { client, guest: &guest, ours: None })?;
                }
            }
            save_and_restore(plan, &guest)?;
        }
    }
    ioctls(plan, &guest, &ours, &mut our_client)?;
    drop((our_client, ours));
    gdb(plan, &guest)?;

    let mut cores = 1;
    while cores <= plan.most_cores {
        all_stop(plan, cores)?;
        cores *= if cores < 8 { 2 } else { 8 };
    }
    Ok(())
}

/// Measures one thing with one server.
fn take(measure: &Measure, who: &str, count: u32, mut scene: Scene<'_>) -> Result<()> {
    if count > 0 {
        let time = (measure.work)(&mut scene, count).with_context(|| format!("{}, {who}", measure.name))?;
        rate(measure.name, who, count, time);
    }
    Ok(())
}

fn limit(plan: &Plan<'_>, guest: &Guest) -> Result<()> {
    const STEPS: u32 = 8000;
    const HITS: u32 = 2000;
    const ASKED: u32 = 2000;
    const HITS_ASKED: u32 = 500;
    const STEP: (&[u8], usize) = (b"$vCont;s:1#23", bare::STOP_REPLY);
    /// As gdb does it: out, a step, in, and on.
    const HIT: [(&[u8], usize); 4] = [
        (b"$z1,40202100,4#00", bare::OK),
        STEP,
        (b"$Z1,40202100,4#00", bare::OK),
        (b"$vCont;c#a8", bare::STOP_REPLY),
    ];
    let mut bare = Bare::new(&guest.elf)?;
    for name in ["range step, run", "range step, stepped"] {
        if plan.wants(name) {
            rate(name, "limit", STEPS, bare.steps(guest.counting.address, STEPS)?);
        }
    }
    if plan.wants(measures::SEEN) {
        rate(measures::SEEN, "limit", STEPS, bare.steps_seen(guest.counting.address, STEPS)?);
    }
    // Where the guest begins, and where it has a breakpoint.
    let (steps, hits) = ((guest.counting.address, 0), (ENTRY, guest.function));
    for (name, looks_out, count, begins, packets) in [
        (measures::STEPS, false, ASKED, steps, &[STEP][..]),
        (measures::STEPS_LOOKED_OUT_FOR, true, ASKED, steps, &[STEP]),
        (measures::STEPS_AND_REGISTERS, false, ASKED, steps, &[STEP, (b"$g#67", bare::REGISTERS)]),
        (measures::HARDWARE_HITS, false, HITS_ASKED, hits, &HIT),
    ] {
        if plan.wants(name) {
            let time = bare_server(&mut bare, begins, count, looks_out, packets)?;
            rate(name, "limit", count, time);
        }
    }
    if plan.wants("condition false") {
        rate("condition false", "limit", HITS, bare.hits(guest.function, HITS)?);
    }
    Ok(())
}

/// Packets of a client over loopback, one after the other and again, with nothing but `KVM_RUN` between a packet and an
/// answer as long as it says.
fn bare_server(
    bare: &mut Bare,
    (from, breakpoint): (u64, u64),
    count: u32,
    looks_out: bool,
    packets: &[(&[u8], usize)],
) -> Result<Duration> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let mut client = TcpStream::connect(listener.local_addr()?)?;
    let server = listener.accept()?.0;
    let client = move || -> Result<Duration> {
        let mut buffer = [0; bare::REGISTERS];
        client.set_nodelay(true)?;
        client.set_nonblocking(looks_out)?;
        let begun = Instant::now();
        for _ in 0..count {
            for (packet, answer) in packets {
                client.write_all(packet)?;
                let mut read = 0;
                while read < *answer {
                    match client.read(&mut buffer[read..]) {
                        Err(error) if error.kind() == ErrorKind::WouldBlock => thread::yield_now(),
                        Ok(0) => bail!("the bare server has closed the connection"),
                        count => read += count?,
                    }
                }
            }
        }
        Ok(begun.elapsed())
    };
    thread::scope(|scope| {
        let client = scope.spawn(client);
        let served = bare.serve(server, from, breakpoint);
        let time = client.join().map_err(|_| anyhow!("the client of the bare loop has panicked"))?;
        served.and(time)
    })
}

/// A whole vCPU, by the library and by a bare loop, on one vCPU, in turns.
fn save_and_restore(plan: &Plan<'_>, guest: &Guest) -> Result<()> {
    const NAME: &str = "save and restore of a vCPU";
    const TURNS: u32 = 5;
    const TIMES: u32 = 20;
    if !plan.wants(NAME) {
        return Ok(());
    }
    let mut machine = ours::machine(&guest.elf, 1)?;
    let vcpu = machine.vcpus_mut().first_mut().context("the machine has no vCPU")?;
    let (mut ours, mut limit) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..TURNS {
        let begun = Instant::now();
        for _ in 0..TIMES {
            VcpuState::save(vcpu)?.restore(vcpu, SyncLevel::Full)?;
        }
        ours += begun.elapsed();
        limit += vcpu.with_fd(|fd| bare::save_and_restore(fd, TIMES))??;
    }
    rate(NAME, "ours", TURNS * TIMES, ours);
    rate(NAME, "limit", TURNS * TIMES, limit);
    Ok(())
}

/// What gdb itself gets of either server. It sends conditions to one that takes them, and evaluates them itself with
/// another.
fn gdb(plan: &Plan<'_>, guest: &Guest) -> Result<()> {
    const STEPS: &str = "gdb: stepi";
    const CONDITION: &str = "gdb: condition false";
    let Some(gdb) = plan.gdb else { return Ok(()) };
    let measure = |who: &str, server: SocketAddr, steps: u32, hits: u32| -> Result<()> {
        for (name, count, work) in
            [(STEPS, steps, Work::steps(steps)), (CONDITION, hits, Work::condition(guest, hits))]
        {
            if plan.wants(name) {
                rate(name, who, count, work.run(gdb, server).with_context(|| format!("{name}, {who}"))?);
            }
        }
        Ok(())
    };
    if !plan.wants(STEPS) && !plan.wants(CONDITION) {
        return Ok(());
    }
    let ours = Ours::start(&guest.elf, 1)?;
    let peer = plan.peer.map(|command| Peer::start(command, &guest.elf, 1)).transpose()?;
    for round in 0..plan.rounds {
        eprintln!("gdb, round {} of {}", round + 1, plan.rounds);
        measure("ours", ours.address, 200, 8192)?;
        if let Some(peer) = &peer {
            // Until it listens.
            drop(Client::attach(peer.address)?);
            measure("peer", peer.address, 20, 16)?;
        }
    }
    Ok(())
}

/// How many ioctls a thing takes.
fn ioctls(plan: &Plan<'_>, guest: &Guest, ours: &Ours, client: &mut Client) -> Result<()> {
    const TIMES: u32 = 100;
    let hardware = format!("1,{:x},4", guest.function);
    let software = format!("0,{:x},4", guest.function);
    let mut count = |name: &str, work: &mut dyn FnMut(&mut Client) -> Result<Duration>| -> Result<()> {
        let name = format!("ioctls of {name}");
        if plan.wants(&name) {
            let before = ours.ioctls()?;
            work(client)?;
            let ioctls = (ours.ioctls()? - before) as f64 / f64::from(TIMES);
            sample(&name, "ours", ioctls, "ioctls");
        }
        Ok(())
    };
    count("a step", &mut |client| steps(client, None, TIMES))?;
    count("a step and g", &mut |client| steps(client, Some("g"), TIMES))?;
    count("a step of a range that is stepped", &mut |client| range(client, guest.stepped, TIMES))?;
    count("a hardware breakpoint, continue only", &mut |client| plain_hits(client, &hardware, TIMES))?;
    count("a software breakpoint, continue only", &mut |client| plain_hits(client, &software, TIMES))?;
    count("a hardware breakpoint, as gdb does it", &mut |client| hits(client, &hardware, None, TIMES))?;
    count("a false condition", &mut |client| {
        (measures::condition)(&mut Scene { client, guest, ours: Some(ours) }, TIMES)
    })
}

/// How long it takes to stop all cores.
fn all_stop(plan: &Plan<'_>, cores: u16) -> Result<()> {
    let name = format!("stop of {cores} vCPUs");
    if !plan.wants(&name) {
        return Ok(());
    }
    eprintln!("{name}");
    let guest = guest(cores);
    let measure = |who: &str, client: &mut Client| -> Result<()> {
        // The first stops find cores that have yet to start.
        stops(client, 2)?;
        for _ in 0..plan.rounds {
            sample(&name, who, stops(client, 3)?.as_secs_f64() * 1e3 / 3.0, "ms");
        }
        Ok(())
    };
    {
        let ours = Ours::start(&guest.elf, cores)?;
        measure("ours", &mut Client::attach(ours.address)?)?;
    }
    if let Some(command) = plan.peer {
        let peer = Peer::start(command, &guest.elf, cores)?;
        measure("peer", &mut Client::attach(peer.address)?)?;
    }
    Ok(())
}
