//! `monitor` commands: what the protocol has no packet for.

use core::fmt::{self, Write};

use crate::debugger::Debugger;
use crate::pool::Slots;
use crate::registers::{Register, SystemRegister};
use crate::target::{CoreId, Target};
use crate::translation::Translation;

use super::Connection;
use super::session::Session;
use super::threads::ThreadName;
use super::wire::{Hex, Link};

/// `monitor` commands that the embedder adds to those of the server.
///
/// They are run while the target is halted, and may do with the debugger what a client may.
pub trait Commands<T: Target, const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize = 4096> {
    /// Writes a line for each command: `monitor NAME ARGUMENTS: what it does`.
    ///
    /// # Errors
    /// Only those of `out`.
    fn help(&self, out: &mut dyn Write) -> fmt::Result;

    /// Runs `command` for the core that the client has selected and writes what it says. Whether there is
    /// such a command; where there is none, nothing is written.
    ///
    /// # Errors
    /// Only those of `out`.
    fn run(
        &mut self,
        debugger: &mut Debugger<T, CORES, SOFTWARE, BYTECODE>,
        core: CoreId,
        command: &str,
        out: &mut dyn Write,
    ) -> Result<bool, fmt::Error>;
}

/// No further commands.
pub(super) struct NoCommands;

impl<T: Target, const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize>
    Commands<T, CORES, SOFTWARE, BYTECODE> for NoCommands
{
    fn help(&self, _: &mut dyn Write) -> fmt::Result {
        Ok(())
    }

    fn run(
        &mut self,
        _: &mut Debugger<T, CORES, SOFTWARE, BYTECODE>,
        _: CoreId,
        _: &str,
        _: &mut dyn Write,
    ) -> Result<bool, fmt::Error> {
        Ok(false)
    }
}

/// A command: its name, its arguments for the help text, and what it does.
struct Command {
    name: &'static str,
    arguments: &'static str,
    help: &'static str,
}

const HELP: Command = Command { name: "help", arguments: "", help: "this list" };
const SLOTS: Command = Command {
    name: "slots",
    arguments: "",
    help: "breakpoints and watchpoints, and the comparators they take",
};
const TRANSLATE: Command = Command {
    name: "translate",
    arguments: " ADDRESS",
    help: "the physical address behind a virtual one, and its permissions",
};

const CORES_COMMAND: Command =
    Command { name: "cores", arguments: "", help: "what each core is doing, and where" };
const SYSREG: Command = Command {
    name: "sysreg",
    arguments: " [NAME [= VALUE]]",
    help: "a system register of the selected core by name or as S3_0_C1_C0_0, shown or written; all of them without one",
};
const WHY: Command =
    Command { name: "why", arguments: "", help: "why the last breakpoint or watchpoint was refused" };
const SET: Command = Command {
    name: "set",
    arguments: " pages on|off",
    help: "whether pages that trap writes serve watchpoints for which the comparators do not suffice",
};
const COUNTERS: Command =
    Command { name: "counters", arguments: "", help: "what the way to the target has cost so far" };

/// The longest command in bytes.
const MAX_COMMAND: usize = 256;

