//! Why a packet is not honoured, and how the client is told.

use core::fmt::{self, Write as _};

use crate::address::AddressRangeError;
use crate::breakpoint::BreakpointError;
use crate::debugger::{AccessError, InsertError};
use crate::target::{Refusal, TargetError};

use super::wire::Reply;

/// Why a packet is not honoured.
#[derive(Debug)]
pub(super) enum Failure<E> {
    /// It is known, and its contents mean nothing.
    Malformed,
    /// It is longer than the buffer.
    Oversized,
    /// It came to harm on its way.
    Damaged,
    /// The answer is longer than the buffer.
    AnswerTooLong,
    /// The target runs, and this takes a halted one.
    Running,
    /// The client has detached.
    Detached,
    /// There is no such thread.
    NoSuchThread,
    /// The description of the target has no such register.
    NoSuchRegister(u64),
    /// The value has not as many bytes as the register.
    RegisterSize { number: u64, size: usize },
    /// No instruction has this length.
    InstructionLength(u64),
    /// It cannot be done at all; the sentence says what.
    Unsupported(&'static str),
    /// What is to be watched is no range of addresses.
    Range(AddressRangeError),
    /// The address is none for a breakpoint.
    Breakpoint(BreakpointError),
    /// The debugger does not insert or remove it.
    Insert(InsertError<E>),
    /// Memory cannot be reached.
    Access(AccessError<E>),
    /// The target refuses, or is lost.
    Target(TargetError<E>),
}

/// What handling a packet gives.
pub(super) type Handled<T, E> = Result<T, Failure<E>>;

/// How the client wants to be told of errors.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum ErrorStyle {
    /// By number. gdb before version 15 shows a text only for some packets.
    #[default]
    Number,
    /// `E.text`, gdb's `error-message` feature.
    Text,
    /// A number and the text in hexadecimal, lldb's `QEnableErrorStrings`.
    NumberAndText,
}

impl<E: fmt::Display> fmt::Display for Failure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("the packet's contents mean nothing"),
            Self::Oversized => f.write_str("the packet is longer than the PacketSize that was agreed on"),
            Self::Damaged => f.write_str("the packet's checksum is wrong"),
            Self::AnswerTooLong => f.write_str("the answer does not fit into a packet"),
            Self::Running => f.write_str("the target is running; interrupt it first"),
            Self::Detached => f.write_str("nothing is attached; attach first"),
            Self::NoSuchThread => f.write_str("there is no such thread"),
            Self::NoSuchRegister(number) => write!(f, "there is no register number {number}"),
            Self::RegisterSize { number, size } => write!(f, "register number {number} has {size} bytes"),
            Self::InstructionLength(length) => {
                write!(f, "no instruction of this target has {length} bytes; they have 2, 3 (T32) or 4")
            }
            Self::Unsupported(what) => f.write_str(what),
            Self::Range(error) => error.fmt(f),
            Self::Breakpoint(error) => error.fmt(f),
            Self::Insert(error) => error.fmt(f),
            Self::Access(error) => error.fmt(f),
            Self::Target(error) => error.fmt(f),
        }
    }
}

impl<E> Failure<E> {
    /// The loss of the target behind it, if it is one.
    pub(super) fn into_lost(self) -> Option<E> {
        match self {
            Self::Target(TargetError::Lost(error))
            | Self::Insert(InsertError::Target(TargetError::Lost(error))) => Some(error),
            Self::Access(error) | Self::Insert(InsertError::Memory(error)) => error.into_lost(),
            _ => None,
        }
    }

    /// The protocol's error number, in the sense that gdbserver gives it on Linux.
    const fn number(&self) -> u8 {
        const EIO: u8 = 5;
        const EFAULT: u8 = 14;
        const EINVAL: u8 = 22;
        match self {
            Self::Access(_) | Self::Insert(InsertError::Memory(_)) => EFAULT,
            Self::Damaged => EIO,
            _ => EINVAL,
        }
    }
}

impl<E: fmt::Display> Failure<E> {
    /// Writes the failure as the whole answer.
    pub(super) fn write(&self, style: ErrorStyle, reply: &mut Reply<'_>) {
        reply.truncate(0);
        reply.byte(b'E');
        let number = [self.number()];
        // A text that is cut off for want of room is still better than none; writing itself never fails.
        let _ = match style {
            ErrorStyle::Number => {
                reply.hex(&number);
                Ok(())
            }
            ErrorStyle::Text => {
                reply.byte(b'.');
                write!(reply.plain_text(), "{self}")
            }
            ErrorStyle::NumberAndText => {
                reply.hex(&number);
                reply.byte(b';');
                write!(reply.hex_text(), "{self}")
            }
        };
    }
}

impl<E> From<TargetError<E>> for Failure<E> {
    fn from(error: TargetError<E>) -> Self {
        Self::Target(error)
    }
}

impl<E> From<Refusal> for Failure<E> {
    fn from(refusal: Refusal) -> Self {
        Self::Target(TargetError::Refused(refusal))
    }
}

impl<E> From<AccessError<E>> for Failure<E> {
    fn from(error: AccessError<E>) -> Self {
        Self::Access(error)
    }
}

impl<E> From<InsertError<E>> for Failure<E> {
    fn from(error: InsertError<E>) -> Self {
        Self::Insert(error)
    }
}

impl<E> From<AddressRangeError> for Failure<E> {
    fn from(error: AddressRangeError) -> Self {
        Self::Range(error)
    }
}

impl<E> From<BreakpointError> for Failure<E> {
    fn from(error: BreakpointError) -> Self {
        Self::Breakpoint(error)
    }
}
