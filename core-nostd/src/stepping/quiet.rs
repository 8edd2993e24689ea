//! A single step with interrupts quiet.

use super::fixups::Fixups;
use super::instruction::{Decoded, Effect};
use crate::aarch32;
use crate::registers::{ExceptionLevel, Mode, Pstate, Register, Spsr, StackPointer, SystemRegister};

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
/// itself; the saved one where the instruction took an exception; a register that read the masks. Nothing
/// is where PSTATE came from elsewhere (`ERET`, `MSR DAIF`). Two instructions keep what they are about:
/// `ESB` runs with A as it is, because it takes or defers a pending SError by it, and `WFI` needs no
/// care, because a masked interrupt wakes it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use = "the masks stay in the guest until `end` says what to put right"]
pub struct QuietStep {
    first: u64,
    last: u64,
    /// Of the last instruction, in bytes.
    length: u8,
    before: Pstate,
    /// The mask bits that the step adds.
    added: u64,
    effect: Effect,
}

const A: u64 = 1 << 8;
const I: u64 = 1 << 7;
const AIF: u64 = 0b111 << 6;
const SS: u64 = 1 << 21;

impl QuietStep {
    /// Plans the step of the instruction at `pc`, and says with which PSTATE to step.
    ///
    /// `instruction` is the 4 bytes at `pc` as a little-endian word, whatever the instruction set; `None`
    /// where it cannot be read. Of a 16-bit T32 instruction bits \[15:0\] count.
    pub const fn begin(pc: u64, instruction: Option<u32>, pstate: Pstate) -> (Self, Pstate) {
        Self::plan(pc, pc, instruction, pstate, AIF)
    }

    /// Like [`QuietStep::begin`] for a core with FEAT_NMI, where interrupts with superpriority ignore I
    /// and F: masks ALLINT as well.
    pub const fn begin_with_nmi(pc: u64, instruction: Option<u32>, pstate: Pstate) -> (Self, Pstate) {
        Self::plan(pc, pc, instruction, pstate, AIF | Pstate::ALLINT)
    }

    /// Plans a run through the instructions from `first` to `last`, which read or write no mask: those
    /// of an [`super::ExclusiveSequence`].
    pub const fn begin_run(first: u64, last: u64, pstate: Pstate) -> (Self, Pstate) {
        Self::plan(first, last, None, pstate, AIF)
    }

    const fn plan(
        first: u64,
        last: u64,
        instruction: Option<u32>,
        pstate: Pstate,
        quiet: u64,
    ) -> (Self, Pstate) {
        let Decoded { effect, length } = Decoded::of(instruction, pstate);
        let quiet = if matches!(effect, Effect::ErrorBarrier) { quiet & !A } else { quiet };
        // ALLINT has no place in AArch32 state, where its bit is one of IT.
        let quiet = if aarch32::is_used(pstate) { quiet & !Pstate::ALLINT } else { quiet };
        let added = quiet & !pstate.into_bits();
        let run = Pstate::from_bits(pstate.into_bits() | added);
        (Self { first, last, length, before: pstate, added, effect }, run)
    }

    /// Whether the instruction may wait for an event that a masked step does not see sooner: `WFI`,
    /// `WFE` and their timed forms. The architecture lets them return at once, so that a debugger may
    /// pass over them.
    #[must_use]
    pub const fn may_wait(&self) -> bool {
        matches!(self.effect, Effect::Wait)
    }

    /// `PSTATE` before the step.
    #[must_use]
    pub const fn before(&self) -> Pstate {
        self.before
    }

    /// Whether the step added masks at all. If not there is nothing to put right, and [`QuietStep::end`]
    /// need not be asked.
    #[must_use]
    pub const fn masks_anything(&self) -> bool {
        self.added != 0
    }

    /// Whether [`QuietStep::end`] needs the PC of a core that now has this PSTATE. Otherwise any will do:
    /// it is not read for nothing.
    #[must_use]
    pub const fn needs_pc(&self, pstate: Pstate) -> bool {
        let ordinary = matches!(self.effect, Effect::Ordinary | Effect::Wait | Effect::ErrorBarrier);
        self.added != 0 && (!ordinary || Self::may_be_at_vector(pstate))
    }

