//! A simulated board as a probe of probe-rs: what somebody else's probe driver would be.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use probe_rs::CoreStatus;
use probe_rs::architecture::arm::sequences::ArmDebugSequence;
use probe_rs::architecture::arm::{
    ArmCommunicationInterface, ArmDebugInterface, ArmError, DapError, DapProbe, RawDapAccess, RegisterAddress,
};
use probe_rs::config::Registry;
use probe_rs::probe::{DebugProbe, DebugProbeError, Probe, WireProtocol};
use trapline_probe::board::armv8a::Armv8aTarget;
use trapline_probe::board::cortex_m::CortexMTarget;
use trapline_probe::board::link::SessionLink;
use trapline_probe::board::{AttachOptions, Board as Cores, BoardError, Result, attach, explain};
use trapline_simulator::dap::{DebugPort, Response, Size, Space, System};

/// However a board fails, nobody waits longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// The description of the simulated chip.
const CHIP: &str = include_str!("../../simulator/simulated-boards.yaml");

/// A board that a test and a probe share, and whether the probe's driver panics.
#[derive(Clone, Debug)]
pub(crate) struct Board(Arc<Mutex<DebugPort>>, Arc<AtomicBool>);

impl Board {
    pub(crate) fn new(system: impl System + 'static) -> Self {
        Self(Arc::new(Mutex::new(DebugPort::new(Box::new(system)))), Arc::default())
    }

    /// Makes the probe's driver panic at each access, or no longer.
    pub(crate) fn set_driver_panics(&self, panics: bool) {
        self.1.store(panics, Ordering::Relaxed);
    }

    pub(crate) fn port(&self) -> MutexGuard<'_, DebugPort> {
        self.0.lock().unwrap()
    }

    /// Attaches to it.
    pub(crate) fn attach(&self) -> Result<Armv8aTarget<SessionLink>> {
        self.attach_as("simulated-armv8a")
    }

    /// Attaches to its Cortex-M core, of Armv7-M or Armv8-M.
    pub(crate) fn attach_cortex_m(&self) -> Result<CortexMTarget<SessionLink>> {
        self.attach_cortex_m_as("simulated-cortex-m")
    }

    /// Attaches to its Cortex-M core as a chip.
    pub(crate) fn attach_cortex_m_as(&self, chip: &str) -> Result<CortexMTarget<SessionLink>> {
        match self.attach_any(&AttachOptions { chip: chip.to_owned(), ..Default::default() })? {
            Cores::CortexM(target) => Ok(target),
            Cores::Armv8a(_) => panic!("the chip is none with Cortex-M cores"),
        }
    }

    /// Attaches to it as a chip.
    pub(crate) fn attach_as(&self, chip: &str) -> Result<Armv8aTarget<SessionLink>> {
        self.attach_with(&AttachOptions { chip: chip.to_owned(), ..AttachOptions::default() })
    }

    /// Attaches to it as the options say.
    pub(crate) fn attach_with(&self, options: &AttachOptions) -> Result<Armv8aTarget<SessionLink>> {
        match self.attach_any(options)? {
            Cores::Armv8a(target) => Ok(target),
            Cores::CortexM(_) => panic!("the chip is one with Cortex-M cores"),
        }
    }

    /// What attaching to it as a chip says, soon, where it is refused.
    pub(crate) fn refusal(&self, chip: &str) -> String {
        let begun = Instant::now();
        let options = AttachOptions { chip: chip.to_owned(), ..AttachOptions::default() };
        let Err(error) = self.attach_any(&options) else { panic!("{chip} can be attached to") };
        assert!(begun.elapsed() < PATIENCE);
        format!("{:#}", anyhow::Error::from(error))
    }

    /// A debug register of it, as it stands.
    pub(crate) fn register(&self, address: u64) -> u32 {
        self.port().system().read(0, address, Size::Word).unwrap()
    }

    /// What it says of itself to somebody whom it has refused.
    pub(crate) fn explain(&self, chip: &str) -> Option<BoardError> {
        explain(Probe::new(SimulatedProbe(self.clone())), &registry(), chip)
    }

    fn attach_any(&self, options: &AttachOptions) -> Result<Cores> {
        attach(Probe::new(SimulatedProbe(self.clone())), &registry(), options)
    }
}

