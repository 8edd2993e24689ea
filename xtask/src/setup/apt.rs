//! Programs from Debian packages, installed with apt-get.

use std::{
    io::{IsTerminal as _, stdin},
    process::{Command, Stdio},
};

use anyhow::{Result, bail};

use super::progress::{Step, retry};
use crate::workspace;

/// The command that installs packages by hand.
pub(crate) fn by_hand(packages: &[&str]) -> String {
    let sudo = if rustix::process::geteuid().is_root() { "" } else { "sudo " };
    format!("{sudo}apt-get update && {sudo}apt-get install --no-install-recommends {}", packages.join(" "))
}

/// Installs packages.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    if workspace::find_program("apt-get").is_none() {
        bail!("there is no apt-get here: install {} with this system's own means", packages.join(" "));
    }
    let names = packages.join(" ");
    let fetch = || {
        let update = Step::new("updating the package lists");
        // One source of many that fails need not be the one that matters.
        let updated = update.end(workspace::quiet(&mut apt_get(&["update"])?));
        let install = Step::new(format!("installing {names}"));
        // What the user has installed stays.
        let mut arguments = vec!["install", "--yes", "--no-remove", "--no-install-recommends"];
        arguments.extend(packages);
        let installed = install.end(workspace::quiet(&mut apt_get(&arguments)?));
        installed.or_else(|error| updated.and(Err(error))).map(drop)
    };
    retry(&format!("installing {names}"), fetch)
}

/// apt-get with the rights that it needs.
fn apt_get(arguments: &[&str]) -> Result<Command> {
    let mut command = if rustix::process::geteuid().is_root() {
        Command::new("apt-get")
    } else {
        if workspace::find_program("sudo").is_none() {
            bail!("this needs the rights of root, and there is no sudo");
        }
        let mut command = Command::new("sudo");
        if !stdin().is_terminal() {
            // Nobody could answer it.
            command.arg("--non-interactive");
        }
        command.args(["--", "env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
        command
    };
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
    command.stdin(if stdin().is_terminal() { Stdio::inherit() } else { Stdio::null() });
    Ok(command)
}
