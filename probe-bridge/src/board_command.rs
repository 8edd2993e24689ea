//! `trapline board`: a board behind a debug probe.

use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use probe_rs::probe::list::Lister;
use probe_rs::probe::{DebugProbeSelector, Probe, WireProtocol};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use trapline_core::debugger::Debugger;
use trapline_core::gdb::Closed;
use trapline_core::pool::Owner;
use trapline_core::stop::Stop;
use trapline_core::target::{CoreState, TargetError};
use trapline_kvm::gdb_server::{Clients as _, End, Notifier, wait_readable};
use trapline_probe::board::chip::{check_chip, is_m_profile, registry};
use trapline_probe::board::{
    AttachOptions, Board, BoardTarget, Busy, Ended, MemoryPath, Observer, attach, explain, run_until_stopped,
    serve, watch,
};

use crate::cli::BoardArguments;
use crate::gdb_address::Listener;
use crate::points::{Carried, PointOptions, Points, Tracer};

/// The most cores of a board, and the most software breakpoints.
const CORES: usize = 64;
const SOFTWARE: usize = 1024;

/// What takes longer is shown.
const SLOW: Duration = Duration::from_secs(2);

type BoardDebugger<T> = Debugger<T, CORES, SOFTWARE>;

/// Attaches to a board and serves gdb for it until a signal comes.
///
/// # Errors
/// Where the probe or the chip is not what the command line says, or the board is lost.
pub(crate) fn run(arguments: &BoardArguments) -> Result<ExitCode> {
    let listener = Listener::bind(&arguments.gdb, arguments.allow_remote)?;
    let points = Points::new(&arguments.points, Carried::default)?;
    if listener.is_none() && points.is_none() {
        bail!("with --gdb none and neither --break nor --watch there is nothing to do");
    }
    let registry = registry(arguments.chip_description_path.as_deref())?;
    check_chip(&registry, &arguments.chip)?;
    let notifier = Notifier::new().context("no file descriptor is left")?;
    end_on_signals(&notifier)?;
    let mut options = AttachOptions {
        chip: arguments.chip.clone(),
        under_reset: arguments.connect_under_reset,
        then_reset: false,
        memory: arguments.memory_ap.unwrap_or_default(),
        busy: Busy::default(),
    };
    look_after(Duration::from_secs(arguments.probe_timeout), options.busy.clone())?;
    let probe = options.busy.during(|| open_probe(arguments))?;
    let name = probe.get_name();
    let progress = progress(&format!("attaching to {} through {name}", arguments.chip));
    let mut target = attach(probe, &registry, &options);
    if let Err(error) = &target
        && options.under_reset
        && is_m_profile(&registry, &options.chip)
        && !notifier.is_finished()
    {
        tracing::info!("not under reset: {error}");
        options = AttachOptions { under_reset: false, then_reset: true, ..options };
        let probe = options.busy.during(|| open_probe(arguments))?;
        target = attach(probe, &registry, &options);
    }
    progress.finish_and_clear();
    if target.is_err() && arguments.connect_under_reset {
        release_reset(arguments, &options.busy);
    }
    if let Err(error) = target {
        let explained = options.busy.during(|| {
            // Nobody can be asked where the probe does not open.
            open_probe(arguments).ok().and_then(|probe| explain(probe, &registry, &arguments.chip))
        });
        target = Err(explained.unwrap_or(error));
    }
    let target = target.with_context(|| format!("cannot attach to {} through {name}", arguments.chip))?;
    match target {
        Board::Armv8a(target) => debug(target, arguments, points, listener.as_ref(), &notifier),
        Board::CortexM(target) => debug(target, arguments, points, listener.as_ref(), &notifier),
    }
}

