//! Watches an emulated host: moves its streams, and says what became of it.

use std::{
    fs,
    io::{self, BufRead as _, BufReader, Read, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
    path::PathBuf,
    process::Child,
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow};
use signal_hook::iterator::Handle;

use super::{
    Event, Output,
    emulated::EMULATOR,
    lines,
    marker::{Filter, Marker},
    ports::Outside,
    supervisor::Stopper,
};

/// How long the host may take to boot, on a machine that is busy with other things.
const BOOT: Duration = Duration::from_secs(90);
/// How many lines of the console are shown when it failed.
const CONSOLE_LINES: usize = 12;

/// A machine at work.
pub(crate) struct Machine {
    pub(crate) child: Child,
    /// The console of its kernel.
    pub(crate) log: PathBuf,
    /// The processor that was asked for.
    pub(crate) cpu: String,
}

/// What the threads that read the ports have to say.
enum Message {
    /// A line of control.
    Control(String),
    /// The emulator has gone.
    Gone,
    /// All of one stream has arrived.
    StreamEnded,
    /// The caller wants it to end.
    Stop,
}

/// Starts to watch.
pub(crate) fn start(
    machine: Machine,
    outside: Outside,
    output: Output,
    marker: Marker,
    events: Sender<Result<Event>>,
    signals: Handle,
) -> Result<Stopper> {
    let (messages, received) = channel();
    let mut streams = 0;
    let mut copy = |from: UnixStream, to: Box<dyn Write + Send>| -> Result<()> {
        streams += 1;
        let (messages, marker) = (messages.clone(), marker.clone());
        spawn("stream", move || {
            copy_out(from, to, marker);
            // The supervisor may have ended.
            let _ = messages.send(Message::StreamEnded);
        })
    };
    match output {
        Output::Inherit => copy(outside.output, Box::new(io::stdout()))?,
        Output::Watched => {
            copy(outside.output, Box::new(lines::Watched::new(io::stdout(), events.clone())))?;
        }
        Output::Lines => copy(outside.output, Box::new(lines::Watched::new(io::sink(), events.clone())))?,
    }
    if let Some(error) = outside.error {
        copy(error, Box::new(io::stderr()))?;
    }
    for (from, file) in outside.streams {
        copy(from, Box::new(file))?;
    }
    let (input, inherit) = (outside.input, outside.inherit_input);
    // It may wait for a terminal for good, so nobody waits for it.
    spawn("input", move || copy_in(input, inherit))?;
    let control = messages.clone();
    spawn("control", move || read_control(outside.control, &control))?;

    let work = move || {
        let mut machine = machine;
        let outcome = supervise(&mut machine, &received, streams);
        machine.end();
        if outcome.is_ok() {
            // It has nothing to say that anyone would miss.
            let _ = fs::remove_file(&machine.log);
        }
        if let Some(event) = outcome.transpose() {
            // The caller may have lost interest.
            let _ = events.send(event.map(Event::Exited));
        }
    };
    let thread = thread::Builder::new().name("supervisor".to_owned()).spawn(work)?;
    Ok(Stopper::new(thread, signals, move || {
        // The thread may have ended by itself.
        let _ = messages.send(Message::Stop);
    }))
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<()> {
    thread::Builder::new().name(name.to_owned()).spawn(work)?;
    Ok(())
}

/// Waits for the program's end; none when it was stopped.
fn supervise(machine: &mut Machine, messages: &Receiver<Message>, mut streams: usize) -> Result<Option<u8>> {
    let booted_by = Instant::now() + BOOT;
    let mut up = false;
    let mut status = None;
    loop {
        let message = if up {
            messages.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            messages.recv_timeout(booted_by.saturating_duration_since(Instant::now()))
        };
        match message {
            Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => return Ok(None),
            Ok(Message::Gone) => return Err(machine.gone(up)),
            Ok(Message::StreamEnded) => streams = streams.saturating_sub(1),
            Ok(Message::Control(line)) => match line.split_once(' ') {
                None if line == "up" => up = true,
                None if line == "no-kvm" => return Err(machine.without_kvm()),
                Some(("exit", number)) => {
                    status = Some(number.parse().with_context(|| format!("exit status `{number}`"))?);
                }
                _ => return Err(machine.failed(&format!("the emulated host said `{line}`"))),
            },
            Err(RecvTimeoutError::Timeout) => {
                let what = format!(
                    "the emulated host did not come up within {} s (is `{}` a 64-bit processor?)",
                    BOOT.as_secs(),
                    machine.cpu
                );
                return Err(machine.failed(&what));
            }
        }
        if let (Some(status), 0) = (status, streams) {
            return Ok(Some(status));
        }
    }
}

impl Machine {
    /// Switches it off.
    fn end(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// What to say when the emulator ended of its own accord.
    fn gone(&mut self, up: bool) -> anyhow::Error {
        let status = self.child.wait();
        let mut said = String::new();
        if let Some(errors) = &mut self.child.stderr {
            // Without its words the status must do.
            let _ = errors.read_to_string(&mut said);
        }
        let said = said.lines().find(|line| !line.contains("warning:")).unwrap_or_default().trim();
        if let (false, Some(reason)) = (said.is_empty(), said.split_once(": ")) {
            return anyhow!("{EMULATOR} cannot emulate the host: {}", reason.1);
        }
        let when = if up { "died" } else { "died before it was up" };
        match status {
            Ok(status) if !status.success() => self.failed(&format!("the emulated host {when} ({status})")),
            _ => self.failed(&format!("the emulated host {when}")),
        }
    }

    fn without_kvm(&self) -> anyhow::Error {
        let way_out = if self.cpu == "max" { "install a newer one" } else { "try --host-cpu max" };
        self.failed(&format!(
            "there is no /dev/kvm in the emulated host, for {EMULATOR} emulates no EL2 with `{}`: {way_out}",
            self.cpu
        ))
    }

    /// A failure, with the end of the console.
    fn failed(&self, what: &str) -> anyhow::Error {
        let log = fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<_> = log.lines().filter(|line| !line.trim().is_empty()).collect();
        // After a panic comes a long trace; what led to it stands before.
        let panic = lines.iter().position(|line| line.contains("Kernel panic")).map(|line| line + 1);
        let lines = lines.get(..panic.unwrap_or(lines.len())).unwrap_or_default();
        let last = lines.get(lines.len().saturating_sub(CONSOLE_LINES)..).unwrap_or_default();
        if last.is_empty() {
            return anyhow!("{what}; its console ({}) is empty", self.log.display());
        }
        anyhow!("{what}; the last lines of its console ({}):\n  {}", self.log.display(), last.join("\n  "))
    }
}

/// Reads the control port.
fn read_control(port: UnixStream, messages: &Sender<Message>) {
    for line in BufReader::new(port).lines().map_while(Result::ok) {
        if messages.send(Message::Control(line.trim_end().to_owned())).is_err() {
            return;
        }
    }
    // The supervisor may have ended, and the emulator with it.
    let _ = messages.send(Message::Gone);
}

/// Copies a stream of the program up to its marker. Once nobody reads it any more, it is thrown away, for
/// the program is not to wait for ever.
fn copy_out(mut port: UnixStream, mut to: Box<dyn Write + Send>, marker: Marker) {
    let mut filter = Filter::new(marker);
    let mut buffer = vec![0; 1 << 16];
    let mut read_by_someone = true;
    let mut hand_on = |bytes: &[u8]| {
        if read_by_someone && !bytes.is_empty() {
            read_by_someone = to.write_all(bytes).and_then(|()| to.flush()).is_ok();
        }
    };
    loop {
        let arrived = match port.read(&mut buffer) {
            Ok(count @ 1..) => buffer.get(..count).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Ok(0) | Err(_) => break,
        };
        if filter.push(arrived, &mut hand_on) {
            return;
        }
    }
    hand_on(filter.rest());
}

/// Copies standard input in, once the port is open inside.
fn copy_in(mut port: UnixStream, inherit: bool) {
    let mut ready = [0];
    if !matches!(port.read(&mut ready), Ok(1)) {
        return;
    }
    if inherit {
        // The program may end before its input does.
        let _ = io::copy(&mut io::stdin().lock(), &mut port);
    }
    let _ = port.shutdown(Shutdown::Write);
    // Closed altogether it would lose what the emulator has not read yet.
    while matches!(port.read(&mut ready), Ok(1)) {}
}
