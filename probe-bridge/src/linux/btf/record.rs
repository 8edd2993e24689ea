//! One type record.

use super::Btf;
use crate::linux::bytes::{array, length_at, u32_at};

/// A type.
#[derive(Clone, Copy, Debug)]
pub struct Type<'a> {
    /// Its name, empty where it has none.
    pub name: &'a str,
    /// What it is.
    pub body: Body<'a>,
}

/// What a type is. Types are referred to by number.
#[derive(Clone, Copy, Debug)]
pub enum Body<'a> {
    /// A whole number, a character or a truth value.
    Integer(Integer),
    /// A floating-point number.
    Float {
        /// Its size in bytes.
        size: u32,
    },
    /// A pointer.
    Pointer(u32),
    /// An array.
    Array(Array),
    /// A struct.
    Struct(Members<'a>),
    /// A union.
    Union(Members<'a>),
    /// Named numbers.
    Enumeration(Enumerators<'a>),
    /// A struct or a union that is only known by its name.
    Forward {
        /// Whether it is a union.
        union: bool,
    },
    /// Another name of a type.
    Typedef(u32),
    /// A type that is volatile.
    Volatile(u32),
    /// A type that is constant.
    Const(u32),
    /// A pointer that nothing else points to where it does.
    Restrict(u32),
    /// A type with a remark, which is this one's name.
    Tagged(u32),
    /// A function; the type is its prototype.
    Function(u32),
    /// A function's prototype.
    Prototype {
        /// What it returns.
        result: u32,
        /// What it takes. The last one, without a name and of type 0, stands for `...`.
        parameters: Parameters<'a>,
    },
    /// A variable.
    Variable {
        /// Its type.
        of: u32,
        /// Whether it is visible beyond its own file.
        global: bool,
    },
    /// A section, and which variables are where in it.
    Section(Placements<'a>),
    /// A remark on a declaration.
    Remark,
}

/// A whole number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Integer {
    /// Its size in bytes.
    pub size: u32,
    /// How many of its bits count.
    pub bits: u8,
    /// Whether it has a sign.
    pub signed: bool,
    /// Whether it is a character.
    pub character: bool,
    /// Whether it is a truth value.
    pub boolean: bool,
}

/// An array.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Array {
    /// The type of its elements.
    pub element: u32,
    /// The type of its indexes.
    pub index: u32,
    /// How many elements it has.
    pub count: u32,
}

/// A name and a type.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Named<'a> {
    /// The name, empty where there is none.
    pub name: &'a str,
    /// The type.
    pub of: u32,
}

/// A member of a struct or a union.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Member<'a> {
    /// Its name, empty for an anonymous struct or union.
    pub name: &'a str,
    /// Its type.
    pub of: u32,
    /// Where it begins, in bits.
    pub bit_offset: u32,
    /// How many bits it has, where it is a bit-field.
    pub bits: Option<u8>,
}

/// A named number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Enumerator<'a> {
    /// The name.
    pub name: &'a str,
    /// The number, with its sign extended where the enumeration has one.
    pub value: u64,
}

/// The members of a struct or a union.
#[derive(Clone, Copy, Debug)]
pub struct Members<'a> {
    btf: &'a Btf,
    bytes: &'a [u8],
    /// The size of the whole in bytes.
    pub size: u32,
    /// Whether members say how many bits they have.
    bitfields: bool,
}

/// The numbers of an enumeration.
#[derive(Clone, Copy, Debug)]
pub struct Enumerators<'a> {
    btf: &'a Btf,
    bytes: &'a [u8],
    /// The size of the numbers in bytes.
    pub size: u32,
    /// Whether they have a sign.
    pub signed: bool,
    /// Whether they are recorded with 64 bits.
    wide: bool,
}

/// The parameters of a function.
#[derive(Clone, Copy, Debug)]
pub struct Parameters<'a> {
    btf: &'a Btf,
    bytes: &'a [u8],
}

/// The variables of a section.
#[derive(Clone, Copy, Debug)]
pub struct Placements<'a> {
    bytes: &'a [u8],
}

/// A variable in a section.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Placement {
    /// The number of the variable's record.
    pub variable: u32,
    /// Where in the section it is, in bytes.
    pub offset: u32,
    /// How many bytes it has.
    pub size: u32,
}

impl<'a> Members<'a> {
    /// The members, in order.
    pub fn iter(self) -> impl Iterator<Item = Member<'a>> + use<'a> {
        self.bytes.chunks_exact(12).map(move |entry| {
            let [name, of, offset] = [0, 4, 8].map(|at| u32_at(entry, at).unwrap_or_default());
            // With bit-fields the upper 8 bits of the offset are the number of bits.
            let [.., bits] = offset.to_le_bytes();
            let (bit_offset, bits) = if self.bitfields { (offset & 0xff_ffff, bits) } else { (offset, 0) };
            Member { name: self.btf.string(name), of, bit_offset, bits: (bits != 0).then_some(bits) }
        })
    }
}

