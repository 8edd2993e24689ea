//! The kernel's messages, out of its ring buffer (Linux since 5.10, `kernel/printk/printk_ringbuffer.c`).
//!
//! A ring of descriptors, each with a number, a state, and where in a ring of bytes its text is. The text is
//! behind the descriptor's number, and begins anew at the ring's begin where it would not fit at the end.

use super::{Live, LiveError, Memory, number, pointer};

/// The largest ring of text, and of descriptors, by the binary logarithm.
const MOST_BITS: u64 = 27;
/// The number of a descriptor has 62 bits; above it is its state.
const NUMBER: u64 = u64::MAX >> 2;
/// States of descriptors whose text is whole: committed, and finalized.
const WHOLE: [u64; 2] = [1, 2];
/// A position with this bit stands for no text.
const NO_TEXT: u64 = 1;

/// A message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// Its number.
    pub sequence: u64,
    /// When it was written, in nanoseconds of the kernel's clock.
    pub nanoseconds: u64,
    /// What it says, without the last line's end.
    pub text: String,
}

/// The ring's parts and where in their structs what is looked at is.
struct Ring {
    descriptors: u64,
    descriptor_size: u64,
    descriptor_mask: u64,
    state: u64,
    begin: u64,
    next: u64,
    infos: u64,
    info_size: u64,
    sequence: u64,
    nanoseconds: u64,
    length: u64,
    text: u64,
    text_bits: u64,
}

/// The messages that are in the buffer, the oldest first; with `last`, only so many.
///
/// # Errors
/// [`LiveError`].
pub fn records(
    live: &Live<'_>,
    memory: &mut dyn Memory,
    last: Option<usize>,
) -> Result<Vec<Record>, LiveError> {
    let at = |path: &str| live.offset("printk_ringbuffer", path);
    let buffer = pointer(memory, live.symbol("prb")?, "message buffer")?;
    let member = |path: &str| Ok::<_, LiveError>(buffer.wrapping_add(at(path)?));
    let bits = |value: u64, what| match value {
        1..=MOST_BITS => Ok(value),
        value => Err(LiveError::Broken { what, value }),
    };
    let count = bits(number::<4>(memory, member("desc_ring.count_bits")?)?, "number of messages")?;
    let text_bits = bits(number::<4>(memory, member("text_data_ring.size_bits")?)?, "size of messages")?;
    let ring = Ring {
        descriptors: pointer(memory, member("desc_ring.descs")?, "messages")?,
        descriptor_size: live.size("prb_desc")?,
        descriptor_mask: (1 << count) - 1,
        state: live.offset("prb_desc", "state_var")?,
        begin: live.offset("prb_desc", "text_blk_lpos.begin")?,
        next: live.offset("prb_desc", "text_blk_lpos.next")?,
        infos: pointer(memory, member("desc_ring.infos")?, "messages")?,
        info_size: live.size("printk_info")?,
        sequence: live.offset("printk_info", "seq")?,
        nanoseconds: live.offset("printk_info", "ts_nsec")?,
        length: live.offset("printk_info", "text_len")?,
        text: pointer(memory, member("text_data_ring.data")?, "messages")?,
        text_bits,
    };
    let newest = number::<8>(memory, member("desc_ring.head_id")?)? & NUMBER;
    let oldest = number::<8>(memory, member("desc_ring.tail_id")?)? & NUMBER;
    let held = newest.wrapping_sub(oldest) & NUMBER;
    if held > ring.descriptor_mask {
        return Err(LiveError::Broken { what: "number of messages", value: held });
    }
    let mut found = Vec::new();
    // From the newest backwards, so that only those are read that are wanted.
    for back in 0..=held {
        if last.is_some_and(|last| found.len() >= last) {
            break;
        }
        found.extend(ring.record(memory, newest.wrapping_sub(back) & NUMBER)?);
    }
    found.reverse();
    Ok(found)
}

impl Ring {
    /// The message of this number, if it is whole.
    fn record(&self, memory: &mut dyn Memory, id: u64) -> Result<Option<Record>, LiveError> {
        let index = id & self.descriptor_mask;
        let descriptor = self.descriptors.wrapping_add(index * self.descriptor_size);
        let state = number::<8>(memory, descriptor.wrapping_add(self.state))?;
        if state & NUMBER != id || !WHOLE.contains(&(state >> 62)) {
            return Ok(None);
        }
        let info = self.infos.wrapping_add(index * self.info_size);
        let sequence = number::<8>(memory, info.wrapping_add(self.sequence))?;
        let nanoseconds = number::<8>(memory, info.wrapping_add(self.nanoseconds))?;
        let length = number::<2>(memory, info.wrapping_add(self.length))?;
        let begin = number::<8>(memory, descriptor.wrapping_add(self.begin))?;
        let next = number::<8>(memory, descriptor.wrapping_add(self.next))?;
        let text = match begin & NO_TEXT {
            0 => self.text(memory, begin, next, length)?,
            _ => String::new(),
        };
        Ok(Some(Record { sequence, nanoseconds, text }))
    }

    fn text(&self, memory: &mut dyn Memory, begin: u64, next: u64, length: u64) -> Result<String, LiveError> {
        /// Bytes of the descriptor's number before the text.
        const HEAD: u64 = 8;
        let size = 1 << self.text_bits;
        // Where the end is in another round, and not at its very begin, the whole is at the ring's begin.
        let wraps = begin >> self.text_bits != next.wrapping_sub(1) >> self.text_bits;
        let first = if wraps { 0 } else { begin & (size - 1) };
        let room = if wraps { next & (size - 1) } else { next.wrapping_sub(begin) };
        let length = length.min(room.saturating_sub(HEAD)).min((size - first).saturating_sub(HEAD));
        let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
        memory.read(self.text.wrapping_add(first + HEAD), &mut bytes)?;
        let text = String::from_utf8_lossy(&bytes);
        let plain = |character: char| match character {
            '\n' | '\t' => character,
            character if character.is_control() => '\u{fffd}',
            character => character,
        };
        Ok(text.trim_end_matches('\n').chars().map(plain).collect())
    }
}
