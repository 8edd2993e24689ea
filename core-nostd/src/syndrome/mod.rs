//! `ESR_ELx`, decoded: every class and every ISS gives an answer, and what has no meaning keeps its
//! number.

mod abort;
mod class;
mod debug;
mod details;
mod exception;
mod fault_status;
mod trap;
mod words;

pub use abort::{
    AsynchronousErrorType, DataAbort, GranuleProtection, InstructionAbort, SynchronousErrorType, SystemError,
};
pub use class::ExceptionClass;
pub use debug::{SoftwareStep, Watchpoint};
pub use details::Details;
pub use exception::{
    AuthenticationFailure, ExceptionReturn, FloatingPoint, GuardedControlStack, MemoryCopySet, SmeTrap,
};
pub use fault_status::FaultStatus;
pub use trap::{
    Conditional, CoprocessorAccess, CoprocessorLoadStore, CoprocessorPairAccess, SystemRegisterAccess,
    SystemRegisterPairAccess, Wait, WaitInstruction,
};

use core::fmt;

use crate::registers::Esr;

/// An exception syndrome with its meaning (DDI 0487, "ESR_EL1, Exception Syndrome Register (EL1)").
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Syndrome {
    /// The register.
    pub esr: Esr,
    /// EC, which kind of exception it was.
    pub class: ExceptionClass,
    /// IL: the instruction is 32 bits long, or its length does not matter.
    pub il: bool,
    /// ISS and ISS2, by class.
    pub details: Details,
}

impl Syndrome {
    /// Decodes an `ESR_ELx`. Every value has an answer.
    #[must_use]
    pub const fn decode(esr: u64) -> Self {
        let esr = Esr::from_bits(esr);
        let class = ExceptionClass::from_bits(esr.ec());
        Self { esr, class, il: esr.il(), details: Details::decode(class, esr) }
    }
}

impl fmt::Display for Syndrome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.class)?;
        self.details.fmt(f)
    }
}
