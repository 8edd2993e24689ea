//! Where the tables are.

use std::ops::Range;

use super::KallsymsError;
use super::names::name_length;
use crate::linux::bytes::{align_up, i32_at, length_at, u16_at, u32_at, u64_at};

/// The tables begin at multiples of so many bytes, until Linux 7.
const WIDE: usize = 8;
/// And at multiples of so many since.
const ALIGNMENT: usize = 4;
/// There is one marker for so many symbols.
pub(super) const SYMBOLS_PER_MARKER: usize = 256;
/// A kernel with everything built in has some 400,000.
const MOST_SYMBOLS: usize = 1 << 21;
/// No symbol takes more bytes in compressed form.
const LONGEST_NAME: usize = 1024;

/// Where the tokens are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Tokens {
    /// 256 strings with NULs behind them.
    pub(super) table: usize,
    /// 256 offsets of 16 bits into the table.
    pub(super) index: usize,
}

/// Where all tables are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Tables {
    pub(super) tokens: Tokens,
    /// The compressed names.
    pub(super) names: Range<usize>,
    /// How many there are.
    pub(super) symbols: usize,
    pub(super) addresses: Addresses,
}

/// How the addresses are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Addresses {
    /// 32 bits for each, relative to a base.
    Offsets {
        /// Where the offsets are.
        offsets: usize,
        /// Where the base is.
        base: usize,
        /// Negative ones are addresses and the others numbers (`KALLSYMS_ABSOLUTE_PERCPU`).
        percpu: bool,
    },
    /// 32 bits for each, relative to where they are themselves.
    Places(usize),
    /// 64 bits for each.
    Absolute(usize),
}

impl Tables {
    /// Finds them: the tokens first, for nothing else looks like them.
    pub(super) fn locate(image: &[u8]) -> Result<Self, KallsymsError> {
        let mut error = KallsymsError::NoTokens { length: image.len() };
        let mut from = 0;
        while let Some(tokens) = Tokens::locate(image, from) {
            match Self::around(image, tokens) {
                Ok(tables) => return Ok(tables),
                Err(reason) => error = reason,
            }
            from = tokens.index + ALIGNMENT;
        }
        Err(error)
    }

    /// The tables around a token table.
    fn around(image: &[u8], tokens: Tokens) -> Result<Self, KallsymsError> {
        let (names, symbols) = [ALIGNMENT, WIDE]
            .into_iter()
            .filter_map(|back| markers_before(image, tokens.table.checked_sub(back)?))
            .find_map(|markers| names_before(image, &markers))
            .or_else(|| {
                markers_before_sequence(image, tokens.table).find_map(|markers| names_before(image, &markers))
            })
            .ok_or(KallsymsError::NoNames { tokens: tokens.table })?;
        let addresses = addresses_behind(image, tokens, symbols)
            .or_else(|| addresses_before(image, names.start.checked_sub(WIDE)?, symbols))
            .ok_or(KallsymsError::NoAddresses { symbols, names: names.start })?;
        Ok(Self { tokens, names, symbols, addresses })
    }
}

impl Tokens {
    /// How many there are.
    pub(super) const COUNT: usize = 256;
    /// Longer ones save nothing and do not occur.
    const LONGEST: u16 = 512;
    /// Nearly all tokens have a letter or more, and a NUL behind it.
    const FEWEST_BYTES: u16 = 384;

    /// The first token table whose index is at `from` or behind it.
    fn locate(image: &[u8], from: usize) -> Option<Self> {
        let mut at = align_up(from, ALIGNMENT);
        while at + 2 * Self::COUNT <= image.len() {
            if let Some(tokens) = Self::at(image, at) {
                return Some(tokens);
            }
            at += ALIGNMENT;
        }
        None
    }

    /// The token table whose index is here.
    fn at(image: &[u8], index: usize) -> Option<Self> {
        let mut last = 0;
        for number in 0..Self::COUNT {
            let offset = u16_at(image, index + 2 * number)?;
            let rises = number == 0 || (offset > last && offset - last <= Self::LONGEST);
            if (number == 0 && offset != 0) || !rises {
                return None;
            }
            last = offset;
        }
        if last < Self::FEWEST_BYTES {
            return None;
        }
        // The table ends with the last string, somewhere in the bytes before the index.
        let nearest = index.checked_sub(usize::from(last) + 1)? & !(ALIGNMENT - 1);
        (0..=usize::from(Self::LONGEST))
            .step_by(ALIGNMENT)
            .map_while(|back| nearest.checked_sub(back))
            .map(|table| Self { table, index })
            .find(|tokens| tokens.are_strings(image))
    }

