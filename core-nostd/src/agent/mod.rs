//! gdb's agent expressions: bytecode that gdb makes of a condition or a `dprintf`, evaluated here, where
//! the stop happens, instead of at the far end of a connection (GDB manual, "The GDB Agent Expression
//! Mechanism").
//!
//! [`check`] refuses bytecode that could not be evaluated to its end: unknown and unsupported operations,
//! cut-off operands, jumps that are not forward to an instruction, and stacks that run over or under. What
//! it has let through ends after at most as many steps as it has bytes, and [`evaluate`] fails only by what
//! the target says, or by a division by zero.

mod check;
mod evaluate;
mod format;
mod operation;
mod register;
mod rewrite;

pub(crate) use check::check_for;
pub use check::{BytecodeError, check};
pub use evaluate::{Environment, EvaluationError, evaluate};
pub use register::{Numbering, Operand, number, operand};
pub use rewrite::{prints, renumber, unknown_register};

/// The longest bytecode of one expression, in bytes.
pub const MAX_LENGTH: usize = 512;

/// How many values an expression may have on its stack. gdb's own limit is 100, and what it makes of an
/// expression needs as many as the expression is nested deep.
pub const MAX_STACK: usize = 32;

/// The longest string of the target that a `%s` prints, in bytes.
pub const MAX_STRING: usize = 256;
