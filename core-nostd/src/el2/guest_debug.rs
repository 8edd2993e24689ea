//! One vCPU's debug: what stands in the hardware while it runs, and whose the exceptions are.

use super::own::{Answer, OwnRegisters};
use super::own_step::{OwnStep, SS};
use crate::breakpoint;
use crate::comparator::{Bank, Capabilities};
use crate::context::{self, DebugContext, DebugRegisters};
use crate::own_pairs::{Displaced, merge};
use crate::registers::{MdcrEl2, Pstate, Spsr};
use crate::stop::Cause;
use crate::syndrome::SystemRegisterAccess;
use crate::target::{Arming, Event, Resume};
use crate::watchpoint;

/// What [`GuestDebug`] sees of a vCPU that has left its guest. Its EL1 uses AArch64.
pub trait GuestState {
    /// The program counter: `ELR_EL2` at the exit.
    fn pc(&self) -> u64;
    /// `PSTATE`: `SPSR_EL2` at the exit.
    fn pstate(&self) -> Pstate;
    /// Changes `PSTATE`, as it will be at the next entry.
    fn set_pstate(&mut self, pstate: Pstate);
    /// `VBAR_EL1`.
    fn vbar_el1(&self) -> u64;
    /// `ELR_EL1`.
    fn elr_el1(&self) -> u64;
    /// `SPSR_EL1`.
    fn spsr_el1(&self) -> Spsr;
    /// Writes `SPSR_EL1`.
    fn set_spsr_el1(&mut self, spsr: Spsr);
}

/// Whose a debug exception is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Verdict {
    /// Perhaps the debugger's: for [`crate::debugger::Debugger::on_event`].
    Debugger(Event),
    /// Surely the guest's, whatever the debugger has armed: for
    /// [`crate::debugger::Debugger::on_guest_event`].
    Guest(Event),
    /// Nobody's: the guest runs on.
    RunOn,
}

/// What stands in the debug registers of the core.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Placed {
    /// Something of another vCPU, or of nobody.
    Nothing,
    /// The guest's own registers, which it uses directly.
    Own,
    /// The debugger's, with the guest's merged in.
    Debugger,
}

/// The debug hardware of one vCPU, shared by its guest and a debugger.
///
/// As long as the debugger has nothing armed, the guest has the hardware: nothing is trapped, and the
/// debugger is not noticed. From the first armed request on all debug exceptions of the guest are taken to
/// EL2 (`MDCR_EL2.TDE`), its own registers are in [`OwnRegisters`], its accesses to them trap, and its own
/// comparators are armed beside the debugger's as far as there are free ones.
///
/// Used in this order: [`Self::arm`] and [`Self::resume`] as the engine says it, [`Self::enter`] before
/// every entry, [`Self::on_exception`] and [`Self::on_access`] after an exit that they are for, and
/// [`Self::leave`] before the core runs another vCPU.
#[derive(Clone, Debug)]
pub struct GuestDebug {
    capabilities: Capabilities,
    aarch32: bool,
    own: OwnRegisters,
    own_step: OwnStep,
    arming: Arming,
    /// The debugger steps.
    step: bool,
    /// The next entry begins with a step.
    begin_step: bool,
    placed: Placed,
    /// Where the debugger's are placed: they are not up to date.
    stale: bool,
    displaced: Displaced,
}

impl GuestDebug {
    /// For a vCPU after its reset, on cores with these comparators. `aarch32` says whether EL1 can use
    /// AArch32 (`ID_AA64PFR0_EL1.EL1` is 2).
    #[must_use]
    pub fn new(capabilities: Capabilities, aarch32: bool) -> Self {
        let mut own = OwnRegisters::new();
        own.context.dbgvcr32_el2 = aarch32.then_some(0);
        Self {
            capabilities,
            aarch32,
            own,
            own_step: OwnStep::default(),
            arming: Arming::default(),
            step: false,
            begin_step: false,
            placed: Placed::Nothing,
            stale: false,
            displaced: Displaced::default(),
        }
    }

    /// What the debug hardware offers.
    #[must_use]
    pub const fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    /// The guest's own pairs that were not armed at the last entry, for the debugger has left no room.
    #[must_use]
    pub const fn displaced(&self) -> Displaced {
        self.displaced
    }

