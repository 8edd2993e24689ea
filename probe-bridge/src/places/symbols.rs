//! Names, lines and addresses of an ELF file.

use std::collections::BTreeSet;
use std::sync::Arc;

use addr2line::gimli::{self, EndianArcSlice, LittleEndian};
use anyhow::{Context, Result, anyhow, bail, ensure};
use object::{Architecture, Object, ObjectSection, ObjectSymbol, SymbolKind};
use rustc_demangle::demangle;
use trapline_core::breakpoint::Instruction;

use super::callers::{Callers, Registers};
use super::location::Location;

/// How many near names or lines are told where one is wrong.
const NEAR: usize = 5;

type Dwarf = addr2line::Context<EndianArcSlice<LittleEndian>>;

/// The most that a section of debug information may have once it is unpacked, in bytes.
const LARGEST_SECTION: u64 = 1 << 30;

/// The symbols of one ELF file.
pub struct Symbols {
    /// By ascending address.
    symbols: Vec<Symbol>,
    lines: Option<Dwarf>,
    /// Where code of an instruction set begins, or data, in a file of 32-bit Arm; by ascending address.
    sets: Vec<(u64, Option<Instruction>)>,
    /// Whether it is a file of 32-bit Arm.
    is_arm: bool,
    callers: Option<Callers>,
    /// Why what is found has no address yet.
    unplaced: Option<&'static str>,
}

/// A symbol with a place in memory.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Symbol {
    address: u64,
    /// In bytes; 0 where it is not known.
    size: u64,
    name: String,
    is_code: bool,
}

/// Where an address lies.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Place {
    /// The symbol, and bytes behind its start.
    pub symbol: Option<(String, u64)>,
    /// The source file, and the line where it is known.
    pub line: Option<(String, Option<u32>)>,
}

/// A place that was found, and the size of what stands there where that is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Found {
    /// Its address.
    pub address: u64,
    /// In bytes.
    pub size: Option<u64>,
}

