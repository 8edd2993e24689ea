//! A backend of which the compiler knows nothing.

use core::fmt;
use core::hint::black_box;

use trapline_core::address::PhysicalAddress;
use trapline_core::agent::Environment;
use trapline_core::comparator::Capabilities;
use trapline_core::context::{DebugRegister, DebugRegisters};
use trapline_core::scope::Scope;
use trapline_core::target::{
    Arming, Backend, BreakInstruction, Comparators, CoreId, CoreState, Memory, Register, Registers, Resume,
    RunControl, TargetResult,
};
use trapline_core::translation::TableMemory;

/// A target whose every answer is unknown until it runs.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) capabilities: Capabilities,
    pub(crate) scope: Scope,
}

/// The error of this target, and of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lost(pub(crate) u8);

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl core::error::Error for Lost {}

impl Backend for Machine {
    type Error = Lost;

    #[inline(never)]
    fn cores(&self) -> u16 {
        black_box(0)
    }
}

impl Registers for Machine {
    #[inline(never)]
    fn read_register(&mut self, core: CoreId, register: Register) -> TargetResult<u64, Self> {
        black_box((core, register));
        black_box(Ok(0))
    }

    #[inline(never)]
    fn write_register(&mut self, core: CoreId, register: Register, value: u64) -> TargetResult<(), Self> {
        black_box((core, register, value));
        black_box(Ok(()))
    }

    #[inline(never)]
    fn read_vector(&mut self, core: CoreId, number: u8) -> TargetResult<u128, Self> {
        black_box((core, number));
        black_box(Ok(0))
    }

    #[inline(never)]
    fn write_vector(&mut self, core: CoreId, number: u8, value: u128) -> TargetResult<(), Self> {
        black_box((core, number, value));
        black_box(Ok(()))
    }
}

impl Memory for Machine {
    #[inline(never)]
    fn read_memory(&mut self, address: PhysicalAddress, buffer: &mut [u8]) -> TargetResult<(), Self> {
        black_box((address, buffer));
        black_box(Ok(()))
    }

    #[inline(never)]
    fn write_memory(&mut self, address: PhysicalAddress, bytes: &[u8]) -> TargetResult<(), Self> {
        black_box((address, bytes));
        black_box(Ok(()))
    }

    #[inline(never)]
    fn synchronize_instructions(
        &mut self,
        address: PhysicalAddress,
        length: usize,
    ) -> TargetResult<(), Self> {
        black_box((address, length));
        black_box(Ok(()))
    }
}

impl Comparators for Machine {
    #[inline(never)]
    fn capabilities(&self) -> Capabilities {
        black_box(self.capabilities)
    }

    #[inline(never)]
    fn scope(&self) -> Scope {
        black_box(self.scope)
    }

    #[inline(never)]
    fn break_instruction(&self) -> BreakInstruction {
        black_box(BreakInstruction::Brk)
    }

    #[inline(never)]
    fn commit(&mut self, core: CoreId, arming: &Arming) -> TargetResult<(), Self> {
        black_box((core, arming));
        black_box(Ok(()))
    }
}

impl RunControl for Machine {
    #[inline(never)]
    fn core_state(&mut self, core: CoreId) -> TargetResult<CoreState, Self> {
        black_box(core);
        black_box(Ok(CoreState::Halted))
    }

    #[inline(never)]
    fn resume(&mut self, core: CoreId, how: Resume) -> TargetResult<(), Self> {
        black_box((core, how));
        black_box(Ok(()))
    }

    #[inline(never)]
    fn halt(&mut self, core: CoreId) -> TargetResult<(), Self> {
        black_box(core);
        black_box(Ok(()))
    }
}

impl TableMemory for Machine {
    type Error = Lost;

    #[inline(never)]
    fn read_descriptor(&mut self, address: PhysicalAddress, bytes: &mut [u8]) -> Result<(), Lost> {
        black_box((address, bytes));
        black_box(Ok(()))
    }
}

impl DebugRegisters for Machine {
    type Error = Lost;

    #[inline(never)]
    fn read(&mut self, register: DebugRegister) -> Result<u64, Lost> {
        black_box(register);
        black_box(Ok(0))
    }

    #[inline(never)]
    fn write(&mut self, register: DebugRegister, value: u64) -> Result<(), Lost> {
        black_box((register, value));
        black_box(Ok(()))
    }

    #[inline(never)]
    fn synchronize(&mut self) -> Result<(), Lost> {
        black_box(Ok(()))
    }
}

impl Environment for Machine {
    type Error = Lost;

    #[inline(never)]
    fn register(&mut self, number: u16) -> Result<u64, Lost> {
        black_box(number);
        black_box(Ok(0))
    }

    #[inline(never)]
    fn read(&mut self, address: u64, buffer: &mut [u8]) -> Result<(), Lost> {
        black_box((address, buffer));
        black_box(Ok(()))
    }

    #[inline(never)]
    fn print(&mut self, text: &str) {
        black_box(text);
    }
}
