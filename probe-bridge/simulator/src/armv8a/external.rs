//! The external debug registers of one core (DDI 0487, "External Debug Register Descriptions").

use super::comparators::{BREAKPOINTS, CONTEXT_AWARE, Comparators, WATCHPOINTS};
use super::system_registers::MIDR;
use crate::dap::component::Identity;

/// `EDSCR.STATUS`.
#[expect(missing_docs, reason = "their names say it")]
pub mod status {
    pub const NON_DEBUG: u32 = 0b00_0010;
    pub const BREAKPOINT: u32 = 0b00_0111;
    pub const EXTERNAL: u32 = 0b01_0011;
    pub const STEP: u32 = 0b01_1011;
    pub const STEP_EXCLUSIVE: u32 = 0b01_1111;
    pub const RESET_CATCH: u32 = 0b10_0111;
    pub const WATCHPOINT: u32 = 0b10_1011;
    pub const HLT: u32 = 0b10_1111;
}

/// Fields of `EDSCR`.
const ERR: u32 = 1 << 6;
const HDE: u32 = 1 << 14;
const MA: u32 = 1 << 20;
const INTDIS: u32 = 0b11 << 22;
const ITE: u32 = 1 << 24;
const TXU: u32 = 1 << 26;
const RXO: u32 = 1 << 27;
const TXFULL: u32 = 1 << 29;
const RXFULL: u32 = 1 << 30;
/// What a debugger writes: HDE, SC2, MA, TDA, INTdis, TFO.
const WRITABLE: u32 = HDE | 1 << 19 | MA | 1 << 21 | INTDIS | 1 << 31;

const IDENTITY: Identity = Identity {
    part: 0xd0f,
    class: 9,
    architecture: 0x4770_6a15,
    device_type: 0x15,
    // EDDEVID: no PC sampling.
    device_id: 0,
};

/// What a core that has no power, or whose OS Lock is locked, answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Inaccessible;

/// What a register access asks the core to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Request {
    /// Nothing.
    None,
    /// Execute this instruction, in Debug state.
    Execute(u32),
    /// In memory access mode, DTRRX was written: store it.
    Store,
    /// In memory access mode, DTRTX was read: load the next word.
    Load,
    /// The core is reset.
    Reset,
}

/// The debug unit of one core.
#[derive(Clone, Debug)]
pub struct External {
    /// Breakpoints and watchpoints.
    pub comparators: Comparators,
    /// `EDSCR.STATUS`.
    pub status: u32,
    /// Where the core goes on: `DLR_EL0`.
    pub dlr: u64,
    /// The state that it goes on in: `DSPSR_EL0`.
    pub dspsr: u32,
    /// `EDWAR`.
    pub watched: u64,
    /// The OS Lock.
    pub os_lock: bool,
    /// Whether the core has power.
    pub powered: bool,
    /// Whether external debug is forbidden.
    pub locked: bool,
    scr: u32,
    ecr: u32,
    receive: u32,
    transmit: u32,
    /// `EDPRSR.SDR`, `SR` and `SPD`.
    restarted: bool,
    was_reset: bool,
    lost_power: bool,
    in_reset: bool,
    claims: u32,
}

impl External {
    /// After a cold reset.
    #[must_use]
    pub fn new() -> Self {
        Self {
            comparators: Comparators::default(),
            status: status::NON_DEBUG,
            dlr: 0,
            dspsr: 0,
            watched: 0,
            os_lock: true,
            powered: true,
            locked: false,
            scr: 0,
            ecr: 0,
            receive: 0,
            transmit: 0,
            restarted: false,
            was_reset: true,
            lost_power: false,
            in_reset: false,
            claims: 0,
        }
    }

    /// Whether the core is in Debug state.
    #[must_use]
    pub const fn is_halted(&self) -> bool {
        self.status != status::NON_DEBUG
    }

    /// Whether anything may halt the core ("HaltingAllowed").
    #[must_use]
    pub const fn halting_allowed(&self) -> bool {
        !self.locked && !self.is_halted()
    }

    /// Whether breakpoints and watchpoints halt ("HaltOnBreakpointOrWatchpoint").
    #[must_use]
    pub const fn comparators_halt(&self) -> bool {
        self.halting_allowed() && self.scr & HDE != 0 && !self.os_lock
    }

    /// Whether `HLT` halts.
    #[must_use]
    pub const fn instruction_halts(&self) -> bool {
        self.halting_allowed() && self.scr & HDE != 0
    }

    /// Whether a halting step is on.
    #[must_use]
    pub const fn steps(&self) -> bool {
        self.ecr & 0b100 != 0
    }

    /// Whether the core halts when it comes out of reset.
    #[must_use]
    pub const fn catches_reset(&self) -> bool {
        self.ecr & 0b10 != 0 && !self.locked
    }

