//! Registers by the client's numbers, and their values.

use crate::aarch32::BUILT_IN;
use crate::registers::SystemRegister;
use crate::target::{CoreId, Refusal, Register, Target};

use super::failure::{Failure, Handled};
use super::layout::{Named, SVE};
use super::packet::Thread;
use super::session::Exchange;
use super::wire::Hex;

/// The longest register in bytes, `Z0` to `Z31` with the longest vectors there can be.
const LONGEST: usize = 256;

/// Which bits of AArch32's `FPSCR` are `FPSR`'s; `FPCR` has others (DDI 0487, "FPSCR, Floating-Point Status and
/// Control Register", "Architectural mapping").
const FPSCR_STATUS: u64 = 0xf800_009f;
const FPSCR_CONTROL: u64 = 0x07f7_9f00;

impl<T: Target, const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize>
    Exchange<'_, '_, T, CORES, SOFTWARE, BYTECODE>
{
    pub(super) fn read_registers(&mut self, thread: Option<Thread>) -> Handled<(), T::Error> {
        let core = self.core_of(thread.unwrap_or(Thread::Any))?;
        for number in self.session.numbers().general() {
            self.write_value(core, number)?;
        }
        Ok(())
    }

    pub(super) fn write_registers(&mut self, thread: Option<Thread>, hex: Hex<'_>) -> Handled<(), T::Error> {
        let core = self.core_of(thread.unwrap_or(Thread::Any))?;
        let numbers = self.session.numbers();
        let place = |wanted: u64| {
            let before = numbers.general().take_while(|number| *number != wanted);
            before.filter_map(|number| Some(numbers.named(number)?.size())).sum::<usize>()
        };
        // The status register first: it says which stack pointer `sp` is.
        let status = numbers.status();
        for number in core::iter::once(status).chain(numbers.general().filter(|number| *number != status)) {
            let named = self.named(number)?;
            let (begin, size) = (place(number), named.size());
            let value = hex.part(begin, size).ok_or(Failure::Malformed)?;
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
        self.set_value(core, named, hex)?;
        self.ok();
        Ok(())
    }

    pub(super) fn named(&self, number: u64) -> Handled<Named, T::Error> {
        self.session.numbers().named(number).ok_or(Failure::NoSuchRegister(number))
    }

    /// Appends a register's value to the answer.
    pub(super) fn write_value(&mut self, core: CoreId, number: u64) -> Handled<(), T::Error> {
        let named = self.named(number)?;
        let value = match named {
            Named::Scalable(register, length) if SVE => {
                let target = self.debugger.target_mut();
                let vectors = target.scalable_vectors().ok_or(NO_SCALABLE)?;
                return Ok(self.reply.hex_of(length.into(), |buffer| {
                    vectors.read_scalable(core, register, buffer).map(|()| buffer.len())
                })?);
            }
            Named::V(number) => self.debugger.target_mut().read_vector(core, number)?,
            Named::D(number) if BUILT_IN => {
                let vector = self.debugger.target_mut().read_vector(core, number / 2)?;
                vector >> (64 * (number % 2)) & u128::from(u64::MAX)
            }
            Named::Fpscr if BUILT_IN => {
                let status = self.debugger.read_register(core, Register::Fpsr)? & FPSCR_STATUS;
                let control = self.debugger.read_register(core, Register::Fpcr)? & FPSCR_CONTROL;
                (status | control).into()
            }
            Named::VectorGranules(granules) => granules.into(),
            Named::Fpa(_) => 0,
            Named::AuthenticationMask { high } => self.authentication_mask(core, high)?.into(),
            _ => {
                let register = self.register_of(core, named)?;
                self.debugger.read_register(core, register)?.into()
            }
        };
        self.reply.hex(value.to_le_bytes().get(..named.size()).unwrap_or_default());
        Ok(())
    }

    /// Writes a register from its bytes, the lowest first.
    fn set_value(&mut self, core: CoreId, named: Named, value: Hex<'_>) -> Handled<(), T::Error> {
        let mut wide = [0; LONGEST];
        value.decode(&mut wide).ok_or(Failure::Malformed)?;
        let value = wide.first_chunk().map_or(0, |low| u128::from_le_bytes(*low));
        match named {
            Named::Scalable(register, length) if SVE => {
                let bytes = wide.get(..usize::from(length)).unwrap_or_default();
                let vectors = self.debugger.target_mut().scalable_vectors().ok_or(NO_SCALABLE)?;
                vectors.write_scalable(core, register, bytes)?;
            }
            Named::V(number) => self.debugger.target_mut().write_vector(core, number, value)?,
            Named::D(number) if BUILT_IN => {
                let (target, shift) = (self.debugger.target_mut(), 64 * (number % 2));
                let kept = target.read_vector(core, number / 2)? & !(u128::from(u64::MAX) << shift);
                target.write_vector(core, number / 2, kept | value << shift)?;
            }
            Named::Fpscr if BUILT_IN => {
                self.set_bits(core, Register::Fpsr, FPSCR_STATUS, value as u64)?;
                self.set_bits(core, Register::Fpcr, FPSCR_CONTROL, value as u64)?;
            }
            Named::Status => self.set_bits(core, Register::Pstate, u32::MAX.into(), value as u64)?,
            // A client that calls a function puts all registers back afterwards.
            Named::VectorGranules(granules) if value == granules.into() => {}
            Named::Fpa(_) if value == 0 => {}
            Named::VectorGranules(_) | Named::AuthenticationMask { .. } | Named::Fpa(_) => {
                return Err(Failure::Unsupported("this register only tells what others mean"));
            }
            _ => {
                let register = self.register_of(core, named)?;
                self.debugger.write_register(core, register, value as u64)?;
            }
        }
        Ok(())
    }

    /// Writes some bits of a register, and leaves the others as they are.
    fn set_bits(&mut self, core: CoreId, register: Register, mask: u64, value: u64) -> Handled<(), T::Error> {
        let old = self.debugger.read_register(core, register)?;
        let new = old & !mask | value & mask;
        if new != old {
            self.debugger.write_register(core, register, new)?;
        }
        Ok(())
    }

    /// The target's register behind one that is as wide.
    fn register_of(&mut self, core: CoreId, named: Named) -> Handled<Register, T::Error> {
        Ok(match named {
            Named::X(number) => Register::X(number),
            Named::R(number) if BUILT_IN => self.debugger.banked(core, number)?,
            Named::Sp => self.debugger.stack_pointer(core)?,
            Named::Pc | Named::Pc32 => Register::Pc,
            Named::Status => Register::Pstate,
            Named::Fpsr => Register::Fpsr,
            Named::Fpcr => Register::Fpcr,
            Named::System(register) => Register::System(register),
            Named::Special(register) => Register::Special(register),
            _ => return Err(Failure::Unsupported("this register is none of the target's own")),
        })
    }

    /// Which bits of a pointer are its authentication code, in one half of the address space.
    fn authentication_mask(&mut self, core: CoreId, high: bool) -> Handled<u64, T::Error> {
        let tcr = self.debugger.read_register(core, Register::System(SystemRegister::TCR_EL1))?;
        Ok(authentication_mask(tcr, high))
    }
}

/// The bits of a pointer's authentication code under a `TCR_EL1` (DDI 0487, "Pointer authentication": the bits between
/// the address and the tag, but for bit 55, and the tag where there is none).
const fn authentication_mask(tcr: u64, high: bool) -> u64 {
    const SELECTOR: u64 = 1 << 55;
    /// Of the longest addresses, which are of 52 bits.
    const LEAST: u64 = 12;
    let (size, tagged) = match high {
        false => (tcr & 0x3f, tcr >> 37 & 1 != 0),
        true => (tcr >> 16 & 0x3f, tcr >> 38 & 1 != 0),
    };
    // Firmware that signs before it translates has 0 here, and the processor takes addresses of 48 bits.
    let size = if size < LEAST { 16 } else { size };
    let address = u64::MAX >> size;
    let top = if tagged { SELECTOR - 1 } else { u64::MAX };
    top & !address & !SELECTOR
}

const NO_SCALABLE: Refusal = Refusal::Unsupported("the target has no scalable vectors");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authentication_codes_lie_between_the_address_and_the_tag() {
        const TAGGED: u64 = 1 << 37;
        for (tcr, high, mask) in [
            (25, false, 0xff7f_ff80_0000_0000),
            (25 | TAGGED, false, 0x007f_ff80_0000_0000),
            (16 << 16, true, 0xff7f_0000_0000_0000),
            (16 << 16 | TAGGED << 1, true, 0x007f_0000_0000_0000),
            // Out of reset, with the MMU off.
            (0, false, 0xff7f_0000_0000_0000),
            // Addresses of 52 bits.
            (12, false, 0xff70_0000_0000_0000),
            (12 << 16, true, 0xff70_0000_0000_0000),
        ] {
            assert_eq!(authentication_mask(tcr, high), mask, "{tcr:#x} {high}");
        }
    }
}
