//! What an instruction is to a step, in any instruction set.

use super::{a32, a64, t32};
use crate::aarch32;
use crate::breakpoint::Instruction;
use crate::registers::{ExceptionLevel, Pstate};

/// What an instruction does to the interrupt masks, or to the flow of control around them. Masks have
/// the bits of PSTATE, the same in both Execution states.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) enum Effect {
    /// Nothing of the below.
    Ordinary,
    /// Sets or clears these masks: `MSR DAIFSet`, `MSR DAIFClr`, `CPS`.
    Change { set: bool, mask: u64 },
    /// Writes these masks from elsewhere: `MSR DAIF`, `MSR ALLINT`, `MSR CPSR`.
    Write { mask: u64 },
    /// `MRS Xt, DAIF`.
    ReadDaif { register: u8 },
    /// `MRS Xt, ALLINT`.
    ReadAllint { register: u8 },
    /// `MRS Rd, CPSR`; the number is that of the X register behind Rd.
    ReadCpsr { register: u8 },
    /// PSTATE comes from a saved one.
    ExceptionReturn,
    /// `HVC` or `SMC`: what comes back is the firmware's to choose.
    FirmwareCall,
    /// `WFI`, `WFE`, `WFIT`, `WFET`.
    Wait,
    /// `ESB`: a pending SError is taken, or deferred where it is masked.
    ErrorBarrier,
}

/// An instruction's effect, and its length in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Decoded {
    pub(super) effect: Effect,
    pub(super) length: u8,
}

impl Decoded {
    /// Decodes `word`, the 4 little-endian bytes at the PC of a core in the state `pstate`.
    pub(super) const fn of(word: Option<u32>, pstate: Pstate) -> Self {
        let ordinary = Self { effect: Effect::Ordinary, length: 4 };
        let Some(word) = word else { return ordinary };
        let Some(cpsr) = aarch32::state(pstate) else {
            return Self { effect: a64::effect(word), length: 4 };
        };
        let privileged = !matches!(pstate.exception_level(), ExceptionLevel::El0);
        let decoded = if cpsr.t() { t32::decode(word, cpsr) } else { a32::decode(word, cpsr) };
        match decoded.effect {
            // At EL0 they neither change the masks nor read them.
            Effect::Change { .. } | Effect::Write { .. } | Effect::ReadCpsr { .. } if !privileged => {
                Self { effect: Effect::Ordinary, ..decoded }
            }
            _ => decoded,
        }
    }
}

/// What an instruction is to an exclusive sequence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Flow {
    /// Runs on to the next instruction and leaves the exclusive monitor alone.
    Next,
    /// A load exclusive: arms the monitor.
    LoadExclusive,
    /// A store exclusive or `CLREX`: the end of a sequence.
    EndExclusive,
    /// Branches to a fixed offset from its own address, always or where a condition holds.
    Branch { offset: i64 },
    /// Goes where only registers know, or to another Exception level.
    Leaves,
}

impl Flow {
    /// Decodes `word`, the 4 little-endian bytes at an address. Also the instruction's length in bytes.
    pub(super) const fn of(word: u32, instruction: Instruction) -> (Self, u8) {
        match instruction {
            _ if !aarch32::BUILT_IN => (a64::flow(word), 4),
            Instruction::A64 => (a64::flow(word), 4),
            Instruction::A32 => (a32::flow(word), 4),
            Instruction::T32 => (t32::flow(word), t32::length(word)),
        }
    }
}

/// The low `width` bits of `value` as a signed number.
pub(super) const fn signed(value: u32, width: u32) -> i64 {
    let shift = 32 - width;
    ((value << shift) as i32 >> shift) as i64
}
