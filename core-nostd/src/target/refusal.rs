//! What a backend cannot do, and why.

use core::fmt;

use super::{CoreId, Register};
use crate::address::AddressRange;

/// Why a request could not be served. The session goes on.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Refusal {
    /// There is no such core.
    NoSuchCore(CoreId),
    /// The core is running; its state can only be reached while it is halted.
    Running(CoreId),
    /// The core is powered off.
    Off(CoreId),
    /// The target has no such register.
    NoSuchRegister(Register),
    /// The target has no `V<number>`.
    NoSuchVector(u8),
    /// The register cannot be written.
    ReadOnly(Register),
    /// The target does not take this value for the register.
    BadValue {
        /// The register.
        register: Register,
        /// The value.
        value: u64,
    },
    /// A byte of this physical range is not memory, or cannot be written.
    NoMemory(AddressRange),
    /// The backend cannot do this at all; the sentence says what.
    Unsupported(&'static str),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchCore(core) => write!(f, "there is no {core}"),
            Self::Running(core) => write!(f, "{core} is running; halt it first"),
            Self::Off(core) => write!(f, "{core} is powered off"),
            Self::NoSuchRegister(register) => write!(f, "the target has no register {register}"),
            Self::NoSuchVector(number) => write!(f, "the target has no register V{number}"),
            Self::ReadOnly(register) => write!(f, "{register} cannot be written"),
            Self::BadValue { register, value } => write!(f, "{register} does not take the value {value:#x}"),
            Self::NoMemory(range) => write!(f, "physical addresses {range} are not all memory"),
            Self::Unsupported(what) => f.write_str(what),
        }
    }
}

/// In words as well: a derived implementation would escape the sentence, which takes code that can panic.
impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl core::error::Error for Refusal {}

/// Why a backend's operation failed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum TargetError<E> {
    /// The request cannot be served; everything is as it was, and the session goes on.
    Refused(Refusal),
    /// The target or the way to it is gone.
    Lost(E),
}

impl<E> From<Refusal> for TargetError<E> {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl<E: fmt::Display> fmt::Display for TargetError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Lost(error) => write!(f, "the target is lost: {error}"),
        }
    }
}

impl<E: core::error::Error + 'static> core::error::Error for TargetError<E> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            Self::Lost(error) => Some(error),
        }
    }
}
