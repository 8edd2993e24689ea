//! The scripted session: what is typed, and what must come back. Data only.
//!
//! Nothing here differs from one target to another or from one run to the next, but for the lines marked as such:
//! counters are compared by gdb, not printed. At no time does it need more than six hardware breakpoints
//! and four watchpoint registers.

use std::time::Duration;

use super::check::{Check, Line, Mask, Watch};
use super::gdb::Effect;
use super::step::{Command, Step, ask, changes, detach, go, run, step_instructions, tell};
use super::stop::Watched;

/// A line of the firmware's `calls.rs`.
const fn calls(text: &'static str) -> Line {
    Line { source: include_str!("../../firmware/src/calls.rs"), text }
}

/// A line of the firmware's `exclusive.rs`.
const fn exclusive(text: &'static str) -> Line {
    Line { source: include_str!("../../firmware/src/exclusive.rs"), text }
}

/// The whole session.
pub(super) fn script() -> Vec<Step> {
    [breakpoints(), watchpoints(), stepping(), registers(), memory(), exceptions(), leaving()]
        .into_iter()
        .flatten()
        .collect()
}

fn breakpoints() -> Vec<Step> {
    vec![
        Step {
            title: "connect at the entry point",
            commands: vec![
                tell("set output-radix 16"),
                ask("target remote ADDRESS", Check::Says("_start ()")).shown(),
            ],
        },
        Step {
            title: "hardware breakpoint",
            commands: vec![
                ask("hbreak write_first", Check::Says("Hardware assisted breakpoint 1 at")),
                go(Check::StopsIn("write_first")),
            ],
        },
        Step {
            title: "software breakpoint",
            commands: vec![
                ask("break chain_inner", Check::Says("Breakpoint 2 at")),
                go(Check::StopsIn("chain_inner")),
            ],
        },
        Step {
            title: "backtrace",
            commands: vec![
                ask(
                    "backtrace",
                    Check::Backtrace(&[
                        "chain_inner",
                        "chain_middle",
                        "chain_outer",
                        "run",
                        "one_round",
                        "firmware_main",
                        "_start",
                    ]),
                )
                .shown(),
            ],
        },
        Step {
            title: "finish, with return values",
            commands: vec![
                run("finish", Check::Returns("0x44d")),
                run("finish", Check::Returns("0x44e")),
                run("finish", Check::Returns("0x44f")),
                tell("delete 2"),
                ask("tbreak float_work", Check::Says("Temporary breakpoint 3 at")),
                Command { shown: false, ..go(Check::StopsIn("float_work")) },
                run("finish", Check::Returns("4.25")),
                Command { shown: false, ..go(Check::StopsIn("write_first")) },
            ],
        },
    ]
}

