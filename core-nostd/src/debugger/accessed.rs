//! Watchpoints of the M profile, whose cores halt behind the access.
//!
//! What stood there before is not to be had any more when the core has halted, so watched values that somebody asks
//! about are kept whenever the cores are let run, and after each hit. Who accessed is what stands before PC, by as much
//! as the hardware took to halt.

use heapless::Vec;

use crate::address::AddressRange;
use crate::pool::Slots;
use crate::stop::{Change, Stop, StopReason};
use crate::target::{CoreId, Profile, Register, Target, TargetError, TargetResult};

use super::hit::{Candidates, Effect, MAX_HITS};
use super::options::{MAX_COMPARED, Options, OptionsError, Then};
use super::resume::Goal;
use super::{Debugger, Outcome, Request};

/// The most values that are kept: as many as Cortex-M cores have comparators.
const MAX_VALUES: usize = 8;

/// The longest value that is kept, in bytes.
const LONGEST: u64 = 8;

/// Watched values, as the cores had them when they last ran on.
#[derive(Debug, Default)]
pub(super) struct Values(Vec<Kept, MAX_VALUES>);

/// One value.
#[derive(Clone, Copy, Debug)]
struct Kept {
    range: AddressRange,
    /// Little-endian; `None` where it could not be read.
    value: Option<u64>,
}

impl Values {
    /// What stood in a range, and from now on stands there.
    fn replace(&mut self, range: AddressRange, now: Option<u64>) -> Option<u64> {
        let kept = self.0.iter_mut().find(|kept| kept.range == range)?;
        core::mem::replace(&mut kept.value, now)
    }
}

/// What an access has done to one range.
#[derive(Clone, Copy)]
struct Done {
    range: AddressRange,
    change: Option<Change>,
}

