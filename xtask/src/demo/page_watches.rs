//! A third script: more watchpoints than comparators. For targets that make pages trap writes.

use super::check::Check;
use super::step::{Step, ask, changes, detach, go, tell};

/// The whole session, with a target that runs.
pub(super) fn script() -> Vec<Step> {
    vec![
        Step {
            title: "watchpoints for six comparators, where there are four",
            commands: vec![
                tell("set output-radix 16"),
                ask("target remote ADDRESS", Check::Says("Remote debugging using")).varies(),
                ask("tbreak update_packed", Check::Says("Temporary breakpoint 1 at")),
                go(Check::StopsIn("update_packed")),
                ask("watch trapline_firmware::accesses::WATCHED_U8", Check::Says("Hardware watchpoint 2: ")),
                ask("watch trapline_firmware::accesses::WATCHED_U16", Check::Says("Hardware watchpoint 3: ")),
                ask("watch trapline_firmware::accesses::WATCHED_U32", Check::Says("Hardware watchpoint 4: ")),
                ask("watch trapline_firmware::accesses::WATCHED_U64", Check::Says("Hardware watchpoint 5: ")),
                ask(
                    "watch trapline_firmware::packed::PACKED.record.value",
                    Check::Says("Hardware watchpoint 6: "),
                ),
                go(changes("0x55667788", "0x11223344")),
                go(changes("0x11223344", "0x55667788")),
                ask("monitor slots", Check::Says("by pages while the target ran: 0x")),
            ],
        },
        Step {
            title: "each of them, by a comparator or by pages",
            commands: vec![
                ask("tbreak write_first", Check::Says("Temporary breakpoint 7 at")),
                go(Check::StopsIn("write_first")),
                go(changes("0xb1", "0xa1")),
                go(changes("0xb1b2", "0xa1a2")),
                go(changes("0xb1b2b3b4", "0xa1a2a3a4")),
                go(changes("0xb1b2b3b4b5b6b7b8", "0xa1a2a3a4a5a6a7a8")),
            ],
        },
        Step { title: "leave it as it was", commands: vec![tell("delete"), detach()] },
    ]
}
