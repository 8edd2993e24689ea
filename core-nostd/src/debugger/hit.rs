//! Whether what was hit is to stop the target: conditions, counts, commands.

use core::fmt;

use heapless::Vec;

use crate::aarch32::BUILT_IN;
use crate::agent::{self, Environment, EvaluationError, MAX_LENGTH, Operand};
use crate::pool::Owner;
use crate::target::{CoreId, Target, TargetError, TargetResult};

use super::attached::Kind;
use super::options::{Then, ValueCondition};
use super::{Debugger, Request};

/// The most requests that one stop is told to be for.
pub const MAX_HITS: usize = 4;

/// Requests that one event may be for.
pub(super) type Candidates = Vec<(Request, Owner), MAX_HITS>;

/// A request that was hit, and that somebody is to be told of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Hit {
    /// The request.
    pub request: Request,
    /// Whose it is.
    pub owner: Owner,
    /// Which hit of it this is, from 1; 0 for one that was inserted without options, whose hits are not
    /// counted.
    pub count: u64,
    /// Why a condition or a command could not be evaluated, if one could not.
    pub failure: Option<EvaluationError<Unanswered>>,
}

/// What an expression asked the target for in vain.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Unanswered {
    /// A register, by the engine's number, see [`agent::operand`].
    Register(u16),
    /// Memory at this virtual address.
    Memory(u64),
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Register(number) => match agent::operand(*number) {
                Some(Operand::Register(register)) => write!(f, "{register} cannot be read"),
                Some(Operand::Banked(number)) if BUILT_IN => write!(f, "R{number} cannot be read"),
                _ => write!(f, "register {number} cannot be read"),
            },
            Self::Memory(address) => write!(f, "memory at {address:#x} cannot be read"),
        }
    }
}

impl core::error::Error for Unanswered {}

/// What an access has done to the value of a watched range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Effect {
    /// Whether a watched byte is another one than before.
    pub(super) changed: bool,
    /// The value now, of the first 8 bytes.
    pub(super) now: u64,
}

/// A halted core, as an expression sees it.
struct Scene<'a, T: Target, const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize> {
    debugger: &'a mut Debugger<T, CORES, SOFTWARE, BYTECODE>,
    core: CoreId,
    /// The loss of the target, if it was lost meanwhile.
    lost: Option<T::Error>,
}

impl<T: Target, const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize> Environment
    for Scene<'_, T, CORES, SOFTWARE, BYTECODE>
{
    type Error = Unanswered;

    fn register(&mut self, number: u16) -> Result<u64, Unanswered> {
        let unanswered = Unanswered::Register(number);
        let register = match agent::operand(number).ok_or(unanswered)? {
            Operand::Register(register) => Ok(register),
            Operand::StackPointer => self.debugger.stack_pointer(self.core),
            Operand::Banked(_) if !BUILT_IN => return Err(unanswered),
            Operand::Banked(number) => self.debugger.banked(self.core, number),
        };
        let value = register.and_then(|register| self.debugger.target.read_register(self.core, register));
        value.map_err(|error| {
            if let TargetError::Lost(error) = error {
                self.lost = Some(error);
            }
            unanswered
        })
    }

    fn read(&mut self, address: u64, buffer: &mut [u8]) -> Result<(), Unanswered> {
        match self.debugger.read_virtual(self.core, address, buffer) {
            Ok(count) if count == buffer.len() => Ok(()),
            Ok(count) => Err(Unanswered::Memory(address.wrapping_add(count as u64))),
            Err(error) => {
                self.lost = error.into_lost();
                Err(Unanswered::Memory(address))
            }
        }
    }

    fn can_print(&mut self) -> bool {
        self.debugger.target.console().is_some()
    }

    fn print(&mut self, text: &str) {
        if let Some(console) = self.debugger.target.console() {
            console.print(self.core, text);
        }
    }
}

/// What became of an expression.
type Value = Result<u64, EvaluationError<Unanswered>>;

