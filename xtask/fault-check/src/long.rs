//! A Linux guest under random debugger actions: it ends alive, and nothing of the debugger stays in it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use object::{Object as _, ObjectSymbol as _};

use crate::tool::{PATIENCE, PLANTED, Tool};
use crate::wire::{Wire, packet};

/// What is run, and how long.
#[derive(Args)]
pub(crate) struct Options {
    /// `trapline`
    tool: PathBuf,
    /// The guest's kernel
    #[arg(long)]
    kernel: PathBuf,
    /// An ELF file with its symbols
    #[arg(long)]
    symbols: PathBuf,
    /// Its initial RAM disk
    #[arg(long)]
    initrd: PathBuf,
    /// For how long
    #[arg(long)]
    seconds: u64,
    /// What the actions are made from
    #[arg(long)]
    seed: u64,
}

/// Functions that a busy kernel calls often, and some that it calls now and then.
const FUNCTIONS: [&str; 14] = [
    "__arm64_sys_getppid",
    "__arm64_sys_write",
    "__arm64_sys_openat",
    "__arm64_sys_clone",
    "__arm64_sys_wait4",
    "schedule",
    "vfs_read",
    "vfs_write",
    "handle_mm_fault",
    "do_exit",
    "wake_up_new_task",
    "update_process_times",
    "ktime_get",
    "do_nanosleep",
];
/// Data that it writes often.
const VARIABLES: [&str; 3] = ["jiffies_64", "total_forks", "jiffies"];
/// How the guest says that it is alive, with a number.
const ALIVE: &str = "alive ";
/// How much code of a function is compared.
const CODE: u64 = 64;
/// What a guest says that has noticed something.
const TROUBLE: [&str; 9] = [
    "rcu: INFO",
    "self-detected stall",
    "soft lockup",
    "hung_task",
    "blocked for more than",
    "Kernel panic",
    "Oops",
    "BUG:",
    "Unexpected kernel BRK",
];

/// xorshift64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % bound
    }

    fn choose<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        (!from.is_empty()).then(|| from[self.below(from.len())])
    }
}

/// What has been done.
#[derive(Default)]
struct Counts(BTreeMap<&'static str, u64>);

impl Counts {
    fn count(&mut self, what: &'static str) {
        *self.0.entry(what).or_default() += 1;
    }
}

/// A session with a client's view of what is inserted.
struct Session<'a> {
    tool: &'a Tool,
    /// None while one client is gone and the next is not yet there.
    wire: Option<Wire>,
    runs: bool,
    inserted: Vec<String>,
    counts: Counts,
}

