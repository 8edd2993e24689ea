//! Watchpoint pairs.

use core::fmt;

use super::ledger::{Claim, Ledger};
use super::{Owner, PoolError, Slots};
use crate::address::{AddressRange, untag};
use crate::comparator::{Capabilities, MAX_PAIRS, Pair};
use crate::m_profile::{self, UnitError, WatchpointUnit};
use crate::watchpoint::{Watchpoint, first_touched, plan};

/// The most bytes that one access has, zeroing, SVE and memory copies apart: four 16-byte registers, or
/// LD64B. The address recorded for a watchpoint lies at most that far below a watched byte.
const WIDEST_ACCESS: u64 = 64;

/// The watchpoint pairs of a core and the requests that they serve, at most `N`.
///
/// A request takes as many pairs as [`plan`] says, all or none.
#[derive(Clone)]
pub struct WatchpointPool<const N: usize = MAX_PAIRS> {
    /// The n-th lowest slot of a request holds the n-th piece of its plan.
    ledger: Ledger<Watchpoint, Slots, N>,
    pairs: u8,
    mismatch: bool,
    /// That of an M-profile core.
    unit: Option<WatchpointUnit>,
}

/// A request in a [`WatchpointPool`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ReservedWatchpoint {
    /// The request.
    pub watchpoint: Watchpoint,
    /// Who reserved it.
    pub owner: Owner,
    /// How often.
    pub references: u16,
    /// The pairs that serve it.
    pub slots: Slots,
}

/// Which request a watchpoint exception belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Hit {
    /// The request: the one that holds the address, or else the nearest.
    pub watchpoint: Watchpoint,
    /// The pairs of every request that the same access may have hit: those to disable for a step over
    /// the instruction.
    pub slots: Slots,
    /// The watched byte nearest to the recorded address, as an address in the range asked for, its tag
    /// included. Of a watchpoint [outside](Watchpoint::outside) a range, the nearest address outside it.
    pub address: u64,
    /// Whether the recorded address is one of those asked for. Otherwise the access began before the
    /// range, or was to a whole block, or the hardware recorded no address.
    pub exact: bool,
    /// Whether the access was only to bytes that a [wider](Watchpoint::covered) comparator watches beyond
    /// those asked for: nothing to report, but to be stepped over. An address beyond the range is taken for
    /// the lowest that was accessed, though hardware may record a higher one.
    pub spurious: bool,
}

impl<const N: usize> WatchpointPool<N> {
    /// An empty pool of as many pairs as the core has.
    #[must_use]
    pub const fn new(capabilities: &Capabilities) -> Self {
        const { assert!(N <= MAX_PAIRS, "a bank has no more pairs") };
        let pairs = if capabilities.m_profile.is_some() && !m_profile::BUILT_IN {
            0
        } else if capabilities.watchpoints as usize > MAX_PAIRS {
            MAX_PAIRS as u8
        } else {
            capabilities.watchpoints
        };
        let unit = match capabilities.m_profile {
            Some(units) => Some(units.watchpoints),
            None => None,
        };
        Self { ledger: Ledger::new(), pairs, mismatch: capabilities.watchpoint_mismatch, unit }
    }

    /// Reserves the pairs for `watchpoint`, or one more reference where `owner` has it already.
    ///
    /// # Errors
    /// [`PoolError`]; the pool is as it was.
    pub fn reserve(&mut self, watchpoint: Watchpoint, owner: Owner) -> Result<(), PoolError> {
        let slots = match self.ledger.claim(&watchpoint, owner)? {
            Claim::Counted => return Ok(()),
            Claim::Shared(slots) => slots,
            Claim::New => self.allocate(&watchpoint)?,
        };
        self.ledger.add(watchpoint, owner, slots)
    }

    /// Gives back one reference to exactly this request, address, length and kind; with the last one,
    /// its pairs.
    ///
    /// # Errors
    /// [`PoolError::NotReserved`].
    pub fn release(&mut self, watchpoint: &Watchpoint, owner: Owner) -> Result<(), PoolError> {
        self.ledger.release(watchpoint, owner)
    }

    /// Gives back all that `owner` reserved.
    pub fn release_owner(&mut self, owner: Owner) {
        self.ledger.release_owner(owner);
    }

