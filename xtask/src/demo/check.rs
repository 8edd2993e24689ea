//! Checks of what came back from one command.

use super::console::{
    NextInstruction, backtrace, hexadecimal, last_of_path, next_instruction, printed, register,
    without_arrows, words,
};
use super::gdb::Answer;
use super::stop::{Stop, Watched};

/// What a command must have for an answer.
#[derive(Clone, Debug)]
pub(super) enum Check {
    /// gdb does not refuse.
    Accepted,
    /// The text is in what the user reads.
    Says(&'static str),
    /// `print` shows this value.
    Prints(&'static str),
    /// `info registers` shows these values, in the bits that are set in the mask.
    Registers(&'static [(&'static str, Mask, u64)]),
    /// `x` shows these words.
    Words(&'static [u64]),
    /// The backtrace goes through these functions, innermost first, and ends there.
    Backtrace(&'static [&'static str]),
    /// Stopped at a breakpoint in this function.
    StopsIn(&'static str),
    /// Stopped at a breakpoint in the high half of the address space.
    StopsInTheHighHalf,
    /// A watchpoint of this kind triggers and has seen this.
    Watches(Watch, Watched<'static>),
    /// Stepped, to wherever.
    Stepped,
    /// Stepped to this line of a function.
    StepsTo(&'static str, Line),
    /// A function has returned this value.
    Returns(&'static str),
    /// A function has returned nothing.
    ReturnsNothing,
    /// Stopped by Ctrl-C.
    Interrupted,
    /// `x/i` shows the instruction that the next step executes.
    ShowsNextInstruction,
    /// The step went where that instruction goes.
    FollowsInstruction,
    /// `x/i` shows code, to be compared with later.
    ShowsCode,
    /// `x/i` shows the same code as before.
    ShowsSameCode,
}

/// The kinds of watchpoints.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Watch {
    /// `watch`.
    Write,
    /// `rwatch`.
    Read,
    /// `awatch`.
    Access,
}

impl Watch {
    /// gdb's word for a stop by it.
    fn reason(self) -> &'static str {
        match self {
            Self::Write => "watchpoint-trigger",
            Self::Read => "read-watchpoint-trigger",
            Self::Access => "access-watchpoint-trigger",
        }
    }
}

/// The bits of a register that are compared.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mask(pub(super) u64);

impl Mask {
    /// All of them.
    pub(super) const ALL: Self = Self(u64::MAX);
}

/// A line of the firmware's source, found by its text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    /// The whole file.
    pub(super) source: &'static str,
    /// The line, without its indentation.
    pub(super) text: &'static str,
}

impl Line {
    /// Its number, or `None` where the text is not in the file.
    pub(super) fn number(self) -> Option<usize> {
        self.source.lines().position(|line| line.trim() == self.text).map(|index| index + 1)
    }
}

/// What was expected and what was seen instead.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Mismatch {
    pub(super) expected: String,
    pub(super) seen: String,
}

/// What checks remember from one command to the next.
#[derive(Default)]
pub(super) struct Memory {
    /// Where the next step may go.
    next: Option<NextInstruction>,
    /// Code as it was without breakpoints.
    code: Option<String>,
}

impl Check {
    /// Whether [`compare`](Self::compare) must be given x30.
    pub(super) fn needs_link(&self) -> bool {
        matches!(self, Self::ShowsNextInstruction)
    }

