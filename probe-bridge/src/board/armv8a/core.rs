//! One core: what it is doing, what stands in its comparators, and its registers.

use std::collections::HashMap;

use trapline_core::comparator::Bank;
use trapline_core::registers::{ExceptionLevel, Pstate};
use trapline_core::target::{CoreId, CoreState, Refusal, Register, Resume, SystemRegister, TargetError};

use super::debug_unit::{CoreAddresses, DebugUnit, Executed};
use super::instructions::{self, DLR_EL0, DSPSR_EL0, FPCR, FPSR};
use crate::board::cores::{Access, BoardCore};
use crate::board::error::{BoardError, Result};
use crate::board::link::{Bus, Link, Port};

/// `CPACR_EL1.FPEN`: FP and SIMD are not trapped.
const FP_ENABLED: u64 = 0b11 << 20;

/// System registers that every core has at EL1 and above, so that an access to them is never UNDEFINED there.
const ALWAYS_THERE: [SystemRegister; 12] = [
    SystemRegister::SCTLR_EL1,
    SystemRegister::CPACR_EL1,
    SystemRegister::TTBR0_EL1,
    SystemRegister::TTBR1_EL1,
    SystemRegister::TCR_EL1,
    SystemRegister::MAIR_EL1,
    SystemRegister::VBAR_EL1,
    SystemRegister::CONTEXTIDR_EL1,
    SystemRegister::ELR_EL1,
    SystemRegister::SPSR_EL1,
    SystemRegister::ESR_EL1,
    SystemRegister::FAR_EL1,
];

/// What is known of one core.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) id: CoreId,
    pub(super) at: CoreAddresses,
    pub(super) state: CoreState,
    /// What stands in the comparators; nothing is known of them after a loss of power.
    pub(super) standing: Bank,
    /// What is to stand there.
    pub(super) wanted: Bank,
    /// What it is set up for.
    pub(super) how: Resume,
    /// Whether the others are told when it enters Debug state; nothing is known of it after a loss of power.
    tells: Option<bool>,
    /// The values that X0, which everything in Debug state goes through, and X1 get back before the core runs on.
    saved: [Option<u64>; 2],
    /// The level that instructions in Debug state are executed at, once that is one with access to registers.
    level: Option<ExceptionLevel>,
    /// Registers that have been read since the core halted.
    known: HashMap<Register, u64>,
}

impl Core {
    pub(super) fn new(id: CoreId, at: CoreAddresses) -> Self {
        Self {
            id,
            at,
            state: CoreState::Running,
            standing: Bank::default(),
            wanted: Bank::default(),
            how: Resume::Run,
            tells: None,
            saved: [None; 2],
            level: None,
            known: HashMap::new(),
        }
    }

