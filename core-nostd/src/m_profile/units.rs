//! A core's breakpoint and watchpoint units, as comparators of a bank.
//!
//! Their registers go in a [`Pair`], so that pools, engine and backends treat them as those of the A profile: bit 0
//! of its control is the enable bit.

use core::fmt;

use crate::breakpoint::{Breakpoint, Instruction, Matching};
use crate::comparator::Pair;
use crate::pool::Slots;
use crate::scope::Scope;
use crate::watchpoint::Watchpoint;

use super::dwt::DwtError;
use super::dwt_v2::Abilities;
use super::fpb::{BreakpointUnit, FpbError};
use super::{dwt_v1, dwt_v2};

/// What the debug units of an M-profile core can do.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Units {
    /// The unit for breakpoints.
    pub breakpoints: BreakpointUnit,
    /// The unit for watchpoints.
    pub watchpoints: WatchpointUnit,
}

/// A Data Watchpoint and Trace unit.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum WatchpointUnit {
    /// Version 1, Armv6-M and Armv7-M.
    V1 {
        /// How many address bits a comparator can ignore, see [`dwt_v1::plan`].
        max_mask: u8,
    },
    /// Version 2, Armv8-M.
    V2(Abilities),
}

/// The registers of a watchpoint comparator.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct WatchRegisters {
    /// `DWT_COMP<n>`.
    pub comp: u32,
    /// `DWT_MASK<n>`, which version 1 has only.
    pub mask: u32,
    /// `DWT_FUNCTION<n>`, to be written last; 0 disables the comparator.
    pub function: u32,
}

const ENABLE: u64 = 1;
const MASK_SHIFT: u32 = 8;
const FUNCTION_SHIFT: u32 = 32;

impl WatchRegisters {
    /// What a bank's pair says.
    #[must_use]
    pub const fn from_pair(pair: Pair) -> Self {
        if !pair.is_enabled() {
            return Self { comp: 0, mask: 0, function: 0 };
        }
        Self {
            comp: pair.value as u32,
            mask: (pair.control >> MASK_SHIFT) as u32 & 0x1f,
            function: (pair.control >> FUNCTION_SHIFT) as u32,
        }
    }

    const fn into_pair(self) -> Pair {
        let control =
            (self.function as u64) << FUNCTION_SHIFT | (self.mask as u64 & 0x1f) << MASK_SHIFT | ENABLE;
        Pair { control, value: self.comp as u64 }
    }
}

/// What a bank's breakpoint pair says: the value of `FP_COMP<n>` or `BP_COMP<n>`, 0 for one that is disabled.
#[must_use]
pub const fn breakpoint_comparator(pair: Pair) -> u32 {
    if pair.is_enabled() { pair.value as u32 } else { 0 }
}

/// Why no comparators of an M-profile core serve a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum UnitError {
    /// The breakpoint unit cannot match there.
    Breakpoint(FpbError),
    /// The watchpoint unit cannot watch it.
    Watchpoint(DwtError),
    /// The comparators know addresses: no contexts, no ranges of instructions, no privilege.
    AddressesOnly,
    /// Code of another instruction set than T32, which the core does not execute.
    NotT32 {
        /// The instruction set asked for.
        instruction: Instruction,
    },
    /// Fewer comparators are free than it takes.
    TooFew {
        /// How many it takes.
        needed: u64,
    },
    /// There are as many comparators free as it takes, but not the right ones.
    Unsuitable {
        /// How many it takes.
        needed: u64,
    },
}

impl fmt::Display for UnitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Breakpoint(error) => error.fmt(f),
            Self::Watchpoint(error) => error.fmt(f),
            Self::AddressesOnly => f.write_str(
                "comparators of this core match addresses, in all contexts and at every privilege; ask for just that",
            ),
            Self::NotT32 { instruction } => {
                write!(f, "this core executes T32 code only, no {instruction}; give a T32 address")
            }
            Self::TooFew { needed } => {
                write!(f, "this takes {needed} comparators, and fewer are free; remove others first")
            }
            Self::Unsuitable { needed } => write!(
                f,
                "this takes {needed} comparators that can do it, and others only are free; remove others first"
            ),
        }
    }
}

