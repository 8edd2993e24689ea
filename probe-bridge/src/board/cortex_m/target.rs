//! All cores as the engine's target.

use trapline_core::address::{AddressRange, PhysicalAddress};
use trapline_core::comparator::Capabilities;
use trapline_core::m_profile::{Units, WatchpointUnit};
use trapline_core::scope::Scope;
use trapline_core::target::{
    Arming, Backend, BreakInstruction, Comparators, CoreId, CoreState, DebugStateEntry, Event, Memory,
    MemoryKind, MemoryRegion, Profile, Refusal, Register, Registers, Resume, RunControl, TargetError,
    TargetResult,
};

use super::core::Core;
use super::debug_unit::{DebugUnit, Identity};
use crate::board::cores::{BoardCore as _, Cores};
use crate::board::error::{BoardError, Result};
use crate::board::link::{Bus, Link, Port};
use crate::board::{BoardTarget, memory_map};

/// Cortex-M cores, over any way to their buses: each behind an access port of its own, or several behind one.
///
/// A core that does not answer counts as off, for one in deep sleep or without power answers no access; when it
/// answers again, or was reset, it is set up anew with what is armed.
#[derive(Debug)]
pub struct CortexMTarget<L> {
    cores: Cores<Core, L>,
    identity: Identity,
    regions: Vec<MemoryRegion>,
    /// The core that is looked at first, so that none is starved by another that stops often.
    first: usize,
}

impl<L: Link> CortexMTarget<L> {
    /// Takes `count` cores over, and clears what an earlier session has left in their comparators. They run on, or
    /// stay halted. Where memory cannot be written by a plain write, `read_only` says.
    ///
    /// # Errors
    /// [`BoardError`].
    pub fn attach(mut link: L, count: u16, read_only: &[AddressRange]) -> Result<Self> {
        let cores =
            (0..count).map(|core| Core::attach(&mut link, CoreId(core))).collect::<Result<Vec<_>>>()?;
        let none = BoardError::Description { chip: "of this board".to_owned(), what: "has no Cortex-M core" };
        let mut identity = cores.first().ok_or(none)?.identity;
        for core in &cores {
            identity.capabilities = poorest(identity.capabilities, core.identity.capabilities)?;
            if core.identity.profile != identity.profile {
                return Err(BoardError::MixedCores);
            }
        }
        let cores = Cores { link, all: cores };
        Ok(Self { cores, identity, regions: memory_map::of(read_only), first: 0 })
    }

    /// The way to the buses.
    pub const fn link(&mut self) -> &mut L {
        &mut self.cores.link
    }

    /// The bus that leads to memory: every core's own does.
    fn memory(&self) -> Port {
        if self.cores.link.has_memory() { Port::Memory } else { Port::Core(0) }
    }
}

/// Has a core that is held in reset halt at its first instruction, or waits until it has done so.
pub(in crate::board) fn catch_reset(link: &mut impl Link, core: CoreId, begin: bool) -> Result<()> {
    link.with(Port::Core(core.0), |bus| {
        let mut unit = DebugUnit { core, bus };
        if begin { unit.catch_reset() } else { unit.end_catch_reset() }
    })
}

/// Whether there is a core that lets a debugger in.
pub(in crate::board) fn check_access(bus: &mut dyn Bus, core: CoreId) -> Result<()> {
    DebugUnit { core, bus }.check()
}

/// What comparators offer that are armed alike.
fn poorest(one: Capabilities, other: Capabilities) -> Result<Capabilities> {
    let (Some(a), Some(b)) = (one.m_profile, other.m_profile) else { return Err(BoardError::MixedCores) };
    let watchpoints = match (a.watchpoints, b.watchpoints) {
        (WatchpointUnit::V1 { max_mask }, WatchpointUnit::V1 { max_mask: other }) => {
            WatchpointUnit::V1 { max_mask: max_mask.min(other) }
        }
        (one, other) if one == other => one,
        _ => return Err(BoardError::MixedCores),
    };
    if a.breakpoints != b.breakpoints {
        return Err(BoardError::MixedCores);
    }
    Ok(Capabilities {
        breakpoints: one.breakpoints.min(other.breakpoints),
        watchpoints: one.watchpoints.min(other.watchpoints),
        m_profile: Some(Units { breakpoints: a.breakpoints, watchpoints }),
        ..one
    })
}

