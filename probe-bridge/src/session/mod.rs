//! Sessions and cores with probe-rs's names and habits, over anything that the engine debugs: a KVM guest or a board.
//!
//! Whoever knows `probe_rs::Session` and `probe_rs::Core` knows these, and finds the watchpoints besides. What differs,
//! because the engine has one picture of the whole target:
//! - Cores halt together. [`Core::run`] lets one run on, [`Session::resume_all_cores`] all.
//! - Addresses are virtual, as the halted core translates them.
//! - A core that runs on from a breakpoint or watchpoint passes it first.
//! - Breakpoints and watchpoints are found by what they trap, not by the number of a unit; one may take several units.
//!
//! What is written for a [`Core`] works on any: the test `session` has the same calls on a guest of a real KVM and on a
//! board, and compares what comes of them.
//!
//! ```
//! use std::time::Duration;
//! use trapline_core::target::Register;
//! use trapline_core::watchpoint::Access;
//! use trapline_probe::session::{Core, CoreStatus, Host, Result};
//!
//! /// Waits until somebody writes some bytes: why the core has stopped, and at which instruction.
//! fn next_write<H: Host>(core: &mut Core<'_, H>, address: u64, length: u64) -> Result<(CoreStatus, u64)> {
//!     core.halt()?;
//!     core.set_watchpoint(address, length, Access::Write)?;
//!     core.run()?;
//!     core.wait_for_core_halted(Duration::from_secs(10))?;
//!     core.clear_watchpoint(address, length, Access::Write)?;
//!     Ok((core.status()?, core.read_core_reg(Register::Pc)?))
//! }
//! ```

#[cfg(feature = "probe")]
mod board;
mod core;
mod error;
#[cfg(feature = "kvm")]
mod guest;

#[cfg(feature = "probe")]
pub use board::Board;
pub use core::{Core, CoreInformation, CoreStatus, HaltReason};
pub use error::{Error, Result};
#[cfg(feature = "kvm")]
pub use guest::{Guest, News};

use std::time::Duration;

use trapline_core::debugger::Debugger;
use trapline_core::pool::Owner;
use trapline_core::target::{CoreId, Refusal, Target};

/// The engine of a session: up to 16 cores and 256 software breakpoints.
pub type SessionDebugger<T> = Debugger<T, 16, 256>;

/// Where an engine is kept, and how its stops become known.
pub trait Host {
    /// What it debugs.
    type Target: Target<Error = Self::Failure>;
    /// Why that is lost.
    type Failure: std::error::Error + Send + Sync + 'static;

    /// Works with the engine.
    ///
    /// # Errors
    /// [`Error::Lost`] where nobody can any more.
    fn with<R>(&mut self, work: impl FnOnce(&mut SessionDebugger<Self::Target>) -> R) -> Result<R>;

    /// Waits until the target has stopped, but not longer than `timeout`; whether it has.
    ///
    /// # Errors
    /// [`Error::Lost`].
    fn wait(&mut self, timeout: Duration) -> Result<bool>;
}

/// A debugging session: a target, with everything of it that is armed.
#[derive(Debug)]
pub struct Session<H> {
    host: H,
}

impl<H: Host> Session<H> {
    /// A session on a target that nobody else debugs.
    pub const fn new(host: H) -> Self {
        Self { host }
    }

    /// The cores' numbers.
    ///
    /// # Errors
    /// [`Error::Lost`].
    pub fn list_cores(&mut self) -> Result<Vec<usize>> {
        self.host.with(|debugger| debugger.core_ids().map(|core| usize::from(core.0)).collect())
    }

    /// One core, from 0.
    ///
    /// # Errors
    /// [`Error::Refused`] where there is no such core.
    pub fn core(&mut self, index: usize) -> Result<Core<'_, H>> {
        let count = self.host.with(|debugger| debugger.core_count())?;
        match u16::try_from(index) {
            Ok(number) if number < count => Ok(Core::new(&mut self.host, CoreId(number))),
            _ => Err(Refusal::NoSuchCore(CoreId(index.try_into().unwrap_or(u16::MAX))).into()),
        }
    }

    /// Lets all cores run, with everything armed.
    ///
    /// # Errors
    /// [`Error`].
    pub fn resume_all_cores(&mut self) -> Result<()> {
        self.host.with(|debugger| {
            debugger.clear_actions();
            debugger.resume()
        })??;
        Ok(())
    }

    /// Removes every breakpoint and watchpoint. Cores that run keep them until they halt.
    ///
    /// # Errors
    /// [`Error::Lost`].
    pub fn clear_all_hw_breakpoints(&mut self) -> Result<()> {
        self.host.with(|debugger| debugger.remove_all(Owner::DEBUGGER))
    }

    /// Removes everything, lets all cores run, and gives the host back.
    ///
    /// # Errors
    /// [`Error`].
    pub fn detach(mut self) -> Result<H> {
        self.host.with(|debugger| debugger.detach(Owner::DEBUGGER))??;
        Ok(self.host)
    }
}
