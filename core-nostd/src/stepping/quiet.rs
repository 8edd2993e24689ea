//! A single step with interrupts quiet.

use super::instruction::Effect;
use crate::registers::{ExceptionLevel, Mode, Pstate, StackPointer};
use crate::target::{Register, SystemRegister};

/// A step that no interrupt disturbs, and that leaves the interrupt masks as the guest would have had
/// them.
///
/// A step with an interrupt pending ends in the interrupt's vector, before the instruction: under a fast
/// timer it makes no progress. So the step runs with A, I and F masked, as `EDSCR.INTdis` does for a
/// probe. SError is among them because it arrives like an interrupt; D is left alone, because debug
/// exceptions that are routed to EL2 or to Debug state do not depend on it, and the guest's own step
/// would.
///
/// The masks must not be seen, so what the instruction did decides what is put right afterwards: PSTATE
/// itself; `SPSR_EL1` where the instruction took an exception; a register that read `DAIF`. Nothing is
/// where PSTATE came from elsewhere (`ERET`, `MSR DAIF`). Two instructions keep what they are about:
/// `ESB` runs with A as it is, because it takes or defers a pending SError by it, and `WFI` needs no
/// care, because a masked interrupt wakes it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use = "the masks stay in the guest until `end` says what to put right"]
pub struct QuietStep {
    first: u64,
    last: u64,
    before: Pstate,
    /// The mask bits that the step adds.
    added: u64,
    effect: Effect,
}

const A: u64 = 1 << 8;
const I: u64 = 1 << 7;
const F: u64 = 1 << 6;
const ALLINT: u64 = 1 << 13;

impl QuietStep {
    /// Plans the step of the instruction at `pc`; `instruction` is its A64 word, or `None` where it
    /// cannot be read or is not A64. Also the PSTATE to step with.
    pub const fn begin(pc: u64, instruction: Option<u32>, pstate: Pstate) -> (Self, Pstate) {
        Self::plan(pc, pc, instruction, pstate, A | I | F)
    }

    /// Like [`QuietStep::begin`] for a core with FEAT_NMI, where interrupts with superpriority ignore I
    /// and F: masks ALLINT as well.
    pub const fn begin_with_nmi(pc: u64, instruction: Option<u32>, pstate: Pstate) -> (Self, Pstate) {
        Self::plan(pc, pc, instruction, pstate, A | I | F | ALLINT)
    }

    /// Plans a run through the instructions from `first` to `last`, which read or write no mask: those
    /// of an [`super::ExclusiveSequence`].
    pub const fn begin_run(first: u64, last: u64, pstate: Pstate) -> (Self, Pstate) {
        Self::plan(first, last, None, pstate, A | I | F)
    }

    const fn plan(
        first: u64,
        last: u64,
        instruction: Option<u32>,
        pstate: Pstate,
        quiet: u64,
    ) -> (Self, Pstate) {
        let effect = match instruction {
            Some(word) if !pstate.is_aarch32() => Effect::of(word),
            _ => Effect::Ordinary,
        };
        let quiet = if matches!(effect, Effect::ErrorBarrier) { quiet & !A } else { quiet };
        // ALLINT has no place in AArch32 state, where its bit is one of IT.
        let quiet = if pstate.is_aarch32() { quiet & !ALLINT } else { quiet };
        let added = quiet & !pstate.into_bits();
        let run = Pstate::from_bits(pstate.into_bits() | added);
        (Self { first, last, before: pstate, added, effect }, run)
    }

    /// Whether the instruction may wait for an event that a masked step does not see sooner: `WFI`,
    /// `WFE` and their timed forms. The architecture lets them return at once, so that a debugger may
    /// pass over them.
    #[must_use]
    pub const fn may_wait(&self) -> bool {
        matches!(self.effect, Effect::Wait)
    }

    /// Whether the core, now with this PC and PSTATE, may have taken an exception to EL1, so that
    /// [`QuietStep::end`] needs [`ExceptionRegisters`]. They are not read for nothing.
    #[must_use]
    pub const fn needs_exception_registers(&self, pc: u64, pstate: Pstate) -> bool {
        // An exception masks D, A, I and F, and the vectors are 0x80 bytes apart.
        self.added != 0
            && matches!(pstate.mode(), Mode::El1h)
            && pstate.daif() == Pstate::DAIF
            && pc.trailing_zeros() >= 7
    }

    /// What is to be put right after the step, or after a stop that came before the instruction was
    /// done. What an exception to EL2 or EL3 saved is left alone: this is for steps of EL0 and EL1, which
    /// those levels look after.
    pub const fn end(self, after: &AfterStep) -> Fixups {
        if let Some(saved) = &after.exception
            && self.needs_exception_registers(after.pc, after.pstate)
            && self.took_exception(after.pc, saved)
        {
            let completed = self.completed(saved.elr_el1);
            let spsr = self.restored(saved.spsr_el1, completed);
            return Fixups {
                pstate: None,
                spsr_el1: changed(saved.spsr_el1, spsr),
                x: if completed { self.corrected_read() } else { None },
            };
        }
        let level = after.pstate.exception_level() as u8;
        let rose = level > ExceptionLevel::El1 as u8 && level > self.before.exception_level() as u8;
        if rose || self.replaced(after) {
            return Fixups::NONE;
        }
        let completed = self.completed(after.pc);
        Fixups {
            pstate: changed(after.pstate, self.restored(after.pstate, completed)),
            spsr_el1: None,
            x: if completed { self.corrected_read() } else { None },
        }
    }

