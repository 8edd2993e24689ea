//! The symbols that a debugger has read out of the kernel's image, beside what the kernel itself says they are.

use std::collections::HashSet;
use std::fs;

/// What the debugger has, a line each: its address in hexadecimal, and its name.
const READ: &str = "/symbols";
/// What the kernel says, with where it has moved to.
const KERNEL: &str = "/proc/kallsyms";
/// A function that says how far the kernel has moved, which is then to be so for all.
const KNOWN: &str = "start_kernel";
/// No kernel has fewer.
const LEAST: usize = 10_000;

/// Every symbol of the kernel's has to be among those that were read, as much lower as the kernel has moved. Those
/// may be more only where the kernel leaves variables out. Answers how far it has moved.
pub(crate) fn check() -> Result<u64, String> {
    let text = |file| fs::read_to_string(file).map_err(|error| format!("{file}: {error}"));
    let (read, kernel) = (text(READ)?, text(KERNEL)?);
    let read: HashSet<_> = read.lines().filter_map(|line| symbol(line, false)).collect();
    // Those of modules, and of code that the kernel makes as it runs, say whose they are.
    let kernel = kernel.lines().filter(|line| !line.contains('['));
    let kernel: HashSet<_> = kernel.filter_map(|line| symbol(line, true)).collect();
    let known = |symbols: &HashSet<(u64, &str)>, whose: &str| {
        let known = symbols.iter().find(|(_, name)| *name == KNOWN);
        known.map(|(address, _)| *address).ok_or_else(|| format!("{whose} has no {KNOWN}"))
    };
    let moved = known(&kernel, KERNEL)?.wrapping_sub(known(&read, READ)?);
    if kernel.len() < LEAST {
        return Err(format!("{KERNEL} has {} symbols only", kernel.len()));
    }
    let linked: HashSet<_> =
        kernel.iter().map(|(address, name)| (address.wrapping_sub(moved), *name)).collect();
    if let Some((address, name)) = linked.difference(&read).min() {
        let count = linked.difference(&read).count();
        return Err(format!("{count} were not read, the first is {name} at {address:#x}"));
    }
    let is_whole = linked.iter().any(|(_, name)| *name == "jiffies");
    match read.difference(&linked).min() {
        Some((address, name)) if is_whole => Err(format!("the kernel has no {name} at {address:#x}")),
        _ => Ok(moved),
    }
}

/// The address and the name in a line; between them stands a letter for the kind where there `is_kind`.
fn symbol(line: &str, is_kind: bool) -> Option<(u64, &str)> {
    let mut words = line.split_ascii_whitespace();
    let address = u64::from_str_radix(words.next()?, 16).ok()?;
    let name = if is_kind { words.nth(1) } else { words.next() };
    Some((address, name?))
}
