//! `cargo xtask check-linux`: Debian's own kernels as guests, with a program that uses the guest's debug hardware,
//! alone and under gdb.

mod console;
mod long;
mod session;
mod symbols;
mod twins;

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::{
    check_faults, environment,
    host::{Event, Host, HostOptions, Input, MappedFile, Output, PortForward, Program, Running, Stream},
    run_guest::{build, linux},
    setup::{HOST_TARGET, HostFiles, KernelChoice, Requirement, Setup},
    workspace,
};

/// PID 1 of the guest.
const INIT: &str = include_str!("init.sh");
/// The guest's memory in MiB.
const MEMORY: u64 = 512;
/// How long a guest is halted, in a usual run and where all guests are checked: a soft lockup takes 20 s, a stall of
/// RCU 21 s.
const PAUSES: [Duration; 2] = [Duration::from_secs(25), Duration::from_secs(60)];
/// How long a guest may take from its start to its end, on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(10 * 60);

/// Boots Debian's kernels as guests and checks what they say, with and without gdb.
///
/// The exit status is 0 when all was as expected.
#[derive(Args)]
pub(crate) struct Options {
    /// Each kernel with 1, 2 and 4 vCPUs, with and without gdb, instead of a few of these
    #[arg(long, conflicts_with = "twins")]
    all: bool,
    /// Only the guests with two processes of the same program, of which one is debugged
    #[arg(long)]
    twins: bool,
    /// Of these, only the guests with this kernel
    #[arg(long, value_name = "VERSION", value_parser = KERNELS)]
    guest: Option<String>,
    /// Of these, only the guests with so many vCPUs
    #[arg(long, value_name = "N")]
    cpus: Option<u16>,
    /// Instead, a guest on 2 vCPUs under random debugger actions for so many seconds; then it must be alive, its
    /// code as it was, and its console without complaints
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "1800", conflicts_with_all = ["all", "twins", "guest", "cpus"])]
    long: Option<u64>,
    /// What the random actions are made from, to have them again [default: the time]
    #[arg(long, requires = "long")]
    seed: Option<u64>,
    /// Fetch nothing: where something is missing, say what, and how to get it by hand
    #[arg(long)]
    no_install: bool,
    #[command(flatten)]
    host: HostOptions,
}

/// One guest.
#[derive(Clone, Copy)]
struct Run {
    /// The version of its kernel.
    kernel: &'static str,
    /// How many vCPUs it has.
    cpus: u16,
    session: Session,
}

/// What is done with a guest.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Session {
    /// Nothing.
    Alone,
    /// A session of gdb from its first instruction to its last.
    Gdb,
    /// Points for one of two processes.
    Twins,
}

/// The guests of a usual run: the newest kernel, under gdb, where there is most to see; and a kernel that has moved,
/// of the kind that says least about itself.
const USUAL: [Run; 2] = [
    Run { kernel: "6.12", cpus: 2, session: Session::Gdb },
    Run { kernel: "6.1", cpus: 2, session: Session::Twins },
];
const KERNELS: [&str; 2] = ["6.1", "6.12"];

/// Carries the command out.
pub(crate) fn run(options: Options) -> Result<ExitCode> {
    let mut runs = match options {
        Options { twins: true, .. } => twins().collect(),
        Options { all: true, .. } => every_run(),
        _ => USUAL.to_vec(),
    };
    runs.retain(|run| options.guest.as_ref().is_none_or(|guest| guest == run.kernel));
    runs.retain(|run| options.cpus.is_none_or(|cpus| cpus == run.cpus));
    let host = Host::choose(options.host)?;
    if let Some(seconds) = options.long {
        let mut requirements = vec![Requirement::HOST_TARGET, Requirement::HostFiles(long::KERNEL)];
        requirements.extend(host.requirements());
        Setup::new(options.no_install).ensure(&requirements)?;
        return long::run(&host, seconds, options.seed);
    }
    let mut requirements = vec![Requirement::HOST_TARGET, Requirement::GDB];
    requirements.extend(host.requirements());
    requirements.extend(runs.iter().map(Run::kernel));
    Setup::new(options.no_install).ensure(&requirements)?;

    eprintln!("building …");
    let tool = build::tool()?;
    let check = workspace::build(HOST_TARGET, &["--release", "--package=trapline-guest-check"])?;
    let [usual, long] = PAUSES;
    let pause = if options.all { long } else { usual };
    for run in runs {
        let begun = Instant::now();
        run.carry_out(&host, [&tool, &check], pause).with_context(|| run.name())?;
        println!("ok {:6.1} s  {}", begun.elapsed().as_secs_f64(), run.name());
    }
    if options.twins || options.guest.is_some() {
        Ok(ExitCode::SUCCESS)
    } else {
        without_client(&host, &tool)
    }
}

