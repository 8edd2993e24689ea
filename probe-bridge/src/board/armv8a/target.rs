//! All cores as the engine's target.

use trapline_core::address::{AddressRange, PhysicalAddress};
use trapline_core::comparator::{Bank, Capabilities};
use trapline_core::registers::DebugStatus;
use trapline_core::scope::Scope;
use trapline_core::target::{
    Arming, Backend, BreakInstruction, Comparators, CoreId, CoreState, DebugStateEntry, Event, Memory,
    Refusal, Register, Registers, Resume, RunControl, SystemRegister, TargetError, TargetResult,
};

use super::core::Core;
use super::debug_unit::{CoreAddresses, DebugUnit, is_external};
use crate::board::BoardTarget;
use crate::board::cores::{Access, BoardCore as _, Cores};
use crate::board::error::{BoardError, Result};
use crate::board::link::{Bus, Link, Port};
use crate::board::memory_map::told;

/// Armv8-A cores, over any way to their buses.
///
/// Cores halt together: the hardware tells the others of a stop, through the cross-trigger matrix. Those that were
/// halted by it run on where the engine passes the stop over; [`Self::poll`] sees to that.
#[derive(Debug)]
pub struct Armv8aTarget<L> {
    cores: Cores<Core, L>,
    capabilities: Capabilities,
    /// The core that is looked at first: the one behind that which had the last word, so that none is starved by
    /// another that stops as often.
    first: usize,
    /// Halted cores of which [`Self::poll`] is to say so.
    called: Vec<CoreId>,
}

impl<L: Link> Armv8aTarget<L> {
    /// Takes the cores over: opens their locks, and clears what an earlier session has left in their comparators.
    /// They keep running, or stay halted.
    ///
    /// # Errors
    /// [`BoardError`].
    pub fn attach(mut link: L, addresses: &[CoreAddresses]) -> Result<Self> {
        let mut cores: Vec<_> =
            (0..).zip(addresses).map(|(number, &at)| Core::new(CoreId(number), at)).collect();
        let mut capabilities: Option<Capabilities> = None;
        for core in &mut cores {
            core.with(&mut link, |unit| unit.check())?;
            if !core.with(&mut link, |unit| unit.state())?.pu() {
                core.off();
                continue;
            }
            let own = core.with(&mut link, |unit| {
                unit.open()?;
                unit.capabilities()
            })?;
            clear(core, &mut link, own)?;
            // All cores are armed alike, so the poorest counts.
            capabilities = Some(capabilities.map_or(own, |others| Capabilities {
                breakpoints: own.breakpoints.min(others.breakpoints),
                context_aware: own.context_aware.min(others.context_aware),
                watchpoints: own.watchpoints.min(others.watchpoints),
                mismatch: own.mismatch && others.mismatch,
                watchpoint_mismatch: own.watchpoint_mismatch && others.watchpoint_mismatch,
                address_linking: own.address_linking & others.address_linking,
                ..Capabilities::NONE
            }));
            if core.with(&mut link, |unit| unit.state())?.halted() {
                core.halted();
            }
        }
        let capabilities = capabilities.ok_or(BoardError::NoPower)?;
        let cores = Cores { link, all: cores };
        Ok(Self { cores, capabilities, first: 0, called: Vec::new() })
    }

    /// The way to the buses.
    pub const fn link(&mut self) -> &mut L {
        &mut self.cores.link
    }

    fn core(&mut self, core: CoreId) -> Result<&mut Core> {
        let count = self.cores.all.len();
        self.cores
            .all
            .get_mut(usize::from(core.0))
            .ok_or(BoardError::Description { chip: format!("with {count} cores"), what: "has no such core" })
    }
}

/// Whether a core has power, once it is one that lets a debugger in.
pub(in crate::board) fn has_power(bus: &mut dyn Bus, core: CoreId, at: CoreAddresses) -> Result<bool> {
    let mut unit = DebugUnit { core, bus, at };
    unit.check()?;
    Ok(unit.state()?.pu())
}

/// Empties all comparators, whatever is in them.
fn clear(core: &mut Core, link: &mut impl Link, capabilities: Capabilities) -> Result<()> {
    let Capabilities { breakpoints, watchpoints, .. } = capabilities;
    core.with(link, |unit| {
        for number in 0..usize::from(breakpoints) {
            unit.write_breakpoint(number, trapline_core::comparator::Pair::DISABLED)?;
        }
        for number in 0..usize::from(watchpoints) {
            unit.write_watchpoint(number, trapline_core::comparator::Pair::DISABLED)?;
        }
        unit.set_step(false)?;
        unit.bus.flush()
    })?;
    core.standing = Bank::default();
    Ok(())
}

