//! Symbols that the image has beside kallsyms: without `KALLSYMS_ALL` there is no variable in that.
//!
//! What modules may use is in a table of its own, sorted by name, variables among it. And the kernel tells
//! crash dumps where some of its variables are, in code that has their names and addresses.

use std::collections::HashMap;

use super::a64::Constants;
use super::bytes::{c_string, i32_at, u32_at};

/// The longest name of a symbol.
const LONGEST_NAME: usize = 512;

/// Where a kernel's memory is, and what of it is in the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed<'a> {
    /// The file's bytes.
    pub(super) bytes: &'a [u8],
    /// The address of the first of them.
    pub(super) base: u64,
    /// How much memory the kernel takes.
    pub(super) size: u64,
}

impl<'a> Placed<'a> {
    /// Where in the file an address is.
    pub(super) fn offset(&self, address: u64) -> Option<usize> {
        let offset = address.checked_sub(self.base)?;
        usize::try_from(offset).ok().filter(|&offset| offset < self.bytes.len())
    }

    /// Whether an address is the kernel's.
    pub(super) fn contains(&self, address: u64) -> bool {
        address.checked_sub(self.base).is_some_and(|offset| offset < self.size)
    }

    /// The C identifier at an offset. It may be the end of a longer string, which linkers merge.
    fn identifier(&self, at: usize) -> Option<&'a str> {
        let text = c_string(self.bytes, at, LONGEST_NAME)?;
        let (&first, rest) = text.split_first()?;
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let valid = (first.is_ascii_alphabetic() || first == b'_') && rest.iter().all(is_word);
        std::str::from_utf8(text).ok().filter(|_| valid)
    }
}

/// The symbols that modules may use, by name.
///
/// Each is three 32-bit distances from where they stand: to the symbol, to its name, to its namespace
/// (Linux, `include/linux/export.h`).
pub(super) fn exported<'a>(kernel: &Placed<'a>) -> HashMap<&'a str, u64> {
    const STRIDE: usize = 12;
    /// So few in order are a coincidence.
    const FEWEST: usize = 64;
    let mut symbols = HashMap::new();
    let mut at = 0;
    while at + STRIDE <= kernel.bytes.len() {
        let mut run = Vec::new();
        let mut last = "";
        while let Some((name, address)) = export(kernel, at + run.len() * STRIDE) {
            if name < last {
                break;
            }
            last = name;
            run.push((name, address));
        }
        if run.len() >= FEWEST {
            at += run.len() * STRIDE;
            symbols.extend(run);
        } else {
            at += 4;
        }
    }
    symbols
}

/// The entry of the table that may be at an offset.
fn export<'a>(kernel: &Placed<'a>, at: usize) -> Option<(&'a str, u64)> {
    let target = |field: usize| {
        let distance = isize::try_from(i32_at(kernel.bytes, field)?).ok()?;
        (distance != 0).then(|| field.checked_add_signed(distance)).flatten()
    };
    // The name is checked first: it is in the file, which excludes most.
    let name = kernel.bytes.get(target(at + 4)?..).and(target(at + 4))?;
    let symbol = target(at)?;
    let address = kernel.base.checked_add(u64::try_from(symbol).ok()?)?;
    kernel.contains(address).then_some(())?;
    Some((kernel.identifier(name)?, address))
}

/// The variables that a function tells crash dumps: calls with `SYMBOL(%s)=…`, a name and an address as
/// first arguments. `begin` is where the function is, and `length` how many bytes it has.
pub(super) fn told_to_crash_dumps<'a>(
    kernel: &Placed<'a>,
    begin: u64,
    length: u64,
) -> impl Iterator<Item = (&'a str, u64)> {
    const FORMAT: &[u8] = b"SYMBOL(%s)=";
    /// The functions in question have some kilobytes.
    const LONGEST: u64 = 64 << 10;
    let kernel = *kernel;
    let mut constants = Constants::default();
    (0..length.min(LONGEST))
        .step_by(4)
        .map_while(move |distance| {
            let address = begin.checked_add(distance)?;
            let word = u32_at(kernel.bytes, kernel.offset(address)?)?;
            let arguments = (constants.get(0), constants.get(1), constants.get(2));
            if !constants.follow(address, word) {
                return Some(None);
            }
            Some(named(&kernel, arguments, FORMAT))
        })
        .flatten()
}

/// The name and the address among a call's arguments.
fn named<'a>(
    kernel: &Placed<'a>,
    (format, name, address): (Option<u64>, Option<u64>, Option<u64>),
    prefix: &[u8],
) -> Option<(&'a str, u64)> {
    let format = kernel.bytes.get(kernel.offset(format?)?..)?;
    let name = kernel.identifier(kernel.offset(name?)?)?;
    let address = address.filter(|&address| kernel.contains(address))?;
    format.starts_with(prefix).then_some((name, address))
}
