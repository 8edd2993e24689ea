//! From a probe and a chip's name to a target.

use probe_rs::architecture::arm::dp::DpAddress;
use probe_rs::architecture::arm::{ApV2Address, FullyQualifiedApAddress};
use probe_rs::config::Registry;
use probe_rs::probe::Probe;
use probe_rs::{CoreType, Permissions, Session};
use probe_rs_target::{ApAddress, CoreAccessOptions};

use super::armv8a::{Armv8aTarget, CoreAddresses};
use super::error::{BoardError, Result};
use super::link::SessionLink;

/// How to attach.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AttachOptions {
    /// The chip, as probe-rs or a description of its own names it.
    pub chip: String,
    /// Whether the board's reset line is held while the probe attaches.
    pub under_reset: bool,
    /// The way to memory.
    pub memory: MemoryPath,
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

/// Attaches to all Armv8-A cores of a chip.
///
/// # Errors
/// [`BoardError`].
pub fn attach(
    probe: Probe,
    registry: &Registry,
    options: &AttachOptions,
) -> Result<Armv8aTarget<SessionLink>> {
    let AttachOptions { chip, under_reset, .. } = options;
    let permissions = Permissions::default();
    let mut session = match under_reset {
        true => probe.attach_under_reset_with_registry(chip, permissions, registry)?,
        false => probe.attach_with_registry(chip, permissions, registry)?,
    };
    let (debug, addresses) = debug_units(&session, chip)?;
    let memory = memory_port(&mut session, &debug, options)?;
    Armv8aTarget::attach(SessionLink::new(session, debug, memory), &addresses)
}

/// The access port of the debug registers, and the cores' addresses behind it.
fn debug_units(session: &Session, chip: &str) -> Result<(FullyQualifiedApAddress, Vec<CoreAddresses>)> {
    let wrong = |what| BoardError::Description { chip: chip.to_owned(), what };
    let mut port = None;
    let mut addresses = Vec::new();
    for core in session.target().cores.iter().filter(|core| core.core_type == CoreType::Armv8a) {
        let CoreAccessOptions::Arm(access) = &core.core_access_options else {
            return Err(wrong("reaches an Armv8-A core by something that is no Arm debug port"));
        };
        let (Some(debug), Some(cti)) = (access.debug_base, access.cti_base) else {
            return Err(wrong("lacks debug_base or cti_base of an Armv8-A core"));
        };
        let dp = access.targetsel.map_or(DpAddress::Default, DpAddress::Multidrop);
        let address = match access.ap {
            ApAddress::V1(number) => FullyQualifiedApAddress::v1_with_dp(dp, number),
            ApAddress::V2(base) => FullyQualifiedApAddress::v2_with_dp(dp, ApV2Address::new(base)),
        };
        if port.get_or_insert_with(|| address.clone()) != &address {
            return Err(wrong(
                "has Armv8-A cores behind several access ports, which this tool does not debug",
            ));
        }
        addresses.push(CoreAddresses { debug, cti });
    }
    Ok((port.ok_or_else(|| wrong("has no Armv8-A core"))?, addresses))
}

/// The access port that leads to memory.
fn memory_port(
    session: &mut Session,
    debug: &FullyQualifiedApAddress,
    options: &AttachOptions,
) -> Result<Option<FullyQualifiedApAddress>> {
    /// `IDR.CLASS`, bits \[16:13\]: a memory access port.
    const MEMORY_CLASS: u32 = 0b1000;
    /// `IDR.TYPE`, bits \[3:0\], of APB: debug registers.
    const APB: [u32; 2] = [2, 6];
    match options.memory {
        MemoryPath::Any => {}
        MemoryPath::AccessPort(number) => {
            return Ok(Some(FullyQualifiedApAddress::v1_with_dp(debug.dp(), number)));
        }
        MemoryPath::Core => return Ok(None),
    }
    let interface = session.get_arm_interface().map_err(probe_rs::Error::from)?;
    for port in interface.access_ports(debug.dp()).map_err(probe_rs::Error::from)? {
        if port == *debug {
            continue;
        }
        let identity = interface.read_raw_ap_register(&port, 0xfc).map_err(probe_rs::Error::from)?;
        if identity >> 13 & 0xf == MEMORY_CLASS && !APB.contains(&(identity & 0xf)) {
            return Ok(Some(port));
        }
    }
    Ok(None)
}