    /// Works on the core's debug unit.
    pub(super) fn with<R>(
        &self,
        link: &mut impl Link,
        work: impl FnOnce(&mut DebugUnit<'_>) -> Result<R>,
    ) -> Result<R> {
        link.with(Port::Core(self.id.0), |bus| work(&mut self.unit(bus)))
    }

    fn unit<'a>(&self, bus: &'a mut dyn Bus) -> DebugUnit<'a> {
        DebugUnit { core: self.id, bus, at: self.at }
    }

    /// The core has entered Debug state: everything is still to be read.
    pub(super) fn halted(&mut self) {
        self.state = CoreState::Halted;
        self.known.clear();
        self.saved = [None; 2];
        self.level = None;
    }

    /// Gives X0 and X1 back and lets the core run.
    pub(super) fn restart(&mut self, link: &mut impl Link, how: Resume) -> Result<()> {
        let (saved, changes) = (std::mem::take(&mut self.saved), self.how != how);
        let step = how == Resume::Step;
        let tells = (self.tells != Some(!step)).then_some(!step);
        self.with(link, |unit| {
            for (number, value) in (0..).zip(saved) {
                if let Some(value) = value {
                    unit.write_x(number, value)?;
                }
            }
            if changes {
                unit.set_step(step)?;
                unit.set_interrupts_disabled(how != Resume::Run)?;
            }
            if let Some(tells) = tells {
                unit.set_tells(tells)?;
            }
            unit.restart()
        })?;
        self.tells = Some(!step);
        self.how = how;
        self.state = CoreState::Running;
        self.level = None;
        self.known.clear();
        Ok(())
    }

    /// Reads a register.
    pub(super) fn read(&mut self, link: &mut impl Link, register: Register) -> Access<u64> {
        if let Some(&value) = self.known.get(&register) {
            return Ok(value);
        }
        let value = match register {
            Register::X(n @ 0) => self.save(link, n)?,
            Register::X(n @ 1) if self.saved[1].is_some() => self.save(link, n)?,
            Register::X(n @ 1..=30) => self.with(link, |unit| unit.read_x(n)).map_err(TargetError::Lost)?,
            Register::X(_) => return Err(Refusal::NoSuchRegister(register).into()),
            Register::Pc => self.read_system(link, DLR_EL0, register)?,
            Register::Pstate => self.read_system(link, DSPSR_EL0, register)?,
            Register::Fpsr => self.with_fp(link, |core, link| core.read_system(link, FPSR, register))?,
            Register::Fpcr => self.with_fp(link, |core, link| core.read_system(link, FPCR, register))?,
            Register::System(system) => self.read_named(link, system)?,
            _ => return Err(Refusal::NoSuchRegister(register).into()),
        };
        self.known.insert(register, value);
        Ok(value)
    }

    /// Writes a register.
    pub(super) fn write(&mut self, link: &mut impl Link, register: Register, value: u64) -> Access<()> {
        match register {
            Register::X(0) => self.saved[0] = Some(value),
            Register::X(1) if self.saved[1].is_some() => self.saved[1] = Some(value),
            Register::X(n @ 1..=30) => {
                self.with(link, |unit| unit.write_x(n, value)).map_err(TargetError::Lost)?;
            }
            Register::X(_) => return Err(Refusal::NoSuchRegister(register).into()),
            Register::Pc => self.write_system(link, DLR_EL0, register, value)?,
            Register::Pstate => self.write_system(link, DSPSR_EL0, register, value)?,
            Register::Fpsr => {
                self.with_fp(link, |core, link| core.write_system(link, FPSR, register, value))?;
            }
            Register::Fpcr => {
                self.with_fp(link, |core, link| core.write_system(link, FPCR, register, value))?;
            }
            Register::System(system) => self.write_named(link, system, value)?,
            _ => return Err(Refusal::NoSuchRegister(register).into()),
        }
        self.known.insert(register, value);
        Ok(())
    }

    /// Reads `V<number>`.
    pub(super) fn read_vector(&mut self, link: &mut impl Link, number: u8) -> Access<u128> {
        if number > 31 {
            return Err(Refusal::NoSuchVector(number).into());
        }
        self.with_fp(link, |core, link| {
            let mut half = |high| {
                core.execute(link, instructions::read_vector(number, high), Refusal::NoSuchVector(number))?;
                core.with(link, |unit| unit.read_x(0)).map_err(TargetError::Lost)
            };
            let low = half(false)?;
            Ok(u128::from(half(true)?) << 64 | u128::from(low))
        })
    }

    /// Writes `V<number>`.
    pub(super) fn write_vector(&mut self, link: &mut impl Link, number: u8, value: u128) -> Access<()> {
        if number > 31 {
            return Err(Refusal::NoSuchVector(number).into());
        }
        self.with_fp(link, |core, link| {
            for high in [false, true] {
                let half = if high { (value >> 64) as u64 } else { value as u64 };
                core.with(link, |unit| unit.write_x(0, half)).map_err(TargetError::Lost)?;
                core.execute(link, instructions::write_vector(number, high), Refusal::NoSuchVector(number))?;
            }
            Ok(())
        })
    }

    /// Makes written instructions visible to fetches.
    pub(super) fn synchronize_instructions(&mut self, link: &mut impl Link) -> Access<()> {
        self.raise(link)?;
        for instruction in instructions::SYNCHRONIZE {
            self.execute(
                link,
                instruction,
                Refusal::Unsupported("the instruction cache cannot be invalidated"),
            )?;
        }
        Ok(())
    }

    /// A system register that has a name, the banked stack pointers among them.
    fn read_named(&mut self, link: &mut impl Link, system: SystemRegister) -> Access<u64> {
        let register = Register::System(system);
        let level = self.raise(link)?;
        if system == SystemRegister::SP_EL1 && level == ExceptionLevel::El1 {
            // What EL1 cannot name is the stack pointer that it uses.
            self.save_x0(link)?;
            self.execute(link, instructions::READ_SP, Refusal::NoSuchRegister(register))?;
            return self.with(link, |unit| unit.read_x(0)).map_err(TargetError::Lost);
        }
        if ALWAYS_THERE.contains(&system) {
            return self.read_system(link, system, register);
        }
        self.guarded(link, system, |core, link| core.read_system(link, system, register))
    }

    fn write_named(&mut self, link: &mut impl Link, system: SystemRegister, value: u64) -> Access<()> {
        let register = Register::System(system);
        let level = self.raise(link)?;
        if system == SystemRegister::SP_EL1 && level == ExceptionLevel::El1 {
            self.save_x0(link)?;
            self.with(link, |unit| unit.write_x(0, value)).map_err(TargetError::Lost)?;
            return self.execute(link, instructions::WRITE_SP, Refusal::NoSuchRegister(register));
        }
        if ALWAYS_THERE.contains(&system) {
            return self.write_system(link, system, register, value);
        }
        self.guarded(link, system, |core, link| core.write_system(link, system, register, value))
    }

    fn read_system(&mut self, link: &mut impl Link, system: SystemRegister, named: Register) -> Access<u64> {
        self.save_x0(link)?;
        self.execute(link, instructions::read_system(system), Refusal::NoSuchRegister(named))?;
        self.with(link, |unit| unit.read_x(0)).map_err(TargetError::Lost)
    }

    pub(super) fn write_system(
        &mut self,
        link: &mut impl Link,
        system: SystemRegister,
        named: Register,
        value: u64,
    ) -> Access<()> {
        self.save_x0(link)?;
        self.with(link, |unit| unit.write_x(0, value)).map_err(TargetError::Lost)?;
        self.execute(link, instructions::write_system(system), Refusal::NoSuchRegister(named))
    }

    /// An access that may be UNDEFINED. In Debug state that exception is taken as well, and what it writes belongs
    /// to the software that is being debugged: it is put back.
    pub(super) fn guarded<L: Link, T>(
        &mut self,
        link: &mut L,
        system: SystemRegister,
        access: impl FnOnce(&mut Self, &mut L) -> Access<T>,
    ) -> Access<T> {
        const OVERWRITTEN: [SystemRegister; 4] = [
            SystemRegister::ELR_EL1,
            SystemRegister::SPSR_EL1,
            SystemRegister::ESR_EL1,
            SystemRegister::FAR_EL1,
        ];
        if system.op0() < 2 {
            return Err(Refusal::NoSuchRegister(Register::System(system)).into());
        }
        if OVERWRITTEN.contains(&system) {
            return access(self, link);
        }
        let mut saved = [0; 4];
        for (place, register) in saved.iter_mut().zip(OVERWRITTEN) {
            *place = self.read(link, Register::System(register))?;
        }
        let result = access(self, link);
        if let Err(TargetError::Refused(_)) = &result {
            for (value, register) in saved.into_iter().zip(OVERWRITTEN) {
                self.write_system(link, register, Register::System(register), value)?;
            }
        }
        result
    }

    /// Works with FP and SIMD allowed, whatever `CPACR_EL1` says.
    fn with_fp<L: Link, T>(
        &mut self,
        link: &mut L,
        work: impl FnOnce(&mut Self, &mut L) -> Access<T>,
    ) -> Access<T> {
        self.raise(link)?;
        self.save_x0(link)?;
        let control = SystemRegister::CPACR_EL1;
        let allowed = self.read(link, Register::System(control))?;
        if allowed & FP_ENABLED == FP_ENABLED {
            return work(self, link);
        }
        self.write_system(link, control, Register::System(control), allowed | FP_ENABLED)?;
        let result = work(self, link);
        self.write_system(link, control, Register::System(control), allowed)?;
        result
    }

    /// At EL0, goes to EL1, from where registers can be reached; everywhere, to the level's own stack pointer, so
    /// that `SP_EL0` has a name. The state that the core returns to is not touched by it, and what `DCPS1` makes
    /// UNKNOWN, `ELR_EL1` and its kind, means nothing at EL0.
    /// It answers that level, which stays as long as no instruction of the debugger takes an exception.
    pub(super) fn raise(&mut self, link: &mut impl Link) -> Access<ExceptionLevel> {
        if let Some(level) = self.level {
            return Ok(level);
        }
        let mut level = self.level(link)?;
        if level == ExceptionLevel::El0 {
            self.execute(link, instructions::DCPS1, Refusal::Unsupported("EL1 cannot be reached from EL0"))?;
            level = self.level(link)?;
        }
        self.execute(link, instructions::OWN_SP, Refusal::Unsupported("SPSel cannot be written"))?;
        self.level = Some(level);
        Ok(level)
    }

    /// The level that instructions in Debug state are executed at.
    fn level(&self, link: &mut impl Link) -> Access<ExceptionLevel> {
        let status = self.with(link, |unit| unit.status()).map_err(TargetError::Lost)?;
        Ok(Pstate::from(u64::from(status.el().get()) << 2).exception_level())
    }

    /// What X0 held when the core halted; from then on it may be used.
    fn save_x0(&mut self, link: &mut impl Link) -> Access<u64> {
        self.save(link, 0)
    }

    /// As [`Self::save_x0`], for X0 or X1.
    pub(super) fn save(&mut self, link: &mut impl Link, number: u8) -> Access<u64> {
        let index = usize::from(number & 1);
        if let Some(value) = self.saved[index] {
            return Ok(value);
        }
        let value = self.with(link, |unit| unit.read_x(number)).map_err(TargetError::Lost)?;
        self.saved[index] = Some(value);
        Ok(value)
    }

    /// Puts a value into X0 for an instruction of the debugger.
    pub(super) fn load_x0(&self, link: &mut impl Link, value: u64) -> Access<()> {
        self.with(link, |unit| unit.write_x(0, value)).map_err(TargetError::Lost)
    }

    /// Takes the word that the core has sent.
    pub(super) fn receive_word(&self, link: &mut impl Link) -> Access<u32> {
        self.with(link, |unit| unit.receive_word()).map_err(TargetError::Lost)
    }

    /// Sends the core a word.
    pub(super) fn send_word(&self, link: &mut impl Link, word: u32) -> Access<()> {
        self.with(link, |unit| unit.send_word(word)).map_err(TargetError::Lost)
    }

    pub(super) fn execute(&mut self, link: &mut impl Link, instruction: u32, refusal: Refusal) -> Access<()> {
        match self.with(link, |unit| unit.execute(instruction)).map_err(TargetError::Lost)? {
            Executed::Done => Ok(()),
            Executed::Exception => {
                // It may have been taken to another level, and where it is taken SPSel is set.
                self.level = None;
                Err(refusal.into())
            }
        }
    }
}

