//! Debug information (DWARF 5) from a kernel's types: what `ptype`, `p` and `finish` go by.
//!
//! One compilation unit with all types, the functions whose addresses are known, and the variables whose
//! types are. There are no lines in it: a kernel image says nothing about its source.

mod functions;
mod types;
mod variables;

use gimli::constants;
use gimli::write::{
    Address, AttributeValue, Dwarf, EndianVec, LineProgram, Range, RangeList, Sections, StringId, Unit,
    UnitEntryId,
};
use gimli::{Encoding, Format, LittleEndian};

use self::types::Types;
use super::btf::Btf;
use super::elf::DebugSection;
use super::image::KernelImage;
use super::sections::Use;
use super::symbols::SymbolTable;

/// Debug information cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("the debug information cannot be written: {0}")]
pub struct DwarfError(#[from] gimli::write::Error);

/// What the debug information is made from.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'a> {
    /// The kernel.
    pub image: KernelImage<'a>,
    /// Its symbols.
    pub symbols: &'a SymbolTable,
    /// Its types.
    pub types: &'a Btf,
    /// How much higher than it was linked it is to be.
    pub offset: u64,
}

/// Makes the debug sections of an ELF file.
///
/// # Errors
/// Where there is more than DWARF's 32-bit format can hold.
pub fn write(sources: &Sources<'_>) -> Result<Vec<DebugSection>, DwarfError> {
    let mut dwarf = Dwarf::new();
    let encoding = Encoding { format: Format::Dwarf32, version: 5, address_size: 8 };
    let id = dwarf.units.add(Unit::new(encoding, LineProgram::none()));
    {
        let Dwarf { units, strings, .. } = &mut dwarf;
        let mut writer = Writer { unit: units.get_mut(id), strings, offset: sources.offset };
        writer.describe(sources);
        let types = Types::write(&mut writer, sources.types);
        functions::write(&mut writer, &types, sources);
        variables::write(&mut writer, &types, sources);
    }
    let mut sections = Sections::new(EndianVec::new(LittleEndian));
    dwarf.write(&mut sections)?;
    let mut written = Vec::new();
    sections.for_each_mut(|id, bytes: &mut EndianVec<LittleEndian>| {
        let bytes = bytes.take();
        if !bytes.is_empty() {
            written.push(DebugSection { name: id.name(), bytes });
        }
        Ok::<_, DwarfError>(())
    })?;
    Ok(written)
}

/// A compilation unit that is being written.
struct Writer<'a> {
    unit: &'a mut Unit,
    strings: &'a mut gimli::write::StringTable,
    offset: u64,
}

impl Writer<'_> {
    /// What the unit says of itself.
    fn describe(&mut self, sources: &Sources<'_>) {
        let root = self.unit.root();
        let producer = concat!("trapline ", env!("CARGO_PKG_VERSION"), ", from kallsyms and BTF");
        self.name_as(root, constants::DW_AT_producer, producer);
        self.set(root, constants::DW_AT_language, AttributeValue::Language(constants::DW_LANG_C11));
        let name = sources.image.release().unwrap_or_default();
        self.name_as(root, constants::DW_AT_name, &format!("linux-{name}"));
        let code = sources.symbols.sections().iter().filter(|section| section.usage == Use::Code);
        let ranges = code
            .map(|section| Range::StartEnd {
                begin: self.address(section.addresses.start),
                end: self.address(section.addresses.end),
            })
            .collect();
        let ranges = self.unit.ranges.add(RangeList(ranges));
        self.set(root, constants::DW_AT_low_pc, AttributeValue::Address(Address::Constant(0)));
        self.set(root, constants::DW_AT_ranges, AttributeValue::RangeListRef(ranges));
    }

    /// An entry in another.
    fn add(&mut self, parent: UnitEntryId, tag: constants::DwTag) -> UnitEntryId {
        self.unit.add(parent, tag)
    }

    fn set(&mut self, entry: UnitEntryId, attribute: constants::DwAt, value: AttributeValue) {
        self.unit.get_mut(entry).set(attribute, value);
    }

    /// Names an entry, if there is a name.
    fn name(&mut self, entry: UnitEntryId, name: &str) {
        self.name_as(entry, constants::DW_AT_name, name);
    }

    fn name_as(&mut self, entry: UnitEntryId, attribute: constants::DwAt, text: &str) {
        if !text.is_empty() {
            let text = self.string(text);
            self.set(entry, attribute, AttributeValue::StringRef(text));
        }
    }

    fn string(&mut self, text: &str) -> StringId {
        self.strings.add(text)
    }

    /// A whole number that is not negative.
    fn number(&mut self, entry: UnitEntryId, attribute: constants::DwAt, value: u64) {
        self.set(entry, attribute, AttributeValue::Udata(value));
    }

    /// Gives an entry its type; none for `void`.
    fn of(&mut self, entry: UnitEntryId, of: Option<UnitEntryId>) {
        if let Some(of) = of {
            self.set(entry, constants::DW_AT_type, AttributeValue::UnitRef(of));
        }
    }

    /// Where an address that was linked is to be.
    fn address(&self, linked: u64) -> Address {
        Address::Constant(linked.wrapping_add(self.offset))
    }
}
