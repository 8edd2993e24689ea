//! Whether bytecode can be evaluated to its end.

use core::fmt;
use core::ops::Range;

use super::format::conversions;
use super::operation::{Operation, Undecodable};
use super::{MAX_LENGTH, MAX_STACK};

/// Why bytecode is refused. `offset` is that of the operation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum BytecodeError {
    /// It is longer than [`MAX_LENGTH`].
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// It ends inside an operation, or without `end`.
    CutOff {
        /// Where.
        offset: usize,
    },
    /// The operation is not known or not supported: floating point, trace buffers and trace state
    /// variables are not.
    Unsupported {
        /// Where.
        offset: usize,
        /// The operation.
        opcode: u8,
    },
    /// A jump that does not go forward to an operation. gdb makes none, and without them every
    /// evaluation ends.
    Jump {
        /// Where.
        offset: usize,
        /// Where to.
        target: u16,
    },
    /// The stack would hold fewer values than the operation takes.
    Underflow {
        /// Where.
        offset: usize,
    },
    /// The stack would hold more than [`MAX_STACK`] values.
    Overflow {
        /// Where.
        offset: usize,
    },
    /// Two ways lead to the operation with stacks of different depths.
    Uneven {
        /// Where.
        offset: usize,
    },
    /// The format of a print has a conversion that is not supported, or more or fewer of them than the
    /// operation has arguments.
    Format {
        /// Where.
        offset: usize,
    },
}

impl fmt::Display for BytecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { length } => {
                write!(f, "the expression is {length} bytes long, and {MAX_LENGTH} are the most")
            }
            Self::CutOff { offset } => write!(f, "the expression ends too early, at offset {offset}"),
            Self::Unsupported { offset, opcode } => {
                write!(f, "operation {opcode:#04x} at offset {offset} is not supported")
            }
            Self::Jump { offset, target } => {
                write!(f, "the jump at offset {offset} to {target} does not go forward to an operation")
            }
            Self::Underflow { offset } => {
                write!(f, "the operation at offset {offset} takes more values than there are")
            }
            Self::Overflow { offset } => {
                write!(f, "the operation at offset {offset} makes it more than {MAX_STACK} values")
            }
            Self::Uneven { offset } => {
                write!(f, "the stack is not always equally deep at offset {offset}")
            }
            Self::Format { offset } => {
                write!(f, "the format at offset {offset} does not fit its arguments, or is not supported")
            }
        }
    }
}

impl core::error::Error for BytecodeError {}

/// Depth of the stack before the operation at an offset.
type Depths = [Option<u8>; MAX_LENGTH + 1];

/// Checks that [`super::evaluate`] can evaluate `code`.
///
/// # Errors
/// [`BytecodeError`].
pub fn check(code: &[u8]) -> Result<(), BytecodeError> {
    check_for(code, true)
}

/// As [`check`], for where nobody may read what is printed: then prints are not supported.
pub(crate) fn check_for(code: &[u8], can_print: bool) -> Result<(), BytecodeError> {
    if code.len() > MAX_LENGTH {
        return Err(BytecodeError::TooLong { length: code.len() });
    }
    let mut depths: Depths = [None; MAX_LENGTH + 1];
    reach(&mut depths, 0, 0)?;
    let mut offset = 0;
    while offset < code.len() {
        let (operation, next) = Operation::decode(code, offset).map_err(|error| match error {
            Undecodable::CutOff => BytecodeError::CutOff { offset },
            Undecodable::Unsupported(opcode) => BytecodeError::Unsupported { offset, opcode },
        })?;
        if let Some(inside) = (offset + 1..next).find(|inside| depth_at(&depths, *inside).is_some()) {
            // Only a jump can have reached the middle of an operation.
            return Err(BytecodeError::Jump { offset, target: inside as u16 });
        }
        // What is never reached is only decoded.
        if let Some(depth) = depth_at(&depths, offset) {
            let depth = after(&operation, depth, offset)?;
            match operation {
                Operation::Jump(target) => jump(&mut depths, next..code.len(), offset, target, depth)?,
                Operation::JumpIf(target) => {
                    jump(&mut depths, next..code.len(), offset, target, depth)?;
                    reach(&mut depths, next, depth)?;
                }
                Operation::End => {}
                Operation::Print { .. } if !can_print => {
                    let opcode = code.get(offset).copied().unwrap_or_default();
                    return Err(BytecodeError::Unsupported { offset, opcode });
                }
                Operation::Print { arguments, format } if conversions(format) != Some(arguments) => {
                    return Err(BytecodeError::Format { offset });
                }
                _ => reach(&mut depths, next, depth)?,
            }
        }
        offset = next;
    }
    match depth_at(&depths, code.len()) {
        // The end was reached without an `end`.
        Some(_) => Err(BytecodeError::CutOff { offset: code.len() }),
        None => Ok(()),
    }
}

fn depth_at(depths: &Depths, offset: usize) -> Option<u8> {
    depths.get(offset).copied().flatten()
}

/// The depth after an operation.
fn after(operation: &Operation<'_>, depth: u8, offset: usize) -> Result<u8, BytecodeError> {
    let (takes, puts) = operation.effect();
    let rest = usize::from(depth).checked_sub(takes).ok_or(BytecodeError::Underflow { offset })?;
    match u8::try_from(rest + puts) {
        Ok(depth) if usize::from(depth) <= MAX_STACK => Ok(depth),
        _ => Err(BytecodeError::Overflow { offset }),
    }
}

/// Notes that a jump at `offset` reaches `target`, which has to be among the operations that follow it.
fn jump(
    depths: &mut Depths,
    following: Range<usize>,
    offset: usize,
    target: u16,
    depth: u8,
) -> Result<(), BytecodeError> {
    if !following.contains(&target.into()) {
        return Err(BytecodeError::Jump { offset, target });
    }
    reach(depths, target.into(), depth)
}

/// Notes that the operation at `offset` is reached with a stack of that depth.
fn reach(depths: &mut Depths, offset: usize, depth: u8) -> Result<(), BytecodeError> {
    match depths.get_mut(offset) {
        Some(known @ None) => *known = Some(depth),
        Some(Some(known)) if *known == depth => {}
        Some(Some(_)) => return Err(BytecodeError::Uneven { offset }),
        None => return Err(BytecodeError::CutOff { offset }),
    }
    Ok(())
}
