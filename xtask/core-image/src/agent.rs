//! Conditions and commands evaluated where the stop happens: `agent`.

use trapline_core::agent;

#[cfg(feature = "text")]
use crate::machine::Lost;
use crate::machine::Machine;

/// Links them.
pub(crate) fn link() {
    error![agent::BytecodeError, agent::EvaluationError<Lost>];
    debug![agent::Operand];
    link![
        agent::check,
        agent::evaluate::<Machine>,
        agent::number,
        agent::operand,
        agent::prints,
        agent::renumber,
        agent::unknown_register,
    ];
}
