//! A machine whose vCPUs have their threads.

use std::sync::{Arc, Mutex};

use super::Machine;
use super::serial::Bus;
use super::vm::Parts;
use crate::error::Error;
use crate::run_loop::{EventHandler, Observer, Session, VcpuThreads};
use crate::target::KvmTarget;
use crate::vcpu::Devices;

/// A machine that runs, or stands halted. Dropping it ends its threads and with them the guest; the
/// session must not be locked then.
#[derive(Debug)]
pub struct RunningMachine<H> {
    // In this order they are dropped: the threads end before anything that they use goes.
    _threads: VcpuThreads,
    session: Arc<Mutex<Session<H>>>,
    bus: Arc<Bus>,
    _parts: Parts,
}

impl Machine {
    /// Makes the machine a target of `handler` and starts its vCPUs' threads. All cores are halted until
    /// somebody resumes them.
    ///
    /// # Errors
    /// [`Error::ReadRegister`] and [`Error::SpawnThread`].
    pub fn start<H: EventHandler>(self, handler: H, observer: Observer) -> Result<RunningMachine<H>, Error> {
        let target = KvmTarget::new(self.vcpus, self.memory, &self.capabilities)?;
        let session = Arc::new(Mutex::new(Session { handler, target }));
        let devices: Arc<dyn Devices + Send + Sync> = self.bus.clone();
        let threads = VcpuThreads::start(&session, &devices, &observer)?;
        Ok(RunningMachine { _threads: threads, session, bus: self.bus, _parts: self.parts })
    }
}

impl<H> RunningMachine<H> {
    /// The handler and its target.
    #[must_use]
    pub const fn session(&self) -> &Arc<Mutex<Session<H>>> {
        &self.session
    }

    /// The machine's devices.
    #[must_use]
    pub const fn bus(&self) -> &Arc<Bus> {
        &self.bus
    }
}
