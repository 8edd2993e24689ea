//! The code that Linux enters and leaves the kernel by. It is written by hand, and has frames of its own
//! (Linux, `arch/arm64/kernel/entry.S` and `head.S`).

use std::ops::Range;

use gimli::{AArch64, Register};

/// How a function is called.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Kind {
    /// By another one, which is told where to return to.
    Usual,
    /// In the same way, and it runs another one on a stack that is elsewhere.
    OtherStack,
    /// By an exception of the kernel's own code.
    Exception,
    /// By nobody: it is where a processor, a thread or an exception of a process enters the kernel.
    First,
}

/// The code that each processor leaves assembly by.
pub(super) const LEAVES: [&str; 2] = ["__primary_switched", "__secondary_switched"];

/// What a name says. The handlers in C that this code calls have longer ones.
pub(super) fn kind(name: &str) -> Kind {
    const FIRST: [&str; 12] = [
        "_text",
        "primary_entry",
        "__primary_switched",
        "secondary_entry",
        "secondary_holding_pen",
        "__secondary_switched",
        "ret_from_fork",
        "ret_to_user",
        "vectors",
        "__bp_harden_el1_vectors",
        "tramp_vectors",
        "tramp_exit",
    ];
    let entry = ["_sync", "_irq", "_fiq", "_error"].iter().any(|end| name.ends_with(end));
    match name {
        "call_on_irq_stack" => Kind::OtherStack,
        "ret_to_kernel" => Kind::Exception,
        name if FIRST.contains(&name) || (entry && is_level(name, "el0")) => Kind::First,
        name if entry && is_level(name, "el1") => Kind::Exception,
        _ => Kind::Usual,
    }
}

/// Whether a name is of the vectors of an Exception level: `el1_irq`, and since Linux 5.14 `el1h_64_irq`.
fn is_level(name: &str, level: &str) -> bool {
    name.strip_prefix(level).is_some_and(|rest| {
        ["_", "t_64_", "t_32_", "h_64_"]
            .iter()
            .any(|kind| rest.strip_prefix(kind).is_some_and(|event| !event.contains('_')))
    })
}

/// The bytes of `struct pt_regs` that are looked at: those of `struct user_pt_regs`, which no version changes.
pub(super) const SIZE: i32 = 272;
/// Where SP and PC are in it.
const STACK: i32 = 248;
const PC: i32 = 256;

/// Where each register is in `struct pt_regs`.
pub(super) fn places() -> impl Iterator<Item = (Register, i32)> {
    let general = (0..=30).zip((0..).step_by(8)).map(|(number, at)| (Register(number), at));
    general.chain([(AArch64::SP, STACK), (AArch64::PC, PC)])
}

/// The instructions before which all registers of what was interrupted are at SP: behind the one that stores PC, or
/// from the first on where there is none; as long as SP stays.
pub(super) fn registers_are_saved(code: &[u32]) -> Range<usize> {
    /// `STP Xn, Xm, [SP, #256]`; the registers are in bits 0 to 4 and 10 to 14.
    const STORE: u32 = 0xa910_03e0;
    /// `ADD SP, SP, #…`
    const DROP: u32 = 0x9100_03ff;
    let stored = code.iter().position(|word| word & 0xffff_83e0 == STORE);
    let begin = stored.map_or(0, |index| index + 1);
    let rest = code.get(begin..).unwrap_or_default();
    let drop = rest.iter().position(|word| word & 0xffc0_03ff == DROP);
    begin..drop.map_or(code.len(), |distance| begin + distance + 1)
}

/// The instructions among these before which SP is that of another stack, and X19 is what SP was: until Linux 5.14 the
/// code of an interrupt changes stacks by itself.
pub(super) fn on_other_stack(code: &[u32], saved: &Range<usize>) -> Range<usize> {
    /// `MOV X19, SP` and `MOV SP, X19`.
    const LEAVE: u32 = 0x9100_03f3;
    const RETURN: u32 = 0x9100_027f;
    let from = |begin: usize, wanted: u32| {
        let rest = code.get(begin..saved.end).unwrap_or_default();
        rest.iter().position(|&word| word == wanted).map(|distance| begin + distance + 1)
    };
    match from(saved.start, LEAVE) {
        Some(begin) => begin..from(begin, RETURN).unwrap_or(saved.end),
        None => saved.end..saved.end,
    }
}