impl Symbols {
    /// No symbols at all: addresses are all that can be said.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            symbols: Vec::new(),
            lines: None,
            sets: Vec::new(),
            is_arm: false,
            callers: None,
            unplaced: None,
        }
    }

    /// The same, of a target that will not be where it was linked: what is asked for by name is refused for this
    /// reason.
    #[must_use]
    pub const fn unplaced(mut self, why: Option<&'static str>) -> Self {
        self.unplaced = why;
        self
    }

    /// Those of an ELF file.
    ///
    /// # Errors
    /// Where it is none, or a section of its debug information is larger than 1 GiB.
    pub fn read(file: &[u8]) -> Result<Self> {
        let file = object::File::parse(file).context("its symbols cannot be read")?;
        let is_arm = file.architecture() == Architecture::Arm;
        let mut symbols: Vec<Symbol> = file
            .symbols()
            .filter(|symbol| symbol.is_definition() && symbol.kind() != SymbolKind::Section)
            .filter_map(|symbol| {
                let name = symbol.name().ok().filter(|name| !name.is_empty() && !name.starts_with('$'))?;
                // Bit 0 of a function's address says that it is Thumb code.
                let thumb = is_arm && symbol.kind() == SymbolKind::Text;
                Some(Symbol {
                    address: symbol.address() & if thumb { !1 } else { u64::MAX },
                    size: symbol.size(),
                    name: format!("{:#}", demangle(name)),
                    is_code: symbol.kind() == SymbolKind::Text,
                })
            })
            .collect();
        symbols.sort_by(|one, other| (one.address, &one.name).cmp(&(other.address, &other.name)));
        symbols.dedup();
        let frames = file.section_by_name(".debug_frame").filter(|_| is_arm);
        let frames = frames.map(|section| unpacked(&section)).transpose().context("section .debug_frame")?;
        Ok(Self {
            symbols,
            lines: lines(&file)?,
            sets: if is_arm { sets(&file) } else { Vec::new() },
            is_arm,
            callers: frames.map(Callers::new),
            unplaced: None,
        })
    }

    /// Whether they are those of 32-bit code of Arm: AArch32, or the M profile.
    #[must_use]
    pub const fn is_arm(&self) -> bool {
        self.is_arm
    }

    /// Of which instruction set the code at an address is, in a file of 32-bit Arm; `None` where it does not say so, or
    /// has data there.
    #[must_use]
    pub fn instruction_set(&self, address: u64) -> Option<Instruction> {
        let behind = self.sets.partition_point(|(start, _)| *start <= address);
        self.sets.get(behind.checked_sub(1)?)?.1
    }

    /// The registers of the caller of the code at `place`, whose registers are `callee`, in a file of 32-bit Arm; `None`
    /// where the file does not know. `read` answers a word of memory.
    pub fn caller(
        &self,
        place: u64,
        callee: &Registers,
        read: &mut dyn FnMut(u64) -> Option<u32>,
    ) -> Option<Registers> {
        self.callers.as_ref()?.caller(place, callee, read)
    }

    /// The address of a place.
    ///
    /// # Errors
    /// Where it is not there, or there are several.
    pub fn find(&self, location: &Location) -> Result<Found> {
        match location {
            Location::Address(address) => Ok(Found { address: *address, size: None }),
            Location::Line(file, line) => self.find_line(file, *line),
            Location::Symbol(name, offset) => {
                let found = self.find_symbol(name)?;
                let address = found.address.checked_add(*offset);
                let address = address.ok_or_else(|| anyhow!("{location} is behind the last address"))?;
                let size = found.size.and_then(|size| size.checked_sub(*offset)).filter(|size| *size > 0);
                Ok(Found { address, size })
            }
        }
    }

    /// A symbol by its name: the whole of it, or for a path its end, as `packed::PACKED` or `PACKED`.
    ///
    /// # Errors
    /// As [`Self::find`].
    pub fn find_symbol(&self, name: &str) -> Result<Found> {
        if self.symbols.is_empty() {
            bail!("there are no symbols; give --symbols an ELF file that has them");
        }
        let mut matching: Vec<&Symbol> = self.symbols.iter().filter(|symbol| symbol.name == name).collect();
        if matching.is_empty() {
            let is_end =
                |symbol: &&Symbol| symbol.name.strip_suffix(name).is_some_and(|path| path.ends_with("::"));
            matching = self.symbols.iter().filter(is_end).collect();
        }
        if let (Some(why), false) = (self.unplaced, matching.is_empty()) {
            bail!("{why}");
        }
        let addresses: BTreeSet<u64> = matching.iter().map(|symbol| symbol.address).collect();
        let mut addresses = addresses.iter();
        match (addresses.next(), addresses.next()) {
            (Some(&address), None) => {
                let size = matching.iter().map(|symbol| symbol.size).max().filter(|size| *size > 0);
                Ok(Found { address, size })
            }
            (None, _) => bail!("there is no symbol '{name}'{}", self.near(name)),
            (Some(_), Some(_)) => {
                let all: Vec<String> = matching
                    .iter()
                    .take(NEAR)
                    .map(|symbol| format!("{} at {:#x}", symbol.name, symbol.address))
                    .collect();
                bail!("there are several symbols '{name}': {}; write its address", all.join(", "))
            }
        }
    }

    /// Names that look like one that does not exist.
    fn near(&self, name: &str) -> String {
        let mut near: Vec<(usize, &str)> = self
            .symbols
            .iter()
            .map(|symbol| {
                let end = symbol.name.rsplit("::").next().unwrap_or_default();
                (distance(name, end).min(distance(name, &symbol.name)), symbol.name.as_str())
            })
            .filter(|(distance, candidate)| *distance <= name.len() / 3 + 1 || candidate.contains(name))
            .collect();
        near.sort_unstable();
        near.dedup();
        let names: Vec<&str> = near.into_iter().map(|(_, name)| name).take(NEAR).collect();
        if names.is_empty() { String::new() } else { format!("; there is {}", names.join(", ")) }
    }

    /// The first instruction of a line.
    fn find_line(&self, wanted: &str, line: u64) -> Result<Found> {
        let Some(dwarf) = &self.lines else {
            bail!("there are no line numbers; give --symbols an ELF file that has them");
        };
        let files: Vec<(String, u64, u64)> = lines_of(dwarf, wanted)?;
        let names: BTreeSet<&str> = files.iter().map(|(file, ..)| file.as_str()).collect();
        let mut one = names.iter();
        match (one.next(), one.next()) {
            (None, _) => bail!("no source file is called '{wanted}'"),
            (Some(first), Some(second)) => {
                bail!("there are several files '{wanted}': {first}, {second}; write more of the path")
            }
            (Some(_), None) => {}
        }
        let address =
            files.iter().filter(|(_, number, _)| *number == line).map(|(.., address)| *address).min();
        if let Some(address) = address {
            return match self.unplaced {
                Some(why) => bail!("{why}"),
                None => Ok(Found { address, size: None }),
            };
        }
        let mut with_code: Vec<u64> = files.iter().map(|(_, number, _)| *number).collect();
        with_code.sort_unstable_by_key(|number| (number.abs_diff(line), *number));
        with_code.dedup();
        with_code.truncate(NEAR);
        with_code.sort_unstable();
        let near: Vec<String> = with_code.iter().map(u64::to_string).collect();
        bail!("line {line} of {wanted} has no code; lines {} have", near.join(", "))
    }

    /// Where an address lies.
    #[must_use]
    pub fn place(&self, address: u64) -> Place {
        let behind = self.symbols.partition_point(|symbol| symbol.address <= address);
        let before = self.symbols.get(..behind).unwrap_or_default();
        let holds = |symbol: &&Symbol| symbol.size == 0 || address - symbol.address < symbol.size;
        // Of several at one address, one that is code or an object with a size is meant.
        let last = before.last().map_or(0, |symbol| symbol.address);
        let nearest = before.iter().rev().take_while(|symbol| symbol.address == last);
        let symbol = nearest.filter(holds).max_by_key(|symbol| (symbol.size > 0, symbol.is_code));
        // Of the last byte of all nothing is asked: what looks lines up counts one on. No instruction begins there.
        let lines = self.lines.as_ref().filter(|_| address < u64::MAX);
        let location = lines.and_then(|dwarf| dwarf.find_location(address).ok().flatten());
        Place {
            symbol: symbol.map(|symbol| (symbol.name.clone(), address - symbol.address)),
            line: location.and_then(|location| Some((location.file?.to_owned(), location.line))),
        }
    }
}

