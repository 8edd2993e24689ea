//! The threads that run vCPUs and tell the debugger of what stops them.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use trapline_core::debugger::{Debugger, Outcome};
use trapline_core::stop::Stop;
use trapline_core::target::{CoreId, Event, TargetError};

use crate::core_control::{Attached, Entered};
use crate::error::Error;
use crate::exit::{Exit, SystemEvent};
use crate::target::{Core, KvmTarget, VcpuHandles};
use crate::vcpu::Devices;

/// Whoever decides what a debug exception means and has the target to act on it, as
/// [`trapline_core::debugger::Debugger`] does.
///
/// It is called on the thread of the vCPU that took the exception, locked, so that it can step or run on
/// without another thread waking up.
pub trait EventHandler: Send + 'static {
    /// Why an event could not be handled.
    type Error: Into<Box<dyn std::error::Error + Send + Sync>>;

    /// Handles an event of `core`, which is halted. It stays so unless the handler resumes it.
    ///
    /// # Errors
    /// The core stays halted, and [`Notice::HandlerFailed`] says why.
    fn on_event(&mut self, core: CoreId, event: Event) -> Result<Outcome, Self::Error>;

    /// Starts the target over by what the machine does for it; `None` where this handler does not, so that
    /// [`Notice::System`] is what becomes of the guest's wish.
    ///
    /// # Errors
    /// As [`Self::on_event`].
    fn on_reset(
        &mut self,
        reset: &dyn Fn(&mut KvmTarget) -> Result<(), Error>,
    ) -> Result<Option<Outcome>, Self::Error> {
        let _ = reset;
        Ok(None)
    }
}

impl<const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize> EventHandler
    for Debugger<KvmTarget, CORES, SOFTWARE, BYTECODE>
{
    type Error = TargetError<Error>;

    fn on_event(&mut self, core: CoreId, event: Event) -> Result<Outcome, Self::Error> {
        Self::on_event(self, core, event)
    }

    fn on_reset(
        &mut self,
        reset: &dyn Fn(&mut KvmTarget) -> Result<(), Error>,
    ) -> Result<Option<Outcome>, Self::Error> {
        self.restart(reset).map(Some)
    }
}

/// What resets a machine, all of whose vCPUs are halted, and lets its first vCPU start over.
pub(crate) type Reset = Arc<dyn Fn(&mut KvmTarget) -> Result<(), Error> + Send + Sync>;

/// What the embedder is told, on a vCPU's thread. The vCPU is halted.
#[derive(Debug)]
#[non_exhaustive]
pub enum Notice {
    /// The handler has stopped the target.
    Stopped {
        /// The core whose event it was.
        core: CoreId,
    },
    /// The handler lets a core wait while the others run.
    Waiting(Stop),
    /// The guest wants something of the machine.
    System {
        /// The core that asked.
        core: CoreId,
        /// What it wants.
        event: SystemEvent,
    },
    /// The guest did what KVM cannot do.
    Broken {
        /// The core that did it.
        core: CoreId,
        /// What KVM said.
        exit: Exit,
    },
    /// The vCPU cannot be run.
    Failed {
        /// Its core.
        core: CoreId,
        /// Why not.
        error: Error,
    },
    /// The handler could not handle an event.
    HandlerFailed {
        /// The core whose event it was.
        core: CoreId,
        /// Why not.
        error: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// What is called with every [`Notice`]. It is called with no lock held, and it should be quick.
pub type Observer = Arc<dyn Fn(Notice) + Send + Sync>;

/// The threads of a target's vCPUs, one each. Dropping it ends them.
///
/// Do not drop it with the handler locked: a thread may be waiting for it.
pub struct VcpuThreads {
    cores: Vec<Arc<Core>>,
    threads: Vec<JoinHandle<()>>,
}

impl VcpuThreads {
    /// Starts a thread for every vCPU of a target, whose handles these are. A vCPU runs when its core is
    /// resumed.
    ///
    /// # Errors
    /// [`Error::SpawnThread`].
    pub fn start<H: EventHandler>(
        handles: VcpuHandles,
        handler: &Arc<Mutex<H>>,
        devices: &Arc<dyn Devices + Send + Sync>,
        observer: &Observer,
    ) -> Result<Self, Error> {
        Self::start_with_reset(handles, handler, devices, observer, None)
    }

    /// The same for a machine that can be reset.
    pub(crate) fn start_with_reset<H: EventHandler>(
        handles: VcpuHandles,
        handler: &Arc<Mutex<H>>,
        devices: &Arc<dyn Devices + Send + Sync>,
        observer: &Observer,
        reset: Option<Reset>,
    ) -> Result<Self, Error> {
        let mut started = Self { cores: handles.0, threads: Vec::new() };
        for core in started.cores.clone() {
            let number = core.id.0;
            let (handler, devices, observer) = (handler.clone(), devices.clone(), observer.clone());
            let reset = reset.clone();
            let thread = thread::Builder::new()
                .name(format!("vcpu{number}"))
                .spawn(move || run_vcpu(&core, &handler, &*devices, &*observer, reset.as_ref()))
                .map_err(|source| Error::SpawnThread { core: number, source })?;
            started.threads.push(thread);
        }
        Ok(started)
    }
}

impl fmt::Debug for VcpuThreads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VcpuThreads").field("threads", &self.threads.len()).finish_non_exhaustive()
    }
}

