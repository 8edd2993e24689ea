//! The symbols of a kernel from all that its image says, with sizes, and the sections that they are in.

use std::collections::HashSet;

use super::exports::{Placed, exported, told_to_crash_dumps};
use super::image::KernelImage;
use super::kallsyms::{Kallsyms, KallsymsError};
use super::sections::Sections;

/// A symbol.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Symbol {
    /// Its name.
    pub name: String,
    /// The address that it was linked at.
    pub address: u64,
    /// How many bytes it has, alignment behind it included; 0 where that is not known.
    pub size: u64,
    /// What it is.
    pub kind: SymbolKind,
    /// Whether it is visible beyond its own file.
    pub global: bool,
}

/// What a symbol is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SymbolKind {
    /// Code.
    Function,
    /// A variable, or another thing in memory.
    Object,
    /// A number that is no address.
    Absolute,
}

/// The symbols of a kernel.
#[derive(Clone, Debug)]
pub struct SymbolTable {
    base: u64,
    sections: Sections,
    /// By address.
    symbols: Vec<Symbol>,
    /// The symbols' indexes, by name.
    by_name: Vec<usize>,
}

impl SymbolTable {
    /// Reads the symbols of an image.
    ///
    /// # Errors
    /// [`KallsymsError`], where the kernel has no symbol table that is known here.
    pub fn read(image: &KernelImage<'_>) -> Result<Self, KallsymsError> {
        let kallsyms = Kallsyms::read(image)?;
        let base = kallsyms.base();
        let kernel = Placed { bytes: image.bytes(), base, size: image.size() };
        let sections = Sections::of(&kallsyms, image.size());
        let mut symbols: Vec<_> = kallsyms
            .iter()
            .map(|symbol| Symbol {
                name: symbol.name.to_owned(),
                address: symbol.address,
                size: 0,
                kind: kind(symbol.kind, symbol.address, &sections),
                global: symbol.kind.is_ascii_uppercase(),
            })
            .collect();
        if !kallsyms.iter().any(|symbol| matches!(symbol.kind, 'd' | 'b' | 'r')) {
            add_variables(&kernel, &sections, &mut symbols);
            add_banner(image, base, &mut symbols);
            symbols.sort_by(|one, other| (one.address, &one.name).cmp(&(other.address, &other.name)));
            // Not everything is known between two variables: their distance says nothing.
            infer_sizes(&mut symbols, &sections, |symbol| symbol.kind == SymbolKind::Function);
        } else {
            infer_sizes(&mut symbols, &sections, |symbol| symbol.kind != SymbolKind::Absolute);
        }
        let mut by_name: Vec<_> = (0..symbols.len()).collect();
        by_name.sort_by_key(|&index| symbols.get(index).map(|symbol| &symbol.name));
        Ok(Self { base, sections, symbols, by_name })
    }

    /// The address that the image's first byte was linked at.
    #[must_use]
    pub const fn base(&self) -> u64 {
        self.base
    }

    /// The sections, without gaps from the image's first byte to its last.
    #[must_use]
    pub const fn sections(&self) -> &Sections {
        &self.sections
    }

    /// All symbols, by rising address.
    #[must_use]
    pub fn symbols(&self) -> &[Symbol] {
        &self.symbols
    }

    /// The symbols of a name: several functions of different files may have the same.
    pub fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Symbol> {
        let get = |index: &usize| self.symbols.get(*index);
        let first =
            self.by_name.partition_point(|index| get(index).is_some_and(|symbol| *symbol.name < *name));
        let rest = self.by_name.get(first..).unwrap_or_default();
        rest.iter().filter_map(get).take_while(move |symbol| symbol.name == name)
    }

    /// The address of a symbol that is the only one of its name.
    #[must_use]
    pub fn address(&self, name: &str) -> Option<u64> {
        let mut named = self.named(name);
        named.next().filter(|_| named.next().is_none()).map(|symbol| symbol.address)
    }