/// Debugs a board that is attached to until a signal comes.
fn debug<T: BoardTarget>(
    target: T,
    arguments: &BoardArguments,
    points: Option<Points>,
    listener: Option<&Listener>,
    notifier: &Arc<Notifier>,
) -> Result<ExitCode> {
    let mut debugger = BoardDebugger::new(target)?;
    let mut told = Told { tracer: None, notifier, alone: listener.is_none() };
    let result = if notifier.is_finished() {
        Ok(())
    } else {
        show_slots(debugger.target());
        arm(points, &arguments.points, &mut debugger, &mut told).and_then(|()| match listener {
            Some(listener) => serve_clients(listener, &mut debugger, notifier, &mut told),
            None => Ok(watch(&mut debugger, notifier, &mut told)?),
        })
    };
    // Whatever ended it, the board is left as it was found, as far as it can be reached.
    let freed = free(debugger);
    result?;
    freed?;
    told.tracer.as_ref().map_or(Ok(()), Tracer::summarise).context("nobody takes what is told of hits")?;
    match notifier.end() {
        Some(End::Signal(signal)) => {
            Ok(ExitCode::from(u8::try_from(signal).map_or(u8::MAX, |signal| 128_u8.saturating_add(signal))))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// Arms the command line's points on a board that is halted for it, and then runs on.
fn arm<T: BoardTarget>(
    points: Option<Points>,
    options: &PointOptions,
    debugger: &mut BoardDebugger<T>,
    told: &mut Told<'_>,
) -> Result<()> {
    let Some(mut points) = points else { return Ok(()) };
    let mut cores = debugger.core_ids();
    let halted = cores.all(|core| matches!(debugger.core_state(core), Ok(CoreState::Halted)));
    debugger.interrupt()?;
    points.arm(debugger)?;
    told.tracer = Some(Tracer::new(points, options, Box::new(io::stdout())));
    // Where the board was held at reset, it waits for the first client.
    if !halted && !told.alone {
        debugger.resume()?;
    }
    Ok(())
}

/// Who is told of hits of the command line's points.
struct Told<'a> {
    tracer: Option<Tracer>,
    notifier: &'a Notifier,
    /// Whether there is no client that a stop could be for.
    alone: bool,
}

impl<T: BoardTarget> Observer<T, CORES, SOFTWARE> for Told<'_> {
    fn stopped(&mut self, debugger: &mut BoardDebugger<T>, stop: &Stop) -> bool {
        let Some(tracer) = &self.tracer else { return true };
        let end = match tracer.tell(debugger, stop, None) {
            Ok(true) => End::Done,
            // Everything has stopped, and nobody is there to let it run on.
            Ok(false) if self.alone && debugger.stop().is_some() => End::Done,
            Ok(false) => return true,
            Err(error) => End::Output(error),
        };
        self.notifier.finish(end);
        false
    }
}

/// Serves one client after the other. Between them, the board runs and its hits are told.
fn serve_clients<T: BoardTarget>(
    listener: &Listener,
    debugger: &mut BoardDebugger<T>,
    notifier: &Arc<Notifier>,
    told: &mut Told<'_>,
) -> Result<()> {
    say!("gdb: target remote {listener}");
    while wait_for_client(listener, debugger, notifier, told)? {
        let client = listener.accept().context("no gdb client can be accepted")?;
        client.prepare().context("the gdb connection cannot be set up")?;
        tracing::info!("a gdb client is here");
        match serve(client, debugger, notifier, told)? {
            Ended::Closed(Closed::Killed) | Ended::Interrupted => break,
            Ended::Closed(_) => tracing::info!("the gdb client has detached"),
            Ended::Lost(reason) => say!("{reason}; the board runs on with nothing armed"),
        }
    }
    Ok(())
}

/// Waits for a client and looks after the board meanwhile; false where service is to end.
fn wait_for_client<T: BoardTarget>(
    listener: &Listener,
    debugger: &mut BoardDebugger<T>,
    notifier: &Notifier,
    told: &mut Told<'_>,
) -> Result<bool> {
    if told.tracer.is_none() {
        return wait_readable(listener, notifier).context("no gdb client can be waited for");
    }
    while !notifier.is_finished() {
        if is_readable(listener).context("no gdb client can be waited for")? {
            return Ok(true);
        }
        run_until_stopped(debugger, told)?;
    }
    Ok(false)
}

/// Whether a client is there, within a moment.
fn is_readable(listener: &Listener) -> io::Result<bool> {
    let moment = Timespec { tv_sec: 0, tv_nsec: 2_000_000 };
    let mut fds = [PollFd::new(listener, PollFlags::IN)];
    match poll(&mut fds, Some(&moment)) {
        Ok(_) => Ok(fds.iter().any(|fd| !fd.revents().is_empty())),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Removes what is armed or planted, and lets the cores run.
fn free<T: BoardTarget>(mut debugger: BoardDebugger<T>) -> Result<()> {
    match debugger.interrupt() {
        Ok(_) | Err(TargetError::Refused(_)) => {}
        Err(TargetError::Lost(error)) => return Err(error.into()),
    }
    debugger.remove_all(Owner::HOST);
    match debugger.detach(Owner::DEBUGGER) {
        Ok(()) | Err(TargetError::Refused(_)) => {}
        Err(TargetError::Lost(error)) => return Err(error.into()),
    }
    Ok(debugger.target_mut().detach()?)
}

/// The slot budget comes first: what does not fit is refused later, and then nobody is surprised.
fn show_slots(target: &impl BoardTarget) {
    let capabilities = target.capabilities();
    let cores = match target.cores() {
        1 => "1 core".to_owned(),
        several => format!("{several} cores"),
    };
    let breakpoints = match capabilities.m_profile {
        Some(units) => format!("{} breakpoints ({})", capabilities.breakpoints, units.breakpoints),
        None => {
            format!(
                "{} breakpoints, {} of them for contexts",
                capabilities.breakpoints, capabilities.context_aware
            )
        }
    };
    say!(
        "{cores}; {breakpoints}; {} watchpoints; interrupts are {} while stepping",
        capabilities.watchpoints,
        if target.steps_with_interrupts_disabled() { "held off" } else { "masked" },
    );
}

/// Lets go of the reset line, which an attempt to attach that failed may have left pulled.
fn release_reset(arguments: &BoardArguments, busy: &Busy) {
    let released = busy.during(|| {
        let mut probe = open_probe(arguments)?;
        anyhow::Ok(probe.target_reset_deassert()?)
    });
    if let Err(error) = released {
        tracing::info!("the reset line may be pulled still: {error:#}");
    }
}

/// The probe that was asked for, or the only one.
fn open_probe(arguments: &BoardArguments) -> Result<Probe> {
    let lister = Lister::new();
    let mut probe = match &arguments.probe {
        Some(selector) => {
            let how = "`trapline list` says which there are";
            lister
                .open(selector.clone())
                .with_context(|| format!("probe {selector} cannot be opened; {how}"))?
        }
        None => {
            let probes = lister.list_all();
            match probes.as_slice() {
                [] => bail!("there is no debug probe; connect one, or name it with --probe VID:PID[:SERIAL]"),
                [only] => only.open().with_context(|| format!("{only} cannot be opened"))?,
                several => {
                    let names: Vec<_> = several.iter().map(ToString::to_string).collect();
                    bail!("there are several probes; choose one with --probe:\n  {}", names.join("\n  "))
                }
            }
        }
    };
    if let Some(protocol) = arguments.protocol {
        let name = probe.get_name();
        probe
            .select_protocol(protocol)
            .with_context(|| format!("--protocol {protocol} is not for the probe {name}; leave it out"))?;
    }
    if let Some(speed) = arguments.speed {
        let name = probe.get_name();
        let actual = probe
            .set_speed(speed)
            .with_context(|| format!("--speed {speed}: the probe {name} does not take so many kHz"))?;
        if actual != speed {
            say!("the probe runs at {actual} kHz");
        }
    }
    Ok(probe)
}

/// What is shown on a terminal while something takes its time.
fn progress(what: &str) -> ProgressBar {
    let spinner = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed:>4}  {msg}") {
        spinner.set_style(style);
    }
    spinner.set_message(what.to_owned());
    spinner.enable_steady_tick(Duration::from_millis(120));
    spinner
}

/// Looks after the probe: shows what is moved where that takes its time, and ends the process where the probe owes an
/// answer for too long. Some of probe-rs's drivers wait for ever, and what they wait in cannot be left otherwise.
fn look_after(limit: Duration, busy: Busy) -> Result<()> {
    thread::Builder::new()
        .name("probe watch".to_owned())
        .spawn(move || {
            let mut shown: Option<ProgressBar> = None;
            while busy.elapsed().is_none_or(|elapsed| elapsed < limit) {
                match busy.moving().filter(|(duration, _)| *duration >= SLOW) {
                    Some((duration, bytes)) => {
                        let text = moved(bytes, duration);
                        shown.get_or_insert_with(|| progress(&text)).set_message(text);
                    }
                    None => drop(shown.take().inspect(ProgressBar::finish_and_clear)),
                }
                thread::sleep(limit.min(Duration::from_secs(1)) / 4);
            }
            say!(
                "trapline: the probe has not answered for {} s and is given up; is it still connected? What was armed \
                 is cleared at the next attach",
                limit.as_secs()
            );
            std::process::exit(1);
        })
        .context("no thread that looks after the probe can be started")?;
    Ok(())
}

/// What is moved, in words.
fn moved(bytes: u64, duration: Duration) -> String {
    let rate = bytes as f64 / duration.as_secs_f64();
    format!("moving memory: {}, {}/s", HumanBytes(bytes), HumanBytes(rate as u64))
}

/// Lets SIGINT and SIGTERM end everything in order: the board is left as it was found. A second one does not wait for
/// that.
fn end_on_signals(notifier: &Arc<Notifier>) -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM]).context("signals cannot be handled")?;
    let notifier = Arc::clone(notifier);
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            let mut signals = signals.forever();
            if let Some(signal) = signals.next() {
                notifier.finish(End::Signal(signal));
            }
            if let Some(signal) = signals.next() {
                say!("trapline: the board is left as it is; what was armed is cleared at the next attach");
                std::process::exit(128_i32.saturating_add(signal));
            }
        })
        .context("no thread for signals can be started")?;
    Ok(())
}

/// The argument of `--memory-ap`.
pub(crate) fn memory_path(text: &str) -> std::result::Result<MemoryPath, String> {
    match text {
        "core" => Ok(MemoryPath::Core),
        number => number
            .parse()
            .map(MemoryPath::AccessPort)
            .map_err(|error| format!("{error}; write the number of an access port, or core")),
    }
}

/// The argument of `--protocol`.
pub(crate) fn protocol(text: &str) -> std::result::Result<WireProtocol, String> {
    match text.to_ascii_lowercase().as_str() {
        "swd" => Ok(WireProtocol::Swd),
        "jtag" => Ok(WireProtocol::Jtag),
        _ => Err("write swd or jtag".to_owned()),
    }
}

/// The argument of `--probe`.
pub(crate) fn selector(text: &str) -> std::result::Result<DebugProbeSelector, String> {
    text.parse().map_err(|error| format!("{error}; write VID:PID or VID:PID:SERIAL, in hexadecimal"))
}