/// A core has power again: it is set up anew, with what is to be armed.
fn power_up(core: &mut Core, link: &mut impl Link) -> Result<()> {
    core.off();
    core.with(link, |unit| unit.open())?;
    core.arm(link)?;
    core.state = CoreState::Running;
    Ok(())
}

/// Why a core is in Debug state.
fn entry(core: &Core, link: &mut impl Link, status: DebugStatus) -> Result<DebugStateEntry> {
    Ok(match status {
        DebugStatus::BREAKPOINT => DebugStateEntry::Breakpoint,
        DebugStatus::WATCHPOINT => {
            DebugStateEntry::Watchpoint { address: core.with(link, |unit| unit.watched_address())? }
        }
        DebugStatus::HALT_INSTRUCTION => DebugStateEntry::HaltInstruction,
        DebugStatus::EXTERNAL_REQUEST => DebugStateEntry::ExternalRequest,
        status if status.is_step() => DebugStateEntry::Step,
        status => DebugStateEntry::Other(status.into_bits()),
    })
}

/// What a look at the cores that run has found.
enum Look {
    /// One has halted for a reason of its own.
    Own(CoreId, Event),
    /// This one was halted by a request, and no other one has halted for a reason of its own.
    FromOutside(CoreId),
    /// They run.
    Nothing,
}

impl<L: Link> Armv8aTarget<L> {
    fn look(&mut self) -> Result<Look> {
        let mut halted_from_outside = None;
        let Cores { link, all } = &mut self.cores;
        let count = all.len();
        for number in (self.first..count).chain(0..self.first) {
            let Some(core) = all.get_mut(number) else { break };
            if core.state == CoreState::Halted {
                continue;
            }
            let state = core.with(link, |unit| unit.state())?;
            match (core.state, state.pu()) {
                (CoreState::Off, false) => continue,
                (CoreState::Off, true) => power_up(core, link)?,
                (_, false) => {
                    tracing::warn!("{} has lost its power", core.id);
                    core.off();
                    continue;
                }
                (_, true) if state.spd() => power_up(core, link)?,
                _ => {}
            }
            if !state.halted() {
                continue;
            }
            let status = core.with(link, |unit| unit.status())?.status();
            if is_external(status) {
                halted_from_outside = Some(core.id);
                continue;
            }
            core.halted();
            self.first = (number + 1) % count;
            let entry = entry(core, link, status)?;
            return Ok(Look::Own(core.id, Event::DebugState(entry)));
        }
        Ok(halted_from_outside.map_or(Look::Nothing, Look::FromOutside))
    }
}

impl<L: Link> BoardTarget for Armv8aTarget<L> {
    fn poll(&mut self) -> Result<Option<(CoreId, Event)>> {
        self.cores.link.refresh();
        if let Some(core) = self.called.pop() {
            return Ok(Some((core, Event::CalledBack)));
        }
        let mut look = self.look()?;
        if let Look::FromOutside(_) = look {
            // One that was looked at before this one may have halted in between, and have halted this one.
            look = self.look()?;
        }
        match look {
            Look::Own(core, event) => Ok(Some((core, event))),
            // Nobody has news of his own, so it is nobody's of these cores: another tool has halted them.
            Look::FromOutside(core) => {
                self.core(core)?.halted();
                Ok(Some((core, Event::DebugState(DebugStateEntry::ExternalRequest))))
            }
            Look::Nothing => Ok(None),
        }
    }

    fn release(&mut self) -> Result<()> {
        let Cores { link, all } = &mut self.cores;
        for core in all {
            if core.state != CoreState::Running || core.how != Resume::Run {
                continue;
            }
            if core.with(link, |unit| unit.state())?.halted()
                && is_external(core.with(link, |unit| unit.status())?.status())
            {
                core.restart(link, Resume::Run)?;
            }
        }
        Ok(())
    }

    fn detach(&mut self) -> Result<()> {
        let mut result = Ok(());
        let Cores { link, all } = &mut self.cores;
        for core in all {
            if core.state == CoreState::Off {
                continue;
            }
            core.wanted = Bank::default();
            let freed = (|| {
                core.arm(link)?;
                core.with(link, |unit| unit.close())?;
                core.how = Resume::Run;
                if core.state == CoreState::Halted { core.restart(link, Resume::Run) } else { Ok(()) }
            })();
            result = result.and(freed);
        }
        self.cores.link.released();
        result
    }
}

impl<L: Link> Backend for Armv8aTarget<L> {
    type Error = BoardError;

