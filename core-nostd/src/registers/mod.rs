//! Register layouts: one file a register, bits and field values, nothing else.

mod cpsr;
mod esr;
mod pstate;
mod sctlr_el1;
mod tcr_el1;
mod ttbr;

pub use cpsr::Cpsr;
pub use esr::Esr;
pub use pstate::{BranchType, ExceptionLevel, Mode, Pstate, Spsr, StackPointer};
pub use sctlr_el1::SctlrEl1;
pub use tcr_el1::{Tcr2El1, TcrEl1};
pub use ttbr::Ttbr;
