//! `trapline guest`: a machine on KVM with a debugger on it.

use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use anyhow::{Context, Result, anyhow, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;
use trapline_core::debugger::Debugger;
use trapline_core::gdb::{Closed, Commands};
use trapline_core::pool::Owner;
use trapline_kvm::gdb_server::{Clients as _, End, Notifier, Served, Service, wait_readable};
use trapline_kvm::machine::{Boot, Bus, Machine, MachineConfig, Pages};
use trapline_kvm::{KvmCapabilities, KvmTarget, Notice, SystemEvent, VcpuFeatures};
use trapline_probe::file;
use trapline_probe::linux::monitor::{LazyKernel, LinuxCommands};

use crate::cli::{GuestArguments, GuestFeature};
use crate::gdb_address::Listener;
use crate::guest_points::{GuestPoints, carried};
use crate::points::Points;
use crate::serial::Serial;
use crate::terminal::{self, Raw};
use crate::{console, escape, symbols};

/// The KVM device.
pub(crate) const KVM: &str = "/dev/kvm";
/// What an ELF file begins with.
const ELF: &[u8] = b"\x7fELF";

/// The most vCPUs of a guest, and the most software breakpoints.
const CORES: usize = 512;
const SOFTWARE: usize = 4096;

/// Why what is told of hits is lost.
const NOBODY_READS: &str = "nobody takes what is told of hits";

pub(crate) type GuestDebugger = Debugger<KvmTarget, CORES, SOFTWARE>;

/// Runs the guest until it ends, a client ends it, or a signal does.
///
/// # Errors
/// Where the machine cannot be built or its vCPUs cannot be run.
pub(crate) fn run(arguments: &GuestArguments) -> Result<ExitCode> {
    // What can be wrong with the command line is said before anything is built.
    let listener = Listener::bind(&arguments.gdb, arguments.allow_remote)?;
    let boot = boot(arguments)?;
    let may_be_linux = arguments.flat.is_none() && !boot.kernel.starts_with(ELF);
    let linux = may_be_linux.then(|| symbols::read_when_needed(&arguments.kernel));
    if may_be_linux && boot.initrd.is_none() {
        say!(
            "without --initrd Linux finds no root file system but one that is built into it: there is no disk"
        );
    }
    let config = config(arguments)?;
    let points = Points::new(&arguments.points, || carried(&boot.kernel, &boot.command_line))?;
    let output = arguments.serial.open()?;

    let kvm = trapline_kvm::open(Path::new(KVM))?;
    let features = vcpu_features(&arguments.features, &KvmCapabilities::probe(&kvm), boot.is_aarch32());
    let config = MachineConfig { features, ..config };
    let mut machine = Machine::new(&kvm, &config, output)?;
    let kernel = arguments.kernel.display();
    let booted = machine.boot(boot).with_context(|| format!("{kernel} cannot be started"))?;
    tracing::info!("{booted:x?}");

    let notifier = Notifier::new().context("no file descriptor is left")?;
    end_on_signals(&notifier)?;
    let points = GuestPoints::new(points, &arguments.points, &notifier, listener.is_none());
    let machine = machine.start(|target| anyhow::Ok(GuestDebugger::new(target)?), &points.observer())?;
    points.arm(machine.handler())?;
    let terminal = match arguments.serial {
        Serial::Stdio => connect_console(arguments, machine.bus(), &notifier)?,
        Serial::File(_) => None,
    };

    let killed = match &listener {
        Some(listener) => serve_clients(listener, machine.handler(), &notifier, linux.as_ref())?,
        None => {
            lock(machine.handler())?.resume()?;
            notifier.wait().context("the guest's end cannot be waited for")?;
            false
        }
    };
    let end = notifier.end();
    if let Some(End::Signal(_) | End::Asked) = end {
        leave(machine.handler())?;
    }
    // The threads end before anybody is told: nothing runs any more then.
    machine.bus().hang_up();
    drop(machine);
    drop(terminal);
    points.summarise().context(NOBODY_READS)?;
    match end {
        Some(end) if !killed => exit_status(end),
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// What the guest starts with.
fn boot(arguments: &GuestArguments) -> Result<Boot> {
    let read = |path: &Path| file::read(path, file::LARGEST_PROGRAM);
    Ok(Boot {
        kernel: read(&arguments.kernel)?,
        flat: arguments.flat,
        initrd: arguments.initrd.as_deref().map(read).transpose()?,
        command_line: arguments.cmdline.clone(),
    })
}

/// The machine that was asked for.
fn config(arguments: &GuestArguments) -> Result<MachineConfig> {
    let memory = arguments
        .memory
        .checked_mul(1 << 20)
        .with_context(|| format!("--memory {}: so many MiB do not exist", arguments.memory))?;
    let pages = if arguments.hugepages { Pages::Huge } else { Pages::Usual };
    Ok(MachineConfig { memory, pages, cpus: arguments.cpus, ..MachineConfig::default() })
}

/// With what vCPUs are made, for a guest of AArch32 code as `el1_32bit` says. What is asked for by name and is not
/// there is refused when the machine is made.
fn vcpu_features(asked: &[GuestFeature], capabilities: &KvmCapabilities, el1_32bit: bool) -> VcpuFeatures {
    let has = |feature, present| asked.contains(&feature) || asked.contains(&GuestFeature::All) && present;
    VcpuFeatures {
        el1_32bit,
        sve: has(GuestFeature::Sve, capabilities.sve && !el1_32bit),
        ptrauth: has(GuestFeature::Pauth, capabilities.ptrauth && !el1_32bit),
        pmu_v3: has(GuestFeature::Pmu, capabilities.pmu_v3),
        ..VcpuFeatures::default()
    }
}

/// Lets what is typed go to the guest. The terminal, if it is one, is the guest's while the answer lives.
fn connect_console(
    arguments: &GuestArguments,
    bus: &Arc<Bus>,
    notifier: &Arc<Notifier>,
) -> Result<Option<Raw>> {
    let terminal = Raw::enter()?;
    if terminal.is_some() {
        say!("{}", escape::HELP);
    }
    console::start(bus.clone(), notifier.clone(), terminal.is_some() || arguments.keys)?;
    Ok(terminal)
}

/// Serves one client after the other until the guest is to end; whether a client has killed it.
fn serve_clients(
    listener: &Listener,
    debugger: &Mutex<GuestDebugger>,
    notifier: &Arc<Notifier>,
    linux: Option<&LazyKernel>,
) -> Result<bool> {
    let mut service = Service::new(debugger, notifier).refusing(listener);
    say!("gdb: target remote {listener}");
    while wait_readable(listener, notifier).context("no gdb client can be waited for")? {
        let client = listener.accept().context("no gdb client can be accepted")?;
        tracing::info!("a gdb client is here");
        let mut commands = linux.map(LinuxCommands::new);
        let further = commands.as_mut().map(|commands| commands as &mut (dyn Commands<_, _, _> + Send));
        match service.serve(client, further)? {
            Served::Closed(Closed::Killed) => return Ok(true),
            Served::Closed(Closed::Detached) => tracing::info!("the gdb client has detached"),
            Served::Lost(reason) => say!("{reason}; the guest runs on with nothing armed"),
            Served::Closed(Closed::Exited) | Served::Ended => break,
        }
        if let Some(commands) = commands {
            commands.end(&mut *lock(debugger)?)?;
        }
    }
    Ok(false)
}

/// Takes everything out of the guest that was armed or planted for somebody.
fn leave(debugger: &Mutex<GuestDebugger>) -> Result<()> {
    let mut debugger = lock(debugger)?;
    debugger.remove_all(Owner::HOST);
    match debugger.detach(Owner::DEBUGGER) {
        Ok(()) => {
            let left = debugger.software_breakpoints().sites().count();
            tracing::info!("{left} break instructions are left in the guest, and nothing is armed");
        }
        // Then there is no guest any more to leave.
        Err(error) => tracing::info!("the guest has ended meanwhile: {error}"),
    }
    Ok(())
}

/// Lets the signals that end a process end the service in order, and one that stops it give the terminal
/// back meanwhile.
fn end_on_signals(notifier: &Arc<Notifier>) -> Result<()> {
    let mut signals =
        Signals::new([SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP]).context("signals cannot be handled")?;
    let notifier = Arc::clone(notifier);
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            for signal in &mut signals {
                if signal != SIGTSTP {
                    notifier.finish(End::Signal(signal));
                    continue;
                }
                terminal::restore();
                // It returns when the process is continued. A terminal that is gone then is noticed when
                // it is read.
                let _ = emulate_default_handler(SIGTSTP);
                let _ = terminal::again();
            }
        })
        .context("no thread for signals can be started")?;
    Ok(())
}

fn lock(debugger: &Mutex<GuestDebugger>) -> Result<MutexGuard<'_, GuestDebugger>> {
    debugger.lock().map_err(|_| anyhow!("a vCPU's thread has panicked"))
}

/// What the tool's exit status is after such an end.
fn exit_status(end: End) -> Result<ExitCode> {
    match end {
        End::Guest(Notice::System { event: SystemEvent::Shutdown, .. }) => Ok(ExitCode::SUCCESS),
        End::Guest(Notice::System { core, event }) => bail!("{core} has ended the guest: {event:?}"),
        End::Guest(Notice::Broken { core, exit }) => {
            bail!("{core} did what KVM cannot do, at its program counter or in its memory map: {exit:?}")
        }
        End::Guest(Notice::Failed { core, error }) => {
            Err(anyhow::Error::new(error).context(format!("{core} cannot be run")))
        }
        End::Guest(Notice::HandlerFailed { core, error }) => bail!("{core} is lost to the debugger: {error}"),
        End::Done => Ok(ExitCode::SUCCESS),
        End::Output(error) => Err(anyhow::Error::new(error).context(NOBODY_READS)),
        End::Guest(other) => bail!("the guest has ended: {other:?}"),
        End::Asked => Ok(ExitCode::SUCCESS),
        End::Signal(signal) => {
            Ok(ExitCode::from(u8::try_from(signal).map_or(u8::MAX, |signal| 128_u8.saturating_add(signal))))
        }
    }
}
