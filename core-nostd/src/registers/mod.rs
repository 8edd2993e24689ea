//! Register names and layouts: one file a register, bits and field values, nothing else.
//!
//! Types are named by the manual (`MDSCR_EL1` is `MdscrEl1`), fields keep Arm's spelling in lower case.
//! All are total in both directions: `from_bits` takes any value, `into_bits` gives it back unchanged,
//! RES0 bits included. What the bits mean together is the business of [`crate::scope`],
//! [`crate::breakpoint`], [`crate::watchpoint`] and [`crate::syndrome`].

mod cpsr;
mod dbgbcr;
mod dbgbvr;
mod dbgwcr;
mod dbgwvr;
mod esr;
mod name;
mod pstate;
mod sctlr_el1;
mod tcr_el1;
mod ttbr;
mod uint;

pub use cpsr::Cpsr;
pub use dbgbcr::{BreakpointType, Dbgbcr};
pub use dbgbvr::Dbgbvr;
pub use dbgwcr::{Dbgwcr, LoadStoreControl};
pub use dbgwvr::Dbgwvr;
pub use esr::Esr;
pub use name::{Register, SystemRegister};
pub use pstate::{BranchType, ExceptionLevel, Mode, Pstate, Spsr, StackPointer};
pub use sctlr_el1::SctlrEl1;
pub use tcr_el1::{Tcr2El1, TcrEl1};
pub use ttbr::Ttbr;
pub use uint::Uint;
