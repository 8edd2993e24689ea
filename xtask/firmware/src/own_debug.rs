//! Breakpoints, watchpoints and software steps of the firmware's own, as an operating system with a
//! debugger has them. They must come as the hardware delivers them, whatever a hypervisor's debugger has
//! armed.
//!
//! Not every place can give a guest that: KVM does not while it debugs the guest itself. So it is done
//! where somebody asks for it: who starts the firmware with [`WANTED`] in x0, or a debugger that sets
//! [`OWN_DEBUG_WANTED`].
#![expect(unsafe_code, reason = "debug registers, and statics that a debugger looks at and changes")]

use core::arch::asm;

use crate::exceptions::Frame;

/// In x0 at the entry: asks for it.
const WANTED: u64 = 0x6f77_6e20_6465_6267;

/// Whether it is done each round. A debugger may change it.
#[unsafe(no_mangle)]
pub(crate) static mut OWN_DEBUG_WANTED: u64 = 0;
/// What came of it.
#[unsafe(no_mangle)]
pub(crate) static mut OWN_DEBUG: OwnDebug =
    OwnDebug { done: 0, bad: 0, verdict: Verdict::NotYet, seen: Seen { taken: 0, esr: 0, elr: 0, far: 0 } };
/// What the watchpoint is on.
#[unsafe(no_mangle)]
static mut OWN_WATCHED: u64 = 0;

/// What is known of it so far.
#[repr(C)]
pub(crate) struct OwnDebug {
    /// How often all three were tried.
    pub(crate) done: u64,
    /// How often one did not go as it had to.
    pub(crate) bad: u64,
    /// Of the last time; once one is bad, the last bad one.
    pub(crate) verdict: Verdict,
    /// What the handler found.
    seen: Seen,
}

/// Exceptions since it was cleared, and the registers of the last.
#[derive(Clone, Copy)]
#[repr(C)]
struct Seen {
    taken: u64,
    esr: u64,
    elr: u64,
    far: u64,
}

/// What there is to say of it.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Verdict {
    /// Not tried yet.
    NotYet,
    /// All as the hardware gives it.
    AsHardware,
    /// The breakpoint did not come as it had to.
    BadBreakpoint,
    /// The watchpoint did not.
    BadWatchpoint,
    /// The software step did not.
    BadStep,
}

impl Verdict {
    /// For the serial line.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::NotYet => "not tried yet",
            Self::AsHardware => "as hardware gives it",
            Self::BadBreakpoint => "bad breakpoint",
            Self::BadWatchpoint => "bad watchpoint",
            Self::BadStep => "bad step",
        }
    }
}

/// `ESR_EL1.EC` of these exceptions, taken from EL1.
const EC_BREAKPOINT: u64 = 0x31;
const EC_STEP: u64 = 0x33;
const EC_WATCHPOINT: u64 = 0x35;
/// `ESR_EL1` of the `SVC` that asks the handler for a step: EC 0x15, IL, the immediate.
const STEP_CALL: u64 = 0x15 << 26 | 1 << 25 | 0x7b1;
/// `ESR_EL1` of a step: EC, IL, ISV, IFSC 0b100010.
const STEP_SYNDROME: u64 = EC_STEP << 26 | 1 << 25 | 1 << 24 | 0x22;

/// `MDSCR_EL1`: SS, KDE, MDE.
const SS: u64 = 1;
const KDE_MDE: u64 = 1 << 13 | 1 << 15;
/// `SPSR_EL1.SS`.
const SPSR_SS: u64 = 1 << 21;
/// `DBGBCR<n>_EL1`: E, PMC for EL1, BAS for A64.
const BREAK_AT_EL1: u64 = 1 | 0b01 << 1 | 0b1111 << 5;
/// `DBGWCR<n>_EL1`: E, PAC for EL1, stores, all eight bytes.
const WATCH_STORES_AT_EL1: u64 = 1 | 0b01 << 1 | 0b10 << 3 | 0xff << 5;

/// Takes notice of x0 at the entry.
pub(crate) fn asked(x0: u64) {
    if x0 == WANTED {
        // SAFETY: only the main loop and a debugger touch it.
        unsafe { OWN_DEBUG_WANTED = 1 };
    }
}

/// What came of it; none where nobody asked.
pub(crate) fn verdict() -> Option<Verdict> {
    // SAFETY: as above.
    if unsafe { OWN_DEBUG_WANTED } == 0 {
        return None;
    }
    // SAFETY: as above.
    Some(unsafe { OWN_DEBUG.verdict })
}

