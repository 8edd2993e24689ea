//! What a chip's description says of its cores and its memory.

use std::path::Path;

use anyhow::Context as _;
use probe_rs::architecture::arm::dp::DpAddress;
use probe_rs::architecture::arm::{ApV2Address, FullyQualifiedApAddress};
use probe_rs::config::{Registry, RegistryError};
use probe_rs::{CoreType, Target};
use probe_rs_target::{ApAddress, ArmCoreAccessOptions, CoreAccessOptions, MemoryRegion};
use trapline_core::address::AddressRange;

use super::armv8a::CoreAddresses;
use super::error::{BoardError, Result};
use crate::file;

/// The longest description that is read, in bytes. Most of one are the algorithms that write Flash memory, and the
/// longest of probe-rs's own has 0.8 MiB.
const LONGEST: u64 = 16 << 20;

const M_PROFILE: [CoreType; 4] = [CoreType::Armv6m, CoreType::Armv7m, CoreType::Armv7em, CoreType::Armv8m];

/// The cores of a chip that are debugged: all of the A profile, or where there are none, all of the M profile.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ChipCores {
    /// Armv8-A cores: the access port and the debug registers of each.
    Armv8a(Vec<(FullyQualifiedApAddress, CoreAddresses)>),
    /// Cortex-M cores: the access port of each.
    CortexM(Vec<FullyQualifiedApAddress>),
}

/// The chips that probe-rs knows, and those that the file `description` describes in probe-rs's own format.
///
/// # Errors
/// Where the file cannot be read, is longer than 16 MiB, or describes no chip.
pub fn registry(description: Option<&Path>) -> anyhow::Result<Registry> {
    let mut registry = Registry::from_builtin_families();
    if let Some(path) = description {
        let bytes = file::read(path, LONGEST)?;
        let describes_none = || format!("{} describes no chip", path.display());
        let text = String::from_utf8(bytes).with_context(describes_none)?;
        registry.add_target_family_from_yaml(&text).with_context(describes_none)?;
    }
    Ok(registry)
}

impl ChipCores {
    /// Those of a chip.
    ///
    /// # Errors
    /// [`BoardError::Description`] where it has none, or the description lacks what it takes to reach them.
    pub fn of(target: &Target) -> Result<Self> {
        let wrong = |what| BoardError::Description { chip: target.name.clone(), what };
        let of = |meant: &dyn Fn(CoreType) -> bool| ports(target, meant).map_err(wrong);
        let armv8a = of(&|core_type| core_type == CoreType::Armv8a)?;
        if !armv8a.is_empty() {
            let cores = armv8a.into_iter().map(|(port, access)| match (access.debug_base, access.cti_base) {
                (Some(debug), Some(cti)) => Ok((port, CoreAddresses { debug, cti })),
                _ => Err(wrong("lacks debug_base or cti_base of an Armv8-A core")),
            });
            return Ok(Self::Armv8a(cores.collect::<Result<_>>()?));
        }
        let m_profile = of(&|core_type| M_PROFILE.contains(&core_type))?;
        if m_profile.is_empty() {
            return Err(wrong("has neither Armv8-A nor Cortex-M cores, which are what this tool debugs"));
        }
        Ok(Self::CortexM(m_profile.into_iter().map(|(port, _)| port).collect()))
    }
}

/// Whether a chip is known; where it is not, which ones could be meant.
///
/// # Errors
/// Where it is not known, or not all of its name was given.
pub fn check_chip(registry: &Registry, chip: &str) -> anyhow::Result<()> {
    const FEW: usize = 8;
    let Err(error) = registry.get_target_by_name(chip) else { return Ok(()) };
    if let RegistryError::ChipNotUnique(..) = error {
        return Err(error)
            .with_context(|| format!("--chip {chip} could be several chips; write all of the name"));
    }
    let has = |name: &str| name.to_ascii_lowercase().contains(&chip.to_ascii_lowercase());
    let families = registry.families().iter();
    let similar = families.flat_map(|family| {
        let all = has(&family.name);
        family.variants.iter().filter(move |variant| all || has(&variant.name)).map(|variant| &*variant.name)
    });
    let similar: Vec<_> = similar.take(FEW).collect();
    let similar = if similar.is_empty() {
        String::new()
    } else {
        format!(" (there are {}, and so on)", similar.join(", "))
    };
    anyhow::bail!(
        "probe-rs knows no chip {chip}{similar}; --chip-description-path takes a file that describes more"
    )
}

/// Whether a chip has Cortex-M cores and no Armv8-A cores.
#[must_use]
pub fn is_m_profile(registry: &Registry, chip: &str) -> bool {
    // What does not know the chip says so when it attaches.
    registry.get_target_by_name(chip).is_ok_and(|target| {
        let has = |kind: &dyn Fn(CoreType) -> bool| target.cores.iter().any(|core| kind(core.core_type));
        has(&|core_type| M_PROFILE.contains(&core_type)) && !has(&|core_type| core_type == CoreType::Armv8a)
    })
}

/// The access ports of those cores of a chip that are meant, and what else the description says of them.
fn ports(
    target: &Target,
    meant: &dyn Fn(CoreType) -> bool,
) -> std::result::Result<Vec<(FullyQualifiedApAddress, ArmCoreAccessOptions)>, &'static str> {
    let cores = target.cores.iter().filter(|core| meant(core.core_type));
    let port = cores.map(|core| {
        let CoreAccessOptions::Arm(access) = &core.core_access_options else {
            return Err("reaches an Arm core by something that is no Arm debug port");
        };
        let dp = access.targetsel.map_or(DpAddress::Default, DpAddress::Multidrop);
        let port = match access.ap {
            ApAddress::V1(number) => FullyQualifiedApAddress::v1_with_dp(dp, number),
            ApAddress::V2(base) => FullyQualifiedApAddress::v2_with_dp(dp, ApV2Address::new(base)),
        };
        Ok((port, access.clone()))
    });
    port.collect()
}

/// Where the chip's description has memory that takes no plain write.
#[must_use]
pub fn flash(target: &Target) -> Vec<AddressRange> {
    let flash = target.memory_map.iter().filter_map(|region| match region {
        MemoryRegion::Nvm(region) => Some(&region.range),
        _ => None,
    });
    flash
        .filter_map(|range| AddressRange::new(range.start, range.end.checked_sub(range.start)?).ok())
        .collect()
}