    /// Whether every offset is that of a string behind the string before it.
    fn are_strings(self, image: &[u8]) -> bool {
        let ends_before = |number: usize| {
            let offset = usize::from(u16_at(image, self.index + 2 * number)?);
            let begin = self.table + usize::from(u16_at(image, self.index + 2 * (number - 1))?);
            let string = image.get(begin..self.table + offset)?;
            let (end, text) = string.split_last()?;
            Some(*end == 0 && text.iter().all(u8::is_ascii_graphic))
        };
        (1..Self::COUNT).all(|number| ends_before(number) == Some(true))
            && self.last_string_ends(image) == Some(true)
    }

    /// Whether behind the last string there are only zeroes, fewer than a table's alignment.
    fn last_string_ends(self, image: &[u8]) -> Option<bool> {
        let last = self.table + usize::from(u16_at(image, self.index + 2 * (Self::COUNT - 1))?);
        let rest = image.get(last..self.index)?;
        let end = rest.iter().position(|&byte| byte == 0)?;
        let padding = rest.get(end + 1..)?;
        Some(padding.len() < WIDE && padding.iter().all(|&byte| byte == 0))
    }
}

/// The marker table whose last marker is this one.
fn markers_before(image: &[u8], last: usize) -> Option<Range<usize>> {
    let mut first = last;
    let mut value = u32_at(image, first)?;
    // The first marker is 0, and each is larger than the one before it.
    while value != 0 {
        first = first.checked_sub(4)?;
        let before = u32_at(image, first)?;
        if before >= value || last - first > 4 * (MOST_SYMBOLS / SYMBOLS_PER_MARKER) {
            return None;
        }
        value = before;
    }
    first.is_multiple_of(ALIGNMENT).then_some(first..last + 4)
}

/// What may be the marker table where the order of the symbols by name stands between it and `end`, three
/// bytes for each symbol: so in Linux 6.2 and 6.3, and in the stable kernels that took it over.
fn markers_before_sequence(image: &[u8], end: usize) -> impl Iterator<Item = Range<usize>> {
    let lengths = (0..end.min(3 * MOST_SYMBOLS)).step_by(WIDE);
    lengths.flat_map(move |length| {
        // The padding leaves more than one number of symbols open, but rarely more than one of markers.
        let most = length / 3;
        let fewest = length.saturating_sub(WIDE - 1).div_ceil(3);
        let counts = fewest.div_ceil(SYMBOLS_PER_MARKER)..=most.div_ceil(SYMBOLS_PER_MARKER);
        counts.filter_map(move |count| {
            let begin = end.checked_sub(length)?.checked_sub(align_up(4 * count, WIDE))?;
            let marker = |number: usize| u32_at(image, begin + 4 * number);
            let rises = || (0..count).map(marker).is_sorted_by(|one, next| one.is_some() && one < next);
            (count != 0 && marker(0)? == 0 && rises()).then_some(begin..begin + 4 * count)
        })
    })
}

/// The names before their markers, and how many there are.
fn names_before(image: &[u8], markers: &Range<usize>) -> Option<(Range<usize>, usize)> {
    let count = markers.len() / 4;
    let last = length_at(image, markers.end - 4)?;
    // Behind the last marker there are at most 256 names, and then the padding.
    let nearest = markers.start.checked_sub(last)? & !(ALIGNMENT - 1);
    (ALIGNMENT..SYMBOLS_PER_MARKER * LONGEST_NAME)
        .step_by(ALIGNMENT)
        .map_while(|back| nearest.checked_sub(back))
        .find_map(|number| {
            let symbols = length_at(image, number)?;
            if symbols > MOST_SYMBOLS || symbols.div_ceil(SYMBOLS_PER_MARKER) != count {
                return None;
            }
            [ALIGNMENT, WIDE].into_iter().find_map(|alignment| {
                let begin = number.checked_add(alignment)?;
                let end = names_end(image, begin, symbols, markers)?;
                (align_up(end, alignment) == markers.start).then_some((begin..end, symbols))
            })
        })
}

