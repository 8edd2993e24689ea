//! `cargo xtask run-guest`: builds the tool and the demonstration firmware, and debugs it on a real KVM.

mod arguments;
pub(crate) mod build;
pub(crate) mod linux;
pub(crate) mod modes;
mod terminal;
pub(crate) mod tool;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use anyhow::{Result, bail};
use clap::Args;

pub(crate) use self::arguments::arranged;
use self::{arguments::GuestArguments, terminal::Raw};
use crate::{
    clients, environment,
    host::{Host, HostOptions, Input, MappedFile, Output, PortForward, Program, Running, Stream},
    session_options::SessionOptions,
    setup::{HostFiles, KernelChoice, Requirement, Setup},
    workspace,
};

/// The memory of a guest for which nothing else is said, in MiB.
const USUAL_MEMORY: u64 = 512;

/// Debugs a KVM guest: by default the demonstration firmware, inside an emulated arm64 host on x86.
///
/// On a terminal gdb opens on it; without one, a scripted session is played and checked. All options that
/// are not listed here are those of `trapline guest`: --kernel FILE, --cpus N, --memory MIB, …; what follows
/// `--` is handed on as it is.
///
/// `--kernel debian` is the kernel of the Debian release for arm64, `--kernel debian-6.12` a newer one. A
/// Linux kernel without --initrd gets a busybox shell, with `--initrd none` none. A shell without a debugger:
/// `--kernel debian --gdb none --serial stdio`.
///
/// Exit status: 0 when the session ended as it should, or when --serve was interrupted (SIGINT, SIGTERM);
/// 1 at the first difference of the scripted session, or when something failed; 2 for a wrong command line;
/// 130 or 143 when another mode was ended by SIGINT or SIGTERM; that of `trapline guest` when it ended by
/// itself.
#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    session: SessionOptions,
    /// Let other clients than gdb do their part instead: one that sends what none should, and lldb
    #[arg(long, conflicts_with_all = ["serve", "demo"])]
    clients: bool,
    #[command(flatten)]
    host: HostOptions,
    /// Options of `trapline guest`
    #[arg(last = true, value_name = "OPTIONS OF TRAPLINE GUEST")]
    guest: Vec<OsString>,
}

/// What is done with the guest.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// A gdb on this terminal.
    Terminal,
    /// The scripted session.
    Demo,
    /// Clients other than gdb.
    Clients,
    /// Nothing: whoever wants attaches.
    Serve,
    /// No gdb server at all: the tool's own output is what is wanted.
    Trace,
}

/// A guest at work, and what a debugger needs of it.
pub(crate) struct Session {
    pub(crate) running: Running,
    /// The program that the lines come from.
    pub(crate) speaker: &'static str,
    /// The address of the gdb server on this machine.
    pub(crate) address: String,
    /// The file with the guest's symbols.
    pub(crate) symbols: Option<PathBuf>,
    /// Where its serial port is written to; none where that is standard output.
    pub(crate) serial: Option<PathBuf>,
}

