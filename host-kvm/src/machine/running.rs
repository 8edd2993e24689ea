//! A machine whose vCPUs have their threads.

use std::sync::{Arc, Mutex};

use super::Machine;
use super::bus::Bus;
use super::vm::Parts;
use crate::error::Error;
use crate::run_loop::{EventHandler, Observer, Reset, VcpuThreads};
use crate::target::KvmTarget;
use crate::vcpu::Devices;

/// A machine that runs, or stands halted. Dropping it ends its threads and with them the guest; the
/// handler must not be locked then.
#[derive(Debug)]
pub struct RunningMachine<H> {
    // In this order they are dropped: the threads end before anything that they use goes.
    _threads: VcpuThreads,
    handler: Arc<Mutex<H>>,
    bus: Arc<Bus>,
    _parts: Arc<Parts>,
}

impl Machine {
    /// Makes the machine a target, gives it to the handler that `make` makes, and starts its vCPUs'
    /// threads. All cores are halted until somebody resumes them. Where the machine was started by
    /// [`Machine::boot`], a guest that resets it does so; elsewhere the observer is told.
    ///
    /// # Errors
    /// [`Error::ReadRegister`] and [`Error::SpawnThread`], and what `make` fails with.
    pub fn start<H: EventHandler, E: From<Error>>(
        self,
        make: impl FnOnce(KvmTarget) -> Result<H, E>,
        observer: &Observer,
    ) -> Result<RunningMachine<H>, E> {
        let slots = self.parts.slots(self.memory.clone());
        let mut target = KvmTarget::new(self.vcpus, self.memory, &self.capabilities)?;
        if let Some(slots) = slots {
            // All vCPUs are halted, for they have no thread yet.
            let _ = target.watch_pages_of(slots);
        }
        let handles = target.handles();
        let handler = Arc::new(Mutex::new(make(target)?));
        let (bus, parts) = (self.bus, Arc::new(self.parts));
        let devices: Arc<dyn Devices + Send + Sync> = bus.clone();
        let reset = self.power_on.map(|power_on| {
            let (bus, parts) = (bus.clone(), parts.clone());
            Arc::new(move |target: &mut KvmTarget| power_on.again(target, &parts, &bus)) as Reset
        });
        let threads = VcpuThreads::start_with_reset(handles, &handler, &devices, observer, reset)?;
        Ok(RunningMachine { _threads: threads, handler, bus, _parts: parts })
    }
}

impl<H> RunningMachine<H> {
    /// The handler.
    #[must_use]
    pub const fn handler(&self) -> &Arc<Mutex<H>> {
        &self.handler
    }

    /// The machine's devices.
    #[must_use]
    pub const fn bus(&self) -> &Arc<Bus> {
        &self.bus
    }
}
