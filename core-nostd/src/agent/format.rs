//! C's `printf`, as far as it makes sense for values of 64 bits: `%d %i %u %x %X %o %c %s %p %%` with flags,
//! width, precision and length.
//!
//! Escape sequences are taken as they stand in C source: gdb sends them so.

use core::fmt::Write;

use heapless::String;

use super::MAX_STRING;
use super::evaluate::{Environment, EvaluationError};

/// The widest field and the most digits; more is not what anybody prints.
const MAX_WIDTH: u16 = 128;

/// A piece of a format.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Piece {
    Text(u8),
    Conversion(Conversion),
}

/// A conversion of one value.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Conversion {
    left: bool,
    zeros: bool,
    alternate: bool,
    plus: bool,
    space: bool,
    width: u16,
    precision: Option<u16>,
    /// Size of an integer in bits.
    bits: u8,
    kind: u8,
}

/// Reads a format piece by piece; `None` inside means that it is malformed or not supported.
struct Pieces<'f> {
    rest: &'f [u8],
}

impl Pieces<'_> {
    fn take(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn take_if(&mut self, wanted: u8) -> bool {
        let found = self.rest.first() == Some(&wanted);
        if found {
            self.take();
        }
        found
    }

    fn number(&mut self) -> Option<u16> {
        let mut number = 0_u16;
        while let Some(digit @ b'0'..=b'9') = self.rest.first().copied() {
            self.take();
            number = number.saturating_mul(10).saturating_add(u16::from(digit - b'0'));
        }
        (number <= MAX_WIDTH).then_some(number)
    }

    fn escape(&mut self) -> Option<u8> {
        Some(match self.take()? {
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            b'a' => 7,
            b'e' => 27,
            same @ (b'\\' | b'"' | b'\'') => same,
            first @ b'0'..=b'7' => {
                let mut value = u32::from(first - b'0');
                for _ in 0..2 {
                    let Some(digit @ b'0'..=b'7') = self.rest.first().copied() else { break };
                    self.take();
                    value = value << 3 | u32::from(digit - b'0');
                }
                u8::try_from(value).ok()?
            }
            _ => return None,
        })
    }

    fn conversion(&mut self) -> Option<Conversion> {
        let mut conversion = Conversion { bits: 32, ..Conversion::default() };
        loop {
            match self.rest.first()? {
                b'-' => conversion.left = true,
                b'0' => conversion.zeros = true,
                b'#' => conversion.alternate = true,
                b'+' => conversion.plus = true,
                b' ' => conversion.space = true,
                _ => break,
            }
            self.take();
        }
        conversion.width = self.number()?;
        if self.take_if(b'.') {
            conversion.precision = Some(self.number()?);
        }
        match self.rest.first()? {
            b'h' => {
                self.take();
                conversion.bits = if self.take_if(b'h') { 8 } else { 16 };
            }
            b'l' => {
                self.take();
                self.take_if(b'l');
                conversion.bits = 64;
            }
            b'z' | b'j' | b't' => {
                self.take();
                conversion.bits = 64;
            }
            _ => {}
        }
        conversion.kind = self.take()?;
        matches!(conversion.kind, b'd' | b'i' | b'u' | b'x' | b'X' | b'o' | b'c' | b's' | b'p')
            .then_some(conversion)
    }
}

impl Iterator for Pieces<'_> {
    type Item = Option<Piece>;

    fn next(&mut self) -> Option<Option<Piece>> {
        Some(match self.take()? {
            b'\\' => self.escape().map(Piece::Text),
            b'%' if self.take_if(b'%') => Some(Piece::Text(b'%')),
            b'%' => self.conversion().map(Piece::Conversion),
            byte => Some(Piece::Text(byte)),
        })
    }
}

/// How many values a format prints; `None` where it is malformed or not supported.
pub(super) fn conversions(format: &[u8]) -> Option<u8> {
    let mut count = 0_u8;
    for piece in (Pieces { rest: format }) {
        if let Piece::Conversion(_) = piece? {
            count = count.checked_add(1)?;
        }
    }
    Some(count)
}