/// Carries the command out.
pub(crate) fn run(options: Options) -> Result<ExitCode> {
    let begun = Instant::now();
    let mut guest = GuestArguments::read(&options.guest)?;
    let mode = mode(&options, &guest);
    if matches!(mode, Mode::Demo | Mode::Clients) && (guest.kernel.is_some() || guest.debian.is_some()) {
        bail!("the scripted session is for the demonstration firmware: leave --kernel out, or give --serve");
    }
    if mode == Mode::Terminal && guest.serial_is_standard {
        bail!("gdb has the terminal: give --serial FILE, or --serve");
    }
    let host = Host::choose(options.host)?;
    let mut requirements = vec![Requirement::HOST_TARGET, Requirement::BARE_METAL_TARGET];
    if matches!(mode, Mode::Terminal | Mode::Demo) {
        requirements.push(Requirement::GDB);
    }
    if mode == Mode::Clients {
        requirements.push(Requirement::LLDB);
    }
    requirements.extend(host.requirements());
    requirements.extend(guest.debian.clone().map(Requirement::HostFiles));
    let wants_shell = match (&guest.kernel, &guest.debian) {
        _ if guest.has_initrd => false,
        (Some(kernel), _) if linux::is_kernel(kernel) => {
            // Of the files for a kernel of one's own only busybox is fetched.
            requirements.push(Requirement::HostFiles(KernelChoice::File(kernel.clone())));
            true
        }
        (_, debian) => debian.is_some(),
    };
    Setup::new(options.session.no_install).ensure(&requirements)?;

    if let Some(choice) = &guest.debian {
        let kernel = HostFiles::find(choice)?.kernel;
        guest.kernel = Some(kernel.clone());
        guest.add_file("--kernel", kernel);
    }
    if wants_shell {
        guest.add_file("--initrd", linux::shell()?);
    }

    eprintln!("building …");
    let tool = build::tool()?;
    let firmware = if guest.kernel.is_none() { Some(build::firmware()?) } else { None };
    let symbols = guest.symbols.clone().or_else(|| firmware.clone());
    let symbols = symbols.or_else(|| guest.kernel.clone().filter(|kernel| build::is_elf(kernel)));
    let symbols = match (symbols, &guest.kernel) {
        (None, Some(kernel)) if mode != Mode::Trace && linux::is_kernel(kernel) => linux::symbols(kernel)?,
        (symbols, _) => symbols,
    };
    let own_log = match guest.serial {
        None if !guest.serial_is_standard => Some(workspace::own_log("guest-serial")?),
        _ => None,
    };
    let serial = guest.serial.clone().or_else(|| own_log.as_ref().map(|(path, _)| path.clone()));
    let port = if mode == Mode::Trace { None } else { Some(PortForward::same(options.session.port)?) };

    let mut program = program(&tool, firmware.as_deref(), &guest, serial.as_deref(), mode)?;
    let address = port.map(|port| tool::serve_at(&mut program, &host, port));

    let terminal = match host {
        Host::Emulated(_) if program.input == Input::Inherit => Raw::enter()?,
        _ => None,
    };
    if terminal.is_some() {
        program.command.push("--keys".into());
        eprintln!("Ctrl-A x ends the guest");
    }

    eprintln!("starting the host …");
    let mut running = host.start(program)?;
    let Some(address) = address else { return modes::trace(&mut running) };
    if let Some(status) = tool::wait_until_it_listens(&mut running)? {
        return Ok(status);
    }
    eprintln!("gdb server up {:.1} s after the command", begun.elapsed().as_secs_f64());
    let session = Session { running, speaker: "trapline guest", address, symbols, serial };
    match mode {
        Mode::Terminal => modes::terminal(session),
        Mode::Demo => modes::demo(session, begun),
        Mode::Clients => modes::clients(session, clients::check),
        Mode::Serve | Mode::Trace => modes::serve(session),
    }
}

fn mode(options: &Options, guest: &GuestArguments) -> Mode {
    if guest.without_server {
        Mode::Trace
    } else if options.clients {
        Mode::Clients
    } else if options.session.serve {
        Mode::Serve
    } else if options.session.plays() {
        Mode::Demo
    } else {
        Mode::Terminal
    }
}

/// The tool and its arguments on the host.
fn program(
    tool: &Path,
    firmware: Option<&Path>,
    guest: &GuestArguments,
    serial: Option<&Path>,
    mode: Mode,
) -> Result<Program> {
    let mut command = vec![tool.into(), "guest".into()];
    let mut files = vec![MappedFile::in_place(tool)];
    files.extend(guest.files.iter().map(|file| MappedFile::in_place(file)));
    if let Some(firmware) = firmware {
        command.extend(["--kernel".into(), firmware.into()]);
        files.push(MappedFile::in_place(firmware));
    }
    let mut streams = Vec::new();
    if let Some(serial) = serial {
        command.extend(["--serial".into(), serial.into()]);
        streams.push(Stream { inside: serial.to_owned(), outside: serial.to_owned() });
    } else {
        command.extend(["--serial".into(), "stdio".into()]);
    }
    command.extend(guest.others.iter().cloned());
    let serial_is_ours = serial.is_none() && matches!(mode, Mode::Serve | Mode::Trace);
    Ok(Program {
        command,
        environment: environment::handed_in(),
        files,
        forwards: Vec::new(),
        input: if serial_is_ours { Input::Inherit } else { Input::Empty },
        output: if serial_is_ours || mode == Mode::Trace { Output::Watched } else { Output::Lines },
        streams,
        memory: if guest.memory == 0 { USUAL_MEMORY } else { guest.memory },
    })
}
