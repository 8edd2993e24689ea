//! Breakpoint instructions planted in memory.
//!
//! [`SoftwareBreakpoints`] is bookkeeping only: it says which bytes belong where, and what to do about
//! what is found there. Whoever uses it reads and writes memory, at resume and only where
//! [`SoftwareBreakpoints::next_pending`] says so.

mod instruction;
mod table;

pub use instruction::{BreakInstruction, COMMENT, InstructionBytes, break_bytes};
pub use table::{Restore, Site, SiteState, SoftwareBreakpoint, SoftwareBreakpoints, SoftwareError};