/// Each step begins in `write_first`, where breakpoint 1 is, before its first store.
fn watchpoints() -> Vec<Step> {
    let again = || Command { shown: false, ..go(Check::StopsIn("write_first")) };
    vec![
        Step {
            title: "watch 1 byte",
            commands: vec![
                ask("watch WATCHED_U8", Check::Says("Hardware watchpoint 4: ")),
                go(changes("0xb1", "0xa1")),
                go(changes("0xa1", "0xb1")),
                tell("delete 4"),
                again(),
            ],
        },
        Step {
            title: "watch 2 bytes",
            commands: vec![
                ask("watch WATCHED_U16", Check::Says("Hardware watchpoint 5: ")),
                go(changes("0xb1b2", "0xa1a2")),
                go(changes("0xa1a2", "0xb1b2")),
                tell("delete 5"),
                again(),
            ],
        },
        Step {
            title: "watch 4 bytes",
            commands: vec![
                ask("watch WATCHED_U32", Check::Says("Hardware watchpoint 6: ")),
                go(changes("0xb1b2b3b4", "0xa1a2a3a4")),
                go(changes("0xa1a2a3a4", "0xb1b2b3b4")),
                tell("delete 6"),
                again(),
            ],
        },
        Step {
            title: "watch 8 bytes",
            commands: vec![
                ask("watch WATCHED_U64", Check::Says("Hardware watchpoint 7: ")),
                go(changes("0xb1b2b3b4b5b6b7b8", "0xa1a2a3a4a5a6a7a8")),
                go(changes("0xa1a2a3a4a5a6a7a8", "0xb1b2b3b4b5b6b7b8")),
                tell("delete 7"),
                again(),
            ],
        },
        Step {
            title: "watch a byte among stored ones",
            commands: vec![
                ask(
                    "watch trapline_firmware::accesses::NEIGHBOURS.middle",
                    Check::Says("Hardware watchpoint 8: "),
                ),
                go(changes("0x44", "0x33")),
                go(changes("0x33", "0x44")),
                tell("delete 8"),
                again(),
            ],
        },
        Step {
            title: "watch a packed field across a doubleword",
            commands: vec![
                ask(
                    "watch trapline_firmware::packed::PACKED.record.value",
                    Check::Says("Hardware watchpoint 9: "),
                ),
                go(changes("0x55667788", "0x11223344")),
                go(changes("0x11223344", "0x55667788")),
                tell("delete 9"),
                again(),
            ],
        },
        Step {
            title: "four watchpoints at once",
            commands: vec![
                ask("watch WATCHED_U8", Check::Says("Hardware watchpoint 10: ")),
                ask("watch WATCHED_U16", Check::Says("Hardware watchpoint 11: ")),
                ask("watch WATCHED_U32", Check::Says("Hardware watchpoint 12: ")),
                ask("watch WATCHED_U64", Check::Says("Hardware watchpoint 13: ")),
                go(changes("0xb1", "0xa1")),
                go(changes("0xb1b2", "0xa1a2")),
                go(changes("0xb1b2b3b4", "0xa1a2a3a4")),
                go(changes("0xb1b2b3b4b5b6b7b8", "0xa1a2a3a4a5a6a7a8")),
                tell("delete 10-13"),
                again(),
            ],
        },
        Step {
            title: "rwatch",
            commands: vec![
                ask("rwatch ONLY_READ", Check::Says("Hardware read watchpoint 14: ")),
                go(Check::Watches(Watch::Read, Watched::Same("0x600df00d"))),
                tell("delete 14"),
                again(),
            ],
        },
        Step {
            title: "awatch",
            commands: vec![
                ask("awatch WATCHED_U16", Check::Says("Hardware access (read/write) watchpoint 15: ")),
                go(Check::Watches(Watch::Access, Watched::Change("0xb1b2", "0xa1a2"))),
                go(Check::Watches(Watch::Access, Watched::Change("0xa1a2", "0xb1b2"))),
                go(Check::Watches(Watch::Access, Watched::Same("0xb1b2"))),
                tell("delete 15"),
                again(),
            ],
        },
        Step {
            title: "six hardware breakpoints at once",
            commands: vec![
                ask("hbreak write_second", Check::Says("Hardware assisted breakpoint 16 at")),
                ask("hbreak read_watched", Check::Says("Hardware assisted breakpoint 17 at")),
                ask("hbreak update_packed", Check::Says("Hardware assisted breakpoint 18 at")),
                ask("hbreak copy_bytes", Check::Says("Hardware assisted breakpoint 19 at")),
                ask("hbreak call_through_alias", Check::Says("Hardware assisted breakpoint 20 at")),
                go(Check::StopsIn("write_second")),
                go(Check::StopsIn("read_watched")),
                go(Check::StopsIn("update_packed")),
                go(Check::StopsIn("copy_bytes")),
                go(Check::StopsIn("call_through_alias")),
                go(Check::StopsIn("write_first")),
                tell("delete"),
            ],
        },
    ]
}

