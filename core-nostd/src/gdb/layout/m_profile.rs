//! Numbers of the M profile's registers.

use crate::agent::Operand;
use crate::registers::{Register, SpecialRegister};
use crate::target::MProfile;

use super::Named;

pub(super) const PC: u64 = 15;
pub(in crate::gdb) const XPSR: u64 = 25;
const DOUBLES: u64 = 26;
const LAST_DOUBLE: u64 = DOUBLES + 15;
/// The special-purpose registers, but for `XPSR`, by their place in [`SpecialRegister::ALL`].
const SPECIAL: u64 = 64;
const LAST_SPECIAL: u64 = SPECIAL + SpecialRegister::ALL.len() as u64 - 1;

pub(super) fn named(number: u64, profile: MProfile) -> Option<Named> {
    Some(match number {
        0..PC => Named::R(number as u8),
        PC => Named::Pc32,
        XPSR => Named::Special(SpecialRegister::Xpsr),
        DOUBLES..=LAST_DOUBLE if profile.floating_point => Named::D((number - DOUBLES) as u8),
        SPECIAL..=LAST_SPECIAL => {
            let register = *SpecialRegister::ALL.get((number - SPECIAL) as usize)?;
            return (profile.has(register) && register != SpecialRegister::Xpsr)
                .then_some(Named::Special(register));
        }
        _ => return None,
    })
}

/// The number of a special-purpose register.
pub(in crate::gdb) fn number(register: SpecialRegister) -> u64 {
    match register {
        SpecialRegister::Xpsr => XPSR,
        _ => SPECIAL + SpecialRegister::ALL.iter().take_while(|other| **other != register).count() as u64,
    }
}

pub(super) const fn operand(number: u16) -> Option<Operand> {
    Some(Operand::Register(match number as u64 {
        0..PC => Register::X(number as u8),
        PC => Register::Pc,
        _ => return None,
    }))
}
