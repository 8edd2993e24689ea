//! Questions to types: by name, how large, and where a member is.

use super::{Array, Body, Btf, Type};

/// So many typedefs and qualifiers in a row are a circle.
const LONGEST_CHAIN: usize = 64;
/// So deep do anonymous structs and unions nest.
const DEEPEST: usize = 16;

/// Where a member is in a struct.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Field {
    /// Where it begins, in bytes.
    pub offset: u64,
    /// Its type.
    pub of: u32,
    /// For a bit-field, at which bit behind `offset` it begins, and how many bits it has.
    pub bits: Option<(u8, u8)>,
}

/// A struct has no such member.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the kernel's types have no {structure}.{path}")]
pub struct NoField {
    /// The struct.
    pub structure: String,
    /// The member, and members of that, with dots between them.
    pub path: String,
}

impl Btf {
    /// The numbers of all types of a name: a struct, a typedef and a function may have the same.
    pub fn named(&self, name: &str) -> impl Iterator<Item = u32> {
        let first = self.by_name.partition_point(|&id| self.name_of(id) < name);
        let rest = self.by_name.get(first..).unwrap_or_default();
        rest.iter().copied().take_while(move |&id| self.name_of(id) == name)
    }

    /// The struct or union of a name.
    #[must_use]
    pub fn structure(&self, name: &str) -> Option<u32> {
        let is_structure = |id: &u32| {
            self.get(*id).is_some_and(|found| matches!(found.body, Body::Struct(_) | Body::Union(_)))
        };
        self.named(name).find(is_structure)
    }

    /// What is behind typedefs and qualifiers; `None` for `void`, and for circles.
    #[must_use]
    pub fn resolve(&self, id: u32) -> Option<(u32, Type<'_>)> {
        let mut id = id;
        for _ in 0..LONGEST_CHAIN {
            let found = self.get(id)?;
            id = match found.body {
                Body::Typedef(of)
                | Body::Volatile(of)
                | Body::Const(of)
                | Body::Restrict(of)
                | Body::Tagged(of)
                | Body::Variable { of, .. } => of,
                _ => return Some((id, found)),
            };
        }
        None
    }

    /// The size of a type in bytes; `None` for what has none.
    #[must_use]
    pub fn size_of(&self, id: u32) -> Option<u64> {
        let mut id = id;
        let mut elements = 1_u64;
        for _ in 0..DEEPEST {
            let size = match self.resolve(id)?.1.body {
                Body::Integer(integer) => integer.size,
                Body::Float { size } => size,
                Body::Pointer(_) => 8,
                Body::Struct(members) | Body::Union(members) => members.size,
                Body::Enumeration(numbers) => numbers.size,
                Body::Array(Array { element, count, .. }) => {
                    elements = elements.checked_mul(u64::from(count))?;
                    id = element;
                    continue;
                }
                _ => return None,
            };
            return elements.checked_mul(u64::from(size));
        }
        None
    }

    /// Where a member is, by its name or by names with dots between them. Members of anonymous structs and
    /// unions are found as in C.
    ///
    /// # Errors
    /// Where there is no such struct, or no such member in it.
    pub fn field(&self, structure: &str, path: &str) -> Result<Field, NoField> {
        let none = || NoField { structure: structure.to_owned(), path: path.to_owned() };
        let mut of = self.structure(structure).ok_or_else(none)?;
        let mut bit_offset = 0_u64;
        let mut bits = None;
        for name in path.split('.') {
            let found = self.member(of, name, DEEPEST).ok_or_else(none)?;
            bit_offset = bit_offset.saturating_add(found.bit_offset);
            (of, bits) = (found.of, found.bits);
        }
        let within = u8::try_from(bit_offset % 8).unwrap_or_default();
        Ok(Field { offset: bit_offset / 8, of, bits: bits.map(|bits| (within, bits)) })
    }

    /// A member of a struct or a union, or of an anonymous one in it.
    fn member(&self, structure: u32, name: &str, depth: usize) -> Option<Found> {
        let (Body::Struct(members) | Body::Union(members)) = self.resolve(structure)?.1.body else {
            return None;
        };
        let here = members.iter().find(|member| member.name == name);
        if let Some(member) = here {
            let bit_offset = u64::from(member.bit_offset);
            return Some(Found { bit_offset, of: member.of, bits: member.bits });
        }
        let depth = depth.checked_sub(1)?;
        members.iter().filter(|member| member.name.is_empty()).find_map(|member| {
            let found = self.member(member.of, name, depth)?;
            Some(Found { bit_offset: found.bit_offset + u64::from(member.bit_offset), ..found })
        })
    }
}

struct Found {
    bit_offset: u64,
    of: u32,
    bits: Option<u8>,
}
