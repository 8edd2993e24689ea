//! `monitor` commands that know Linux, for any target that runs it.
//!
//! [`LinuxCommands`] is given to the gdb server for one client. The kernel's image is read when the first
//! command needs it, so that nobody waits for what is not asked.

mod arguments;
mod halted;
mod points;

use std::fmt::{self, Write};
use std::sync::LazyLock;

use trapline_core::debugger::Debugger;
use trapline_core::gdb::Commands;
use trapline_core::target::{CoreId, Register, SystemRegister, Target, TargetError};

use self::halted::Halted;
use self::points::Points;
use super::Kernel;
use super::live::{self, Live, LiveError};

/// A kernel that is read when it is first needed; a message where it cannot be.
pub type LazyKernel = LazyLock<Result<Kernel, String>, Box<dyn FnOnce() -> Result<Kernel, String> + Send>>;

/// The commands, for one client.
pub struct LinuxCommands<'k> {
    kernel: &'k LazyKernel,
    /// How far the kernel has moved, once it is known: it moves once only.
    slide: Option<u64>,
    points: Points,
}

/// What went wrong, in words.
type Said<T> = Result<T, String>;

impl<'k> LinuxCommands<'k> {
    /// The commands for the kernel that runs.
    #[must_use]
    pub fn new(kernel: &'k LazyKernel) -> Self {
        Self { kernel, slide: None, points: Points::default() }
    }

    /// Removes what the client has inserted with these commands; to be called when it has left, however it did. The
    /// target is halted for it and goes on as it was.
    ///
    /// # Errors
    /// Where the target cannot be halted or go on.
    pub fn end<T: Target, const CORES: usize, const SOFTWARE: usize>(
        self,
        debugger: &mut Debugger<T, CORES, SOFTWARE>,
    ) -> Result<(), TargetError<T::Error>> {
        if self.points.is_empty() {
            return Ok(());
        }
        let was_halted = debugger.stop().is_some();
        debugger.interrupt()?;
        debugger.remove_all(points::OWNER);
        if was_halted { Ok(()) } else { debugger.resume() }
    }

    fn kernel(&self) -> Said<&'k Kernel> {
        (**self.kernel).as_ref().map_err(Clone::clone)
    }

    /// The kernel where it is now.
    fn live<T: Target, const CORES: usize, const SOFTWARE: usize>(
        &mut self,
        memory: &mut Halted<'_, T, CORES, SOFTWARE>,
    ) -> Said<Live<'k>> {
        let kernel = self.kernel()?;
        let slide = match self.slide {
            Some(slide) => slide,
            None => {
                let vectors = memory.vectors();
                live::slide(kernel, vectors, memory).map_err(words)?
            }
        };
        self.slide = Some(slide);
        Ok(Live { kernel, slide })
    }

    fn answer<T: Target, const CORES: usize, const SOFTWARE: usize>(
        &mut self,
        memory: &mut Halted<'_, T, CORES, SOFTWARE>,
        name: &str,
        arguments: &[&str],
    ) -> Said<String> {
        match (name, arguments) {
            (KASLR, []) => {
                // Asked for by name it is looked for anew: the guest may have started over.
                self.slide = None;
                let slide = self.live(memory)?.slide;
                Ok(format!(
                    "the kernel runs {slide:#x} above the addresses of its symbols\n\
                     (gdb) symbol-file FILE -o {slide:#x}\n"
                ))
            }
            (TASKS, []) => self.tasks(memory),
            (LOG, []) => self.log(memory, None),
            (LOG, [last]) => {
                let last = last.parse().map_err(|_| format!("'{last}' is no number of lines\n"))?;
                self.log(memory, Some(last))
            }
            (CONTEXT, []) => self.context(memory),
            (BREAK | WATCH, []) => Ok(self.points.list()),
            (BREAK, [place, context]) => {
                let live = self.live(memory)?;
                let point = arguments::breakpoint(&live, place, context)?;
                self.points.insert(memory, &live, point)
            }
            (WATCH, [place, context]) => {
                let live = self.live(memory)?;
                let point = arguments::watchpoint(&live, place, context)?;
                self.points.insert(memory, &live, point)
            }
            (DELETE, []) => self.points.delete(memory, None),
            (DELETE, [number]) => {
                let number =
                    number.parse().map_err(|_| format!("'{number}' is no number of a breakpoint\n"))?;
                self.points.delete(memory, Some(number))
            }
            (BREAK, _) => Err(format!("write monitor {BREAK} {}\n", POINT_ARGUMENTS.0)),
            (WATCH, _) => Err(format!("write monitor {WATCH} {}\n", POINT_ARGUMENTS.1)),
            _ => Err(format!("monitor {name} takes other arguments; see 'monitor help'\n")),
        }
    }

    fn tasks<T: Target, const CORES: usize, const SOFTWARE: usize>(
        &mut self,
        memory: &mut Halted<'_, T, CORES, SOFTWARE>,
    ) -> Said<String> {
        let live = self.live(memory)?;
        let running = memory.current(&live);
        let mut tasks = live::tasks(&live, memory).map_err(words)?;
        // The idle threads of the other CPUs are in no list.
        for address in running.iter().flatten() {
            if !tasks.iter().any(|task| task.address == *address) {
                tasks.extend(live::task(&live, memory, *address).ok());
            }
        }
        let mut text = String::from("    PID   TGID  CPU  STATE  OF      NAME\n");
        for task in tasks {
            let mark = if running.contains(&Some(task.address)) { '*' } else { ' ' };
            let cpu = task.cpu.map_or_else(|| "-".to_owned(), |cpu| cpu.to_string());
            let of = if task.kernel { "kernel" } else { "user" };
            let (pid, tgid, state, name) = (task.pid, task.tgid, task.state, task.name);
            text += &format!("{mark}{pid:>6} {tgid:>6} {cpu:>4}  {state}      {of:<6}  {name}\n");
        }
        Ok(text)
    }

    fn log<T: Target, const CORES: usize, const SOFTWARE: usize>(
        &mut self,
        memory: &mut Halted<'_, T, CORES, SOFTWARE>,
        last: Option<usize>,
    ) -> Said<String> {
        let live = self.live(memory)?;
        let mut text = String::new();
        for record in live::records(&live, memory, last).map_err(words)? {
            let microseconds = record.nanoseconds / 1000;
            let (seconds, rest) = (microseconds / 1_000_000, microseconds % 1_000_000);
            for line in record.text.lines() {
                text += &format!("[{seconds:5}.{rest:06}] {line}\n");
            }
        }
        Ok(text)
    }

    /// Which thread each core is at, and what its registers say of it.
    fn context<T: Target, const CORES: usize, const SOFTWARE: usize>(
        &mut self,
        memory: &mut Halted<'_, T, CORES, SOFTWARE>,
    ) -> Said<String> {
        let live = self.live(memory)?;
        let mut text = String::new();
        let current = memory.current(&live);
        for (core, address) in memory.debugger.core_ids().zip(current) {
            let thread = match address.map(|address| live::task(&live, memory, address)) {
                Some(Ok(task)) => format!("PID {} of process {}, {}", task.pid, task.tgid, task.name),
                Some(Err(error)) => error.to_string(),
                None => "no thread of Linux yet".to_owned(),
            };
            let mut register = |register| memory.debugger.read_register(core, Register::System(register));
            let context = register(SystemRegister::CONTEXTIDR_EL1).map(|value| format!("{value:#x}"));
            let table = register(SystemRegister::TTBR0_EL1).map(|value| format!("{value:#x}"));
            let unknown = |_| "unknown".to_owned();
            let (context, table) = (context.unwrap_or_else(unknown), table.unwrap_or_else(unknown));
            text += &format!("{core}: {thread}; CONTEXTIDR_EL1 {context}, TTBR0_EL1 {table}\n");
        }
        text += match live.kernel.keeps_pid_in_context() {
            true => "this kernel keeps the PID in CONTEXTIDR_EL1\n",
            false => "this kernel does not keep the PID in CONTEXTIDR_EL1\n",
        };
        Ok(text)
    }
}

