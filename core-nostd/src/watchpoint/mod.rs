//! Watchpoints: any range, as the smallest exact set of comparators.
//!
//! One comparator watches either adjacent bytes inside one doubleword (BAS) or an aligned power of two
//! from 8 bytes to 2 GiB (MASK). [`plan`] splits any other range into the fewest of these; [`cover`] is
//! the one comparator that watches it and more, for who has no more to spend.

mod decode;
mod plan;

pub use decode::{Decoded, Reserved, decode};
pub use plan::{MAX_PIECE, Piece, Pieces, Plan, cover, plan};

use core::fmt;

use crate::address::{AddressRange, untag};
use crate::breakpoint::BreakpointNumber;
use crate::comparator::Pair;
use crate::registers::{Dbgwcr, Dbgwvr, LoadStoreControl, Uint};
use crate::scope::Scope;

/// Which accesses to watch for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Access {
    /// Loads.
    Read,
    /// Stores.
    Write,
    /// Loads and stores.
    ReadWrite,
}

impl Access {
    /// Whether a watchpoint of this kind stops for a store (`true`) or a load (`false`); for an access
    /// of unknown direction (`None`) it may.
    #[must_use]
    pub const fn includes(self, write: Option<bool>) -> bool {
        match write {
            None => true,
            Some(false) => matches!(self, Self::Read | Self::ReadWrite),
            Some(true) => matches!(self, Self::Write | Self::ReadWrite),
        }
    }

    const fn load_store_control(self) -> LoadStoreControl {
        match self {
            Self::Read => LoadStoreControl::Load,
            Self::Write => LoadStoreControl::Store,
            Self::ReadWrite => LoadStoreControl::LoadStore,
        }
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::ReadWrite => "read or write",
        })
    }
}

/// A request for a watchpoint.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Watchpoint {
    /// As asked for: with its tag, if it had one.
    range: AddressRange,
    access: Access,
    scope: Scope,
    covered: bool,
    outside: bool,
    link: Option<BreakpointNumber>,
}

impl Watchpoint {
    /// Watches the bytes of `range`, virtual addresses whose tag (bits 63 to 56) is ignored.
    #[must_use]
    pub const fn new(range: AddressRange, access: Access, scope: Scope) -> Self {
        Self { range, access, scope, covered: false, outside: false, link: None }
    }

    /// Watches every byte outside `range`: any access that is not to these bytes alone. Needs FEAT_BWE2.
    ///
    /// In hardware, mismatches and other watchpoints narrow each other (DDI 0487, "About Watchpoint
    /// exceptions"). So this takes one comparator, which can leave out no more than one can watch, and a
    /// pool takes it only without others beside it, and the reverse.
    #[must_use]
    pub const fn outside(range: AddressRange, access: Access, scope: Scope) -> Self {
        Self { outside: true, ..Self::new(range, access, scope) }
    }

    /// This watchpoint, linked to the breakpoint pair `number`, which must have linking enabled
    /// ([`crate::breakpoint::Breakpoint::is_link_target`]): it matches in that pair's context only, or
    /// accesses of the instructions that it matches.
    #[must_use]
    pub const fn linked_to(self, number: BreakpointNumber) -> Self {
        Self { link: Some(number), ..self }
    }

    /// This watchpoint, as the single comparator of [`cover`] instead of the exact set of [`plan`]:
    /// hardware will also stop for bytes around the range.
    #[must_use]
    pub const fn covered(self) -> Self {
        Self { covered: true, ..self }
    }

    /// The bytes asked for, or those left out where [`Watchpoint::is_outside`].
    #[must_use]
    pub const fn range(&self) -> AddressRange {
        self.range
    }

    /// The first byte asked for that an access to `accessed`, addresses without tags, touches. It has the tag of the
    /// range.
    #[must_use]
    pub const fn first_touched(&self, accessed: AddressRange) -> Option<u64> {
        let range = self.range.untagged();
        match first_touched(range, self.outside, accessed) {
            Some(address) => Some(address ^ range.first() ^ self.range.first()),
            None => None,
        }
    }

    /// The accesses watched for.
    #[must_use]
    pub const fn access(&self) -> Access {
        self.access
    }

