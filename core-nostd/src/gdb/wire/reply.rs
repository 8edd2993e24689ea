//! The payload of a packet that leaves, written where it will be sent from.

use core::fmt;

use super::framing::{ESCAPE, ESCAPE_BIT};

/// A payload in the making.
///
/// What does not fit is not written, and then the whole payload is given up ([`Reply::overflowed`]).
#[derive(Debug)]
pub(crate) struct Reply<'a> {
    buffer: &'a mut [u8],
    length: usize,
    overflowed: bool,
}

impl<'a> Reply<'a> {
    /// A payload in `buffer` whose first `length` bytes are written.
    pub(super) const fn new(buffer: &'a mut [u8], length: usize) -> Self {
        Self { buffer, length, overflowed: false }
    }

    pub(crate) const fn len(&self) -> usize {
        self.length
    }

    /// How many bytes there is room for.
    pub(crate) const fn room(&self) -> usize {
        self.buffer.len() - self.length
    }

    pub(crate) const fn overflowed(&self) -> bool {
        self.overflowed
    }

    /// Forgets what was written behind the first `length` bytes.
    pub(crate) fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
        self.overflowed = false;
    }

    /// Puts another byte in the place of the first.
    pub(crate) fn set_first(&mut self, byte: u8) {
        if let Some(first) = self.buffer.first_mut() {
            *first = byte;
        }
    }

    /// Appends bytes as they are.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        let end = self.length.saturating_add(bytes.len());
        match self.buffer.get_mut(self.length..end) {
            Some(place) => {
                for (to, from) in place.iter_mut().zip(bytes) {
                    *to = *from;
                }
                self.length = end;
            }
            None => self.overflowed = true,
        }
    }

    pub(crate) fn byte(&mut self, byte: u8) {
        self.bytes(&[byte]);
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// Appends bytes as two hexadecimal digits each.
    pub(crate) fn hex(&mut self, bytes: &[u8]) {
        let end = self.length.saturating_add(bytes.len().saturating_mul(2));
        match self.buffer.get_mut(self.length..end) {
            Some(place) => {
                for (place, byte) in place.chunks_exact_mut(2).zip(bytes) {
                    if let [high, low] = place {
                        (*high, *low) = (digit_of(byte >> 4), digit_of(*byte));
                    }
                }
                self.length = end;
            }
            None => self.overflowed = true,
        }
    }

    /// Appends a number in hexadecimal without leading zeros.
    pub(crate) fn number(&mut self, number: u64) {
        let digits = (64 - (number | 1).leading_zeros()).div_ceil(4);
        for digit in (0..digits).rev() {
            self.byte(digit_of((number >> (4 * digit)) as u8));
        }
    }

    /// Appends text as hexadecimal digits.
    pub(crate) fn hex_text(&mut self) -> HexText<'_, 'a> {
        HexText(self)
    }

    /// Appends text in which nothing has a meaning to a packet: such bytes become `?`.
    pub(crate) fn plain_text(&mut self) -> PlainText<'_, 'a> {
        PlainText(self)
    }

    /// Appends a byte that may be anything, escaped where it means something in a packet.
    pub(crate) fn escaped(&mut self, byte: u8) {
        match byte {
            b'#' | b'$' | b'*' | ESCAPE => self.bytes(&[ESCAPE, byte ^ ESCAPE_BIT]),
            _ => self.byte(byte),
        }
    }

    /// Appends what `fill` puts into a buffer of `length` bytes, as far as there is room for their hexadecimal
    /// digits, and as many as it says.
    pub(crate) fn hex_of<E>(
        &mut self,
        length: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<(), E> {
        self.filled(length, fill, |reply, byte| reply.bytes(&[digit_of(byte >> 4), digit_of(byte)]))
    }

    /// As [`Self::hex_of`], with the bytes as they are, escaped where they must be.
    pub(crate) fn escaped_of<E>(
        &mut self,
        length: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<(), E> {
        self.filled(length, fill, Self::escaped)
    }

    /// Appends what `fill` puts into a buffer of `length` bytes, each by `append` as at most two.
    ///
    /// The bytes are put where the last of the appended will be, so that they need no buffer of their own: what byte i
    /// becomes never comes behind byte i before that has been read.
    fn filled<E>(
        &mut self,
        length: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<usize, E>,
        append: impl Fn(&mut Self, u8),
    ) -> Result<(), E> {
        let length = length.min(self.room() / 2);
        let from = self.length + length;
        let count = fill(self.buffer.get_mut(from..from + length).unwrap_or_default())?;
        for index in from..from + count.min(length) {
            let byte = self.buffer.get(index).copied().unwrap_or_default();
            append(self, byte);
        }
        Ok(())
    }

    /// The room that is left, for bytes that are no part of the reply.
    pub(crate) fn scratch(&mut self) -> &mut [u8] {
        self.buffer.get_mut(self.length..).unwrap_or_default()
    }
}

/// Formatted text, as it is.
impl fmt::Write for Reply<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.text(text);
        Ok(())
    }
}

