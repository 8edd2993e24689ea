//! Cortex-M cores behind a debug port as a target of the engine: Armv6-M, Armv7-M, Armv8-M.
//!
//! Halting debug by `DHCSR`, breakpoints by the breakpoint unit, watchpoints by the watchpoint unit; what their
//! comparators can do is planned by `trapline_core::m_profile`. A watchpoint halts a core behind the access. Which
//! comparator has matched is told (`DWT_FUNCTION<n>.MATCHED`), and so where, as exactly as one comparator's bytes; the
//! address itself is recorded nowhere.
//!
//! | file | holds |
//! |---|---|
//! | `registers` | debug registers that the core crate has no need of |
//! | `debug_unit` | single operations on them |
//! | `core` | one core: what stands in its comparators, and its registers |
//! | `target` | all cores as the engine's target; stops, found by polling |

mod core;
mod debug_unit;
mod registers;
mod target;
#[cfg(test)]
mod tests;

pub use target::CortexMTarget;
pub(super) use target::{catch_reset, check_access};
