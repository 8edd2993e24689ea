//! The project's own driver, without coverage.

use std::{
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use indicatif::ProgressBar;

use super::{Fuzzer, Outcome, Target};
use crate::workspace;

/// The driver's program.
pub(super) struct Plain {
    program: PathBuf,
}

impl Plain {
    pub(super) fn build() -> Result<Self> {
        let mut command = workspace::cargo();
        command.args(["build", "--profile=checked", "--quiet", "--package=trapline-fuzz", "--example=plain"]);
        ensure!(command.status().context("cannot run cargo")?.success(), "the fuzz targets do not build");
        Ok(Self { program: workspace::target().join("checked/examples/plain") })
    }
}

impl Fuzzer for Plain {
    fn run(&self, target: &Target) -> Result<Outcome> {
        let mut command = Command::new(&self.program);
        command.arg(&target.name).arg(format!("--seconds={}", target.time.as_secs()));
        command.arg("--corpus").arg(&target.seeds).arg("--corpus").arg(&target.found);
        command.arg("--artifacts").arg(&target.artifacts);
        if let Some(executions) = target.executions {
            command.arg(format!("--executions={executions}"));
        }
        let mut child = command.stdout(Stdio::piped()).spawn().context("cannot start the fuzz driver")?;
        let said = child.stdout.take().context("the fuzz driver says nothing")?;
        let bar = ProgressBar::new_spinner();
        let mut executions = 0;
        for line in BufReader::new(said).lines() {
            let line = line?;
            if let Some(count) = line.strip_suffix(" executions") {
                executions = count.parse().context("the fuzz driver's count is none")?;
            } else if line.starts_with("failed") {
                bar.suspend(|| eprintln!("{}: {line}", target.name));
            }
            bar.set_message(line);
            bar.tick();
        }
        bar.finish_and_clear();
        Ok(Outcome { executions, coverage: None, failed: !child.wait()?.success() })
    }
}