    /// Whether `pc` shows that the one instruction of the step is done and did not branch.
    const fn completed(&self, pc: u64) -> bool {
        pc == self.last.wrapping_add(4)
    }

    /// Whether PSTATE is a new one, not the one that the step began with.
    const fn replaced(&self, after: &AfterStep) -> bool {
        match self.effect {
            Effect::ExceptionReturn => {
                let ran_with = self.before.into_bits() | self.added;
                after.pc != self.first || after.pstate.with_ss(false).into_bits() != ran_with & !(1 << 21)
            }
            // PSCI may have reset or suspended the core, which then comes back somewhere else.
            Effect::FirmwareCall => after.pc != self.first && !self.completed(after.pc),
            _ => false,
        }
    }

    /// `state`, which the core had after the instruction or saved at an exception, without the masks
    /// that the step added and the instruction did not decide itself.
    const fn restored(&self, state: Pstate, completed: bool) -> Pstate {
        let decided = match self.effect {
            Effect::ChangeDaif { mask, .. } if completed => mask,
            Effect::WriteDaif if completed => Pstate::DAIF,
            Effect::WriteAllint if completed => ALLINT,
            _ => 0,
        };
        Pstate::from_bits(state.into_bits() & !(self.added & !decided))
    }

    /// The register that the instruction read masks into, with what it should have read.
    const fn corrected_read(&self) -> Option<(u8, u64)> {
        if self.added == 0 {
            return None;
        }
        match self.effect {
            Effect::ReadDaif { register } if register < 31 => Some((register, self.before.daif())),
            Effect::ReadAllint { register } if register < 31 => {
                Some((register, self.before.into_bits() & ALLINT))
            }
            _ => None,
        }
    }

    /// Whether the exception registers are those of an exception that the step itself took.
    const fn took_exception(&self, pc: u64, saved: &ExceptionRegisters) -> bool {
        let base = saved.vbar_el1 & !0x7ff;
        let group = if self.before.is_aarch32() {
            0x600
        } else if matches!(self.before.exception_level(), ExceptionLevel::El0) {
            0x400
        } else {
            match self.before.stack_pointer_selector() {
                StackPointer::ElX => 0x200,
                StackPointer::El0 => 0x000,
            }
        };
        // Four vectors to a group: synchronous, IRQ, FIQ, SError.
        let at_vector = pc >= base && pc - base >= group && pc - base < group + 0x200;
        // The return address is one of the instructions, or behind the last of them after a call. The
        // saved state has the masks that the core ran with.
        let returns_here = saved.elr_el1 >= self.first && saved.elr_el1 <= self.last.wrapping_add(4);
        let completed = self.completed(saved.elr_el1);
        let cleared = match self.effect {
            Effect::ChangeDaif { set: false, mask } if completed => mask,
            Effect::WriteDaif if completed => Pstate::DAIF,
            Effect::WriteAllint if completed => ALLINT,
            _ => 0,
        };
        let masks = self.added & !cleared;
        at_vector
            && returns_here
            && saved.spsr_el1.mode().into_bits() == self.before.mode().into_bits()
            && saved.spsr_el1.into_bits() & masks == masks
    }
}

const fn changed(from: Pstate, to: Pstate) -> Option<Pstate> {
    if from.into_bits() == to.into_bits() { None } else { Some(to) }
}

/// The core after a quiet step.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct AfterStep {
    /// The program counter.
    pub pc: u64,
    /// `PSTATE`.
    pub pstate: Pstate,
    /// Where [`QuietStep::needs_exception_registers`] says so; ignored elsewhere.
    pub exception: Option<ExceptionRegisters>,
}

/// What tells an exception that was taken from a branch to the vectors.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ExceptionRegisters {
    /// `VBAR_EL1`.
    pub vbar_el1: u64,
    /// `ELR_EL1`.
    pub elr_el1: u64,
    /// `SPSR_EL1`.
    pub spsr_el1: Pstate,
}

/// Registers to write after a quiet step.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use]
pub struct Fixups {
    /// `PSTATE`.
    pub pstate: Option<Pstate>,
    /// `SPSR_EL1`.
    pub spsr_el1: Option<Pstate>,
    /// A general-purpose register by number, 0 to 30, and its value.
    pub x: Option<(u8, u64)>,
}

impl Fixups {
    /// Nothing to write.
    pub const NONE: Self = Self { pstate: None, spsr_el1: None, x: None };

    /// The registers to write, with their values.
    pub fn writes(self) -> impl Iterator<Item = (Register, u64)> {
        let pstate = self.pstate.map(|value| (Register::Pstate, value.into_bits()));
        let spsr = self.spsr_el1.map(|value| (Register::System(SystemRegister::SPSR_EL1), value.into_bits()));
        let x = self.x.map(|(number, value)| (Register::X(number), value));
        [pstate, spsr, x].into_iter().flatten()
    }
}