fn stepping() -> Vec<Step> {
    let mut stepi = vec![
        ask("tbreak checksum_ring", Check::Says("Temporary breakpoint 22 at")),
        go(Check::StopsIn("checksum_ring")),
        tell("set $ticks = trapline_firmware::timer::TICKS"),
    ];
    stepi.extend(step_instructions(10));
    stepi.extend([
        ask("tbreak restore_interrupts", Check::Says("Temporary breakpoint 23 at")),
        go(Check::StopsIn("restore_interrupts")),
    ]);
    stepi.extend(step_instructions(6));
    stepi.extend([
        ask("tbreak one_round", Check::Says("Temporary breakpoint 24 at")),
        go(Check::StopsIn("one_round")),
        ask("print trapline_firmware::timer::TICKS > $ticks", Check::Prints("0x1")),
        ask("print trapline_firmware::rounds::FAILED_CHECKS", Check::Prints("0x0")),
    ]);
    vec![
        Step {
            title: "next, step, finish",
            commands: vec![
                ask("tbreak stepping_ground", Check::Says("Temporary breakpoint 21 at")),
                go(Check::StopsIn("stepping_ground")),
                run("next", Check::StepsTo("stepping_ground", calls("let second = stepping_callee(first);"))),
                run("step", Check::StepsTo("stepping_callee", calls("let square = value * value;"))),
                run("next", Check::StepsTo("stepping_callee", calls("square + 1"))),
                run("finish", Check::Returns("0xa")),
                run("next", Check::StepsTo("stepping_ground", calls("let third = first + second;"))),
                run("next", Check::StepsTo("stepping_ground", calls("third * 2"))),
                ask("info locals", Check::Says("third = 0xd")).shown(),
            ],
        },
        Step { title: "stepi while interrupts are masked and unmasked", commands: stepi },
        Step {
            title: "stepi and next through LDXR … STXR",
            commands: vec![
                ask("tbreak exclusive_load", Check::Says("Temporary breakpoint 25 at")),
                go(Check::StopsIn("exclusive_add")),
                ask("x/i $pc", Check::Says("ldxr")),
                Command { shown: false, ..run("stepi", Check::Stepped) },
                ask("x/i $pc", Check::Says("cbnz")).shown(),
                ask("tbreak exclusive_add", Check::Says("Temporary breakpoint 26 at")),
                go(Check::StopsIn("exclusive_add")),
                run(
                    "next",
                    Check::StepsTo("exclusive_add", exclusive("unsafe { EXCLUSIVE_TRIES += tries };")),
                ),
            ],
        },
    ]
}

fn registers() -> Vec<Step> {
    vec![
        Step {
            title: "info registers",
            commands: vec![
                ask("tbreak known_registers_here", Check::Says("Temporary breakpoint 27 at")),
                go(Check::StopsIn("known_registers")),
                ask(
                    "info registers x0 x1 x2 x3 x4 x5 x6 x7 x8 x9 x10 x11 x12 x13 x14 x15 x16 x17 x18",
                    Check::Registers(&KNOWN_X0_TO_X18),
                )
                .shown(),
                ask(
                    "info registers x20 x21 x22 x23 x24 x25 x26 x27 x28",
                    Check::Registers(&KNOWN_X20_TO_X28),
                )
                .shown(),
                ask("info registers sp cpsr", Check::Registers(&KNOWN_STATE)).shown(),
            ],
        },
        Step {
            title: "vector registers",
            commands: vec![
                ask(
                    "print $v0.b.u",
                    Check::Prints(
                        "[0x0, 0x1, 0x2, 0x3, 0x4, 0x5, 0x6, 0x7, 0x8, 0x9, 0xa, 0xb, 0xc, 0xd, 0xe, 0xf]",
                    ),
                ),
                ask("print $v1.d.f", Check::Prints("[1.5, -2.25]")).shown(),
                ask("print $v31.s.u", Check::Prints("[0x11111111, 0x22222222, 0x33333333, 0x44444444]"))
                    .shown(),
                ask("info registers fpsr fpcr", Check::Registers(&KNOWN_FLOATING_POINT)),
            ],
        },
        Step {
            title: "write registers, the firmware acts on them",
            commands: vec![
                tell("set $stack = $sp"),
                tell("set $x20 = 0xfeedfacecafe"),
                tell("set $v31.d.u[1] = 0x5a5a5a5a5a5a5a5a"),
                run("finish", Check::ReturnsNothing),
                ask("print trapline_firmware::known::SEEN.x20", Check::Prints("0xfeedfacecafe")).shown(),
                ask("print trapline_firmware::known::SEEN.v31.0", Check::Prints("0x2222222211111111")),
                ask("print trapline_firmware::known::SEEN.v31.1", Check::Prints("0x5a5a5a5a5a5a5a5a"))
                    .shown(),
                ask("print trapline_firmware::known::SEEN.sp == $stack as u64", Check::Prints("0x1")),
            ],
        },
    ]
}

