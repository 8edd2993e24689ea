//! One core: what stands in its comparators, and its registers.

use std::collections::HashMap;

use trapline_core::comparator::{Bank, Capabilities, MAX_PAIRS, Pair};
use trapline_core::m_profile::WatchpointUnit;
use trapline_core::target::{
    CoreId, CoreState, DebugStateEntry, MProfile, Refusal, Register, Resume, SpecialRegister, TargetError,
};

use super::debug_unit::{DebugUnit, Identity};
use super::registers::{PC, S0};
use crate::board::cores::{Access, BoardCore};
use crate::board::error::{BoardError, Result};
use crate::board::link::{Link, Port};

/// What is known of one core.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) id: CoreId,
    pub(super) identity: Identity,
    pub(super) state: CoreState,
    /// What stands in the comparators; nothing is known of them after a reset.
    standing: Option<Bank>,
    /// What is to stand there.
    pub(super) wanted: Bank,
    /// What it last ran for: for all but a plain run its interrupts are masked.
    how: Resume,
    /// Registers that have been read since the core halted, by their numbers in `DCRSR`.
    known: HashMap<u8, u32>,
}

impl Core {
    /// Takes a core over: nothing is armed in it.
    pub(super) fn attach(link: &mut impl Link, id: CoreId) -> Result<Self> {
        let (identity, halted) = link.with(Port::Core(id.0), |bus| {
            let mut unit = DebugUnit { core: id, bus };
            unit.open()?;
            let identity = unit.identify()?;
            Ok((identity, unit.status()?.is_halted()))
        })?;
        let state = if halted { CoreState::Halted } else { CoreState::Running };
        let mut core = Self {
            id,
            identity,
            state,
            standing: None,
            wanted: Bank::default(),
            how: Resume::Run,
            known: HashMap::new(),
        };
        core.arm(link)?;
        Ok(core)
    }

    /// Works on the core's debug registers.
    pub(super) fn with<R>(
        &self,
        link: &mut impl Link,
        work: impl FnOnce(&mut DebugUnit<'_>) -> Result<R>,
    ) -> Result<R> {
        let core = self.id;
        link.with(Port::Core(core.0), |bus| work(&mut DebugUnit { core, bus }))
    }

    /// The core has halted: everything is still to be read.
    pub(super) fn halted(&mut self) {
        self.state = CoreState::Halted;
        self.known.clear();
    }

    /// The core was reset, or answers again: it is set up anew, with what is to be armed.
    pub(super) fn set_up(&mut self, link: &mut impl Link) -> Result<()> {
        self.off();
        self.with(link, |unit| unit.open())?;
        self.arm(link)?;
        self.state = CoreState::Running;
        Ok(())
    }

    /// Lets the core run, or execute one instruction.
    pub(super) fn restart(&mut self, link: &mut impl Link, how: Resume) -> Result<()> {
        let masked = self.how != Resume::Run;
        self.with(link, |unit| unit.restart(how, masked))?;
        self.how = how;
        self.state = CoreState::Running;
        self.known.clear();
        Ok(())
    }

    /// Gives the core back: nothing is armed, and it runs.
    pub(super) fn free(&mut self, link: &mut impl Link) -> Result<()> {
        self.wanted = Bank::default();
        self.arm(link)?;
        self.with(link, |unit| unit.close())?;
        self.how = Resume::Run;
        self.state = CoreState::Running;
        Ok(())
    }

    /// Why the core, which has just halted by itself, has done so.
    pub(super) fn entry(&mut self, link: &mut impl Link) -> Result<DebugStateEntry> {
        let reasons = self.with(link, |unit| unit.reasons())?;
        let bank = self.standing.unwrap_or_default();
        if reasons.dwttrap() {
            let armed = (0_u8..).zip(bank.watchpoints).filter(|(_, pair)| pair.is_enabled());
            let armed: Vec<u8> = armed.map(|(number, _)| number).collect();
            let bits = |numbers: &[u8]| numbers.iter().fold(0_u16, |bits, number| bits | 1 << number);
            let matched = self.with(link, |unit| {
                let mut matched = Vec::new();
                for number in &armed {
                    if unit.has_matched(*number)? {
                        matched.push(*number);
                    }
                }
                Ok(matched)
            })?;
            // A core that does not say which one leaves all that are armed.
            let comparators = if matched.is_empty() { bits(&armed) } else { bits(&matched) };
            return Ok(DebugStateEntry::Accessed { comparators });
        }
        if reasons.bkpt() {
            let pc = self.read_selected(link, PC)?;
            let unit = self.identity.capabilities.m_profile.map(|units| units.breakpoints);
            let here = bank.breakpoints.iter().filter(|pair| pair.is_enabled()).any(|pair| {
                let comparator = trapline_core::m_profile::breakpoint_comparator(*pair);
                unit.and_then(|unit| unit.address(comparator)) == Some(pc)
            });
            return Ok(if here { DebugStateEntry::Breakpoint } else { DebugStateEntry::HaltInstruction });
        }
        Ok(match () {
            () if reasons.vcatch() => DebugStateEntry::Other(VECTOR_CATCH),
            () if reasons.external() || self.how != Resume::Step => DebugStateEntry::ExternalRequest,
            () => DebugStateEntry::Step,
        })
    }

    /// Reads a register.
    pub(super) fn read(&mut self, link: &mut impl Link, register: Register) -> Access<u64> {
        let place = self.place(register)?;
        let value = self.read_selected(link, place.selector).map_err(TargetError::Lost)?;
        Ok((value >> place.shift & place.mask).into())
    }

    /// Writes a register.
    pub(super) fn write(&mut self, link: &mut impl Link, register: Register, value: u64) -> Access<()> {
        let Place { selector, shift, mask } = self.place(register)?;
        let narrow = u32::try_from(value).ok().filter(|narrow| narrow & !mask == 0);
        let value = narrow.ok_or(Refusal::BadValue { register, value })?;
        // The program counter has no bit 0; that of an address of Thumb code says so.
        let value = if selector == PC { value & !1 } else { value };
        let kept = match mask {
            u32::MAX => 0,
            _ => self.read_selected(link, selector).map_err(TargetError::Lost)? & !(mask << shift),
        };
        self.write_selected(link, selector, kept | value << shift).map_err(TargetError::Lost)
    }

    /// Reads the `S` registers that make `V<number>`: 4 each, and the first 8 of the A profile's.
    pub(super) fn read_vector(&mut self, link: &mut impl Link, number: u8) -> Access<u128> {
        let mut value = 0;
        for (place, selector) in self.singles(number)? {
            let single = self.read_selected(link, selector).map_err(TargetError::Lost)?;
            value |= u128::from(single) << place;
        }
        Ok(value)
    }

    /// Writes the `S` registers that make `V<number>`.
    pub(super) fn write_vector(&mut self, link: &mut impl Link, number: u8, value: u128) -> Access<()> {
        for (place, selector) in self.singles(number)? {
            self.write_selected(link, selector, (value >> place) as u32).map_err(TargetError::Lost)?;
        }
        Ok(())
    }

    /// The bits of `V<number>` and the numbers of the registers that hold them.
    fn singles(&self, number: u8) -> Access<impl Iterator<Item = (u32, u8)> + use<>> {
        if !self.identity.profile.floating_point || number > 7 {
            return Err(Refusal::NoSuchVector(number).into());
        }
        Ok((0..4).map(move |single| (32 * u32::from(single), S0 + 4 * number + single)))
    }

    /// Where a register is.
    fn place(&self, register: Register) -> Access<Place> {
        let whole = |selector| Place { selector, shift: 0, mask: u32::MAX };
        match register {
            Register::X(number @ 0..=14) => Ok(whole(number)),
            Register::Pc => Ok(whole(PC)),
            Register::Special(special) if self.profile().has(special) => Ok(special.into()),
            _ => Err(Refusal::NoSuchRegister(register).into()),
        }
    }

    const fn profile(&self) -> MProfile {
        self.identity.profile
    }

    fn read_selected(&mut self, link: &mut impl Link, selector: u8) -> Result<u32> {
        if let Some(&value) = self.known.get(&selector) {
            return Ok(value);
        }
        let value = self.with(link, |unit| unit.read_register(selector))?;
        self.known.insert(selector, value);
        Ok(value)
    }

    fn write_selected(&mut self, link: &mut impl Link, selector: u8, value: u32) -> Result<()> {
        // Some are views of others, as the stack pointers.
        self.known.clear();
        self.with(link, |unit| unit.write_register(selector, value))
    }
}

impl BoardCore for Core {
    fn state(&self) -> CoreState {
        self.state
    }

