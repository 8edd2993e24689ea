//! `cargo xtask bench`: how fast it is, against the limit and against QEMU, on one host in one run.

mod core_costs;
mod picture;
mod report;
mod samples;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};

use self::{
    report::{BY_HAND, Report},
    samples::Samples,
};
use crate::{
    host::{EMULATOR, Event, Host, HostOptions, Input, MappedFile, Output, Program},
    setup::{GDB, HOST_TARGET, Inside, QEMU, Requirement, Setup},
    workspace,
};

/// What `--only` calls the counts of the core.
const CORE: &str = "core";
/// Memory for the guests and the peer, in MiB.
const MEMORY: u64 = 1024;

/// Measures guest debug: this project, the limit, which is a bare loop of ioctls, and on request QEMU.
///
/// Everything is measured in turn, in rounds, on one host in one run, and is judged by ratios of a round:
/// their median, least and largest are shown. Exit status: 0, also where an aim is missed; 1 when
/// something failed.
#[derive(Args)]
pub(crate) struct Options {
    /// Write every sample and every ratio to a file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Measure against that as well, on the same host with the same guest and client
    #[arg(long, value_name = "PEER")]
    peer: Option<PeerChoice>,
    /// Fewer rounds, and no more than 8 vCPUs
    #[arg(long)]
    quick: bool,
    /// Measure only what has this in its name; `core` is what is counted of the core, without a host
    #[arg(long, value_name = "NAME", conflicts_with = "docs")]
    only: Option<String>,
    /// Measure nothing, and put together what earlier runs have written to such files (--json)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["peer", "quick", "only"])]
    from: Vec<PathBuf>,
    /// Write the table and the picture to docs/, and leave what is written there by hand
    #[arg(long)]
    docs: bool,
    /// Fetch nothing: where something is missing, say what, and how to get it by hand
    #[arg(long)]
    no_install: bool,
    #[command(flatten)]
    host: HostOptions,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PeerChoice {
    /// Debian's QEMU with KVM
    Qemu,
}

/// Carries the command out.
pub(crate) fn run(options: Options) -> Result<ExitCode> {
    let mut samples = Samples::default();
    if options.from.is_empty()
        && let Some(exit) = measure(&options, &mut samples)?
    {
        return Ok(exit);
    }
    for file in &options.from {
        let cannot = || format!("cannot read the measurements in {}", file.display());
        let text = fs::read_to_string(file).with_context(cannot)?;
        samples.add_json(&serde_json::from_str(&text).with_context(cannot)?).with_context(cannot)?;
    }
    let report = Report::of(&samples);
    print!("{}", report.table());
    if let Some(file) = &options.json {
        write(file, &format!("{:#}\n", report.json(&samples)))?;
    }
    if options.docs {
        let docs = workspace::root().join("docs");
        fs::create_dir_all(&docs).context("cannot make docs/")?;
        let page = docs.join("benchmarks.md");
        let before = fs::read_to_string(&page).unwrap_or_default();
        let by_hand = before.find(BY_HAND).and_then(|begin| before.get(begin..)).unwrap_or_default();
        write(&page, &report.page(by_hand))?;
        write(&docs.join("benchmarks.svg"), &picture::of(&report))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Measures; the exit status where that was interrupted.
fn measure(options: &Options, samples: &mut Samples) -> Result<Option<ExitCode>> {
    let only = options.only.as_deref();
    let counts = only.is_none_or(|only| only == CORE);
    if counts {
        Setup::new(options.no_install).ensure(&[Requirement::BARE_METAL_TARGET, Requirement::VALGRIND])?;
    }
    if only != Some(CORE)
        && let Some(exit) = measure_on_host(options, samples)?
    {
        return Ok(Some(exit));
    }
    if counts {
        eprintln!("counting instructions and code of the core …");
        core_costs::count(samples)?;
    }
    Ok(None)
}

/// Measures what needs a KVM.
fn measure_on_host(options: &Options, samples: &mut Samples) -> Result<Option<ExitCode>> {
    let host = Host::choose(options.host.clone())?;
    let native = matches!(host, Host::Native);
    let mut requirements = vec![Requirement::HOST_TARGET];
    requirements.extend(host.requirements());
    if options.peer.is_some() {
        requirements.push(if native { Requirement::EMULATOR } else { Requirement::Inside(QEMU) });
    }
    requirements.push(if native { Requirement::GDB } else { Requirement::Inside(GDB) });
    Setup::new(options.no_install).ensure(&requirements)?;

    eprintln!("building …");
    let bench =
        workspace::build(HOST_TARGET, &["--release", "--package=trapline-bench", "--bin=trapline-bench"])?;
    let mut files = vec![MappedFile::in_place(&bench)];
    let (rounds, cores) = if options.quick { ("3", "8") } else { ("7", "64") };
    let mut command = vec![bench.into_os_string()];
    command.extend(["--rounds", rounds, "--most-cores", cores].map(Into::into));
    if let Some(only) = &options.only {
        command.extend(["--only".into(), only.into()]);
    }
    let mut inside = |option: &str, program: Inside, native_command: &str| -> Result<()> {
        let words = if native { native_command.to_owned() } else { program.command() };
        command.extend([option.into(), words.into()]);
        if !native {
            files.extend(program.files()?);
        }
        Ok(())
    };
    inside("--gdb", GDB, "gdb-multiarch")?;
    if options.peer.is_some() {
        inside("--peer", QEMU, EMULATOR)?;
    }

    eprintln!("starting the host …");
    let mut running = host.start(Program {
        command,
        environment: Vec::new(),
        files,
        forwards: Vec::new(),
        input: Input::Empty,
        output: Output::Lines,
        streams: Vec::new(),
        memory: MEMORY,
    })?;
    loop {
        match running.next()? {
            Event::Line(line) if samples.take(&line)? => {}
            Event::Line(line) => eprintln!("{line}"),
            Event::Signal(signal) => {
                running.stop();
                return Ok(Some(ExitCode::from(128 + signal)));
            }
            Event::Exited(0) => break,
            Event::Exited(status) => bail!("the measurements ended with status {status}"),
        }
    }

    Ok(None)
}

fn write(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}
