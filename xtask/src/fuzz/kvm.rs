//! The differential test of comparators on a real KVM, with more programs than the test run has.

use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};

use crate::host::{Host, HostOptions};
use crate::setup::{HOST_TARGET, Requirement, Setup, TargetBuild};
use crate::workspace;

/// Runs `programs` random programs.
pub(super) fn run(programs: u64, seed: Option<u64>, no_install: bool) -> Result<ExitCode> {
    let mut requirements = vec![Requirement::HOST_TARGET];
    requirements.extend(Host::choose(HostOptions::default())?.requirements());
    Setup::new(no_install).ensure(&requirements)?;
    let seed = match seed {
        Some(seed) => seed,
        None => SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs(),
    };
    let TargetBuild { options, environment, .. } = TargetBuild::of(HOST_TARGET)?;
    let mut command = workspace::cargo();
    command.args(["test", "--quiet", "--package=trapline-kvm", "--test=kvm", "differential::"]).args(options);
    command.args(["--", "--nocapture"]).envs(environment);
    command.env("TRAPLINE_ROUNDS", programs.to_string()).env("TRAPLINE_SEED", seed.to_string());
    let status = command.status().context("cannot run cargo")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
