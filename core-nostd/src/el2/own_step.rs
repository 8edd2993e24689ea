//! A guest's own software step while the hardware's is the hypervisor's.
//!
//! With `MDCR_EL2.TDE` set, a step ends at EL2 after any instruction of the guest, whatever its own masks
//! say. So the guest's state machine (DDI 0487, "Software Step exceptions") is followed here: while the
//! guest has step enabled, it is stepped by the hardware instruction by instruction, and what each
//! instruction does to the guest's own `PSTATE.SS` is worked out.

use super::guest_debug::GuestState;
use super::own::OwnRegisters;
use crate::registers::{Mode, Pstate, Spsr};

pub(super) const SS: u64 = 1 << 21;

/// The guest's `PSTATE.SS`, and what was before the instruction that is being stepped.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct OwnStep {
    /// The guest's `PSTATE.SS`.
    pub(super) ss: bool,
    before: Option<Before>,
}

/// The guest's state before an instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Before {
    /// Step was enabled from where the instruction was.
    enabled: bool,
    pc: u64,
    pstate: u64,
    elr_el1: u64,
    spsr_el1: u64,
}

impl OwnStep {
    /// With the guest's `PSTATE.SS`.
    pub(super) const fn new(ss: bool) -> Self {
        Self { ss, before: None }
    }

    /// Whether the guest's step exception is due before its next instruction.
    pub(super) fn is_pending(self, own: &OwnRegisters, pstate: Pstate) -> bool {
        own.steps_from(pstate) && !self.ss
    }

    /// Remembers the state before the next instruction.
    pub(super) fn begin(&mut self, own: &OwnRegisters, guest: &impl GuestState) {
        let enabled = own.steps_from(guest.pstate());
        if !enabled {
            self.ss = false;
        }
        self.before = Some(Before {
            enabled,
            pc: guest.pc(),
            pstate: guest.pstate().into_bits(),
            elr_el1: guest.elr_el1(),
            spsr_el1: guest.spsr_el1().into_bits(),
        });
    }

    /// Works out the guest's `PSTATE.SS` after a step by the hardware.
    pub(super) fn end(&mut self, own: &OwnRegisters, guest: &mut impl GuestState) {
        let Some(before) = self.before.take() else { return };
        let pstate = guest.pstate();
        let stepping = before.enabled && self.ss;
        self.ss = false;
        if at_vector(&before, guest) {
            // An instruction that the guest did not step has not its SS saved, but the hardware's.
            if !stepping {
                guest.set_spsr_el1(Spsr::from_bits(guest.spsr_el1().into_bits() & !SS));
            }
            return;
        }
        // An exception return: the core is where the exception came from, and in that state. (So it would
        // be after D was cleared by the instruction in front of it, which no handler does.)
        let returned = guest.pc() == before.elr_el1 && (pstate.into_bits() ^ before.spsr_el1) & RETURNED == 0;
        self.ss = !before.enabled && returned && own.steps_from(pstate) && before.spsr_el1 & SS != 0;
    }
}

/// What an exception return takes from `SPSR_EL1` that a debugger's masks (A, I and F) do not hide: D and
/// `M[3:0]`.
const RETURNED: u64 = 1 << 9 | 0b1111;

/// Whether the instruction, or an interrupt before it, took an exception to EL1: the core is at a vector,
/// and what was saved is where and in which state it was.
fn at_vector(before: &Before, guest: &impl GuestState) -> bool {
    let pstate = guest.pstate();
    let masked = matches!(pstate.mode(), Mode::El1h) && pstate.daif() == Pstate::DAIF;
    let offset = guest.pc().wrapping_sub(guest.vbar_el1());
    let saved = (guest.spsr_el1().into_bits() ^ before.pstate) & !SS == 0;
    let from = guest.elr_el1();
    let after_it = from == before.pc.wrapping_add(4) && from != guest.pc();
    masked && offset < 0x800 && offset.is_multiple_of(0x80) && saved && (from == before.pc || after_it)
}
