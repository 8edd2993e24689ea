//! `cargo xtask test`: everything that has to pass, in two lanes side by side, a line a step.

use std::{
    ffi::{OsStr, OsString},
    fmt,
    fs::File,
    io::{Read as _, Seek as _, Write as _, stderr},
    ops::Add,
    panic::resume_unwind,
    process::{ExitCode, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use clap::Args;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::{
    check_linux, check_symbols,
    host::{Host, HostOptions, tether},
    setup::{
        AARCH32_TARGET, BARE_METAL_TARGET, CORTEX_M_TARGET, HOST_TARGET, Miri, Requirement,
        SOFT_FLOAT_TARGET, Setup, TargetBuild,
    },
    workspace,
};

/// How long a step may take: far longer than any does, for one that never ends.
const LIMIT: Duration = Duration::from_secs(15 * 60);
/// How often a step is asked whether it has ended.
const POLL: Duration = Duration::from_millis(20);

/// Checks everything: formatting, lints, tests here and on a real KVM, bare-metal builds, documentation,
/// the scripted gdb session, and Linux guests.
///
/// The last line is `N passed, N failed`, in steps. Exit status: 0 when all passed, 1 otherwise.
#[derive(Args)]
pub(crate) struct Options {
    /// KVM tests on one kind of host only, instead of on each kernel with and without VHE
    #[arg(long)]
    quick: bool,
    /// Show what every step says, not only what failed
    #[arg(long)]
    verbose: bool,
    /// Fetch nothing: where something is missing, say what, and how to get it by hand
    #[arg(long)]
    no_install: bool,
}

/// One command that has to succeed.
struct Step {
    name: String,
    program: OsString,
    arguments: Vec<String>,
    /// Arguments that come after all others.
    last: &'static [&'static str],
    environment: Vec<(String, OsString)>,
    lane: Lane,
    /// Why it cannot be done here.
    skipped: Option<Skipped>,
}

/// Where a step runs: the lanes go on side by side, each one step after the other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lane {
    /// What builds, and what has an emulated host, in the order of the list.
    Main,
    /// What keeps one processor busy and needs nothing of the others: on two processors it would leave one idle.
    Beside,
}

/// How the steps of a lane ended.
#[derive(Default)]
struct Outcomes {
    passed: usize,
    failed: usize,
    skipped: usize,
}

/// Why a step may be skipped: all reasons that there are.
#[derive(Debug)]
enum Skipped {
    /// Debian's Rust, which stands in where rustup gives no target, builds programs and has no lints.
    NoLints,
    /// The nightly toolchain with Miri could not be fetched, or was not to be.
    NoMiri(anyhow::Error),
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoLints => f.write_str("the toolchain in use has no such target"),
            Self::NoMiri(error) => write!(f, "{error:#}"),
        }
    }
}

/// A host for the KVM tests: its kernel and processor.
struct Kind {
    name: &'static str,
    kernel: &'static str,
    cpu: &'static str,
}

/// Every kernel, in both modes of KVM. The first is the one for a quick run.
const KINDS: [Kind; 4] = [
    Kind { name: "VHE", kernel: "default", cpu: "max" },
    Kind { name: "nVHE", kernel: "default", cpu: "cortex-a57" },
    Kind { name: "6.12, VHE", kernel: "6.12", cpu: "max" },
    Kind { name: "6.12, nVHE", kernel: "6.12", cpu: "cortex-a57" },
];