impl core::error::Error for UnitError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Breakpoint(error) => Some(error),
            Self::Watchpoint(error) => Some(error),
            _ => None,
        }
    }
}

/// How watchpoint comparators serve a request.
enum WatchPlan {
    V1(dwt_v1::Plan),
    V2(dwt_v2::Plan),
}

impl BreakpointUnit {
    /// What a comparator is to hold to match as asked for.
    ///
    /// # Errors
    /// [`UnitError`].
    pub fn pair(self, breakpoint: &Breakpoint) -> Result<Pair, UnitError> {
        let instruction = match breakpoint.matching() {
            Matching::Address(instruction) => instruction,
            _ => return Err(UnitError::AddressesOnly),
        };
        if instruction != Instruction::T32 {
            return Err(UnitError::NotT32 { instruction });
        }
        let Some(address) = breakpoint.address().filter(|_| is_everywhere(breakpoint)) else {
            return Err(UnitError::AddressesOnly);
        };
        // A T32 address has 32 bits.
        let value = self.comparator(address as u32).map_err(UnitError::Breakpoint)?;
        Ok(Pair { control: ENABLE, value: value.into() })
    }
}

impl WatchpointUnit {
    /// Which of the `free` comparators are to serve a watchpoint.
    ///
    /// # Errors
    /// [`UnitError`].
    pub fn place(&self, watchpoint: &Watchpoint, free: Slots) -> Result<Slots, UnitError> {
        let everywhere = watchpoint.scope() == Scope::ALL && watchpoint.link().is_none();
        if !everywhere || watchpoint.is_outside() {
            return Err(UnitError::AddressesOnly);
        }
        let plan = self.plan(watchpoint, true).map_err(UnitError::Watchpoint)?;
        let needed = plan.len();
        let placed = match (&plan, self) {
            (WatchPlan::V2(two), Self::V2(abilities)) => two.place(*abilities, free).or_else(|| {
                // Where no two neighbours are free, several single ones may be.
                match self.plan(watchpoint, false) {
                    Ok(WatchPlan::V2(singles)) => singles.place(*abilities, free),
                    _ => None,
                }
            }),
            _ => (needed <= free.len().into()).then(|| {
                free.iter().take(needed as usize).fold(Slots::NONE, |slots, n| slots | Slots::one(n))
            }),
        };
        placed.ok_or(if needed <= free.len().into() {
            UnitError::Unsuitable { needed }
        } else {
            UnitError::TooFew { needed }
        })
    }

    /// What the comparators are to hold that [`Self::place`] has chosen, by their numbers.
    pub fn pairs(&self, watchpoint: &Watchpoint, slots: Slots) -> impl Iterator<Item = (u8, Pair)> + use<> {
        let plan = self.plan_of(watchpoint, slots);
        let (first, second) = match plan {
            Some(WatchPlan::V1(plan)) => (Some(plan.pieces()), None),
            Some(WatchPlan::V2(plan)) => (None, Some(plan.comparators())),
            None => (None, None),
        };
        let version_1 = first.into_iter().flatten().map(|dwt_v1::Piece { comp, mask, function, .. }| {
            WatchRegisters { comp, mask, function }.into_pair()
        });
        let version_2 = second.into_iter().flatten().map(|dwt_v2::Comparator { comp, function }| {
            WatchRegisters { comp, mask: 0, function: function.into() }.into_pair()
        });
        slots.iter().zip(version_1.chain(version_2))
    }

    /// The first byte that one of these comparators watches: where an access was, as exactly as hardware says that
    /// tells which comparator has matched. Of a range by two comparators it is the range's.
    #[must_use]
    pub fn watched_by(&self, watchpoint: &Watchpoint, slots: Slots, number: u8) -> u64 {
        let first = watchpoint.range().first();
        if let Some(WatchPlan::V2(plan)) = self.plan_of(watchpoint, slots)
            && plan.needs_neighbours()
        {
            return first;
        }
        let mut pairs = self.pairs(watchpoint, slots);
        pairs.find(|(slot, _)| *slot == number).map_or(first, |(_, pair)| pair.value)
    }