    /// The guest's own registers, while they are not in the hardware; `None` while they are.
    #[must_use]
    pub fn own_registers(&self) -> Option<&OwnRegisters> {
        (self.placed != Placed::Own).then_some(&self.own)
    }

    /// What the debugger wants trapped from the next entry on; see
    /// [`crate::target::Comparators::commit`].
    pub fn arm(&mut self, arming: &Arming) {
        self.arming = *arming;
        self.stale = true;
    }

    /// How the debugger wants the vCPU to run from the next entry on; see
    /// [`crate::target::RunControl::resume`].
    pub fn resume(&mut self, how: Resume) {
        let step = how == Resume::Step;
        self.stale |= step != self.step;
        self.step = step;
        self.begin_step = self.is_stepped();
    }

    /// Whether debug exceptions and accesses to debug registers are taken to EL2.
    fn is_debugged(&self) -> bool {
        self.step || !self.arming.is_disarmed()
    }

    /// Whether the hardware is to step.
    fn is_stepped(&self) -> bool {
        self.step || self.own.step_enabled()
    }

    /// Prepares the core for entering the guest: its debug registers, and what of `PSTATE` steps. Answers the
    /// `MDCR_EL2` to enter with, made of the hypervisor's own.
    ///
    /// # Errors
    /// Where a register cannot be reached.
    pub fn enter<R: DebugRegisters, G: GuestState>(
        &mut self,
        registers: &mut R,
        mdcr_el2: MdcrEl2,
        guest: &mut G,
    ) -> Result<MdcrEl2, R::Error> {
        if !self.is_debugged() {
            if self.placed != Placed::Own {
                self.own.context.restore(registers, &self.capabilities)?;
                if self.placed == Placed::Debugger {
                    set_ss(guest, self.own_step.ss);
                }
                self.placed = Placed::Own;
                self.displaced = Displaced::default();
            }
            return Ok(context::release_guest_debug(mdcr_el2));
        }
        if self.placed != Placed::Debugger {
            if self.placed == Placed::Own {
                self.own.context = DebugContext::save(registers, &self.capabilities, self.aarch32)?;
            }
            let pstate = guest.pstate();
            self.own_step = OwnStep::new(self.own.steps_from(pstate) && pstate.into_bits() & SS != 0);
            self.begin_step = self.is_stepped();
            self.placed = Placed::Debugger;
            self.stale = true;
        }
        if self.stale {
            self.merged().restore(registers, &self.capabilities)?;
            self.stale = false;
        }
        if self.is_stepped() && self.begin_step {
            let pending = self.own_step.is_pending(&self.own, guest.pstate());
            self.own_step.begin(&self.own, guest);
            // With SS clear the exception comes at once, without an instruction.
            set_ss(guest, !pending);
            self.begin_step = false;
        }
        Ok(context::trap_guest_debug(mdcr_el2))
    }

    /// Takes the vCPU's registers out of the core, which has nothing armed then.
    ///
    /// # Errors
    /// Where a register cannot be reached.
    pub fn leave<R: DebugRegisters, G: GuestState>(
        &mut self,
        registers: &mut R,
        guest: &mut G,
    ) -> Result<(), R::Error> {
        match self.placed {
            Placed::Nothing => return Ok(()),
            Placed::Own => {
                self.own.context = DebugContext::save(registers, &self.capabilities, self.aarch32)?;
            }
            Placed::Debugger => set_ss(guest, self.own_step.ss),
        }
        self.placed = Placed::Nothing;
        DebugContext::default().restore(registers, &self.capabilities)
    }

    /// What is to stand in the hardware for the debugger and the guest together.
    fn merged(&mut self) -> DebugContext {
        let mut bank = self.arming.bank;
        self.displaced = Displaced::default();
        let own_enabled = self.own.comparators_enabled() && !self.arming.hides_own;
        if own_enabled {
            self.displaced = merge(&mut bank, &self.own.context.bank, &self.capabilities);
        }
        DebugContext {
            mdscr_el1: context::mdscr_for_guest_debug(
                self.own.context.mdscr_el1,
                !bank.is_disarmed(),
                self.is_stepped(),
            ),
            bank,
            os_lock: false,
            ..self.own.context
        }
    }

