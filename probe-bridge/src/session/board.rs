//! A board as the host of a session.

use std::time::{Duration, Instant};

use super::{Error, Host, Result, SessionDebugger};
use crate::board::armv8a::Armv8aTarget;
use crate::board::link::Link;
use crate::board::{BoardError, Unobserved, run_until_stopped};

/// How often a board that runs is looked at.
const POLL: Duration = Duration::from_millis(1);

/// A board. Its stops are found by looking.
#[derive(Debug)]
pub struct Board<L: Link>(SessionDebugger<Armv8aTarget<L>>);

impl<L: Link> Board<L> {
    /// An engine for a board that nobody else debugs.
    ///
    /// # Errors
    /// Where the board has more cores than a session can have.
    pub fn new(target: Armv8aTarget<L>) -> Result<Self> {
        SessionDebugger::new(target).map(Self).map_err(|error| Error::NotInserted(error.to_string()))
    }
}

impl<L: Link> Host for Board<L> {
    type Target = Armv8aTarget<L>;
    type Failure = BoardError;

    fn with<R>(&mut self, work: impl FnOnce(&mut SessionDebugger<Self::Target>) -> R) -> Result<R> {
        Ok(work(&mut self.0))
    }

    fn wait(&mut self, timeout: Duration) -> Result<bool> {
        let deadline = Instant::now() + timeout;
        loop {
            if run_until_stopped(&mut self.0, &mut Unobserved).map_err(|error| Error::Lost(error.into()))? {
                return Ok(true);
            }
            if self.0.stop().is_some() {
                return Ok(true);
            }
            if Instant::now() >= deadline {
                return Ok(false);
            }
            std::thread::sleep(POLL);
        }
    }
}