/// Tries all three, if somebody asked for it.
#[unsafe(no_mangle)]
#[inline(never)]
#[expect(clippy::multiple_unsafe_ops_per_block, reason = "one argument covers the whole static")]
pub(crate) extern "C" fn own_debug() {
    // SAFETY: only the main loop and a debugger touch it.
    if unsafe { OWN_DEBUG_WANTED } == 0 {
        return;
    }
    // SAFETY: the OS Lock off, debug exceptions on, from EL1 as well; nothing is armed yet.
    unsafe {
        asm!("msr oslar_el1, xzr", "msr mdscr_el1, {}", "isb", in(reg) KDE_MDE, options(nostack, preserves_flags));
    }
    let verdict = if !breakpoint() {
        Verdict::BadBreakpoint
    } else if !watchpoint() {
        Verdict::BadWatchpoint
    } else if !step() {
        Verdict::BadStep
    } else {
        Verdict::AsHardware
    };
    // SAFETY: turns all off again, whatever came.
    unsafe {
        asm!(
            "msr mdscr_el1, xzr",
            "msr dbgbcr0_el1, xzr",
            "msr dbgwcr0_el1, xzr",
            "isb",
            options(nostack, preserves_flags)
        );
    }
    // SAFETY: only the main loop and the handler touch it, and the handler runs inside the three alone.
    unsafe {
        OWN_DEBUG.done += 1;
        if verdict != Verdict::AsHardware {
            OWN_DEBUG.bad += 1;
            OWN_DEBUG.verdict = verdict;
        } else if OWN_DEBUG.bad == 0 {
            OWN_DEBUG.verdict = verdict;
        }
    }
}

fn breakpoint() -> bool {
    let address = own_break_here as *const () as u64;
    clear();
    // SAFETY: the handler turns the breakpoint off and returns to the instruction.
    unsafe {
        asm!(
            "msr dbgbvr0_el1, {address}", "msr dbgbcr0_el1, {control}", "isb",
            address = in(reg) address, control = in(reg) BREAK_AT_EL1, options(nostack, preserves_flags)
        );
    }
    own_break_here();
    let value: u64;
    // SAFETY: reading DBGBVR0_EL1 has no effect.
    unsafe { asm!("mrs {}, dbgbvr0_el1", out(reg) value, options(nomem, nostack, preserves_flags)) };
    let seen = seen();
    seen.taken == 1 && seen.esr >> 26 == EC_BREAKPOINT && seen.elr == address && value == address
}

/// Does nothing, at an address of its own.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn own_break_here() {
    // SAFETY: one instruction.
    unsafe { asm!("nop", options(nomem, nostack, preserves_flags)) };
}

fn watchpoint() -> bool {
    const WNR: u64 = 1 << 6;
    let address = &raw mut OWN_WATCHED;
    clear();
    // SAFETY: the handler turns the watchpoint off and returns to the store.
    unsafe {
        asm!(
            "msr dbgwvr0_el1, {address}", "msr dbgwcr0_el1, {control}", "isb",
            "str {value}, [{address}]",
            address = in(reg) address, control = in(reg) WATCH_STORES_AT_EL1, value = in(reg) 0x7a9_u64,
            options(nostack, preserves_flags)
        );
    }
    let seen = seen();
    seen.taken == 1 && seen.esr >> 26 == EC_WATCHPOINT && seen.esr & WNR != 0 && seen.far == address as u64
}

#[expect(named_asm_labels, reason = "names for their addresses; the function is inlined once")]
fn step() -> bool {
    let second: u64;
    clear();
    // SAFETY: the handler of the call returns with one step to go, that of the step to where it came from.
    // Both keep all registers.
    unsafe {
        asm!(
            "adr {second}, own_step_second",
            "svc #0x7b1",
            "nop",
            ".globl own_step_second",
            "own_step_second:",
            "nop",
            second = out(reg) second, options(nostack, preserves_flags)
        );
    }
    let seen = seen();
    seen.taken == 1 && seen.esr == STEP_SYNDROME && seen.elr == second
}

fn clear() {
    // SAFETY: nothing is armed, so the handler does not run.
    unsafe { OWN_DEBUG.seen = Seen { taken: 0, esr: 0, elr: 0, far: 0 } };
}

fn seen() -> Seen {
    let own = &raw const OWN_DEBUG;
    // SAFETY: volatile, since the handler changed it behind the compiler's back.
    unsafe { own.read_volatile() }.seen
}

/// The handler: whether the exception is one of these. It notes what came and turns it off.
#[expect(clippy::multiple_unsafe_ops_per_block, reason = "one argument covers the whole static")]
pub(crate) fn taken(frame: &mut Frame, esr: u64, far: u64) -> bool {
    if esr == STEP_CALL {
        // SAFETY: debug exceptions are masked in here; the step begins with the return.
        unsafe { asm!("msr mdscr_el1, {}", "isb", in(reg) KDE_MDE | SS, options(nostack, preserves_flags)) };
        frame.spsr |= SPSR_SS;
        return true;
    }
    match esr >> 26 {
        // SAFETY: turns it off, so that the instruction is executed when this returns.
        EC_BREAKPOINT => unsafe { asm!("msr dbgbcr0_el1, xzr", options(nostack, preserves_flags)) },
        // SAFETY: as above.
        EC_WATCHPOINT => unsafe { asm!("msr dbgwcr0_el1, xzr", options(nostack, preserves_flags)) },
        // SAFETY: as above.
        EC_STEP => unsafe { asm!("msr mdscr_el1, {}", in(reg) KDE_MDE, options(nostack, preserves_flags)) },
        _ => return false,
    }
    // SAFETY: the main loop is inside one of the three, and nobody else touches it.
    unsafe {
        OWN_DEBUG.seen = Seen { taken: OWN_DEBUG.seen.taken + 1, esr, elr: frame.elr, far };
    }
    true
}