    /// Says whose a debug exception is that was taken to EL2. Afterwards `guest` has the `PSTATE` that the
    /// guest itself would see, its SS among it.
    pub fn on_exception<G: GuestState>(&mut self, event: Event, guest: &mut G) -> Verdict {
        if self.placed != Placed::Debugger {
            // It was not taken for the debugger's sake: a hypervisor's own TDE.
            return Verdict::Guest(event);
        }
        let cause = Cause::of(&event);
        let verdict = match cause {
            Cause::Step => self.on_step(event, guest),
            Cause::Breakpoint => {
                let ours = matches_at(&self.arming.bank, guest.pc());
                let own = !ours && matches_at(&self.own.context.bank, guest.pc());
                if own { Verdict::Guest(event) } else { Verdict::Debugger(event) }
            }
            Cause::Watchpoint { address, write, pair, .. } => {
                let own = self.is_own_watchpoint(address, write, pair);
                if own { Verdict::Guest(event) } else { Verdict::Debugger(event) }
            }
            _ => Verdict::Debugger(event),
        };
        if verdict != Verdict::RunOn {
            set_ss(guest, self.own_step.ss);
            // Whatever comes of it, the instruction that was to be stepped is not under way any more.
            self.begin_step = self.is_stepped();
        }
        verdict
    }

    /// Whether a watchpoint is the guest's: by its number, or else because bytes that the guest watches are
    /// nearer to the address.
    fn is_own_watchpoint(&self, address: Option<u64>, write: Option<bool>, pair: Option<u8>) -> bool {
        if let Some(pair) = pair {
            let ours = self.arming.bank.watchpoints.get(usize::from(pair));
            return !ours.is_some_and(|pair| pair.is_enabled());
        }
        let Some(address) = address else { return false };
        let own = distance(&self.own.context.bank, address, write).filter(|_| self.own.comparators_enabled());
        let ours = distance(&self.arming.bank, address, write);
        own.is_some_and(|own| ours.is_none_or(|ours| own < ours))
    }

    fn on_step(&mut self, event: Event, guest: &mut impl GuestState) -> Verdict {
        self.own_step.end(&self.own, guest);
        if self.own_step.is_pending(&self.own, guest.pstate()) {
            return Verdict::Guest(event);
        }
        if self.step {
            return Verdict::Debugger(event);
        }
        self.begin_step = self.is_stepped();
        Verdict::RunOn
    }

    /// Carries out a trapped access (EC 0x18) of the guest to a debug register, which writes `value` if it
    /// is a write. The hypervisor advances the guest behind the instruction, or lets it take an exception.
    pub fn on_access(&mut self, access: SystemRegisterAccess, value: u64) -> Answer {
        let stepped = self.is_stepped();
        let answer = self.own.access(access, value, &self.capabilities);
        if answer != Answer::Undefined {
            // It is done, and so is a step of the guest's own over it.
            self.own_step.ss = false;
        }
        if answer == Answer::Written {
            self.stale = true;
            self.begin_step |= self.is_stepped() && !stepped;
        }
        answer
    }
}

/// Whether a breakpoint of a bank matches at `pc`.
fn matches_at(bank: &Bank, pc: u64) -> bool {
    bank.breakpoints.iter().any(|pair| match breakpoint::decode(*pair) {
        breakpoint::Decoded::Armed { breakpoint, .. } => breakpoint.can_match(pc),
        _ => false,
    })
}

/// How far a reported address is from what the nearest watchpoint of a bank watches for such an access.
fn distance(bank: &Bank, address: u64, write: Option<bool>) -> Option<u64> {
    let distances = bank.watchpoints.iter().filter_map(|pair| match watchpoint::decode(*pair) {
        watchpoint::Decoded::Armed { watched, outside, access, .. } if access.includes(write) => {
            Some(if outside { u64::from(watched.contains(address)) } else { watched.distance(address) })
        }
        _ => None,
    });
    distances.min()
}

/// Sets or clears `PSTATE.SS`.
fn set_ss(guest: &mut impl GuestState, ss: bool) {
    let others = guest.pstate().into_bits() & !SS;
    guest.set_pstate(Pstate::from_bits(if ss { others | SS } else { others }));
}
