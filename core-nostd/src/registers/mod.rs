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
mod eddfr;
mod edecr;
mod edprsr;
mod edrcr;
mod edscr;
mod edwar;
mod esr;
mod id_aa64dfr0_el1;
mod id_aa64dfr1_el1;
mod id_aa64dfr2_el1;
mod mdcr_el2;
mod mdscr_el1;
mod name;
mod oslar_el1;
mod oslsr_el1;
mod pstate;
mod sctlr_el1;
mod special;
mod tcr_el1;
mod ttbr;
mod uint;

pub use cpsr::Cpsr;
pub use dbgbcr::{BreakpointType, Dbgbcr};
pub use dbgbvr::Dbgbvr;
pub use dbgwcr::{Dbgwcr, LoadStoreControl};
pub use dbgwvr::Dbgwvr;
pub use eddfr::Eddfr;
pub use edecr::Edecr;
pub use edprsr::Edprsr;
pub use edrcr::Edrcr;
pub use edscr::{DebugStatus, Edscr};
pub use edwar::Edwar;
pub use esr::Esr;
pub use id_aa64dfr0_el1::IdAa64dfr0El1;
pub use id_aa64dfr1_el1::IdAa64dfr1El1;
pub use id_aa64dfr2_el1::IdAa64dfr2El1;
pub use mdcr_el2::MdcrEl2;
pub use mdscr_el1::MdscrEl1;
pub use name::{Register, SystemRegister};
pub use oslar_el1::OslarEl1;
pub use oslsr_el1::OslsrEl1;
pub use pstate::{BranchType, ExceptionLevel, Mode, Pstate, Spsr, StackPointer};
pub use sctlr_el1::SctlrEl1;
pub use special::{SpecialRegister, TransferPlace};
pub use tcr_el1::{Tcr2El1, TcrEl1};
pub use ttbr::Ttbr;
pub use uint::Uint;
