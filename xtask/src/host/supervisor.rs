//! The thread that waits for a program to end, and the means to end it early.

use std::{
    os::unix::process::ExitStatusExt as _,
    process::{Child, ExitStatus},
    sync::mpsc::{RecvTimeoutError, Sender, channel},
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::Result;
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::{Handle, Signals},
};

use super::Event;

/// How often a child of this process is asked whether it has ended.
const POLL: Duration = Duration::from_millis(10);
/// How long a child may take to end by itself once it was asked to.
const PATIENCE: Duration = Duration::from_secs(2);

/// Ends what a supervisor thread watches, and waits for it.
pub(crate) struct Stopper {
    ask: Box<dyn Fn() + Send>,
    thread: Option<JoinHandle<()>>,
    signals: Handle,
}

impl Stopper {
    /// A stopper for `thread`, which ends soon after `ask` was called.
    pub(crate) fn new(thread: JoinHandle<()>, signals: Handle, ask: impl Fn() + Send + 'static) -> Self {
        Self { ask: Box::new(ask), thread: Some(thread), signals }
    }

    /// Ends the program. Does nothing the second time.
    pub(crate) fn stop(&mut self) {
        if let Some(thread) = self.thread.take() {
            (self.ask)();
            // A supervisor that panicked has said so already.
            let _ = thread.join();
            self.signals.close();
        }
    }
}

/// Makes events of the signals that ask this process to end.
pub(crate) fn signals(events: &Sender<Result<Event>>) -> Result<Handle> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    let handle = signals.handle();
    let events = events.clone();
    let work = move || {
        for signal in signals.forever() {
            // No receiver: this process is about to end anyway.
            let _ = events.send(Ok(Event::Signal(u8::try_from(signal).unwrap_or(0))));
        }
    };
    thread::Builder::new().name("signals".to_owned()).spawn(work)?;
    Ok(handle)
}

/// Watches a child of this process that is the program itself.
pub(crate) fn of_child(
    mut child: Child,
    readers: Vec<JoinHandle<()>>,
    events: Sender<Result<Event>>,
    signals: Handle,
) -> Result<Stopper> {
    let (ask, asked) = channel::<()>();
    let work = move || {
        let ended = loop {
            match child.try_wait() {
                Ok(None) => {}
                Ok(Some(status)) => break Ok(status),
                Err(error) => break Err(error),
            }
            match asked.recv_timeout(POLL) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => {
                    end(&mut child);
                    return;
                }
            }
        };
        for reader in readers {
            let _ = reader.join();
        }
        let event = ended.map(|status| Event::Exited(exit_status(status))).map_err(Into::into);
        // The caller may have lost interest.
        let _ = events.send(event);
    };
    let thread = thread::Builder::new().name("supervisor".to_owned()).spawn(work)?;
    Ok(Stopper::new(thread, signals, move || {
        // The thread may have ended by itself.
        let _ = ask.send(());
    }))
}

/// Asks a child to end, and ends it when it does not.
fn end(child: &mut Child) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // It may have ended meanwhile; it has not been waited for, so the number is still its own.
        let _ = kill_process(pid, Signal::TERM);
    }
    let polls = PATIENCE.as_millis() / POLL.as_millis();
    for _ in 0..polls {
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        thread::sleep(POLL);
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// The exit status as a shell has it: 128 + N for signal N.
fn exit_status(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}