impl<T: Target, const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize>
    Debugger<T, CORES, SOFTWARE, BYTECODE>
{
    /// Runs one command for a core and writes its answer.
    fn monitor(
        &mut self,
        core: CoreId,
        command: &str,
        more: &mut dyn Commands<T, CORES, SOFTWARE, BYTECODE>,
        out: &mut dyn Write,
    ) -> fmt::Result {
        let mut words = command.split_ascii_whitespace();
        let name = words.next().unwrap_or(HELP.name);
        let arguments = (words.next(), words.next(), words.next(), words.next());
        match (name, arguments) {
            (name, (None, ..)) if name == HELP.name => {
                help(out)?;
                more.help(out)
            }
            (name, (None, ..)) if name == SLOTS.name => self.list_slots(out),
            (name, (Some(address), None, ..)) if name == TRANSLATE.name => {
                self.show_translation(core, address, out)
            }
            (name, (None, ..)) if name == CORES_COMMAND.name => self.list_cores(out),
            (name, (None, ..)) if name == SYSREG.name => self.list_system_registers(core, out),
            (name, (Some(register), None, ..)) if name == SYSREG.name => {
                self.system_register(core, register, None, out)
            }
            (name, (Some(register), Some("="), Some(value), None)) if name == SYSREG.name => {
                self.system_register(core, register, Some(value), out)
            }
            (name, (None, ..)) if name == COUNTERS.name => self.target().write_counters(out),
            _ => match more.run(self, core, command, out)? {
                true => Ok(()),
                false => writeln!(out, "no such command: '{command}'; try 'monitor help'"),
            },
        }
    }

    fn list_cores(&mut self, out: &mut dyn Write) -> fmt::Result {
        for core in self.core_ids() {
            match ThreadName::of(self, core) {
                Ok(name) => write!(out, "{name}")?,
                Err(error) => write!(out, "{core}: {error}")?,
            }
            match self.read_register(core, Register::Pc) {
                Ok(pc) => writeln!(out, " at {pc:#x}")?,
                Err(_) => writeln!(out)?,
            }
        }
        Ok(())
    }

    fn list_system_registers(&mut self, core: CoreId, out: &mut dyn Write) -> fmt::Result {
        for index in 0.. {
            let Some(register) = self.target().system_register(index) else { break };
            self.show_system_register(core, register, out)?;
        }
        Ok(())
    }

    /// Shows a system register, after writing it where there is a value.
    fn system_register(
        &mut self,
        core: CoreId,
        name: &str,
        value: Option<&str>,
        out: &mut dyn Write,
    ) -> fmt::Result {
        let Some(register) = SystemRegister::by_name(name) else {
            return writeln!(out, "no system register is called '{name}'; write it as S3_0_C1_C0_0");
        };
        if let Some(text) = value {
            let Some(value) = number(text) else { return no_number(text, out) };
            if let Err(error) = self.write_register(core, Register::System(register), value) {
                return writeln!(out, "{error}");
            }
        }
        self.show_system_register(core, register, out)
    }

    fn show_system_register(
        &mut self,
        core: CoreId,
        register: SystemRegister,
        out: &mut dyn Write,
    ) -> fmt::Result {
        match self.read_register(core, Register::System(register)) {
            Ok(value) => writeln!(out, "{register} = {value:#018x}"),
            Err(error) => writeln!(out, "{register}: {error}"),
        }
    }

    fn list_slots(&self, out: &mut dyn Write) -> fmt::Result {
        let capabilities = self.target().capabilities();
        let breakpoints = self.breakpoints();
        writeln!(out, "breakpoint comparators: {} used of {}", breakpoints.used(), capabilities.breakpoints)?;
        for reserved in breakpoints.iter() {
            let (breakpoint, owner) = (reserved.breakpoint, reserved.owner);
            writeln!(out, "  {}: {breakpoint} ({owner})", Numbers(reserved.slots))?;
        }
        let watchpoints = self.watchpoints();
        writeln!(out, "watchpoint comparators: {} used of {}", watchpoints.used(), capabilities.watchpoints)?;
        for reserved in watchpoints.iter() {
            let (watchpoint, owner) = (reserved.watchpoint, reserved.owner);
            writeln!(out, "  {}: {watchpoint} ({owner})", Numbers(reserved.slots))?;
        }
        for (watchpoint, owner) in self.paged_watchpoints() {
            writeln!(out, "  by pages: {watchpoint} ({owner})")?;
        }
        let software = self.software_breakpoints();
        writeln!(out, "software breakpoints: {} of {SOFTWARE}", software.len())?;
        for breakpoint in software.iter() {
            let (address, physical) = (breakpoint.virtual_address, breakpoint.address);
            writeln!(out, "  {address:#x}, physical {physical} ({})", breakpoint.owner)?;
        }
        Ok(())
    }

    fn show_translation(&mut self, core: CoreId, address: &str, out: &mut dyn Write) -> fmt::Result {
        let Some(address) = number(address) else { return no_number(address, out) };
        match self.translate(core, address) {
            Ok(Translation { physical, block, mapping: None }) => {
                writeln!(out, "{address:#x} is physical {physical} (MMU off, {block:#x} bytes in step)")
            }
            Ok(Translation { physical, block, mapping: Some(mapping) }) => {
                let (el0, el1) = (mapping.el0, mapping.el1);
                writeln!(
                    out,
                    "{address:#x} is physical {physical}, in a block of {block:#x} bytes, EL1 {el1}, EL0 {el0}"
                )
            }
            Err(error) => writeln!(out, "{error}"),
        }
    }
}

/// A number as users write it: decimal, or hexadecimal behind `0x`.
fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// Whether the first word of what was typed is a command's name.
fn names(typed: &str, command: &Command) -> bool {
    typed.split_ascii_whitespace().next() == Some(command.name)
}

fn no_number(text: &str, out: &mut dyn Write) -> fmt::Result {
    writeln!(out, "'{text}' is no number; write 0x and hexadecimal digits")
}

