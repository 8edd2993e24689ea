//! Registers by the client's numbers: those of the target description, in its order.

use crate::agent::{self, Operand};
use crate::registers::SystemRegister;
use crate::target::{CoreId, Register, Target};

use super::failure::{Failure, Handled};
use super::packet::Thread;
use super::session::Exchange;
use super::wire::Hex;

/// A register as the client knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Named {
    /// `x0` to `x30`.
    X(u8),
    /// The stack pointer in use.
    Sp,
    Pc,
    /// `PSTATE` in SPSR layout, its low 32 bits.
    Cpsr,
    V(u8),
    /// 32 bits, like FPCR.
    Fpsr,
    Fpcr,
    System(SystemRegister),
}

/// The stack pointer's number, and others that a stop reply has.
pub(super) const FRAME_POINTER: u64 = 29;
pub(super) const LINK_REGISTER: u64 = 30;
pub(super) const STACK_POINTER: u64 = 31;
pub(super) const PROGRAM_COUNTER: u64 = 32;
pub(super) const CPSR: u64 = 33;

/// How many registers a `g` packet has: the general ones. gdb takes a `g` reply that ends early and fetches
/// the rest by `p` when it needs them, so that a stop costs no vector register reads.
const GENERAL: u64 = 34;

/// The number of the first vector register.
const VECTORS: u64 = 34;

/// Numbers from here on are those of system registers, by their encoding: its op0 is at least 2.
const SYSTEM: u64 = 0x8000;

/// Which registers the target has, and their numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Layout;

impl Layout {
    /// What a register number of an expression stands for. The engine numbers as the description does.
    pub(super) fn operand(number: u16) -> Option<Operand> {
        agent::operand(number)
    }

    /// The register with a number.
    pub(super) const fn named(self, number: u64) -> Option<Named> {
        Some(match number {
            0..=30 => Named::X(number as u8),
            STACK_POINTER => Named::Sp,
            PROGRAM_COUNTER => Named::Pc,
            CPSR => Named::Cpsr,
            VECTORS..=65 => Named::V((number - VECTORS) as u8),
            66 => Named::Fpsr,
            67 => Named::Fpcr,
            SYSTEM..=0xffff => Named::System(SystemRegister::from_encoding(number as u16)),
            _ => return None,
        })
    }
}

impl Named {
    /// The register's size in bytes.
    pub(super) const fn size(self) -> usize {
        match self {
            Self::X(_) | Self::Sp | Self::Pc | Self::System(_) => 8,
            Self::Cpsr | Self::Fpsr | Self::Fpcr => 4,
            Self::V(_) => 16,
        }
    }
}

impl<T: Target, const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize>
    Exchange<'_, '_, T, CORES, SOFTWARE, BYTECODE>
{
    pub(super) fn read_registers(&mut self, thread: Option<Thread>) -> Handled<(), T::Error> {
        let core = self.core_of(thread.unwrap_or(Thread::Any))?;
        for number in 0..GENERAL {
            self.write_value(core, number)?;
        }
        Ok(())
    }

    pub(super) fn write_registers(&mut self, thread: Option<Thread>, hex: Hex<'_>) -> Handled<(), T::Error> {
        let core = self.core_of(thread.unwrap_or(Thread::Any))?;
        // CPSR first: it says which stack pointer `sp` is.
        for number in core::iter::once(CPSR).chain(0..CPSR) {
            let named = self.named(number)?;
            let begin: usize = (0..number).filter_map(|before| Some(self.named(before).ok()?.size())).sum();
            let value = value(hex.bytes().skip(begin).take(named.size()));
            if hex.len() < begin + named.size() {
                return Err(Failure::Malformed);
            }
            self.set_value(core, named, value)?;
        }
        self.ok();
        Ok(())
    }

    pub(super) fn read_register(&mut self, thread: Option<Thread>, number: u64) -> Handled<(), T::Error> {
        let core = self.core_of(thread.unwrap_or(Thread::Any))?;
        self.write_value(core, number)
    }

    pub(super) fn write_register(
        &mut self,
        thread: Option<Thread>,
        number: u64,
        hex: Hex<'_>,
    ) -> Handled<(), T::Error> {
        let core = self.core_of(thread.unwrap_or(Thread::Any))?;
        let named = self.named(number)?;
        if hex.len() != named.size() {
            return Err(Failure::RegisterSize { number, size: named.size() });
        }
        self.set_value(core, named, value(hex.bytes()))?;
        self.ok();
        Ok(())
    }

    pub(super) fn named(&self, number: u64) -> Handled<Named, T::Error> {
        self.session.layout.named(number).ok_or(Failure::NoSuchRegister(number))
    }

    /// Appends a register's value to the answer.
    pub(super) fn write_value(&mut self, core: CoreId, number: u64) -> Handled<(), T::Error> {
        let named = self.named(number)?;
        let value = match named {
            Named::V(number) => self.debugger.target_mut().read_vector(core, number)?,
            _ => {
                let register = self.register_of(core, named)?;
                self.debugger.read_register(core, register)?.into()
            }
        };
        self.reply.hex(value.to_le_bytes().get(..named.size()).unwrap_or_default());
        Ok(())
    }

    fn set_value(&mut self, core: CoreId, named: Named, value: u128) -> Handled<(), T::Error> {
        match named {
            Named::V(number) => self.debugger.target_mut().write_vector(core, number, value)?,
            Named::Cpsr => {
                let old = self.debugger.read_register(core, Register::Pstate)?;
                let new = old & !u64::from(u32::MAX) | u64::from(value as u32);
                if new != old {
                    self.debugger.write_register(core, Register::Pstate, new)?;
                }
            }
            _ => {
                let register = self.register_of(core, named)?;
                self.debugger.write_register(core, register, value as u64)?;
            }
        }
        Ok(())
    }

    /// The target's register behind one that is at most 64 bits wide.
    fn register_of(&mut self, core: CoreId, named: Named) -> Handled<Register, T::Error> {
        Ok(match named {
            Named::X(number) => Register::X(number),
            Named::Sp => self.debugger.stack_pointer(core)?,
            Named::Pc => Register::Pc,
            Named::Cpsr => Register::Pstate,
            Named::Fpsr => Register::Fpsr,
            Named::Fpcr => Register::Fpcr,
            Named::System(register) => Register::System(register),
            Named::V(_) => return Err(Failure::Unsupported("a vector register is wider than 64 bits")),
        })
    }
}

/// A value from its bytes, the lowest first.
fn value(bytes: impl Iterator<Item = u8>) -> u128 {
    let mut wide = [0; 16];
    for (place, byte) in wide.iter_mut().zip(bytes) {
        *place = byte;
    }
    u128::from_le_bytes(wide)
}
