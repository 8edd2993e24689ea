//! All that an image says, read at once.

use super::btf::{Btf, BtfError};
use super::dwarf::{self, DwarfError, Sources};
use super::elf::{self, ElfError};
use super::image::{ImageError, KernelImage};
use super::kallsyms::KallsymsError;
use super::symbols::SymbolTable;

/// Why a kernel's image cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KernelError {
    /// It is no image.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// It has no symbols.
    #[error(transparent)]
    Kallsyms(#[from] KallsymsError),
}

/// Why no file with symbols can be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The debug information.
    #[error(transparent)]
    Dwarf(#[from] DwarfError),
    /// The file around it.
    #[error(transparent)]
    Elf(#[from] ElfError),
}

/// A kernel: its symbols, and its types where it has some.
#[derive(Clone, Debug)]
pub struct Kernel {
    symbols: SymbolTable,
    types: Result<Btf, BtfError>,
    banner: Option<String>,
}

impl Kernel {
    /// Reads an unpacked image.
    ///
    /// # Errors
    /// Where it is none, or has no symbols. A kernel without types is no error.
    pub fn read(image: &[u8]) -> Result<Self, KernelError> {
        let image = KernelImage::new(image)?;
        let symbols = SymbolTable::read(&image)?;
        let types = Btf::find(image.bytes());
        Ok(Self { symbols, types, banner: image.banner().map(str::to_owned) })
    }

    /// The symbols.
    #[must_use]
    pub const fn symbols(&self) -> &SymbolTable {
        &self.symbols
    }

    /// The types.
    ///
    /// # Errors
    /// Why there are none.
    pub const fn types(&self) -> Result<&Btf, &BtfError> {
        self.types.as_ref()
    }

    /// The kernel's own words on its version.
    #[must_use]
    pub fn banner(&self) -> Option<&str> {
        self.banner.as_deref()
    }

    /// An ELF file with all this, `offset` higher than it was linked. `image` is what it was read from: the
    /// code in it says how long arguments stay where they are passed.
    ///
    /// # Errors
    /// Where there is more than an ELF file can hold.
    pub fn to_elf(&self, image: &KernelImage<'_>, offset: u64) -> Result<Vec<u8>, FileError> {
        let symbols = &self.symbols;
        let debug = match &self.types {
            Ok(types) => dwarf::write(&Sources { image: *image, symbols, types, offset })?,
            Err(_) => Vec::new(),
        };
        Ok(elf::write(symbols, &debug, offset)?)
    }
}
