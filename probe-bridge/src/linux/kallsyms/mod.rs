//! The kernel's own symbol table, which it carries to name addresses in its messages.
//!
//! `scripts/kallsyms.c` of the kernel writes it in tables that nothing points to, so they are found by
//! what they look like ([`locate`](self)): 256 strings (tokens) and their offsets; before them one marker
//! for every 256 symbols; before these the names, compressed to sequences of token numbers; before these
//! the number of symbols. The addresses are before all of that until Linux 6.3, and behind the tokens
//! since 6.4. They are offsets from a base since 4.6, in Linux 7 from where they are themselves, and whole
//! addresses where the kernel is configured so.
//!
//! Without `KALLSYMS_ALL` there are only functions in it.

mod base;
mod locate;
mod names;
#[cfg(test)]
pub(super) mod tests;

use super::bytes::{i32_at, u64_at};
use super::image::{KernelImage, Relocations};
use locate::{Addresses, Tables, by_place};

/// Why a kernel's symbol table cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KallsymsError {
    /// There are no tokens.
    #[error(
        "the kernel has no kallsyms: no 256 token offsets with their 256 strings before them are in its \
         {length:#x} bytes; a kernel with CONFIG_KALLSYMS=y has them"
    )]
    NoTokens {
        /// The length of the image.
        length: usize,
    },

    /// There are tokens, but no names before them.
    #[error(
        "no symbol names stand before the token table at {tokens:#x}: looked for markers that rise by 256 \
         names each, for the names, and for their number; kernels before 4.20 are not read"
    )]
    NoNames {
        /// Where the last token table that was tried is.
        tokens: usize,
    },

    /// There are names, but no addresses.
    #[error(
        "no rising addresses of {symbols} symbols stand before the names at {names:#x} or behind the tokens"
    )]
    NoAddresses {
        /// How many symbols there are.
        symbols: usize,
        /// Where the names are.
        names: usize,
    },

    /// The addresses are relative to what the file does not say.
    #[error(
        "the base of the symbols' addresses, at {slot:#x}, is {found:#x}, and no relative relocation (type \
         0x403) puts the address of the kernel's begin there"
    )]
    NoBase {
        /// Where it is in the image.
        slot: usize,
        /// What is there.
        found: u64,
    },

    /// The addresses are relative to the image's begin, whose address no pointer gives away.
    #[error(
        "the symbols' addresses are relative to the image's begin, and no address for that makes enough of the \
         {pointers} pointers in the image point to symbols"
    )]
    NoPointers {
        /// How many pointers were looked at.
        pointers: usize,
    },

    /// A name is out of all proportion, or is compressed with tokens that do not exist.
    #[error("the name of symbol {index} of {symbols} cannot be expanded; the kernel file is damaged")]
    BrokenName {
        /// Which symbol.
        index: usize,
        /// How many there are.
        symbols: usize,
    },
}

/// A symbol of the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct KernelSymbol<'a> {
    /// The address that it was linked at; for kind `A` a number.
    pub address: u64,
    /// What it is, by the letters of `nm`: `T` and `t` for code, `D`, `d`, `B`, `b`, `R`, `r` for data, `W`
    /// and `w` for weak ones, `A` for what is no address.
    pub kind: char,
    /// Its name.
    pub name: &'a str,
}

/// The symbols of a kernel, by rising address.
#[derive(Clone, Debug)]
pub struct Kallsyms {
    /// All names, one after the other.
    text: String,
    entries: Vec<Entry>,
    base: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    address: u64,
    kind: char,
    /// Where the name is in the text.
    begin: usize,
    end: usize,
}

impl Kallsyms {
    /// Finds and reads the tables of an image.
    ///
    /// # Errors
    /// [`KallsymsError`]: which table is missing.
    pub fn read(image: &KernelImage<'_>) -> Result<Self, KallsymsError> {
        let bytes = image.bytes();
        let tables = Tables::locate(bytes)?;
        let relocations = Relocations::find(bytes);
        let (base, addresses) = addresses(image, &tables, &relocations)?;
        let mut text = String::new();
        let mut entries = Vec::with_capacity(addresses.len());
        let mut names = names::Names::new(bytes, &tables);
        for (index, address) in addresses.into_iter().enumerate() {
            let begin = text.len();
            let broken = KallsymsError::BrokenName { index, symbols: tables.symbols };
            let kind = names.next_into(&mut text).ok_or(broken)?;
            entries.push(Entry { address, kind, begin, end: text.len() });
        }
        Ok(Self { text, entries, base })
    }

    /// The address that the image's first byte was linked at.
    #[must_use]
    pub const fn base(&self) -> u64 {
        self.base
    }

    /// The symbols, by rising address; several may have the same one.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = KernelSymbol<'_>> {
        self.entries.iter().map(|entry| KernelSymbol {
            address: entry.address,
            kind: entry.kind,
            name: self.text.get(entry.begin..entry.end).unwrap_or_default(),
        })
    }
}

/// The address of the image's first byte, and those of all symbols.
fn addresses(
    kernel: &KernelImage<'_>,
    tables: &Tables,
    relocations: &Relocations,
) -> Result<(u64, Vec<u64>), KallsymsError> {
    let image = kernel.bytes();
    let based = |slot: usize| {
        let found = u64_at(image, slot).unwrap_or_default();
        let no_base = KallsymsError::NoBase { slot, found };
        match found {
            0 => relocations.base_by(slot).ok_or(no_base),
            // Final in the file: the kernel does not move, or its relocations have no addends. Its first
            // function is less than 2 MiB behind its first byte, which is at a multiple of that.
            pointer if pointer >> 48 >= 0xfff0 => Ok((pointer & !0x1f_ffff, pointer)),
            _ => Err(no_base),
        }
    };
    match tables.addresses {
        Addresses::Offsets { offsets, base: slot, percpu } => {
            let (first, base) = based(slot)?;
            let resolve = |index: usize| -> Option<u64> {
                let at = offsets + 4 * index;
                Some(match i32_at(image, at)? {
                    // What is not negative is a number, and the rest counts down from the base.
                    value if percpu && value >= 0 => u64::from(value.unsigned_abs()),
                    value if percpu => base.wrapping_add(u64::from(value.unsigned_abs()) - 1),
                    value => base.wrapping_add(u64::from(value.cast_unsigned())),
                })
            };
            Ok((first, (0..tables.symbols).filter_map(resolve).collect()))
        }
        Addresses::Places(places) => {
            let place = |index: usize| by_place(image, places + 4 * index);
            let distances: Vec<_> = (0..tables.symbols).filter_map(place).collect();
            let first = base::by_pointers(kernel, relocations, &distances)?;
            Ok((first, distances.into_iter().map(|distance| first.wrapping_add(distance)).collect()))
        }
        Addresses::Absolute(slots) => {
            let (first, _) = based(slots)?;
            let resolve = |index: usize| {
                let at = slots + 8 * index;
                match u64_at(image, at)? {
                    0 => relocations.at(first.wrapping_add(u64::try_from(at).ok()?)).or(Some(0)),
                    address => Some(address),
                }
            };
            Ok((first, (0..tables.symbols).filter_map(resolve).collect()))
        }
    }
}
