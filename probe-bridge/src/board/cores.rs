//! The cores of a board and the way to them, for targets of either profile.

use trapline_core::comparator::Bank;
use trapline_core::target::{CoreId, CoreState, Refusal, TargetError};

use super::error::{BoardError, Result};
use super::link::Link;

/// What comes of an access to one core, of which a refusal ends nothing.
pub(super) type Access<T> = std::result::Result<T, TargetError<BoardError>>;

/// A core as both profiles have it.
pub(super) trait BoardCore {
    /// Whether it runs.
    fn state(&self) -> CoreState;

    /// Whether, after `error`, it turns out to be without power or asleep.
    fn is_gone(&mut self, link: &mut impl Link, error: &BoardError) -> bool;

    /// It counts as off from now on.
    fn off(&mut self);

    /// What is to be in its comparators from now on.
    fn want(&mut self, bank: Bank);

    /// Writes what is wanted to the comparators, where it differs from what they hold.
    fn arm(&mut self, link: &mut impl Link) -> Result<()>;
}

/// The cores, and the way to their buses.
#[derive(Debug)]
pub(super) struct Cores<C, L> {
    pub(super) link: L,
    pub(super) all: Vec<C>,
}

impl<C: BoardCore, L: Link> Cores<C, L> {
    /// How many there are.
    pub(super) fn count(&self) -> u16 {
        self.all.len() as u16
    }

    /// Whether a core runs.
    pub(super) fn state(&self, core: CoreId) -> Access<CoreState> {
        let entry = self.all.get(usize::from(core.0)).ok_or(Refusal::NoSuchCore(core))?;
        Ok(entry.state())
    }

    /// Has a core that is halted do something.
    pub(super) fn on_halted<T>(
        &mut self,
        core: CoreId,
        work: impl FnOnce(&mut C, &mut L) -> Access<T>,
    ) -> Access<T> {
        let entry = self.all.get_mut(usize::from(core.0)).ok_or(Refusal::NoSuchCore(core))?;
        match entry.state() {
            CoreState::Halted => {}
            CoreState::Running => return Err(Refusal::Running(core).into()),
            CoreState::Off => return Err(Refusal::Off(core).into()),
        }
        let result = work(entry, &mut self.link);
        self.settle(core, result)
    }

    /// Has a core that runs do something; nothing is to be done where it is halted.
    pub(super) fn on_running(
        &mut self,
        core: CoreId,
        work: impl FnOnce(&mut C, &mut L) -> Access<()>,
    ) -> Access<()> {
        let entry = self.all.get_mut(usize::from(core.0)).ok_or(Refusal::NoSuchCore(core))?;
        match entry.state() {
            CoreState::Halted => return Ok(()),
            CoreState::Off => return Err(Refusal::Off(core).into()),
            CoreState::Running => {}
        }
        let result = work(entry, &mut self.link);
        self.settle(core, result)
    }

    /// Arms a halted core. One that is not gets it when it can be reached.
    pub(super) fn commit(&mut self, core: CoreId, bank: Bank) -> Access<()> {
        if let Some(entry) = self.all.get_mut(usize::from(core.0)) {
            entry.want(bank);
        }
        self.on_halted(core, |core, link| core.arm(link).map_err(TargetError::Lost))
    }

    /// What an error means: a core that can no longer be reached refuses, and the session goes on.
    fn settle<T>(&mut self, core: CoreId, result: Access<T>) -> Access<T> {
        let lost = match result {
            Err(TargetError::Lost(error)) => error,
            other => return other,
        };
        if let Some(entry) = self.all.get_mut(usize::from(core.0))
            && entry.is_gone(&mut self.link, &lost)
        {
            entry.off();
            return Err(Refusal::Off(core).into());
        }
        Err(TargetError::Lost(lost))
    }
}
