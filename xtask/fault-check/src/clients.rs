//! Clients that break off, stall, or send what none should.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;

use crate::Check;
use crate::programs::{self, CODE, DATA};
use crate::tool::{PATIENCE, PLANTED, Tool, Tools};
use crate::wire::{Wire, packet};

pub(crate) const CHECKS: &[Check] = &[
    ("a client that is killed at any stage", killed),
    ("a client of a byte a second, and another meanwhile", slow),
    ("a client that never takes an answer", deaf),
    ("SIGTERM while a client takes no answer", deaf_and_terminated),
];

/// A stage of a session, after which the client is gone.
type Stage = (&'static str, fn(&mut Wire, u64) -> Result<()>);

/// Each with a software breakpoint, a hardware breakpoint and a watchpoint inserted.
const STAGES: [Stage; 11] = [
    ("halted", |_, _| Ok(())),
    ("in the middle of a packet", |wire, _| wire.send(b"$m40000000,")),
    ("in front of a checksum", |wire, _| wire.send(b"$vCont;c#")),
    ("before an answer is taken", |wire, _| wire.send(&packet(b"m40000000,3000"))),
    ("with many answers on the way", |wire, _| wire.send(&packet(b"m40000000,3000").repeat(200))),
    ("stopped at a breakpoint", |wire, _| wire.go_on().map(drop)),
    ("stopped at a watchpoint", |wire, busy| {
        wire.expect(&format!("z0,{busy:x},4"), "OK")?;
        wire.expect(&format!("z1,{:x},4", busy + 4), "OK")?;
        let stop = wire.go_on()?;
        ensure!(stop.watched("watch") == Some(DATA), "{stop:x?}");
        Ok(())
    }),
    ("running into a breakpoint", |wire, _| wire.send(&packet(b"vCont;c"))),
    ("in a step", |wire, _| wire.send(&packet(b"vCont;s:1"))),
    ("running after removing some", |wire, busy| {
        wire.expect(&format!("z0,{busy:x},4"), "OK")?;
        wire.send(&packet(b"vCont;c"))
    }),
    ("in an interrupt", |wire, _| {
        wire.send(&packet(b"vCont;c"))?;
        wire.send(&[3])
    }),
];

fn killed(tools: &Tools) -> Result<String> {
    let guest = programs::counter();
    let mut tool = tools.start(&guest)?;
    let mut counted = 0;
    for (stage, act) in STAGES {
        let mut wire = tool.client()?;
        wire.expect(&format!("Z0,{:x},4", guest.busy), "OK")?;
        wire.expect(&format!("Z1,{:x},4", guest.busy + 4), "OK")?;
        wire.expect(&format!("Z2,{DATA:x},8"), "OK")?;
        act(&mut wire, guest.busy).context(stage)?;
        drop(wire);
        tool.wait_for("the guest runs on with nothing armed").context(stage)?;
        counted = is_free(&tool, guest.busy, counted).context(stage)?;
    }
    tool.end()?;
    Ok(format!("{} stages, nothing armed or planted after any", STAGES.len()))
}

/// The guest runs, with nothing of a former client's in it; how far it has counted.
pub(crate) fn is_free(tool: &Tool, busy: u64, before: u64) -> Result<u64> {
    let mut wire = tool.client()?;
    let code = wire.ask(&format!("m{CODE:x},100"))?;
    ensure!(code.len() == 0x200 && !code.contains(PLANTED), "what is planted shows: {code}");
    wire.send(&packet(b"vCont;c"))?;
    thread::sleep(Duration::from_millis(20));
    wire.send(&[3])?;
    let stop = wire.receive()?;
    // Were anything armed, it would have been hit in no time.
    ensure!(stop.starts_with("T02"), "stopped by {stop}");
    let counted = wire.ask("p5")?;
    let counted = u64::from_str_radix(&counted, 16).map(u64::swap_bytes)?;
    ensure!(counted > before, "the guest at {busy:#x} has not gone on from {before}");
    wire.detach()?;
    Ok(counted)
}

fn slow(tools: &Tools) -> Result<String> {
    let guest = programs::counter();
    let tool = tools.start(&guest)?;
    let mut wire = tool.client()?;
    for byte in packet(b"?") {
        wire.send(&[byte])?;
        thread::sleep(Duration::from_secs(1));
        let begun = Instant::now();
        let refused = Wire::connect(&tool.address, PATIENCE).err().map(|error| format!("{error:#}"));
        let refused = refused.context("a second client is served")?;
        ensure!(refused.contains("another client is served"), "{refused}");
        ensure!(begun.elapsed() < PATIENCE / 2, "a second client had to wait");
    }
    ensure!(wire.receive()?.starts_with("T02"));
    wire.detach()?;
    tool.end()?;
    Ok("answered; the other one is refused at once".to_owned())
}

/// A client that asks for much and takes nothing.
fn stuff(tool: &Tool) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(&tool.address)?;
    stream.write_all(&packet(b"QStartNoAckMode"))?;
    let mut answer = [0; 7];
    stream.read_exact(&mut answer)?;
    stream.write_all(&packet(b"Z0,40000010,4"))?;
    stream.set_nonblocking(true)?;
    let requests = packet(b"m40000000,3000").repeat(64);
    // Until the server takes no more, for it is busy with what cannot be sent.
    let deadline = Instant::now() + Duration::from_secs(2);
    while Instant::now() < deadline {
        if stream.write(&requests).is_err() {
            thread::sleep(Duration::from_millis(100));
        }
    }
    Ok(stream)
}

fn deaf(tools: &Tools) -> Result<String> {
    let guest = programs::counter();
    let mut tool = tools.start(&guest)?;
    let stream = stuff(&tool)?;
    let lost = tool.wait_for("the guest runs on with nothing armed")?;
    ensure!(lost.contains("does not take its answers"), "{lost}");
    is_free(&tool, guest.busy, 0)?;
    drop(stream);
    tool.end()?;
    Ok("let go of; the guest runs on".to_owned())
}

fn deaf_and_terminated(tools: &Tools) -> Result<String> {
    let mut tool = tools.start(&programs::counter())?;
    let stream = stuff(&tool)?;
    let begun = Instant::now();
    tool.signal(Signal::TERM)?;
    tool.ends_with(143)?;
    drop(stream);
    Ok(format!("ended after {:.1} s", begun.elapsed().as_secs_f64()))
}