/// Where the instruction set changes, by mapping symbols (ELF for the Arm Architecture, section "Mapping symbols"), or by
/// functions where there are none.
fn sets(file: &object::File<'_>) -> Vec<(u64, Option<Instruction>)> {
    let marks = file.symbols().filter_map(|symbol| {
        let kind = symbol.name().ok()?.split('.').next()?;
        let set = match kind {
            "$a" => Some(Instruction::A32),
            "$t" => Some(Instruction::T32),
            "$d" => None,
            _ => return None,
        };
        Some((symbol.address(), set))
    });
    let mut sets: Vec<_> = marks.collect();
    if sets.is_empty() {
        let functions = file.symbols().filter(|symbol| symbol.kind() == SymbolKind::Text);
        sets.extend(functions.map(|symbol| match symbol.address() & 1 {
            0 => (symbol.address(), Some(Instruction::A32)),
            _ => (symbol.address() & !1, Some(Instruction::T32)),
        }));
    }
    sets.sort_by_key(|(address, _)| *address);
    sets
}

/// The line numbers of a file, where it has some.
fn lines(file: &object::File<'_>) -> Result<Option<Dwarf>> {
    if file.section_by_name(".debug_line").is_none() {
        return Ok(None);
    }
    let load = |id: gimli::SectionId| -> Result<_> {
        let data = match file.section_by_name(id.name()) {
            Some(section) => unpacked(&section).with_context(|| format!("section {}", id.name()))?,
            None => Arc::default(),
        };
        Ok(EndianArcSlice::new(data, LittleEndian))
    };
    let dwarf = gimli::Dwarf::load(load)?;
    // Without line numbers addresses and symbols are still of use.
    Ok(addr2line::Context::from_dwarf(dwarf).ok())
}

/// The contents of a section.
fn unpacked(section: &object::Section<'_, '_>) -> Result<Arc<[u8]>> {
    let packed = section.compressed_data()?;
    ensure!(
        packed.uncompressed_size <= LARGEST_SECTION,
        "it unpacks to {} bytes, more than the {LARGEST_SECTION} that are read",
        packed.uncompressed_size
    );
    Ok(packed.decompress()?.into())
}

/// File, line and address of everything that begins a statement in the files called `wanted`.
fn lines_of(dwarf: &Dwarf, wanted: &str) -> Result<Vec<(String, u64, u64)>> {
    let mut found = Vec::new();
    for range in dwarf.find_location_range(0, u64::MAX).context("the line numbers cannot be read")? {
        let (start, _, location) = range;
        if let (Some(file), Some(line)) = (location.file, location.line)
            && (file == wanted || file.strip_suffix(wanted).is_some_and(|path| path.ends_with('/')))
        {
            found.push((file.to_owned(), line.into(), start));
        }
    }
    Ok(found)
}