const KNOWN_X0_TO_X18: [(&str, Mask, u64); 19] = [
    ("x0", Mask::ALL, 0x0123_4567_89ab_cd00),
    ("x1", Mask::ALL, 0x0123_4567_89ab_cd01),
    ("x2", Mask::ALL, 0x0123_4567_89ab_cd02),
    ("x3", Mask::ALL, 0x0123_4567_89ab_cd03),
    ("x4", Mask::ALL, 0x0123_4567_89ab_cd04),
    ("x5", Mask::ALL, 0x0123_4567_89ab_cd05),
    ("x6", Mask::ALL, 0x0123_4567_89ab_cd06),
    ("x7", Mask::ALL, 0x0123_4567_89ab_cd07),
    ("x8", Mask::ALL, 0x0123_4567_89ab_cd08),
    ("x9", Mask::ALL, 0x0123_4567_89ab_cd09),
    ("x10", Mask::ALL, 0x0123_4567_89ab_cd0a),
    ("x11", Mask::ALL, 0x0123_4567_89ab_cd0b),
    ("x12", Mask::ALL, 0x0123_4567_89ab_cd0c),
    ("x13", Mask::ALL, 0x0123_4567_89ab_cd0d),
    ("x14", Mask::ALL, 0x0123_4567_89ab_cd0e),
    ("x15", Mask::ALL, 0x0123_4567_89ab_cd0f),
    ("x16", Mask::ALL, 0x0123_4567_89ab_cd10),
    ("x17", Mask::ALL, 0x0123_4567_89ab_cd11),
    ("x18", Mask::ALL, 0x0123_4567_89ab_cd12),
];

const KNOWN_X20_TO_X28: [(&str, Mask, u64); 9] = [
    ("x20", Mask::ALL, 0x0123_4567_89ab_cd14),
    ("x21", Mask::ALL, 0x0123_4567_89ab_cd15),
    ("x22", Mask::ALL, 0x0123_4567_89ab_cd16),
    ("x23", Mask::ALL, 0x0123_4567_89ab_cd17),
    ("x24", Mask::ALL, 0x0123_4567_89ab_cd18),
    ("x25", Mask::ALL, 0x0123_4567_89ab_cd19),
    ("x26", Mask::ALL, 0x0123_4567_89ab_cd1a),
    ("x27", Mask::ALL, 0x0123_4567_89ab_cd1b),
    ("x28", Mask::ALL, 0x0123_4567_89ab_cd1c),
];

/// The stack is in the 128 KiB from 0x4020_0000 on; Z and C are set, nothing is masked, EL1 on its own stack.
const KNOWN_STATE: [(&str, Mask, u64); 2] =
    [("sp", Mask(!0x1_ffff), 0x4020_0000), ("cpsr", Mask(0xf000_03df), 0x6000_0005)];

const KNOWN_FLOATING_POINT: [(&str, Mask, u64); 2] = [("fpsr", Mask::ALL, 0), ("fpcr", Mask::ALL, 0)];

