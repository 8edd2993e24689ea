//! libFuzzer: inputs that reach something new are kept and changed further.
//!
//! Rust's stable compiler can do what it needs: LLVM's coverage pass is there, and no sanitizer is wanted,
//! because what is fuzzed has no unsafe code of its own.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use indicatif::ProgressBar;

use super::{Fuzzer, Outcome, Target};
use crate::workspace;

/// What makes the compiler count where an input leads, and compare what it compares.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Cdebug-assertions -Coverflow-checks --cfg fuzzing";
/// The longest input that is tried, in bytes.
const LONGEST: u32 = 1024;
/// The longest input that is kept in the project, and how many of a target.
const SMALL: u64 = 256;
const FEW: usize = 48;

/// The targets' programs.
pub(super) struct LibFuzzer;

impl LibFuzzer {
    /// Builds them, where libFuzzer's own code is compiled as well.
    pub(super) fn build(targets: &[Target]) -> Result<Self> {
        let mut command = workspace::cargo();
        command.args(["build", "--release", "--package=trapline-fuzz"]);
        for target in targets {
            command.arg(format!("--bin={}", target.name));
        }
        // With a target of their own, build scripts and macros are not instrumented.
        command.arg(format!("--target={}", host()?)).env("RUSTFLAGS", FLAGS);
        command.arg("--target-dir").arg(directory());
        ensure!(command.status().context("cannot run cargo")?.success(), "the fuzz targets do not build");
        Ok(Self)
    }
}

impl Fuzzer for LibFuzzer {
    fn run(&self, target: &Target) -> Result<Outcome> {
        let mut command = program(target)?;
        command.arg(&target.found).args(target.seeds.is_dir().then_some(&target.seeds));
        command.args(["-print_final_stats=1", "-use_value_profile=1"]);
        command.arg(format!("-max_total_time={}", target.time.as_secs()));
        command.arg(format!("-max_len={LONGEST}"));
        command.arg(format!("-artifact_prefix={}/", target.artifacts.display()));
        if let Some(executions) = target.executions {
            command.arg(format!("-runs={executions}"));
        }
        let mut child = command.stderr(Stdio::piped()).spawn().context("cannot start a fuzz target")?;
        let said = child.stderr.take().context("a fuzz target says nothing")?;
        let bar = ProgressBar::new_spinner();
        let (mut executions, mut coverage, mut last) = (0, None, Vec::new());
        for line in BufReader::new(said).lines() {
            let line = line?;
            if let Some(count) = line.strip_prefix("stat::number_of_executed_units:") {
                executions = count.trim().parse().context("libFuzzer's count is none")?;
            }
            // As in `#4096 pulse cov: 211 ft: 423 corp: 96/2kb exec/s: 2048 rss: 26Mb`.
            if let Some((_, rest)) = line.split_once(" cov: ") {
                coverage = rest.split(' ').next().and_then(|number| number.parse().ok());
                bar.set_message(format!("{}: {line}", target.name));
                bar.tick();
            } else {
                last.push(line);
            }
        }
        bar.finish_and_clear();
        let failed = !child.wait()?.success();
        if failed {
            eprintln!("{}", last.join("\n"));
        }
        Ok(Outcome { executions, coverage, failed })
    }
}

/// Replaces the inputs that belong to the project by few small ones that reach as much as they can.
pub(super) fn minimize(targets: &[Target]) -> Result<()> {
    for target in targets {
        let merged = tempfile::tempdir()?;
        let small = tempfile::tempdir()?;
        for source in [&target.seeds, &target.found] {
            let Ok(files) = fs::read_dir(source) else { continue };
            for file in files {
                let file = file?;
                if file.metadata()?.len() <= SMALL {
                    fs::copy(file.path(), small.path().join(file.file_name()))?;
                }
            }
        }
        let mut command = program(target)?;
        command.arg("-merge=1").args([merged.path(), small.path()]);
        workspace::quiet(&mut command)?;
        // libFuzzer adds the smallest first; of many, an even choice.
        let mut files: Vec<_> = fs::read_dir(merged.path())?.collect::<Result<_, _>>()?;
        files.sort_by_key(|file| (file.metadata().map_or(0, |metadata| metadata.len()), file.file_name()));
        let step = files.len().div_ceil(FEW).max(1);
        match fs::remove_dir_all(&target.seeds) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => fs::create_dir_all(&target.seeds)?,
        }
        for file in files.iter().step_by(step) {
            fs::copy(file.path(), target.seeds.join(file.file_name()))?;
        }
        println!("{}: {} of {} inputs", target.name, files.len().div_ceil(step), files.len());
    }
    Ok(())
}

fn program(target: &Target) -> Result<Command> {
    Ok(Command::new(directory().join(host()?).join("release").join(&target.name)))
}

fn directory() -> PathBuf {
    workspace::target().join("fuzz")
}

/// The target of programs for this machine.
fn host() -> Result<String> {
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = workspace::quiet(Command::new(compiler).args(["--print", "host-tuple"]))?;
    Ok(String::from_utf8_lossy(&output).trim().to_owned())
}