/// The chips that there are.
pub(crate) fn registry() -> Registry {
    let mut registry = Registry::from_builtin_families();
    registry.add_target_family_from_yaml(CHIP).unwrap();
    registry
}

#[derive(Debug)]
struct SimulatedProbe(Board);

impl DebugProbe for SimulatedProbe {
    fn get_name(&self) -> &str {
        "simulated board"
    }

    fn speed_khz(&self) -> u32 {
        1000
    }

    fn set_speed(&mut self, speed_khz: u32) -> std::result::Result<u32, DebugProbeError> {
        Ok(speed_khz)
    }

    fn attach(&mut self) -> std::result::Result<(), DebugProbeError> {
        Ok(())
    }

    fn detach(&mut self) -> std::result::Result<(), probe_rs::Error> {
        Ok(())
    }

    fn target_reset(&mut self) -> std::result::Result<(), DebugProbeError> {
        self.target_reset_assert()?;
        self.target_reset_deassert()
    }

    fn target_reset_assert(&mut self) -> std::result::Result<(), DebugProbeError> {
        self.0.port().set_reset(true);
        Ok(())
    }

    fn target_reset_deassert(&mut self) -> std::result::Result<(), DebugProbeError> {
        self.0.port().set_reset(false);
        Ok(())
    }

    fn select_protocol(&mut self, _: WireProtocol) -> std::result::Result<(), DebugProbeError> {
        Ok(())
    }

    fn active_protocol(&self) -> Option<WireProtocol> {
        Some(WireProtocol::Swd)
    }

    fn has_arm_interface(&self) -> bool {
        true
    }

    fn into_probe(self: Box<Self>) -> Box<dyn DebugProbe> {
        self
    }

    fn try_as_dap_probe(&mut self) -> Option<&mut dyn DapProbe> {
        Some(self)
    }

    fn try_get_arm_debug_interface<'probe>(
        self: Box<Self>,
        sequence: Arc<dyn ArmDebugSequence>,
    ) -> std::result::Result<Box<dyn ArmDebugInterface + 'probe>, (Box<dyn DebugProbe>, ArmError)> {
        Ok(ArmCommunicationInterface::create(self, sequence, false))
    }
}

impl DapProbe for SimulatedProbe {}

impl SimulatedProbe {
    /// One transfer, and whether it was followed by an error.
    fn transfer(
        &self,
        address: RegisterAddress,
        work: impl FnOnce(&mut DebugPort, Space) -> Response,
    ) -> std::result::Result<u32, ArmError> {
        assert!(!self.0.1.load(Ordering::Relaxed), "a defect of this driver");
        let mut port = self.0.port();
        let space = if address.is_ap() { Space::Access } else { Space::Debug };
        match work(&mut port, space) {
            Response::Ok(_) if space == Space::Access && port.is_faulty() => {
                Err(DapError::FaultResponse.into())
            }
            Response::Ok(value) => Ok(value),
            Response::Fault => Err(DapError::FaultResponse.into()),
            Response::Silence => Err(DapError::NoAcknowledge.into()),
        }
    }
}

impl RawDapAccess for SimulatedProbe {
    fn raw_read_register(&mut self, address: RegisterAddress) -> std::result::Result<u32, ArmError> {
        self.transfer(address, |port, space| port.read(space, address.lsb() & 0xc))
    }

    fn raw_write_register(
        &mut self,
        address: RegisterAddress,
        value: u32,
    ) -> std::result::Result<(), ArmError> {
        self.transfer(address, |port, space| port.write(space, address.lsb() & 0xc, value))?;
        Ok(())
    }

    fn jtag_sequence(&mut self, _: u8, _: bool, _: u64) -> std::result::Result<(), DebugProbeError> {
        Ok(())
    }

    fn swj_sequence(&mut self, _: u8, _: u64) -> std::result::Result<(), DebugProbeError> {
        Ok(())
    }

    fn swj_pins(&mut self, out: u32, select: u32, _: u32) -> std::result::Result<u32, DebugProbeError> {
        const RESET: u32 = 1 << 7;
        if select & RESET != 0 {
            self.0.port().set_reset(out & RESET == 0);
        }
        Ok(u32::MAX)
    }

    fn into_probe(self: Box<Self>) -> Box<dyn DebugProbe> {
        self
    }

    fn core_status_notification(&mut self, _: CoreStatus) -> std::result::Result<(), DebugProbeError> {
        Ok(())
    }
}