impl<'a> Enumerators<'a> {
    /// The numbers, in order.
    pub fn iter(self) -> impl Iterator<Item = Enumerator<'a>> + use<'a> {
        self.bytes.chunks_exact(if self.wide { 12 } else { 8 }).map(move |entry| {
            let [name, low, high] = [0, 4, 8].map(|at| u32_at(entry, at).unwrap_or_default());
            let value = match (self.wide, self.signed) {
                (true, _) => u64::from(low) | u64::from(high) << 32,
                (false, true) => i64::from(low.cast_signed()).cast_unsigned(),
                (false, false) => u64::from(low),
            };
            Enumerator { name: self.btf.string(name), value }
        })
    }
}

impl<'a> Parameters<'a> {
    /// The parameters, in order.
    pub fn iter(self) -> impl Iterator<Item = Named<'a>> + use<'a> {
        self.bytes.chunks_exact(8).map(move |entry| {
            let [name, of] = [0, 4].map(|at| u32_at(entry, at).unwrap_or_default());
            Named { name: self.btf.string(name), of }
        })
    }
}

impl<'a> Placements<'a> {
    /// The variables, in order.
    pub fn iter(self) -> impl Iterator<Item = Placement> + use<'a> {
        self.bytes.chunks_exact(12).map(|entry| {
            let [variable, offset, size] = [0, 4, 8].map(|at| u32_at(entry, at).unwrap_or_default());
            Placement { variable, offset, size }
        })
    }
}

/// Bytes of what all records begin with: name, information, size or type.
const COMMON: usize = 12;

/// The kind of a record, by its number, with how many entries it has and its flag.
fn information(records: &[u8], at: usize) -> Option<(u8, usize, bool)> {
    let word = u32_at(records, at.checked_add(4)?)?;
    let [.., upper] = word.to_le_bytes();
    Some((upper & 0x1f, usize::try_from(word & 0xffff).ok()?, upper & 0x80 != 0))
}

/// How long the record is that begins at `at`; `Err` with its kind where that is not known, `None` where its
/// begin is not whole.
pub(super) fn length(records: &[u8], at: usize) -> Option<Result<usize, u8>> {
    let (kind, entries, _) = information(records, at)?;
    length_at(records, at.checked_add(8)?)?;
    let behind = match kind {
        1 | 14 | 17 => 4,
        3 => 12,
        4 | 5 | 15 | 19 => 12 * entries,
        6 | 13 => 8 * entries,
        2 | 7..=12 | 16 | 18 => 0,
        _ => return Some(Err(kind)),
    };
    Some(Ok(COMMON + behind))
}

/// The record at `at`, which is whole.
pub(super) fn read(btf: &Btf, at: usize) -> Option<Type<'_>> {
    let (kind, _, flag) = information(&btf.records, at)?;
    let length = length(&btf.records, at)?.ok()?;
    let bytes = btf.records.get(at + COMMON..at.checked_add(length)?)?;
    let word = |at: usize| array(bytes, at).map(u32::from_le_bytes).unwrap_or_default();
    // Either a size or the number of a type.
    let value = u32_at(&btf.records, at + 8)?;
    let body = match kind {
        1 => {
            let [bits, _, _, encoding] = word(0).to_le_bytes();
            let [signed, character, boolean] = [1, 2, 4].map(|bit| encoding & bit != 0);
            Body::Integer(Integer { size: value, bits, signed, character, boolean })
        }
        2 => Body::Pointer(value),
        3 => Body::Array(Array { element: word(0), index: word(4), count: word(8) }),
        4 => Body::Struct(Members { btf, bytes, size: value, bitfields: flag }),
        5 => Body::Union(Members { btf, bytes, size: value, bitfields: flag }),
        6 => Body::Enumeration(Enumerators { btf, bytes, size: value, signed: flag, wide: false }),
        7 => Body::Forward { union: flag },
        8 => Body::Typedef(value),
        9 => Body::Volatile(value),
        10 => Body::Const(value),
        11 => Body::Restrict(value),
        12 => Body::Function(value),
        13 => Body::Prototype { result: value, parameters: Parameters { btf, bytes } },
        14 => Body::Variable { of: value, global: word(0) == 1 },
        15 => Body::Section(Placements { bytes }),
        16 => Body::Float { size: value },
        17 => Body::Remark,
        18 => Body::Tagged(value),
        19 => Body::Enumeration(Enumerators { btf, bytes, size: value, signed: flag, wide: true }),
        _ => return None,
    };
    Some(Type { name: btf.string(u32_at(&btf.records, at)?), body })
}
