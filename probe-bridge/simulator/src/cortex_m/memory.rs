//! Memory that notes what is accessed, for the watchpoint unit to look at.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use armagnac::core::ArmVersion;
use armagnac::core::ItState;
use armagnac::decoder::{BasicInstructionDecoder, InstructionDecode, InstructionDecodeError};
use armagnac::instructions::{Instruction, InstructionSize};
use armagnac::memory::{Env, MemoryAccessError, MemoryInterface, MemoryReadResult, MemoryWriteResult};

/// An access of the core to memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Access {
    pub(super) address: u32,
    pub(super) size: u32,
    pub(super) write: bool,
}

/// Accesses since the last instruction began.
pub(super) type Accesses = Rc<RefCell<Vec<Access>>>;

/// A block of memory.
pub(super) struct Block {
    base: u32,
    bytes: Vec<u8>,
    accesses: Accesses,
}

impl Block {
    pub(super) fn new(base: u32, length: usize, accesses: Accesses) -> Self {
        Self { base, bytes: vec![0; length], accesses }
    }

    fn read(&self, offset: u32, size: u32) -> MemoryReadResult<u32> {
        let start = offset as usize;
        let bytes = self.bytes.get(start..start + size as usize).ok_or(MemoryAccessError::InvalidAddress)?;
        self.note(offset, size, false);
        Ok(bytes.iter().rev().fold(0, |value, &byte| value << 8 | u32::from(byte)))
    }

    fn write(&mut self, offset: u32, size: u32, value: u32) -> MemoryWriteResult {
        self.note(offset, size, true);
        let start = offset as usize;
        let bytes =
            self.bytes.get_mut(start..start + size as usize).ok_or(MemoryAccessError::InvalidAddress)?;
        for (place, byte) in bytes.iter_mut().zip(value.to_le_bytes()) {
            *place = byte;
        }
        Ok(())
    }

    fn note(&self, offset: u32, size: u32, write: bool) {
        self.accesses.borrow_mut().push(Access { address: self.base + offset, size, write });
    }
}

impl MemoryInterface for Block {
    fn read_u8(&mut self, address: u32, _: &mut Env) -> MemoryReadResult<u8> {
        Ok(self.read(address, 1)? as u8)
    }

    fn write_u8(&mut self, address: u32, value: u8, _: &mut Env) -> MemoryWriteResult {
        self.write(address, 1, u32::from(value))
    }

    fn read_u16le(&mut self, address: u32, _: &mut Env) -> MemoryReadResult<u16> {
        Ok(self.read(address, 2)? as u16)
    }

    fn write_u16le(&mut self, address: u32, value: u16, _: &mut Env) -> MemoryWriteResult {
        self.write(address, 2, u32::from(value))
    }

    fn read_u32le(&mut self, address: u32, _: &mut Env) -> MemoryReadResult<u32> {
        self.read(address, 4)
    }

    fn write_u32le(&mut self, address: u32, value: u32, _: &mut Env) -> MemoryWriteResult {
        self.write(address, 4, value)
    }

    fn size(&self) -> u32 {
        self.bytes.len() as u32
    }
}

const NOP: u32 = 0xbf00;

/// Decodes, and takes the fetches out of the accesses: they are over when an instruction is decoded.
/// While it is idle, every instruction is one that does nothing.
pub(super) struct Decoder {
    inner: BasicInstructionDecoder,
    accesses: Accesses,
    idle: Rc<Cell<bool>>,
}

impl Decoder {
    pub(super) fn new(version: ArmVersion, accesses: Accesses, idle: Rc<Cell<bool>>) -> Self {
        Self { inner: BasicInstructionDecoder::new(version), accesses, idle }
    }
}

impl InstructionDecode for Decoder {
    fn try_decode(
        &self,
        instruction: u32,
        size: InstructionSize,
        state: ItState,
    ) -> Result<Rc<dyn Instruction>, InstructionDecodeError> {
        let fetches = if size == InstructionSize::Ins16 { 1 } else { 2 };
        let mut accesses = self.accesses.borrow_mut();
        let others = accesses.len().saturating_sub(fetches);
        accesses.truncate(others);
        if self.idle.get() {
            return self.inner.try_decode(NOP, InstructionSize::Ins16, state);
        }
        self.inner.try_decode(instruction, size, state)
    }
}