fn help(out: &mut dyn Write) -> fmt::Result {
    for Command { name, arguments, help } in
        [HELP, SLOTS, TRANSLATE, CORES_COMMAND, SYSREG, COUNTERS, WHY, SET]
    {
        writeln!(out, "monitor {name}{arguments}: {help}")?;
    }
    Ok(())
}

/// Slot numbers as a list: `0 2 3`.
struct Numbers(Slots);

impl fmt::Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, slot) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { " " };
            write!(f, "{separator}{slot}")?;
        }
        Ok(())
    }
}

/// What a command says, as `O` packets: each as full as it gets, and an `OK` behind the last.
pub(super) struct Console<'l, 'b, C: Connection> {
    link: &'l mut Link<'b, C>,
    /// How much of the next packet is written: its `O`, and digits.
    length: usize,
    /// The first packet acknowledges the command.
    answers: bool,
    /// What went wrong with the connection first.
    failed: Option<C::Error>,
}

impl<'l, 'b, C: Connection> Console<'l, 'b, C> {
    /// For text that nobody asked for.
    pub(super) fn new(link: &'l mut Link<'b, C>) -> Self {
        Self { link, length: 0, answers: false, failed: None }
    }

    /// For what a command says.
    pub(super) fn answering(link: &'l mut Link<'b, C>) -> Self {
        Self { answers: true, ..Self::new(link) }
    }

    /// Runs the command whose text this is.
    pub(super) fn run<T: Target, const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize>(
        &mut self,
        debugger: &mut Debugger<T, CORES, SOFTWARE, BYTECODE>,
        session: &mut Session,
        commands: &mut dyn Commands<T, CORES, SOFTWARE, BYTECODE>,
        text: Hex<'_>,
    ) {
        let mut command = heapless::Vec::<u8, MAX_COMMAND>::new();
        let fits = text.bytes().try_for_each(|byte| command.push(byte)).is_ok();
        // What is written comes to the client or the connection has failed, which is noticed at the end.
        let _ = match core::str::from_utf8(&command) {
            Ok(command) if fits && command.trim_ascii() == WHY.name => match session.refusal.as_str() {
                "" => self.write_str("none was refused\n"),
                refusal => writeln!(self, "{refusal}"),
            },
            Ok(command) if fits && debugger.has_page_watches() && names(command, &SET) => {
                self.set(session, command)
            }
            Ok(command) if fits => {
                let answered = debugger.monitor(session.selected, command, commands, self);
                match debugger.has_page_watches() && command.trim_ascii() == SLOTS.name {
                    true => answered.and_then(|()| session.paged.list(self)),
                    false => answered,
                }
            }
            Ok(_) => writeln!(self, "a command has at most {MAX_COMMAND} bytes"),
            Err(_) => self.write_str("commands are plain text; try 'monitor help'\n"),
        };
    }

    /// Runs `monitor set`, which is about the session; without a value it shows what is set.
    fn set(&mut self, session: &mut Session, command: &str) -> fmt::Result {
        let mut words = command.split_ascii_whitespace().skip(1);
        let allowed = &mut session.paged.allowed;
        match (words.next(), words.next(), words.next()) {
            (None, ..) | (Some("pages"), None, _) => {}
            (Some("pages"), Some("on"), None) => *allowed = true,
            (Some("pages"), Some("off"), None) => *allowed = false,
            _ => return self.write_str("write 'monitor set pages on' or 'monitor set pages off'\n"),
        }
        let setting = if *allowed { "on" } else { "off" };
        writeln!(self, "watchpoints by pages, where the comparators do not suffice: {setting}")
    }

    /// Sends what is left.
    pub(super) fn flush(&mut self) -> Result<(), C::Error> {
        self.send();
        match self.failed.take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Sends what is left, and that the command is done.
    pub(super) fn end(mut self) -> Result<(), C::Error> {
        self.flush()?;
        let mut reply = self.link.reply();
        reply.text("OK");
        let length = reply.len();
        self.link.send(length, self.answers)
    }

    fn send(&mut self) {
        if self.length > 0 && self.failed.is_none() {
            self.failed = self.link.send(self.length, self.answers).err();
            self.answers = false;
        }
        self.length = 0;
    }
}

impl<C: Connection> Write for Console<'_, '_, C> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for &byte in text.as_bytes() {
            let mut reply = self.link.reply_from(self.length);
            if self.length == 0 {
                reply.byte(b'O');
            }
            reply.hex(&[byte]);
            self.length = reply.len();
            if reply.room() < 2 {
                self.send();
            }
        }
        if self.failed.is_some() { Err(fmt::Error) } else { Ok(()) }
    }
}
