//! Code around an instruction that is about to be stepped.
//!
//! Whether it can be run through, what it does and where it ends is asked of the same few instructions again and again.

use crate::breakpoint::Instruction;
use crate::target::{CoreId, Target};

use super::Debugger;

/// How much is read at once, a power of two no larger than any page.
const SIZE: usize = 64;

/// Instructions as they were when a step of a core was begun. Nothing of it counts for the next step: the guest may
/// write to its code.
#[derive(Debug)]
pub(super) struct CodeBlock {
    /// Whether blocks are kept at all: while a step is begun.
    open: bool,
    /// The address of the block that is kept, if one is.
    start: Option<u64>,
    bytes: [u8; SIZE],
}

impl Default for CodeBlock {
    fn default() -> Self {
        Self { open: false, start: None, bytes: [0; SIZE] }
    }
}

impl CodeBlock {
    /// A step is begun; what was kept is forgotten.
    pub(super) const fn open(&mut self) {
        (self.open, self.start) = (true, None);
    }

    /// The step has begun.
    pub(super) const fn close(&mut self) {
        self.open = false;
    }

    fn word(&self, address: u64) -> Option<u32> {
        let start = self.start.filter(|_| self.open)?;
        let place = usize::try_from(address.wrapping_sub(start)).ok()?;
        self.bytes.get(place..)?.first_chunk().map(|word| u32::from_le_bytes(*word))
    }
}

impl<T: Target, const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize>
    Debugger<T, CORES, SOFTWARE, BYTECODE>
{
    /// The A64 instruction at an address, as [`Self::fetch`] reads it, from the block that is kept or into it; `None`
    /// where it is to be read by itself.
    pub(super) fn fetch_from_block(&mut self, core: CoreId, address: u64, set: Instruction) -> Option<u32> {
        if !matches!(set, Instruction::A64) || !self.code.open || !address.is_multiple_of(4) {
            return None;
        }
        if let Some(word) = self.code.word(address) {
            return Some(word);
        }
        let start = address & !(SIZE as u64 - 1);
        let mut bytes = [0; SIZE];
        let all = matches!(self.read_code(core, start, &mut bytes), Ok(SIZE));
        if all {
            (self.code.start, self.code.bytes) = (Some(start), bytes);
        }
        self.code.word(address)
    }
}
