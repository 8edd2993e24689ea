//! The types of a kernel, as it carries them for BPF programs (Linux, `Documentation/bpf/btf.rst`).
//!
//! A header, type records one behind the other, and strings. Types are numbered from 1 by their order;
//! number 0 is `void`. [`Btf`] checks that the records are whole; what they refer to may still not exist,
//! or go round in circles, and every question to it is answered nevertheless.

mod lookup;
mod record;
#[cfg(test)]
pub(crate) mod tests;

pub use lookup::{Field, NoField};
pub use record::{
    Array, Body, Enumerator, Enumerators, Integer, Member, Members, Named, Parameters, Placement, Placements,
    Type,
};

use super::bytes::{array, c_string, find, length_at, u16_at};

/// The magic number, version 1, no flags.
const BEGIN: [u8; 4] = [0x9f, 0xeb, 1, 0];
/// The shortest header.
const HEADER: usize = 24;
/// No name is longer.
const LONGEST_NAME: usize = 4096;
/// A kernel with everything built in has some 300,000 types.
const MOST_TYPES: usize = 1 << 22;

/// Why a kernel's types cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BtfError {
    /// There is none.
    #[error(
        "the kernel carries no types: no BTF header (9f eb 01 00) with type records and strings behind it is \
         in its {length:#x} bytes; a kernel with CONFIG_DEBUG_INFO_BTF=y has them"
    )]
    NotFound {
        /// The length of the image.
        length: usize,
    },

    /// A record is of a kind that is not known, so nobody knows where the next one is.
    #[error("type {id}, at {at:#x} of the type records, is of kind {kind}, which is not known here")]
    UnknownKind {
        /// The number of the type.
        id: u32,
        /// Where the record is.
        at: usize,
        /// The kind.
        kind: u8,
    },

    /// A record reaches beyond the end of the records.
    #[error("type {id}, at {at:#x} of {length:#x} bytes of type records, is cut short")]
    CutShort {
        /// The number of the type.
        id: u32,
        /// Where the record is.
        at: usize,
        /// How long the records are.
        length: usize,
    },

    /// There are too many.
    #[error("there are more than {limit} types")]
    TooMany {
        /// The bound.
        limit: usize,
    },
}

/// The types of a kernel.
#[derive(Clone, Debug)]
pub struct Btf {
    records: Vec<u8>,
    strings: Vec<u8>,
    /// Where the record of each type is, from type 1 on.
    places: Vec<usize>,
    /// The numbers of the types that have names, by name.
    by_name: Vec<u32>,
}

impl Btf {
    /// Finds the types of an image: the largest BTF in it, for programs in it may have some of their own.
    ///
    /// # Errors
    /// [`BtfError`].
    pub fn find(image: &[u8]) -> Result<Self, BtfError> {
        let mut largest = None;
        let mut from = 0;
        while let Some(at) = find(image, &BEGIN, from) {
            if let Some((records, strings)) = image.get(at..).and_then(parts)
                && largest.is_none_or(|(known, _): (&[u8], _)| records.len() > known.len())
            {
                largest = Some((records, strings));
            }
            from = at + 1;
        }
        let (records, strings) = largest.ok_or(BtfError::NotFound { length: image.len() })?;
        Self::of(records, strings)
    }

    /// Reads BTF that begins with its header, as in `/sys/kernel/btf/vmlinux`.
    ///
    /// # Errors
    /// [`BtfError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, BtfError> {
        let (records, strings) = parts(bytes).ok_or(BtfError::NotFound { length: bytes.len() })?;
        Self::of(records, strings)
    }

    fn of(records: &[u8], strings: &[u8]) -> Result<Self, BtfError> {
        let mut places = Vec::new();
        let mut at = 0;
        while at < records.len() {
            if places.len() >= MOST_TYPES {
                return Err(BtfError::TooMany { limit: MOST_TYPES });
            }
            let id = u32::try_from(places.len() + 1).unwrap_or(u32::MAX);
            let cut = BtfError::CutShort { id, at, length: records.len() };
            let length = match record::length(records, at) {
                Some(Ok(length)) => length,
                Some(Err(kind)) => return Err(BtfError::UnknownKind { id, at, kind }),
                None => return Err(cut),
            };
            let end = at.checked_add(length).filter(|&end| end <= records.len()).ok_or(cut)?;
            places.push(at);
            at = end;
        }
        let mut btf =
            Self { records: records.to_owned(), strings: strings.to_owned(), places, by_name: Vec::new() };
        let mut by_name: Vec<_> = btf.ids().filter(|&id| !btf.name_of(id).is_empty()).collect();
        by_name.sort_by_key(|&id| btf.name_of(id));
        btf.by_name = by_name;
        Ok(btf)
    }

    /// How many types there are, `void` not counted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The numbers of all types but `void`.
    pub fn ids(&self) -> impl Iterator<Item = u32> + use<> {
        1..=u32::try_from(self.places.len()).unwrap_or(u32::MAX)
    }

    /// A type; `None` for `void` and for a number that no type has.
    #[must_use]
    pub fn get(&self, id: u32) -> Option<Type<'_>> {
        let index = usize::try_from(id).ok()?.checked_sub(1)?;
        record::read(self, *self.places.get(index)?)
    }

    /// The name at an offset of the strings, empty where there is none.
    fn string(&self, offset: u32) -> &str {
        let text = usize::try_from(offset).ok().and_then(|at| c_string(&self.strings, at, LONGEST_NAME));
        text.and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default()
    }

    fn name_of(&self, id: u32) -> &str {
        let index = usize::try_from(id).ok().and_then(|id| id.checked_sub(1));
        let place = index.and_then(|index| self.places.get(index));
        let offset = place.and_then(|&at| array(&self.records, at).map(u32::from_le_bytes));
        offset.map_or("", |offset| self.string(offset))
    }
}

/// The type records and the strings behind a BTF header, if this is one.
fn parts(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let header = length_at(bytes, 4)?;
    if u16_at(bytes, 0)? != 0xeb9f || !(HEADER..=4096).contains(&header) {
        return None;
    }
    let [types, types_length, strings, strings_length] =
        [8, 12, 16, 20].map(|at| length_at(bytes, at).unwrap_or(usize::MAX));
    let part = |begin: usize, length: usize| {
        let begin = header.checked_add(begin)?;
        bytes.get(begin..begin.checked_add(length)?)
    };
    let (records, strings) = (part(types, types_length)?, part(strings, strings_length)?);
    // The first string is the empty one, and the last one ends.
    let sane =
        types % 4 == 0 && !records.is_empty() && strings.first() == Some(&0) && strings.last() == Some(&0);
    sane.then_some((records, strings))
}
