//! Breakpoint pairs.

use core::fmt;

use super::ledger::{Claim, Holding, Ledger};
use super::{Owner, PoolError, Slots};
use crate::breakpoint::{Breakpoint, BreakpointNumber, Context};
use crate::comparator::{Capabilities, MAX_PAIRS, Pair};
use crate::m_profile::{self, fpb::BreakpointUnit};

/// The breakpoint pairs of a core and the requests that they serve, at most `N`.
///
/// Plain address breakpoints take the lowest-numbered free pairs, so that the context-aware ones, the
/// highest-numbered, last longest. A linked breakpoint takes a context-aware pair for its context, which
/// all breakpoints linked to the same context share, and another pair for its address. What watchpoints link
/// to for an address takes a context-aware pair as well: hardware may ignore links to others (DDI 0487,
/// "AArch64.StateMatch").
#[derive(Clone)]
pub struct BreakpointPool<const N: usize = MAX_PAIRS> {
    ledger: Ledger<Breakpoint, PairNumbers, N>,
    pairs: u8,
    context_aware: u8,
    mismatch: bool,
    address_linking: Slots,
    /// That of an M-profile core.
    unit: Option<BreakpointUnit>,
}

/// The pairs that serve a breakpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct PairNumbers {
    own: u8,
    /// The pair for the context it is linked to.
    link: Option<BreakpointNumber>,
}

impl PairNumbers {
    fn slots(self) -> Slots {
        match self.link {
            None => Slots::one(self.own),
            Some(link) => Slots::one(self.own) | Slots::one(link.get()),
        }
    }
}

/// A request in a [`BreakpointPool`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ReservedBreakpoint {
    /// The request.
    pub breakpoint: Breakpoint,
    /// Who reserved it.
    pub owner: Owner,
    /// How often.
    pub references: u16,
    /// The number of its own pair.
    pub number: BreakpointNumber,
    /// All pairs that serve it: its own, and the one it is linked to.
    pub slots: Slots,
}

impl<const N: usize> BreakpointPool<N> {
    /// An empty pool of as many pairs as the core has.
    #[must_use]
    pub const fn new(capabilities: &Capabilities) -> Self {
        const { assert!(N <= MAX_PAIRS, "a bank has no more pairs") };
        let pairs = if capabilities.m_profile.is_some() && !m_profile::BUILT_IN {
            0
        } else if capabilities.breakpoints as usize > MAX_PAIRS {
            MAX_PAIRS as u8
        } else {
            capabilities.breakpoints
        };
        let context_aware =
            if capabilities.context_aware > pairs { pairs } else { capabilities.context_aware };
        Self {
            ledger: Ledger::new(),
            pairs,
            context_aware,
            mismatch: capabilities.mismatch,
            address_linking: Slots::from_bits(capabilities.address_linking),
            unit: match capabilities.m_profile {
                Some(units) => Some(units.breakpoints),
                None => None,
            },
        }
    }

    /// Reserves the pairs for `breakpoint`, or one more reference where `owner` has it already.
    ///
    /// # Errors
    /// [`PoolError`]; the pool is as it was.
    pub fn reserve(&mut self, breakpoint: Breakpoint, owner: Owner) -> Result<(), PoolError> {
        let pairs = match self.ledger.claim(&breakpoint, owner)? {
            Claim::Counted => return Ok(()),
            Claim::Shared(pairs) => pairs,
            Claim::New => self.allocate(&breakpoint)?,
        };
        self.ledger.add(breakpoint, owner, pairs)
    }

    /// Gives back one reference to exactly this request; with the last one, its pairs.
    ///
    /// # Errors
    /// [`PoolError::NotReserved`].
    pub fn release(&mut self, breakpoint: &Breakpoint, owner: Owner) -> Result<(), PoolError> {
        self.ledger.release(breakpoint, owner)
    }

