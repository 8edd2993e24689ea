//! `cargo xtask fuzz`: every fuzz target on more and more inputs.

mod kvm;
mod libfuzzer;
mod plain;

use std::{fs, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context as _, Result, ensure};
use clap::Args;

use crate::{
    setup::{Requirement, Setup},
    workspace,
};

/// Runs the fuzz targets, each for some time, one after the other.
///
/// With libFuzzer, which learns from what an input reaches, where there is a C++ compiler; else on random
/// inputs and changed ones. What is interesting is kept in target/trapline/fuzz, and a small part of it in
/// fuzz/corpus. An input at which a target fails is written to a file, and named.
#[derive(Args)]
pub(crate) struct Options {
    /// For how long each target runs
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Ends a target after this many inputs as well
    #[arg(long)]
    executions: Option<u64>,
    /// Only this target, or these
    #[arg(long)]
    target: Vec<String>,
    /// Do without libFuzzer
    #[arg(long)]
    plain: bool,
    /// Random watchpoints, breakpoints and accesses on a real KVM instead, against the plain rule; so many programs
    #[arg(long, value_name = "PROGRAMS", num_args = 0..=1, default_missing_value = "20000",
        conflicts_with_all = ["plain", "minimize", "target", "executions"])]
    kvm: Option<u64>,
    /// With --kvm: the first program's seed, as a failure names it [default: the time]
    #[arg(long, requires = "kvm")]
    seed: Option<u64>,
    /// Replace fuzz/corpus by the smallest inputs that reach all that the kept ones do
    #[arg(long, conflicts_with = "plain")]
    minimize: bool,
    /// Fetch nothing: where something is missing, say what, and how to get it by hand
    #[arg(long)]
    no_install: bool,
}

/// One target, and where its files are.
struct Target {
    name: String,
    /// How long it may run.
    time: Duration,
    /// How many inputs it is fed at most.
    executions: Option<u64>,
    /// The inputs that belong to the project.
    seeds: PathBuf,
    /// The inputs that this machine has found.
    found: PathBuf,
    /// Where an input at which it fails is kept.
    artifacts: PathBuf,
}

/// What came of a target.
struct Outcome {
    executions: u64,
    /// How many places in the code its inputs reach, where that is counted.
    coverage: Option<u64>,
    failed: bool,
}

/// What takes the targets' programs and runs them.
trait Fuzzer {
    fn run(&self, target: &Target) -> Result<Outcome>;
}

/// Carries the command out.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    if let Some(programs) = options.kvm {
        return kvm::run(programs, options.seed, options.no_install);
    }
    let targets = targets(options)?;
    let compiler = (!options.plain).then(|| Setup::new(options.no_install).ensure(&[Requirement::CXX]));
    let fuzzer: Box<dyn Fuzzer> = match compiler {
        Some(Ok(())) => Box::new(libfuzzer::LibFuzzer::build(&targets)?),
        Some(Err(error)) => {
            ensure!(!options.minimize, "{error:#}");
            eprintln!("{error:#}\nso the targets run without coverage");
            Box::new(plain::Plain::build()?)
        }
        None => Box::new(plain::Plain::build()?),
    };
    if options.minimize {
        return libfuzzer::minimize(&targets).map(|()| ExitCode::SUCCESS);
    }
    let mut failed = Vec::new();
    println!("{:20} {:>14} {:>9}", "target", "executions", "coverage");
    for target in &targets {
        fs::create_dir_all(&target.found)?;
        fs::create_dir_all(&target.artifacts)?;
        let outcome = fuzzer.run(target)?;
        let coverage = outcome.coverage.map_or_else(|| "-".to_owned(), |coverage| coverage.to_string());
        println!("{:20} {:>14} {coverage:>9}", target.name, outcome.executions);
        if outcome.failed {
            failed.push(&*target.name);
        }
    }
    if failed.is_empty() {
        println!("no target failed");
        return Ok(ExitCode::SUCCESS);
    }
    println!("failed: {}", failed.join(", "));
    Ok(ExitCode::FAILURE)
}

/// The targets asked for, or all: those that have a file.
fn targets(options: &Options) -> Result<Vec<Target>> {
    let directory = workspace::root().join("fuzz/fuzz_targets");
    let mut names = Vec::new();
    for file in fs::read_dir(&directory).with_context(|| format!("cannot read {}", directory.display()))? {
        let file = PathBuf::from(file?.file_name());
        names.extend(file.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned));
    }
    names.sort();
    for wanted in &options.target {
        ensure!(names.contains(wanted), "there is no target {wanted}; there are {}", names.join(", "));
    }
    if !options.target.is_empty() {
        names.retain(|name| options.target.contains(name));
    }
    let kept = workspace::directory("fuzz")?;
    let target = |name: String| Target {
        time: Duration::from_secs(options.seconds),
        executions: options.executions,
        seeds: workspace::root().join("fuzz/corpus").join(&name),
        found: kept.join("corpus").join(&name),
        artifacts: kept.join("artifacts").join(&name),
        name,
    };
    Ok(names.into_iter().map(target).collect())
}
