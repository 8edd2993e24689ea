//! Which comparator serves which request.
//!
//! A pool holds requests and the numbers of the pairs that serve them. Reserving is all or nothing;
//! identical requests share their pairs and are counted. Nothing here touches hardware:
//! [`BreakpointPool::arm`] and [`WatchpointPool::arm`] fill a bank's pairs for whoever does.

mod breakpoints;
mod ledger;
mod linked;
mod slots;
mod watchpoints;

pub use breakpoints::{BreakpointPool, ReservedBreakpoint};
pub use linked::{release_linked, reserve_linked};
pub use slots::Slots;
pub use watchpoints::{Hit, ReservedWatchpoint, WatchpointPool};

use core::fmt;

use crate::m_profile::{self, UnitError};
use crate::watchpoint::WatchpointError;

/// Who reserved a request. Each owner releases its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Owner(pub u8);

impl Owner {
    /// The debugger's client: what the user asked for.
    pub const DEBUGGER: Self = Self(0);
    /// The debugger itself, as for a step over a call.
    pub const INTERNAL: Self = Self(1);
    /// The software of the target, where a hypervisor serves it from the same hardware.
    pub const GUEST: Self = Self(2);
    /// The hypervisor or the VMM.
    pub const HOST: Self = Self(3);
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::DEBUGGER => f.write_str("the debugger"),
            Self::INTERNAL => f.write_str("the debugger itself"),
            Self::GUEST => f.write_str("the guest"),
            Self::HOST => f.write_str("the host"),
            Self(number) => write!(f, "owner {number}"),
        }
    }
}

/// Why a pool did not reserve or release. It is as it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum PoolError {
    /// The request takes more pairs than are free.
    NotEnoughPairs {
        /// How many it takes.
        needed: u64,
        /// How many are free.
        free: u8,
    },
    /// The request takes a context-aware pair, and none is free.
    NoContextAwarePair {
        /// How many there are, all of them in use.
        context_aware: u8,
    },
    /// The request takes a context-aware pair that can match an address for watchpoints, and none is free.
    NoAddressLinkingPair {
        /// How many there are, all of them in use.
        address_linking: u8,
    },
    /// The request needs FEAT_BWE, which the core does not have.
    NoMismatch,
    /// The request needs FEAT_BWE2, which the core does not have.
    NoWatchpointMismatch,
    /// What a watchpoint was to be linked to is no link target.
    NoLinkTarget,
    /// Hardware does not say what becomes of an instruction that two link targets match.
    LinkTargetsOverlap {
        /// How many requests are in the way.
        others: u8,
    },
    /// A mismatch and others of its kind, breakpoints on addresses or watchpoints, would narrow each other,
    /// so that none would stop where it was asked to.
    MismatchNotAlone {
        /// How many requests are in the way.
        others: u8,
    },
    /// There is no room for another request, though its pairs could be shared.
    TooManyRequests {
        /// How many requests the pool holds at most.
        capacity: u8,
    },
    /// The request was reserved as often as can be counted.
    TooManyReferences {
        /// How often.
        references: u16,
    },
    /// Nothing like it is reserved by this owner.
    NotReserved,
    /// No comparators watch this.
    Watchpoint(WatchpointError),
    /// The units of an M-profile core do not serve this.
    Unit(UnitError),
}

impl From<WatchpointError> for PoolError {
    fn from(error: WatchpointError) -> Self {
        Self::Watchpoint(error)
    }
}

impl From<UnitError> for PoolError {
    fn from(error: UnitError) -> Self {
        Self::Unit(error)
    }
}

impl fmt::Display for PoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotEnoughPairs { needed, free } => {
                write!(f, "this takes {needed} pairs and {free} are free; remove others first")
            }
            Self::NoContextAwarePair { context_aware } => write!(
                f,
                "this takes a context-aware pair and all {context_aware} are in use; remove others first"
            ),
            Self::NoAddressLinkingPair { address_linking } => write!(
                f,
                "this takes a context-aware pair with address linking (FEAT_ABLE), and all {address_linking} \
                 are in use; remove others first"
            ),
            Self::NoMismatch => f.write_str("this core has no address mismatch and no ranges (FEAT_BWE)"),
            Self::NoWatchpointMismatch => {
                f.write_str("this core has no watchpoints on all but a range (FEAT_BWE2)")
            }
            Self::NoLinkTarget => f.write_str("a watchpoint can be linked to a link target only"),
            Self::LinkTargetsOverlap { others } => write!(
                f,
                "two link targets cannot match the same instruction; remove the {others} others first"
            ),
            Self::MismatchNotAlone { others } => write!(
                f,
                "a mismatch and others of its kind narrow each other; remove the {others} others first"
            ),
            Self::TooManyRequests { capacity } => {
                write!(f, "the pool holds {capacity} requests already; remove others first")
            }
            Self::TooManyReferences { references } => {
                write!(f, "this was already reserved {references} times")
            }
            Self::NotReserved => f.write_str("no such request is reserved by this owner"),
            Self::Watchpoint(error) => error.fmt(f),
            Self::Unit(error) if m_profile::BUILT_IN => error.fmt(f),
            Self::Unit(_) => Ok(()),
        }
    }
}

impl core::error::Error for PoolError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Watchpoint(error) => Some(error),
            Self::Unit(error) => Some(error),
            _ => None,
        }
    }
}
