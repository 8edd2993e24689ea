//! A hypervisor and its hardware, as small as they get.

mod guest_debug;
mod own;
mod own_step;

use std::collections::HashMap;
use std::vec::Vec;

use super::GuestState;
use crate::comparator::Capabilities;
use crate::context::{DebugRegister, DebugRegisters};
use crate::registers::{MdscrEl1, Pstate, Spsr};

const CAPABILITIES: Capabilities =
    Capabilities { breakpoints: 6, context_aware: 2, watchpoints: 4, ..Capabilities::NONE };
const SS: u64 = 1 << 21;
/// EL1 on its own stack, nothing masked.
const OPEN: u64 = 0x5;
const VBAR: u64 = 0x8000_0000;

/// The debug registers of a core.
#[derive(Default)]
struct Hardware {
    registers: HashMap<DebugRegister, u64>,
    writes: Vec<DebugRegister>,
}

impl Hardware {
    fn get(&self, register: DebugRegister) -> u64 {
        self.registers.get(&register).copied().unwrap_or(0)
    }

    fn mdscr(&self) -> MdscrEl1 {
        MdscrEl1::from_bits(self.get(DebugRegister::MdscrEl1))
    }
}

impl DebugRegisters for Hardware {
    type Error = ();

    fn read(&mut self, register: DebugRegister) -> Result<u64, ()> {
        Ok(self.get(register))
    }

    fn write(&mut self, register: DebugRegister, value: u64) -> Result<(), ()> {
        self.writes.push(register);
        if register == DebugRegister::OslarEl1 {
            self.registers.insert(DebugRegister::OslsrEl1, 1 << 3 | (value & 1) << 1);
        } else {
            self.registers.insert(register, value);
        }
        Ok(())
    }

    fn synchronize(&mut self) -> Result<(), ()> {
        Ok(())
    }
}

/// A vCPU.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Vcpu {
    pc: u64,
    pstate: u64,
    elr_el1: u64,
    spsr_el1: u64,
}

impl Vcpu {
    const fn new() -> Self {
        Self { pc: 0x1000, pstate: OPEN, elr_el1: 0, spsr_el1: OPEN }
    }

    /// Takes an exception from EL1 to EL1.
    fn take_exception(&mut self, return_to: u64) {
        (self.elr_el1, self.spsr_el1) = (return_to, self.pstate);
        self.pstate = OPEN | 0xf << 6;
        self.pc = VBAR + 0x200;
    }
}

impl GuestState for Vcpu {
    fn pc(&self) -> u64 {
        self.pc
    }

    fn pstate(&self) -> Pstate {
        Pstate::from_bits(self.pstate)
    }

    fn set_pstate(&mut self, pstate: Pstate) {
        self.pstate = pstate.into_bits();
    }

    fn vbar_el1(&self) -> u64 {
        VBAR
    }

    fn elr_el1(&self) -> u64 {
        self.elr_el1
    }

    fn spsr_el1(&self) -> Spsr {
        Spsr::from_bits(self.spsr_el1)
    }

    fn set_spsr_el1(&mut self, spsr: Spsr) {
        self.spsr_el1 = spsr.into_bits();
    }
}
