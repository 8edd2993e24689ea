//! Memory that holds translation tables.

use std::collections::HashMap;

use trapline_core::address::PhysicalAddress;
use trapline_core::translation::TableMemory;

/// Descriptors by address; what is not there, or is of another width, cannot be read.
#[derive(Default)]
pub(crate) struct Tables {
    descriptors: HashMap<u64, (usize, u64)>,
    pub(crate) big_endian: bool,
    pub(crate) reads: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct NoMemory;

impl Tables {
    /// Puts a descriptor of `width` bytes at `address`.
    pub(crate) fn put(&mut self, address: u64, width: usize, descriptor: u64) {
        self.descriptors.insert(address, (width, descriptor));
    }
}

impl TableMemory for Tables {
    type Error = NoMemory;

    fn read_descriptor(&mut self, address: PhysicalAddress, bytes: &mut [u8]) -> Result<(), NoMemory> {
        assert_eq!(address.0 % bytes.len() as u64, 0, "descriptors are aligned");
        self.reads += 1;
        let (width, descriptor) = self.descriptors.get(&address.0).ok_or(NoMemory)?;
        if *width != bytes.len() {
            return Err(NoMemory);
        }
        let little = descriptor.to_le_bytes();
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = little[if self.big_endian { width - 1 - index } else { index }];
        }
        Ok(())
    }
}

/// Answers every read with pseudo-random bits under a mask of those that are always set and one of those
/// that may be set, so that walks go on as long as they can.
pub(crate) struct Noise {
    pub(crate) seed: u64,
    pub(crate) set: u64,
    pub(crate) may_be_set: u64,
    pub(crate) reads: usize,
}

impl TableMemory for Noise {
    type Error = NoMemory;

    fn read_descriptor(&mut self, address: PhysicalAddress, bytes: &mut [u8]) -> Result<(), NoMemory> {
        self.reads += 1;
        let word = (address.0 ^ self.seed).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
        let word = word & self.may_be_set | self.set;
        bytes.copy_from_slice(&word.to_le_bytes()[..bytes.len()]);
        Ok(())
    }
}
