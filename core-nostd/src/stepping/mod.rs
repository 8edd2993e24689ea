//! What a step must not disturb: pure plans for the engine.
//!
//! [`QuietStep`] keeps interrupts out of a step and then makes the guest see the masks that it would
//! have had; [`ExclusiveSequence`] says where to stop when a load exclusive is stepped, because a step
//! in the middle would make its store exclusive fail for ever.

mod exclusive;
mod instruction;
mod quiet;

pub use exclusive::{ExclusiveSequence, MAX_EXITS, MAX_INSTRUCTIONS};
pub use quiet::{AfterStep, ExceptionRegisters, Fixups, QuietStep};