    /// It answers no access any more.
    fn is_gone(&mut self, link: &mut impl Link, error: &BoardError) -> bool {
        matches!(error, BoardError::Fault { .. })
            && matches!(self.with(link, |unit| unit.status()), Err(BoardError::Fault { .. }))
    }

    /// The core does not answer, and forgets everything.
    fn off(&mut self) {
        self.state = CoreState::Off;
        self.standing = None;
        self.how = Resume::Run;
    }

    fn want(&mut self, bank: Bank) {
        self.wanted = bank;
    }

    fn arm(&mut self, link: &mut impl Link) -> Result<()> {
        let (standing, wanted) = (self.standing, self.wanted);
        if standing == Some(wanted) {
            return Ok(());
        }
        let Capabilities { breakpoints, watchpoints, m_profile, .. } = self.identity.capabilities;
        let masks = m_profile.is_some_and(|units| matches!(units.watchpoints, WatchpointUnit::V1 { .. }));
        self.with(link, |unit| {
            let old = |pairs: fn(&Bank) -> &[Pair; MAX_PAIRS], number: usize| {
                standing.as_ref().map(|bank| pairs(bank)[number])
            };
            // What goes away goes first: a comparator is never the limit of another one's range by accident.
            for disarming in [true, false] {
                for (number, new) in (0..breakpoints).zip(wanted.breakpoints) {
                    if old(|bank| &bank.breakpoints, number.into()) != Some(new)
                        && new.is_enabled() != disarming
                    {
                        unit.write_breakpoint(number, new)?;
                    }
                }
                for (number, new) in (0..watchpoints).zip(wanted.watchpoints) {
                    if old(|bank| &bank.watchpoints, number.into()) != Some(new)
                        && new.is_enabled() != disarming
                    {
                        unit.write_watchpoint(number, new, masks)?;
                    }
                }
            }
            unit.bus.flush()
        })?;
        self.standing = Some(wanted);
        Ok(())
    }
}

/// `DFSR.VCATCH`, as the number of a reason.
const VECTOR_CATCH: u8 = 3;

/// Bits of what `DCRSR` selects.
#[derive(Clone, Copy, Debug)]
struct Place {
    selector: u8,
    shift: u8,
    mask: u32,
}

impl From<SpecialRegister> for Place {
    fn from(register: SpecialRegister) -> Self {
        let place = register.transfer_place();
        Self { selector: place.selector, shift: place.shift, mask: u32::MAX >> (32 - u32::from(place.bits)) }
    }
}