/// Guests of the older kernel that nobody but the tool debugs.
fn without_client(host: &Host, tool: &Path) -> Result<ExitCode> {
    let check = check_faults::program()?;
    let (kernel, initrd) = (HostFiles::find(&KernelChoice::Release)?.kernel, linux::shell()?);
    let mut command: Vec<OsString> = vec![check.as_os_str().into(), "linux".into(), tool.as_os_str().into()];
    for (option, file) in [("--kernel", &kernel), ("--initrd", &initrd)] {
        command.extend([option.into(), file.as_os_str().into()]);
    }
    check_faults::run_to_end(host, command, &[&check, tool, &kernel, &initrd], MEMORY)
}

/// What the usual guests need beside what each emulated host does.
pub(crate) fn requirements() -> impl Iterator<Item = Requirement> {
    USUAL.iter().map(Run::kernel)
}

fn every_run() -> Vec<Run> {
    let mut runs = Vec::new();
    for kernel in KERNELS {
        for cpus in [1, 2, 4] {
            runs.extend([Session::Alone, Session::Gdb].map(|session| Run { kernel, cpus, session }));
        }
    }
    runs.extend(twins());
    runs
}

fn twins() -> impl Iterator<Item = Run> {
    KERNELS.into_iter().map(|kernel| Run { kernel, cpus: 2, session: Session::Twins })
}

impl Run {
    fn name(&self) -> String {
        let Self { kernel, cpus, session } = self;
        let session = match session {
            Session::Alone => "",
            Session::Gdb => ", under gdb",
            Session::Twins => ", moved, points for one of two processes",
        };
        format!("Linux {kernel} on {cpus} vCPUs{session}")
    }

    fn kernel(&self) -> Requirement {
        Requirement::HostFiles(self.choice())
    }

    /// The release has the older one, whose symbols are its functions only; it is there for the emulated host as well.
    fn choice(&self) -> KernelChoice {
        match self.kernel {
            "6.1" => KernelChoice::Release,
            newer => KernelChoice::Version(newer.to_owned()),
        }
    }

    fn carry_out(&self, host: &Host, programs: [&Path; 2], pause: Duration) -> Result<()> {
        let (serial, _own) = workspace::own_log("check-linux-serial")?;
        self.play(host, programs, &serial, pause).inspect_err(|_| show_end(&serial))
    }

    fn play(&self, host: &Host, programs: [&Path; 2], serial: &Path, pause: Duration) -> Result<()> {
        let [tool, check] = programs;
        let kernel = HostFiles::find(&self.choice())?.kernel;
        let symbols = linux::symbols(&kernel)?.context("the kernel has no symbols")?;
        let initrd = self.initrd(check, &symbols)?;
        let port = if self.session == Session::Alone { None } else { Some(PortForward::same(0)?) };
        let mut running = host.start(self.program(host, [tool, &kernel, &initrd], serial, port))?;
        if let Some(port) = port {
            wait_for(&mut running, |line| line.contains("target remote"))?;
            let guest = session::Guest {
                address: format!("127.0.0.1:{}", port.host),
                symbols,
                serial: serial.to_owned(),
                cpus: self.cpus,
                variables: self.kernel != "6.1",
                pause,
            };
            match self.session {
                Session::Twins => twins::play(&guest)?,
                _ => session::play(&guest)?,
            }
        }
        wait_for_end(&mut running)?;
        match self.session {
            Session::Twins => Ok(()),
            session => console::check(&fs::read_to_string(serial)?, self.cpus, session == Session::Gdb),
        }
    }

