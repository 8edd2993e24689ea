//! What is done with a guest once its gdb server listens.

use std::{
    io::{Write as _, stdout},
    process::{Child, Command, ExitCode},
    time::Duration,
};

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};

use super::Session;
use crate::host::{Event, Running};

/// The debugger.
const GDB: &str = "gdb-multiarch";
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

/// Plays the scripted session.
pub(crate) fn demo(mut session: Session) -> Result<ExitCode> {
    session.running.stop();
    anyhow::bail!("the scripted session is not part of this build")
}