/// Carries the command out.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let native = matches!(Host::choose(HostOptions::default())?, Host::Native);
    let kinds = if options.quick { KINDS.get(..1).unwrap_or_default() } else { &KINDS };
    let kinds = if native { &[] } else { kinds };
    let mut requirements = vec![
        Requirement::RustComponent { component: "rustfmt", program: "cargo-fmt" },
        Requirement::RustComponent { component: "clippy", program: "cargo-clippy" },
        Requirement::HOST_TARGET,
        Requirement::BARE_METAL_TARGET,
        Requirement::SOFT_FLOAT_TARGET,
        Requirement::CORTEX_M_TARGET,
        Requirement::AARCH32_TARGET,
        Requirement::GDB,
        Requirement::LLDB,
        Requirement::OPENOCD,
    ];
    for kind in kinds {
        let options = HostOptions::of(kind.cpu, kind.kernel.parse()?);
        requirements.extend(Host::choose(options)?.requirements());
    }
    requirements.extend(check_linux::requirements());
    requirements.extend(check_symbols::requirements());
    Setup::new(options.no_install).ensure(&requirements)?;
    let setup = Setup::new(options.no_install);
    setup.ensure(&requirements)?;

    let (main, beside): (Vec<_>, Vec<_>) =
        steps(kinds, setup)?.into_iter().partition(|step| step.lane == Lane::Main);
    let terminal = MultiProgress::new();
    let run = |lane: &[Step]| Outcomes::of(lane, options.verbose, &terminal);
    let (main, beside) = thread::scope(|scope| {
        let beside = scope.spawn(|| run(&beside));
        (run(&main), beside.join())
    });
    let Outcomes { passed, failed, skipped } = match beside {
        Ok(beside) => main? + beside?,
        Err(panic) => resume_unwind(panic),
    };
    let skipped = if skipped > 0 { format!(", {skipped} skipped") } else { String::new() };
    println!("{passed} passed, {failed} failed{skipped}");
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Outcomes {
    /// Carries out one step after the other.
    fn of(steps: &[Step], verbose: bool, terminal: &MultiProgress) -> Result<Self> {
        let mut outcomes = Self::default();
        for step in steps {
            if let Some(reason) = &step.skipped {
                terminal.suspend(|| println!("skipped          {}: {reason}", step.name));
                outcomes.skipped += 1;
            } else if step.run(verbose, terminal)? {
                outcomes.passed += 1;
            } else {
                outcomes.failed += 1;
            }
        }
        Ok(outcomes)
    }
}

impl Add for Outcomes {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            skipped: self.skipped + other.skipped,
        }
    }
}