    /// The core is held in reset, or comes out of it.
    pub const fn set_reset(&mut self, asserted: bool) {
        self.in_reset = asserted;
        self.was_reset = true;
        self.status = status::NON_DEBUG;
    }

    /// Whether interrupts to EL1 are held off.
    #[must_use]
    pub const fn interrupts_disabled(&self) -> bool {
        self.scr & INTDIS != 0 && !self.os_lock && !self.locked
    }

    /// Enters Debug state.
    pub const fn enter(&mut self, status: u32, pc: u64, pstate: u32) {
        self.status = status;
        self.dlr = pc;
        self.dspsr = pstate;
    }

    /// Leaves Debug state.
    pub const fn leave(&mut self) {
        self.status = status::NON_DEBUG;
        self.restarted = true;
    }

    /// Loses power and everything with it, or has it again.
    pub fn set_power(&mut self, on: bool) {
        if self.powered && !on {
            *self = Self { lost_power: true, locked: self.locked, powered: false, ..Self::new() };
        } else {
            self.powered = on;
        }
    }

    /// Whether an instruction in Debug state would be ignored because of an earlier error.
    #[must_use]
    pub const fn has_error(&self) -> bool {
        self.scr & ERR != 0
    }

    /// An instruction in Debug state took an exception.
    pub const fn set_error(&mut self) {
        self.scr |= ERR;
    }

    /// What the core reads of the debugger's register, `DBGDTR_EL0` with 64 bits or `DBGDTRRX_EL0` with 32.
    pub const fn receive(&mut self, wide: bool) -> u64 {
        self.scr &= !RXFULL;
        let high = if wide { (self.transmit as u64) << 32 } else { 0 };
        high | self.receive as u64
    }

    /// What the core writes for the debugger.
    pub const fn transmit(&mut self, value: u64, wide: bool) {
        self.scr |= TXFULL;
        self.transmit = value as u32;
        if wide {
            self.receive = (value >> 32) as u32;
        }
    }

    /// Reads a register. `el` is the core's exception level.
    ///
    /// # Errors
    /// [`Inaccessible`].
    pub fn read(&mut self, offset: u64, el: u8) -> Result<(u32, Request), Inaccessible> {
        self.check(offset)?;
        let mut request = Request::None;
        let value = match offset {
            0x024 => self.ecr,
            0x030 => self.watched as u32,
            0x034 => (self.watched >> 32) as u32,
            0x080 => self.receive,
            0x088 => self.edscr(el),
            0x08c => {
                let value = self.transmit;
                if !self.has_error() {
                    if self.scr & TXFULL == 0 {
                        self.scr |= TXU | ERR;
                    } else {
                        self.scr &= !TXFULL;
                        if self.scr & MA != 0 && self.is_halted() {
                            request = Request::Load;
                        }
                    }
                }
                value
            }
            0x314 => self.edprsr(),
            0x400..0x500 | 0x800..0x900 => self.pair_word(offset),
            0xd00 => MIDR,
            // EDPFR: EL0 to EL3 in AArch64 only, a GIC's system registers.
            0xd20 => 0x0100_1111,
            0xd28 => {
                (BREAKPOINTS as u32 - 1) << 12
                    | (WATCHPOINTS as u32 - 1) << 20
                    | (CONTEXT_AWARE as u32 - 1) << 28
            }
            0xfa0 => 0xff,
            0xfa4 => self.claims,
            // EDLSR: there is no software lock.
            0xfb4 => 0,
            // DBGAUTHSTATUS_EL1: Non-secure debug, invasive and not, implemented and enabled or not.
            0xfb8 => {
                if self.locked {
                    0b1010
                } else {
                    0b1111
                }
            }
            _ if Identity::covers(offset) => IDENTITY.read(offset),
            _ => 0,
        };
        Ok((value, request))
    }

    /// Writes a register.
    ///
    /// # Errors
    /// [`Inaccessible`].
    pub fn write(&mut self, offset: u64, value: u32) -> Result<Request, Inaccessible> {
        self.check(offset)?;
        match offset {
            0x024 => self.ecr = value & 0b111,
            0x030 => self.watched = self.watched & !0xffff_ffff | u64::from(value),
            0x034 => self.watched = self.watched & 0xffff_ffff | u64::from(value) << 32,
            0x080 => {
                if self.has_error() {
                    return Ok(Request::None);
                }
                if self.scr & RXFULL != 0 {
                    self.scr |= RXO | ERR;
                    return Ok(Request::None);
                }
                self.receive = value;
                self.scr |= RXFULL;
                if self.scr & MA != 0 && self.is_halted() {
                    return Ok(Request::Store);
                }
            }
            0x084 if self.is_halted() && !self.has_error() => return Ok(Request::Execute(value)),
            0x088 => self.scr = self.scr & !WRITABLE | value & WRITABLE,
            0x08c => self.transmit = value,
            // EDRCR.CSE.
            0x090 if value & 1 << 2 != 0 => self.scr &= !(ERR | TXU | RXO),
            0x300 => self.os_lock = value & 1 != 0,
            // EDPRCR.CWRR.
            0x310 if value & 0b10 != 0 => return Ok(Request::Reset),
            0x400..0x500 | 0x800..0x900 => self.set_pair_word(offset, value),
            0xfa0 => self.claims |= value & 0xff,
            0xfa4 => self.claims &= !value,
            _ => {}
        }
        Ok(Request::None)
    }