const KASLR: &str = "kaslr";
const TASKS: &str = "tasks";
const LOG: &str = "log";
const CONTEXT: &str = "context";
const BREAK: &str = "break";
const WATCH: &str = "watch";
const DELETE: &str = "delete";
/// The arguments of a breakpoint, and of a watchpoint.
const POINT_ARGUMENTS: (&str, &str) =
    ("ADDRESS|SYMBOL context=PID", "ADDRESS|SYMBOL[:LENGTH[:r|w|rw]] context=PID");

/// The commands: name, arguments, and what they do.
const HELP: [(&str, &str, &str); 7] = [
    (KASLR, "", "how far the Linux kernel has moved from where it was linked"),
    (TASKS, "", "the threads of Linux; * marks those that run"),
    (LOG, "[LINES]", "the messages of Linux, all or the last"),
    (CONTEXT, "", "which thread of Linux each core is at"),
    (BREAK, POINT_ARGUMENTS.0, "a hardware breakpoint for one thread; without arguments a list"),
    (WATCH, POINT_ARGUMENTS.1, "a watchpoint for one thread; without arguments a list"),
    (DELETE, "[NUMBER]", "removes one of these, or all"),
];

fn words(error: impl Into<Words>) -> String {
    error.into().0
}

/// An error's words, as a line.
struct Words(String);

impl From<LiveError> for Words {
    fn from(error: LiveError) -> Self {
        Self(format!("{error}\n"))
    }
}

impl From<live::NotFound> for Words {
    fn from(error: live::NotFound) -> Self {
        Self(format!("{error}\n"))
    }
}

impl<T: Target, const CORES: usize, const SOFTWARE: usize> Commands<T, CORES, SOFTWARE>
    for LinuxCommands<'_>
{
    fn help(&self, out: &mut dyn Write) -> fmt::Result {
        for (name, arguments, help) in HELP {
            let space = if arguments.is_empty() { "" } else { " " };
            writeln!(out, "monitor {name}{space}{arguments}: {help}")?;
        }
        Ok(())
    }

    fn run(
        &mut self,
        debugger: &mut Debugger<T, CORES, SOFTWARE>,
        core: CoreId,
        command: &str,
        out: &mut dyn Write,
    ) -> Result<bool, fmt::Error> {
        let mut words = command.split_ascii_whitespace();
        let Some(name) = words.next().filter(|name| HELP.iter().any(|(known, ..)| known == name)) else {
            return Ok(false);
        };
        let arguments: Vec<_> = words.collect();
        let mut memory = Halted::new(debugger, core);
        let (Ok(text) | Err(text)) = self.answer(&mut memory, name, &arguments);
        out.write_str(&text)?;
        if !text.ends_with('\n') {
            out.write_char('\n')?;
        }
        Ok(true)
    }
}
