//! Many sessions one after the other, and gdb without packets that other servers do not have.

use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::watches::Symbols;
use super::wire::{Wire, packet};
use super::{PATIENCE, Seen, script};

/// How many clients come and go.
const CYCLES: usize = 200;

/// gdb's names of packets that it does without: those that a server need not have. Without Z0 gdb would write break
/// instructions by itself, which are the guest's own then.
const WITHOUT: [&str; 12] = [
    "set-register",
    "fetch-register",
    "binary-download",
    "verbose-resume",
    "noack",
    "threads",
    "memory-map",
    "conditional-breakpoints",
    "breakpoint-commands",
    "search-memory",
    "hwbreak-feature",
    "swbreak-feature",
];

/// Lets clients come and go; each finds the code as it was, arms a breakpoint and a watchpoint, and leaves in one of four
/// ways.
pub(super) fn check(address: &str, symbols: &Symbols) -> Result<Seen> {
    let (update, record) = (symbols.address("update_packed")?, symbols.address("PACKED")?);
    let code = format!("m{update:x},8");
    let untouched = {
        let mut wire = connect(address)?;
        let untouched = wire.ask(&code)?;
        wire.detach()?;
        untouched
    };
    for cycle in 0..CYCLES {
        session(address, cycle, &code, &untouched, (update, record))
            .with_context(|| format!("client {cycle} of {CYCLES}"))?;
    }
    let mut wire = connect(address)?;
    ensure!(wire.ask(&code)? == untouched, "a break instruction was left behind");
    // The guest goes its rounds as ever.
    wire.expect(&format!("Z1,{update:x},4"), "OK")?;
    let stop = wire.go_on()?;
    ensure!(stop.pc == update, "stopped at {:#x} instead of the breakpoint", stop.pc);
    wire.detach()?;
    Ok(vec![(
        format!("{CYCLES} clients, three of four lost"),
        "nothing stays armed, the guest runs on".to_owned(),
    )])
}

fn session(
    address: &str,
    cycle: usize,
    code: &str,
    untouched: &str,
    (update, record): (u64, u64),
) -> Result<()> {
    let mut wire = connect(address)?;
    ensure!(wire.ask("?")?.starts_with('T'), "the guest was not halted");
    ensure!(wire.ask(code)? == untouched, "a break instruction was left behind");
    wire.expect(&format!("Z0,{update:x},4"), "OK")?;
    wire.expect(&format!("Z2,{:x},4", record + 5), "OK")?;
    wire.go_on()?;
    match cycle % 4 {
        0 => wire.detach()?,
        // Lost while the guest is halted, while it runs, and in the middle of a packet.
        1 => drop(wire),
        2 => wire.send(&packet(b"vCont;c"))?,
        _ => wire.send(b"$vCont;")?,
    }
    Ok(())
}

/// Connects; the client before may not have been noticed to have gone.
fn connect(address: &str) -> Result<Wire> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match Wire::connect(address, PATIENCE) {
            Ok(wire) => return Ok(wire),
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(_) => thread::sleep(Duration::from_millis(10)),
        }
    }
}

/// A session of gdb's without some packets: what is set before it connects, what it does behind that, and what must come,
/// in this order.
struct Without {
    name: &'static str,
    settings: &'static [&'static str],
    connect: &'static str,
    commands: &'static [&'static str],
    says: &'static [&'static str],
}

const EACH: &[Without] = &[
    Without {
        name: "without packets that a server need not have",
        settings: &WITHOUT,
        connect: "target remote",
        commands: &[
            "break update_packed if $sp != 0",
            "continue",
            "set language c",
            "set var $x9 = 0x1234567",
            "maint flush register-cache",
            "stepi",
            "print/x $x9",
            "set var *(unsigned *)($sp - 64) = 0x89abcdef",
            "maint flush dcache",
            "output/x *(unsigned *)($sp - 64)",
            "info threads",
            "finish",
            "detach",
        ],
        says: &["Breakpoint 1, ", "$1 = 0x1234567", "0x89abcdef", "* 1 ", "one_round", "detached"],
    },
    // gdb has an AArch64 of its own then, with vectors of 16 bytes and none of the others.
    Without {
        name: "with neither qSupported nor the description",
        settings: &["supported-packets", "target-features"],
        connect: "target remote",
        commands: &[
            "hbreak update_packed",
            "continue",
            "set language c",
            "set var $x28 = 0x1234567",
            "set var $v5.d.u[1] = 0x89abcdef",
            "maint flush register-cache",
            "stepi",
            "print/x $x28",
            "print/x $v5.d.u[1]",
            "print $sp > 0x40000000",
            "info registers fpsr fpcr",
            "finish",
            "detach",
        ],
        says: &[
            "Breakpoint 1, ",
            "$1 = 0x1234567",
            "$2 = 0x89abcdef",
            "$3 = 1",
            "fpsr ",
            "fpcr ",
            "one_round",
            "detached",
        ],
    },
    // What the server is not asked for, it need not refuse.
    Without {
        name: "without hardware breakpoints and watchpoints",
        settings: &["hardware-breakpoint", "write-watchpoint", "read-watchpoint", "access-watchpoint"],
        connect: "target remote",
        commands: &[
            "hbreak update_packed",
            "python run('continue')",
            "delete 1",
            "break update_packed",
            "continue",
            "detach",
        ],
        says: &["Cannot insert hardware breakpoint 1", "Breakpoint 2, ", "detached"],
    },
    Without {
        name: "extended: detach, attach, no run, target remote again",
        settings: &[],
        connect: "target extended-remote",
        commands: &[
            "break update_packed",
            "continue",
            "detach",
            "python run('run')",
            "python run('attach 2')",
            "attach 1",
            "continue",
            "disconnect",
            "target remote ADDRESS",
            "continue",
            "detach",
        ],
        says: &[
            "Breakpoint 1, ",
            "detached",
            "on the remote target failed",
            "Attaching to Remote target failed",
            "Breakpoint 1, ",
            "Breakpoint 1, ",
            "detached",
        ],
    },
];

/// Has gdb do without packets.
pub(super) fn check_gdb(address: &str, elf: &Path) -> Result<Seen> {
    EACH.iter().map(|without| without.play(address, elf).context(without.name)).collect()
}

impl Without {
    fn play(&self, address: &str, elf: &Path) -> Result<(String, String)> {
        let mut gdb = Command::new("gdb-multiarch");
        gdb.args(["-nx", "-q", "-batch"]).arg(elf);
        for packet in self.settings {
            gdb.args(["-ex", &format!("set remote {packet}-packet off")]);
        }
        for setting in ["remotetimeout 60", "confirm off", "width 0"] {
            gdb.args(["-ex", &format!("set {setting}")]);
        }
        gdb.args(["-ex", script::RUN]).args(["-ex", &format!("{} {address}", self.connect)]);
        for command in self.commands {
            gdb.args(["-ex", &command.replace("ADDRESS", address)]);
        }
        let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
        let said = script::play(gdb, &folder.path().join("said"), PATIENCE)?;
        let mut rest = said.as_str();
        for text in self.says {
            rest = rest.split_once(text).with_context(|| format!("gdb did not say {text:?}:\n{said}"))?.1;
        }
        Ok((self.name.to_owned(), self.says.join(", ")))
    }
}
