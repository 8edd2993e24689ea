//! Types: an entry for each.

use gimli::constants::{self, DwTag};
use gimli::write::{AttributeValue, UnitEntryId};

use super::Writer;
use crate::linux::btf::{Body, Btf, Enumerators, Integer, Members, Parameters};

/// So many typedefs, qualifiers and arrays in a row are a circle, which no debugger could follow.
const LONGEST_CHAIN: usize = 64;

/// Which entry is which type's.
pub(super) struct Types<'a> {
    btf: &'a Btf,
    /// By number; `void` and what is no type have none.
    entries: Vec<Option<UnitEntryId>>,
}

impl<'a> Types<'a> {
    /// Writes all types.
    pub(super) fn write(writer: &mut Writer<'_>, btf: &'a Btf) -> Self {
        let root = writer.unit.root();
        let mut entries = vec![None];
        // A type may refer to one behind it, so there is an entry for each before anything is said of any.
        entries.extend(btf.ids().map(|id| {
            let tag = tag(&btf.get(id)?.body)?;
            ends(btf, id).then(|| writer.add(root, tag))
        }));
        let types = Self { btf, entries };
        for id in btf.ids() {
            if let Some(entry) = types.own(id) {
                types.describe(writer, id, entry);
            }
        }
        types
    }

    /// The entry of a type; none for `void`.
    pub(super) fn entry(&self, id: u32) -> Option<UnitEntryId> {
        let mut id = id;
        for _ in 0..LONGEST_CHAIN {
            match self.btf.get(id)?.body {
                Body::Tagged(of) => id = of,
                _ => return self.own(id),
            }
        }
        None
    }

    fn own(&self, id: u32) -> Option<UnitEntryId> {
        *self.entries.get(usize::try_from(id).ok()?)?
    }

    /// Says of a type what there is to say.
    fn describe(&self, writer: &mut Writer<'_>, id: u32, entry: UnitEntryId) {
        let Some(described) = self.btf.get(id) else { return };
        writer.name(entry, described.name);
        match described.body {
            Body::Integer(integer) => {
                writer.number(entry, constants::DW_AT_byte_size, integer.size.into());
                let encoding = AttributeValue::Encoding(encoding(integer));
                writer.set(entry, constants::DW_AT_encoding, encoding);
            }
            Body::Float { size } => {
                writer.number(entry, constants::DW_AT_byte_size, size.into());
                let encoding = AttributeValue::Encoding(constants::DW_ATE_float);
                writer.set(entry, constants::DW_AT_encoding, encoding);
            }
            Body::Pointer(of) => {
                writer.number(entry, constants::DW_AT_byte_size, 8);
                writer.of(entry, self.entry(of));
            }
            Body::Typedef(of) | Body::Volatile(of) | Body::Const(of) | Body::Restrict(of) => {
                writer.of(entry, self.entry(of));
            }
            Body::Array(array) => {
                writer.of(entry, self.entry(array.element));
                let range = writer.add(entry, constants::DW_TAG_subrange_type);
                writer.of(range, self.entry(array.index));
                writer.number(range, constants::DW_AT_count, array.count.into());
            }
            Body::Struct(members) | Body::Union(members) => self.members(writer, entry, members),
            Body::Enumeration(numbers) => enumerators(writer, entry, numbers),
            Body::Forward { .. } => {
                writer.set(entry, constants::DW_AT_declaration, AttributeValue::FlagPresent);
            }
            Body::Prototype { result, parameters } => {
                writer.set(entry, constants::DW_AT_prototyped, AttributeValue::FlagPresent);
                writer.of(entry, self.entry(result));
                self.parameters(writer, entry, parameters, |_, _, _| {});
            }
            Body::Tagged(_) | Body::Function(_) | Body::Variable { .. } | Body::Section(_) | Body::Remark => {
            }
        }
    }

