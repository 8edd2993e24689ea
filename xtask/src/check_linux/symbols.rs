//! The symbols that were read out of a kernel, as a list for the guest to compare with what its kernel says.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use object::{Object as _, ObjectSymbol as _, SymbolKind};

/// Where the guest's program looks for the list.
pub(super) const INSIDE: &str = "/symbols";

/// Writes the list: addresses and names of all symbols in an ELF file.
pub(super) fn list(elf: &Path) -> Result<PathBuf> {
    let bytes = fs::read(elf).with_context(|| format!("cannot read {}", elf.display()))?;
    let object = object::File::parse(&*bytes).context("the file with symbols is no ELF file")?;
    let mut list = String::new();
    for symbol in object.symbols().filter(|symbol| symbol.is_definition()) {
        if !matches!(symbol.kind(), SymbolKind::Section | SymbolKind::File) {
            writeln!(list, "{:x} {}", symbol.address(), symbol.name()?)?;
        }
    }
    let path = elf.with_extension("list");
    fs::write(&path, list).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}
