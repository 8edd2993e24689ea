//! Armv8-A cores behind a debug port: their external debug registers as a target of the engine.
//!
//! Nothing here goes through the cores' own software, and probe-rs's core driver is not used: it has no watchpoints,
//! no linked or context breakpoints, one stack pointer, and a register cache of its own. probe-rs attaches, and carries
//! the accesses.
//!
//! | file | holds |
//! |---|---|
//! | `debug_unit` | single operations on a core's debug unit and cross-trigger interface |
//! | `instructions` | what a core is made to execute in Debug state |
//! | `core` | one core: what stands in its comparators, and its registers |
//! | `core_memory` | memory by way of a core, where no access port leads there |
//! | `target` | all cores as the engine's target; stops, found by polling |

mod core;
mod core_memory;
mod debug_unit;
mod instructions;
mod target;
#[cfg(test)]
mod tests;

pub use debug_unit::CoreAddresses;
pub use target::Armv8aTarget;
pub(super) use target::has_power;
