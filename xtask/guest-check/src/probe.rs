//! A kprobe of the guest's own kernel, by tracefs, on a function that no debugger has a breakpoint on.

use std::fs;
use std::path::Path;

use crate::calls;

const TIMES: u64 = 5;
const TRACING: &str = "/sys/kernel/tracing";
const EVENT: &str = "events/kprobes/trapline/enable";

/// The kernel has to count every call of the probed function.
pub(crate) fn check() -> Result<(), String> {
    write("kprobe_events", "p:trapline __arm64_sys_getuid")?;
    write(EVENT, "1")?;
    for _ in 0..TIMES {
        calls::user();
    }
    let profile = fs::read_to_string(Path::new(TRACING).join("kprobe_profile"))
        .map_err(|error| format!("kprobe_profile: {error}"))?;
    write(EVENT, "0")?;
    write("kprobe_events", "")?;
    let hits = profile.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some("trapline")).then(|| words.next()?.parse::<u64>().ok()).flatten()
    });
    match hits {
        Some(TIMES) => Ok(()),
        other => Err(format!("{other:?} hits were counted of {TIMES}")),
    }
}

fn write(file: &str, text: &str) -> Result<(), String> {
    fs::write(Path::new(TRACING).join(file), text).map_err(|error| format!("{file}: {error}"))
}