/// How many letters have to be put in, left out or changed.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, letter) in one.chars().enumerate() {
        let mut diagonal = index;
        let mut left = index + 1;
        for (place, against) in row.iter_mut().skip(1).zip(&other) {
            let here = (diagonal + usize::from(letter != *against)).min(left + 1).min(*place + 1);
            diagonal = *place;
            *place = here;
            left = here;
        }
        if let Some(first) = row.first_mut() {
            *first = index + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbols() -> Symbols {
        let symbol =
            |address, size, name: &str, is_code| Symbol { address, size, name: name.to_owned(), is_code };
        Symbols {
            symbols: vec![
                symbol(0x1000, 0, "_start", true),
                symbol(0x1100, 0x40, "main", true),
                symbol(0x1140, 0x20, "a::tick", true),
                symbol(0x1160, 0x20, "b::tick", true),
                symbol(0x2000, 4, "packed::COUNT", false),
            ],
            ..Symbols::none()
        }
    }

    #[test]
    fn a_symbol_is_found_by_name_or_by_the_end_of_its_path() {
        let symbols = symbols();
        let find = |text: &str| symbols.find(&text.parse().unwrap()).map_err(|error| error.to_string());
        assert_eq!(find("main+4"), Ok(Found { address: 0x1104, size: Some(0x3c) }));
        assert_eq!(find("COUNT"), Ok(Found { address: 0x2000, size: Some(4) }));
        assert_eq!(find("_start"), Ok(Found { address: 0x1000, size: None }));
        assert_eq!(find("0x40"), Ok(Found { address: 0x40, size: None }));
        assert_eq!(find("mian").unwrap_err(), "there is no symbol 'mian'; there is main");
        assert_eq!(find("COUN").unwrap_err(), "there is no symbol 'COUN'; there is packed::COUNT");
        assert_eq!(
            find("tick").unwrap_err(),
            "there are several symbols 'tick': a::tick at 0x1140, b::tick at 0x1160; write its address"
        );
        assert!(find("x.rs:3").unwrap_err().contains("no line numbers"));
    }

    #[test]
    fn names_in_what_moves_are_refused_and_addresses_are_not() {
        let symbols = symbols().unplaced(Some("it moves"));
        let find = |text: &str| symbols.find(&text.parse().unwrap()).map_err(|error| error.to_string());
        assert_eq!(find("main+4").unwrap_err(), "it moves");
        assert_eq!(find("mian").unwrap_err(), "there is no symbol 'mian'; there is main");
        assert_eq!(find("0x40"), Ok(Found { address: 0x40, size: None }));
    }

    #[test]
    fn an_address_lies_in_the_symbol_that_holds_it() {
        let symbols = symbols();
        let place = |address| symbols.place(address).symbol;
        assert_eq!(place(0x113c), Some(("main".to_owned(), 0x3c)));
        assert_eq!(place(0x1010), Some(("_start".to_owned(), 0x10)));
        assert_eq!(place(0x2004), None);
        assert_eq!(place(0xfff), None);
    }

    #[test]
    fn the_last_address_of_all_is_on_no_line() {
        use object::write::Object;
        let mut file =
            Object::new(object::BinaryFormat::Elf, Architecture::Aarch64, object::Endianness::Little);
        file.add_section(Vec::new(), b".debug_line".to_vec(), object::SectionKind::Debug);
        let symbols = Symbols::read(&file.write().unwrap()).unwrap();
        assert!(symbols.lines.is_some());
        assert_eq!(symbols.place(u64::MAX), Place::default());
    }

    #[test]
    fn without_symbols_addresses_are_still_places() {
        let error = Symbols::none().find_symbol("main").unwrap_err().to_string();
        assert!(error.contains("--symbols"), "{error}");
    }

    #[test]
    fn a_distance_counts_letters() {
        for (one, other, count) in
            [("", "", 0), ("abc", "abc", 0), ("abc", "acb", 2), ("ab", "xaby", 2), ("", "ab", 2)]
        {
            assert_eq!(distance(one, other), count, "{one} {other}");
        }
    }
}