impl Drop for VcpuThreads {
    fn drop(&mut self) {
        for core in &self.cores {
            core.control.leave();
        }
        for thread in self.threads.drain(..) {
            // A panic of a vCPU's thread has been printed; there is nobody left to tell.
            drop(thread.join());
        }
    }
}

const HANDLER_LOST: Error = Error::Poisoned { what: "the debugger" };

/// A vCPU's thread, from start to end.
fn run_vcpu<H: EventHandler>(
    core: &Core,
    handler: &Mutex<H>,
    devices: &(dyn Devices + Send + Sync),
    observer: &(dyn Fn(Notice) + Send + Sync),
    reset: Option<&Reset>,
) {
    let id = core.id;
    let attached = match core.control.attach() {
        Ok(attached) => attached,
        Err(error) => return observer(Notice::Failed { core: id, error }),
    };
    while let Some(entered) = attached.enter() {
        let Entered::Run(how) = entered else {
            if let Some(notice) = tell_handler(id, &attached, handler) {
                observer(notice);
            }
            continue;
        };
        let result = match core.vcpu.lock() {
            Ok(mut vcpu) => vcpu.run(how, devices),
            Err(_) => Err(Error::Poisoned { what: "a vCPU" }),
        };
        match result {
            Ok(Exit::Interrupted) => attached.come_out_kicked(),
            Ok(exit) => match exit.event() {
                Some(event) => {
                    attached.come_out_with(event);
                    if let Some(notice) = tell_handler(id, &attached, handler) {
                        observer(notice);
                    }
                }
                None => {
                    attached.come_out_halted();
                    let notice = match (exit, reset) {
                        (Exit::System(SystemEvent::Reset), Some(reset)) => start_over(id, handler, &**reset),
                        (Exit::System(event), _) => Some(Notice::System { core: id, event }),
                        (exit, _) => Some(Notice::Broken { core: id, exit }),
                    };
                    if let Some(notice) = notice {
                        observer(notice);
                    }
                }
            },
            Err(error) => {
                attached.come_out_halted();
                observer(Notice::Failed { core: id, error });
            }
        }
    }
}

/// Brings the event that the thread came out with to the handler, if it still stands when the handler
/// is free.
fn tell_handler<H: EventHandler>(
    core: CoreId,
    attached: &Attached<'_>,
    handler: &Mutex<H>,
) -> Option<Notice> {
    let Ok(mut handler) = handler.lock() else {
        return Some(Notice::Failed { core, error: HANDLER_LOST });
    };
    let event = attached.take_event()?;
    match handler.on_event(core, event) {
        Ok(outcome) => notice_of(core, outcome),
        Err(error) => Some(Notice::HandlerFailed { core, error: error.into() }),
    }
}

/// Brings the guest's wish to start over to the handler.
fn start_over<H: EventHandler>(
    core: CoreId,
    handler: &Mutex<H>,
    reset: &dyn Fn(&mut KvmTarget) -> Result<(), Error>,
) -> Option<Notice> {
    let Ok(mut handler) = handler.lock() else {
        return Some(Notice::Failed { core, error: HANDLER_LOST });
    };
    tracing::info!("{core} resets the machine");
    match handler.on_reset(reset) {
        Ok(Some(outcome)) => notice_of(core, outcome),
        Ok(None) => Some(Notice::System { core, event: SystemEvent::Reset }),
        Err(error) => Some(Notice::HandlerFailed { core, error: error.into() }),
    }
}

/// What the observer is told of an outcome.
fn notice_of(core: CoreId, outcome: Outcome) -> Option<Notice> {
    match outcome {
        Outcome::Resumed => None,
        Outcome::Stopped => Some(Notice::Stopped { core }),
        Outcome::Waiting(stop) => Some(Notice::Waiting(stop)),
    }
}