/// Prints by a format, with the values that `argument` gives.
pub(super) fn print<T: Environment>(
    format: &[u8],
    target: &mut T,
    mut argument: impl FnMut() -> Result<u64, EvaluationError<T::Error>>,
) -> Result<(), EvaluationError<T::Error>> {
    for piece in (Pieces { rest: format }) {
        match piece.ok_or(EvaluationError::Malformed)? {
            Piece::Text(byte) => print_bytes(&[byte], target),
            Piece::Conversion(conversion) if conversion.kind == b's' => {
                print_string(&conversion, argument()?, target)?;
            }
            Piece::Conversion(conversion) => print_value(&conversion, argument()?, target),
        }
    }
    Ok(())
}

/// Prints bytes; what is no ASCII is shown as `?`.
fn print_bytes(bytes: &[u8], target: &mut impl Environment) {
    for byte in bytes {
        let mut text = String::<4>::new();
        let character = if byte.is_ascii() { char::from(*byte) } else { '?' };
        // One character always fits.
        let _ = text.push(character);
        target.print(&text);
    }
}

fn print_padding(count: usize, byte: u8, target: &mut impl Environment) {
    for _ in 0..count {
        print_bytes(&[byte], target);
    }
}

/// Prints the string at an address of the target, to its NUL or as far as the precision and the limit say.
fn print_string<T: Environment>(
    conversion: &Conversion,
    address: u64,
    target: &mut T,
) -> Result<(), EvaluationError<T::Error>> {
    let limit = conversion.precision.map_or(MAX_STRING, |precision| usize::from(precision).min(MAX_STRING));
    let mut bytes = [0; MAX_STRING];
    let mut length = 0;
    for place in bytes.iter_mut().take(limit) {
        let byte = core::slice::from_mut(place);
        target.read(address.wrapping_add(length as u64), byte).map_err(EvaluationError::Environment)?;
        if *place == 0 {
            break;
        }
        length += 1;
    }
    let padding = usize::from(conversion.width).saturating_sub(length);
    if !conversion.left {
        print_padding(padding, b' ', target);
    }
    print_bytes(bytes.get(..length).unwrap_or_default(), target);
    if conversion.left {
        print_padding(padding, b' ', target);
    }
    Ok(())
}

/// Prints an integer, a character or a pointer.
fn print_value(conversion: &Conversion, value: u64, target: &mut impl Environment) {
    let mask = if conversion.bits >= 64 { u64::MAX } else { (1 << conversion.bits) - 1 };
    let value = if conversion.kind == b'p' { value } else { value & mask };
    let negative = matches!(conversion.kind, b'd' | b'i') && value & (mask ^ (mask >> 1)) != 0;
    let magnitude = if negative { value.wrapping_neg() & mask } else { value };

    let mut digits = String::<24>::new();
    // 64 bits have at most 22 digits, in octal.
    let _ = match conversion.kind {
        b'c' => return print_character(conversion, value as u8, target),
        b'x' | b'p' => write!(digits, "{magnitude:x}"),
        b'X' => write!(digits, "{magnitude:X}"),
        b'o' => write!(digits, "{magnitude:o}"),
        _ => write!(digits, "{magnitude}"),
    };
    let prefix = match conversion.kind {
        b'd' | b'i' if negative => "-",
        b'd' | b'i' if conversion.plus => "+",
        b'd' | b'i' if conversion.space => " ",
        b'p' => "0x",
        b'x' if conversion.alternate && value != 0 => "0x",
        b'X' if conversion.alternate && value != 0 => "0X",
        b'o' if conversion.alternate && value != 0 => "0",
        _ => "",
    };
    let zeros = usize::from(conversion.precision.unwrap_or(0)).saturating_sub(digits.len());
    let padding = usize::from(conversion.width).saturating_sub(prefix.len() + zeros + digits.len());
    let fill_zeros = conversion.zeros && !conversion.left && conversion.precision.is_none();
    if !conversion.left && !fill_zeros {
        print_padding(padding, b' ', target);
    }
    target.print(prefix);
    print_padding(if fill_zeros { padding } else { zeros }, b'0', target);
    target.print(&digits);
    if conversion.left {
        print_padding(padding, b' ', target);
    }
}

fn print_character(conversion: &Conversion, character: u8, target: &mut impl Environment) {
    let padding = usize::from(conversion.width).saturating_sub(1);
    if !conversion.left {
        print_padding(padding, b' ', target);
    }
    print_bytes(&[character], target);
    if conversion.left {
        print_padding(padding, b' ', target);
    }
}
