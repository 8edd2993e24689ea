//! Fuzzes without libFuzzer: what `cargo xtask fuzz` runs where there is no C++ compiler, or is told to.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::Parser;
use trapline_fuzz::{TARGETS, driver};

/// Runs one fuzz target on random inputs and on changed ones of its corpora.
///
/// The last line is `N executions`. An input at which the target fails is written to a file. Exit status: 0
/// where none does, 1 otherwise.
#[derive(Parser)]
struct Options {
    /// Which target
    target: String,
    /// For how long
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Ends after this many inputs as well
    #[arg(long)]
    executions: Option<u64>,
    /// What the inputs are made from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A directory of inputs to begin with; there may be more than one
    #[arg(long)]
    corpus: Vec<PathBuf>,
    /// Tries this one input, as one that was kept, and no other
    #[arg(long, conflicts_with = "corpus")]
    input: Option<PathBuf>,
    /// Where an input at which the target fails is kept
    #[arg(long, default_value = ".")]
    artifacts: PathBuf,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> io::Result<bool> {
    let name = &options.target;
    let Some(target) = TARGETS.iter().find(|target| target.name == name) else {
        let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
        return Err(io::Error::other(format!("no target {name}; there are {}", names.join(", "))));
    };
    if let Some(input) = &options.input {
        (target.check)(&fs::read(input)?);
        println!("1 executions");
        return Ok(true);
    }
    let mut seeds = Vec::new();
    for directory in &options.corpus {
        read_all(directory, &mut seeds)?;
    }
    let time = Duration::from_secs(options.seconds);
    let outcome = driver::run(*target, seeds, options.seed, options.executions, time, |executions, time| {
        println!("{name}: {executions} executions in {} s", time.as_secs());
    });
    println!("{} executions", outcome.executions);
    let Some(input) = outcome.failure else { return Ok(true) };
    let file = options.artifacts.join(format!("crash-{name}-{:016x}", fnv1a(&input)));
    fs::create_dir_all(&options.artifacts)?;
    fs::write(&file, &input)?;
    println!("failed; the input is kept in {}", file.display());
    Ok(false)
}

fn read_all(directory: &Path, inputs: &mut Vec<Vec<u8>>) -> io::Result<()> {
    match fs::read_dir(directory) {
        Ok(files) => {
            for file in files {
                inputs.push(fs::read(file?.path())?);
            }
            inputs.sort();
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// A name for an input.
fn fnv1a(input: &[u8]) -> u64 {
    input
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}
