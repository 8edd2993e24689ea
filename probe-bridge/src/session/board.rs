//! A board as the host of a session.

use std::time::{Duration, Instant};

use super::{Error, Host, Result, SessionDebugger};
use crate::board::{BoardError, BoardTarget, Found, Unobserved, run_until_stopped};

/// How often a board that runs is looked at.
const POLL: Duration = Duration::from_millis(1);

/// A board. Its stops are found by looking.
///
/// ```no_run
/// use probe_rs::{config::Registry, probe::list::Lister};
/// use trapline_probe::board::{self, AttachOptions, attach};
/// use trapline_probe::session::{Board, Session};
///
/// # fn main() -> anyhow::Result<()> {
/// let probe = Lister::new().list_all().first().ok_or(anyhow::anyhow!("no probe"))?.open()?;
/// let options = AttachOptions { chip: "RaspberryPi4B".to_owned(), ..AttachOptions::default() };
/// let board = attach(probe, &Registry::from_builtin_families(), &options)?;
/// let board::Board::Armv8a(target) = board else { anyhow::bail!("no Armv8-A core") };
/// let mut session = Session::new(Board::new(target)?);
/// let mut core = session.core(0)?;
/// println!("halted at {:#x}, {} watchpoints", core.halt()?.pc, core.available_watchpoint_units()?);
/// session.detach()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Board<T: BoardTarget>(SessionDebugger<T>);

impl<T: BoardTarget> Board<T> {
    /// An engine for a board that nobody else debugs.
    ///
    /// # Errors
    /// Where the board has more cores than a session can have.
    pub fn new(target: T) -> Result<Self> {
        SessionDebugger::new(target).map(Self).map_err(|error| Error::NotInserted(error.to_string()))
    }
}

impl<T: BoardTarget> Host for Board<T> {
    type Target = T;
    type Failure = BoardError;

    fn with<R>(&mut self, work: impl FnOnce(&mut SessionDebugger<Self::Target>) -> R) -> Result<R> {
        Ok(work(&mut self.0))
    }

    fn wait(&mut self, timeout: Duration) -> Result<bool> {
        let deadline = Instant::now() + timeout;
        loop {
            let found = run_until_stopped(&mut self.0, &mut Unobserved);
            let found = found.map_err(|error| Error::Lost(error.into()))?;
            if found == Found::Stop {
                return Ok(true);
            }
            if self.0.stop().is_some() {
                return Ok(true);
            }
            if Instant::now() >= deadline {
                return Ok(false);
            }
            if found == Found::Nothing {
                std::thread::sleep(POLL);
            }
        }
    }
}
