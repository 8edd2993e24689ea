//! A session of gdb with a Linux guest, from its first instruction to its last.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, bail, ensure};

use crate::demo::gdb::{Answer, Effect, Gdb, Lost};

/// How long one command may take: a boot is among what is waited for.
pub(super) const PATIENCE: Duration = Duration::from_secs(300);
/// How often the running guest is interrupted, and how long it runs between.
const INTERRUPTS: usize = 200;
const BETWEEN: Duration = Duration::from_millis(5);
/// How long it runs between the interrupts that come after these, until its program has checked itself.
const LATER: Duration = Duration::from_millis(200);
/// How often the program of the guest asks for its parent, in two threads.
const QUESTIONS: usize = 1000;
/// How many children it has, in two threads.
const CHILDREN: usize = 10;

/// Where a kernel's first instruction is.
const START_OF_RAM: u64 = 0x4000_0000;

/// The gates of the guest's program, and what it does often.
const GATE: &str = "__arm64_sys_getpgid";
const BUSY: &str = "__arm64_sys_getppid";
/// What counts all processes; each fork writes to it.
const COUNTER: &str = "total_forks";

/// The guest as gdb needs it.
pub(super) struct Guest {
    pub(super) address: String,
    pub(super) symbols: PathBuf,
    pub(super) serial: PathBuf,
    pub(super) cpus: u16,
    /// Whether the kernel's variables are among its symbols (KALLSYMS_ALL).
    pub(super) variables: bool,
    /// How long it is halted, longer than its kernel waits before it complains of a stall (21 s).
    pub(super) pause: Duration,
}

impl Guest {
    /// Whether its program is through with what it does on its own.
    fn is_at_the_gates(&self) -> Result<bool> {
        Ok(fs::read_to_string(&self.serial)?.contains("check: gates follow"))
    }
}

/// Plays the session. At its end the guest, with gdb attached and nothing armed, restarts the machine, and gdb
/// ends it.
pub(super) fn play(guest: &Guest) -> Result<()> {
    let mut gdb = Dialogue::begin(guest)?;
    gdb.start_of_the_kernel(guest)?;
    gdb.interrupts(guest)?;
    gdb.gate_with_everything(guest)?;
    let code = gdb.busy_function()?;
    gdb.open_gate()?;
    if guest.variables {
        gdb.variable_of_two(guest)?;
    } else {
        let stop = gdb.execute("continue", Effect::Runs)?;
        gdb.expect_at(&stop, GATE)?;
        gdb.execute("delete", Effect::None)?;
    }

    // Gone without a word, with something armed: nothing of it may stay.
    gdb.execute(&format!("break *{BUSY}"), Effect::None)?;
    gdb.execute("continue", Effect::RunsUntilInterrupted(BETWEEN))?;
    gdb.execute("continue", Effect::None)?;
    drop(gdb);
    let mut gdb = Dialogue::begin(guest)?;
    ensure!(gdb.code()? == code, "a gdb that was killed has left a breakpoint behind");
    gdb.execute("detach", Effect::Detaches)?;
    gdb.gdb.quit();

    let mut gdb = Dialogue::begin(guest)?;
    ensure!(gdb.code()? == code, "a gdb that has detached has left a breakpoint behind");
    gdb.run_to_gate()?;
    thread::sleep(guest.pause);
    gdb.open_gate()?;
    gdb.execute("delete", Effect::None)?;
    gdb.restart(guest)
}

pub(super) struct Dialogue {
    gdb: Gdb,
}

impl Dialogue {
    pub(super) fn begin(guest: &Guest) -> Result<Self> {
        let mut gdb = Gdb::start(Path::new("gdb-multiarch"), &guest.symbols, PATIENCE)?;
        gdb.prepare(PATIENCE).map_err(|Lost(reason)| anyhow!(reason))?;
        let mut dialogue = Self { gdb };
        dialogue.execute(&format!("target remote {}", guest.address), Effect::None)?;
        Ok(dialogue)
    }