    /// Writes what the guest starts with: the program that checks, and what its kernel's symbols are said to be.
    fn initrd(&self, check: &Path, symbols: &Path) -> Result<PathBuf> {
        let (name, init) = match self.session {
            Session::Twins => ("twins", twins::INIT),
            _ => ("check", INIT),
        };
        let list = symbols::list(symbols)?;
        // Another command may start another kernel meanwhile.
        let name = format!("guest-{name}-{}.cpio", self.kernel);
        linux::initramfs(&name, init, &[("/bin/guest-check", check), (symbols::INSIDE, &list)])
    }

    fn command_line(&self) -> &'static str {
        match self.session {
            Session::Alone => "console=ttyS0 nokaslr",
            Session::Gdb => "console=ttyS0 nokaslr gates",
            Session::Twins => twins::COMMAND_LINE,
        }
    }

    fn program(&self, host: &Host, files: [&Path; 3], serial: &Path, port: Option<PortForward>) -> Program {
        let [tool, kernel, initrd] = files;
        let mut command = vec![tool.into(), "guest".into(), "--kernel".into(), kernel.into()];
        command.extend(["--initrd".into(), initrd.into(), "--serial".into(), serial.into()]);
        command.extend(["--cpus".into(), self.cpus.to_string().into()]);
        command.extend(["--memory".into(), MEMORY.to_string().into()]);
        command.extend(["--cmdline".into(), self.command_line().into()]);
        match port {
            Some(port) => {
                let address = format!("{}:{}", host.listen_address(), port.guest);
                command.extend(["--gdb".into(), address.into(), "--allow-remote".into()]);
            }
            None => command.extend(["--gdb".into(), "none".into()]),
        }
        Program {
            command,
            environment: environment::handed_in(),
            files: files.map(MappedFile::in_place).to_vec(),
            forwards: port.into_iter().collect(),
            input: Input::Empty,
            output: Output::Lines,
            streams: vec![Stream { inside: serial.to_owned(), outside: serial.to_owned() }],
            memory: MEMORY,
        }
    }
}

fn wait_for(running: &mut Running, is: impl Fn(&str) -> bool) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let mut last = String::new();
    loop {
        match running.next_within(deadline.saturating_duration_since(Instant::now()))? {
            Some(Event::Line(line)) if is(&line) => return Ok(()),
            Some(Event::Line(line)) => last = line,
            Some(Event::Signal(signal)) => bail!("interrupted by signal {signal}"),
            Some(Event::Exited(status)) => bail!("trapline guest ended with status {status}: {last}"),
            None => bail!("trapline guest said nothing of the kind within {} s", PATIENCE.as_secs()),
        }
    }
}

fn wait_for_end(running: &mut Running) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let mut last = String::new();
    loop {
        match running.next_within(deadline.saturating_duration_since(Instant::now()))? {
            Some(Event::Line(line)) => last = line,
            Some(Event::Signal(signal)) => bail!("interrupted by signal {signal}"),
            Some(Event::Exited(0)) => return Ok(()),
            Some(Event::Exited(status)) => bail!("trapline guest ended with status {status}: {last}"),
            None => bail!("the guest did not switch itself off within {} s", PATIENCE.as_secs()),
        }
    }
}

/// The end of the guest's console, for who looks for what went wrong.
fn show_end(serial: &Path) {
    let text = fs::read_to_string(serial).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    for line in lines.get(lines.len().saturating_sub(20)..).unwrap_or_default() {
        eprintln!("  | {line}");
    }
}