    /// Where it matches.
    #[must_use]
    pub const fn scope(&self) -> Scope {
        self.scope
    }

    /// The breakpoint pair it is linked to.
    #[must_use]
    pub const fn link(&self) -> Option<BreakpointNumber> {
        self.link
    }

    /// Whether it may be served by a comparator that watches more than was asked for.
    #[must_use]
    pub const fn is_covered(&self) -> bool {
        self.covered
    }

    /// Whether all but the bytes of the range are watched.
    #[must_use]
    pub const fn is_outside(&self) -> bool {
        self.outside
    }

    /// The range as comparators see it, without tags.
    ///
    /// # Errors
    /// [`WatchpointError::NotCanonical`] where the range is not contiguous without them.
    const fn canonical_range(&self) -> Result<AddressRange, WatchpointError> {
        let (first, length) = (untag(self.range.first()), self.range.len());
        let error = WatchpointError::NotCanonical { range: self.range };
        match AddressRange::new(first, length) {
            Ok(range) if range.last() == untag(self.range.last()) => Ok(range),
            _ => Err(error),
        }
    }

    /// The register values that watch `piece`.
    const fn pair(&self, piece: AddressRange) -> Pair {
        let lsc = self.access.load_store_control();
        let control = Dbgwcr::new().with_e(true).with_lsc(lsc).with_wt2(self.outside);
        let length = piece.len();
        let control = if length <= 8 {
            // Inside one doubleword, so that the shifts are in range.
            let bytes = u8::MAX.unbounded_shr(8 - length as u32);
            control.with_bas(bytes.unbounded_shl(piece.first() as u32 & 7))
        } else {
            control.with_bas(u8::MAX).with_mask(Uint::from_bits(length.trailing_zeros() as u8))
        };
        let control = match self.link {
            None => control,
            Some(number) => control.with_wt(true).with_linked_number(number),
        };
        Pair {
            control: self.scope.in_dbgwcr(control).into_bits(),
            value: Dbgwvr::from_address(piece.first()).into_bits(),
        }
    }
}

/// The first of the bytes `accessed` that lies in `range`, or with `outside` outside it.
pub(crate) const fn first_touched(range: AddressRange, outside: bool, accessed: AddressRange) -> Option<u64> {
    let first = accessed.first();
    let address = match outside {
        false => range.nearest(first),
        true if range.contains(first) => range.last().saturating_add(1),
        true => first,
    };
    if accessed.contains(address) && range.contains(address) != outside { Some(address) } else { None }
}

impl fmt::Display for Watchpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all_but = if self.outside { "all but " } else { "" };
        write!(f, "{} of {all_but}{} at {}", self.access, self.range, self.scope)?;
        if let Some(number) = self.link {
            write!(f, ", linked to breakpoint {number}")?;
        }
        if self.covered { f.write_str(", by a wider comparator") } else { Ok(()) }
    }
}

/// Why no comparators watch this.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum WatchpointError {
    /// Without their tags the addresses are not a contiguous range: it leads from one half of the address
    /// space into the other.
    NotCanonical {
        /// The range asked for.
        range: AddressRange,
    },
    /// No single comparator reaches from one end of the range to the other.
    NoCover {
        /// The range asked for.
        range: AddressRange,
    },
    /// No single comparator leaves out just this range.
    NoOutside {
        /// The range to be left out.
        range: AddressRange,
    },
    /// Only breakpoints have this scope.
    Scope {
        /// The scope asked for.
        scope: Scope,
    },
}

impl fmt::Display for WatchpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotCanonical { range } => {
                write!(f, "{range} leads from one half of the address space into the other; watch each half")
            }
            Self::NoCover { range } => write!(
                f,
                "no single comparator covers {range}, they end at multiples of 2 GiB; watch less or use more"
            ),
            Self::NoOutside { range } => write!(
                f,
                "no single comparator leaves out just {range}; give bytes of one doubleword or an aligned \
                 power of two up to 2 GiB"
            ),
            Self::Scope { scope } => write!(f, "a watchpoint cannot match at {scope}; give exception levels"),
        }
    }
}

impl core::error::Error for WatchpointError {}
