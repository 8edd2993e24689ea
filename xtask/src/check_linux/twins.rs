//! Two processes that run the same program at the same addresses, in a kernel that has moved: what Linux is asked for
//! through `monitor`, and breakpoints and watchpoints for one of them.

use std::{
    collections::BTreeSet,
    fs,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};

use super::session::{Dialogue, Guest, PATIENCE};
use crate::demo::gdb::Effect;

/// PID 1 of the guest.
pub(super) const INIT: &str = include_str!("twins.sh");
/// What the kernel is told. It moves, and its processes do not.
pub(super) const COMMAND_LINE: &str = "console=ttyS0 norandmaps";
/// What both processes do for ever.
const FUNCTION: &str = "__arm64_sys_kill";
/// How many stops are looked at where all are to be in one process.
const STOPS: usize = 30;
/// How many may pass until both have been seen where nothing tells them apart.
const ENOUGH: usize = 300;
/// How long the guest runs until its console is looked at again.
const BETWEEN: Duration = Duration::from_millis(500);

/// Plays the session, and ends the guest.
pub(super) fn play(guest: &Guest) -> Result<()> {
    let mut gdb = Dialogue::begin(guest)?;
    let [first, second] = gdb.twins(guest)?;
    gdb.moved(guest)?;
    gdb.linux([first, second])?;
    gdb.breakpoint(first)?;
    gdb.traces()?;
    gdb.watchpoint(first)?;
    gdb.execute("kill", Effect::Detaches).map(drop)
}

impl Dialogue {
    /// Lets the guest run until both processes do, and stops it; their PIDs.
    fn twins(&mut self, guest: &Guest) -> Result<[u64; 2]> {
        let begun = Instant::now();
        loop {
            self.execute("continue", Effect::RunsUntilInterrupted(BETWEEN))?;
            let console = fs::read_to_string(&guest.serial)?;
            if console.contains("both twins run") {
                let pids = console.lines().filter_map(|line| line.split_once("twin ")?.1.trim().parse().ok());
                let pids: Vec<_> = pids.collect();
                return pids.try_into().map_err(|pids| anyhow::anyhow!("the twins are {pids:?}"));
            }
            ensure!(begun.elapsed() < PATIENCE, "the guest's processes do not run");
        }
    }

    /// The kernel says how far it has moved, and its symbols follow.
    fn moved(&mut self, guest: &Guest) -> Result<()> {
        let said = self.monitor("kaslr")?;
        let offset = said.split_ascii_whitespace().find_map(|word| word.strip_prefix("0x"));
        let offset = offset.and_then(|digits| u64::from_str_radix(digits, 16).ok()).context(said)?;
        ensure!(offset != 0, "the kernel has not moved, so this shows nothing; look at its command line");
        let console = fs::read_to_string(&guest.serial)?;
        let said: Vec<_> =
            console.lines().map(str::trim_end).filter(|line| line.starts_with("check: ")).collect();
        let expected = [format!("check: moved by {offset:#x}"), "check: symbols: ok".to_owned()];
        ensure!(said == expected, "the guest says {said:#?}, not {expected:#?}");
        self.execute(&format!("symbol-file {} -o {offset:#x}", guest.symbols.display()), Effect::None)?;
        let name = self.execute("output init_task.comm", Effect::None)?.console;
        ensure!(name.contains("swapper/0"), "init_task.comm is {name}");
        let banner = self.execute("x/s &linux_banner", Effect::None)?.console;
        ensure!(banner.contains("Linux version "), "linux_banner is {banner}");
        Ok(())
    }

    /// Tasks, messages and what runs.
    fn linux(&mut self, twins: [u64; 2]) -> Result<()> {
        let tasks = self.monitor("tasks")?;
        let has = |pid: u64, names: &[&str]| {
            let mut lines = tasks.lines().map(|line| line.trim_start_matches('*').split_ascii_whitespace());
            lines.any(|mut words| {
                words.next() == Some(&pid.to_string())
                    && words.next_back().is_some_and(|name| names.contains(&name))
            })
        };
        // One that has just begun still has its parent's name.
        let twin = ["busybox", "init"];
        let listed =
            has(0, &["swapper/0"]) && has(2, &["kthreadd"]) && twins.iter().all(|pid| has(*pid, &twin));
        ensure!(listed, "twins {twins:?} are not in: {tasks}");
        let log = self.monitor("log")?;
        for line in ["Linux version ", "Run /init as init process"] {
            ensure!(log.contains(line), "'{line}' is not in: {log}");
        }
        let last = self.monitor("log 3")?;
        ensure!(last.lines().count() >= 3 && log.ends_with(&last), "the last three are not the end: {last}");
        Ok(())
    }

