//! Tables as `scripts/kallsyms.c` writes them, in all their orders.

use super::*;

pub(in crate::linux) const BASE: u64 = 0xffff_8000_0800_0000;

/// How a kernel keeps its addresses, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::linux) enum Layout {
    /// Offsets before the names, as until 6.3; with the order by name behind the markers, as in 6.2.
    Before { sequence: bool },
    /// Offsets behind the tokens, as since 6.4.
    Behind,
    /// Offsets of which only negative ones are addresses.
    Percpu,
    /// Whole addresses before the names.
    Absolute,
    /// Offsets from where they are themselves behind the tokens, as in Linux 7.
    Places,
}

const LAYOUTS: [Layout; 6] = [
    Layout::Before { sequence: false },
    Layout::Before { sequence: true },
    Layout::Behind,
    Layout::Percpu,
    Layout::Absolute,
    Layout::Places,
];

/// An image with these symbols, its base written into the table or left to a relocation.
pub(in crate::linux) fn image(symbols: &[(u64, String)], layout: Layout, relocated: bool) -> Vec<u8> {
    let mut image = vec![0; 0x1000];
    image[56..60].copy_from_slice(b"ARM\x64");
    // Something that looks a bit like a token index.
    image.extend((0..200_u16).flat_map(|number| (3 * number).to_le_bytes()));
    let alignment = if layout == Layout::Places { 4 } else { 8 };
    let pad = |image: &mut Vec<u8>| image.resize(image.len().next_multiple_of(alignment), 0);
    pad(&mut image);

    let mut slot = 0;
    let mut addresses = |image: &mut Vec<u8>| {
        for (address, _) in symbols {
            let offset = u32::try_from(address - BASE).unwrap();
            match layout {
                Layout::Absolute => {
                    slot = if slot == 0 { image.len() } else { slot };
                    image.extend(if relocated { 0 } else { *address }.to_le_bytes());
                }
                Layout::Percpu => image.extend((-1 - offset.cast_signed()).to_le_bytes()),
                Layout::Places => {
                    let place = u32::try_from(image.len()).unwrap();
                    image.extend(offset.wrapping_sub(place).to_le_bytes());
                }
                _ => image.extend(offset.to_le_bytes()),
            }
        }
        pad(image);
        if !matches!(layout, Layout::Absolute | Layout::Places) {
            slot = image.len();
            image.extend(if relocated { 0 } else { BASE }.to_le_bytes());
        }
    };
    let behind = matches!(layout, Layout::Behind | Layout::Places);
    if !behind {
        addresses(&mut image);
    }
    image.extend(u32::try_from(symbols.len()).unwrap().to_le_bytes());
    pad(&mut image);
    let names = image.len();
    let mut markers = Vec::new();
    for (index, (_, name)) in symbols.iter().enumerate() {
        if index % 256 == 0 {
            markers.extend(u32::try_from(image.len() - names).unwrap().to_le_bytes());
        }
        let length = name.len() + 1;
        if length < 0x80 {
            image.push(u8::try_from(length).unwrap());
        } else {
            image.extend([u8::try_from(length & 0x7f | 0x80).unwrap(), u8::try_from(length >> 7).unwrap()]);
        }
        image.push(b't');
        image.extend(name.bytes());
    }
    pad(&mut image);
    image.extend(markers);
    pad(&mut image);
    if layout == (Layout::Before { sequence: true }) {
        image.extend(
            (0..symbols.len()).flat_map(|number| u32::try_from(number).unwrap().to_be_bytes()[1..].to_vec()),
        );
        pad(&mut image);
    }
    let table = image.len();
    let mut index = Vec::new();
    for number in 0..=u8::MAX {
        index.extend(u16::try_from(image.len() - table).unwrap().to_le_bytes());
        // `\x01` stands for a whole word, as most numbers do in a real kernel.
        match number {
            1 => image.extend(b"_kernel\0"),
            _ if number.is_ascii_graphic() => image.extend([number, 0]),
            _ => image.extend(b"xy\0"),
        }
    }
    pad(&mut image);
    image.extend(index);
    if behind {
        addresses(&mut image);
    }
    image.resize(image.len().next_multiple_of(8), 0);
    if layout == Layout::Places {
        // Pointers to symbols and to other things, where they apply or left to relocations.
        let symbols = symbols.iter().map(|(address, _)| *address);
        let pointers = symbols.chain((0..20).map(|number| BASE + 7 + 0x40 * number));
        let relocation = |(number, pointer): (u64, u64)| [BASE + 0x10_0000 + 8 * number, 0x403, pointer];
        match relocated {
            true => image.extend((0..).zip(pointers).flat_map(relocation).flat_map(u64::to_le_bytes)),
            false => image.extend(pointers.chain([u64::MAX - 3]).flat_map(u64::to_le_bytes)),
        }
    } else if relocated {
        let slot = u64::try_from(slot).unwrap();
        let first = symbols[0].0;
        let mut relocations = vec![(BASE + slot, first)];
        relocations.extend((0..20).map(|number| (BASE + 0x10_0008 + 8 * number, BASE + 0x4000 + 4 * number)));
        if layout == Layout::Absolute {
            let others = symbols.iter().enumerate().skip(1);
            relocations
                .extend(others.map(|(number, (address, _))| (BASE + slot + 8 * number as u64, *address)));
        }
        for (place, addend) in relocations {
            image.extend([place, 0x403, addend].into_iter().flat_map(u64::to_le_bytes));
        }
    }
    image
}