/// Where the names end that begin here, if every marker points to the name that it should.
fn names_end(image: &[u8], begin: usize, symbols: usize, markers: &Range<usize>) -> Option<usize> {
    let mut at = begin;
    for number in 0..symbols {
        if number % SYMBOLS_PER_MARKER == 0 {
            let marker = length_at(image, markers.start + 4 * (number / SYMBOLS_PER_MARKER))?;
            if at != begin.checked_add(marker)? {
                return None;
            }
        }
        let (length, prefix) = name_length(image, at)?;
        at += prefix + length;
        if length == 0 || at > markers.start {
            return None;
        }
    }
    Some(at)
}

/// The addresses behind the tokens, as since Linux 6.4.
fn addresses_behind(image: &[u8], tokens: Tokens, symbols: usize) -> Option<Addresses> {
    let begin = tokens.index + 2 * Tokens::COUNT;
    offsets(image, begin, symbols, align_up(begin + 4 * symbols, WIDE))
        .or_else(|| places(image, begin, symbols))
        .or_else(|| absolute(image, begin, symbols))
}

/// The distance of a symbol from the image's first byte, by an offset from where that is itself.
pub(super) fn by_place(image: &[u8], place: usize) -> Option<u64> {
    let distance = i64::try_from(place).ok()?.checked_add(i32_at(image, place)?.into())?;
    u64::try_from(distance).ok()
}

/// The offsets from where they are themselves that begin here, if the symbols rise from the image's begin.
fn places(image: &[u8], begin: usize, symbols: usize) -> Option<Addresses> {
    /// How far behind the first byte the first symbol can be.
    const NEAR: u64 = 2 << 20;
    let mut all = (0..symbols).map(|index| by_place(image, begin + 4 * index));
    let rises = all.clone().is_sorted_by(|one, next| one.is_some() && one <= next);
    (rises && all.next()?? < NEAR).then_some(Addresses::Places(begin))
}

/// The addresses before the number of the symbols, as until Linux 6.3.
fn addresses_before(image: &[u8], end: usize, symbols: usize) -> Option<Addresses> {
    let base = end.checked_sub(WIDE)?;
    let begin = base.checked_sub(align_up(4 * symbols, WIDE));
    begin
        .and_then(|begin| offsets(image, begin, symbols, base))
        .or_else(|| absolute(image, end.checked_sub(8 * symbols)?, symbols))
}

/// The offsets that begin here, if they rise.
fn offsets(image: &[u8], begin: usize, symbols: usize, base: usize) -> Option<Addresses> {
    let all = || (0..symbols).map(|index| u32_at(image, begin + 4 * index));
    let rises = all().is_sorted_by(|one, next| one.is_some() && one <= next);
    let first = i32_at(image, begin)?;
    u64_at(image, base)?;
    if rises && all().next_back()?? != 0 && first >= 0 {
        // The first symbol is where the base is, and nothing is 2 GiB behind it.
        let last = i32_at(image, begin + 4 * (symbols - 1))?;
        return (last > 0).then_some(Addresses::Offsets { offsets: begin, base, percpu: false });
    }
    // Numbers rise, and then the others fall from -1 on.
    let key = |value: u32| match value.cast_signed() {
        number if number >= 0 => (0, i64::from(number)),
        below => (1, -i64::from(below)),
    };
    let rises = all().map(|value| value.map(key)).is_sorted_by(|one, next| one.is_some() && one <= next);
    (rises && i32_at(image, begin + 4 * (symbols - 1))? < 0).then_some(Addresses::Offsets {
        offsets: begin,
        base,
        percpu: true,
    })
}

/// The whole addresses that begin here, if they rise or are left to relocations.
fn absolute(image: &[u8], begin: usize, symbols: usize) -> Option<Addresses> {
    let mut last = 0;
    for index in 0..symbols {
        let address = u64_at(image, begin + 8 * index)?;
        // Kernel addresses are in the high half; small ones are numbers.
        let possible = address < 1 << 32 || address >> 48 >= 0xfff0;
        if !possible || (address != 0 && address < last) {
            return None;
        }
        last = last.max(address);
    }
    Some(Addresses::Absolute(begin))
}