    /// Gives back all that `owner` reserved.
    pub fn release_owner(&mut self, owner: Owner) {
        self.ledger.release_owner(owner);
    }

    /// The unit of an M-profile core, where such are built in.
    const fn unit(&self) -> Option<BreakpointUnit> {
        if m_profile::BUILT_IN { self.unit } else { None }
    }

    /// Whether nothing is reserved.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ledger.is_empty()
    }

    /// How many pairs are in use.
    #[must_use]
    pub fn used(&self) -> u8 {
        self.used_slots().len()
    }

    /// How many pairs are free.
    #[must_use]
    pub fn free(&self) -> u8 {
        self.free_slots().len()
    }

    /// The requests, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = ReservedBreakpoint> {
        self.ledger.iter().map(|(breakpoint, holding)| ReservedBreakpoint {
            breakpoint: *breakpoint,
            owner: holding.owner,
            references: holding.references,
            number: BreakpointNumber::from_bits(holding.slots.own),
            slots: holding.slots.slots(),
        })
    }

    /// The number of the pair that serves exactly this request, whoever reserved it.
    #[must_use]
    pub fn number(&self, breakpoint: &Breakpoint) -> Option<BreakpointNumber> {
        self.iter().find(|reserved| reserved.breakpoint == *breakpoint).map(|reserved| reserved.number)
    }

    /// The requests that the pair `number` serves: one address or context, or all that are linked to the
    /// context it matches.
    pub fn at_pair(&self, number: BreakpointNumber) -> impl Iterator<Item = ReservedBreakpoint> {
        self.iter().filter(move |reserved| reserved.slots.contains(number.get()))
    }

    /// The pairs that can match at `pc`: those to disable for a step over the instruction there, and
    /// none where a breakpoint exception at `pc` is not this pool's.
    #[must_use]
    pub fn slots_at(&self, pc: u64) -> Slots {
        self.iter()
            .filter(|reserved| self.can_match(&reserved.breakpoint, pc))
            .fold(Slots::NONE, |slots, reserved| slots | Slots::one(reserved.number.get()))
    }

    /// Whether a breakpoint can match the instruction at `pc` and stop there: an M-profile core's matches where an
    /// instruction begins, and nowhere else.
    #[must_use]
    pub fn can_match(&self, breakpoint: &Breakpoint, pc: u64) -> bool {
        match self.unit() {
            None => breakpoint.can_match(pc),
            Some(_) => breakpoint.address() == Some(pc),
        }
    }

    /// What a comparator of its own is to hold to match `breakpoint`, which links to nothing; `None` where none of
    /// this core can.
    #[must_use]
    pub fn pair(&self, breakpoint: &Breakpoint) -> Option<Pair> {
        match self.unit() {
            None => Some(breakpoint.pair(BreakpointNumber::default())),
            Some(unit) => unit.pair(breakpoint).ok(),
        }
    }

    /// Fills `pairs` with what the hardware is to hold, all that are unused or in `except` disabled.
    pub fn arm(&self, pairs: &mut [Pair; MAX_PAIRS], except: Slots) {
        *pairs = [Pair::DISABLED; MAX_PAIRS];
        let mut set = |number: u8, pair: Pair| {
            if !except.contains(number)
                && let Some(place) = pairs.get_mut(usize::from(number))
            {
                *place = pair;
            }
        };
        for (breakpoint, Holding { slots: PairNumbers { own, link }, .. }) in self.ledger.iter() {
            let (own, link) = (*own, *link);
            set(
                own,
                match self.unit() {
                    None => breakpoint.pair(link.unwrap_or_default()),
                    Some(unit) => unit.pair(breakpoint).unwrap_or_default(),
                },
            );
            if let (Some(link), Some(context)) = (link, breakpoint.link()) {
                set(link.get(), context.linked_pair());
            }
        }
    }

    fn used_slots(&self) -> Slots {
        self.ledger.iter().fold(Slots::NONE, |slots, (_, holding)| slots | holding.slots.slots())
    }

    fn free_slots(&self) -> Slots {
        Slots::first(self.pairs).without(self.used_slots())
    }

    /// Picks free pairs for a request that nobody has reserved yet.
    fn allocate(&self, breakpoint: &Breakpoint) -> Result<PairNumbers, PoolError> {
        if let Some(unit) = self.unit() {
            unit.pair(breakpoint)?;
        }
        if breakpoint.needs_bwe() && !self.mismatch {
            return Err(PoolError::NoMismatch);
        }
        self.check_others(breakpoint)?;
        if breakpoint.is_link_target()
            && breakpoint.address().is_none()
            && let Some(context) = breakpoint.context()
            && let Some(shared) = self.linked_number(context)
        {
            return Ok(PairNumbers { own: shared.get(), link: None });
        }
        let shared_link = breakpoint.link().and_then(|context| self.linked_number(context));
        let needs_link = breakpoint.link().is_some() && shared_link.is_none();
        let free = self.free_slots();
        let not_enough = PoolError::NotEnoughPairs { needed: 1 + u64::from(needs_link), free: free.len() };
        if free.len() < 1 + u8::from(needs_link) {
            return Err(not_enough);
        }
        let context_aware = Slots::first(self.pairs).without(Slots::first(self.pairs - self.context_aware));
        let linking = context_aware.intersection(self.address_linking);
        let no_context_aware = PoolError::NoContextAwarePair { context_aware: self.context_aware };
        let highest = |pairs: Slots| pairs.intersection(free).highest();
        // What fewer pairs can do chooses first.
        let special = if breakpoint.needs_address_linking() {
            let none = PoolError::NoAddressLinkingPair { address_linking: linking.len() };
            Some(highest(linking).ok_or(none)?)
        } else if breakpoint.needs_context_aware() {
            Some(highest(context_aware).ok_or(no_context_aware)?)
        } else {
            None
        };
        let link = if needs_link {
            let taken = special.map_or(Slots::NONE, Slots::one);
            let number = highest(context_aware.without(taken)).ok_or(no_context_aware)?;
            Some(BreakpointNumber::from_bits(number))
        } else {
            shared_link
        };
        let own = match special {
            Some(number) => number,
            None => {
                let taken = link.map_or(Slots::NONE, |number| Slots::one(number.get()));
                free.without(taken).lowest().ok_or(not_enough)?
            }
        };
        Ok(PairNumbers { own, link })
    }

    /// Refuses an address breakpoint that would narrow others or be narrowed by them: a mismatch and any
    /// other, and among link targets two for the same instruction.
    fn check_others(&self, breakpoint: &Breakpoint) -> Result<(), PoolError> {
        if breakpoint.address().is_none() {
            return Ok(());
        }
        let linking = breakpoint.is_link_target();
        let in_the_way = |request: &Breakpoint| {
            let narrows = if linking {
                request.overlaps(breakpoint)
            } else {
                request.is_mismatch() || breakpoint.is_mismatch()
            };
            request.address().is_some() && request.is_link_target() == linking && narrows
        };
        match self.ledger.iter().filter(|(request, _)| in_the_way(request)).count() as u8 {
            0 => Ok(()),
            others if linking => Err(PoolError::LinkTargetsOverlap { others }),
            others => Err(PoolError::MismatchNotAlone { others }),
        }
    }

    /// The pair that matches `context` with linking enabled.
    fn linked_number(&self, context: Context) -> Option<BreakpointNumber> {
        self.ledger.iter().find_map(|(request, holding)| {
            if request.link() == Some(context) {
                holding.slots.link
            } else if *request == Breakpoint::link_target(context) {
                Some(BreakpointNumber::from_bits(holding.slots.own))
            } else {
                None
            }
        })
    }
}

impl<const N: usize> fmt::Debug for BreakpointPool<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
