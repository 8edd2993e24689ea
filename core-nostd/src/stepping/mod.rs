//! What a step must not disturb: pure plans for the engine.
//!
//! [`QuietStep`] keeps interrupts out of a step and then makes the guest see the masks that it would
//! have had; [`ExclusiveSequence`] says where to stop when a load exclusive is stepped, because a step
//! in the middle would make its store exclusive fail for ever; [`Stretch`] says what of a range need not be
//! stepped at all, and [`Changes`] what of a core is still as it was after one step.

mod a32;
mod a64;
mod changes;
mod condition;
mod exclusive;
mod fixups;
mod instruction;
mod quiet;
#[cfg(feature = "quick-steps")]
mod simple;
mod stretch;
mod t32;

pub(crate) use a32::passes;
pub use changes::{Changes, may_be_vector};
pub use exclusive::{ExclusiveSequence, MAX_EXITS, MAX_INSTRUCTIONS};
pub use fixups::Fixups;
pub use quiet::{AfterStep, ExceptionRegisters, ExceptionSources, QuietStep};
#[cfg(feature = "quick-steps")]
pub(crate) use simple::Simple;
pub use stretch::{Stretch, keeps_pstate, keeps_translation};
pub(crate) use t32::length as t32_length;