    /// Compares; `Ok` says in a few words what was seen. `link` is x30, where a `ret` goes.
    pub(super) fn compare(
        &self,
        answer: &Answer,
        link: Option<&str>,
        memory: &mut Memory,
    ) -> Result<String, Mismatch> {
        if let Some(error) = &answer.error {
            return Err(Mismatch { expected: self.expected(memory), seen: format!("an error: {error}") });
        }
        let console = answer.console.as_str();
        let stop = Stop::of(answer);
        let seen = match self {
            Self::Accepted => Some(String::new()),
            Self::Says(text) => console.contains(text).then(|| (*text).to_owned()),
            Self::Prints(value) => (printed(console) == Some(value)).then(|| last_of_path(value).to_owned()),
            Self::Registers(wanted) => registers(console, wanted),
            Self::Words(wanted) => {
                (words(console).as_deref() == Some(wanted)).then(|| format!("{} words", wanted.len()))
            }
            Self::Backtrace(functions) => (backtrace(console) == *functions).then(|| functions.join(" ← ")),
            Self::StopsIn(function) => {
                (stop.reason == "breakpoint-hit" && stop.is_in(function)).then(|| (*function).to_owned())
            }
            Self::StopsInTheHighHalf => (stop.reason == "breakpoint-hit" && stop.address >> 47 == 0x1_ffff)
                .then(|| format!("{:#x}", stop.address)),
            Self::Watches(watch, value) => {
                (stop.reason == watch.reason() && stop.value == *value).then(|| value.to_string())
            }
            Self::Stepped => (stop.reason == "end-stepping-range").then(|| stop.place()),
            Self::StepsTo(function, line) => (stop.reason == "end-stepping-range"
                && stop.is_in(function)
                && stop.line.is_some()
                && stop.line == line.number())
            .then(|| stop.place()),
            Self::Returns(value) => (stop.reason == "function-finished" && stop.returned == Some(value))
                .then(|| (*value).to_owned()),
            Self::ReturnsNothing => {
                (stop.reason == "function-finished").then(|| format!("back in {}", stop.short_function()))
            }
            Self::Interrupted => (stop.reason == "signal-received" && stop.signal == Some("SIGINT"))
                .then(|| "stopped by SIGINT".to_owned()),
            Self::ShowsNextInstruction => {
                memory.next = next_instruction(console, link.and_then(hexadecimal));
                memory.next.as_ref().map(|next| next.text.clone())
            }
            Self::FollowsInstruction => memory
                .next
                .take_if(|next| stop.reason == "end-stepping-range" && next.targets.contains(&stop.address))
                .map(|next| next.text),
            Self::ShowsCode => {
                memory.code = Some(without_arrows(console));
                Some("code read".to_owned())
            }
            Self::ShowsSameCode => (memory.code.as_deref() == Some(&without_arrows(console)))
                .then(|| "same code as before".to_owned()),
        };
        seen.ok_or_else(|| Mismatch { expected: self.expected(memory), seen: self.seen(answer, &stop) })
    }

    fn expected(&self, memory: &Memory) -> String {
        match self {
            Self::Accepted => "no refusal".to_owned(),
            Self::Says(text) => format!("{text:?}"),
            Self::Prints(value) => format!("the value {value}"),
            Self::Registers(wanted) => wanted
                .iter()
                .map(|(name, Mask(mask), value)| match *mask {
                    u64::MAX => format!("{name} = {value:#x}"),
                    mask => format!("{name} & {mask:#x} = {value:#x}"),
                })
                .collect::<Vec<_>>()
                .join(", "),
            Self::Words(words) => format!("the words {words:#x?}"),
            Self::Backtrace(functions) => format!("the frames {}", functions.join(" ← ")),
            Self::StopsIn(function) => format!("a stop at a breakpoint in {function}"),
            Self::StopsInTheHighHalf => "a stop at a breakpoint at 0xffff8000…".to_owned(),
            Self::Watches(watch, value) => format!("a stop ({}, {value})", watch.reason()),
            Self::Stepped => "a step".to_owned(),
            Self::StepsTo(function, line) => match line.number() {
                Some(number) => format!("a step to {function}, line {number}: {}", line.text),
                None => format!("a step to a line of the source that does not exist: {}", line.text),
            },
            Self::Returns(value) => format!("a return with {value}"),
            Self::ReturnsNothing => "a return".to_owned(),
            Self::Interrupted => "a stop by SIGINT".to_owned(),
            Self::ShowsNextInstruction => "one disassembled instruction".to_owned(),
            Self::FollowsInstruction => match &memory.next {
                Some(next) => {
                    let targets: Vec<_> = next.targets.iter().map(|target| format!("{target:#x}")).collect();
                    format!("a step over `{}` to {}", next.text, targets.join(" or "))
                }
                None => "an instruction to step over".to_owned(),
            },
            Self::ShowsCode => "code".to_owned(),
            Self::ShowsSameCode => {
                format!("the same code as before, {:?}", memory.code.as_deref().unwrap_or_default())
            }
        }
    }