    /// The unit of an M-profile core, where such are built in.
    const fn unit(&self) -> Option<WatchpointUnit> {
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
    pub fn iter(&self) -> impl Iterator<Item = ReservedWatchpoint> {
        self.ledger.iter().map(|(watchpoint, holding)| ReservedWatchpoint {
            watchpoint: *watchpoint,
            owner: holding.owner,
            references: holding.references,
            slots: holding.slots,
        })
    }

    /// The request that the pair `number` serves: what a syndrome with a valid watchpoint number (WPTV)
    /// names.
    #[must_use]
    pub fn at_pair(&self, number: u8) -> Option<ReservedWatchpoint> {
        self.iter().find(|reserved| reserved.slots.contains(number))
    }

    /// The request that a watchpoint exception with fault address `far` belongs to, if any.
    ///
    /// `write` is the syndrome's WnR, `None` where it is not known; `block` is the size in bytes of what
    /// `DC ZVA` zeroes, 4 << `DCZID_EL0.BS`, or of the smallest translation granule where the syndrome says
    /// that the address is not precise (FnP). The hardware may record any address from the lowest that the
    /// instruction accessed to the highest watched one (DDI 0487, "Address recorded for Watchpoint
    /// exceptions generated by other instructions"); so a request that holds `far` comes first, and else
    /// the nearest within one access or one block.
    #[must_use]
    pub fn lookup(&self, far: u64, write: Option<bool>, block: u64) -> Option<Hit> {
        let far = untag(far);
        let mut nearest: Option<Hit> = None;
        let mut slots = Slots::NONE;
        for reserved in self.iter().filter(|reserved| reserved.watchpoint.access().includes(write)) {
            let watchpoint = reserved.watchpoint;
            let Ok(watched) = plan(&watchpoint).map(|plan| plan.watched()) else { continue };
            if may_touch(watched, watchpoint.is_outside(), far, block) {
                slots |= reserved.slots;
            }
            if !can_reach(watched, watchpoint.is_outside(), far, block) {
                continue;
            }
            let hit = Hit::new(watchpoint, far, block);
            if nearest.is_none_or(|best| hit.rank(far) < best.rank(far)) {
                nearest = Some(hit);
            }
        }
        nearest.map(|hit| Hit { slots, ..hit })
    }

    /// The request that an access to exactly the bytes `accessed`, without a tag, is a hit of: the one whose first
    /// accessed byte is lowest. `None` where it touches nothing that a comparator watches. `write` is as for
    /// [`Self::lookup`].
    #[must_use]
    pub fn touched(&self, accessed: AddressRange, write: Option<bool>) -> Option<Hit> {
        let mut first: Option<Hit> = None;
        let mut slots = Slots::NONE;
        for reserved in self.iter().filter(|reserved| reserved.watchpoint.access().includes(write)) {
            let watchpoint = reserved.watchpoint;
            let Ok(watched) = plan(&watchpoint).map(|plan| plan.watched()) else { continue };
            let Some(watched) = first_touched(watched, watchpoint.is_outside(), accessed) else { continue };
            slots |= reserved.slots;
            let asked = watchpoint.first_touched(accessed);
            let address = asked.unwrap_or(watched);
            let exact = asked.is_some();
            if first.is_none_or(|best| (!exact, untag(address)) < (best.spurious, untag(best.address))) {
                first = Some(Hit { watchpoint, slots: Slots::NONE, address, exact, spurious: !exact });
            }
        }
        first.map(|hit| Hit { slots, ..hit })
    }

    /// Which request the pair `number` was hit for, where the syndrome names the pair: as [`Self::lookup`],
    /// without a guess. `far` is `None` where no address was recorded (FnV).
    #[must_use]
    pub fn hit_of_pair(&self, number: u8, far: Option<u64>, block: u64) -> Option<Hit> {
        let ReservedWatchpoint { watchpoint, slots, .. } = self.at_pair(number)?;
        let hit = match far {
            Some(far) => Hit::new(watchpoint, untag(far), block),
            None => Hit::unrecorded(watchpoint),
        };
        Some(Hit { slots, ..hit })
    }

    /// Which request an M-profile core's comparators were hit for, where those of `matched` say that they have
    /// matched; `None` where none of these serves one. Which byte was accessed is not recorded: the address is the
    /// first that the comparator watches.
    #[must_use]
    pub fn hit_of_matched(&self, matched: Slots) -> Option<Hit> {
        let unit = self.unit()?;
        let reserved = self.iter().find(|reserved| !reserved.slots.intersection(matched).is_empty())?;
        let number = reserved.slots.intersection(matched).lowest()?;
        let address = unit.watched_by(&reserved.watchpoint, reserved.slots, number);
        let watchpoint = reserved.watchpoint;
        Some(Hit { watchpoint, slots: matched, address, exact: false, spurious: false })
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
        for ReservedWatchpoint { watchpoint, slots, .. } in self.iter() {
            if let Some(unit) = &self.unit() {
                unit.pairs(&watchpoint, slots).for_each(|(number, pair)| set(number, pair));
            } else if let Ok(plan) = plan(&watchpoint) {
                slots.iter().zip(plan).for_each(|(number, piece)| set(number, piece.pair));
            }
        }
    }

    fn used_slots(&self) -> Slots {
        self.ledger.iter().fold(Slots::NONE, |slots, (_, holding)| slots | holding.slots)
    }

    fn free_slots(&self) -> Slots {
        Slots::first(self.pairs).without(self.used_slots())
    }

    /// Refuses a mismatch that would narrow others, or a request that a mismatch would narrow.
    fn check_others(&self, watchpoint: &Watchpoint) -> Result<(), PoolError> {
        if watchpoint.is_outside() && !self.mismatch {
            return Err(PoolError::NoWatchpointMismatch);
        }
        let in_the_way = |request: &Watchpoint| request.is_outside() || watchpoint.is_outside();
        match self.ledger.iter().filter(|(request, _)| in_the_way(request)).count() as u8 {
            0 => Ok(()),
            others => Err(PoolError::MismatchNotAlone { others }),
        }
    }

    /// Picks free pairs for a request that nobody has reserved yet.
    fn allocate(&self, watchpoint: &Watchpoint) -> Result<Slots, PoolError> {
        let free = self.free_slots();
        if let Some(unit) = &self.unit() {
            return unit.place(watchpoint, free).map_err(|error| match error {
                UnitError::TooFew { needed } => PoolError::NotEnoughPairs { needed, free: free.len() },
                error => error.into(),
            });
        }
        self.check_others(watchpoint)?;
        let needed = plan(watchpoint)?.len();
        if needed > free.len().into() {
            return Err(PoolError::NotEnoughPairs { needed, free: free.len() });
        }
        Ok(free.iter().take(needed as usize).fold(Slots::NONE, |slots, number| slots | Slots::one(number)))
    }
}

impl Hit {
    /// `watchpoint`, hit by an access that was recorded at `far`; its slots are yet to be filled in.
    fn new(watchpoint: Watchpoint, far: u64, block: u64) -> Self {
        let range = watchpoint.range().untagged();
        // The tag goes back in: the address is one of those asked for.
        let tag = range.first() ^ watchpoint.range().first();
        let (inside, outside) = (range.contains(far), watchpoint.is_outside());
        let address = match (outside, inside) {
            (false, _) => range.nearest(far) ^ tag,
            (true, false) => far,
            // The address is the lowest of the access, which goes on after the range.
            (true, true) => range.last().wrapping_add(1),
        };
        Self {
            watchpoint,
            slots: Slots::NONE,
            address,
            exact: inside != outside,
            spurious: !can_reach(range, outside, far, block),
        }
    }