    /// The plan behind what [`Self::place`] has chosen: that with a limit takes two comparators, where the other
    /// takes more.
    fn plan_of(&self, watchpoint: &Watchpoint, slots: Slots) -> Option<WatchPlan> {
        let plan = self.plan(watchpoint, true).ok()?;
        if plan.len() == u64::from(slots.len()) { Some(plan) } else { self.plan(watchpoint, false).ok() }
    }

    fn plan(&self, watchpoint: &Watchpoint, limits: bool) -> Result<WatchPlan, DwtError> {
        let (range, access) = (watchpoint.range(), watchpoint.access());
        match self {
            Self::V1 { max_mask } => dwt_v1::plan(range, access, *max_mask).map(WatchPlan::V1),
            Self::V2(abilities) => {
                let limits = limits && !abilities.limits().is_empty();
                dwt_v2::plan(range, access, limits).map(WatchPlan::V2)
            }
        }
    }
}

impl WatchPlan {
    fn len(&self) -> u64 {
        match self {
            Self::V1(plan) => plan.len(),
            Self::V2(plan) => plan.len(),
        }
    }
}

/// Whether nothing is asked for but an address.
fn is_everywhere(breakpoint: &Breakpoint) -> bool {
    breakpoint.scope() == Scope::ALL && breakpoint.context().is_none() && !breakpoint.is_link_target()
}

#[cfg(test)]
mod tests {
    use super::super::dwt_v2::FunctionId;
    use super::*;
    use crate::address::AddressRange;
    use crate::breakpoint::Context;
    use crate::watchpoint::Access;
    use std::string::ToString;
    use std::vec::Vec;

    const V7: Units =
        Units { breakpoints: BreakpointUnit::FpbV1, watchpoints: WatchpointUnit::V1 { max_mask: 15 } };

    fn v8(limits: &[u8]) -> Units {
        let id = |n| FunctionId::from_bits(if limits.contains(&n) { 0b11110 } else { 0b01010 });
        let abilities = (0..4).fold(Abilities::NONE, |abilities, n| abilities.with(n, id(n)));
        Units { breakpoints: BreakpointUnit::FpbV2, watchpoints: WatchpointUnit::V2(abilities) }
    }

    fn watch(first: u64, length: u64, access: Access) -> Watchpoint {
        Watchpoint::new(AddressRange::new(first, length).unwrap(), access, Scope::ALL)
    }

    fn registers(units: &Units, watchpoint: &Watchpoint, free: Slots) -> Vec<(u8, WatchRegisters)> {
        let slots = units.watchpoints.place(watchpoint, free).unwrap();
        let pairs = units.watchpoints.pairs(watchpoint, slots);
        pairs.map(|(number, pair)| (number, WatchRegisters::from_pair(pair))).collect()
    }

    #[test]
    fn known_values_stand_in_the_pairs() {
        for (units, address, comparator) in [
            (V7, 0x0800_0100, 0x4800_0101),
            (V7, 0x0800_0102, 0x8800_0101),
            (v8(&[]), 0x0800_0100, 0x0800_0101),
            (v8(&[]), 0x0800_0102, 0x0800_0103),
        ] {
            let breakpoint = Breakpoint::at(address, Instruction::T32, Scope::ALL).unwrap();
            let pair = units.breakpoints.pair(&breakpoint).unwrap();
            assert_eq!(breakpoint_comparator(pair), comparator, "{address:#x}");
            assert_eq!(breakpoint_comparator(Pair { control: 0, ..pair }), 0);
        }
        let all = Slots::first(4);
        for (access, length, mask, function) in
            [(Access::Read, 1, 0, 5), (Access::Write, 4, 2, 6), (Access::ReadWrite, 0x100, 8, 7)]
        {
            let watchpoint = watch(0x2000_0000, length, access);
            let expected = WatchRegisters { comp: 0x2000_0000, mask, function };
            assert_eq!(registers(&V7, &watchpoint, all), [(0, expected)]);
        }
        for (access, length, function) in [
            (Access::Read, 1, 0x16),
            (Access::Write, 2, 0x415),
            (Access::Write, 4, 0x815),
            (Access::ReadWrite, 4, 0x814),
        ] {
            let watchpoint = watch(0x2000_0000, length, access);
            let expected = WatchRegisters { comp: 0x2000_0000, mask: 0, function };
            assert_eq!(registers(&v8(&[]), &watchpoint, all), [(0, expected)]);
            let (_, pair) = v8(&[]).watchpoints.pairs(&watchpoint, Slots::one(2)).next().unwrap();
            assert!(pair.is_enabled(), "whatever the function's lowest bit is");
        }
    }