    /// Whether the kernel can move itself as it boots (`CONFIG_RANDOMIZE_BASE`): it has the code for it then.
    #[must_use]
    pub fn can_move(&self) -> bool {
        // The newer name is that of a part that is linked for no address at all.
        let functions = ["kaslr_early_init", "__pi_kaslr_early_init"];
        functions.iter().any(|name| self.named(name).next().is_some())
    }

    /// The symbol that an address is in or behind, a function before others, and the distance to it.
    #[must_use]
    pub fn around(&self, address: u64) -> Option<(&Symbol, u64)> {
        let behind = self.symbols.partition_point(|symbol| symbol.address <= address);
        let before = self.symbols.get(..behind)?;
        let last = before.iter().rev().find(|symbol| symbol.kind != SymbolKind::Absolute)?;
        let same = before.iter().rev().take_while(|symbol| symbol.address == last.address);
        let symbol = same.filter(|symbol| symbol.kind == SymbolKind::Function).last().unwrap_or(last);
        Some((symbol, address - symbol.address))
    }
}

/// What a symbol with such a letter and address is.
fn kind(letter: char, address: u64, sections: &Sections) -> SymbolKind {
    match letter.to_ascii_lowercase() {
        't' => SymbolKind::Function,
        'a' => SymbolKind::Absolute,
        _ if !sections.contain(address) => SymbolKind::Absolute,
        // Weak ones are functions or objects.
        'w' if sections.is_code(address) => SymbolKind::Function,
        _ => SymbolKind::Object,
    }
}

/// Adds the variables that kallsyms leaves out, and the kernel's ends.
fn add_variables(kernel: &Placed<'_>, sections: &Sections, symbols: &mut Vec<Symbol>) {
    const TELLERS: [&str; 2] = ["log_buf_vmcoreinfo_setup", "crash_save_vmcoreinfo_init"];
    let known: HashSet<_> = symbols.iter().map(|symbol| symbol.name.as_str()).collect();
    let mut found = exported(kernel);
    for (index, symbol) in symbols.iter().enumerate() {
        if TELLERS.contains(&symbol.name.as_str()) {
            let end = symbols.get(index + 1..).unwrap_or_default();
            let end = end.iter().map(|next| next.address).find(|&next| next > symbol.address);
            let length = end.map_or(0, |end| end - symbol.address);
            for (name, address) in told_to_crash_dumps(kernel, symbol.address, length) {
                found.entry(name).or_insert(address);
            }
        }
    }
    found.retain(|_, address| !sections.is_code(*address));
    found.insert("_text", kernel.base);
    found.insert("_end", kernel.base.saturating_add(kernel.size));
    let new = found.into_iter().filter(|(name, _)| !known.contains(name));
    let new: Vec<_> = new
        .map(|(name, address)| Symbol {
            name: name.to_owned(),
            address,
            size: 0,
            kind: SymbolKind::Object,
            global: true,
        })
        .collect();
    symbols.extend(new);
}

/// Adds the kernel's banner, which is known by what it says.
fn add_banner(image: &KernelImage<'_>, base: u64, symbols: &mut Vec<Symbol>) {
    /// The line's end, and the string's.
    const ENDS: usize = 2;
    let banner = image.find_banner();
    let placed = banner.and_then(|(at, text)| {
        let size = u64::try_from(text.len() + ENDS).ok()?;
        Some((base.checked_add(u64::try_from(at).ok()?)?, size))
    });
    if let Some((address, size)) = placed {
        let name = "linux_banner".to_owned();
        symbols.push(Symbol { name, address, size, kind: SymbolKind::Object, global: true });
    }
}

/// Lets symbols reach to the next address that has one, within their section.
fn infer_sizes(symbols: &mut [Symbol], sections: &Sections, applies: impl Fn(&Symbol) -> bool) {
    let mut next = u64::MAX;
    let mut same = u64::MAX;
    for symbol in symbols.iter_mut().rev() {
        if symbol.kind == SymbolKind::Absolute {
            continue;
        }
        if symbol.address != same {
            next = same;
            same = symbol.address;
        }
        if let (Some(end), true) = (sections.end_of(symbol.address), applies(symbol)) {
            symbol.size = next.min(end) - symbol.address;
        }
    }
}
