//! Cortex-M: breakpoints by FPB or BPU, watchpoints by DWT.
//!
//! Architectures: Armv6-M (DDI 0419), Armv7-M (DDI 0403) and Armv8-M (DDI 0553). Their comparators are
//! 32-bit registers at fixed addresses, and know neither exception levels nor contexts. What a comparator
//! cannot watch is split over several, or refused.

pub mod debug_control;
pub mod dwt;
pub mod dwt_v1;
pub mod dwt_v2;
pub mod fpb;
mod units;

/// Whether pools, engine and server know cores of the M profile: the feature `m-profile`. A constant, so that a
/// program without it has no code for them; its pools have no comparators for such a core.
pub const BUILT_IN: bool = cfg!(feature = "m-profile");

pub use units::{UnitError, Units, WatchRegisters, WatchpointUnit, breakpoint_comparator};
