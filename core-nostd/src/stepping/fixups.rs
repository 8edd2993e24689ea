//! What a quiet step leaves to be put right.

use crate::registers::{Pstate, Register, Spsr, SystemRegister};

/// Registers to write after a quiet step.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use]
pub struct Fixups {
    /// `PSTATE`.
    pub pstate: Option<Pstate>,
    /// `SPSR_EL1`, which is also `SPSR_svc`.
    pub spsr_el1: Option<Spsr>,
    /// The saved status of another AArch32 mode that the step took an exception to.
    pub spsr_aarch32: Option<(SystemRegister, Spsr)>,
    /// A general-purpose register by number, 0 to 30, and its value.
    pub x: Option<(u8, u64)>,
}

impl Fixups {
    /// Nothing to write.
    pub const NONE: Self = Self { pstate: None, spsr_el1: None, spsr_aarch32: None, x: None };

    /// The registers to write, with their values.
    pub fn writes(self) -> impl Iterator<Item = (Register, u64)> {
        let spsr_el1 = self.spsr_el1.map(|value| (SystemRegister::SPSR_EL1, value));
        let system =
            |(register, value): (SystemRegister, Spsr)| (Register::System(register), value.into_bits());
        [
            self.pstate.map(|value| (Register::Pstate, value.into_bits())),
            spsr_el1.map(system),
            self.spsr_aarch32.map(system),
            self.x.map(|(number, value)| (Register::X(number), value)),
        ]
        .into_iter()
        .flatten()
    }
}
