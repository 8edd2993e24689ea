//! What a guest says on its console.

use anyhow::{Result, bail};

/// What the kernel says where time has passed behind its back, or worse.
const TROUBLE: [&str; 10] = [
    "rcu: INFO",
    "self-detected stall",
    "soft lockup",
    "hung_task",
    "blocked for more than",
    "clocksource: timekeeping watchdog",
    "Clocksource tsc unstable",
    "Kernel panic",
    "Oops",
    "BUG:",
];

/// What the program checks, and how often when nobody opens its gates.
const CHECKS: [(&str, usize); 5] =
    [("own BRK", 1), ("own breakpoint", 1), ("own watchpoint", 1), ("own kprobe", 1), ("symbols", 1)];
/// How much oftener it checks behind its gates: those of a BRK with something armed as well.
const BEHIND_GATES: [usize; 5] = [2, 1, 1, 2, 0];

/// Checks a console from the first line to the last.
pub(crate) fn check(text: &str, cpus: u16, gates: bool) -> Result<()> {
    if let Some(line) = text.lines().find(|line| TROUBLE.iter().any(|trouble| line.contains(trouble))) {
        bail!("the guest has noticed: {line}");
    }
    let said = |what: &str| text.lines().filter(|line| line.trim_end() == what).count();
    if said(&format!("check: {cpus} processors")) != 1 {
        bail!("the guest has not {cpus} processors");
    }
    if let Some(line) = text.lines().find(|line| line.contains("FAILED")) {
        bail!("{line}");
    }
    for ((check, times), more) in CHECKS.into_iter().zip(BEHIND_GATES) {
        let expected = times + if gates { more } else { 0 };
        let count = said(&format!("check: {check}: ok"));
        if count != expected {
            bail!("{check} passed {count} times, not {expected}");
        }
    }
    if said("check: done") != 1 {
        bail!("the guest's program did not come to its end");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good(cpus: u16) -> String {
        let checks: Vec<_> = CHECKS.iter().map(|(name, _)| format!("check: {name}: ok")).collect();
        format!("[    1.0] Linux\r\ncheck: {cpus} processors\r\n{}\r\ncheck: done\r\n", checks.join("\r\n"))
    }

    #[test]
    fn a_console_is_good_when_everything_was_said_and_nothing_else() {
        assert!(check(&good(2), 2, false).is_ok());
        assert!(check(&good(1), 2, false).is_err(), "a processor is missing");
        assert!(check(&good(2), 2, true).is_err(), "no gate was opened");
        for line in
            ["check: own BRK: ok", "check: own kprobe: FAILED: x", "[ 9.0] watchdog: BUG: soft lockup"]
        {
            assert!(check(&format!("{}{line}\r\n", good(2)), 2, false).is_err(), "{line}");
        }
        assert!(check(&good(2).replace("check: done", ""), 2, false).is_err(), "it did not end");
    }
}
