//! Debug of a guest from EL2, on the core that the guest runs on.
//!
//! What a type-1 hypervisor needs beside the traits of [`crate::target`], and nothing of its other business:
//!
//! - [`GuestDebug`], one for each vCPU: whose debug registers stand in the hardware while the guest runs, which
//!   of the exceptions that come to EL2 are the debugger's and which the guest's, and the guest's accesses to
//!   its own debug registers while they are not in the hardware ([`OwnRegisters`]).
//! - `SystemRegisters`, on AArch64: the debug registers of the core that executes. It is the only module of this
//!   crate with `unsafe`, because an access to a system register is an instruction; what is done with them
//!   goes through [`crate::context::DebugRegisters`], and is tested without hardware.
//!
//! Breakpoints of one guest never match in another: its registers stand in the hardware only while it runs.
//! So there is no need to link them to its VMID, which takes a context-aware pair.

mod guest_debug;
mod own;
mod own_step;
#[cfg(target_arch = "aarch64")]
mod system_registers;
#[cfg(test)]
mod tests;

pub use guest_debug::{GuestDebug, GuestState, Verdict};
pub use own::{Answer, OwnRegisters};
#[cfg(target_arch = "aarch64")]
pub use system_registers::{NoSuchDebugRegister, SystemRegisters};
