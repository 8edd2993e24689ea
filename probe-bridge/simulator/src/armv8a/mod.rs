//! A board of two Armv8-A cores.
//!
//! What is simulated: A64 at EL1 and EL0 (EL2 and EL3 are the board's own; it answers PSCI calls), the
//! external debug unit, halting breakpoints and watchpoints, halting step, the cross-trigger interface. What is
//! not: AArch32, self-hosted debug exceptions but for `BRK`, caches, and floating point beyond a few scalar
//! instructions. What an instruction table does not have is UNDEFINED.

pub mod a64;
pub mod comparators;
mod core;
pub mod cti;
pub mod external;
pub mod state;
mod system;
pub mod system_registers;
mod translation;
mod trap;

pub use self::core::{Core, Outcome};
pub use self::system::{Armv8aBoard, CTI_BASES, DEBUG_BASES, DEBUG_PORT, MEMORY_PORT};
pub use self::trap::Trap;
