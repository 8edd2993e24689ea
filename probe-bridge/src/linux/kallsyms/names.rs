//! The names: sequences of token numbers.

use super::locate::{Tables, Tokens};
use crate::linux::bytes::{c_string, u16_at};

/// The longest name, expanded: the kernel's `KSYM_NAME_LEN`.
const LONGEST: usize = 512;
/// All names together are some megabytes; a file that claims more is not one to believe.
const LONGEST_TEXT: usize = 256 << 20;

/// How long the compressed name is that begins at `at`, and how many bytes say so.
///
/// One byte below 128, or since Linux 6.1 two, with the lower seven bits in the first.
pub(super) fn name_length(image: &[u8], at: usize) -> Option<(usize, usize)> {
    let low = usize::from(*image.get(at)?);
    if low < 0x80 {
        return Some((low, 1));
    }
    let high = usize::from(*image.get(at + 1)?);
    Some((low & 0x7f | high << 7, 2))
}

/// Expands one name after the other.
#[derive(Debug)]
pub(super) struct Names<'a> {
    image: &'a [u8],
    tokens: Vec<&'a [u8]>,
    at: usize,
    /// One name, with the letter of its kind before it.
    expanded: Vec<u8>,
}

impl<'a> Names<'a> {
    pub(super) fn new(image: &'a [u8], tables: &Tables) -> Self {
        let Tokens { table, index } = tables.tokens;
        let token = |number: usize| {
            let offset = usize::from(u16_at(image, index + 2 * number).unwrap_or_default());
            c_string(image, table + offset, LONGEST).unwrap_or_default()
        };
        let tokens = (0..Tokens::COUNT).map(token).collect();
        Self { image, tokens, at: tables.names.start, expanded: Vec::with_capacity(LONGEST) }
    }

    /// Appends the next name and answers its kind; `None` where it is no name.
    pub(super) fn next_into(&mut self, text: &mut String) -> Option<char> {
        let (length, prefix) = name_length(self.image, self.at)?;
        let begin = self.at + prefix;
        let numbers = self.image.get(begin..begin + length)?;
        self.at = begin + length;
        self.expanded.clear();
        for &number in numbers {
            self.expanded.extend_from_slice(self.tokens.get(usize::from(number))?);
        }
        let (&kind, name) = self.expanded.split_first()?;
        if name.len() > LONGEST || text.len() > LONGEST_TEXT || !kind.is_ascii_alphabetic() {
            return None;
        }
        text.push_str(&String::from_utf8_lossy(name));
        Some(char::from(kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_one_byte_or_two() {
        assert_eq!(name_length(&[0x7f], 0), Some((0x7f, 1)));
        assert_eq!(name_length(&[0x80, 0x01], 0), Some((0x80, 2)));
        assert_eq!(name_length(&[0xff, 0x03], 0), Some((0x1ff, 2)));
        assert_eq!(name_length(&[0x80], 0), None);
        assert_eq!(name_length(&[], 0), None);
    }
}
