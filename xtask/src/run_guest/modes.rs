//! What is done with a guest once its gdb server listens.

use std::{
    fs,
    io::{Write as _, stdout},
    path::Path,
    process::{Child, Command, ExitCode},
    sync::mpsc::{RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::Session;
use crate::{
    demo::{self, Connection},
    host::{Event, Running},
    workspace,
};

/// The debugger.
const GDB: &str = "gdb-multiarch";
/// How long gdb may take for one command of the scripted session.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(60);
/// How often gdb is asked whether it has ended.
const POLL: Duration = Duration::from_millis(50);
const SIGINT: u8 = 2;

/// Opens gdb on this terminal.
pub(crate) fn terminal(mut session: Session) -> Result<ExitCode> {
    if let Some(serial) = &session.serial {
        eprintln!("serial port: {}", serial.display());
    }
    let mut gdb = Command::new(GDB);
    gdb.args(["-quiet", "-iex", "set debuginfod enabled off", "-ex"]);
    gdb.arg(format!("target remote {}", session.address)).args(&session.symbols);
    let mut gdb = gdb.spawn().with_context(|| format!("cannot run {GDB}"))?;
    loop {
        if let Some(status) = gdb.try_wait()? {
            session.running.stop();
            return Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)));
        }
        match session.running.next_within(POLL)? {
            // Ctrl-C is gdb's, which has the terminal. What the tool says, gdb's user does not want to see.
            None | Some(Event::Signal(SIGINT) | Event::Line(_)) => {}
            Some(Event::Signal(signal)) => {
                end(&mut gdb);
                session.running.stop();
                return Ok(ExitCode::from(128 + signal));
            }
            Some(Event::Exited(status)) => {
                // gdb tells its user that the connection is closed, and may still be asked things.
                gdb.wait()?;
                return Ok(ExitCode::from(status));
            }
        }
    }
}

/// Asks gdb to end, and waits for it: it puts the terminal in order.
fn end(gdb: &mut Child) {
    if let Some(pid) = i32::try_from(gdb.id()).ok().and_then(Pid::from_raw) {
        // It may have ended meanwhile; it has not been waited for, so the number is still its own.
        let _ = kill_process(pid, Signal::TERM);
    }
    let _ = gdb.wait();
}

/// Says how to attach, and serves until interrupted.
pub(crate) fn serve(mut session: Session) -> Result<ExitCode> {
    let mut out = stdout().lock();
    writeln!(out, "gdb server: {}", session.address)?;
    let symbols = session.symbols.as_ref().map(|file| format!("{} ", file.display())).unwrap_or_default();
    writeln!(out, "attach:     {GDB} {symbols}-ex 'target remote {}'", session.address)?;
    if let Some(serial) = &session.serial {
        writeln!(out, "serial:     {}", serial.display())?;
    }
    writeln!(out, "Ctrl-C ends it.")?;
    drop(out);
    loop {
        match session.running.next()? {
            // What comes to standard output is there already.
            Event::Line(line) if session.serial.is_some() => eprintln!("{line}"),
            Event::Line(_) => {}
            Event::Signal(_) => {
                session.running.stop();
                return Ok(ExitCode::SUCCESS);
            }
            Event::Exited(status) => return Ok(ExitCode::from(status)),
        }
    }
}

/// Lets the tool run without a gdb server.
pub(crate) fn trace(running: &mut Running) -> Result<ExitCode> {
    loop {
        match running.next()? {
            Event::Line(_) => {}
            Event::Signal(signal) => {
                running.stop();
                return Ok(ExitCode::from(128 + signal));
            }
            Event::Exited(status) => return Ok(ExitCode::from(status)),
        }
    }
}

/// Lets clients do their part, one after the other, by the server's address and the file with the guest's symbols.
pub(crate) fn clients(
    mut session: Session,
    check: impl FnOnce(&str, &Path) -> Result<()> + Send + 'static,
) -> Result<ExitCode> {
    let elf = session.symbols.clone().context("the clients need the firmware's symbols")?;
    let address = session.address.clone();
    let (done, checked) = channel();
    let check = move || {
        // Interrupted, nobody waits for it any more.
        let _ = done.send(check(&address, &elf));
    };
    thread::Builder::new().name("clients".to_owned()).spawn(check)?;
    loop {
        match checked.recv_timeout(POLL) {
            Ok(result) => {
                session.running.stop();
                return result.map(|()| ExitCode::SUCCESS);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => bail!("a client broke off"),
        }
        match session.running.next_within(POLL)? {
            Some(Event::Line(line)) => eprintln!("{}: {line}", session.speaker),
            Some(Event::Signal(signal)) => {
                session.running.stop();
                return Ok(ExitCode::from(128 + signal));
            }
            Some(Event::Exited(status)) => bail!("{} ended with status {status}", session.speaker),
            None => {}
        }
    }
}

/// Plays the scripted session, shows what was seen, and keeps the transcript.
pub(crate) fn demo(session: Session, begun: Instant) -> Result<ExitCode> {
    demo_and(session, begun, |_, _| Ok(()))
}

/// As [`demo()`]; where all was as expected, checks something more of the session, with what was said so far.
pub(crate) fn demo_and(
    mut session: Session,
    begun: Instant,
    more: impl FnOnce(&mut Session, &[String]) -> Result<()>,
) -> Result<ExitCode> {
    let elf = session.symbols.clone().context("the scripted session needs the firmware's symbols")?;
    let connection =
        Connection { address: session.address.clone(), elf, gdb: GDB.into(), timeout: COMMAND_TIMEOUT };
    let (report, reported) = channel();
    let play = move || {
        let played = demo::run(&connection, |step| {
            if step.number == 2 {
                eprintln!("first stop {:.1} s after the command", begun.elapsed().as_secs_f64());
            }
            eprintln!("[{:>2}/{}] {}", step.number, step.of, step.title);
        });
        // Interrupted, nobody waits for it any more.
        let _ = report.send(played);
    };
    thread::Builder::new().name("demo".to_owned()).spawn(play)?;
    let mut said = Vec::new();
    loop {
        match reported.recv_timeout(POLL) {
            Ok(report) => {
                let report = report?;
                let status = conclude(&report, &said, session.speaker)?;
                let more = if report.passed() { more(&mut session, &said) } else { Ok(()) };
                session.running.stop();
                return more.map(|()| status);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => bail!("the scripted session broke off"),
        }
        // Once the host has ended there are no more events; the session then ends as well.
        match session.running.next_within(POLL) {
            Ok(Some(Event::Line(line))) => said.push(line),
            Ok(Some(Event::Signal(signal))) => {
                session.running.stop();
                return Ok(ExitCode::from(128 + signal));
            }
            Ok(Some(Event::Exited(status))) => {
                said.push(format!("{} ended with status {status}", session.speaker));
            }
            Ok(None) => {}
            Err(error) => said.push(format!("{error:#}")),
        }
    }
}

/// Shows the report of a session.
fn conclude(report: &demo::Report, said: &[String], speaker: &str) -> Result<ExitCode> {
    let transcript = workspace::log("demo-transcript.txt")?;
    fs::write(&transcript, &report.transcript)
        .with_context(|| format!("cannot write {}", transcript.display()))?;
    println!("{report}");
    if report.passed() {
        return Ok(ExitCode::SUCCESS);
    }
    for line in said {
        eprintln!("{speaker}: {line}");
    }
    eprintln!("transcript: {}", transcript.display());
    Ok(ExitCode::FAILURE)
}
