//! Memory that is searched or compared here instead of being sent: `qSearch:memory` and `qCRC`.

use crate::target::Target;

use super::failure::{Failure, Handled};
use super::session::Exchange;

/// Whether the program has it; a client reads the memory instead where not.
pub(super) const BUILT_IN: bool = cfg!(feature = "search");

/// The most memory that one packet may have looked at, in bytes: the target stands still meanwhile, and the client
/// cannot interrupt it.
const MOST: u64 = 1 << 30;

/// The longest pattern in bytes.
const LONGEST_PATTERN: usize = 1024;

/// The checksum that gdb compares by: CRC-32 with the polynomial 0x04c11db7, the highest bit first, begun with all ones
/// and not inverted at the end.
#[derive(Clone, Copy, Debug)]
struct Crc(u32);

impl Crc {
    const fn new() -> Self {
        Self(u32::MAX)
    }

    fn add(&mut self, byte: u8) {
        self.0 ^= u32::from(byte) << 24;
        for _ in 0..8 {
            let carry = self.0 >> 31 != 0;
            self.0 = self.0 << 1 ^ if carry { 0x04c1_1db7 } else { 0 };
        }
    }
}

impl<T: Target, const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize>
    Exchange<'_, '_, T, CORES, SOFTWARE, BYTECODE>
{
    /// Answers `qCRC`.
    pub(super) fn checksum(&mut self, address: u64, length: u64) -> Handled<(), T::Error> {
        let mut crc = Crc::new();
        let mut done = 0;
        limit(length)?;
        while done < length {
            for &byte in self.some_memory(address.wrapping_add(done), length - done)? {
                crc.add(byte);
                done += 1;
            }
        }
        self.reply.byte(b'C');
        self.reply.number(crc.0.into());
        Ok(())
    }

    /// Answers `qSearch:memory`: `1,` and the address of the first place at which the pattern is in these bytes, or `0`.
    pub(super) fn search(&mut self, address: u64, length: u64, pattern: &[u8]) -> Handled<(), T::Error> {
        limit(length)?;
        let Some(first) = pattern.first() else { return Err(Failure::Malformed) };
        if pattern.len() > LONGEST_PATTERN {
            return Err(Failure::Unsupported("a pattern of more than 1024 bytes cannot be searched for"));
        }
        let wanted = pattern.len() as u64;
        let mut from = 0;
        while length - from >= wanted {
            let window = self.some_memory(address.wrapping_add(from), length - from)?;
            let candidates = window.iter().enumerate().filter(|(_, byte)| *byte == first);
            let mut cut = window.len();
            for (index, _) in candidates {
                let rest = window.get(index..).unwrap_or_default();
                if rest.starts_with(pattern) {
                    self.reply.text("1,");
                    self.reply.number(address.wrapping_add(from).wrapping_add(index as u64));
                    return Ok(());
                }
                if rest.len() < pattern.len() && pattern.starts_with(rest) {
                    // It may go on behind the window.
                    cut = index;
                    break;
                }
            }
            // A window that ends in the middle of memory that cannot be read gets no longer by another look.
            if cut == 0 && (window.len() as u64) < wanted {
                let behind = window.len() as u64;
                self.some_memory(address.wrapping_add(from + behind), wanted - behind)?;
                cut = 1;
            }
            from += cut as u64;
        }
        self.reply.text("0");
        Ok(())
    }

    /// As many bytes as there is room for beside the answer, and as can be read: at least one.
    fn some_memory(&mut self, address: u64, length: u64) -> Handled<&[u8], T::Error> {
        /// What the answer takes, at most.
        const ANSWER: usize = 32;
        let room = self.reply.scratch().get_mut(ANSWER..).unwrap_or_default();
        let length = usize::try_from(length).unwrap_or(usize::MAX).min(room.len());
        let buffer = room.get_mut(..length).unwrap_or_default();
        let count = self.debugger.read_virtual(self.session.selected, address, buffer)?;
        match buffer.get(..count) {
            Some(read @ [_, ..]) => Ok(read),
            _ => Err(Failure::Unsupported("no memory can be read there")),
        }
    }
}

/// Refuses what takes too long.
fn limit<E>(length: u64) -> Handled<(), E> {
    match length {
        0..=MOST => Ok(()),
        _ => Err(Failure::Unsupported("at most 1 GiB is searched or compared at once")),
    }
}

#[cfg(test)]
mod tests {
    use super::Crc;

    #[test]
    fn the_checksum_is_the_one_that_gdb_computes() {
        // CRC-32/MPEG-2, whose check value this is.
        let mut crc = Crc::new();
        b"123456789".iter().for_each(|byte| crc.add(*byte));
        assert_eq!(crc.0, 0x0376_e6e7);
    }
}
