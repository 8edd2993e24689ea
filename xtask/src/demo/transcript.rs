//! The transcript of a session: what was typed and what gdb said, without what must differ.

use std::fs;
use std::path::Path;

use super::gdb::Answer;
use super::step::{ADDRESS, Command};

/// A transcript being written.
pub(super) struct Transcript {
    text: String,
    /// What differs from place to place, and what stands for it.
    replaced: [(String, &'static str); 2],
}

impl Transcript {
    /// A transcript that tells neither the server's address nor where the firmware lies.
    pub(super) fn new(address: &str, elf: &Path) -> Self {
        let elf = fs::canonicalize(elf).unwrap_or_else(|_| elf.to_owned());
        let replaced = [(address.to_owned(), ADDRESS), (elf.display().to_string(), "FIRMWARE")];
        Self { text: String::new(), replaced }
    }

    /// A heading for the commands that follow.
    pub(super) fn step(&mut self, number: usize, title: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(&format!("# {number}. {title}\n"));
    }

    /// A command and its answer.
    pub(super) fn exchange(&mut self, command: &Command, answer: &Answer) {
        self.text.push_str(&format!("(gdb) {}\n", command.text));
        if command.varies {
            self.text.push_str("[differs from run to run]\n");
        } else {
            for line in answer.console.lines() {
                if let Some(line) = self.comparable(line) {
                    self.text.push_str(&line);
                    self.text.push('\n');
                }
            }
        }
        if let Some(error) = &answer.error {
            self.text.push_str(&format!("{error}\n"));
        }
    }

    /// Why there is no answer to the last command.
    pub(super) fn lost(&mut self, command: &Command, reason: &str) {
        self.text.push_str(&format!("(gdb) {}\n[{reason}]\n", command.text));
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }

    /// The line without what differs from place to place and without the number of the thread, which only a
    /// target with several cores shows.
    fn comparable(&self, line: &str) -> Option<String> {
        if line.starts_with("[Switching to Thread") {
            return None;
        }
        let line = self.replaced.iter().fold(line.to_owned(), |line, (from, to)| line.replace(from, to));
        let hit = line.strip_prefix("Thread ").and_then(|rest| rest.split_once(" hit "));
        Some(hit.map_or_else(|| line.clone(), |(_, rest)| rest.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_core_or_two_and_any_port_give_the_same_transcript() {
        let transcript = Transcript::new("127.0.0.1:4711", Path::new("/nowhere/firmware"));
        for (line, shown) in [
            ("Remote debugging using 127.0.0.1:4711", Some("Remote debugging using ADDRESS")),
            ("Thread 2 hit Breakpoint 1, f () at a.rs:1", Some("Breakpoint 1, f () at a.rs:1")),
            ("Thread 1 \"core 0\" hit Hardware watchpoint 2: X", Some("Hardware watchpoint 2: X")),
            (
                "Detaching from program: /nowhere/firmware, process 1",
                Some("Detaching from program: FIRMWARE, process 1"),
            ),
            ("[Switching to Thread 1.2]", None),
            ("Threads are hit by this", Some("Threads are hit by this")),
        ] {
            assert_eq!(transcript.comparable(line).as_deref(), shown, "{line}");
        }
    }
}
