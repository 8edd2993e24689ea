//! Evaluation over a target.

use core::fmt;

use heapless::Vec;

use super::format::print;
use super::operation::{Binary, Operation};
use super::{MAX_LENGTH, MAX_STACK};

/// What an expression can ask of the core that stopped.
pub trait Environment {
    /// Why it could not be answered.
    type Error;

    /// A register by gdb's number, as an integer.
    ///
    /// # Errors
    /// Where there is no such register of at most 64 bits, or it cannot be read.
    fn register(&mut self, number: u16) -> Result<u64, Self::Error>;

    /// Fills `buffer` from a virtual address on.
    ///
    /// # Errors
    /// Where a byte of it cannot be read.
    fn read(&mut self, address: u64, buffer: &mut [u8]) -> Result<(), Self::Error>;

    /// Whether anybody reads what the expression prints. Where nobody does, it is not worked out.
    fn can_print(&mut self) -> bool {
        true
    }

    /// Takes a piece of what the expression prints.
    fn print(&mut self, text: &str);
}

/// Why an expression has no value.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum EvaluationError<E> {
    /// A division by zero.
    DivisionByZero,
    /// The code is not such as [`super::check`] lets through.
    Malformed,
    /// The target could not answer.
    Environment(E),
}

impl<E: fmt::Display> fmt::Display for EvaluationError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DivisionByZero => f.write_str("division by zero"),
            Self::Malformed => f.write_str("malformed bytecode"),
            Self::Environment(error) => error.fmt(f),
        }
    }
}

impl<E: core::error::Error + 'static> core::error::Error for EvaluationError<E> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Environment(error) => Some(error),
            Self::DivisionByZero | Self::Malformed => None,
        }
    }
}

/// The values of an expression under way.
struct Stack(Vec<u64, MAX_STACK>);

impl Stack {
    fn push<E>(&mut self, value: u64) -> Result<(), EvaluationError<E>> {
        self.0.push(value).map_err(|_| EvaluationError::Malformed)
    }

    fn pop<E>(&mut self) -> Result<u64, EvaluationError<E>> {
        self.0.pop().ok_or(EvaluationError::Malformed)
    }
}

/// Evaluates `code`, which [`super::check`] has let through. Its value is the top of the stack at its end,
/// or 0 where there is none, as for one that only prints.
///
/// # Errors
/// [`EvaluationError`].
pub fn evaluate<T: Environment>(code: &[u8], target: &mut T) -> Result<u64, EvaluationError<T::Error>> {
    let mut stack = Stack(Vec::new());
    let mut offset = 0;
    // Jumps go forward only, so there are no more steps than bytes.
    for _ in 0..code.len().min(MAX_LENGTH) {
        let (operation, next) = Operation::decode(code, offset).map_err(|_| EvaluationError::Malformed)?;
        offset = next;
        match operation {
            Operation::End => return Ok(stack.0.pop().unwrap_or(0)),
            Operation::Jump(target) => offset = target.into(),
            Operation::JumpIf(target) => {
                if stack.pop()? != 0 {
                    offset = target.into();
                }
            }
            Operation::Print { format, .. } if target.can_print() => {
                stack.pop()?;
                stack.pop()?;
                print(format, target, || stack.pop())?;
            }
            operation => step(&operation, &mut stack, target)?,
        }
    }
    Err(EvaluationError::Malformed)
}

/// An operation that only changes the stack.
fn step<T: Environment>(
    operation: &Operation<'_>,
    stack: &mut Stack,
    target: &mut T,
) -> Result<(), EvaluationError<T::Error>> {
    match *operation {
        Operation::Binary(binary) => {
            let (right, left) = (stack.pop()?, stack.pop()?);
            let value = calculate(binary, left, right).ok_or(EvaluationError::DivisionByZero)?;
            stack.push(value)
        }
        Operation::LogicalNot => {
            let value = stack.pop()?;
            stack.push(u64::from(value == 0))
        }
        Operation::Not => {
            let value = stack.pop()?;
            stack.push(!value)
        }
        Operation::SignExtend(bits) => {
            let value = stack.pop()?;
            stack.push(crate::address::sign_extend(value, u32::from(bits) - 1))
        }
        Operation::ZeroExtend(bits) => {
            let value = stack.pop()?;
            stack.push(if bits >= 64 { value } else { value & ((1 << bits) - 1) })
        }
        Operation::Load(count) => {
            let address = stack.pop()?;
            let mut bytes = [0; 8];
            let part = bytes.get_mut(..count.into()).unwrap_or_default();
            target.read(address, part).map_err(EvaluationError::Environment)?;
            stack.push(u64::from_le_bytes(bytes))
        }
        Operation::Constant(value) => stack.push(value),
        Operation::Register(number) => {
            let value = target.register(number).map_err(EvaluationError::Environment)?;
            stack.push(value)
        }
        Operation::Pick(depth) => {
            let value = stack.0.iter().rev().nth(depth.into()).copied();
            stack.push(value.ok_or(EvaluationError::Malformed)?)
        }
        Operation::Pop => stack.pop().map(|_| ()),
        Operation::Swap => {
            let (top, below) = (stack.pop()?, stack.pop()?);
            stack.push(top)?;
            stack.push(below)
        }
        Operation::Rotate => {
            let (c, b, a) = (stack.pop()?, stack.pop()?, stack.pop()?);
            stack.push(c)?;
            stack.push(a)?;
            stack.push(b)
        }
        Operation::Print { arguments, .. } => {
            // Its function and channel as well.
            (0..usize::from(arguments) + 2).try_for_each(|_| stack.pop().map(|_| ()))
        }
        Operation::End | Operation::Jump(_) | Operation::JumpIf(_) => Ok(()),
    }
}

/// The value of a binary operation, `None` for a division by zero. Arithmetic wraps, and a shift by 64 or
/// more leaves nothing but the sign.
fn calculate(operation: Binary, left: u64, right: u64) -> Option<u64> {
    let shift = u32::try_from(right).unwrap_or(u32::MAX);
    Some(match operation {
        Binary::Add => left.wrapping_add(right),
        Binary::Subtract => left.wrapping_sub(right),
        Binary::Multiply => left.wrapping_mul(right),
        Binary::DivideSigned if right == 0 => return None,
        Binary::DivideSigned => (left as i64).wrapping_div(right as i64) as u64,
        Binary::DivideUnsigned => left.checked_div(right)?,
        Binary::RemainderSigned if right == 0 => return None,
        Binary::RemainderSigned => (left as i64).wrapping_rem(right as i64) as u64,
        Binary::RemainderUnsigned => left.checked_rem(right)?,
        Binary::ShiftLeft => left.checked_shl(shift).unwrap_or(0),
        Binary::ShiftRightSigned => ((left as i64) >> shift.min(63)) as u64,
        Binary::ShiftRightUnsigned => left.checked_shr(shift).unwrap_or(0),
        Binary::And => left & right,
        Binary::Or => left | right,
        Binary::Xor => left ^ right,
        Binary::Equal => u64::from(left == right),
        Binary::LessSigned => u64::from((left as i64) < right as i64),
        Binary::LessUnsigned => u64::from(left < right),
    })
}
