//! The terminal while it is a guest's that runs inside an emulated host.

use std::io::{self, IsTerminal as _};

use anyhow::{Context as _, Result};
use rustix::termios::{OptionalActions, OutputModes, Termios, tcgetattr, tcsetattr};

/// Every key goes into the host while this lives; `trapline guest --keys` finds there what is for it.
pub(crate) struct Raw {
    before: Termios,
}

impl Raw {
    /// Hands the terminal over; none where standard input is no terminal.
    pub(crate) fn enter() -> Result<Option<Self>> {
        let terminal = io::stdin();
        if !terminal.is_terminal() {
            return Ok(None);
        }
        let before = tcgetattr(&terminal).context("cannot read the terminal's settings")?;
        let mut raw = before.clone();
        raw.make_raw();
        // What this process says itself has no carriage returns.
        raw.output_modes |= OutputModes::OPOST;
        tcsetattr(&terminal, OptionalActions::Drain, &raw).context("cannot hand the terminal over")?;
        Ok(Some(Self { before }))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // A terminal that is gone needs no order.
        let _ = tcsetattr(io::stdin(), OptionalActions::Drain, &self.before);
    }
}
