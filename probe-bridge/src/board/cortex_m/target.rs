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
use crate::board::error::{BoardError, Result};
use crate::board::link::{Bus, Link, Port};
use crate::board::{BoardTarget, memory_map};

/// Cortex-M cores, over any way to their buses: each behind an access port of its own, or several behind one.
///
/// A core that does not answer counts as off, for one in deep sleep or without power answers no access; when it
/// answers again, or was reset, it is set up anew with what is armed.
#[derive(Debug)]
pub struct CortexMTarget<L> {
    link: L,
    cores: Vec<Core>,
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
        Ok(Self { link, cores, identity, regions: memory_map::of(read_only), first: 0 })
    }

    /// The way to the buses.
    pub const fn link(&mut self) -> &mut L {
        &mut self.link
    }

    /// A core that is halted, and the way to it.
    fn halted(&mut self, core: CoreId) -> TargetResult<(&mut Core, &mut L), Self> {
        let entry = self.cores.get_mut(usize::from(core.0)).ok_or(Refusal::NoSuchCore(core))?;
        match entry.state {
            CoreState::Halted => Ok((entry, &mut self.link)),
            CoreState::Running => Err(Refusal::Running(core).into()),
            CoreState::Off => Err(Refusal::Off(core).into()),
        }
    }

    /// What an error means: a core that answers no access any more refuses, and the session goes on.
    fn failed(&mut self, core: CoreId, error: BoardError) -> TargetError<BoardError> {
        if let Some(entry) = self.cores.get_mut(usize::from(core.0))
            && let BoardError::Fault { .. } = error
            && let Err(BoardError::Fault { .. }) = entry.with(&mut self.link, |unit| unit.status())
        {
            entry.off();
            return Refusal::Off(core).into();
        }
        TargetError::Lost(error)
    }

    /// As [`Self::failed`], for the result of an access.
    fn settle<T>(
        &mut self,
        core: CoreId,
        result: std::result::Result<T, TargetError<BoardError>>,
    ) -> TargetResult<T, Self> {
        result.map_err(|error| match error {
            TargetError::Lost(error) => self.failed(core, error),
            refused @ TargetError::Refused(_) => refused,
        })
    }

    /// The bus that leads to memory: every core's own does.
    fn memory(&self) -> Port {
        if self.link.has_memory() { Port::Memory } else { Port::Core(0) }
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
        self.link.refresh();
        let count = self.cores.len();
        for number in (self.first..count).chain(0..self.first) {
            let Some(core) = self.cores.get_mut(number) else { break };
            if core.state == CoreState::Halted {
                continue;
            }
            let status = match core.with(&mut self.link, |unit| unit.status()) {
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
                core.set_up(&mut self.link)?;
            }
            let entry = if status.is_halted() {
                core.halted();
                core.entry(&mut self.link)?
            } else if status.is_locked_up() {
                core.with(&mut self.link, |unit| unit.halt())?;
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
        for core in self.cores.iter_mut().filter(|core| core.state != CoreState::Off) {
            result = result.and(core.free(&mut self.link));
        }
        self.link.released();
        result
    }
}

impl<L: Link> Backend for CortexMTarget<L> {
    type Error = BoardError;

    fn cores(&self) -> u16 {
        self.cores.len() as u16
    }
}

impl<L: Link> Registers for CortexMTarget<L> {
    fn read_register(&mut self, core: CoreId, register: Register) -> TargetResult<u64, Self> {
        let (entry, link) = self.halted(core)?;
        let result = entry.read(link, register);
        self.settle(core, result)
    }

    fn write_register(&mut self, core: CoreId, register: Register, value: u64) -> TargetResult<(), Self> {
        let (entry, link) = self.halted(core)?;
        let result = entry.write(link, register, value);
        self.settle(core, result)
    }

    fn read_vector(&mut self, core: CoreId, number: u8) -> TargetResult<u128, Self> {
        let (entry, link) = self.halted(core)?;
        let result = entry.read_vector(link, number);
        self.settle(core, result)
    }

    fn write_vector(&mut self, core: CoreId, number: u8, value: u128) -> TargetResult<(), Self> {
        let (entry, link) = self.halted(core)?;
        let result = entry.write_vector(link, number, value);
        self.settle(core, result)
    }

    fn profile(&self) -> Profile {
        Profile::M(self.identity.profile)
    }
}

impl<L: Link> Memory for CortexMTarget<L> {
    fn read_memory(&mut self, address: PhysicalAddress, buffer: &mut [u8]) -> TargetResult<(), Self> {
        let Ok(range) = AddressRange::new(address.0, buffer.len() as u64) else { return Ok(()) };
        let port = self.memory();
        memory_map::told(self.link.with(port, |bus| bus.read_bytes(address.0, buffer)), range)
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
        let result = self.link.with(port, |bus| {
            bus.write_bytes(address.0, bytes)?;
            bus.flush()
        });
        memory_map::told(result, range)
    }

    fn synchronize_instructions(&mut self, _: PhysicalAddress, _: usize) -> TargetResult<(), Self> {
        for core in self.cores.iter().filter(|core| core.identity.caches && core.state == CoreState::Halted) {
            let result = core.with(&mut self.link, |unit| unit.synchronize_instructions());
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
        if let Some(entry) = self.cores.get_mut(usize::from(core.0)) {
            entry.wanted = arming.bank;
        }
        let (entry, link) = self.halted(core)?;
        let result = entry.arm(link);
        result.map_err(|error| self.failed(core, error))
    }
}

impl<L: Link> RunControl for CortexMTarget<L> {
    fn core_state(&mut self, core: CoreId) -> TargetResult<CoreState, Self> {
        let entry = self.cores.get(usize::from(core.0)).ok_or(Refusal::NoSuchCore(core))?;
        Ok(entry.state)
    }

    fn resume(&mut self, core: CoreId, how: Resume) -> TargetResult<(), Self> {
        let (entry, link) = self.halted(core)?;
        let result = entry.restart(link, how);
        result.map_err(|error| self.failed(core, error))
    }

    fn halt(&mut self, core: CoreId) -> TargetResult<(), Self> {
        let entry = self.cores.get_mut(usize::from(core.0)).ok_or(Refusal::NoSuchCore(core))?;
        match entry.state {
            CoreState::Halted => return Ok(()),
            CoreState::Off => return Err(Refusal::Off(core).into()),
            CoreState::Running => {}
        }
        match entry.with(&mut self.link, |unit| unit.halt()) {
            Ok(()) => {
                entry.halted();
                Ok(())
            }
            Err(error) => Err(self.failed(core, error)),
        }
    }

    fn steps_with_interrupts_disabled(&self) -> bool {
        true
    }
}
