//! Any sequence of reserving and releasing leaves pools that say and arm what a plain list of the requests
//! does, and a refusal changes nothing.

use arbitrary::{Arbitrary, Unstructured};
use trapline_core::address::AddressRange;
use trapline_core::breakpoint::{Breakpoint, Context, Instruction};
use trapline_core::comparator::{Bank, Capabilities};
use trapline_core::pool::{BreakpointPool, Owner, PoolError, Slots, WatchpointPool};
use trapline_core::scope::Scope;
use trapline_core::watchpoint::{Access, Watchpoint};

use crate::hardware::{State, check_breakpoint, check_watchpoint};

/// A core, and what is done to its pools.
#[derive(Arbitrary, Debug)]
struct Core {
    breakpoints: u8,
    context_aware: u8,
    watchpoints: u8,
    features: u8,
}

#[derive(Arbitrary, Debug)]
enum Step {
    Reserve(Request, u8),
    Release(Request, u8),
    ReleaseOwner(u8),
}

#[derive(Arbitrary, Debug)]
enum Request {
    At { place: u8, linking: bool, context: Option<u8> },
    Inside { place: u8, size: u8, linking: bool },
    Outside { place: u8, size: u8, linking: bool },
    Context { id: u8, linking: bool },
    Watch { place: u8, length: u8, access: u8, kind: u8 },
}

/// A request as a pool takes it.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Made {
    Breakpoint(Breakpoint),
    Watchpoint(Watchpoint),
}

const BASE: u64 = 0x4000_0000;
const STATE: State = State { contextidr_el1: 1, vmid: 1, ..State::GUEST_KERNEL };

fn context(id: u8) -> Context {
    if id & 2 == 0 { Context::ContextIdEl1((id & 1).into()) } else { Context::Vmid((id & 1).into()) }
}

fn make(request: &Request) -> Option<Made> {
    let scope = Scope::EL1_AND_EL0;
    let aligned = |place: u8, size: u8| {
        let length = 8_u64 << (size % 3);
        AddressRange::new(BASE + length * u64::from(place % 4), length)
    };
    let (breakpoint, linking) = match *request {
        Request::At { place, linking, context: id } => {
            let at = Breakpoint::at(BASE + 4 * u64::from(place % 8), Instruction::A64, scope).ok()?;
            (id.map_or(at, |id| at.linked(context(id))), linking)
        }
        Request::Inside { place, size, linking } => {
            (Breakpoint::inside(aligned(place, size).ok()?, scope).ok()?, linking)
        }
        Request::Outside { place, size, linking } => {
            (Breakpoint::outside(aligned(place, size).ok()?, scope).ok()?, linking)
        }
        Request::Context { id, linking } => (Breakpoint::in_context(context(id), scope), linking),
        Request::Watch { place, length, access, kind } => {
            let range = AddressRange::new(BASE + u64::from(place % 32), u64::from(length % 40)).ok()?;
            let access = [Access::Read, Access::Write, Access::ReadWrite][usize::from(access % 3)];
            let watchpoint = Watchpoint::new(range, access, scope);
            return Some(Made::Watchpoint(match kind % 4 {
                0 => watchpoint.covered(),
                1 => Watchpoint::outside(range, access, scope),
                _ => watchpoint,
            }));
        }
    };
    Some(Made::Breakpoint(if linking { breakpoint.as_link_target().ok()? } else { breakpoint }))
}

/// Both pools, and what they should hold.
struct Pools {
    capabilities: Capabilities,
    breakpoints: BreakpointPool,
    watchpoints: WatchpointPool,
    /// Each reference apart.
    held: Vec<(Made, Owner)>,
}

impl Pools {
    fn reserve(&mut self, request: Made, owner: Owner) -> Result<(), PoolError> {
        match request {
            Made::Breakpoint(breakpoint) => self.breakpoints.reserve(breakpoint, owner),
            Made::Watchpoint(watchpoint) => self.watchpoints.reserve(watchpoint, owner),
        }
    }

    fn release(&mut self, request: Made, owner: Owner) -> Result<(), PoolError> {
        match request {
            Made::Breakpoint(breakpoint) => self.breakpoints.release(&breakpoint, owner),
            Made::Watchpoint(watchpoint) => self.watchpoints.release(&watchpoint, owner),
        }
    }

    fn armed(&self) -> Bank {
        let mut bank = Bank::default();
        self.breakpoints.arm(&mut bank.breakpoints, Slots::NONE);
        self.watchpoints.arm(&mut bank.watchpoints, Slots::NONE);
        bank
    }

