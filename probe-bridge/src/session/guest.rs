//! A KVM guest as the host of a session.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use trapline_kvm::{KvmTarget, Notice, Observer};

use super::{Error, Host, Result, SessionDebugger};

/// A guest whose vCPU threads share an engine with the session.
///
/// ```no_run
/// use std::{io, path::Path, sync::Arc};
/// use trapline_kvm::machine::{Machine, MachineConfig};
/// use trapline_probe::session::{Guest, News, Session, SessionDebugger};
///
/// # fn main() -> anyhow::Result<()> {
/// let kvm = trapline_kvm::open(Path::new("/dev/kvm"))?;
/// let mut machine = Machine::new(&kvm, &MachineConfig::default(), Box::new(io::stdout()))?;
/// machine.load_elf(&std::fs::read("firmware.elf")?)?;
/// let news = Arc::new(News::default());
/// let machine = machine.start(|target| anyhow::Ok(SessionDebugger::new(target)?), &news.observer())?;
/// let mut session = Session::new(Guest::new(machine.handler(), news));
/// let mut core = session.core(0)?;
/// println!("halted at {:#x}, {} watchpoints", core.halt()?.pc, core.available_watchpoint_units()?);
/// session.detach()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Guest<'a> {
    debugger: &'a Mutex<SessionDebugger<KvmTarget>>,
    news: Arc<News>,
}

/// What the vCPU threads have said.
#[derive(Debug, Default)]
pub struct News {
    ended: Mutex<bool>,
    changed: Condvar,
}

impl News {
    /// For the start of the vCPU threads.
    #[must_use]
    pub fn observer(self: &Arc<Self>) -> Observer {
        let news = Arc::clone(self);
        Arc::new(move |notice| {
            if !matches!(notice, Notice::Stopped { .. } | Notice::Waiting { .. }) {
                *news.lock() = true;
            }
            news.changed.notify_all();
        })
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        // The lock guards one assignment, so a panic elsewhere leaves nothing half done.
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a> Guest<'a> {
    /// The guest behind an engine that its vCPU threads have, and what they say.
    #[must_use]
    pub const fn new(debugger: &'a Mutex<SessionDebugger<KvmTarget>>, news: Arc<News>) -> Self {
        Self { debugger, news }
    }
}

impl Host for Guest<'_> {
    type Target = KvmTarget;
    type Failure = trapline_kvm::Error;

    fn with<R>(&mut self, work: impl FnOnce(&mut SessionDebugger<KvmTarget>) -> R) -> Result<R> {
        let mut debugger =
            self.debugger.lock().map_err(|_| Error::Lost("a vCPU's thread has panicked".into()))?;
        Ok(work(&mut debugger))
    }

    fn wait(&mut self, timeout: Duration) -> Result<bool> {
        let news = Arc::clone(&self.news);
        let mut ended = news.lock();
        let deadline = std::time::Instant::now() + timeout;
        loop {
            if self.with(|debugger| debugger.stop().is_some())? {
                return Ok(true);
            }
            if *ended {
                return Err(Error::Lost("the guest has ended".into()));
            }
            let left = deadline.saturating_duration_since(std::time::Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            // A stop between the question and the wait is asked about again soon.
            let slice = left.min(Duration::from_millis(20));
            ended = news.changed.wait_timeout(ended, slice).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