    fn members(&self, writer: &mut Writer<'_>, entry: UnitEntryId, members: Members<'_>) {
        writer.number(entry, constants::DW_AT_byte_size, members.size.into());
        for member in members.iter() {
            let child = writer.add(entry, constants::DW_TAG_member);
            writer.name(child, member.name);
            writer.of(child, self.entry(member.of));
            match member.bits {
                Some(bits) => {
                    writer.number(child, constants::DW_AT_bit_size, bits.into());
                    writer.number(child, constants::DW_AT_data_bit_offset, member.bit_offset.into());
                }
                None => {
                    let bytes = u64::from(member.bit_offset / 8);
                    writer.number(child, constants::DW_AT_data_member_location, bytes);
                }
            }
        }
    }

    /// Writes parameters, and lets `more` say more of each, given its place and its entry.
    pub(super) fn parameters(
        &self,
        writer: &mut Writer<'_>,
        entry: UnitEntryId,
        parameters: Parameters<'_>,
        mut more: impl FnMut(&mut Writer<'_>, usize, UnitEntryId),
    ) {
        for (index, parameter) in parameters.iter().enumerate() {
            if parameter.of == 0 && parameter.name.is_empty() {
                writer.add(entry, constants::DW_TAG_unspecified_parameters);
                continue;
            }
            let child = writer.add(entry, constants::DW_TAG_formal_parameter);
            writer.name(child, parameter.name);
            writer.of(child, self.entry(parameter.of));
            more(writer, index, child);
        }
    }
}

fn enumerators(writer: &mut Writer<'_>, entry: UnitEntryId, numbers: Enumerators<'_>) {
    writer.number(entry, constants::DW_AT_byte_size, numbers.size.into());
    for number in numbers.iter() {
        let child = writer.add(entry, constants::DW_TAG_enumerator);
        writer.name(child, number.name);
        let value = match numbers.signed {
            true => AttributeValue::Sdata(number.value.cast_signed()),
            false => AttributeValue::Udata(number.value),
        };
        writer.set(child, constants::DW_AT_const_value, value);
    }
}

/// The tag of a type; none for what is no type, and for remarks on one.
fn tag(body: &Body<'_>) -> Option<DwTag> {
    Some(match body {
        Body::Integer(_) | Body::Float { .. } => constants::DW_TAG_base_type,
        Body::Pointer(_) => constants::DW_TAG_pointer_type,
        Body::Array(_) => constants::DW_TAG_array_type,
        Body::Struct(_) | Body::Forward { union: false } => constants::DW_TAG_structure_type,
        Body::Union(_) | Body::Forward { union: true } => constants::DW_TAG_union_type,
        Body::Enumeration(_) => constants::DW_TAG_enumeration_type,
        Body::Typedef(_) => constants::DW_TAG_typedef,
        Body::Volatile(_) => constants::DW_TAG_volatile_type,
        Body::Const(_) => constants::DW_TAG_const_type,
        Body::Restrict(_) => constants::DW_TAG_restrict_type,
        Body::Prototype { .. } => constants::DW_TAG_subroutine_type,
        Body::Tagged(_) | Body::Function(_) | Body::Variable { .. } | Body::Section(_) | Body::Remark => {
            return None;
        }
    })
}

fn encoding(integer: Integer) -> constants::DwAte {
    // A character is one by its name: the kernel's BTF rarely says so.
    match integer {
        Integer { boolean: true, .. } => constants::DW_ATE_boolean,
        Integer { size: 1, signed: true, .. } => constants::DW_ATE_signed_char,
        Integer { size: 1, .. } => constants::DW_ATE_unsigned_char,
        Integer { signed: true, .. } => constants::DW_ATE_signed,
        Integer { .. } => constants::DW_ATE_unsigned,
    }
}

/// Whether the chain of names, qualifiers and arrays from a type on comes to an end.
fn ends(btf: &Btf, id: u32) -> bool {
    let mut id = id;
    for _ in 0..LONGEST_CHAIN {
        match btf.get(id).map(|found| found.body) {
            Some(
                Body::Typedef(of)
                | Body::Volatile(of)
                | Body::Const(of)
                | Body::Restrict(of)
                | Body::Tagged(of)
                | Body::Pointer(of),
            ) => id = of,
            Some(Body::Array(array)) => id = array.element,
            _ => return true,
        }
    }
    false
}
