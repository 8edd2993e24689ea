//! Places and points as they are written on the command line.

use std::fmt;
use std::str::FromStr;

use trapline_core::watchpoint::Access;

/// A place in the target's memory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Location {
    /// A symbol, and bytes behind its start.
    Symbol(String, u64),
    /// A line of a source file.
    Line(String, u64),
    /// An address.
    Address(u64),
}

impl FromStr for Location {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is no place; write SYMBOL[+OFFSET], FILE:LINE or 0xADDRESS");
        if text.starts_with("0x") || text.starts_with("0X") {
            return number(text).map(Self::Address).ok_or_else(wrong);
        }
        if let Some((file, line)) = text.rsplit_once(':')
            && !file.is_empty()
            && !file.ends_with(':')
            && let Ok(line) = line.parse()
        {
            return Ok(Self::Line(file.to_owned(), line));
        }
        let (name, offset) = match text.rsplit_once('+') {
            Some((name, offset)) => (name, number(offset).ok_or_else(wrong)?),
            None => (text, 0),
        };
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(wrong());
        }
        Ok(Self::Symbol(name.to_owned(), offset))
    }
}

/// As it is written.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Symbol(name, 0) => f.write_str(name),
            Self::Symbol(name, offset) => write!(f, "{name}+{offset:#x}"),
            Self::Line(file, line) => write!(f, "{file}:{line}"),
            Self::Address(address) => write!(f, "{address:#x}"),
        }
    }
}

/// A number as it is written in C: decimal, or hexadecimal after 0x.
fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// The argument of `--break`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BreakPoint {
    /// As it was written.
    pub text: String,
    /// Where.
    pub location: Location,
    /// What is written behind `if`.
    pub condition: Option<String>,
}

impl FromStr for BreakPoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (location, condition) = split_condition(text)?;
        Ok(Self { text: text.to_owned(), location: location.trim().parse()?, condition })
    }
}

/// What is asked of a watched value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asked {
    /// Nothing.
    Any,
    /// That it has changed.
    Changed,
    /// That it is this.
    Equals(u64),
}

/// The argument of `--watch`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WatchPoint {
    /// As it was written.
    pub text: String,
    /// Where.
    pub location: Location,
    /// In bytes; none where it was not written.
    pub length: Option<u64>,
    /// Which accesses.
    pub access: Access,
    /// Of the value there.
    pub asked: Asked,
    /// What is written behind `if`.
    pub condition: Option<String>,
}

impl FromStr for WatchPoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (rest, condition) = split_condition(text)?;
        let rest = rest.trim();
        let (rest, asked) = if let Some(rest) = rest.strip_suffix(" changed") {
            (rest, Asked::Changed)
        } else if let Some((rest, value)) = rest.split_once("==") {
            let value = value.trim();
            let value = number(value).ok_or_else(|| format!("'{value}' is no number to compare with"))?;
            (rest, Asked::Equals(value))
        } else {
            (rest, Asked::Any)
        };
        let rest = rest.trim();
        let (rest, access) = match rest.rsplit_once(':') {
            Some((rest, "w")) => (rest, Access::Write),
            Some((rest, "r")) => (rest, Access::Read),
            Some((rest, "rw")) => (rest, Access::ReadWrite),
            _ => (rest, Access::Write),
        };
        // `::` is of a path: only one colon divides.
        let (location, length) = match rest.rsplit_once(':') {
            Some((location, length)) if !location.ends_with(':') => {
                let wrong = format!("'{length}' is neither a length in bytes nor r, w or rw");
                (location, Some(number(length).filter(|length| *length > 0).ok_or(wrong)?))
            }
            _ => (rest, None),
        };
        let location = location.parse()?;
        if let Location::Line(..) = location {
            return Err(format!("'{location}' is a line of code; watch a symbol or an address"));
        }
        Ok(Self { text: text.to_owned(), location, length, access, asked, condition })
    }
}

/// What stands before and behind ` if `.
fn split_condition(text: &str) -> Result<(&str, Option<String>), String> {
    match text.split_once(" if ") {
        Some((_, condition)) if condition.trim().is_empty() => Err("there is nothing behind `if`".to_owned()),
        Some((rest, condition)) => Ok((rest, Some(condition.trim().to_owned()))),
        None => Ok((text, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbol(name: &str, offset: u64) -> Location {
        Location::Symbol(name.to_owned(), offset)
    }

    #[test]
    fn a_place_is_a_symbol_a_line_or_an_address() {
        for (text, location) in [
            ("one_round", symbol("one_round", 0)),
            ("one_round+0x10", symbol("one_round", 16)),
            ("core::fmt::write+4", symbol("core::fmt::write", 4)),
            ("rounds.rs:94", Location::Line("rounds.rs".to_owned(), 94)),
            ("src/a b.c:7", Location::Line("src/a b.c".to_owned(), 7)),
            ("0xffff800010004006", Location::Address(0xffff_8000_1000_4006)),
        ] {
            assert_eq!(text.parse(), Ok(location), "{text}");
        }
        for wrong in ["", "0x", "0xg", "a b", "name+", "name+x", "+4"] {
            assert!(wrong.parse::<Location>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_breakpoint_may_have_a_condition() {
        let point: BreakPoint = "tick if $x0 == 3".parse().unwrap();
        assert_eq!(point.location, symbol("tick", 0));
        assert_eq!(point.condition.as_deref(), Some("$x0 == 3"));
        assert!("tick if ".parse::<BreakPoint>().is_err());
    }

    #[test]
    fn a_watchpoint_has_length_access_and_what_is_asked() {
        for (text, location, length, access, asked) in [
            ("ROUNDS", symbol("ROUNDS", 0), None, Access::Write, Asked::Any),
            ("ROUNDS:r", symbol("ROUNDS", 0), None, Access::Read, Asked::Any),
            ("ROUNDS+8:0x10:rw", symbol("ROUNDS", 8), Some(16), Access::ReadWrite, Asked::Any),
            ("a::B", symbol("a::B", 0), None, Access::Write, Asked::Any),
            ("a::B:4", symbol("a::B", 0), Some(4), Access::Write, Asked::Any),
            ("0x1000:4 changed", Location::Address(0x1000), Some(4), Access::Write, Asked::Changed),
            ("N:4:w == 0x10", symbol("N", 0), Some(4), Access::Write, Asked::Equals(16)),
        ] {
            let point: WatchPoint = text.parse().unwrap();
            assert_eq!((point.location, point.length), (location, length), "{text}");
            assert_eq!((point.access, point.asked), (access, asked), "{text}");
        }
        for wrong in ["", "N:0", "N:x", "main.rs:4:w changed == 3", "N == x", "main.rs:12:4"] {
            assert!(wrong.parse::<WatchPoint>().is_err(), "{wrong}");
        }
        let both: WatchPoint = "N == 3 if $x1 != 0".parse().unwrap();
        assert_eq!((both.asked, both.condition.as_deref()), (Asked::Equals(3), Some("$x1 != 0")));
    }
}