impl BoardCore for Core {
    fn state(&self) -> CoreState {
        self.state
    }

    /// It is without power.
    fn is_gone(&mut self, link: &mut impl Link, error: &BoardError) -> bool {
        matches!(error, BoardError::Fault { .. } | BoardError::Timeout { .. })
            && self.with(link, |unit| unit.state()).is_ok_and(|state| !state.pu())
    }

    /// The core has no power, and forgets everything.
    fn off(&mut self) {
        self.state = CoreState::Off;
        self.standing = Bank::default();
        self.how = Resume::Run;
        self.tells = None;
    }

    fn want(&mut self, bank: Bank) {
        self.wanted = bank;
    }

    fn arm(&mut self, link: &mut impl Link) -> Result<()> {
        let (standing, wanted) = (self.standing, self.wanted);
        if standing == wanted {
            return Ok(());
        }
        self.with(link, |unit| {
            let pairs = |bank: Bank| bank.breakpoints.into_iter().chain(bank.watchpoints).enumerate();
            // What goes away goes first: a linked pair never links to what is being changed.
            for disarming in [true, false] {
                for ((number, old), (_, new)) in pairs(standing).zip(pairs(wanted)) {
                    if old == new || new.is_enabled() == disarming {
                        continue;
                    }
                    match number.checked_sub(standing.breakpoints.len()) {
                        None => unit.write_breakpoint(number, new)?,
                        Some(number) => unit.write_watchpoint(number, new)?,
                    }
                }
            }
            unit.bus.flush()
        })?;
        self.standing = wanted;
        Ok(())
    }
}