    fn cores(&self) -> u16 {
        self.cores.count()
    }
}

impl<L: Link> Registers for Armv8aTarget<L> {
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

    fn system_register(&self, index: usize) -> Option<SystemRegister> {
        SHOWN.get(index).copied()
    }
}

/// System registers that clients are shown.
const SHOWN: [SystemRegister; 12] = [
    SystemRegister::SCTLR_EL1,
    SystemRegister::TTBR0_EL1,
    SystemRegister::TTBR1_EL1,
    SystemRegister::TCR_EL1,
    SystemRegister::MAIR_EL1,
    SystemRegister::VBAR_EL1,
    SystemRegister::ESR_EL1,
    SystemRegister::FAR_EL1,
    SystemRegister::ELR_EL1,
    SystemRegister::SPSR_EL1,
    SystemRegister::SP_EL0,
    SystemRegister::CONTEXTIDR_EL1,
];

impl<L: Link> Memory for Armv8aTarget<L> {
    fn read_memory(&mut self, address: PhysicalAddress, buffer: &mut [u8]) -> TargetResult<(), Self> {
        let Ok(range) = AddressRange::new(address.0, buffer.len() as u64) else { return Ok(()) };
        if !self.cores.link.has_memory() {
            return self.by_core(|core, link| core.read_memory(link, range, buffer));
        }
        let result = self.cores.link.with(Port::Memory, |bus| bus.read_bytes(address.0, buffer));
        told(result, range)
    }

    fn write_memory(&mut self, address: PhysicalAddress, bytes: &[u8]) -> TargetResult<(), Self> {
        let Ok(range) = AddressRange::new(address.0, bytes.len() as u64) else { return Ok(()) };
        // All of it is memory, or none of it is written.
        self.read_memory(address, &mut vec![0; bytes.len()])?;
        if !self.cores.link.has_memory() {
            return self.by_core(|core, link| core.write_memory(link, range, bytes));
        }
        let result = self.cores.link.with(Port::Memory, |bus| {
            bus.write_bytes(address.0, bytes)?;
            bus.flush()
        });
        told(result, range)
    }

    fn synchronize_instructions(&mut self, _: PhysicalAddress, _: usize) -> TargetResult<(), Self> {
        // One core's invalidation reaches those of all, in the inner shareable domain.
        self.by_core(Core::synchronize_instructions)
    }
}

impl<L: Link> Armv8aTarget<L> {
    /// Has a halted core do something.
    fn by_core(&mut self, work: impl FnOnce(&mut Core, &mut L) -> Access<()>) -> TargetResult<(), Self> {
        let halted = self.cores.all.iter().find(|core| core.state == CoreState::Halted).map(|core| core.id);
        let core = halted.ok_or(Refusal::Running(CoreId(0)))?;
        self.cores.on_halted(core, work)
    }
}

impl<L: Link> Comparators for Armv8aTarget<L> {
    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn scope(&self) -> Scope {
        Scope::ALL
    }

    fn break_instruction(&self) -> BreakInstruction {
        BreakInstruction::Hlt
    }

    fn commit(&mut self, core: CoreId, arming: &Arming) -> TargetResult<(), Self> {
        self.cores.commit(core, arming.bank)
    }
}

impl<L: Link> RunControl for Armv8aTarget<L> {
    fn core_state(&mut self, core: CoreId) -> TargetResult<CoreState, Self> {
        self.cores.state(core)
    }

    fn resume(&mut self, core: CoreId, how: Resume) -> TargetResult<(), Self> {
        self.cores.on_halted(core, |core, link| core.restart(link, how).map_err(TargetError::Lost))
    }

    fn call_back(&mut self, core: CoreId) -> TargetResult<bool, Self> {
        self.cores.on_halted(core, |_, _| Ok(()))?;
        if !self.called.contains(&core) {
            self.called.push(core);
        }
        Ok(true)
    }

    fn halt(&mut self, core: CoreId) -> TargetResult<(), Self> {
        self.called.retain(|called| *called != core);
        self.cores.on_running(core, |entry, link| {
            let state = entry.with(link, |unit| {
                let state = unit.state()?;
                // It may have halted by itself, or with another one.
                if !state.halted() && state.pu() {
                    unit.halt()?;
                }
                unit.state()
            });
            if state.map_err(TargetError::Lost)?.pu() {
                entry.halted();
                Ok(())
            } else {
                entry.off();
                Err(Refusal::Off(core).into())
            }
        })
    }

    fn steps_with_interrupts_disabled(&self) -> bool {
        true
    }
}
