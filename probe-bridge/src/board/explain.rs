//! Why attaching has failed, as far as the board itself says: probe-rs gives up where a core does not do what it is told,
//! and tells of a timeout or a fault.

use probe_rs::architecture::arm::sequences::DefaultArmSequence;
use probe_rs::architecture::arm::{ArmDebugInterface, FullyQualifiedApAddress};
use probe_rs::config::Registry;
use probe_rs::probe::Probe;
use trapline_core::target::CoreId;

use super::chip::ChipCores;
use super::error::{BoardError, Result};
use super::link::Bus;
use super::session_link::{MemoryBus, catch_driver, error_at};
use super::{armv8a, cortex_m};

/// What is wrong with a board that `attach` has refused: a chip that is another one, cores that are locked or have no
/// power. `None` where the board says nothing of that kind, or nothing at all.
#[must_use]
pub fn explain(probe: Probe, registry: &Registry, chip: &str) -> Option<BoardError> {
    let found = catch_driver(|| look(probe, registry, chip)).err()?;
    match found {
        BoardError::Probe(_) | BoardError::Attach(_) | BoardError::Driver(_) => None,
        found => Some(found),
    }
}

/// Fails with what is wrong.
fn look(mut probe: Probe, registry: &Registry, chip: &str) -> Result<()> {
    let target = registry.get_target_by_name(chip).map_err(probe_rs::Error::from)?;
    let cores = ChipCores::of(&target)?;
    probe.attach_to_unspecified()?;
    let interface = probe.try_into_arm_debug_interface(DefaultArmSequence::create());
    let mut interface = interface.map_err(|(_, error)| probe_rs::Error::from(error))?;
    match cores {
        ChipCores::Armv8a(cores) => {
            let mut power = false;
            for (number, (port, at)) in (0..).zip(cores) {
                let id = CoreId(number);
                power |= on_bus(&mut *interface, &port, id, |bus| armv8a::has_power(bus, id, at))?;
            }
            if power { Ok(()) } else { Err(BoardError::NoPower) }
        }
        ChipCores::CortexM(ports) => (0..).zip(ports).try_for_each(|(number, port)| {
            let id = CoreId(number);
            on_bus(&mut *interface, &port, id, |bus| cortex_m::check_access(bus, id))
        }),
    }
}

/// Asks a core something on its bus.
fn on_bus<R>(
    interface: &mut dyn ArmDebugInterface,
    port: &FullyQualifiedApAddress,
    core: CoreId,
    ask: impl FnOnce(&mut dyn Bus) -> Result<R>,
) -> Result<R> {
    interface.select_debug_port(port.dp()).map_err(probe_rs::Error::from)?;
    let mut memory = interface.memory_interface(port).map_err(|error| error_at(error, 0))?;
    ask(&mut MemoryBus { memory: &mut *memory }).map_err(|error| match error {
        BoardError::Fault { address } => BoardError::Silent { core, address },
        error => error,
    })
}
