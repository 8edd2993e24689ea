//! An ELF file of what is known of a kernel, for debuggers and their tools.
//!
//! The sections have addresses and sizes but no bytes, as in a file that debug information was moved to:
//! what is in memory is the guest's to say, for a kernel patches itself. It is an `ET_EXEC` file, so that
//! no debugger moves it on a guess; all that moves are the symbols' sections, together, by the offset that
//! the user gives.

use object::elf;
use object::write::elf::{FileHeader, SectionHeader, SectionIndex, Sym, SymbolIndex, Writer};

use super::sections::{Section, Use};
use super::symbols::{Symbol, SymbolKind, SymbolTable};

/// Why no ELF file can be made.
#[derive(Debug, thiserror::Error)]
#[error("the ELF file cannot be written: {0}")]
pub struct ElfError(#[from] object::write::Error);

/// A section that holds debug information.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DebugSection {
    /// Its name, `.debug_info` and so on.
    pub name: &'static str,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// The file's bytes: symbols, and debug information where there is some, all of it `offset` higher than it
/// was linked. The debug information must have been made with the same offset.
///
/// # Errors
/// Where there is more of something than an ELF file can hold.
pub fn write(symbols: &SymbolTable, debug: &[DebugSection], offset: u64) -> Result<Vec<u8>, ElfError> {
    let mut file = Vec::new();
    let mut writer = Writer::new_single_phase(object::Endianness::Little, true, &mut file);
    writer.write_file_header(&FileHeader {
        os_abi: elf::ELFOSABI_NONE,
        abi_version: 0,
        e_type: elf::ET_EXEC,
        e_machine: elf::EM_AARCH64,
        e_entry: symbols.base().wrapping_add(offset),
        e_flags: elf::FileFlags(0),
    })?;

    let mut headers: Vec<_> = symbols.sections().iter().map(|section| header_of(section, offset)).collect();
    for (section, header) in symbols.sections().iter().zip(&mut headers) {
        let name = writer.add_section_name(section.name.as_bytes());
        header.sh_name = writer.section_name_offset(Some(name));
    }
    for section in debug {
        let name = writer.add_section_name(section.name.as_bytes());
        let begin = writer.offset();
        writer.write(&section.bytes);
        headers.push(SectionHeader {
            sh_name: writer.section_name_offset(Some(name)),
            sh_type: elf::SHT_PROGBITS,
            sh_flags: elf::SectionFlags(0),
            sh_addr: 0,
            sh_offset: begin,
            sh_size: writer.offset() - begin,
            sh_link: 0,
            sh_info: 0,
            sh_addralign: 1,
            sh_entsize: 0,
        });
    }

    let mut local = 1;
    writer.write_null_symbol();
    // Local symbols come first (ELF, "Symbol Table Section").
    for global in [false, true] {
        for symbol in symbols.symbols().iter().filter(|symbol| symbol.global == global) {
            let name = writer.add_string(symbol.name.as_bytes());
            let name = writer.string_offset(Some(name));
            let SymbolIndex(index) = writer.write_symbol(&symbol_of(symbol, symbols, name, offset));
            if !global {
                local = index + 1;
            }
        }
    }
    writer.write_strtab()?;
    writer.write_shstrtab()?;

    writer.write_null_section_header();
    for header in &headers {
        let _: SectionIndex = writer.write_section_header(header);
    }
    // The symbols' header names the strings' section, which therefore comes first.
    writer.write_strtab_section_header();
    writer.write_symtab_section_header(local);
    writer.write_shstrtab_section_header();

    let mut begin = Vec::new();
    writer.write_file_header_to(&mut begin)?;
    if let Some(head) = file.get_mut(..begin.len()) {
        head.copy_from_slice(&begin);
    }
    Ok(file)
}

fn header_of(section: &Section, offset: u64) -> SectionHeader {
    let flags = match section.usage {
        Use::Code => elf::SHF_ALLOC | elf::SHF_EXECINSTR,
        Use::ReadOnly => elf::SHF_ALLOC,
        Use::Data => elf::SHF_ALLOC | elf::SHF_WRITE,
    };
    SectionHeader {
        sh_name: 0,
        sh_type: elf::SHT_NOBITS,
        sh_flags: flags,
        sh_addr: section.addresses.start.wrapping_add(offset),
        sh_offset: 0,
        sh_size: section.addresses.end - section.addresses.start,
        sh_link: 0,
        sh_info: 0,
        sh_addralign: 1,
        sh_entsize: 0,
    }
}

fn symbol_of(symbol: &Symbol, symbols: &SymbolTable, name: u32, offset: u64) -> Sym {
    let (kind, section) = match symbol.kind {
        SymbolKind::Function => (elf::STT_FUNC, symbols.sections().index_of(symbol.address)),
        SymbolKind::Object => (elf::STT_OBJECT, symbols.sections().index_of(symbol.address)),
        SymbolKind::Absolute => (elf::STT_NOTYPE, None),
    };
    let binding = if symbol.global { elf::STB_GLOBAL } else { elf::STB_LOCAL };
    // Section 0 is the null section.
    let section = section.and_then(|index| u32::try_from(index + 1).ok());
    Sym {
        section,
        st_name: name,
        st_info: elf::SymbolInfo::new(binding, kind),
        st_other: elf::SymbolOther(0),
        st_shndx: if section.is_some() { elf::SymbolSection(0) } else { elf::SHN_ABS },
        st_value: if section.is_some() { symbol.address.wrapping_add(offset) } else { symbol.address },
        st_size: symbol.size,
    }
}
