//! What the core's pure functions cost in instructions, as callgrind counts them on this machine, and how much code
//! the core is.

use std::{path::Path, process::Command};

use anyhow::{Context as _, Result, ensure};

use super::samples::Samples;
use crate::{core_image, workspace};

/// The program that counts, and its Debian package.
pub(super) const COUNTER: &str = "valgrind";

/// Counts all cases, and the bytes of code.
pub(super) fn count(samples: &mut Samples) -> Result<()> {
    let program = workspace::build_here(&["--release", "--package=trapline-bench", "--bin=core-costs"])?;
    let list = workspace::quiet(&mut Command::new(&program))?;
    for case in String::from_utf8_lossy(&list).lines() {
        let instructions = instructions(&program, case)?;
        samples.take(&format!("sample\t{case}\tours\t{instructions}\tinstructions"))?;
    }
    for (part, bytes) in core_image::sizes()? {
        samples.take(&format!("sample\tcode of the core, {part}\tours\t{bytes}\tbytes"))?;
    }
    Ok(())
}

fn instructions(program: &Path, case: &str) -> Result<u64> {
    let mut command = Command::new(workspace::program(COUNTER));
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=*measured*"]);
    let output = command.arg(program).arg(case).output().context("callgrind cannot be started")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "callgrind failed at `{case}`: {said}");
    collected(&said).with_context(|| format!("callgrind counted nothing at `{case}`: {said}"))
}

/// The count in what callgrind says at its end.
fn collected(said: &str) -> Option<u64> {
    let (_, count) = said.lines().find_map(|line| line.split_once("Collected : "))?;
    count.trim().parse().ok().filter(|count| *count > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_found_and_none_is_no_count() {
        assert_eq!(collected("==7== Events    : Ir\n==7== Collected : 321\n==7==\n"), Some(321));
        assert_eq!(collected("==7== Collected : 0\n"), None);
        assert_eq!(collected("==7== Command: x\n"), None);
    }
}
