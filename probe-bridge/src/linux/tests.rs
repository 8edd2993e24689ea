//! From an image to a file that somebody else's reader understands.

use object::{Object as _, ObjectSection as _, ObjectSymbol as _};

use super::image::KernelImage;
use super::kallsyms::tests::{BASE, Layout, image};
use super::*;

/// A kernel of two functions and a variable, the first of them with a prologue.
fn kernel() -> Vec<u8> {
    let names = ["_stext", "start_kernel", "schedule", "_etext", "__init_begin", "_sdata", "__bss_start"];
    let symbols: Vec<_> = (0..).map(|number| BASE + 0x100 * number).zip(names.map(str::to_owned)).collect();
    let mut bytes = image(&symbols, Layout::Behind, true);
    // The first test of a section is where it is: the tables are moved behind the code.
    let code = [0xd503_233f_u32, 0xa9bf_7bfd, 0xaa01_03e0, 0x9400_0000];
    let code: Vec<_> = code.iter().flat_map(|word| word.to_le_bytes()).collect();
    bytes[0x100..0x110].copy_from_slice(&code);
    bytes.extend(btf::tests::sample().bytes());
    bytes.resize(0x1_0000, 0);
    bytes
}

#[test]
fn what_is_read_comes_back_out_of_the_elf_file() {
    const OFFSET: u64 = 0x2c_0000;
    let bytes = kernel();
    let kernel = Kernel::read(&bytes).unwrap();
    let elf = kernel.to_elf(&KernelImage::new(&bytes).unwrap(), OFFSET).unwrap();
    let file = object::File::parse(&*elf).unwrap();
    let symbol = file.symbols().find(|symbol| symbol.name() == Ok("start_kernel")).unwrap();
    assert_eq!((symbol.address(), symbol.size()), (BASE + 0x100 + OFFSET, 0x100));
    assert!(symbol.kind() == object::SymbolKind::Text);
    let sections: Vec<_> = file.sections().map(|section| section.name().unwrap().to_owned()).collect();
    for name in
        [".text", ".rodata", ".init.text", ".data", ".bss", ".debug_info", ".debug_abbrev", ".debug_str"]
    {
        assert!(sections.iter().any(|section| section == name), "{name} in {sections:?}");
    }
    let text = file.section_by_name(".text").unwrap();
    assert_eq!((text.address(), text.size()), (BASE + OFFSET, 0x300));
}

#[test]
fn arguments_are_said_to_be_where_they_are_and_no_longer() {
    let bytes = kernel();
    let kernel = Kernel::read(&bytes).unwrap();
    let elf = kernel.to_elf(&KernelImage::new(&bytes).unwrap(), 0).unwrap();
    let file = object::File::parse(&*elf).unwrap();
    let load = |id: gimli::SectionId| -> Result<_, gimli::Error> {
        let section = file.section_by_name(id.name());
        let data = section.map(|section| section.data().unwrap()).unwrap_or_default();
        Ok(gimli::EndianSlice::new(data, gimli::LittleEndian))
    };
    let dwarf = gimli::Dwarf::load(load).unwrap();
    let header = dwarf.units().next().unwrap().unwrap();
    let unit = dwarf.unit(header).unwrap();
    let mut found = Vec::new();
    let mut entries = unit.entries();
    while let Some(entry) = entries.next_dfs().unwrap() {
        let Some(value) = entry.attr_value(gimli::DW_AT_location) else { continue };
        let name = dwarf.attr_string(&unit, entry.attr_value(gimli::DW_AT_name).unwrap()).unwrap();
        let mut locations = dwarf.attr_locations(&unit, value).unwrap().unwrap();
        let location = locations.next().unwrap().unwrap();
        let bytes = location.data.0.slice().to_vec();
        found.push((name.to_string().unwrap().to_owned(), location.range.begin, location.range.end, bytes));
    }
    // The third instruction writes x0, which still holds the argument while it executes; the fourth calls.
    let begin = BASE + 0x100;
    let expected = [
        ("task".to_owned(), begin, begin + 12, vec![gimli::DW_OP_reg0.0]),
        ("pid".to_owned(), begin, begin + 16, vec![gimli::DW_OP_reg1.0]),
    ];
    assert_eq!(found, expected);
}

#[test]
fn whether_a_kernel_keeps_the_pid_in_the_context_is_read_from_its_code() {
    for (function, word, keeps) in [
        ("__switch_to", 0xd518_d020_u32, true), // msr contextidr_el1, x0
        ("contextidr_thread_switch", 0xd518_d033, true), // msr contextidr_el1, x19
        ("__switch_to", 0xd518_d080, false),    // msr tpidr_el1, x0
        ("__switch_to", 0xd538_d020, false),    // mrs x0, contextidr_el1
        ("cpu_do_switch_mm", 0xd518_d020, false), // of something else
    ] {
        let names = ["_stext", function, "schedule", "_etext"];
        let symbols: Vec<_> =
            (0..).map(|number| BASE + 0x100 * number).zip(names.map(str::to_owned)).collect();
        let mut bytes = image(&symbols, Layout::Behind, true);
        bytes[0x1f0..0x1f4].copy_from_slice(&word.to_le_bytes());
        let kernel = Kernel::read(&bytes).unwrap();
        assert_eq!(kernel.keeps_pid_in_context(), keeps, "{function} with {word:#x}");
    }
}

#[test]
fn a_kernel_without_types_has_symbols_still() {
    let bytes = &kernel();
    let at = bytes.windows(4).position(|window| window == [0x9f, 0xeb, 1, 0]).unwrap();
    let kernel = Kernel::read(&bytes[..at]).unwrap();
    let elf = kernel.to_elf(&KernelImage::new(bytes).unwrap(), 0).unwrap();
    let file = object::File::parse(&*elf).unwrap();
    assert!(file.section_by_name(".debug_info").is_none());
    assert!(file.symbols().any(|symbol| symbol.name() == Ok("schedule")));
    assert!(kernel.types().is_err());
}
