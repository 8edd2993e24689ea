//! The terminal while it is the guest's: every key goes to the guest, and the terminal is put back in order
//! however this process ends, short of being killed outright.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use rustix::termios::{OptionalActions, OutputModes, Termios, isatty, tcgetattr, tcsetattr};

/// How the terminal was before it was the guest's, while it is.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// A terminal that is the guest's as long as this lives.
#[derive(Debug)]
pub(crate) struct Raw(());

impl Raw {
    /// Gives the terminal that is standard input to the guest; `None` where it is no terminal.
    ///
    /// # Errors
    /// Where the terminal does not take it.
    pub(crate) fn enter() -> Result<Option<Self>> {
        let terminal = io::stdin();
        if !isatty(&terminal) {
            return Ok(None);
        }
        let before = tcgetattr(&terminal).context("the terminal's settings cannot be read")?;
        *lock() = Some(before);
        again().context("the terminal cannot be given to the guest")?;
        Ok(Some(Self(())))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        restore();
        *lock() = None;
    }
}

/// Puts the terminal back in order, for as long as this process does not run.
pub(crate) fn restore() {
    if let Some(before) = &*lock() {
        // A terminal that is gone needs no order.
        let _ = tcsetattr(io::stdin(), OptionalActions::Drain, before);
    }
}

/// Gives the terminal to the guest again.
///
/// # Errors
/// Where the terminal does not take it.
pub(crate) fn again() -> io::Result<()> {
    if let Some(before) = &*lock() {
        let mut raw = before.clone();
        raw.make_raw();
        // What this process says itself has no carriage returns.
        raw.output_modes |= OutputModes::OPOST;
        tcsetattr(io::stdin(), OptionalActions::Drain, &raw)?;
    }
    Ok(())
}

/// The lock guards one assignment, so a panic elsewhere leaves nothing half done.
fn lock() -> MutexGuard<'static, Option<Termios>> {
    BEFORE.lock().unwrap_or_else(PoisonError::into_inner)
}