/// All steps, the quickest to fail first.
fn steps(kinds: &[Kind], setup: Setup) -> Result<Vec<Step>> {
    let mut steps = vec![
        cargo("formatting", &["fmt", "--all", "--check"]),
        lints("lints", &["--workspace", "--all-targets"]),
        lints("lints, KVM host", &["-ptrapline-kvm", "-ptrapline-probe", "--all-targets"]).on(HOST_TARGET)?,
        lints(
            "lints, bare metal",
            &[
                "-ptrapline-core",
                "-ptrapline-firmware",
                "-ptrapline-hypervisor",
                "--features=trapline-hypervisor/write-traps",
            ],
        )
        .on(BARE_METAL_TARGET)?,
        lints("lints, Cortex-M", &["-ptrapline-core", "--features=gdb,defmt"]).on(CORTEX_M_TARGET)?,
        lints("lints, program for Cortex-M", &["-ptrapline-firmware-m"]).on(CORTEX_M_TARGET)?,
        lints("lints, program for AArch32", &["-ptrapline-firmware-a32"]).on(AARCH32_TARGET)?,
        cargo("unit tests and examples in the documentation", &["test", "--workspace"]),
        cargo(
            "unit tests of the core as hypervisors take it",
            &["test", "--package=trapline-core", "--no-default-features", "--features=el2,gdb"],
        ),
    ];
    for target in [BARE_METAL_TARGET, SOFT_FLOAT_TARGET, CORTEX_M_TARGET] {
        // Code is generated once, of everything; a feature that is missing shows without.
        for (command, features) in [
            ("check", "--no-default-features"),
            ("check", "--features=gdb"),
            ("check", "--features=gdb,defmt"),
            ("build", "--all-features"),
        ] {
            let name = format!("core for {target}, {}", features.trim_start_matches('-'));
            steps.push(cargo(name, &[command, "--package=trapline-core", features]).on(target)?);
        }
    }
    steps.push(miri(setup));
    steps.push(own("licences and origins of dependencies", &["dependencies"])?);
    steps.push(own("no panic in the core, and its size", &["core-image"])?);
    steps.push(documentation(
        "documentation",
        &[
            "--workspace",
            "--exclude=trapline-firmware",
            "--exclude=trapline-firmware-a32",
            "--exclude=trapline-firmware-m",
            "--exclude=trapline-hypervisor",
        ],
    ));
    steps.push(documentation("documentation, KVM host", &["-ptrapline-kvm"]).on(HOST_TARGET)?);
    steps.push(
        documentation("documentation, bare metal", &["-ptrapline-firmware", "-ptrapline-hypervisor"])
            .on(BARE_METAL_TARGET)?,
    );

    let kvm = |name: String| cargo(name, &["test", "--package=trapline-kvm"]).on(HOST_TARGET);
    if kinds.is_empty() {
        steps.push(kvm("tests on KVM".to_owned())?);
    }
    for kind in kinds {
        let mut step = kvm(format!("tests on KVM, {}", kind.name))?;
        step.environment.push(("TRAPLINE_HOST_CPU".to_owned(), kind.cpu.into()));
        step.environment.push(("TRAPLINE_HOST_KERNEL".to_owned(), kind.kernel.into()));
        steps.push(step);
    }
    steps.push(
        cargo(
            "a session on a guest and on a board alike",
            &["test", "--package=trapline-probe", "--test=session"],
        )
        .on(HOST_TARGET)?,
    );
    steps.push(own("scripted gdb session on a simulated board", &["run-board", "--demo"])?.beside());
    steps.push(own("simulated boards, in OpenOCD's hands", &["check-simulator"])?.beside());
    steps.push(own("the tool on boards: options, gdb, points, interruptions", &["check-board"])?.beside());
    steps.push(own("points without a client", &["check-points"])?);
    steps.push(own("a guest of A32 and T32 code, in gdb, lldb and alone", &["check-aarch32"])?);
    steps.push(own("scripted gdb session", &["run-guest", "--demo"])?);
    steps.push(own("watchpoints on the wire, hostile packets, gdb and lldb", &["run-guest", "--clients"])?);
    // SVE and pointer authentication, where the host has them.
    steps.push(own("the same on all features", &["run-guest", "--clients", "--features", "all"])?);
    steps.push(own("a kernel's own symbols, in gdb, lldb and addr2line", &["check-symbols"])?);
    steps.push(own("clients, guests and a host that break down", &["check-faults"])?);
    steps.push(own("Linux guests, alone and under gdb", &["check-linux"])?);
    steps.push(own("a Linux guest under random actions", &["check-linux", "--long", "30", "--seed", "1"])?);
    steps.push(
        own("scripted gdb session at EL2, beside another guest", &["run-hypervisor", "--demo"])?.beside(),
    );
    Ok(steps)
}

/// Another command of this program.
fn own(name: &str, arguments: &[&str]) -> Result<Step> {
    let this = std::env::current_exe().context("cannot find this program's own file")?;
    Ok(Step { program: this.into(), ..cargo(name, arguments) })
}

fn cargo(name: impl Into<String>, arguments: &[&str]) -> Step {
    Step {
        name: name.into(),
        program: workspace::cargo().get_program().to_owned(),
        arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
        last: &[],
        environment: Vec::new(),
        lane: Lane::Main,
        skipped: None,
    }
}

