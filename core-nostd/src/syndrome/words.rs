//! Pieces of text that several syndromes share.

use core::fmt;

/// Writes the words of each bit of `bits` that is set.
pub(super) fn write_set(f: &mut fmt::Formatter<'_>, bits: u64, words: &[(u32, &str)]) -> fmt::Result {
    words.iter().filter(|(bit, _)| bits >> bit & 1 != 0).try_for_each(|(_, words)| f.write_str(words))
}

/// The word of what has no meaning.
pub(super) const RESERVED: &str = "reserved";

/// The word of `index`, or [`RESERVED`].
pub(super) fn word(words: &[&'static str], index: u8) -> &'static str {
    words.get(usize::from(index)).copied().unwrap_or(RESERVED)
}

/// What kind of access it was, by CM, bit \[8\], and WnR, bit \[6\].
pub(super) fn access(bits: u64) -> &'static str {
    match (bits >> 8 & 1, bits >> 6 & 1) {
        (0, 0) => " on a read",
        (0, _) => " on a write",
        _ => " on cache maintenance",
    }
}

/// A general-purpose register as an operand: 31 is the zero register.
pub(super) struct X(pub(super) u8);

impl fmt::Display for X {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_register(f, "X", self.0)
    }
}

/// The same with the letter of its width.
pub(super) fn write_register(f: &mut fmt::Formatter<'_>, letter: &str, number: u8) -> fmt::Result {
    if number == 31 { write!(f, "{letter}ZR") } else { write!(f, "{letter}{number}") }
}
