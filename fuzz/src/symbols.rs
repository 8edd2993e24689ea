//! Whatever an ELF file has for symbols and line numbers, it is refused or read, and what is found by a name or a line
//! is found again by its address.

use arbitrary::{Arbitrary, Unstructured};
use trapline_probe::places::{Location, Place, Symbols};

/// The sections of a file, by their names and kinds: a symbol table, strings, and what debug information is made of.
const SECTIONS: [(&str, u32); 9] = [
    (".symtab", 2),
    (".strtab", 3),
    (".debug_abbrev", 1),
    (".debug_info", 1),
    (".debug_line", 1),
    (".debug_line_str", 1),
    (".debug_str", 1),
    (".debug_ranges", 1),
    (".debug_rnglists", 1),
];
/// `SHF_COMPRESSED`.
const COMPRESSED: u64 = 0x800;
/// The lengths of a header, of an entry of the section table, and of a symbol.
const HEADER: usize = 64;
const ENTRY: usize = 64;
const SYMBOL: u64 = 24;

/// A symbol: where, how large, and of which kind.
#[derive(Arbitrary, Debug)]
struct Symbol {
    name: u8,
    kind: u8,
    section: u16,
    address: u64,
    size: u64,
}

#[derive(Arbitrary, Debug)]
struct File {
    machine: bool,
    symbols: Vec<Symbol>,
    /// What stands in the other sections.
    contents: [Vec<u8>; 8],
    /// Sections that are said to be compressed.
    compressed: u16,
    /// A byte that is changed in the end.
    change: Option<(u16, u8)>,
}

impl File {
    fn elf(&self) -> Vec<u8> {
        let table: Vec<u8> = self.symbols.iter().flat_map(Symbol::bytes).collect();
        let names: String = SECTIONS.iter().map(|(name, _)| format!("\0{name}")).collect();
        let mut file = vec![0; HEADER];
        let mut entries = vec![0; ENTRY];
        let mut name = 1;
        for (index, (section, kind)) in SECTIONS.iter().enumerate() {
            let contents = index.checked_sub(1).map_or(&table, |index| &self.contents[index]);
            let flags = if self.compressed >> index & 1 == 0 { 0 } else { COMPRESSED };
            entries.extend(entry(name, *kind, flags, file.len(), contents.len()));
            name += section.len() as u32 + 1;
            file.extend(contents);
        }
        entries.extend(entry(0, 3, 0, file.len(), names.len()));
        file.extend(names.bytes());

        let sections = file.len() as u64;
        let machine: u16 = if self.machine { 183 } else { 40 };
        let mut header = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0".to_vec();
        header.extend(machine.to_le_bytes());
        header.extend(1_u32.to_le_bytes());
        for word in [0, 0, sections] {
            header.extend(u64::to_le_bytes(word));
        }
        header.extend([0; 4]);
        let count = SECTIONS.len() as u16 + 2;
        for half in [HEADER as u16, 56, 0, ENTRY as u16, count, count - 1] {
            header.extend(half.to_le_bytes());
        }
        file[..HEADER].copy_from_slice(&header);
        file.extend(entries);
        if let Some((place, value)) = self.change {
            let place = usize::from(place) % file.len();
            file[place] = value;
        }
        file
    }
}

impl Symbol {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = u32::from(self.name).to_le_bytes().to_vec();
        bytes.extend([self.kind, 0]);
        bytes.extend(self.section.to_le_bytes());
        bytes.extend(self.address.to_le_bytes());
        bytes.extend(self.size.to_le_bytes());
        bytes
    }
}

/// An entry of the section table. A symbol table's names are in the section behind it.
fn entry(name: u32, kind: u32, flags: u64, offset: usize, size: usize) -> Vec<u8> {
    let is_table = kind == 2;
    let mut entry = [name, kind].map(u32::to_le_bytes).concat();
    for word in [flags, 0, offset as u64, size as u64] {
        entry.extend(word.to_le_bytes());
    }
    for word in [if is_table { 2_u32 } else { 0 }, 0] {
        entry.extend(word.to_le_bytes());
    }
    for word in [1, if is_table { SYMBOL } else { 0 }] {
        entry.extend(word.to_le_bytes());
    }
    entry
}

/// Reads the input as a file, and a file that is made of it.
///
/// # Panics
/// Where what is found at an address is not there.
pub fn check(data: &[u8]) {
    read(data, &[]);
    let mut source = Unstructured::new(data);
    if let Ok(file) = source.arbitrary::<File>() {
        let addresses: Vec<u64> = file.symbols.iter().map(|symbol| symbol.address).collect();
        read(&file.elf(), &addresses);
    }
}

fn read(file: &[u8], addresses: &[u64]) {
    let symbols = match Symbols::read(file) {
        Ok(symbols) => symbols,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    for address in addresses.iter().copied().chain([0, u64::MAX]) {
        let Place { symbol, .. } = symbols.place(address);
        let Some((name, offset)) = symbol else { continue };
        assert!(offset <= address, "{name}+{offset:#x} for {address:#x}");
        // There may be several of that name.
        if let Ok(found) = symbols.find(&Location::Symbol(name.clone(), offset)) {
            assert_eq!(found.address, address, "{name}+{offset:#x}");
        }
    }
    for line in ["a.c:1", "main", "main+0xffffffffffffffff"] {
        if let Ok(location) = line.parse::<Location>() {
            let _ = symbols.find(&location).map_err(|error| error.to_string());
        }
    }
}
