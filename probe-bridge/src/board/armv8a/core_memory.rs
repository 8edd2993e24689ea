//! Memory by way of a halted core, for chips where no access port leads there.
//!
//! The core's MMU is switched off meanwhile, so that an address is a physical one (an intermediate one where a
//! hypervisor's stage 2 is on), and every cache line is written back and invalidated before it is accessed: without the
//! MMU, accesses go past the caches.

use trapline_core::address::AddressRange;
use trapline_core::registers::ExceptionLevel;
use trapline_core::target::{Refusal, Register, SystemRegister};

use super::core::Core;
use super::instructions::{
    CLEAN_AND_INVALIDATE, LOAD_BYTE, LOAD_WORD, RECEIVE_WORD, SEND_WORD, STORE_BYTE, STORE_WORD,
    SYNCHRONIZE_CONTEXT, SYNCHRONIZE_DATA,
};
use crate::board::cores::Access;
use crate::board::link::Link;

/// The smallest cache line that there is (`CTR_EL0.DminLine` of 0 is 4 bytes, and no core has less than 16).
const LINE: u64 = 16;
/// `SCTLR_ELx.M`.
const MMU: u64 = 1;

impl Core {
    /// Fills `buffer` from a physical address on.
    pub(super) fn read_memory<L: Link>(
        &mut self,
        link: &mut L,
        range: AddressRange,
        buffer: &mut [u8],
    ) -> Access<()> {
        self.physically(link, range, |core, link| {
            let mut place = range.first();
            let mut rest = buffer;
            while !rest.is_empty() {
                let length = step(place, rest.len());
                let (now, later) = rest.split_at_mut(length);
                let load = if length == 4 { LOAD_WORD } else { LOAD_BYTE };
                core.execute(link, load, Refusal::NoMemory(range))?;
                core.execute(link, SEND_WORD, Refusal::NoMemory(range))?;
                let word = core.receive_word(link)?;
                for (to, from) in now.iter_mut().zip(word.to_le_bytes()) {
                    *to = from;
                }
                (place, rest) = (place + length as u64, later);
            }
            Ok(())
        })
    }

    /// Writes `bytes` from a physical address on. What comes before a byte that is not there is written.
    pub(super) fn write_memory<L: Link>(
        &mut self,
        link: &mut L,
        range: AddressRange,
        bytes: &[u8],
    ) -> Access<()> {
        self.physically(link, range, |core, link| {
            let mut place = range.first();
            let mut rest = bytes;
            while !rest.is_empty() {
                let length = step(place, rest.len());
                let (now, later) = rest.split_at(length);
                let word = now.iter().rev().fold(0, |word, &byte| word << 8 | u32::from(byte));
                core.send_word(link, word)?;
                core.execute(link, RECEIVE_WORD, Refusal::NoMemory(range))?;
                let store = if length == 4 { STORE_WORD } else { STORE_BYTE };
                core.execute(link, store, Refusal::NoMemory(range))?;
                (place, rest) = (place + length as u64, later);
            }
            core.execute(link, SYNCHRONIZE_DATA, Refusal::NoMemory(range))
        })
    }

    /// Works with the MMU off, X0 at the range's first address, and no line of the range in a cache.
    fn physically<L: Link>(
        &mut self,
        link: &mut L,
        range: AddressRange,
        work: impl FnOnce(&mut Self, &mut L) -> Access<()>,
    ) -> Access<()> {
        let level = self.raise(link)?;
        self.save(link, 0)?;
        self.save(link, 1)?;
        let control = match level {
            ExceptionLevel::El2 => SystemRegister::from_encoding(0xe080),
            ExceptionLevel::El3 => SystemRegister::from_encoding(0xf080),
            _ => SystemRegister::SCTLR_EL1,
        };
        // An abort in Debug state overwrites what belongs to the software that is being debugged.
        self.guarded(link, SystemRegister::CONTEXTIDR_EL1, |core, link| {
            let before = core.read(link, Register::System(control))?;
            let off = before & !MMU;
            if off != before {
                core.write_system(link, control, Register::System(control), off)?;
                core.execute(link, SYNCHRONIZE_CONTEXT, Refusal::NoMemory(range))?;
            }
            let result = core.flush_lines(link, range).and_then(|()| {
                core.load_x0(link, range.first())?;
                work(core, link)
            });
            if off != before {
                core.write_system(link, control, Register::System(control), before)?;
                core.execute(link, SYNCHRONIZE_CONTEXT, Refusal::NoMemory(range))?;
            }
            result
        })
    }

    fn flush_lines(&mut self, link: &mut impl Link, range: AddressRange) -> Access<()> {
        let mut line = range.first() & !(LINE - 1);
        while line <= range.last() {
            self.load_x0(link, line)?;
            self.execute(link, CLEAN_AND_INVALIDATE, Refusal::NoMemory(range))?;
            line += LINE;
        }
        self.execute(link, SYNCHRONIZE_DATA, Refusal::NoMemory(range))
    }
}

/// How much the next access moves: a word where it is aligned and there is that much, else a byte.
const fn step(address: u64, left: usize) -> usize {
    if address.is_multiple_of(4) && left >= 4 { 4 } else { 1 }
}
