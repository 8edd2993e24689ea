//! Ctrl-C at every stage: the tool ends, nothing is left armed, and the board runs on.

use std::io::Write as _;
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use object::{Object as _, ObjectSymbol as _};
use rustix::process::Signal;

use super::{Kind, points::slots, tool::Tool};
use crate::clients::wire::{Wire, packet};
use crate::simulator::Board;

/// How long a probe takes for a transfer, so that attaching, and reading some KiB, take seconds.
const SLOW: Duration = Duration::from_millis(1);
/// How long the server may take for one answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// Requests whose answers are more than sockets hold.
const REQUESTS: u32 = 10_000;

/// Checks it on a board of this kind.
pub(super) fn check(kind: Kind) -> Result<()> {
    let firmware = kind.firmware()?;
    let slow = Board::start_slow(kind.name(), "glasgow", &firmware, SLOW)?;
    while_attaching(kind, &slow, &firmware).context("while it attaches")?;
    in_a_long_read(kind, &slow, &firmware).context("in a long read")?;
    drop(slow);
    let board = Board::start(kind.name(), "glasgow", &firmware)?;
    in_a_stop(kind, &board, &firmware).context("in a stop")?;
    under_a_deaf_client(kind, &board, &firmware).context("while a client takes no answers")
}

fn while_attaching(kind: Kind, board: &Board, firmware: &Path) -> Result<()> {
    let options = ["--gdb=none", "--break=one_round", "--on-stop=log"];
    let mut tool = Tool::start_on_terminal(board, kind, firmware, &options)?;
    tool.wait_for(&format!("attaching to {} through Glasgow", kind.chip()))?;
    let said = interrupt(tool)?;
    let hits = said.iter().any(|line| line.contains("hardware breakpoint"));
    ensure!(!hits, "it went on after it was interrupted:\n{}", said.join("\n"));
    runs_on(kind, board, firmware)
}

fn in_a_long_read(kind: Kind, board: &Board, firmware: &Path) -> Result<()> {
    let mut tool = Tool::start_on_terminal(board, kind, firmware, &["--gdb=127.0.0.1:0"])?;
    let mut client = stopped(&mut tool, firmware, kind)?;
    let ram = if kind == Kind::Armv8a { "40000000" } else { "20000000" };
    client.send(&packet(format!("m{ram},3f00").as_bytes()))?;
    // What takes its time is shown.
    tool.wait_for("moving memory: ")?;
    interrupt(tool)?;
    runs_on(kind, board, firmware)
}

fn in_a_stop(kind: Kind, board: &Board, firmware: &Path) -> Result<()> {
    let mut tool = Tool::start(board, kind, firmware, &["--gdb=127.0.0.1:0"])?;
    let _client = stopped(&mut tool, firmware, kind)?;
    interrupt(tool)?;
    runs_on(kind, board, firmware)
}

fn under_a_deaf_client(kind: Kind, board: &Board, firmware: &Path) -> Result<()> {
    let mut tool = Tool::start(board, kind, firmware, &["--gdb=127.0.0.1:0"])?;
    let mut client = TcpStream::connect(served(&mut tool)?)?;
    client.write_all(&[&packet(b"QStartNoAckMode"), b"+".as_slice()].concat())?;
    let request = packet(b"qXfer:features:read:target.xml:0,3fff");
    for _ in 0..REQUESTS {
        client.write_all(&request)?;
    }
    interrupt(tool)?;
    runs_on(kind, board, firmware)
}

/// The address that gdb is served at.
fn served(tool: &mut Tool) -> Result<String> {
    let line = tool.wait_for("target remote ")?;
    let (_, address) = line.split_once("target remote ").context("there is no address")?;
    Ok(address.to_owned())
}

/// A client that has stopped the board at a breakpoint, which stays armed, and a watchpoint with it.
fn stopped(tool: &mut Tool, firmware: &Path, kind: Kind) -> Result<Wire> {
    let mut client = Wire::connect(&served(tool)?, PATIENCE)?;
    let size = if kind == Kind::Armv8a { 4 } else { 2 };
    let [round, rounds] = ["one_round", "ROUNDS"].map(|name| address_of(firmware, name));
    client.expect(&format!("Z1,{:x},{size}", round? & !1), "OK")?;
    client.expect(&format!("Z2,{:x},4", rounds?), "OK")?;
    client.go_on()?;
    Ok(client)
}

/// Where something of the program is.
fn address_of(firmware: &Path, name: &str) -> Result<u64> {
    let image = std::fs::read(firmware)?;
    let file = object::File::parse(&*image)?;
    let is_it = |symbol: &object::Symbol<'_, '_>| symbol.name().is_ok_and(|symbol| symbol.ends_with(name));
    let symbol = file.symbols().find(is_it).with_context(|| format!("the program has no {name}"))?;
    Ok(symbol.address())
}

/// Sends the tool a SIGINT, and answers what it has said at its end.
fn interrupt(tool: Tool) -> Result<Vec<String>> {
    tool.signal(Signal::INT)?;
    let (status, lines) = tool.end()?;
    ensure!(status.code() == Some(130), "it ended with {status}:\n{}", lines.join("\n"));
    Ok(lines)
}

/// Whether nothing is armed, and the next session meets the program in its rounds.
fn runs_on(kind: Kind, board: &Board, firmware: &Path) -> Result<()> {
    let writes = board.writes()?;
    for address in slots(kind) {
        let last = writes.iter().rfind(|write| write.address == address);
        ensure!(last.is_none_or(|last| last.value == 0), "{address:#x} is left as {last:x?}");
    }
    let options = ["--gdb=none", "--break=one_round", "--on-stop=log", "--max-stops=1"];
    let (status, lines) = Tool::start(board, kind, firmware, &options)?.end()?;
    let hit = lines.iter().any(|line| line.starts_with("1 hit in "));
    ensure!(status.success() && hit, "the next session:\n{}", lines.join("\n"));
    board.writes()?;
    Ok(())
}