/// Carries the command out.
pub(crate) fn run(options: &Options) -> Result<()> {
    let (functions, variables) = places(&options.symbols)?;
    let mut command = Command::new(&options.tool);
    command.arg("guest").arg("--kernel").arg(&options.kernel).arg("--initrd").arg(&options.initrd);
    command.args(["--cpus=2", "--memory=256", "--cmdline=console=ttyS0 nokaslr quiet", "--gdb=127.0.0.1:0"]);
    let directory = tempfile::tempdir()?;
    let serial = &directory.path().join("serial");
    command.arg("--serial").arg(serial);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let tool = Tool::of(command)?;
    tool.client()?.detach()?;
    wait_for_life(serial, 3)?;

    let mut random = Random(options.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut session = Session::new(&tool, Counts::default())?;
    let code = session.code(&functions)?;
    let deadline = Instant::now() + Duration::from_secs(options.seconds);
    while Instant::now() < deadline {
        session
            .act(&mut random, &functions, &variables)
            .with_context(|| format!("{:?}", session.counts.0))?;
    }
    session.interrupt()?;
    let counts = session.detach()?;
    if let Err(error) = wait_for_life(serial, 5) {
        let state = state(&tool).unwrap_or_else(|error| format!("{error:#}"));
        let said = fs::read_to_string(serial)?;
        let end: Vec<&str> = said.lines().rev().take(12).collect();
        bail!("after the last action {error}\n{:?}\n{state}\nits last lines, backwards: {end:#?}", counts.0);
    }

    let mut last = Session::new(&tool, counts)?;
    let after = last.code(&functions)?;
    ensure!(after == code, "code has changed");
    let Counts(counts) = last.detach()?;
    wait_for_life(serial, 2)?;
    let text = fs::read_to_string(serial)?;
    if let Some(line) = text.lines().find(|line| TROUBLE.iter().any(|trouble| line.contains(trouble))) {
        bail!("the guest has noticed: {line}");
    }
    tool.end()?;
    println!(
        "seed {}: {} actions in {} s: {counts:?}",
        options.seed,
        counts.values().sum::<u64>(),
        options.seconds
    );
    println!("the guest is alive, its code as it was, and its console says nothing of trouble");
    Ok(())
}

/// The addresses of the functions and variables that this kernel has.
fn places(symbols: &Path) -> Result<(Vec<u64>, Vec<u64>)> {
    let file = fs::read(symbols)?;
    let file = object::File::parse(&*file)?;
    let find = |names: &[&str]| -> Vec<u64> {
        let symbols = file.symbols().filter(|symbol| symbol.name().is_ok_and(|name| names.contains(&name)));
        symbols.map(|symbol| symbol.address()).collect()
    };
    let (functions, variables) = (find(&FUNCTIONS), find(&VARIABLES));
    ensure!(functions.len() > FUNCTIONS.len() / 2, "the kernel has few of these functions: {functions:x?}");
    Ok((functions, variables))
}

/// What the cores of a guest are doing.
fn state(tool: &Tool) -> Result<String> {
    let mut wire = tool.client()?;
    let mut state = wire.ask("qXfer:threads:read::0,400")?;
    for core in 1..=2 {
        wire.ask(&format!("Hg{core}"))?;
        // PC, PSTATE, CNTV_CTL_EL0 and CNTV_CVAL_EL0, CNTVCT_EL0 by their encodings.
        for register in ["20", "21", "df19", "df1a", "df02"] {
            let value = wire.ask(&format!("p{register}"))?;
            state.push_str(&format!("\ncore {core}, register {register}: {value}"));
        }
    }
    wire.detach()?;
    Ok(state)
}

/// Waits until the guest has shown some more signs of life.
fn wait_for_life(serial: &Path, signs: usize) -> Result<()> {
    let count = || -> Result<usize> { Ok(fs::read_to_string(serial)?.matches(ALIVE).count()) };
    let (before, deadline) = (count()?, Instant::now() + 2 * PATIENCE);
    while count()? < before + signs {
        ensure!(Instant::now() < deadline, "the guest shows no sign of life");
        thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}

impl<'a> Session<'a> {
    fn new(tool: &'a Tool, counts: Counts) -> Result<Self> {
        Ok(Self { tool, wire: Some(tool.client()?), runs: false, inserted: Vec::new(), counts })
    }

    fn detach(mut self) -> Result<Counts> {
        self.wire.take().context("no client")?.detach()?;
        Ok(self.counts)
    }

    fn wire(&mut self) -> Result<&mut Wire> {
        self.wire.as_mut().context("no client")
    }

    /// The code of functions, as memory has it for the debugger, without anything planted.
    fn code(&mut self, functions: &[u64]) -> Result<Vec<String>> {
        let mut code = Vec::new();
        for function in functions {
            let text = self.wire()?.ask(&format!("m{function:x},{CODE:x}"))?;
            ensure!(text.len() as u64 == 2 * CODE && !text.contains(PLANTED), "{function:#x}: {text}");
            code.push(text);
        }
        Ok(code)
    }

    fn act(&mut self, random: &mut Random, functions: &[u64], variables: &[u64]) -> Result<()> {
        if self.runs {
            // It stops by itself where something is hit, or it is interrupted.
            thread::sleep(Duration::from_millis(random.below(40) as u64));
            return match random.below(8) {
                0 => self.lose(),
                _ => self.interrupt(),
            };
        }
        match random.below(16) {
            0..=3 => {
                let kind = random.below(2);
                let at = random.choose(functions).context("no function")?;
                self.insert(format!("{kind},{at:x},4"), "insert a breakpoint")
            }
            4 => {
                let Some(at) = random.choose(variables) else { return Ok(()) };
                let kind = 2 + random.below(3);
                self.insert(format!("{kind},{at:x},8"), "insert a watchpoint")
            }
            5..=7 => {
                if self.inserted.is_empty() {
                    return Ok(());
                }
                let point = self.inserted.swap_remove(random.below(self.inserted.len()));
                self.counts.count("remove");
                self.wire()?.expect(&format!("z{point}"), "OK")
            }
            8..=10 => {
                self.counts.count("step");
                let others = ["", ";c"][random.below(2)];
                self.resume(&format!("vCont;s:{}{others}", 1 + random.below(2)))
            }
            11 if random.below(4) == 0 => {
                self.counts.count("detach and attach");
                self.wire()?.expect("!", "OK")?;
                self.wire()?.expect("D;1", "OK")?;
                self.inserted.clear();
                thread::sleep(Duration::from_millis(random.below(50) as u64));
                let stop = self.wire()?.ask("vAttach;1")?;
                ensure!(stop.starts_with('T'), "{stop}");
                Ok(())
            }
            12 => {
                self.counts.count("registers");
                self.wire()?.ask(&format!("Hg{:x}", 1 + random.below(2)))?;
                self.wire()?.ask("g").map(drop)
            }
            _ => {
                self.counts.count("continue");
                self.resume("vCont;c")
            }
        }
    }

    fn insert(&mut self, point: String, what: &'static str) -> Result<()> {
        let answer = self.wire()?.ask(&format!("Z{point}"))?;
        match answer.as_str() {
            "OK" => {
                self.counts.count(what);
                if !self.inserted.contains(&point) {
                    self.inserted.push(point);
                }
            }
            refused => {
                ensure!(refused.contains("are free") || refused.contains("overlaps"), "Z{point}: {refused}");
                self.counts.count("refusal");
            }
        }
        Ok(())
    }

    fn resume(&mut self, how: &str) -> Result<()> {
        self.wire()?.send(&packet(how.as_bytes()))?;
        self.runs = true;
        Ok(())
    }

    /// Waits for the stop that there is, or makes one.
    fn interrupt(&mut self) -> Result<()> {
        if self.runs {
            self.wire()?.send(&[3])?;
            let stop = self.wire()?.receive()?;
            ensure!(stop.starts_with('T'), "{stop}");
            self.counts.count(if stop.starts_with("T02") { "interrupt" } else { "hit" });
            self.runs = false;
        }
        Ok(())
    }

    /// The client is gone, whatever is on the way, and another one comes.
    fn lose(&mut self) -> Result<()> {
        self.counts.count("client lost");
        let deadline = Instant::now() + PATIENCE;
        // The connection goes before the next client comes.
        drop(self.wire.take());
        while self.wire.is_none() {
            match self.tool.client() {
                Ok(wire) => self.wire = Some(wire),
                Err(error) => ensure!(Instant::now() < deadline, "{error:#}"),
            }
            thread::sleep(Duration::from_millis(20));
        }
        self.runs = false;
        self.inserted.clear();
        Ok(())
    }
}
