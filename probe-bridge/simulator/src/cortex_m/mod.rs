//! A board with one Cortex-M core: Armv6-M, Armv7-M or Armv8-M.
//!
//! The Thumb-2 core is the crate armagnac's; what a debugger sees of it is here, from the architecture's text (DDI 0419,
//! DDI 0403, DDI 0553): halting debug, the breakpoint unit (`fpb`), the data watchpoint unit (`dwt`), and a
//! timer that interrupts. Floating-point registers are there for a debugger; no instruction uses them.

mod board;
mod core;
mod dwt;
mod fpb;
mod memory;
mod timer;

pub use board::{COUNTER, CortexMBoard, LOOP};

/// Which architecture the core has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Architecture {
    /// Armv6-M: a breakpoint unit that patches nothing, a watchpoint unit of version 1 without a cycle counter, and
    /// few of the instructions of 32 bits.
    V6M,
    /// Armv7-M: a breakpoint unit of version 1, a watchpoint unit of version 1.
    V7M,
    /// Armv8-M: version 2 of both.
    V8M,
}