impl<L: Link> BoardTarget for CortexMTarget<L> {
    fn poll(&mut self) -> Result<Option<(CoreId, Event)>> {
        let Cores { link, all } = &mut self.cores;
        link.refresh();
        let count = all.len();
        for number in (self.first..count).chain(0..self.first) {
            let Some(core) = all.get_mut(number) else { break };
            if core.state == CoreState::Halted {
                continue;
            }
            let status = match core.with(link, |unit| unit.status()) {
                Ok(status) => status,
                Err(BoardError::Fault { .. }) => {
                    if core.state != CoreState::Off {
                        tracing::warn!("{} does not answer any more; it has no power, or sleeps", core.id);
                        core.off();
                    }
                    continue;
                }
                Err(error) => return Err(error),
            };
            if core.state == CoreState::Off || status.was_reset() {
                core.set_up(link)?;
            }
            let entry = if status.is_halted() {
                core.halted();
                core.entry(link)?
            } else if status.is_locked_up() {
                core.with(link, |unit| unit.halt())?;
                core.halted();
                DebugStateEntry::LockedUp
            } else {
                continue;
            };
            self.first = (number + 1) % count;
            return Ok(Some((core.id, Event::DebugState(entry))));
        }
        Ok(None)
    }

    fn detach(&mut self) -> Result<()> {
        let mut result = Ok(());
        let Cores { link, all } = &mut self.cores;
        for core in all.iter_mut().filter(|core| core.state != CoreState::Off) {
            result = result.and(core.free(link));
        }
        link.released();
        result
    }
}

impl<L: Link> Backend for CortexMTarget<L> {
    type Error = BoardError;

    fn cores(&self) -> u16 {
        self.cores.count()
    }
}

impl<L: Link> Registers for CortexMTarget<L> {
    fn read_register(&mut self, core: CoreId, register: Register) -> TargetResult<u64, Self> {
        self.cores.on_halted(core, |core, link| core.read(link, register))
    }

    fn write_register(&mut self, core: CoreId, register: Register, value: u64) -> TargetResult<(), Self> {
        self.cores.on_halted(core, |core, link| core.write(link, register, value))
    }

    fn read_vector(&mut self, core: CoreId, number: u8) -> TargetResult<u128, Self> {
        self.cores.on_halted(core, |core, link| core.read_vector(link, number))
    }

    fn write_vector(&mut self, core: CoreId, number: u8, value: u128) -> TargetResult<(), Self> {
        self.cores.on_halted(core, |core, link| core.write_vector(link, number, value))
    }

    fn profile(&self) -> Profile {
        Profile::M(self.identity.profile)
    }
}

impl<L: Link> Memory for CortexMTarget<L> {
    fn read_memory(&mut self, address: PhysicalAddress, buffer: &mut [u8]) -> TargetResult<(), Self> {
        let Ok(range) = AddressRange::new(address.0, buffer.len() as u64) else { return Ok(()) };
        let port = self.memory();
        memory_map::told(self.cores.link.with(port, |bus| bus.read_bytes(address.0, buffer)), range)
    }

    fn write_memory(&mut self, address: PhysicalAddress, bytes: &[u8]) -> TargetResult<(), Self> {
        let Ok(range) = AddressRange::new(address.0, bytes.len() as u64) else { return Ok(()) };
        let read_only =
            |region: &MemoryRegion| region.kind == MemoryKind::Rom && region.range.overlaps(range);
        if self.regions.iter().any(read_only) {
            return Err(Refusal::Unsupported(
                "flash takes no plain write; use a hardware breakpoint, or a tool that programs flash",
            )
            .into());
        }
        let port = self.memory();
        let result = self.cores.link.with(port, |bus| {
            bus.write_bytes(address.0, bytes)?;
            bus.flush()
        });
        memory_map::told(result, range)
    }

    fn synchronize_instructions(&mut self, _: PhysicalAddress, _: usize) -> TargetResult<(), Self> {
        let Cores { link, all } = &mut self.cores;
        for core in all.iter().filter(|core| core.identity.caches && core.state == CoreState::Halted) {
            let result = core.with(link, |unit| unit.synchronize_instructions());
            result.map_err(TargetError::Lost)?;
        }
        Ok(())
    }

    fn region(&self, index: usize) -> Option<MemoryRegion> {
        self.regions.get(index).copied()
    }
}

impl<L: Link> Comparators for CortexMTarget<L> {
    fn capabilities(&self) -> Capabilities {
        self.identity.capabilities
    }

    fn scope(&self) -> Scope {
        Scope::ALL
    }

    fn break_instruction(&self) -> BreakInstruction {
        BreakInstruction::Brk
    }

    fn commit(&mut self, core: CoreId, arming: &Arming) -> TargetResult<(), Self> {
        self.cores.commit(core, arming.bank)
    }
}

impl<L: Link> RunControl for CortexMTarget<L> {
    fn core_state(&mut self, core: CoreId) -> TargetResult<CoreState, Self> {
        self.cores.state(core)
    }

    fn resume(&mut self, core: CoreId, how: Resume) -> TargetResult<(), Self> {
        self.cores.on_halted(core, |core, link| core.restart(link, how).map_err(TargetError::Lost))
    }

    fn halt(&mut self, core: CoreId) -> TargetResult<(), Self> {
        self.cores.on_running(core, |entry, link| {
            entry.with(link, |unit| unit.halt()).map_err(TargetError::Lost)?;
            entry.halted();
            Ok(())
        })
    }

    fn steps_with_interrupts_disabled(&self) -> bool {
        true
    }
}
