//! Registers as expressions name them: by number.

use crate::aarch32::BUILT_IN;
use crate::registers::{Register, SystemRegister};

/// What a register number of an expression stands for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Operand {
    /// A register.
    Register(Register),
    /// The stack pointer that the core uses.
    StackPointer,
    /// R8 to R14 of AArch32, each as the core's mode has it, or of the M profile.
    Banked(u8),
}

/// From a client's register numbers to [`Operand`]s; `None` where the number is no register of at most 64
/// bits. Clients number by the target description that they were sent.
pub type Numbering = fn(u16) -> Option<Operand>;

/// Numbers from here on are system registers by their encoding, whose op0 is at least 2.
const SYSTEM: u16 = 0x8000;

/// R0, if it were banked; R8 to R14 are.
const BANKED: u16 = 0x100;
const FIRST_BANKED: u16 = BANKED + 8;
const LAST_BANKED: u16 = BANKED + 14;

/// The operand behind a number as the engine keeps expressions: gdb's numbers for AArch64 (`X0` to `X30`,
/// `SP` 31, `PC` 32, `PSTATE` 33, `FPSR` 66, `FPCR` 67), system registers by [`SystemRegister::encoding`], and
/// 0x108 to 0x10e for R8 to R14 of AArch32.
#[must_use]
pub const fn operand(number: u16) -> Option<Operand> {
    Some(Operand::Register(match number {
        0..=30 => Register::X(number as u8),
        31 => return Some(Operand::StackPointer),
        32 => Register::Pc,
        33 => Register::Pstate,
        66 => Register::Fpsr,
        67 => Register::Fpcr,
        FIRST_BANKED..=LAST_BANKED if BUILT_IN => return Some(Operand::Banked((number - BANKED) as u8)),
        SYSTEM.. => Register::System(SystemRegister::from_encoding(number)),
        _ => return None,
    }))
}

/// The number by which [`operand`] gives the operand back; `None` where it has none, as `X31` or a system
/// instruction whose op0 is below 2.
#[must_use]
pub const fn number(operand: Operand) -> Option<u16> {
    Some(match operand {
        Operand::Register(Register::X(number)) if number <= 30 => number as u16,
        Operand::StackPointer => 31,
        Operand::Register(Register::Pc) => 32,
        Operand::Register(Register::Pstate) => 33,
        Operand::Register(Register::Fpsr) => 66,
        Operand::Register(Register::Fpcr) => 67,
        Operand::Register(Register::System(register)) if register.encoding() >= SYSTEM => register.encoding(),
        Operand::Banked(number @ 8..=14) if BUILT_IN => BANKED + number as u16,
        Operand::Register(_) | Operand::Banked(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_that_means_something_comes_back() {
        // Miri, which takes a hundred times as long, sees all of the low ones and some of the rest.
        let step = if cfg!(miri) { 997 } else { 1 };
        let numbers = (0..=LAST_BANKED).chain((LAST_BANKED + 1..=u16::MAX).step_by(step));
        let named = numbers.filter(|&n| operand(n).is_some());
        assert!(named.clone().all(|n| operand(n).and_then(number) == Some(n)));
        assert_eq!(named.filter(|n| *n < SYSTEM).count(), if BUILT_IN { 43 } else { 36 });
        assert_eq!((number(Operand::Banked(7)), number(Operand::Banked(15))), (None, None));
        assert_eq!(number(Operand::Register(Register::X(31))), None);
        let instruction = SystemRegister::from_encoding(SYSTEM - 1);
        assert_eq!(number(Operand::Register(Register::System(instruction))), None);
    }
}
