//! What the commands that run a session have in common.

use std::io::{IsTerminal as _, stdin, stdout};

use clap::Args;

use crate::setup::{Requirement, Setup};

/// How a session is led.
#[derive(Args)]
pub(crate) struct SessionOptions {
    /// Play the scripted gdb session and check what comes back, also on a terminal
    #[arg(long, conflicts_with = "serve")]
    pub(crate) demo: bool,
    /// Print the address of the gdb server and serve until interrupted
    #[arg(long)]
    pub(crate) serve: bool,
    /// Port of the gdb server on 127.0.0.1 [default: any free one]
    #[arg(long, value_name = "PORT", default_value_t = 0, hide_default_value = true)]
    pub(crate) port: u16,
    /// Fetch nothing: where something is missing, say what, and how to get it by hand
    #[arg(long)]
    pub(crate) no_install: bool,
}

impl SessionOptions {
    /// Whether the scripted session is played: where that is asked for, and where there is no terminal for gdb.
    pub(crate) fn plays(&self) -> bool {
        !self.serve && (self.demo || !stdin().is_terminal() || !stdout().is_terminal())
    }

    /// Sees to it that everything is there, gdb included where it is run.
    ///
    /// # Errors
    /// Where something is missing and cannot be had.
    pub(crate) fn ensure(&self, mut requirements: Vec<Requirement>) -> anyhow::Result<()> {
        if !self.serve {
            requirements.push(Requirement::GDB);
        }
        Setup::new(self.no_install).ensure(&requirements)
    }
}
