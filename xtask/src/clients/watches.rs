//! Watchpoints of every shape, and the exact address of their hits, which gdb does not show.

use std::collections::HashMap;
use std::fs;
use std::ops::Range;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use object::{Object as _, ObjectSymbol as _};

use super::Seen;
use super::wire::Wire;

/// The firmware's addresses.
pub(crate) struct Symbols(HashMap<String, u64>);

impl Symbols {
    pub(crate) fn read(elf: &Path) -> Result<Self> {
        let data = fs::read(elf).with_context(|| format!("cannot read {}", elf.display()))?;
        let file = object::File::parse(&*data).with_context(|| format!("cannot parse {}", elf.display()))?;
        let symbols =
            file.symbols().filter_map(|symbol| Some((symbol.name().ok()?.to_owned(), symbol.address())));
        Ok(Self(symbols.collect()))
    }

    pub(crate) fn address(&self, name: &str) -> Result<u64> {
        self.0.get(name).copied().with_context(|| format!("the firmware has no {name}"))
    }
}

/// A watchpoint that the firmware's store to the packed record must hit.
struct Shape {
    name: &'static str,
    /// Where it begins: an offset from the record.
    from: i64,
    length: u64,
}

/// The store writes bytes 5 to 8 of a record whose address is a multiple of 16.
const SHAPES: [Shape; 6] = [
    Shape { name: "watch 4 bytes, unaligned, across a doubleword", from: 5, length: 4 },
    Shape { name: "watch 3 bytes inside the store", from: 6, length: 3 },
    Shape { name: "watch its last byte, in the next doubleword", from: 8, length: 1 },
    Shape { name: "watch a struct of 16 bytes", from: 0, length: 16 },
    Shape { name: "watch 7 bytes that end in the store", from: -1, length: 7 },
    Shape { name: "watch 17 bytes", from: 0, length: 17 },
];

/// The first of these bytes.
const STORED: u64 = 5;
/// How far from the record a hit by the function is one of its store to the record.
const AROUND: u64 = 0x100;
/// How long the function is that stores to the record, in bytes; nothing else in it touches the record.
const STORE_LENGTH: u64 = 0x20;
/// How many hits elsewhere in a large range may come first: the firmware's stack and its timer are in it.
const OTHER_HITS: usize = 200;

/// Where the firmware has what is watched, and what writes it.
struct Code {
    record: u64,
    /// The function that has the record updated.
    update: u64,
    /// The one with the store.
    store: Range<u64>,
}

/// Checks every shape.
pub(super) fn check(wire: &mut Wire, symbols: &Symbols) -> Result<Seen> {
    let (record, store) = (symbols.address("PACKED")?, symbols.address("store_unaligned")?);
    let update = symbols.address("update_packed")?;
    let code = &Code { record, update, store: store..store + STORE_LENGTH };
    let mut seen = Seen::new();
    for Shape { name, from, length } in SHAPES {
        let address = record.wrapping_add_signed(from);
        let hit = hits(wire, code, (address, length)).context(name)?;
        seen.push((name.to_owned(), hit));
    }
    for (name, length) in [("watch an array of 4 KiB", 0x1000), ("watch a region of 1 MiB", 0x10_0000)] {
        let hit = hits(wire, code, (record & !(length - 1), length)).context(name)?;
        seen.push((name.to_owned(), hit));
    }
    let taken = take_comparators(wire, record)?;
    seen.push(("a read watchpoint beyond the comparators".to_owned(), taken.refusal.clone()));
    for Shape { name, from, length } in SHAPES {
        let address = record.wrapping_add_signed(from);
        let hit = hits(wire, code, (address, length)).context(name)?;
        seen.push((format!("by pages: {name}"), hit));
    }
    let odd = (record - 0x11, 0x10_0003);
    seen.push(("by pages: watch 1 MiB and 3 bytes".to_owned(), hits(wire, code, odd)?));
    for address in &taken.addresses {
        wire.expect(&format!("z3,{address:x},8"), "OK")?;
    }
    Ok(seen)
}

/// Lets the target run to an instruction, by a hardware breakpoint of this kind.
pub(crate) fn run_to(wire: &mut Wire, address: u64, kind: u64) -> Result<()> {
    wire.expect(&format!("Z1,{address:x},{kind}"), "OK")?;
    let stop = wire.go_on()?;
    ensure!(stop.pc == address, "stopped at {:#x} instead of the breakpoint", stop.pc);
    wire.expect(&format!("z1,{address:x},{kind}"), "OK")
}

/// Watches a range while the record is updated. Every hit must be inside the range, and one of them come from the
/// store to the record and name the first watched byte of those that it writes.
fn hits(wire: &mut Wire, code: &Code, (address, length): (u64, u64)) -> Result<String> {
    let Code { record, update, store } = code;
    run_to(wire, *update, 4)?;
    wire.expect(&format!("Z2,{address:x},{length:x}"), "OK")?;
    let mut last = (0, 0);
    for before in 0..OTHER_HITS {
        let stop = wire.go_on()?;
        let hit = stop.watched("watch").with_context(|| format!("no hit of it: {stop:?}"))?;
        ensure!((address..address + length).contains(&hit), "a hit at {hit:#x}, outside");
        // The function has its stack in a large range, too.
        if store.contains(&stop.pc) && hit.abs_diff(*record) < AROUND {
            let first = address.max(record + STORED);
            ensure!(hit == first, "the store was told to touch {hit:#x}, not {first:#x}");
            wire.expect(&format!("z2,{address:x},{length:x}"), "OK")?;
            return Ok(format!("hit at {hit:#x}{}", after(before)));
        }
        last = (hit, stop.pc);
    }
    let (hit, pc) = last;
    bail!("{OTHER_HITS} hits, none by the store; the last at {hit:#x}, from {pc:#x}")
}

fn after(others: usize) -> String {
    if others == 0 { String::new() } else { format!(" after {others} elsewhere in it") }
}

/// What has been taken.
struct Taken {
    addresses: Vec<u64>,
    /// Why there is no more.
    refusal: String,
}

/// Takes all comparators for reads, and asks for one more.
fn take_comparators(wire: &mut Wire, record: u64) -> Result<Taken> {
    // As many as there are, which differs from processor to processor.
    let mut addresses = Vec::new();
    loop {
        let address = record + 0x40_0000 + 16 * addresses.len() as u64;
        let answer = wire.ask(&format!("Z3,{address:x},8"))?;
        if answer != "OK" {
            let text = answer
                .strip_prefix("E.refused.")
                .with_context(|| format!("a refusal without a text: {answer}"))?;
            let refusal = format!("number {} refused: {text}", addresses.len() + 1);
            return Ok(Taken { addresses, refusal });
        }
        addresses.push(address);
        ensure!(addresses.len() <= 16, "more watchpoints than comparators");
    }
}