    /// Whether the core, now with this PC and PSTATE, may have taken an exception to EL1, so that
    /// [`QuietStep::end`] needs [`ExceptionRegisters`]. They are not read for nothing.
    #[must_use]
    pub const fn needs_exception_registers(&self, pc: u64, pstate: Pstate) -> bool {
        if self.added == 0 || !Self::may_be_at_vector(pstate) {
            return false;
        }
        if aarch32::is_used(pstate) {
            // Eight vectors of 4 bytes, but for reset and Hyp Call.
            return pc & 0x3 == 0 && !matches!(pc & 0x1f, 0x00 | 0x14);
        }
        // The vectors are 0x80 bytes apart.
        pc.trailing_zeros() >= 7
    }

    /// Whether an exception to EL1 leaves a PSTATE like this one: it masks D, A, I and F, or at least I
    /// where EL1 uses AArch32.
    const fn may_be_at_vector(pstate: Pstate) -> bool {
        if aarch32::is_used(pstate) {
            ExceptionSources::of(pstate).is_some() && pstate.i()
        } else {
            matches!(pstate.mode(), Mode::El1h) && pstate.daif() == Pstate::DAIF
        }
    }

    /// What is to be put right after the step, or after a stop that came before the instruction was
    /// done. What an exception to EL2 or EL3 saved is left alone: this is for steps of EL0 and EL1, which
    /// those levels look after.
    pub const fn end(self, after: &AfterStep) -> Fixups {
        if let Some(saved) = &after.exception
            && self.needs_exception_registers(after.pc, after.pstate)
            && let Some(completed) = self.exception_taken(after, saved)
        {
            return self.end_at_vector(after.pstate, saved.spsr_el1, completed);
        }
        let level = after.pstate.exception_level() as u8;
        let rose = level > ExceptionLevel::El1 as u8 && level > self.before.exception_level() as u8;
        if rose || self.replaced(after) {
            return Fixups::NONE;
        }
        let completed = after.pc == self.next();
        Fixups {
            pstate: changed(after.pstate, self.restored(after.pstate, completed)),
            x: if completed { self.corrected_read() } else { None },
            ..Fixups::NONE
        }
    }

    const fn end_at_vector(&self, pstate: Pstate, saved: Spsr, completed: bool) -> Fixups {
        // Masks that the exception itself sets; the others are still as the core ran with them.
        let masked = match pstate.mode() {
            _ if !aarch32::BUILT_IN => AIF | Pstate::ALLINT,
            Mode::Supervisor | Mode::Undefined => I,
            Mode::Abort | Mode::Irq => A | I,
            _ => AIF | Pstate::ALLINT,
        };
        let restored = self.restored(pstate, completed).into_bits() | pstate.into_bits() & masked;
        let spsr = changed(saved, self.restored(saved, completed));
        let (spsr_el1, spsr_aarch32) = match (spsr, aarch32::spsr(pstate.mode())) {
            (Some(spsr), Some(register))
                if aarch32::BUILT_IN && !matches!(pstate.mode(), Mode::Supervisor) =>
            {
                (None, Some((register, spsr)))
            }
            _ => (spsr, None),
        };
        Fixups {
            pstate: changed(pstate, Pstate::from_bits(restored)),
            spsr_el1,
            spsr_aarch32,
            x: if completed { self.corrected_read() } else { None },
        }
    }

    /// The address behind the last instruction.
    const fn next(&self) -> u64 {
        let next = self.last.wrapping_add(self.length as u64);
        if aarch32::is_used(self.before) { next & 0xffff_ffff } else { next }
    }

    /// Whether PSTATE is a new one, not the one that the step began with.
    const fn replaced(&self, after: &AfterStep) -> bool {
        match self.effect {
            Effect::ExceptionReturn => {
                let ran_with = self.before.into_bits() | self.added;
                after.pc != self.first || (after.pstate.into_bits() ^ ran_with) & !SS != 0
            }
            // PSCI may have reset or suspended the core, which then comes back somewhere else.
            Effect::FirmwareCall => after.pc != self.first && after.pc != self.next(),
            _ => false,
        }
    }

