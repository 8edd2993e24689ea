//! From a probe and a chip's name to a target.

use std::time::Duration;

use probe_rs::architecture::arm::FullyQualifiedApAddress;
use probe_rs::architecture::arm::dp::DpAddress;
use probe_rs::config::Registry;
use probe_rs::probe::Probe;
use probe_rs::{Permissions, Session};
use trapline_core::target::CoreId;

use super::armv8a::Armv8aTarget;
use super::busy::Busy;
use super::chip::{ChipCores, flash};
use super::cortex_m::{self, CortexMTarget};
use super::error::{BoardError, Result};
use super::session_link::{SessionLink, catch_driver};

/// How to attach.
#[derive(Clone, Debug, Default)]
pub struct AttachOptions {
    /// The chip, as probe-rs or a description of its own names it.
    pub chip: String,
    /// Whether the board's reset line is held while the probe attaches.
    pub under_reset: bool,
    /// Whether Cortex-M cores are reset once the probe has attached, and halt at their first instruction.
    pub then_reset: bool,
    /// The way to memory.
    pub memory: MemoryPath,
    /// Says for how long the probe has been asked for something, while attaching and afterwards.
    pub busy: Busy,
}

/// The way to memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum MemoryPath {
    /// The first memory access port beside that of the debug registers; where there is none, a halted core.
    #[default]
    Any,
    /// This access port.
    AccessPort(u8),
    /// A halted core: slower, and through its caches.
    Core,
}

/// The cores of a board, by the profile that they are of.
#[derive(Debug)]
pub enum Board {
    /// Armv8-A cores.
    Armv8a(Armv8aTarget<SessionLink>),
    /// Cortex-M cores.
    CortexM(CortexMTarget<SessionLink>),
}

/// Attaches to all Armv8-A cores of a chip, or where it has none, to all its Cortex-M cores.
///
/// # Errors
/// [`BoardError`].
pub fn attach(probe: Probe, registry: &Registry, options: &AttachOptions) -> Result<Board> {
    let name = probe.get_name();
    let mut board = options.busy.during(|| catch_driver(|| attach_to(probe, registry, options)))?;
    match &mut board {
        Board::Armv8a(target) => target.link().set_probe(&options.busy, &name),
        Board::CortexM(target) => target.link().set_probe(&options.busy, &name),
    }
    Ok(board)
}

fn attach_to(probe: Probe, registry: &Registry, options: &AttachOptions) -> Result<Board> {
    let AttachOptions { chip, under_reset, then_reset, .. } = options;
    let permissions = Permissions::default();
    let session = match under_reset {
        true => probe.attach_under_reset_with_registry(chip, permissions, registry),
        false => probe.attach_with_registry(chip, permissions, registry),
    };
    let mut session = session.map_err(BoardError::Attach)?;
    match ChipCores::of(session.target())? {
        ChipCores::Armv8a(cores) => {
            let (ports, addresses): (Vec<_>, Vec<_>) = cores.into_iter().unzip();
            let memory = memory_port(&mut session, &ports, options)?;
            let link = SessionLink::new(session, ports, memory);
            Ok(Board::Armv8a(Armv8aTarget::attach(link, &addresses)?))
        }
        ChipCores::CortexM(ports) => {
            let memory = match (options.memory, ports.first()) {
                (MemoryPath::AccessPort(number), Some(first)) => {
                    let port = FullyQualifiedApAddress::v1_with_dp(first.dp(), number);
                    check_memory(&mut session, &port, number)?;
                    Some(port)
                }
                // A core's own access port leads to all that it reaches itself.
                _ => None,
            };
            let count = u16::try_from(ports.len()).map_err(|_| BoardError::Description {
                chip: chip.clone(),
                what: "has more cores than can be numbered",
            })?;
            let flash = flash(session.target());
            let mut link = SessionLink::new(session, ports, memory);
            if *then_reset {
                reset(&mut link, count)?;
            }
            Ok(Board::CortexM(CortexMTarget::attach(link, count, &flash)?))
        }
    }
}

/// Resets Cortex-M cores by the reset line, and has them halt at their first instruction.
///
/// Attaching under reset, probe-rs asks for the same, but before debugging is enabled, and then a core that comes from
/// power-up takes no notice (DDI 0403, "Debug Exception and Monitor Control Register": VC_CORERESET needs C_DEBUGEN).
fn reset(link: &mut SessionLink, cores: u16) -> Result<()> {
    /// `nRESET` among the pins of a probe.
    const RESET: u32 = 1 << 7;
    /// How long the line is held: longer than a board's filter against noise, 10 ms at most, lets it be.
    const HELD: Duration = Duration::from_millis(20);
    for core in 0..cores {
        cortex_m::catch_reset(link, CoreId(core), true)?;
    }
    for (level, time) in [(0, HELD), (RESET, Duration::ZERO)] {
        let interface = link.session()?.get_arm_interface().map_err(probe_rs::Error::from)?;
        interface.swj_pins(level, RESET, 0).map_err(probe_rs::Error::from)?;
        std::thread::sleep(time);
    }
    for core in 0..cores {
        cortex_m::catch_reset(link, CoreId(core), false)?;
    }
    Ok(())
}

/// Whether an access port with this `IDR` is a memory access port: CLASS, bits \[16:13\].
const fn leads_to_memory(identity: u32) -> bool {
    identity >> 13 & 0xf == 0b1000
}

/// Whether the access port that was asked for is one to memory.
fn check_memory(session: &mut Session, port: &FullyQualifiedApAddress, number: u8) -> Result<()> {
    let interface = session.get_arm_interface().map_err(probe_rs::Error::from)?;
    let identity = interface.read_raw_ap_register(port, 0xfc).map_err(probe_rs::Error::from)?;
    if leads_to_memory(identity) { Ok(()) } else { Err(BoardError::NoMemoryPort { number, identity }) }
}

/// The access port that leads to memory.
fn memory_port(
    session: &mut Session,
    cores: &[FullyQualifiedApAddress],
    options: &AttachOptions,
) -> Result<Option<FullyQualifiedApAddress>> {
    /// `IDR.TYPE`, bits \[3:0\], of APB: debug registers.
    const APB: [u32; 2] = [2, 6];
    let dp = cores.first().map_or(DpAddress::Default, FullyQualifiedApAddress::dp);
    match options.memory {
        MemoryPath::Any => {}
        MemoryPath::AccessPort(number) => {
            let port = FullyQualifiedApAddress::v1_with_dp(dp, number);
            check_memory(session, &port, number)?;
            return Ok(Some(port));
        }
        MemoryPath::Core => return Ok(None),
    }
    let interface = session.get_arm_interface().map_err(probe_rs::Error::from)?;
    for port in interface.access_ports(dp).map_err(probe_rs::Error::from)? {
        if cores.contains(&port) {
            continue;
        }
        let identity = interface.read_raw_ap_register(&port, 0xfc).map_err(probe_rs::Error::from)?;
        if leads_to_memory(identity) && !APB.contains(&(identity & 0xf)) {
            return Ok(Some(port));
        }
    }
    Ok(None)
}
