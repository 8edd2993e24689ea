//! What a script is made of.

use super::check::{Check, Watch};
use super::gdb::Effect;
use super::stop::Watched;

/// Stands for the address of the server in a command.
pub(super) const ADDRESS: &str = "ADDRESS";

/// Some commands with one purpose.
pub(super) struct Step {
    /// What it is for.
    pub(super) title: &'static str,
    /// What is typed, in order.
    pub(super) commands: Vec<Command>,
}

/// One command.
#[derive(Clone)]
pub(super) struct Command {
    /// As a user types it.
    pub(super) text: &'static str,
    /// What it does to the target.
    pub(super) effect: Effect,
    /// What must come back.
    pub(super) check: Check,
    /// Whether its answer is worth a place in the table.
    pub(super) shown: bool,
    /// Whether its answer differs from run to run, though it passes the check.
    pub(super) varies: bool,
}

impl Command {
    /// With its answer in the table.
    pub(super) fn shown(mut self) -> Self {
        self.shown = true;
        self
    }

    /// With an answer that differs from run to run.
    pub(super) fn varies(mut self) -> Self {
        self.varies = true;
        self
    }
}

/// A command that leaves the target as it is.
pub(super) fn ask(text: &'static str, check: Check) -> Command {
    Command { text, effect: Effect::None, check, shown: false, varies: false }
}

/// A command that gdb takes, mostly without a word.
pub(super) fn tell(text: &'static str) -> Command {
    ask(text, Check::Accepted)
}

/// A command that lets the target run until it stops.
pub(super) fn run(text: &'static str, check: Check) -> Command {
    Command { effect: Effect::Runs, shown: true, ..ask(text, check) }
}

/// `detach`.
pub(super) fn detach() -> Command {
    Command { effect: Effect::Detaches, shown: true, ..ask("detach", Check::Says("detached")) }
}

/// `continue`.
pub(super) fn go(check: Check) -> Command {
    run("continue", check)
}

/// Shows the next instruction and steps over it, `times` times.
pub(super) fn step_instructions(times: usize) -> Vec<Command> {
    let pair = [
        ask("x/i $pc", Check::ShowsNextInstruction),
        Command { shown: false, ..run("stepi", Check::FollowsInstruction) },
    ];
    pair.iter().cycle().take(2 * times).cloned().collect()
}

/// A watchpoint that stops the target at a write.
pub(super) fn changes(old: &'static str, new: &'static str) -> Check {
    Check::Watches(Watch::Write, Watched::Change(old, new))
}