    /// `state`, which the core had after the instruction or saved at an exception, without the masks
    /// that the step added and the instruction did not decide itself.
    const fn restored(&self, state: Pstate, completed: bool) -> Pstate {
        let decided = match self.effect {
            Effect::Change { mask, .. } | Effect::Write { mask } if completed => mask,
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
                Some((register, self.before.into_bits() & Pstate::ALLINT))
            }
            Effect::ReadCpsr { register } => match aarch32::state(self.before) {
                // Execution state bits, IT, J, T and IL, read as zero.
                Some(cpsr) => Some((register, (cpsr.with_il(false).into_bits() & 0xf8ff_03df) as u64)),
                None => None,
            },
            _ => None,
        }
    }

    /// Whether the exception registers are those of an exception that the step itself took, and then
    /// whether the last instruction was done before it.
    const fn exception_taken(&self, after: &AfterStep, saved: &ExceptionRegisters) -> Option<bool> {
        let (at_vector, completed, returns_here) = if aarch32::is_used(after.pstate) {
            self.aarch32_exception(after, saved)
        } else {
            self.aarch64_exception(after, saved)
        };
        // What was saved has the mode and the masks that the core ran with, but for what the
        // instruction cleared itself.
        let cleared = match self.effect {
            Effect::Change { set: false, mask } | Effect::Write { mask } if completed => mask,
            _ => 0,
        };
        let masks = self.added & !cleared;
        let same_mode = saved.spsr_el1.mode().into_bits() == self.before.mode().into_bits();
        let same_masks = saved.spsr_el1.into_bits() & masks == masks;
        if at_vector && returns_here && same_mode && same_masks { Some(completed) } else { None }
    }

    /// Whether the PC is at a vector for the state before, whether the instruction was done, and whether
    /// the return address is one of the step.
    const fn aarch64_exception(&self, after: &AfterStep, saved: &ExceptionRegisters) -> (bool, bool, bool) {
        let base = saved.vbar_el1 & !0x7ff;
        let group = if aarch32::is_used(self.before) {
            0x600
        } else if matches!(self.before.exception_level(), ExceptionLevel::El0) {
            0x400
        } else {
            match self.before.stack_pointer_selector() {
                StackPointer::ElX => 0x200,
                StackPointer::El0 => 0x000,
            }
        };
        // Four vectors to a group: synchronous, IRQ, FIQ, SError. The return address is one of the
        // instructions, or behind the last of them after a call.
        (
            after.pc & !0x7ff == base && after.pc & 0x600 == group,
            saved.elr_el1 == self.next(),
            saved.elr_el1 >= self.first && saved.elr_el1 <= self.next(),
        )
    }

    /// The same for an EL1 that uses AArch32: the link register is ahead of the return address by what
    /// the exception and the instruction set say (DDI 0487, "Link values saved on exception entry").
    const fn aarch32_exception(&self, after: &AfterStep, saved: &ExceptionRegisters) -> (bool, bool, bool) {
        let vector = after.pc & 0x1f;
        let base = after.pc & !0x1f;
        let length = self.length as u64;
        let offset = match vector {
            // Undefined instruction: behind it, by its shortest length.
            0x04 => match aarch32::state(self.before) {
                Some(cpsr) if cpsr.t() => 2,
                _ => 4,
            },
            // Supervisor call: behind it.
            0x08 => 0,
            // Prefetch abort, IRQ and FIQ; data abort.
            0x0c | 0x18 | 0x1c => 4,
            _ => 8,
        };
        let return_address = saved.elr_el1.wrapping_sub(offset) & 0xffff_ffff;
        let completed = return_address == self.last.wrapping_add(length) & 0xffff_ffff;
        (
            base == saved.vbar_el1 & 0xffff_ffe0 || base == 0xffff_0000,
            completed,
            return_address >= self.first && return_address <= self.next(),
        )
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

/// What tells an exception that was taken from a branch to the vectors. [`ExceptionSources`] says which
/// registers hold it where EL1 uses AArch32.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ExceptionRegisters {
    /// `VBAR_EL1`, which is also `VBAR`.
    pub vbar_el1: u64,
    /// `ELR_EL1`, or the link register of the mode.
    pub elr_el1: u64,
    /// `SPSR_EL1`, or the saved status of the mode.
    pub spsr_el1: Spsr,
}

/// Which registers hold the return address and the saved status after an exception to EL1.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ExceptionSources {
    /// For [`ExceptionRegisters::elr_el1`].
    pub return_address: Register,
    /// For [`ExceptionRegisters::spsr_el1`].
    pub saved_status: SystemRegister,
}

impl ExceptionSources {
    /// For a core that is now in the state `pstate`; `None` where that is no state that an exception to
    /// EL1 leads to.
    #[must_use]
    pub const fn of(pstate: Pstate) -> Option<Self> {
        let mode = pstate.mode();
        match mode {
            Mode::El1h => Some(Self {
                return_address: Register::System(SystemRegister::ELR_EL1),
                saved_status: SystemRegister::SPSR_EL1,
            }),
            Mode::Supervisor | Mode::Abort | Mode::Undefined | Mode::Irq | Mode::Fiq if aarch32::BUILT_IN => {
                match (aarch32::register(mode, 14), aarch32::spsr(mode)) {
                    (Some(return_address), Some(saved_status)) => Some(Self { return_address, saved_status }),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}