    /// Has gdb do it; what it refuses is a failure.
    pub(super) fn execute(&mut self, command: &str, effect: Effect) -> Result<Answer> {
        let answer = self
            .gdb
            .execute(command, effect)
            .map_err(|Lost(reason)| anyhow!(reason))
            .with_context(|| format!("(gdb) {command}"))?;
        match &answer.error {
            Some(error) => bail!("(gdb) {command}: {error}"),
            None => Ok(answer),
        }
    }

    pub(super) fn value(&mut self, expression: &str) -> Result<u64> {
        let answer = self.execute(&format!("output/u {expression}"), Effect::None)?;
        let text = answer.console.trim();
        text.parse().with_context(|| format!("{expression} is `{text}`"))
    }

    /// The program counter, and what stands there in words.
    pub(super) fn expect_at(&mut self, answer: &Answer, function: &str) -> Result<()> {
        let (pc, place) = (self.value("$pc")?, self.value(&format!("(unsigned long)&{function}"))?);
        let stop = &answer.console;
        ensure!(pc == place, "a stop at {pc:#x}, not at {function} ({place:#x}): {stop}");
        Ok(())
    }

    /// Expects that these functions are in the backtrace in this order, the first and the last at its ends.
    pub(super) fn expect_trace(&mut self, functions: &[&str]) -> Result<()> {
        let trace = self.execute("backtrace", Effect::None)?.console;
        let frames: Vec<_> = trace.lines().filter(|line| line.starts_with('#')).collect();
        let is = |frame: &str, function: &str| frame.split_ascii_whitespace().any(|word| word == function);
        let mut rest = frames.iter();
        let found = functions.iter().all(|function| rest.any(|frame| is(frame, function)));
        let first =
            frames.first().zip(functions.first()).is_some_and(|(frame, function)| is(frame, function));
        ensure!(found && first && rest.next().is_none(), "the backtrace is not {functions:?}: {trace}");
        Ok(())
    }

    /// The instruction at the start of the busy function.
    fn code(&mut self) -> Result<u64> {
        self.value(&format!("*(unsigned int *)&{BUSY}"))
    }

    /// From the first instruction to the first function of C, before any other core is on.
    fn start_of_the_kernel(&mut self, guest: &Guest) -> Result<()> {
        self.execute("hbreak *start_kernel", Effect::None)?;
        let stop = self.execute("continue", Effect::Runs)?;
        self.expect_at(&stop, "start_kernel")?;
        self.expect_trace(&["start_kernel", "__primary_switched"])?;
        for _ in 0..5 {
            let before = self.value("$pc")?;
            self.execute("stepi", Effect::Runs)?;
            ensure!(self.value("$pc")? != before, "a step stays at {before:#x}");
        }
        let threads = self.execute("info threads", Effect::None)?.console;
        ensure!(threads.contains("vCPU 0 [running, EL1h]"), "{threads}");
        let off = threads.matches("[off]").count();
        ensure!(off == usize::from(guest.cpus) - 1, "{off} vCPUs are off: {threads}");
        if guest.variables {
            let banner = self.execute("x/s &linux_banner", Effect::None)?.console;
            ensure!(banner.contains("Linux version "), "the memory at linux_banner is {banner}");
        }
        self.execute("delete", Effect::None).map(drop)
    }

    /// Interrupts the guest often, while it boots and uses its own debug hardware.
    fn interrupts(&mut self, guest: &Guest) -> Result<()> {
        let begun = Instant::now();
        let mut number = 0;
        while number < INTERRUPTS || !guest.is_at_the_gates()? {
            let between = if number < INTERRUPTS { BETWEEN } else { LATER };
            let answer = self.execute("continue", Effect::RunsUntilInterrupted(between))?;
            let signal = answer.stopped.as_ref().and_then(|stop| stop.text("signal-name"));
            ensure!(signal == Some("SIGINT"), "interrupt {number} gave {signal:?}: {}", answer.console);
            ensure!(begun.elapsed() < PATIENCE, "the guest is not at its gates after {number} interrupts");
            number += 1;
        }
        Ok(())
    }