fn memory() -> Vec<Step> {
    let mut alias = vec![
        ask(
            "hbreak *(trapline_firmware::alias::alias_work as u64 + 0xffff800000000000)",
            Check::Says("Hardware assisted breakpoint 29 at 0xffff8000"),
        ),
        go(Check::StopsInTheHighHalf),
    ];
    alias.extend(step_instructions(4));
    alias.extend([
        ask(
            "watch *((&trapline_firmware::alias::ALIAS_RESULT as u64 + 0xffff800000000000) as *mut u64)",
            Check::Says("Hardware watchpoint 30: "),
        ),
        go(changes("0x0", "0xedcb")),
        tell("delete 29 30"),
    ]);
    vec![
        Step {
            title: "write a variable, the firmware acts on it",
            commands: vec![
                tell("set var trapline_firmware::calls::CHAIN_INPUT = 6"),
                ask("tbreak chain_inner", Check::Says("Temporary breakpoint 28 at")),
                go(Check::StopsIn("chain_inner")),
                ask("print right", Check::Prints("0xc")),
                run("finish", Check::Returns("0x541")),
                tell("set var trapline_firmware::calls::CHAIN_INPUT = 5"),
            ],
        },
        Step {
            title: "memory, low and high",
            commands: vec![
                ask("x/4xg &trapline_firmware::known::KNOWN_X", Check::Words(&KNOWN_WORDS)).shown(),
                ask(
                    "x/4xg &trapline_firmware::known::KNOWN_X as u64 + 0xffff800000000000",
                    Check::Words(&KNOWN_WORDS),
                )
                .shown(),
                ask("x/s &trapline_firmware::copy::COPY_SOURCE", Check::Says("a copy, byte after byte")),
                tell(
                    "set var *((&trapline_firmware::calls::CHAIN_INPUT as u64 + 0xffff800000000000) as *mut u64) = 7",
                ),
                ask("print trapline_firmware::calls::CHAIN_INPUT", Check::Prints("0x7")),
                tell("set var trapline_firmware::calls::CHAIN_INPUT = 5"),
                ask(
                    "x/xg &trapline_firmware::calls::CHAIN_INPUT as u64 + 0xffff800000000000",
                    Check::Words(&[5]),
                ),
            ],
        },
        Step { title: "break, stepi and watch in the high half", commands: alias },
    ]
}

const KNOWN_WORDS: [u64; 4] =
    [0x0123_4567_89ab_cd00, 0x0123_4567_89ab_cd01, 0x0123_4567_89ab_cd02, 0x0123_4567_89ab_cd03];

fn exceptions() -> Vec<Step> {
    vec![
        Step {
            title: "the firmware's own BRK",
            commands: vec![
                ask("break own_brk", Check::Says("Breakpoint 31 at")),
                ask("hbreak known_registers", Check::Says("Hardware assisted breakpoint 32 at")),
                ask(
                    "watch trapline_firmware::rounds::FAILED_CHECKS",
                    Check::Says("Hardware watchpoint 33: "),
                ),
                go(Check::StopsIn("own_brk")),
                tell("set $taken = trapline_firmware::own_brk::OWN_BRK.taken"),
                go(Check::StopsIn("known_registers")),
                ask("print trapline_firmware::own_brk::OWN_BRK.taken - $taken", Check::Prints("0x1")),
                ask(
                    "print trapline_firmware::own_brk::OWN_BRK.verdict",
                    Check::Prints("trapline_firmware::verdict::Verdict::AsHardware"),
                )
                .shown(),
                ask("print trapline_firmware::own_brk::OWN_BRK.bad", Check::Prints("0x0")),
                tell("delete"),
            ],
        },
        Step {
            title: "break in the timer's interrupt",
            commands: vec![
                ask("break timer_tick", Check::Says("Breakpoint 34 at")),
                go(Check::StopsIn("timer_tick")),
                ask("backtrace 2", Check::Backtrace(&["timer_tick", "irq_exception"])).shown().varies(),
                tell("set $ticks = trapline_firmware::timer::TICKS"),
                go(Check::StopsIn("timer_tick")),
                ask("print trapline_firmware::timer::TICKS - $ticks", Check::Prints("0x1")),
                run("finish", Check::ReturnsNothing).varies(),
            ],
        },
        Step {
            title: "delete all",
            commands: vec![
                tell("delete"),
                ask("info breakpoints", Check::Says("No breakpoints or watchpoints.")).shown(),
            ],
        },
        Step {
            title: "Ctrl-C",
            commands: vec![
                tell("set $ticks = trapline_firmware::timer::TICKS"),
                Command {
                    effect: Effect::RunsUntilInterrupted(Duration::from_millis(500)),
                    ..go(Check::Interrupted).varies()
                },
                ask("print trapline_firmware::timer::TICKS > $ticks", Check::Prints("0x1")),
            ],
        },
    ]
}