    /// A breakpoint for one process stops in it, and never in the other.
    fn breakpoint(&mut self, first: u64) -> Result<()> {
        let inserted = self.monitor(&format!("break {FUNCTION} context={first}"))?;
        ensure!(inserted.starts_with("1: breakpoint at 0x") && !inserted.contains("no thread"), "{inserted}");
        for _ in 0..STOPS {
            let stop = self.execute("continue", Effect::Runs)?;
            self.expect_at(&stop, FUNCTION)?;
            let pid = self.pid()?;
            ensure!(pid == first, "a breakpoint for PID {first} stopped PID {pid}");
        }
        let removed = self.monitor("delete 1")?;
        ensure!(removed.starts_with("1 removed"), "{removed}");
        self.both_stop("hbreak", &format!("hbreak *{FUNCTION}"))
    }

    /// Backtraces go to where the kernel was entered: from a system call, and through an exception of the kernel's own
    /// code with a stack of its own.
    fn traces(&mut self) -> Result<()> {
        self.execute(&format!("hbreak *{FUNCTION}"), Effect::None)?;
        self.execute("continue", Effect::Runs)?;
        self.expect_trace(&[FUNCTION, "invoke_syscall", "el0_svc", "el0t_64_sync"])?;
        self.execute("delete", Effect::None)?;
        self.execute("hbreak *arch_timer_handler_virt", Effect::None)?;
        for _ in 0..ENOUGH {
            self.execute("continue", Effect::Runs)?;
            let trace = self.execute("backtrace", Effect::None)?.console;
            if trace.contains("el1h_64_irq_handler") && trace.contains("invoke_syscall") {
                self.execute("delete", Effect::None)?;
                return self.expect_trace(&[
                    "arch_timer_handler_virt",
                    "gic_handle_irq",
                    "el1h_64_irq_handler",
                    "invoke_syscall",
                    "el0t_64_sync",
                ]);
            }
        }
        anyhow::bail!("no timer interrupts a system call")
    }

    /// The same for a watchpoint, at an address at which both have memory and both write.
    fn watchpoint(&mut self, first: u64) -> Result<()> {
        self.execute(&format!("hbreak *{FUNCTION}"), Effect::None)?;
        let begun = Instant::now();
        loop {
            self.execute("continue", Effect::Runs)?;
            if self.pid()? == first {
                break;
            }
            ensure!(begun.elapsed() < PATIENCE, "PID {first} does not come to {FUNCTION}");
        }
        self.execute("delete", Effect::None)?;
        // The innermost frame's record, which is written anew in each call.
        let stack = self.value("((struct pt_regs *)$x0)->sp")?;
        let inserted = self.monitor(&format!("watch {stack:#x}:8:w context={first}"))?;
        ensure!(inserted.contains("watchpoint, write of"), "{inserted}");
        for _ in 0..STOPS {
            self.execute("continue", Effect::Runs)?;
            let pid = self.pid()?;
            ensure!(pid == first, "a watchpoint for PID {first} stopped PID {pid}");
        }
        self.monitor("delete")?;
        let free = self.monitor("slots")?;
        ensure!(free.contains("watchpoint comparators: 0 used"), "{free}");
        ensure!(free.contains("breakpoint comparators: 0 used"), "{free}");
        // The other one writes there, too: only the context has kept it from stopping.
        self.both_stop("watch", &format!("awatch *(unsigned long *){stack:#x}"))
    }

    /// Without a context the same stops in both.
    fn both_stop(&mut self, what: &str, command: &str) -> Result<()> {
        self.execute(command, Effect::None)?;
        let mut seen = BTreeSet::new();
        for _ in 0..ENOUGH {
            self.execute("continue", Effect::Runs)?;
            seen.insert(self.pid()?);
            if seen.len() == 2 {
                return self.execute("delete", Effect::None).map(drop);
            }
        }
        anyhow::bail!("{what} without a context stopped in {seen:?} only")
    }

    /// The thread that the stopped core is at.
    fn pid(&mut self) -> Result<u64> {
        let core = self.value("$_thread")? - 1;
        let context = self.monitor("context")?;
        let line = context.lines().find_map(|line| line.strip_prefix(&format!("core {core}: PID ")));
        let pid = line.and_then(|line| line.split_ascii_whitespace().next()?.parse().ok());
        pid.with_context(|| format!("core {core} has no thread: {context}"))
    }

    fn monitor(&mut self, command: &str) -> Result<String> {
        Ok(self.execute(&format!("monitor {command}"), Effect::None)?.console)
    }
}
