//! Why an operation of a session failed.

use std::fmt;

use trapline_core::debugger::{AccessError, InsertError};
use trapline_core::target::{Refusal, TargetError};

/// Why an operation of a session failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The target cannot do it; the session goes on.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// The comparators do not suffice, or cannot express it. Nothing has changed.
    #[error("{0}")]
    NotInserted(String),
    /// The memory cannot be reached.
    #[error("{0}")]
    Memory(String),
    /// Nothing has happened in time.
    #[error("the core has not halted in time")]
    Timeout,
    /// The target or the way to it is gone.
    #[error("the target is lost")]
    Lost(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The result of an operation of a session.
pub type Result<T> = std::result::Result<T, Error>;

impl<E: std::error::Error + Send + Sync + 'static> From<TargetError<E>> for Error {
    fn from(error: TargetError<E>) -> Self {
        match error {
            TargetError::Refused(refusal) => Self::Refused(refusal),
            TargetError::Lost(error) => Self::Lost(error.into()),
        }
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<InsertError<E>> for Error {
    fn from(error: InsertError<E>) -> Self {
        match error {
            InsertError::Target(error) => error.into(),
            error => Self::NotInserted(words(&error)),
        }
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<AccessError<E>> for Error {
    fn from(error: AccessError<E>) -> Self {
        match error {
            AccessError::Target(error) => error.into(),
            error => Self::Memory(words(&error)),
        }
    }
}

fn words(error: &dyn fmt::Display) -> String {
    error.to_string()
}