    /// `watchpoint`, hit by an access of which nothing was recorded; its slots are yet to be filled in.
    fn unrecorded(watchpoint: Watchpoint) -> Self {
        let range = watchpoint.range();
        let address = if watchpoint.is_outside() { range.last().wrapping_add(1) } else { range.first() };
        Self { watchpoint, slots: Slots::NONE, address, exact: false, spurious: false }
    }

    /// Of several hits, the one of the lowest rank is meant.
    fn rank(&self, far: u64) -> (bool, u64) {
        (self.spurious, self.watchpoint.range().untagged().distance(far))
    }
}

/// Whether an access that is recorded at `far` may have touched `range`, or with `outside` a byte outside it,
/// whether it was recorded for that or not: from any byte below `far` on, where another watchpoint is higher.
fn may_touch(range: AddressRange, outside: bool, far: u64, block: u64) -> bool {
    let below = far.saturating_sub(WIDEST_ACCESS - 1);
    can_reach(range, outside, far, block)
        || AddressRange::new(below, WIDEST_ACCESS)
            .is_ok_and(|access| if outside { !range.contains(below) } else { access.overlaps(range) })
}

/// Whether an access that is recorded at `far` can have hit `range`, or with `outside` a byte outside it.
fn can_reach(range: AddressRange, outside: bool, far: u64, block: u64) -> bool {
    let around = |far: u64| AddressRange::new(far & !(block - 1), block);
    if outside {
        let within = |bytes: AddressRange| range.contains(bytes.first()) && range.contains(bytes.last());
        let one_access = AddressRange::new(far, WIDEST_ACCESS).is_ok_and(within);
        let one_block = !block.is_power_of_two() || around(far).is_ok_and(within);
        return !(one_access && one_block);
    }
    let one_access = far <= range.last() && range.distance(far) < WIDEST_ACCESS;
    let one_block = block.is_power_of_two() && around(far).is_ok_and(|block| block.overlaps(range));
    one_access || one_block
}

impl<const N: usize> fmt::Debug for WatchpointPool<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