impl<T: Target, const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize>
    Debugger<T, CORES, SOFTWARE, BYTECODE>
{
    /// How many bytes of a value can be compared with those before an access.
    pub(super) fn longest_compared(&self) -> u64 {
        match self.target.profile() {
            Profile::A => MAX_COMPARED,
            Profile::M(_) => LONGEST,
        }
    }

    /// Refuses a watchpoint that asks about a value, where no more can be kept.
    pub(super) fn value_fits(&self, request: &Request, options: &Options<'_>) -> Result<(), OptionsError> {
        let Request::Watchpoint(watchpoint) = request else { return Ok(()) };
        if self.target.profile() == Profile::A || options.value.is_before() {
            return Ok(());
        }
        let mut ranges = Vec::<AddressRange, MAX_VALUES>::new();
        let all = self.asked_about().chain([watchpoint.range()]);
        for range in all.filter(|range| range.len() <= LONGEST) {
            if !ranges.contains(&range) {
                ranges.push(range).map_err(|_| OptionsError::TooMany { capacity: MAX_VALUES })?;
            }
        }
        Ok(())
    }

    /// The watched ranges whose values somebody asks about.
    fn asked_about(&self) -> impl Iterator<Item = AddressRange> {
        self.watchpoints.iter().filter_map(|reserved| {
            let request = Request::Watchpoint(reserved.watchpoint);
            let entry = self.attached.get(&request, reserved.owner)?;
            (!entry.value.is_before()).then_some(reserved.watchpoint.range())
        })
    }

    /// Keeps the watched values that are asked about, before the cores run on.
    pub(super) fn note_values(&mut self) -> TargetResult<(), T> {
        self.values.0.clear();
        if self.target.profile() == Profile::A {
            return Ok(());
        }
        let mut ranges = Vec::<AddressRange, MAX_VALUES>::new();
        for range in self.asked_about().filter(|range| range.len() <= LONGEST) {
            if !ranges.contains(&range) {
                // There are no more, as `value_fits` has said.
                let _ = ranges.push(range);
            }
        }
        for range in ranges {
            let value = self.value_at(CoreId(0), range)?;
            let _ = self.values.0.push(Kept { range, value });
        }
        Ok(())
    }

    /// Stops, waits or runs on behind an access that comparators have matched.
    pub(super) fn accessed(&mut self, core: CoreId, matched: Slots, goal: Goal) -> TargetResult<Outcome, T> {
        let Some(hit) = self.watchpoints.hit_of_matched(matched) else {
            return self.stop_all(core, StopReason::ExternalRequest, Slots::NONE);
        };
        let candidates = self.watchpoints_matched(matched);
        let done = self.look_at(core, &candidates)?;
        let done_to = |range: AddressRange| done.iter().find(|done| done.range == range);
        let verdict = self.judge(core, &candidates, &|request, value| match request {
            Request::Watchpoint(watchpoint) if !value.is_before() => {
                let change = done_to(watchpoint.range()).and_then(|done| done.change);
                Some(match change {
                    Some(Change { old, new, .. }) => Effect { changed: old != new, now: new },
                    // A change of what cannot be read is told rather than passed over.
                    None => Effect { changed: true, now: 0 },
                })
            }
            _ => None,
        })?;
        if verdict == Then::Run {
            return self.proceed(core, goal);
        }
        let told = self.hits_of(core).first().map(|hit| hit.request);
        let (watchpoint, address) = match told {
            Some(Request::Watchpoint(watchpoint)) if watchpoint != hit.watchpoint => {
                (watchpoint, watchpoint.range().nearest(hit.address))
            }
            _ => (hit.watchpoint, hit.address),
        };
        let change = done_to(watchpoint.range()).and_then(|done| done.change);
        let reason = StopReason::Watchpoint { watchpoint, address, made: true, change };
        if verdict == Then::Stop {
            let outcome = self.stop_with_hits(core, reason, Slots::NONE)?;
            // It has been passed already.
            self.core(core)?.seen = None;
            return Ok(outcome);
        }
        let pc = self.target.read_register(core, Register::Pc)?;
        let state = self.core(core)?;
        state.seen = None;
        state.waiting = Some(goal);
        Ok(Outcome::Waiting(Stop { core, pc, reason }))
    }

    /// The requests that these comparators serve.
    fn watchpoints_matched(&self, matched: Slots) -> Candidates {
        let reserved = self.watchpoints.iter();
        reserved
            .filter(|reserved| !reserved.slots.intersection(matched).is_empty())
            .map(|reserved| (Request::Watchpoint(reserved.watchpoint), reserved.owner))
            .take(MAX_HITS)
            .collect()
    }

    /// What an access has done to the values of those that were hit.
    fn look_at(&mut self, core: CoreId, candidates: &Candidates) -> TargetResult<Vec<Done, MAX_HITS>, T> {
        let mut done = Vec::<Done, MAX_HITS>::new();
        for (request, _) in candidates {
            let Request::Watchpoint(watchpoint) = request else { continue };
            let range = watchpoint.range();
            if !self.values.0.iter().any(|kept| kept.range == range)
                || done.iter().any(|done| done.range == range)
            {
                continue;
            }
            let new = self.value_at(core, range)?;
            let old = self.values.replace(range, new);
            let change = match (old, new) {
                (Some(old), Some(new)) => {
                    Some(Change { address: range.first(), length: range.len() as u8, old, new })
                }
                _ => None,
            };
            // There are no more candidates than the vector holds.
            let _ = done.push(Done { range, change });
        }
        Ok(done)
    }

    /// The value of a range of at most [`LONGEST`] bytes; `None` where it cannot be read.
    fn value_at(&mut self, core: CoreId, range: AddressRange) -> TargetResult<Option<u64>, T> {
        let mut bytes = [0; LONGEST as usize];
        let Some(wanted) = bytes.get_mut(..range.len() as usize) else { return Ok(None) };
        let length = wanted.len();
        match self.read_virtual(core, range.first(), wanted) {
            Ok(count) => Ok((count == length).then(|| u64::from_le_bytes(bytes))),
            Err(error) => match error.into_lost() {
                Some(error) => Err(TargetError::Lost(error)),
                None => Ok(None),
            },
        }
    }
}
