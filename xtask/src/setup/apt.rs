//! Programs from Debian packages, installed with apt-get.

use std::{
    io::{IsTerminal as _, stdin},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

use super::{
    beside,
    progress::{Step, retry},
};
use crate::workspace;

/// A program, and the package that has it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Program {
    pub(crate) name: &'static str,
    pub(crate) package: &'static str,
}

/// The command that installs packages by hand.
pub(crate) fn by_hand(packages: &[&str]) -> String {
    let sudo = if is_root() { "" } else { "sudo " };
    format!("{sudo}apt-get update && {sudo}apt-get install --no-install-recommends {}", packages.join(" "))
}

/// Installs the packages of programs. One that could only be installed in place of something that the user
/// has is unpacked beside the system instead.
pub(crate) fn provide(programs: &[Program]) -> Result<()> {
    let updated = prepare(&programs.iter().map(|program| program.package).collect::<Vec<_>>())?;
    let provided = (|| {
        let mut packages = Vec::new();
        for &Program { name, package } in programs {
            let in_the_way = beside::in_the_way_of(package)?;
            if in_the_way.is_empty() {
                packages.push(package);
            } else {
                let other = in_the_way.join(" ");
                eprintln!(
                    "{package} cannot be installed beside {other}, which stays; it is kept under target/"
                );
                beside::unpack(package, name)?;
            }
        }
        if packages.is_empty() { Ok(()) } else { install_known(&packages) }
    })();
    provided.or_else(|error| updated.and(Err(error)))
}

/// Installs packages.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    let updated = prepare(packages)?;
    install_known(packages).or_else(|error| updated.and(Err(error)))
}

/// Makes sure of the rights that it takes, and updates the package lists. That one source of many fails is
/// no failure yet: it need not be the one that matters.
fn prepare(packages: &[&str]) -> Result<Result<()>> {
    if workspace::find_program("apt-get").is_none() {
        bail!("there is no apt-get here; use this system's own means for {}", packages.join(" "));
    }
    if !is_root() {
        become_root()?;
    }
    let what = "updating the package lists";
    let update = Step::new(what);
    Ok(update.end(retry(what, || workspace::quiet(&mut apt_get(&["update"])).map(drop))))
}

/// Installs packages of the lists as they are.
fn install_known(packages: &[&str]) -> Result<()> {
    let what = format!("installing {}", packages.join(" "));
    retry(&what, || {
        let install = Step::new(what.as_str());
        // What the user has installed stays.
        let mut arguments = vec!["install", "--yes", "--no-remove", "--no-install-recommends"];
        arguments.extend(packages);
        install.end(workspace::quiet(&mut apt_get(&arguments))).map(drop)
    })
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
