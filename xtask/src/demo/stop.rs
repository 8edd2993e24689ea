//! Stops, as gdb reports them.

use std::fmt;

use super::console::{hexadecimal, last_of_path};
use super::gdb::Answer;
use super::mi::Fields;

/// A stop, as gdb reports it.
pub(super) struct Stop<'a> {
    /// gdb's word for it; empty where there is none.
    pub(super) reason: &'a str,
    /// The function, with its modules.
    function: &'a str,
    /// The program counter.
    pub(super) address: u64,
    /// The line of the source.
    pub(super) line: Option<usize>,
    /// The signal that gdb was told of.
    pub(super) signal: Option<&'a str>,
    /// What a watchpoint saw.
    pub(super) value: Watched<'a>,
    /// What the finished function returned.
    pub(super) returned: Option<&'a str>,
}

/// What a watchpoint saw.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Watched<'a> {
    /// It is no watchpoint.
    Nothing,
    /// The value stayed.
    Same(&'a str),
    /// The value before and after.
    Change(&'a str, &'a str),
}

impl fmt::Display for Watched<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("no value"),
            Self::Same(value) => write!(f, "{value}"),
            Self::Change(old, new) => write!(f, "{old} → {new}"),
        }
    }
}

impl<'a> Stop<'a> {
    /// The stop in `answer`; one without a reason where it has none.
    pub(super) fn of(answer: &'a Answer) -> Self {
        let fields = answer.stopped.as_ref();
        let text = |name| fields.and_then(|fields| fields.text(name));
        let frame = fields.and_then(|fields| fields.tuple("frame"));
        let in_frame = |name| frame.and_then(|frame| frame.text(name));
        let value = fields.and_then(|fields| fields.tuple("value")).map_or(Watched::Nothing, watched);
        Self {
            reason: text("reason").unwrap_or_default(),
            function: in_frame("func").unwrap_or("??"),
            address: in_frame("addr").and_then(hexadecimal).unwrap_or_default(),
            line: in_frame("line").and_then(|line| line.parse().ok()),
            signal: text("signal-name"),
            value,
            returned: text("return-value"),
        }
    }

    /// Whether it is in the function, whatever module that is in.
    pub(super) fn is_in(&self, function: &str) -> bool {
        self.short_function() == function
    }

    /// The function, without the modules that it is in.
    pub(super) fn short_function(&self) -> &'a str {
        last_of_path(self.function)
    }

    /// Function and line.
    pub(super) fn place(&self) -> String {
        match self.line {
            Some(line) => format!("{}:{line}", self.short_function()),
            None => self.short_function().to_owned(),
        }
    }

    /// All that is known of it.
    pub(super) fn describe(&self) -> String {
        if self.address == 0 && self.reason.is_empty() {
            return "no stop".to_owned();
        }
        let reason = if self.reason.is_empty() { "no reason" } else { self.reason };
        let signal = self.signal.map(|signal| format!(" {signal}")).unwrap_or_default();
        let value = match self.value {
            Watched::Nothing => String::new(),
            value => format!(", {value}"),
        };
        let returned = self.returned.map(|value| format!(", returned {value}")).unwrap_or_default();
        format!("a stop at {:#x} in {} ({reason}{signal}{value}{returned})", self.address, self.place())
    }
}

fn watched(value: &Fields) -> Watched<'_> {
    match (value.text("old"), value.text("new"), value.text("value")) {
        (Some(old), Some(new), _) => Watched::Change(old, new),
        (None, Some(value), _) | (_, _, Some(value)) => Watched::Same(value),
        _ => Watched::Nothing,
    }
}
