//! A second script: the firmware uses debug registers of its own while it is debugged. For targets that give a guest that.

use super::check::Check;
use super::step::{Command, Step, ask, changes, detach, go, step_instructions, tell};

/// Until the firmware has tried its own breakpoint, watchpoint and step once more.
fn until_tried(number: &'static str) -> [Command; 4] {
    [
        ask("tbreak known_registers", Check::Says(number)),
        Command { shown: false, ..go(Check::StopsIn("known_registers")) },
        ask(
            "print trapline_firmware::own_debug::OWN_DEBUG.verdict",
            Check::Prints("trapline_firmware::own_debug::Verdict::AsHardware"),
        )
        .shown(),
        ask("print trapline_firmware::own_debug::OWN_DEBUG.bad", Check::Prints("0x0")),
    ]
}

/// The whole session, with a target that runs.
pub(super) fn script() -> Vec<Step> {
    let mut both = vec![
        ask("hbreak own_break_here", Check::Says("Hardware assisted breakpoint 6 at")),
        go(Check::StopsIn("own_break_here")),
        // The guest's own exception came in between.
        go(Check::StopsIn("own_break_here")),
        tell("delete"),
    ];
    both.extend(until_tried("Temporary breakpoint 7 at"));
    let mut step = vec![
        ask("tbreak own_step_second", Check::Says("Temporary breakpoint 8 at")),
        go(Check::StopsIn("step")),
    ];
    step.extend(step_instructions(3));
    step.extend(until_tried("Temporary breakpoint 9 at"));
    let mut ours = vec![
        ask("hbreak write_second", Check::Says("Hardware assisted breakpoint 2 at")),
        ask("break chain_inner", Check::Says("Breakpoint 3 at")),
        ask("watch trapline_firmware::accesses::WATCHED_U32", Check::Says("Hardware watchpoint 4: ")),
    ];
    for _ in 0..2 {
        ours.extend([
            go(changes("0xb1b2b3b4", "0xa1a2a3a4")),
            go(Check::StopsIn("write_second")),
            go(changes("0xa1a2a3a4", "0xb1b2b3b4")),
            go(Check::StopsIn("chain_inner")),
        ]);
    }
    ours.push(tell("delete"));
    ours.extend(until_tried("Temporary breakpoint 5 at"));
    vec![
        Step {
            title: "a guest that is to use debug registers of its own",
            commands: vec![
                tell("set output-radix 16"),
                ask("target remote ADDRESS", Check::Says("Remote debugging using")).varies(),
                ask("tbreak one_round", Check::Says("Temporary breakpoint 1 at")),
                go(Check::StopsIn("one_round")),
                tell("set var trapline_firmware::own_debug::OWN_DEBUG_WANTED = 1"),
            ],
        },
        Step { title: "only what is ours stops it", commands: ours },
        Step { title: "both have a breakpoint at one place", commands: both },
        Step { title: "ours at the end of the guest's own step, and steps from there", commands: step },
        Step {
            title: "leave it as it was",
            commands: vec![
                tell("set var trapline_firmware::own_debug::OWN_DEBUG_WANTED = 0"),
                tell("delete"),
                detach(),
            ],
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_has_something_to_show() {
        for step in script() {
            assert!(step.commands.iter().any(|command| command.shown), "{}", step.title);
        }
    }
}