/// Text as hexadecimal digits.
pub(crate) struct HexText<'r, 'a>(&'r mut Reply<'a>);

impl fmt::Write for HexText<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.hex(text.as_bytes());
        Ok(())
    }
}

/// Text without the characters that mean something in a packet.
pub(crate) struct PlainText<'r, 'a>(&'r mut Reply<'a>);

impl fmt::Write for PlainText<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for &byte in text.as_bytes() {
            self.0.byte(match byte {
                b'#' | b'$' | b'*' | ESCAPE => b'?',
                byte if byte.is_ascii_control() => b' ',
                byte => byte,
            });
        }
        Ok(())
    }
}

/// The digit for the low 4 bits.
pub(super) const fn digit_of(value: u8) -> u8 {
    match value & 0xf {
        digit @ 0..=9 => b'0' + digit,
        digit => b'a' + (digit - 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::convert::Infallible;
    use core::fmt::Write as _;
    use std::string::String;

    fn written(room: usize, write: impl FnOnce(&mut Reply<'_>)) -> Option<String> {
        let mut buffer = std::vec![0; room];
        let mut reply = Reply::new(&mut buffer, 0);
        write(&mut reply);
        let (length, overflowed) = (reply.len(), reply.overflowed());
        (!overflowed).then(|| String::from_utf8_lossy(&buffer[..length]).into_owned())
    }

    #[test]
    fn numbers_have_no_leading_zeros() {
        for number in [0, 1, 0xf, 0x10, 0x1234, u64::MAX] {
            assert_eq!(written(16, |reply| reply.number(number)), Some(std::format!("{number:x}")));
        }
    }

    #[test]
    fn digits_overtake_no_byte() {
        for room in [1, 2, 7, 8, 64] {
            for length in [0, 1, 3, 4, 31, 32, 33] {
                let fill = |buffer: &mut [u8]| {
                    for (index, place) in buffer.iter_mut().enumerate() {
                        *place = index as u8 + 0x80;
                    }
                    Ok::<_, Infallible>(buffer.len())
                };
                let expected: String =
                    (0..length.min(room / 2)).map(|index| std::format!("{:02x}", index + 0x80)).collect();
                let reply = written(room, |reply| {
                    let Ok(()) = reply.hex_of(length, fill);
                });
                assert_eq!(reply, Some(expected), "{room} {length}");
            }
        }
    }

    #[test]
    fn bytes_that_mean_something_are_escaped() {
        let reply = written(64, |reply| {
            let Ok(()) = reply.escaped_of(4, |buffer| {
                buffer.copy_from_slice(b"#$}*");
                Ok::<_, Infallible>(4)
            });
        });
        assert_eq!(reply.as_deref(), Some("}\x03}\x04}]}\n"));
        let plain = written(64, |reply| write!(reply.plain_text(), "a#b\nc").unwrap());
        assert_eq!(plain.as_deref(), Some("a?b c"));
    }

    #[test]
    fn what_does_not_fit_gives_the_reply_up() {
        assert_eq!(written(3, |reply| reply.text("1234")), None);
        assert_eq!(written(3, |reply| reply.hex(b"12")), None);
        let cut = |reply: &mut Reply<'_>| {
            reply.text("123");
            reply.text("4");
            reply.truncate(1);
        };
        assert_eq!(written(3, cut).as_deref(), Some("1"));
    }
}
