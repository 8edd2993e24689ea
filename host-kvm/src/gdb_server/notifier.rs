//! What vCPU threads say, and waiting for it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fd::OwnedFd;
use trapline_core::target::{Console, CoreId};

use super::loan::Loan;
use crate::run_loop::{Notice, Observer};

/// The most text that waits for a client, in bytes.
const OUTPUT: usize = 0x1_0000;

/// Why service ends for good.
#[derive(Debug)]
pub enum End {
    /// A vCPU thread said so; never [`Notice::Stopped`].
    Guest(Notice),
    /// The process got this signal.
    Signal(i32),
    /// Whoever sits at the guest's console asked for it.
    Asked,
    /// What it was for is done.
    Done,
    /// Nobody takes what is told of the guest.
    Output(io::Error),
}

/// Takes what vCPU threads say and wakes the thread that polls it.
#[derive(Debug)]
pub struct Notifier {
    wake: OwnedFd,
    end: Mutex<Option<End>>,
    /// Whether there has been an end, to be looked at without the lock.
    finished: AtomicBool,
    helped: Loan,
    output: Mutex<Output>,
}

/// What breakpoints' commands have printed and no client has been told yet.
#[derive(Debug, Default)]
struct Output {
    text: String,
    /// How many bytes did not fit.
    lost: usize,
}

impl Notifier {
    /// A notifier that nothing has been said to.
    ///
    /// # Errors
    /// Where the process has no file descriptor left.
    pub fn new() -> io::Result<Arc<Self>> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Arc::new(Self {
            wake,
            end: Mutex::new(None),
            finished: AtomicBool::new(false),
            helped: Loan::default(),
            output: Mutex::default(),
        }))
    }

    /// For [`crate::VcpuThreads::start`].
    #[must_use]
    pub fn observer(self: &Arc<Self>) -> Observer {
        let notifier = Arc::clone(self);
        Arc::new(move |notice| match notice {
            Notice::Stopped { .. } if notifier.helped.help() => {}
            Notice::Stopped { .. } | Notice::Waiting(_) => notifier.wake(),
            notice => notifier.finish(End::Guest(notice)),
        })
    }

    /// Ends all service. The first reason counts.
    pub fn finish(&self, end: End) {
        self.lock().get_or_insert(end);
        self.finished.store(true, Ordering::Release);
        self.wake();
    }

    /// Why service ended, once.
    pub fn end(&self) -> Option<End> {
        self.lock().take()
    }

    /// Whether service is to end.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.finished.load(Ordering::Acquire) && self.lock().is_some()
    }

    /// Waits until service is to end.
    ///
    /// # Errors
    /// Where `poll` fails.
    pub fn wait(&self) -> io::Result<()> {
        while !self.is_finished() {
            readable(&mut [PollFd::new(self, PollFlags::IN)], None)?;
            self.clear();
        }
        Ok(())
    }

    /// For [`crate::KvmTarget::set_console`]: what is printed there goes to the client that is served, as far
    /// as it can keep up.
    #[must_use]
    pub fn console(self: &Arc<Self>) -> Box<dyn Console + Send> {
        Box::new(Printer(Arc::clone(self)))
    }

    /// What has been printed since the last call.
    pub(super) fn take_output(&self) -> String {
        let Output { mut text, lost } =
            std::mem::take(&mut *self.output.lock().unwrap_or_else(PoisonError::into_inner));
        if lost > 0 {
            text.push_str(&format!("\n[{lost} bytes were printed faster than they could be shown]\n"));
        }
        text
    }

    fn lock(&self) -> MutexGuard<'_, Option<End>> {
        // The lock guards one assignment, so a panic elsewhere leaves nothing half done.
        self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn wake(&self) {
        // It fails only where the counter is full, and then the descriptor is readable anyway.
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }

    /// Whoever serves a client, and may be helped by a vCPU's thread that has something to tell it.
    pub(super) const fn helped(&self) -> &Loan {
        &self.helped
    }

    /// Takes all wake-ups so far.
    pub(super) fn clear(&self) {
        // It fails only where there are none.
        let _ = rustix::io::read(&self.wake, &mut [0; 8]);
    }
}

impl AsFd for Notifier {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

/// The console of a target that a client is served for.
struct Printer(Arc<Notifier>);

impl Console for Printer {
    fn print(&mut self, _: CoreId, text: &str) {
        let mut output = self.0.output.lock().unwrap_or_else(PoisonError::into_inner);
        if output.text.len() + text.len() > OUTPUT {
            output.lost += text.len();
            return;
        }
        output.text.push_str(text);
        drop(output);
        self.0.wake();
    }
}

/// Waits until `fd` is readable, or the notifier says that service ends; which of them it was.
///
/// # Errors
/// Where `poll` fails.
pub fn wait_readable(fd: impl AsFd, notifier: &Notifier) -> io::Result<bool> {
    loop {
        if notifier.is_finished() {
            return Ok(false);
        }
        let mut fds = [PollFd::new(&fd, PollFlags::IN), PollFd::new(notifier, PollFlags::IN)];
        readable(&mut fds, None)?;
        let [readable, _] = fds.map(|fd| !fd.revents().is_empty());
        notifier.clear();
        if readable {
            return Ok(true);
        }
    }
}

/// Waits until one of them is readable, or no longer than `limit`.
pub(super) fn readable(fds: &mut [PollFd<'_>], limit: Option<&Timespec>) -> io::Result<()> {
    loop {
        match poll(fds, limit) {
            Ok(_) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
