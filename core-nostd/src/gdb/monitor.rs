//! `monitor` commands: what the protocol has no packet for.

use core::fmt::{self, Write};

use gdbstub::target::ext::monitor_cmd::{ConsoleOutput, MonitorCmd};

use crate::debugger::Debugger;
use crate::pool::Slots;
use crate::target::Target;
use crate::translation::Translation;

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

impl<T: Target, const CORES: usize, const SOFTWARE: usize> MonitorCmd for Debugger<T, CORES, SOFTWARE> {
    fn handle_monitor_cmd(&mut self, command: &[u8], console: ConsoleOutput<'_>) -> Result<(), T::Error> {
        let mut out = Lines { line: heapless::String::new(), console };
        // Writing to the console cannot fail here; a connection that is gone is noticed behind it.
        let _ = match core::str::from_utf8(command) {
            Ok(command) => self.monitor(command, &mut out),
            Err(_) => out.write_str("commands are plain text; try 'monitor help'\n"),
        };
        out.flush();
        Ok(())
    }
}

impl<T: Target, const CORES: usize, const SOFTWARE: usize> Debugger<T, CORES, SOFTWARE> {
    /// Runs one command and writes its answer.
    fn monitor(&mut self, command: &str, out: &mut impl Write) -> fmt::Result {
        let mut words = command.split_ascii_whitespace();
        let name = words.next().unwrap_or(HELP.name);
        let arguments = (words.next(), words.next());
        match (name, arguments) {
            (name, (None, None)) if name == HELP.name => help(out),
            (name, (None, None)) if name == SLOTS.name => self.list_slots(out),
            (name, (Some(address), None)) if name == TRANSLATE.name => self.show_translation(address, out),
            _ => writeln!(out, "no such command: '{command}'; try 'monitor help'"),
        }
    }

    fn list_slots(&self, out: &mut impl Write) -> fmt::Result {
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
        let software = self.software_breakpoints();
        writeln!(out, "software breakpoints: {} of {SOFTWARE}", software.len())?;
        for breakpoint in software.iter() {
            let (address, physical) = (breakpoint.virtual_address, breakpoint.address);
            writeln!(out, "  {address:#x}, physical {physical} ({})", breakpoint.owner)?;
        }
        Ok(())
    }

    fn show_translation(&mut self, address: &str, out: &mut impl Write) -> fmt::Result {
        let digits = address.strip_prefix("0x").or_else(|| address.strip_prefix("0X"));
        let parsed = match digits {
            Some(digits) => u64::from_str_radix(digits, 16),
            None => address.parse(),
        };
        let Ok(address) = parsed else {
            return writeln!(out, "'{address}' is no address; write 0x and hexadecimal digits");
        };
        match self.translate(self.current_core(), address) {
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

fn help(out: &mut impl Write) -> fmt::Result {
    for Command { name, arguments, help } in [HELP, SLOTS, TRANSLATE] {
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

/// Console output by the line: without it each fragment would be a packet of its own.
struct Lines<'a> {
    line: heapless::String<128>,
    console: ConsoleOutput<'a>,
}

impl Lines<'_> {
    fn flush(&mut self) {
        if !self.line.is_empty() {
            self.console.write_raw(self.line.as_bytes());
            self.line.clear();
        }
    }
}

impl Write for Lines<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            if self.line.push(character).is_err() {
                self.flush();
                self.line.push(character).map_err(|_| fmt::Error)?;
            }
            if character == '\n' {
                self.flush();
            }
        }
        Ok(())
    }
}
