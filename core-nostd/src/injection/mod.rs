//! Exceptions that are the guest's own, given back as hardware would have delivered them.
//!
//! A debugger that has debug exceptions routed to itself (`MDCR_EL2.TDE`) sees the guest's own ones as
//! well. They go on to the guest from here: pure functions from the state before to the state after.
//! [`enter_el1`] is for an EL1 that uses AArch64, whatever EL0 uses; [`aarch32`] for one that uses
//! AArch32.

pub mod aarch32;
mod aarch64;
mod enabled;

pub use aarch64::{After, Before, Exception, Features, enter_el1, synchronous_vector, syndrome_at_el1};
pub use enabled::DebugControls;
