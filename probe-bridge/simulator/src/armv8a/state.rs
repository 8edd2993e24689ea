//! A core's registers, and `PSTATE` as `SPSR_ELx` holds it.

use super::system_registers::SystemRegisters;

/// `PSTATE` in the layout of `SPSR_EL1` (DDI 0487, "SPSR_EL1").
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pstate(pub u32);

impl Pstate {
    /// EL1 with its own stack pointer, everything masked.
    pub const RESET: Self = Self(0x3c5);
    /// IRQ mask.
    pub const I: u32 = 1 << 7;
    /// Software step.
    pub const SS: u32 = 1 << 21;
    /// All masks.
    pub const DAIF: u32 = 0xf << 6;
    /// The condition flags.
    pub const NZCV: u32 = 0xf << 28;
    /// Bits that exist.
    pub const MASK: u32 = 0xf030_03cf;

    /// The exception level.
    #[must_use]
    pub const fn el(self) -> u8 {
        (self.0 >> 2 & 0b11) as u8
    }

    /// Whether the exception level uses its own stack pointer.
    #[must_use]
    pub const fn sp_sel(self) -> bool {
        self.0 & 1 != 0
    }

    /// Whether these bits are all set.
    #[must_use]
    pub const fn has(self, bits: u32) -> bool {
        self.0 & bits == bits
    }

    /// With the condition flags.
    #[must_use]
    pub const fn with_flags(self, n: bool, z: bool, c: bool, v: bool) -> Self {
        let flags = (n as u32) << 31 | (z as u32) << 30 | (c as u32) << 29 | (v as u32) << 28;
        Self(self.0 & !Self::NZCV | flags)
    }

    /// Whether a condition of an instruction holds (DDI 0487, "ConditionHolds").
    #[must_use]
    pub const fn holds(self, condition: u32) -> bool {
        let (n, z, c, v) = (self.has(1 << 31), self.has(1 << 30), self.has(1 << 29), self.has(1 << 28));
        let base = match condition >> 1 {
            0 => z,
            1 => c,
            2 => n,
            3 => v,
            4 => c && !z,
            5 => n == v,
            6 => n == v && !z,
            _ => return true,
        };
        base != (condition & 1 != 0)
    }
}

/// What instructions read and write.
#[derive(Clone, Debug)]
pub struct State {
    /// The core's number.
    pub number: usize,
    /// X0 to X30.
    pub x: [u64; 31],
    /// `SP_EL0` and `SP_EL1`.
    pub sp: [u64; 2],
    /// The program counter.
    pub pc: u64,
    /// Where the instruction being executed goes on.
    pub next_pc: u64,
    /// The process state.
    pub pstate: Pstate,
    /// V0 to V31.
    pub v: [u128; 32],
    /// Floating-point status.
    pub fpsr: u64,
    /// Floating-point control.
    pub fpcr: u64,
    /// Everything with a number.
    pub system: SystemRegisters,
    /// The physical bytes that are reserved for a store exclusive.
    pub exclusive: Option<(u64, u64)>,
}

impl State {
    /// After reset.
    #[must_use]
    pub fn new(number: usize, entry: u64) -> Self {
        Self {
            number,
            x: [0; 31],
            sp: [0; 2],
            pc: entry,
            next_pc: entry,
            pstate: Pstate::RESET,
            v: [0; 32],
            fpsr: 0,
            fpcr: 0,
            system: SystemRegisters::new(number),
            exclusive: None,
        }
    }

    /// `X[n]`, where 31 is zero.
    #[must_use]
    pub fn x(&self, n: u32) -> u64 {
        self.x.get(n as usize).copied().unwrap_or(0)
    }

    /// Writes `X[n]`, where 31 is nowhere.
    pub fn set_x(&mut self, n: u32, value: u64) {
        if let Some(x) = self.x.get_mut(n as usize) {
            *x = value;
        }
    }

    /// The stack pointer in use.
    pub fn sp(&mut self) -> &mut u64 {
        let [el0, el1] = &mut self.sp;
        if self.pstate.el() > 0 && self.pstate.sp_sel() { el1 } else { el0 }
    }

    /// `X[n]`, where 31 is the stack pointer.
    #[must_use]
    pub fn x_or_sp(&mut self, n: u32) -> u64 {
        if n == 31 { *self.sp() } else { self.x(n) }
    }

    /// Writes `X[n]`, where 31 is the stack pointer.
    pub fn set_x_or_sp(&mut self, n: u32, value: u64) {
        if n == 31 {
            *self.sp() = value;
        } else {
            self.set_x(n, value);
        }
    }

    /// `V[n]`.
    #[must_use]
    pub fn v(&self, n: u32) -> u128 {
        self.v.get(n as usize).copied().unwrap_or(0)
    }

    /// Writes `V[n]`.
    pub fn set_v(&mut self, n: u32, value: u128) {
        if let Some(v) = self.v.get_mut(n as usize) {
            *v = value;
        }
    }
}
