//! What a request carries besides what it traps: when it counts, and what happens then.

use core::fmt;

use crate::agent::{self, BytecodeError, Numbering};
use crate::watchpoint::Watchpoint;

use super::Request;

/// The longest range whose value can be compared, in bytes: what the widest store changes lies in it
/// wherever the store begins.
pub const MAX_COMPARED: u64 = 128;

/// When a hit of a request counts, and what happens then.
///
/// In this order: where the value is asked about, it decides; then the conditions; what passes both is
/// counted as a hit, and unless it is among the ignored ones the commands run; then the target stops or
/// runs on.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// Agent expressions of which one must be true; none means always. One that cannot be evaluated counts
    /// as true, and its [`super::Hit`] says why.
    pub conditions: &'a [&'a [u8]],
    /// Agent expressions that are evaluated for what they print.
    pub commands: &'a [&'a [u8]],
    /// The register numbers of the expressions.
    pub numbering: Numbering,
    /// How many hits to let pass first.
    pub ignore: u32,
    /// For a watchpoint, when it stops and for what.
    pub value: ValueCondition,
    /// What happens at a hit.
    pub then: Then,
    /// Whether a watchpoint for writes may watch whole pages by the memory map where the comparators do not
    /// suffice.
    pub pages: bool,
}

impl Default for Options<'_> {
    /// Every hit stops the target.
    fn default() -> Self {
        Self {
            conditions: &[],
            commands: &[],
            numbering: agent::operand,
            ignore: 0,
            value: ValueCondition::default(),
            then: Then::default(),
            pages: false,
        }
    }
}

/// What the target does after a hit.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Then {
    /// All cores stop, and the client is told.
    #[default]
    Stop,
    /// The core runs on; nobody is told.
    Run,
    /// The core waits for [`super::Debugger::go_on`] while the others run on:
    /// [`super::Outcome::Waiting`].
    Wait,
}

/// When a watchpoint stops, and for which values.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ValueCondition {
    /// Before the access, whatever it does: as the hardware stops.
    #[default]
    Before,
    /// After the access, with the values before and after it.
    After,
    /// After an access that has changed a byte of the watched range, which is at most [`MAX_COMPARED`]
    /// bytes long.
    Changed,
    /// After an access that leaves this value, little-endian, in the watched range, which is at most 8
    /// bytes long.
    Equals(u64),
}

impl ValueCondition {
    /// Whether the stop comes before the access.
    pub(super) const fn is_before(self) -> bool {
        matches!(self, Self::Before)
    }
}

/// Why options were refused. Nothing has changed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum OptionsError {
    /// An expression could not be evaluated.
    Bytecode {
        /// Which one: conditions first, then commands, from 0.
        expression: usize,
        /// Why not.
        error: BytecodeError,
    },
    /// An expression has a register that is none, or is wider than 64 bits.
    Register {
        /// Which expression.
        expression: usize,
        /// The register's number.
        number: u16,
    },
    /// The expressions of all requests together take more room than there is.
    Full {
        /// How many bytes these take.
        needed: usize,
        /// How many are free.
        free: usize,
    },
    /// There is no room for another request with options.
    TooMany {
        /// How many there can be.
        capacity: usize,
    },
    /// The commands print, and there is nobody to print to.
    NoConsole,
    /// Only a watchpoint has a value to ask about.
    NoValue,
    /// The range is too long for its value to be compared.
    ValueTooLong {
        /// Its length in bytes.
        length: u64,
        /// The greatest that can be compared.
        limit: u64,
    },
}

impl fmt::Display for OptionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytecode { expression, error } => write!(f, "expression {expression}: {error}"),
            Self::Register { expression, number } => {
                write!(f, "expression {expression}: register {number} is none of at most 64 bits")
            }
            Self::Full { needed, free } => write!(
                f,
                "the expressions take {needed} bytes and {free} are free; remove conditions of others first"
            ),
            Self::TooMany { capacity } => {
                write!(f, "{capacity} requests with conditions are the most; remove others first")
            }
            Self::NoConsole => f.write_str("there is no console to print to"),
            Self::NoValue => f.write_str("only a watchpoint has a value to compare"),
            Self::ValueTooLong { length, limit } => {
                write!(f, "the value of {length} bytes cannot be compared; {limit} are the most")
            }
        }
    }
}

impl core::error::Error for OptionsError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Bytecode { error, .. } => Some(error),
            _ => None,
        }
    }
}

impl Options<'_> {
    /// Whether a request with these is as one without any.
    pub(super) fn is_plain(&self) -> bool {
        self.conditions.is_empty()
            && self.commands.is_empty()
            && self.ignore == 0
            && self.value.is_before()
            && self.then == Then::Stop
    }

    /// Whether a request can have these; `console` says whether there is one,
    /// and `compared` how many bytes of a value can be kept to see what an access changes.
    pub(super) fn check(&self, request: &Request, console: bool, compared: u64) -> Result<(), OptionsError> {
        for (expression, code) in self.expressions().enumerate() {
            if !console && agent::prints(code) {
                return Err(OptionsError::NoConsole);
            }
            agent::check_for(code, console).map_err(|error| OptionsError::Bytecode { expression, error })?;
            if let Some(number) = agent::unknown_register(code, self.numbering) {
                return Err(OptionsError::Register { expression, number });
            }
        }
        match (self.value, request) {
            (ValueCondition::Before, _) => Ok(()),
            (_, Request::Watchpoint(watchpoint)) => self.value.check(watchpoint, compared),
            _ => Err(OptionsError::NoValue),
        }
    }

    /// Conditions, then commands.
    pub(super) fn expressions(&self) -> impl Iterator<Item = &[u8]> {
        self.conditions.iter().chain(self.commands).copied()
    }
}

impl ValueCondition {
    fn check(self, watchpoint: &Watchpoint, compared: u64) -> Result<(), OptionsError> {
        let length = watchpoint.range().len();
        let limit = match self {
            Self::Before | Self::After => return Ok(()),
            Self::Changed => compared,
            Self::Equals(_) => 8,
        };
        if length > limit { Err(OptionsError::ValueTooLong { length, limit }) } else { Ok(()) }
    }

    /// Whether a stop after an access of this watchpoint is one for it, where `changed` says whether the
    /// access has changed a watched byte and `now` is the value it left.
    pub(super) const fn holds(self, changed: bool, now: u64) -> bool {
        match self {
            Self::Before | Self::After => true,
            Self::Changed => changed,
            Self::Equals(value) => now == value,
        }
    }
}
