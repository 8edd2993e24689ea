//! Guests that reset, break down, or write over what is planted in them, while everything is armed.

use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::Check;
use crate::a64;
use crate::programs::{self, CODE, CORRUPT_TABLES, CORRUPT_VECTORS, DATA, Guest};
use crate::tool::{PLANTED, Tools};
use crate::wire::{Wire, packet};

pub(crate) const CHECKS: &[Check] = &[
    ("a guest that resets itself", resets),
    ("a guest that switches itself off", switches_off),
    ("a guest whose vectors are nowhere", |tools| breaks_down(tools, CORRUPT_VECTORS)),
    ("a guest whose translation tables are nonsense", |tools| breaks_down(tools, CORRUPT_TABLES)),
    ("a guest that writes over what is planted", overwrites),
    ("more than there are comparators for", runs_out),
];

const ROUNDS: u64 = 1000;
/// `SCTLR_EL1` by its encoding, which is its number on the wire, and a value with the MMU off.
const SCTLR_EL1: &str = "c080";
const MMU_OFF: &str = "0008d03000000000";

fn resets(tools: &Tools) -> Result<String> {
    let guest = programs::counts_and_calls(ROUNDS, a64::SYSTEM_RESET);
    let tool = tools.start(&guest)?;
    let mut wire = tool.client()?;
    wire.expect(&format!("Z0,{:x},4", guest.last), "OK")?;
    for _ in 0..3 {
        let stop = wire.go_on()?;
        ensure!((stop.signal, stop.pc) == (5, guest.last), "not at its last instruction: {stop:x?}");
        let start = wire.go_on()?;
        ensure!((start.signal, start.pc) == (5, CODE), "not at its first instruction: {start:x?}");
    }
    wire.expect(&format!("z0,{:x},4", guest.last), "OK")?;
    let code = wire.ask(&format!("m{CODE:x},40"))?;
    ensure!(!code.contains(PLANTED), "{code}");
    wire.detach()?;
    tool.end()?;
    Ok("a breakpoint survives 3 resets".to_owned())
}

fn switches_off(tools: &Tools) -> Result<String> {
    let guest = programs::counts_and_calls(ROUNDS, a64::SYSTEM_OFF);
    let mut tool = tools.start(&guest)?;
    let mut wire = tool.client()?;
    wire.expect(&format!("Z0,{:x},4", guest.last), "OK")?;
    wire.expect(&format!("Z2,{DATA:x},8"), "OK")?;
    wire.go_on()?;
    let end = wire.ask("vCont;c")?;
    ensure!(end == "W00", "{end}");
    tool.ends_with(0)?;
    Ok("W00, and the tool ends with 0".to_owned())
}

fn breaks_down(tools: &Tools, how: &[u32]) -> Result<String> {
    let guest = programs::breaks_down(ROUNDS, how);
    let tool = tools.start(&guest)?;
    let mut wire = tool.client()?;
    let before = wire.ask(&format!("m{CODE:x},40"))?;
    wire.expect(&format!("Z0,{:x},4", guest.last), "OK")?;
    wire.expect(&format!("Z1,{:x},4", guest.last + 4), "OK")?;
    wire.expect(&format!("Z2,{DATA:x},8"), "OK")?;
    let stop = wire.go_on()?;
    ensure!((stop.signal, stop.pc) == (5, guest.last), "{stop:x?}");
    wire.expect(&format!("z1,{:x},4", guest.last + 4), "OK")?;
    let stop = goes_on(&mut wire, "vCont;c")?;
    ensure!(stop.starts_with("T02"), "it cannot be interrupted: {stop}");
    // Steps, reads and a breakpoint there are answered as well, if only by a refusal. An emulated processor
    // (QEMU 7.2) fetches before it takes the step's exception, which never comes where nothing can be fetched.
    let step = goes_on(&mut wire, "vCont;s:1")?;
    ensure!(step.starts_with("T0"), "it cannot be stepped: {step}");
    wire.ask("m0,4")?;
    wire.ask("Z0,0,4")?;
    restored(&mut wire, &guest, &before)?;
    wire.detach()?;
    tool.end()?;
    Ok("interrupted, stepped, and left as it was".to_owned())
}

/// Lets the guest go on, and interrupts it where it does not stop by itself.
fn goes_on(wire: &mut Wire, how: &str) -> Result<String> {
    wire.send(&packet(how.as_bytes()))?;
    thread::sleep(Duration::from_millis(50));
    wire.send(&[3])?;
    wire.receive()
}

/// What is planted comes out though it can no longer be reached by its virtual address.
fn restored(wire: &mut Wire, guest: &Guest, before: &str) -> Result<()> {
    wire.expect(&format!("z0,{:x},4", guest.last), "OK")?;
    goes_on(wire, "vCont;s:1")?;
    wire.expect(&format!("P{SCTLR_EL1}={MMU_OFF}"), "OK")?;
    let after = wire.ask(&format!("m{CODE:x},40"))?;
    ensure!(after == before, "its code has become {after}");
    Ok(())
}

fn overwrites(tools: &Tools) -> Result<String> {
    let guest = programs::overwrites();
    let tool = tools.start(&guest)?;
    let mut wire = tool.client()?;
    wire.expect(&format!("Z0,{:x},4", guest.last), "OK")?;
    let stop = goes_on(&mut wire, "vCont;c")?;
    let own = "1f2003d5";
    if stop.starts_with("T02") {
        // The guest's instruction is the one that counts, and has been executed.
        let now = wire.ask(&format!("m{:x},4", guest.last))?;
        ensure!(now == own, "{now} is not what the guest wrote");
    }
    wire.expect(&format!("z0,{:x},4", guest.last), "OK")?;
    wire.ask("vCont;s:1")?;
    let after = wire.ask(&format!("m{:x},4", guest.last))?;
    ensure!(after == own, "{after} is not what the guest wrote");
    wire.detach()?;
    tool.end()?;
    Ok("what it wrote stays".to_owned())
}

fn runs_out(tools: &Tools) -> Result<String> {
    let guest = programs::counter();
    let tool = tools.start(&guest)?;
    let mut wire = tool.client()?;
    let mut counts = Vec::new();
    // Beyond the comparators pages watch for writes, but not for reads.
    for (kind, length, step, why) in [(1, 4, 4, "are free; remove others first"), (3, 8, 8, "do not suffice")]
    {
        let mut inserted = 0_u64;
        let refusal = loop {
            let place = DATA + 0x1000 + step * inserted;
            let answer = wire.ask(&format!("Z{kind},{place:x},{length}"))?;
            if answer != "OK" {
                break answer;
            }
            inserted += 1;
            ensure!(inserted <= 16, "more than any processor has");
        };
        ensure!(refusal.contains(why), "{refusal}");
        let stop = goes_on(&mut wire, "vCont;c")?;
        ensure!(stop.starts_with("T02"), "{stop}");
        for place in (0..inserted).map(|number| DATA + 0x1000 + step * number) {
            wire.expect(&format!("z{kind},{place:x},{length}"), "OK")?;
        }
        wire.expect(&format!("Z{kind},{:x},{length}", DATA + 0x2000), "OK")?;
        counts.push(inserted);
    }
    wire.detach()?;
    tool.end()?;
    Ok(format!("refused after {counts:?}, and taken again"))
}
