//! Numbers of AArch32's registers.

use crate::agent::Operand;
use crate::registers::{Register, SystemRegister};

use super::{Named, SYSTEM};

pub(super) const PC: u64 = 15;
const FPA: u64 = 16;
const FPA_STATUS: u64 = 24;
pub(in crate::gdb) const CPSR: u64 = 25;
const DOUBLES: u64 = 26;
const FPSCR: u64 = 58;

pub(super) const fn named(number: u64) -> Option<Named> {
    Some(match number {
        0..PC => Named::R(number as u8),
        PC => Named::Pc32,
        CPSR => Named::Status,
        DOUBLES..FPSCR => Named::D((number - DOUBLES) as u8),
        FPSCR => Named::Fpscr,
        SYSTEM..=0xffff => Named::System(SystemRegister::from_encoding(number as u16)),
        _ => return None,
    })
}

/// The registers of the FPA: those that clients without the description expect before the status.
pub(super) const fn fpa(number: u64) -> Option<Named> {
    match number {
        FPA..FPA_STATUS => Some(Named::Fpa(12)),
        FPA_STATUS => Some(Named::Fpa(4)),
        _ => None,
    }
}

pub(super) const fn operand(number: u16) -> Option<Operand> {
    Some(Operand::Register(match number as u64 {
        0..=7 => Register::X(number as u8),
        8..PC => return Some(Operand::Banked(number as u8)),
        PC => Register::Pc,
        CPSR => Register::Pstate,
        SYSTEM.. => Register::System(SystemRegister::from_encoding(number)),
        _ => return None,
    }))
}