    #[test]
    fn a_range_takes_neighbours_or_else_single_comparators() {
        let range = watch(0x2000_0001, 5, Access::Write);
        let both = registers(&v8(&[1, 3]), &range, Slots::first(4));
        assert_eq!(both.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [0, 1]);
        assert_eq!((both[0].1.comp, both[1].1.comp, both[1].1.function), (0x2000_0001, 0x2000_0005, 0x07));
        // 1; 2 and 3; 4 and 5: the limits are taken.
        let free = Slots::first(4).without(Slots::one(1));
        let units = v8(&[1]);
        let single = registers(&units, &range, free);
        let bytes: Vec<_> = single.iter().map(|(number, registers)| (*number, registers.comp)).collect();
        assert_eq!(bytes, [(0, 0x2000_0001), (2, 0x2000_0002), (3, 0x2000_0004)]);
        let slots = units.watchpoints.place(&range, free).unwrap();
        assert_eq!(units.watchpoints.watched_by(&range, slots, 3), 0x2000_0004);
        assert_eq!(units.watchpoints.watched_by(&range, Slots::first(2), 0), 0x2000_0001);
        assert_eq!(units.watchpoints.place(&range, Slots::one(2)), Err(UnitError::TooFew { needed: 2 }));
        assert_eq!(
            units.watchpoints.place(&range, Slots::first(4).without(Slots::first(2))),
            Err(UnitError::Unsuitable { needed: 2 })
        );
    }

    #[test]
    fn what_an_address_comparator_cannot_do_is_refused() {
        let at = |address, instruction, scope| Breakpoint::at(address, instruction, scope).unwrap();
        let plain = at(0x100, Instruction::T32, Scope::ALL);
        for breakpoint in [
            at(0x100, Instruction::T32, Scope::EL1),
            plain.linked(Context::ContextId(1)),
            Breakpoint::in_context(Context::ContextId(1), Scope::ALL),
            plain.as_link_target().unwrap(),
        ] {
            assert_eq!(V7.breakpoints.pair(&breakpoint), Err(UnitError::AddressesOnly), "{breakpoint}");
        }
        let error = V7.breakpoints.pair(&at(0x100, Instruction::A64, Scope::ALL)).unwrap_err();
        assert_eq!(error.to_string(), "this core executes T32 code only, no A64; give a T32 address");
        let ram = at(0x2000_0000, Instruction::T32, Scope::ALL);
        assert!(matches!(
            V7.breakpoints.pair(&ram),
            Err(UnitError::Breakpoint(FpbError::OutsideCode { .. }))
        ));
        let outside = Watchpoint::outside(AddressRange::byte(0), Access::Read, Scope::ALL);
        assert_eq!(V7.watchpoints.place(&outside, Slots::ALL), Err(UnitError::AddressesOnly));
        // Bytes 1 to 30 of a block: 1, 2, 4, 8, 8, 4, 2, 1.
        assert_eq!(
            V7.watchpoints.place(&watch(0x2000_0001, 30, Access::Write), Slots::first(4)),
            Err(UnitError::TooFew { needed: 8 })
        );
        let beyond = watch(0xffff_ffff, 2, Access::Read);
        assert!(matches!(V7.watchpoints.place(&beyond, Slots::ALL), Err(UnitError::Watchpoint(_))));
    }
}