    /// The register is in the core's power domain, or behind the OS Lock.
    fn check(&self, offset: u64) -> Result<(), Inaccessible> {
        let always = matches!(offset, 0x310 | 0x314) || Identity::covers(offset);
        if !self.powered && !always {
            return Err(Inaccessible);
        }
        let behind_lock =
            matches!(offset, 0x030 | 0x034 | 0x080..=0x08c | 0x098 | 0x400..0x500 | 0x800..0x900);
        if behind_lock && (self.os_lock || self.locked) {
            return Err(Inaccessible);
        }
        Ok(())
    }

    fn edscr(&self, el: u8) -> u32 {
        let el = if self.is_halted() { u32::from(el) << 8 } else { 0 };
        // RW: all levels in AArch64. NS.
        self.scr | self.status | el | 0b1111 << 10 | 1 << 18 | ITE
    }

    fn edprsr(&mut self) -> u32 {
        let value = u32::from(self.powered)
            | u32::from(self.lost_power) << 1
            | u32::from(self.in_reset) << 2
            | u32::from(self.was_reset) << 3
            | u32::from(self.is_halted()) << 4
            | u32::from(self.os_lock) << 5
            | u32::from(self.locked) << 7
            | u32::from(self.restarted) << 11;
        if self.powered {
            (self.lost_power, self.was_reset) = (false, false);
        }
        self.restarted = false;
        value
    }

    fn pair_word(&self, offset: u64) -> u32 {
        let number = (offset as usize & 0xff) / 16;
        let pair = match offset >> 8 {
            4 => self.comparators.breakpoints.get(number),
            _ => self.comparators.watchpoints.get(number),
        };
        let pair = pair.copied().unwrap_or_default();
        match offset & 0xf {
            0x0 => pair.value as u32,
            0x4 => (pair.value >> 32) as u32,
            0x8 => pair.control,
            _ => 0,
        }
    }

    fn set_pair_word(&mut self, offset: u64, value: u32) {
        let number = (offset as usize & 0xff) / 16;
        let pair = match offset >> 8 {
            4 => self.comparators.breakpoints.get_mut(number),
            _ => self.comparators.watchpoints.get_mut(number),
        };
        let Some(pair) = pair else { return };
        match offset & 0xf {
            0x0 => pair.value = pair.value & !0xffff_ffff | u64::from(value),
            0x4 => pair.value = pair.value & 0xffff_ffff | u64::from(value) << 32,
            0x8 => pair.control = value,
            _ => {}
        }
    }
}

impl Default for External {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sticky_bits_of_power_and_restart_are_told_once() {
        let mut unit = External::new();
        assert_eq!(unit.read(0x314, 1), Ok((0b10_1001, Request::None)), "powered, reset, OS Lock");
        assert_eq!(unit.read(0x314, 1), Ok((0b10_0001, Request::None)));
        unit.leave();
        assert_eq!(unit.read(0x314, 1), Ok((0x821, Request::None)));
        assert_eq!(unit.read(0x314, 1), Ok((0x21, Request::None)));
        unit.set_power(false);
        assert_eq!(unit.read(0x314, 1).map(|(value, _)| value & 0b11), Ok(0b10));
        assert_eq!(unit.read(0x088, 1), Err(Inaccessible));
        assert_eq!(unit.write(0x300, 0), Err(Inaccessible));
    }

    #[test]
    fn the_os_lock_keeps_comparators_away() {
        let mut unit = External::new();
        assert_eq!(unit.read(0x408, 1), Err(Inaccessible));
        assert_eq!(unit.write(0x300, 0), Ok(Request::None));
        assert_eq!(unit.write(0x408, 0x21e7), Ok(Request::None));
        assert_eq!(unit.read(0x408, 1), Ok((0x21e7, Request::None)));
    }

    #[test]
    fn data_transfer_registers_notice_overrun_and_underrun() {
        let mut unit = External::new();
        unit.write(0x300, 0).unwrap();
        unit.write(0x080, 1).unwrap();
        unit.write(0x080, 2).unwrap();
        assert_eq!(unit.read(0x088, 1).unwrap().0 & (RXO | ERR | RXFULL), RXO | ERR | RXFULL);
        unit.write(0x090, 1 << 2).unwrap();
        assert_eq!(unit.receive(false), 1);
        unit.read(0x08c, 1).unwrap();
        assert_eq!(unit.read(0x088, 1).unwrap().0 & (TXU | ERR), TXU | ERR);
    }
}