fn leaving() -> Vec<Step> {
    vec![
        Step {
            title: "detach with everything armed",
            commands: vec![
                ask("x/2i trapline_firmware::calls::chain_inner", Check::ShowsCode),
                tell("set breakpoint always-inserted on"),
                ask("break *trapline_firmware::calls::chain_inner", Check::Says("Breakpoint 35 at")),
                ask("hbreak write_first", Check::Says("Hardware assisted breakpoint 36 at")),
                ask("watch trapline_firmware::rounds::ROUNDS", Check::Says("Hardware watchpoint 37: ")),
                tell("set $ticks = trapline_firmware::timer::TICKS"),
                detach(),
                tell("delete"),
                tell("set breakpoint always-inserted off"),
            ],
        },
        Step {
            title: "attach again: it ran on, nothing is left",
            commands: vec![
                tell("shell sleep 1"),
                ask("target remote ADDRESS", Check::Says("Remote debugging using")).varies(),
                ask("print trapline_firmware::timer::TICKS > $ticks", Check::Prints("0x1")),
                ask("x/2i trapline_firmware::calls::chain_inner", Check::ShowsSameCode).shown(),
                ask("tbreak one_round", Check::Says("Temporary breakpoint 38 at")),
                go(Check::StopsIn("one_round")),
                ask("tbreak checksum_ring", Check::Says("Temporary breakpoint 39 at")),
                go(Check::StopsIn("checksum_ring")),
                ask("print trapline_firmware::rounds::FAILED_CHECKS", Check::Prints("0x0")),
                ask("print trapline_firmware::own_brk::OWN_BRK.bad", Check::Prints("0x0")),
            ],
        },
        Step { title: "leave", commands: vec![detach()] },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commands() -> Vec<Command> {
        script().into_iter().flat_map(|step| step.commands).collect()
    }

    #[test]
    fn every_line_to_step_to_is_in_the_source() {
        for command in commands() {
            if let Check::StepsTo(_, line) = command.check {
                assert!(line.number().is_some(), "{}", line.text);
            }
        }
    }

    #[test]
    fn breakpoints_are_numbered_as_gdb_numbers_them() {
        let mut number = 0;
        for command in commands() {
            let first = command.text.split(' ').next().unwrap();
            if first.ends_with("break") || first.ends_with("watch") {
                number += 1;
                let Check::Says(says) = command.check else { panic!("{} is not checked", command.text) };
                let digits: String = says.chars().filter(char::is_ascii_digit).collect();
                let expected = if says.contains("0x") { format!("{number}0") } else { number.to_string() };
                assert!(digits.starts_with(&expected), "{} is number {number}, not {says}", command.text);
            }
        }
        assert!(number > 30);
    }

    #[test]
    fn every_step_has_something_to_show() {
        for step in script() {
            assert!(step.commands.iter().any(|command| command.shown), "{}", step.title);
        }
    }
}
