//! Reading a payload from its start to its end.

use super::framing::digit;

/// What is left of a payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Scanner<'p> {
    rest: &'p [u8],
}

impl<'p> Scanner<'p> {
    pub(crate) const fn new(rest: &'p [u8]) -> Self {
        Self { rest }
    }

    pub(crate) const fn rest(self) -> &'p [u8] {
        self.rest
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.rest.is_empty()
    }

    /// The next byte.
    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    /// Passes over exactly this text, if it comes next.
    pub(crate) fn text(&mut self, text: &[u8]) -> Option<()> {
        self.rest = self.rest.strip_prefix(text)?;
        Some(())
    }

    /// What comes before `separator`, which is passed over; all the rest where there is none.
    pub(crate) fn until(&mut self, separator: u8) -> &'p [u8] {
        let rest = self.rest;
        match rest.iter().position(|byte| *byte == separator) {
            Some(at) => {
                self.rest = rest.get(at + 1..).unwrap_or_default();
                rest.get(..at).unwrap_or_default()
            }
            None => {
                self.rest = &[];
                rest
            }
        }
    }

    /// A hexadecimal number of at least one digit and at most 64 bits.
    pub(crate) fn number(&mut self) -> Option<u64> {
        let mut number = None;
        while let Some((first, rest)) = self.rest.split_first() {
            let Some(digit) = digit(*first) else { break };
            let value: u64 = number.unwrap_or(0);
            if value >> 60 != 0 {
                return None;
            }
            number = Some(value << 4 | u64::from(digit));
            self.rest = rest;
        }
        number
    }

    /// Everything to the end, if it is hexadecimal digits in pairs.
    pub(crate) fn hex(self) -> Option<Hex<'p>> {
        Hex::new(self.rest)
    }

    /// The value, if nothing is left.
    pub(crate) fn end<T>(self, value: T) -> Option<T> {
        self.is_empty().then_some(value)
    }
}

/// Bytes, each as two hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Hex<'p>(&'p [u8]);

impl<'p> Hex<'p> {
    pub(crate) fn new(digits: &'p [u8]) -> Option<Self> {
        let valid = digits.len().is_multiple_of(2) && digits.iter().all(|byte| digit(*byte).is_some());
        valid.then_some(Self(digits))
    }

    /// How many bytes.
    pub(crate) const fn len(self) -> usize {
        self.0.len() / 2
    }

    /// `count` bytes from byte `begin` on, if there are so many.
    pub(crate) fn part(self, begin: usize, count: usize) -> Option<Self> {
        let end = begin.checked_add(count)?.checked_mul(2)?;
        Some(Self(self.0.get(begin * 2..end)?))
    }

    pub(crate) fn bytes(self) -> impl Iterator<Item = u8> + use<'p> {
        self.0.chunks_exact(2).map(|pair| match pair {
            [high, low] => digit(*high).unwrap_or(0) << 4 | digit(*low).unwrap_or(0),
            _ => 0,
        })
    }

    /// Puts the bytes at the start of `out` and returns them; `None` where they do not fit.
    pub(crate) fn decode(self, out: &mut [u8]) -> Option<&[u8]> {
        let out = out.get_mut(..self.len())?;
        for (place, byte) in out.iter_mut().zip(self.bytes()) {
            *place = byte;
        }
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_a_digit_and_64_bits() {
        let number = |text: &'static str| {
            let mut scanner = Scanner::new(text.as_bytes());
            (scanner.number(), scanner.rest())
        };
        assert_eq!(number("1F,"), (Some(0x1f), &b","[..]));
        assert_eq!(number("ffffffffffffffff"), (Some(u64::MAX), &b""[..]));
        assert_eq!(number("0000000000000000000000001"), (Some(1), &b""[..]));
        assert_eq!(number("10000000000000000").0, None);
        assert_eq!(number(",1"), (None, &b",1"[..]));
        assert_eq!(number(""), (None, &b""[..]));
    }

    #[test]
    fn hex_comes_in_pairs() {
        assert_eq!(Hex::new(b"0"), None);
        assert_eq!(Hex::new(b"0g"), None);
        let hex = Hex::new(b"00fFa5").unwrap();
        assert_eq!(hex.decode(&mut [0; 4]), Some(&[0, 0xff, 0xa5][..]));
        assert_eq!(hex.decode(&mut [0; 2]), None);
    }

    #[test]
    fn parts_end_at_their_separator_or_at_the_end() {
        let mut scanner = Scanner::new(b"a:b");
        assert_eq!(scanner.until(b':'), b"a");
        assert_eq!(scanner.until(b':'), b"b");
        assert_eq!(scanner.until(b':'), b"");
        assert!(scanner.is_empty());
    }
}
