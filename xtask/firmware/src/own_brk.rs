//! A BRK of the firmware's own. Its exception must come as the hardware delivers it, whatever a debugger
//! has armed, and no debugger may take it for one of its breakpoints.
#![expect(unsafe_code, reason = "a BRK, and statics that a debugger looks at")]

use core::arch::asm;

use crate::exceptions::Frame;
use crate::verdict::{COMMENT, Exception, SYNDROME, Verdict, judge};

/// The BRKs so far.
#[unsafe(no_mangle)]
pub(crate) static mut OWN_BRK: OwnBrk =
    OwnBrk { taken: 0, bad: 0, verdict: Verdict::NotYet, seen: Exception { esr: 0, elr: 0, spsr: 0 } };

/// What is known of the BRKs so far.
#[repr(C)]
pub(crate) struct OwnBrk {
    /// Exceptions taken.
    pub(crate) taken: u64,
    /// BRKs that did not go as they had to.
    pub(crate) bad: u64,
    /// Of the last BRK; once one is bad, the last bad one.
    pub(crate) verdict: Verdict,
    /// What the handler found last.
    pub(crate) seen: Exception,
}

/// The handler: counts, keeps the exception registers, and returns to the next instruction.
#[unsafe(no_mangle)]
#[inline(never)]
#[expect(clippy::multiple_unsafe_ops_per_block, reason = "one argument covers the whole static")]
pub(crate) extern "C" fn taken(frame: &mut Frame, esr: u64) {
    // SAFETY: the main loop is inside its BRK, and nobody else touches it.
    unsafe {
        OWN_BRK.taken += 1;
        OWN_BRK.seen = Exception { esr, elr: frame.elr, spsr: frame.spsr };
    }
    frame.elr += 4;
}

/// Executes the BRK with known flags, and judges what came of it.
#[unsafe(no_mangle)]
#[inline(never)]
#[expect(named_asm_labels, reason = "a name for its address; the function is never inlined")]
#[expect(clippy::multiple_unsafe_ops_per_block, reason = "one argument covers the whole static")]
pub(crate) extern "C" fn own_brk() {
    const FLAGS: u64 = 0xa000_0000; // N and C
    let (address, daif, level, stack, flags): (u64, u64, u64, u64, u64);
    // SAFETY: only this function and the handler touch it, and the handler runs inside the BRK alone.
    let taken_before = unsafe { OWN_BRK.taken };
    // SAFETY: the handler returns to the instruction after the BRK and keeps all registers.
    unsafe {
        asm!(
            "mrs {daif}, daif",
            "mrs {level}, CurrentEL",
            "mrs {stack}, SPSel",
            "adr {address}, own_brk_instruction",
            "msr nzcv, {flags}",
            ".globl own_brk_instruction",
            "own_brk_instruction:",
            "brk #{comment}",
            "mrs {flags}, nzcv",
            address = out(reg) address,
            daif = out(reg) daif,
            level = out(reg) level,
            stack = out(reg) stack,
            flags = inout(reg) FLAGS => flags,
            comment = const COMMENT,
        );
    }
    // SAFETY: as above.
    unsafe {
        let verdict = if OWN_BRK.taken != taken_before + 1 {
            Verdict::NotTaken
        } else if flags != FLAGS {
            Verdict::FlagsLost
        } else {
            let spsr = FLAGS | daif | level | stack;
            judge(OWN_BRK.seen, Exception { esr: SYNDROME, elr: address, spsr })
        };
        if verdict != Verdict::AsHardware {
            OWN_BRK.bad += 1;
            OWN_BRK.verdict = verdict;
        } else if OWN_BRK.bad == 0 {
            OWN_BRK.verdict = verdict;
        }
    }
}

/// Of all BRKs so far.
pub(crate) fn verdict() -> Verdict {
    // SAFETY: as in `own_brk`.
    unsafe { OWN_BRK.verdict }
}