impl<T: Target, const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize>
    Debugger<T, CORES, SOFTWARE, BYTECODE>
{
    /// What was hit at the last stop, while the target is halted because of it; the first [`MAX_HITS`]
    /// requests.
    #[must_use]
    pub fn hits(&self) -> &[Hit] {
        self.stop.map_or(&[], |stop| self.hits_of(stop.core))
    }

    /// What this core has hit since it last ran: it waits ([`super::Outcome::Waiting`]), or has stopped all.
    #[must_use]
    pub fn hits_of(&self, core: CoreId) -> &[Hit] {
        self.cores.get(usize::from(core.0)).map_or(&[], |state| &state.hits)
    }

    /// Decides about the requests that an event is for, and notes those that somebody is to be told of.
    /// `effect` is that of an access that has been made, by the request and what it asks of the value; without it
    /// those that stop after one are not asked.
    pub(super) fn judge(
        &mut self,
        core: CoreId,
        candidates: &Candidates,
        effect: &dyn Fn(&Request, ValueCondition) -> Option<Effect>,
    ) -> TargetResult<Then, T> {
        self.core(core)?.hits.clear();
        let mut verdict = Then::Run;
        for (request, owner) in candidates {
            let value =
                self.attached.get(request, *owner).map_or(ValueCondition::Before, |entry| entry.value);
            let effect = effect(request, value);
            let Some(hit) = self.judge_one(core, request, *owner, effect)? else { continue };
            let then = match self.attached.get(request, *owner) {
                Some(entry) if hit.failure.is_none() => entry.then,
                _ => Then::Stop,
            };
            if then != Then::Run {
                // The vector is as long as the one of candidates.
                let _ = self.core(core)?.hits.push(hit);
                verdict = verdict.or(then);
            }
        }
        Ok(verdict)
    }

    /// Whether this request counts as hit now.
    fn judge_one(
        &mut self,
        core: CoreId,
        request: &Request,
        owner: Owner,
        effect: Option<Effect>,
    ) -> TargetResult<Option<Hit>, T> {
        let hit = Hit { request: *request, owner, count: 0, failure: None };
        let Some(entry) = self.attached.get(request, owner) else {
            return Ok(effect.is_none().then_some(hit));
        };
        let asked = match (entry.value, effect) {
            (ValueCondition::Before, None) => true,
            (ValueCondition::Before, Some(_)) | (_, None) => false,
            (value, Some(Effect { changed, now })) => value.holds(changed, now),
        };
        if !asked {
            return Ok(None);
        }
        let mut failure = None;
        let mut holds = None;
        for index in 0.. {
            let Some(value) = self.value(core, request, owner, Kind::Condition, index)? else { break };
            holds = Some(!matches!(value, Ok(0)));
            failure = value.err();
            if holds == Some(true) {
                break;
            }
        }
        if holds == Some(false) {
            return Ok(None);
        }
        let Some(entry) = self.attached.get_mut(request, owner) else { return Ok(None) };
        entry.hits = entry.hits.saturating_add(1);
        let count = entry.hits;
        // What could not be evaluated is not passed over in silence.
        if entry.ignore > 0 && failure.is_none() {
            entry.ignore -= 1;
            return Ok(None);
        }
        for index in 0.. {
            let Some(value) = self.value(core, request, owner, Kind::Command, index)? else { break };
            failure = failure.or(value.err());
        }
        Ok(Some(Hit { count, failure, ..hit }))
    }

    /// Evaluates one of the expressions that are attached to a request; `None` where there is none.
    fn value(
        &mut self,
        core: CoreId,
        request: &Request,
        owner: Owner,
        kind: Kind,
        index: usize,
    ) -> TargetResult<Option<Value>, T> {
        let code = self.attached.expression(request, owner, kind, index);
        // A copy, so that the engine can be asked while it is evaluated.
        let Some(code) = code.and_then(|code| Vec::<u8, MAX_LENGTH>::from_slice(code).ok()) else {
            return Ok(None);
        };
        let mut scene = Scene { debugger: self, core, lost: None };
        let value = agent::evaluate(&code, &mut scene);
        match scene.lost {
            Some(error) => Err(TargetError::Lost(error)),
            None => Ok(Some(value)),
        }
    }
}

impl Then {
    /// What happens where two requests are hit at once: a stop goes before a wait, and both before running
    /// on.
    const fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Stop, _) | (_, Self::Stop) => Self::Stop,
            (Self::Wait, _) | (_, Self::Wait) => Self::Wait,
            (Self::Run, Self::Run) => Self::Run,
        }
    }
}