fn symbols(count: usize) -> Vec<(u64, String)> {
    (0..count as u64)
        .map(|number| {
            let long = if number == 7 { "z".repeat(200) } else { String::new() };
            (BASE + 0x1_0000 * u64::from(number != 0) + 4 * number, format!("do{number}\x01{long}"))
        })
        .collect()
}

fn read(image: &[u8]) -> Result<Kallsyms, KallsymsError> {
    Kallsyms::read(&KernelImage::new(image).unwrap())
}

#[test]
fn every_layout_gives_the_same_symbols() {
    for count in [2, 255, 256, 257, 1000] {
        let symbols = symbols(count);
        for layout in LAYOUTS {
            // By two pointers nobody can tell.
            if layout == Layout::Places && count < 16 {
                continue;
            }
            for relocated in [false, true] {
                let kallsyms = read(&image(&symbols, layout, relocated)).unwrap();
                let found: Vec<_> =
                    kallsyms.iter().map(|symbol| (symbol.address, symbol.name.to_owned())).collect();
                let expected: Vec<_> = symbols
                    .iter()
                    .map(|(address, name)| (*address, name.replace('\x01', "_kernel")))
                    .collect();
                assert_eq!(found, expected, "{layout:?}, {count} symbols, relocated: {relocated}");
                assert_eq!(kallsyms.base(), BASE);
                assert!(kallsyms.iter().all(|symbol| symbol.kind == 't'));
            }
        }
    }
}

#[test]
fn what_is_missing_is_named() {
    let whole = image(&symbols(600), Layout::Before { sequence: false }, true);
    let tables = Tables::locate(&whole).unwrap();

    let mut tokens = whole.clone();
    tokens[tables.tokens.index + 7] = 0xff;
    assert_eq!(read(&tokens).unwrap_err(), KallsymsError::NoTokens { length: whole.len() });

    let mut names = whole.clone();
    names[tables.names.start - 8] ^= 1;
    assert_eq!(read(&names).unwrap_err(), KallsymsError::NoNames { tokens: tables.tokens.table });

    let Addresses::Offsets { offsets, .. } = tables.addresses else { panic!("{tables:?}") };
    let mut addresses = whole.clone();
    addresses[offsets + 401] = 0xff;
    addresses[offsets + 802] = 0xff;
    let error = KallsymsError::NoAddresses { symbols: 600, names: tables.names.start };
    assert_eq!(read(&addresses).unwrap_err(), error);

    let end = whole.len() - 21 * 24;
    let error = read(&whole[..end]).unwrap_err();
    assert!(matches!(error, KallsymsError::NoBase { found: 0, .. }), "{error}");
}

#[test]
fn a_damaged_image_is_refused_or_read_but_never_trusted() {
    let whole = image(&symbols(300), Layout::Behind, true);
    for at in (0x1000..whole.len()).step_by(3) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0xff;
        if let Ok(kallsyms) = read(&damaged) {
            assert_eq!(kallsyms.iter().len(), 300, "{at:#x}");
        }
        let _ = read(&whole[..at]);
    }
}