    fn seen(&self, answer: &Answer, stop: &Stop<'_>) -> String {
        match self {
            Self::StopsIn(_)
            | Self::StopsInTheHighHalf
            | Self::Watches(..)
            | Self::Stepped
            | Self::StepsTo(..)
            | Self::Returns(_)
            | Self::ReturnsNothing
            | Self::Interrupted
            | Self::FollowsInstruction => stop.describe(),
            _ if answer.console.trim().is_empty() => "no answer".to_owned(),
            _ => format!("{:?}", answer.console.trim()),
        }
    }
}

/// Says what `wanted` are, if all of them are there.
fn registers(console: &str, wanted: &[(&str, Mask, u64)]) -> Option<String> {
    let mut seen = Vec::new();
    for (name, Mask(mask), value) in wanted {
        let found = register(console, name)?;
        if found & mask != *value {
            return None;
        }
        seen.push(format!("{name} {found:#x}"));
    }
    Some(match seen.as_slice() {
        [first, .., last] if seen.len() > 3 => format!("{first} … {last}"),
        few => few.join(", "),
    })
}

#[cfg(test)]
mod tests {
    use super::super::mi::Record;
    use super::*;

    fn stopped(record: &str) -> Answer {
        let Record::Event { fields, .. } = Record::parse(record) else { panic!("not an event: {record}") };
        Answer { stopped: Some(fields), ..Answer::default() }
    }

    fn said(console: &str) -> Answer {
        Answer { console: console.to_owned(), ..Answer::default() }
    }

    fn compare(check: &Check, answer: &Answer) -> Result<String, Mismatch> {
        check.compare(answer, None, &mut Memory::default())
    }