/// The core's tests under Miri, which looks for undefined behaviour: those beside the code, and of the others
/// those of what keeps tables and buffers. It is slow: properties are tried once, and exhaustive tests leave most
/// out.
fn miri(setup: Setup) -> Step {
    let variables = [("PROPTEST_CASES", "1"), ("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "true")];
    let flags = variables.map(|(name, _)| format!("-Zmiri-env-forward={name}")).join(" ");
    let mut command = Miri::command(&["test", "--package=trapline-core", "--features=el2", "--lib"]);
    for tests in
        ["agent", "debugger", "linked_pools", "pools", "software", "translation", "translation_aarch32"]
    {
        command.arg(format!("--test={tests}"));
    }
    let text = |text: &OsStr| text.to_string_lossy().into_owned();
    Step {
        program: command.get_program().to_owned(),
        arguments: command.get_args().map(text).collect(),
        environment: variables
            .into_iter()
            .chain([("MIRIFLAGS", &*flags)])
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect(),
        lane: Lane::Beside,
        skipped: setup.ensure(&[Requirement::Miri]).err().map(Skipped::NoMiri),
        ..cargo("no undefined behaviour in the core, by Miri", &[])
    }
}

fn lints(name: &str, arguments: &[&str]) -> Step {
    let mut step = cargo(name, &["clippy"]);
    step.arguments.extend(arguments.iter().map(|&argument| argument.to_owned()));
    step.last = &["--", "-D", "warnings"];
    step
}

fn documentation(name: &str, arguments: &[&str]) -> Step {
    let mut step = cargo(name, &["doc", "--no-deps"]);
    step.arguments.extend(arguments.iter().map(|&argument| argument.to_owned()));
    step.environment.push(("RUSTDOCFLAGS".to_owned(), "-D warnings".into()));
    step
}

impl Step {
    /// The same for another target.
    fn on(mut self, target: &str) -> Result<Self> {
        let build = TargetBuild::of(target)?;
        if !build.own && self.arguments.first().is_some_and(|command| command == "clippy") {
            self.skipped = Some(Skipped::NoLints);
        }
        self.arguments.extend(build.options);
        self.environment.extend(build.environment);
        Ok(self)
    }

    /// The same in the other lane.
    fn beside(self) -> Self {
        Self { lane: Lane::Beside, ..self }
    }

    /// Carries it out; true when it passed.
    fn run(&self, verbose: bool, terminal: &MultiProgress) -> Result<bool> {
        let begun = Instant::now();
        let spinner = terminal.add(ProgressBar::new_spinner());
        show(&spinner, &self.name);
        let mut said = tempfile::tempfile().context("cannot make a temporary file")?;
        let passed = self.status(&said)?;
        spinner.finish_and_clear();
        let outcome = if passed { "ok" } else { "FAILED" };
        terminal.suspend(|| {
            println!("{outcome:6} {:6.1} s  {}", begun.elapsed().as_secs_f64(), self.name);
            if !passed || verbose {
                eprintln!("$ {} {}", self.program.display(), self.arguments.join(" "));
                said.rewind()?;
                let mut text = Vec::new();
                said.read_to_end(&mut text)?;
                stderr().write_all(&text)?;
            }
            Ok(passed)
        })
    }

    /// Runs it with what it says, on both outputs, going into `said`.
    fn status(&self, said: &File) -> Result<bool> {
        // Were it not tethered, a step would outlive this command when that is killed.
        let mut command = tether::to_self(OsStr::new(&self.program));
        command.args(&self.arguments).args(self.last).current_dir(workspace::root());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(said.try_clone()?).stderr(said.try_clone()?);
        let mut child = command.spawn().context("cannot start a step")?;
        let deadline = Instant::now() + LIMIT;
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(status.success());
            }
            if Instant::now() > deadline {
                // What it has started is tethered to it, and ends as well.
                child.kill()?;
                child.wait()?;
                writeln!(&*said, "ended here, for it took longer than {} min", LIMIT.as_secs() / 60)?;
                return Ok(false);
            }
            thread::sleep(POLL);
        }
    }
}

/// Shows on a terminal that the step of this name runs.
fn show(spinner: &ProgressBar, name: &str) {
    if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed:>8}  {msg}") {
        spinner.set_style(style);
    }
    spinner.set_message(name.to_owned());
    spinner.enable_steady_tick(Duration::from_millis(120));
}
