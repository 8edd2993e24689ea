//! Conditions and commands evaluated where the stop happens: `agent`.

use trapline_core::agent;

#[cfg(feature = "text")]
use crate::machine::Lost;
use crate::machine::Machine;

/// Links them.
pub(crate) fn link() {
    error![agent::BytecodeError, agent::EvaluationError<Lost>];
    link![agent::check, agent::evaluate::<Machine>];
}