    /// Runs to where the program of the guest waits, with a breakpoint that stays.
    fn run_to_gate(&mut self) -> Result<()> {
        self.execute(&format!("hbreak *{GATE}"), Effect::None)?;
        let stop = self.execute("continue", Effect::Runs)?;
        self.expect_at(&stop, GATE)
    }

    /// Lets the program through: the kernel has its registers at X0, and its X0 is the gate's address.
    fn open_gate(&mut self) -> Result<()> {
        self.execute("set var *(unsigned long *)*(unsigned long *)$x0 = 1", Effect::None).map(drop)
    }

    /// The first gate, with all vCPUs on.
    fn gate_with_everything(&mut self, guest: &Guest) -> Result<()> {
        self.run_to_gate()?;
        let threads = self.execute("info threads", Effect::None)?.console;
        ensure!(!threads.contains("[off]"), "a vCPU is off: {threads}");
        let names = (0..guest.cpus).filter(|cpu| threads.contains(&format!("vCPU {cpu} ["))).count();
        ensure!(names == usize::from(guest.cpus), "{threads}");
        self.expect_trace(&[GATE, "invoke_syscall", "el0t_64_sync"])
    }

    /// A software breakpoint on a function that two threads call often: no hit is missed, and none is too many.
    fn busy_function(&mut self) -> Result<u64> {
        let code = self.code()?;
        self.execute(&format!("break *{BUSY}"), Effect::None)?;
        self.execute("ignore $bpnum 1000000", Effect::None)?;
        self.open_gate()?;
        let stop = self.execute("continue", Effect::Runs)?;
        self.expect_at(&stop, GATE)?;
        let table = self.execute("info breakpoints $bpnum", Effect::None)?.console;
        let expected = format!("already hit {QUESTIONS} times");
        ensure!(table.contains(&expected), "not {expected}: {table}");
        self.execute("delete $bpnum", Effect::None)?;
        Ok(code)
    }

    /// A watchpoint on a variable of the kernel's that two vCPUs write.
    fn variable_of_two(&mut self, guest: &Guest) -> Result<()> {
        self.execute(&format!("watch *(unsigned long *)&{COUNTER}"), Effect::None)?;
        let (mut hits, mut threads) = (0, Vec::new());
        loop {
            let stop = self.execute("continue", Effect::Runs)?;
            let fields = stop.stopped.as_ref();
            if fields.and_then(|fields| fields.text("reason")) != Some("watchpoint-trigger") {
                self.expect_at(&stop, GATE)?;
                break;
            }
            hits += 1;
            let thread = fields.and_then(|fields| fields.text("thread-id")).unwrap_or_default().to_owned();
            if !threads.contains(&thread) {
                threads.push(thread);
            }
        }
        // The kernel may have a child of its own meanwhile.
        ensure!(hits >= CHILDREN, "{hits} stores were seen of {CHILDREN}");
        let cores = usize::from(guest.cpus).min(2);
        ensure!(threads.len() >= cores, "the stores came from {threads:?} only");
        self.execute("delete", Effect::None).map(drop)
    }

    /// Lets the guest run until it restarts the machine, looks at its start once more, and ends it.
    fn restart(&mut self, guest: &Guest) -> Result<()> {
        let stop = self.execute("continue", Effect::Runs)?;
        let pc = self.value("$pc")?;
        ensure!(pc == START_OF_RAM, "a stop at {pc:#x} with nothing armed, and no restart: {}", stop.console);
        self.start_of_the_kernel(guest)?;
        self.execute("kill", Effect::Detaches).map(drop)
    }
}
