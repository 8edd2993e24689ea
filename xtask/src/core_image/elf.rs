//! What a linked program says of itself: its sections, its symbols, and which function refers to which.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use object::{Object as _, ObjectSection as _, ObjectSymbol as _, RelocationTarget, SymbolKind};

/// A program, linked with `--emit-relocs`.
pub(crate) struct Elf {
    /// Functions and statics, by ascending address.
    symbols: Vec<Symbol>,
    sections: Vec<(String, u64)>,
    references: Vec<Reference>,
}

/// A function or a static.
pub(crate) struct Symbol {
    /// Its name as Rust has it, without hashes.
    pub(crate) name: String,
    /// In bytes.
    pub(crate) size: u64,
    is_function: bool,
    address: u64,
}

/// Somewhere at `from`, an instruction or a constant has the address `to`.
struct Reference {
    from: u64,
    to: u64,
}

impl Elf {
    /// Reads a program.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let data = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let file = object::File::parse(&*data).with_context(|| format!("cannot parse {}", path.display()))?;
        let mut symbols: Vec<_> = file
            .symbols()
            .filter(|symbol| matches!(symbol.kind(), SymbolKind::Text | SymbolKind::Data))
            // The linker's marks between code and constants.
            .filter(|symbol| symbol.name().is_ok_and(|name| !name.starts_with('$')))
            .map(|symbol| {
                Ok(Symbol {
                    name: format!("{:#}", rustc_demangle::demangle(symbol.name()?)),
                    size: symbol.size(),
                    is_function: symbol.kind() == SymbolKind::Text,
                    address: symbol.address(),
                })
            })
            .collect::<Result<_>>()?;
        symbols.sort_by_key(|symbol| symbol.address);

        let mut sections = Vec::new();
        let mut references = Vec::new();
        for section in file.sections() {
            sections.push((section.name()?.to_owned(), section.size()));
            for (from, relocation) in section.relocations() {
                if let RelocationTarget::Symbol(index) = relocation.target() {
                    let to = file.symbol_by_index(index)?.address().wrapping_add_signed(relocation.addend());
                    references.push(Reference { from, to });
                }
            }
        }
        Ok(Self { symbols, sections, references })
    }

    /// The size of a section in bytes.
    pub(crate) fn section_size(&self, name: &str) -> Result<u64> {
        let section = self.sections.iter().find(|(other, _)| other == name);
        section.map(|(_, size)| *size).with_context(|| format!("the program has no section {name}"))
    }

    /// The symbol of a name.
    pub(crate) fn symbol(&self, name: &str) -> Result<&Symbol> {
        let symbol = self.symbols.iter().find(|symbol| symbol.name == name);
        symbol.with_context(|| format!("the program has no symbol {name}"))
    }

    /// All functions.
    pub(crate) fn functions(&self) -> impl Iterator<Item = &Symbol> {
        self.symbols.iter().filter(|symbol| symbol.is_function)
    }

    /// The functions that refer to `symbol`, itself not among them.
    pub(crate) fn referrers(&self, symbol: &Symbol) -> Vec<&Symbol> {
        let references = self.references.iter().filter(|reference| reference.to == symbol.address);
        let mut referrers: Vec<_> = references
            .filter_map(|reference| self.function_at(reference.from))
            .filter(|referrer| referrer.address != symbol.address)
            .collect();
        referrers.sort_by_key(|referrer| referrer.address);
        referrers.dedup_by_key(|referrer| referrer.address);
        referrers
    }

    fn function_at(&self, address: u64) -> Option<&Symbol> {
        let end = self.symbols.partition_point(|symbol| symbol.address <= address);
        let candidates = self.symbols.get(..end)?.iter().rev();
        candidates
            .take_while(|symbol| symbol.address.saturating_add(symbol.size) > address)
            .find(|symbol| symbol.is_function)
    }
}
