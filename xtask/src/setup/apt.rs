//! Programs from Debian packages, installed with apt-get.

use std::{
    io::{IsTerminal as _, stdin},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

use super::progress::{Step, retry};
use crate::workspace;

/// The command that installs packages by hand.
pub(crate) fn by_hand(packages: &[&str]) -> String {
    let sudo = if is_root() { "" } else { "sudo " };
    format!("{sudo}apt-get update && {sudo}apt-get install --no-install-recommends {}", packages.join(" "))
}

/// Installs packages.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    let names = packages.join(" ");
    if workspace::find_program("apt-get").is_none() {
        bail!("there is no apt-get here; use this system's own means for {names}");
    }
    if !is_root() {
        become_root()?;
    }
    let fetch = || {
        let update = Step::new("updating the package lists");
        // One source of many that fails need not be the one that matters.
        let updated = update.end(workspace::quiet(&mut apt_get(&["update"])));
        let install = Step::new(format!("installing {names}"));
        // What the user has installed stays.
        let mut arguments = vec!["install", "--yes", "--no-remove", "--no-install-recommends"];
        arguments.extend(packages);
        let installed = install.end(workspace::quiet(&mut apt_get(&arguments)));
        installed.or_else(|error| updated.and(Err(error))).map(drop)
    };
    retry(&format!("installing {names}"), fetch)
}

/// apt-get with the rights that it needs.
fn apt_get(arguments: &[&str]) -> Command {
    let mut command = Command::new(if is_root() { "env" } else { "sudo" });
    if !is_root() {
        // Whatever there was to ask has been asked before.
        command.args(["--non-interactive", "--", "env"]);
    }
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]).args(arguments).stdin(Stdio::null());
    command
}

/// Lets sudo ask for the password while nothing else is shown.
fn become_root() -> Result<()> {
    if workspace::find_program("sudo").is_none() {
        bail!("that takes the rights of root, and there is no sudo");
    }
    let mut sudo = Command::new("sudo");
    if !stdin().is_terminal() {
        // Nobody could answer.
        sudo.arg("--non-interactive");
    }
    if !sudo.arg("--validate").status().context("cannot run sudo")?.success() {
        bail!("that takes the rights of root, and sudo does not give them");
    }
    Ok(())
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
