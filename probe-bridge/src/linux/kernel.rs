//! All that an image says, read at once.

use super::btf::{Btf, BtfError};
use super::bytes::u32_at;
use super::dwarf::{self, DwarfError, Sources};
use super::elf::{self, ElfError};
use super::frames;
use super::image::{ImageError, KernelImage};
use super::kallsyms::KallsymsError;
use super::per_cpu;
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
    pid_in_context: bool,
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
        let pid_in_context = keeps_pid_in_context(&image, &symbols);
        let place = symbols
            .named("linux_banner")
            .next()
            .and_then(|symbol| symbol.address.checked_sub(symbols.base()));
        let banner =
            place.and_then(|at| image.banner_at(usize::try_from(at).ok()?)).or_else(|| image.banner());
        Ok(Self { symbols, types, banner: banner.map(str::to_owned), pid_in_context })
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

    /// Whether the kernel keeps the number of the thread that runs in `CONTEXTIDR_EL1`
    /// (`CONFIG_PID_IN_CONTEXTIDR`): its code for changing threads writes that register then.
    #[must_use]
    pub const fn keeps_pid_in_context(&self) -> bool {
        self.pid_in_context
    }

    /// Where a variable that every CPU has one of was linked. A CPU's own is as much higher as its
    /// `TPIDR_EL1` says.
    #[must_use]
    pub fn per_cpu(&self, name: &str) -> Option<u64> {
        let known = self.symbols.named(name).next().map(|symbol| symbol.address);
        let typed = || {
            let variables = per_cpu::variables(self.types.as_ref().ok()?, &self.symbols);
            variables.into_iter().find(|variable| variable.name == name).map(|variable| variable.address)
        };
        known.or_else(typed)
    }

    /// An ELF file with all this, `offset` higher than it was linked. `image` is what it was read from: the
    /// code in it says how long arguments stay where they are passed.
    ///
    /// # Errors
    /// Where there is more than an ELF file can hold.
    pub fn to_elf(&self, image: &KernelImage<'_>, offset: u64) -> Result<Vec<u8>, FileError> {
        let symbols = &self.symbols;
        let mut debug = match &self.types {
            Ok(types) => dwarf::write(&Sources { image: *image, symbols, types, offset })?,
            Err(_) => Vec::new(),
        };
        debug.push(frames::write(image, symbols, offset)?);
        Ok(elf::write(symbols, &debug, offset)?)
    }
}

/// Whether a function that changes threads writes `CONTEXTIDR_EL1`.
fn keeps_pid_in_context(image: &KernelImage<'_>, symbols: &SymbolTable) -> bool {
    /// `MSR CONTEXTIDR_EL1, X0`; the register is in the low five bits.
    const WRITE: u32 = 0xd518_d020;
    // The compiler may have put it into either.
    let functions = ["__switch_to", "contextidr_thread_switch"];
    functions.iter().flat_map(|name| symbols.named(name)).any(|function| {
        let range = function.address.checked_sub(symbols.base()).and_then(|begin| {
            let end = begin.checked_add(function.size)?;
            Some(usize::try_from(begin).ok()?..usize::try_from(end).ok()?)
        });
        let code = range.and_then(|range| image.bytes().get(range)).unwrap_or_default();
        code.chunks_exact(4).any(|word| u32_at(word, 0).is_some_and(|word| word & !0x1f == WRITE))
    })
}
