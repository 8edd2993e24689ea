//! What is written behind `monitor break` and `monitor watch`.

use trapline_core::address::AddressRange;
use trapline_core::watchpoint::Access;

use super::Said;
use super::points::{Place, Point};
use crate::linux::live::Live;

/// `ADDRESS|SYMBOL context=PID`.
pub(super) fn breakpoint(live: &Live<'_>, place: &str, context: &str) -> Said<Point> {
    Ok(Point { place: Place::Instruction(address(live, place)?), pid: pid(context)? })
}

/// `ADDRESS|SYMBOL[:LENGTH[:r|w|rw]] context=PID`.
pub(super) fn watchpoint(live: &Live<'_>, place: &str, context: &str) -> Said<Point> {
    let mut parts = place.split(':');
    let begin = address(live, parts.next().unwrap_or_default())?;
    let length = match parts.next() {
        Some(length) => number(length).ok_or_else(|| format!("'{length}' is no length in bytes"))?,
        None => 8,
    };
    let access = match parts.next() {
        None | Some("w") => Access::Write,
        Some("r") => Access::Read,
        Some("rw") => Access::ReadWrite,
        Some(other) => return Err(format!("'{other}' is none of r, w and rw")),
    };
    if let Some(rest) = parts.next() {
        return Err(format!("there is ':{rest}' too much"));
    }
    let range = AddressRange::new(begin, length).map_err(|error| error.to_string())?;
    Ok(Point { place: Place::Data(range, access), pid: pid(context)? })
}

/// A number, or the only symbol of a name, where it is now.
fn address(live: &Live<'_>, text: &str) -> Said<u64> {
    if let Some(address) = number(text) {
        return Ok(address);
    }
    let mut named = live.kernel.symbols().named(text);
    match (named.next(), named.next()) {
        (Some(symbol), None) => Ok(symbol.address.wrapping_add(live.slide)),
        (Some(_), Some(_)) => Err(format!("several symbols are called '{text}'; give an address")),
        (None, _) => {
            Err(format!("'{text}' is neither a symbol nor an address; write 0x and hexadecimal digits"))
        }
    }
}

fn pid(text: &str) -> Said<u32> {
    let digits =
        text.strip_prefix("context=").ok_or("context=PID is missing; for all threads use gdb's own")?;
    digits.parse().map_err(|_| format!("'{digits}' is no PID"))
}

/// A number in decimal, or behind 0x in hexadecimal.
fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}