    #[test]
    fn a_watchpoint_must_have_both_values_and_the_right_kind() {
        let hit = |reason, value| {
            stopped(&format!(
                r#"*stopped,reason="{reason}",value={{{value}}},frame={{addr="0x40001acc",func="a::f",line="7"}}"#
            ))
        };
        let change = Check::Watches(Watch::Write, Watched::Change("0xb1", "0xa1"));
        let good = hit("watchpoint-trigger", r#"old="0xb1",new="0xa1""#);
        assert_eq!(compare(&change, &good).as_deref(), Ok("0xb1 → 0xa1"));
        let wrong = hit("watchpoint-trigger", r#"old="0xb1",new="0xa2""#);
        assert_eq!(
            compare(&change, &wrong),
            Err(Mismatch {
                expected: "a stop (watchpoint-trigger, 0xb1 → 0xa1)".into(),
                seen: "a stop at 0x40001acc in f:7 (watchpoint-trigger, 0xb1 → 0xa2)".into()
            })
        );
        assert!(compare(&change, &hit("access-watchpoint-trigger", r#"old="0xb1",new="0xa1""#)).is_err());
        let read = hit("read-watchpoint-trigger", r#"value="0x5""#);
        assert!(compare(&Check::Watches(Watch::Read, Watched::Same("0x5")), &read).is_ok());
        assert!(compare(&Check::Watches(Watch::Read, Watched::Same("0x6")), &read).is_err());
        assert!(compare(&Check::Watches(Watch::Access, Watched::Same("0x5")), &read).is_err());
        let access = hit("access-watchpoint-trigger", r#"new="0x5""#);
        assert!(compare(&Check::Watches(Watch::Access, Watched::Same("0x5")), &access).is_ok());
        assert!(compare(&Check::Watches(Watch::Access, Watched::Change("0x5", "0x5")), &access).is_err());
    }

    #[test]
    fn a_stop_must_be_at_a_breakpoint_and_in_the_function_itself() {
        let stop = |reason, function| {
            stopped(&format!(r#"*stopped,reason="{reason}",frame={{addr="0x40",func="{function}"}}"#))
        };
        let check = Check::StopsIn("write_first");
        assert!(compare(&check, &stop("breakpoint-hit", "a::b::write_first")).is_ok());
        assert!(compare(&check, &stop("breakpoint-hit", "write_first")).is_ok());
        assert!(compare(&check, &stop("breakpoint-hit", "a::rewrite_first")).is_err());
        assert!(compare(&check, &stop("signal-received", "a::write_first")).is_err());
        assert_eq!(compare(&check, &said("")).unwrap_err().seen, "no stop");
    }

    #[test]
    fn a_refusal_is_a_difference_whatever_was_expected() {
        let answer = Answer { error: Some("No symbol.".into()), ..Answer::default() };
        assert_eq!(compare(&Check::Accepted, &answer).unwrap_err().seen, "an error: No symbol.");
    }

    #[test]
    fn a_value_is_compared_whole() {
        assert!(compare(&Check::Prints("0x1"), &said("$3 = 0x1\n")).is_ok());
        assert!(compare(&Check::Prints("0x1"), &said("$3 = 0x11\n")).is_err());
        assert!(compare(&Check::Prints("0x1"), &said("")).is_err());
    }

    #[test]
    fn registers_are_compared_in_their_mask() {
        let shown =
            said("x0             0x7                 0x7\ncpsr           0x60401005          [ EL=1 C Z ]\n");
        let state = |value| {
            let wanted = Box::leak(Box::new([("x0", Mask::ALL, 7), ("cpsr", Mask(0xf000_000f), value)]));
            Check::Registers(wanted)
        };
        assert!(compare(&state(0x6000_0005), &shown).is_ok());
        assert!(compare(&state(0x2000_0005), &shown).is_err());
        assert!(compare(&Check::Registers(&[("x1", Mask::ALL, 7)]), &shown).is_err());
    }

    #[test]
    fn a_backtrace_is_compared_to_its_end() {
        let shown = said(
            "#0  a::inner (left=0x6e, right=0xa) at a.rs:51\n#1  0x0000000040002040 in a::outer () at a.rs:45\n\
             #2  0x0000000040000124 in _start ()\n",
        );
        assert!(compare(&Check::Backtrace(&["inner", "outer", "_start"]), &shown).is_ok());
        assert!(compare(&Check::Backtrace(&["inner", "outer"]), &shown).is_err());
        assert!(compare(&Check::Backtrace(&["outer", "inner", "_start"]), &shown).is_err());
    }

    #[test]
    fn a_step_must_go_where_the_instruction_goes() {
        let mut memory = Memory::default();
        let code = said("=> 0x1000 <f+4>:\tnop\n");
        let step = stopped(r#"*stopped,reason="end-stepping-range",frame={addr="0x1004",func="f"}"#);
        let vector = stopped(r#"*stopped,reason="end-stepping-range",frame={addr="0x280",func="v"}"#);
        Check::ShowsNextInstruction.compare(&code, None, &mut memory).unwrap();
        let mismatch = Check::FollowsInstruction.compare(&vector, None, &mut memory).unwrap_err();
        assert_eq!(mismatch.expected, "a step over `nop` to 0x1004");
        assert!(Check::FollowsInstruction.compare(&step, None, &mut memory).is_ok());
        assert!(
            Check::FollowsInstruction.compare(&step, None, &mut memory).is_err(),
            "shown once, stepped twice"
        );
    }

    #[test]
    fn code_is_the_same_wherever_the_program_counter_is() {
        let mut memory = Memory::default();
        assert!(Check::ShowsSameCode.compare(&said("x"), None, &mut memory).is_err());
        Check::ShowsCode.compare(&said("=> 0x10:\tnop\n   0x14:\tret\n"), None, &mut memory).unwrap();
        let same = said("   0x10:\tnop\n   0x14:\tret\n");
        assert!(Check::ShowsSameCode.compare(&same, None, &mut memory).is_ok());
        let patched = said("   0x10:\tbrk\t#0x0\n   0x14:\tret\n");
        assert!(Check::ShowsSameCode.compare(&patched, None, &mut memory).is_err());
    }

    #[test]
    fn a_line_that_left_the_source_is_no_line() {
        let line = Line { source: "a\n  b\n", text: "b" };
        assert_eq!(line.number(), Some(2));
        let gone = Line { text: "c", ..line };
        assert_eq!(gone.number(), None);
        let unknown = stopped(r#"*stopped,reason="end-stepping-range",frame={addr="0x4",func="f"}"#);
        assert!(compare(&Check::StepsTo("f", gone), &unknown).is_err());
    }
}