    fn carry_out(&mut self, step: &Step) {
        let before = self.armed();
        match step {
            Step::Reserve(request, owner) => {
                let (Some(request), owner) = (make(request), Owner(owner % 2)) else { return };
                match self.reserve(request, owner) {
                    Ok(()) => self.held.push((request, owner)),
                    Err(error) => {
                        assert!(!error.to_string().is_empty());
                        assert_eq!(self.armed(), before, "{request:?} was refused: {error}");
                    }
                }
            }
            Step::Release(request, owner) => {
                let Some(request) = make(request) else { return };
                let request = (request, Owner(owner % 2));
                let index = self.held.iter().position(|held| *held == request);
                assert_eq!(self.release(request.0, request.1).is_ok(), index.is_some(), "{request:?}");
                index.map(|index| self.held.swap_remove(index));
            }
            Step::ReleaseOwner(owner) => {
                let owner = Owner(owner % 2);
                self.breakpoints.release_owner(owner);
                self.watchpoints.release_owner(owner);
                self.held.retain(|(_, held)| *held != owner);
            }
        }
    }

    /// Compares what stops with what was asked for.
    fn compare(&self) {
        let bank = self.armed();
        let Capabilities { breakpoints: pairs, context_aware, watchpoints, .. } = self.capabilities;
        assert_eq!(self.breakpoints.used() + self.breakpoints.free(), pairs);
        assert_eq!(self.watchpoints.used() + self.watchpoints.free(), watchpoints);
        let enabled = |pairs: &[_]| {
            pairs.iter().filter(|pair: &&trapline_core::comparator::Pair| pair.is_enabled()).count()
        };
        assert_eq!(enabled(&bank.breakpoints), usize::from(self.breakpoints.used()));
        assert_eq!(enabled(&bank.watchpoints), usize::from(self.watchpoints.used()));
        let references = self.breakpoints.iter().map(|r| usize::from(r.references)).sum::<usize>()
            + self.watchpoints.iter().map(|r| usize::from(r.references)).sum::<usize>();
        assert_eq!(references, self.held.len());

        let first_aware = usize::from(pairs - context_aware);
        for pc in (BASE - 8..BASE + 0x90).step_by(4) {
            let wanted = self.held.iter().any(|(held, _)| match held {
                Made::Breakpoint(breakpoint) => {
                    // The state is in the contexts whose lowest bit is set.
                    let right = match breakpoint.context() {
                        Some(Context::ContextIdEl1(id)) => id == 1,
                        Some(Context::Vmid(id)) => id == 1,
                        _ => true,
                    };
                    right && breakpoint.can_match(pc)
                }
                Made::Watchpoint(_) => false,
            });
            assert_eq!(check_breakpoint(&bank, pc, STATE, first_aware), wanted, "{pc:#x} {:?}", self.held);
        }
        for address in BASE - 2..BASE + 80 {
            for write in [false, true] {
                let hit = check_watchpoint(&bank, address, 1, write, STATE, first_aware);
                let asked = |covered: bool| {
                    self.held.iter().any(|(held, _)| match held {
                        Made::Watchpoint(watchpoint) if watchpoint.is_covered() == covered => {
                            watchpoint.access().includes(Some(write))
                                && (covered && !watchpoint.is_outside()
                                    || watchpoint.range().contains(address) != watchpoint.is_outside())
                        }
                        _ => false,
                    })
                };
                assert!(!asked(false) || hit, "{address:#x} is not watched, {:?}", self.held);
                assert!(!hit || asked(false) || asked(true), "{address:#x} is watched, {:?}", self.held);
            }
        }
    }
}

/// Carries out any sequence of steps.
///
/// # Panics
/// Where pools and list differ.
pub fn check(data: &[u8]) {
    let mut source = Unstructured::new(data);
    let Ok(core) = source.arbitrary::<Core>() else { return };
    let pairs = 2 + core.breakpoints % 6;
    let capabilities = Capabilities {
        breakpoints: pairs,
        context_aware: 1 + core.context_aware % pairs,
        watchpoints: 2 + core.watchpoints % 6,
        mismatch: core.features & 1 != 0,
        watchpoint_mismatch: core.features & 2 != 0,
        address_linking: if core.features & 4 != 0 { u16::MAX } else { 0 },
        ..Capabilities::NONE
    };
    let mut pools = Pools {
        capabilities,
        breakpoints: BreakpointPool::new(&capabilities),
        watchpoints: WatchpointPool::new(&capabilities),
        held: Vec::new(),
    };
    for _ in 0..32 {
        let Ok(step) = source.arbitrary::<Step>() else { break };
        pools.carry_out(&step);
        if source.is_empty() {
            break;
        }
    }
    pools.compare();
}
