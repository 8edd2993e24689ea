//! Loads and stores against a second reading of the encoding tables: by diagrams as the manual prints them, one for each
//! row of "Loads and Stores" (DDI 0487, C4.1), with the conditions of the instructions' own pages.

#![expect(clippy::panic, reason = "a test's helpers fail as the test does")]

use trapline_core::load_store::{Base, Direction, Extend, Length, LoadStore, Offset};

/// What an instruction does, in other terms than the core's: bytes, whether it reads and writes, what is added.
#[derive(PartialEq, Debug)]
struct Expected {
    bytes: u64,
    reads: bool,
    writes: bool,
    /// `None` for an address relative to the instruction.
    base: Option<u64>,
    added: Added,
}

#[derive(PartialEq, Debug)]
enum Added {
    Bytes(i64),
    Index { register: u64, option: u64, shift: u64 },
}

/// The fields of an instruction by their letters.
struct Fields<'a>(&'a str, u32);

impl Fields<'_> {
    fn get(&self, letter: char) -> u64 {
        let bits = self.0.chars().enumerate().filter(|(_, name)| *name == letter);
        bits.fold(0, |value, (place, _)| value << 1 | u64::from(self.1 >> (31 - place) & 1))
    }

    fn signed(&self, letter: char) -> i64 {
        let width = self.0.chars().filter(|name| *name == letter).count() as u32;
        let value = self.get(letter) as i64;
        if value >> (width - 1) & 1 == 1 { value - (1 << width) } else { value }
    }

    fn access(&self, bytes: u64, reads: bool, added: Added) -> Expected {
        Expected { bytes, reads, writes: !reads, base: Some(self.get('n')), added }
    }

    /// By L, at the base itself.
    fn plain(&self, bytes: u64) -> Expected {
        self.access(bytes, self.get('L') == 1, Added::Bytes(0))
    }

    fn atomic(&self, bytes: u64) -> Expected {
        Expected { reads: true, writes: true, ..self.plain(bytes) }
    }

    /// The single registers of "Load/store register": `s` is size, `o` opc; general ones.
    fn general(&self) -> Option<(u64, bool)> {
        let bytes = 1 << self.get('s');
        match (self.get('o'), bytes) {
            (0, _) => Some((bytes, false)),
            (1, _) | (2, 1 | 2 | 4) | (3, 1 | 2) => Some((bytes, true)),
            _ => None,
        }
    }

    /// The same for vectors.
    fn vector(&self) -> Option<(u64, bool)> {
        match (self.get('s'), self.get('o')) {
            (0, 2) => Some((16, false)),
            (0, 3) => Some((16, true)),
            (_, 2 | 3) => None,
            (size, load) => Some((1 << size, load == 1)),
        }
    }

    fn single(&self, known: Option<(u64, bool)>, added: impl Fn(u64) -> Added) -> Option<Expected> {
        let (bytes, reads) = known?;
        Some(self.access(bytes, reads, added(bytes)))
    }

    fn multiple(&self) -> Option<Expected> {
        let (registers, one) = match self.get('c') {
            0 => (4, false),
            2 => (4, true),
            4 => (3, false),
            6 => (3, true),
            7 => (1, true),
            8 => (2, false),
            10 => (2, true),
            _ => return None,
        };
        let lone_doublewords = self.get('s') == 3 && self.get('Q') == 0;
        (one || !lone_doublewords).then(|| self.plain(registers * (8 << self.get('Q'))))
    }

    /// `c` is opcode, `e` S, `s` size, `R` R.
    fn element(&self) -> Option<Expected> {
        let registers = 1 + self.get('R') + 2 * (self.get('c') & 1);
        let bytes = match (self.get('c') >> 1, self.get('s'), self.get('e')) {
            (0, _, _) => 1,
            (1, 0 | 2, _) => 2,
            (2, 0, _) => 4,
            (2, 1, 0) => 8,
            (3, size, 0) if self.get('L') == 1 => 1 << size,
            _ => return None,
        };
        Some(self.plain(registers * bytes))
    }

    fn index(&self, bytes: u64) -> Added {
        let shift = if self.get('e') == 1 { u64::from(bytes.trailing_zeros()) } else { 0 };
        Added::Index { register: self.get('m'), option: self.get('p'), shift }
    }

    /// `o` is opc; bytes of one register.
    fn pair(&self, bytes: u64, offset: bool) -> Expected {
        let added = if offset { self.signed('i') * bytes as i64 } else { 0 };
        self.access(2 * bytes, self.get('L') == 1, Added::Bytes(added))
    }
}

type Row = (&'static str, fn(&Fields<'_>) -> Option<Expected>);

const ROWS: [Row; 46] = [
    // Load/store exclusive pair, register; ordered; compare and swap.
    ("1s0010000L1xxxxxxxxxxxnnnnnxxxxx", |f| Some(f.plain(2 * (4 << f.get('s'))))),
    ("ss0010000L0xxxxxxxxxxxnnnnnxxxxx", |f| Some(f.plain(1 << f.get('s')))),
    ("ss0010001L0xxxxxxxxxxxnnnnnxxxxx", |f| Some(f.plain(1 << f.get('s')))),
    ("0s0010000x1xxxxxx11111nnnnnxxxxx", |f| Some(f.atomic(2 * (4 << f.get('s'))))),
    ("ss0010001x1xxxxxx11111nnnnnxxxxx", |f| Some(f.atomic(1 << f.get('s')))),
    // Unprivileged exclusives.
    ("1s0010010L0xxxxxxxxxxxnnnnnxxxxx", |f| Some(f.plain(4 << f.get('s')))),
    // Multiple and single structures, without and with post-index.
    ("0Q0011000L000000ccccssnnnnnxxxxx", |f| f.multiple()),
    ("0Q0011001L0xxxxxccccssnnnnnxxxxx", |f| f.multiple()),
    ("0x0011010LR00000cccessnnnnnxxxxx", |f| f.element()),
    ("0x0011011LRxxxxxcccessnnnnnxxxxx", |f| f.element()),
    // Literals: W, X and SW; S, D and Q.
    ("00011000iiiiiiiiiiiiiiiiiiixxxxx", |f| Some(literal(f, 4))),
    ("01011000iiiiiiiiiiiiiiiiiiixxxxx", |f| Some(literal(f, 8))),
    ("10011000iiiiiiiiiiiiiiiiiiixxxxx", |f| Some(literal(f, 4))),
    ("00011100iiiiiiiiiiiiiiiiiiixxxxx", |f| Some(literal(f, 4))),
    ("01011100iiiiiiiiiiiiiiiiiiixxxxx", |f| Some(literal(f, 8))),
    ("10011100iiiiiiiiiiiiiiiiiiixxxxx", |f| Some(literal(f, 16))),
    // LDAPUR and STLUR.
    ("ss011001oo0iiiiiiiii00nnnnnxxxxx", |f| f.single(f.general(), |_| Added::Bytes(f.signed('i')))),
    // Pairs: no-allocate, post-indexed, offset, pre-indexed.
    ("001010000Liiiiiiixxxxxnnnnnxxxxx", |f| Some(f.pair(4, true))),
    ("101010000Liiiiiiixxxxxnnnnnxxxxx", |f| Some(f.pair(8, true))),
    ("001011000Liiiiiiixxxxxnnnnnxxxxx", |f| Some(f.pair(4, true))),
    ("011011000Liiiiiiixxxxxnnnnnxxxxx", |f| Some(f.pair(8, true))),
    ("101011000Liiiiiiixxxxxnnnnnxxxxx", |f| Some(f.pair(16, true))),
    ("001010001Liiiiiiixxxxxnnnnnxxxxx", |f| Some(f.pair(4, false))),
    ("011010001Liiiiiiixxxxxnnnnnxxxxx", |f| (f.get('L') == 1).then(|| f.pair(4, false))),
    ("101010001Liiiiiiixxxxxnnnnnxxxxx", |f| Some(f.pair(8, false))),
    ("001011001Liiiiiiixxxxxnnnnnxxxxx", |f| Some(f.pair(4, false))),
    ("011011001Liiiiiiixxxxxnnnnnxxxxx", |f| Some(f.pair(8, false))),
    ("101011001Liiiiiiixxxxxnnnnnxxxxx", |f| Some(f.pair(16, false))),
    ("00101001xLiiiiiiixxxxxnnnnnxxxxx", |f| Some(f.pair(4, true))),
    ("01101001xLiiiiiiixxxxxnnnnnxxxxx", |f| (f.get('L') == 1).then(|| f.pair(4, true))),
    ("10101001xLiiiiiiixxxxxnnnnnxxxxx", |f| Some(f.pair(8, true))),
    ("00101101xLiiiiiiixxxxxnnnnnxxxxx", |f| Some(f.pair(4, true))),
    ("01101101xLiiiiiiixxxxxnnnnnxxxxx", |f| Some(f.pair(8, true))),
    ("10101101xLiiiiiiixxxxxnnnnnxxxxx", |f| Some(f.pair(16, true))),
    // One register: unscaled, post-indexed, unprivileged, pre-indexed; register offset; unsigned offset.
    ("ss111000oo0iiiiiiiii00nnnnnxxxxx", |f| f.single(f.general(), |_| Added::Bytes(f.signed('i')))),
    ("ss111100oo0iiiiiiiii00nnnnnxxxxx", |f| f.single(f.vector(), |_| Added::Bytes(f.signed('i')))),
    ("ss111000oo0iiiiiiiii01nnnnnxxxxx", |f| f.single(f.general(), |_| Added::Bytes(0))),
    ("ss111100oo0iiiiiiiii01nnnnnxxxxx", |f| f.single(f.vector(), |_| Added::Bytes(0))),
    ("ss111000oo0iiiiiiiii1xnnnnnxxxxx", |f| f.single(f.general(), |_| Added::Bytes(f.signed('i')))),
    ("ss111100oo0iiiiiiiii11nnnnnxxxxx", |f| f.single(f.vector(), |_| Added::Bytes(f.signed('i')))),
    ("ss111000oo1mmmmmp1pe10nnnnnxxxxx", |f| f.single(f.general(), |bytes| f.index(bytes))),
    ("ss111100oo1mmmmmp1pe10nnnnnxxxxx", |f| f.single(f.vector(), |bytes| f.index(bytes))),
    ("ss111001ooiiiiiiiiiiiinnnnnxxxxx", |f| {
        f.single(f.general(), |bytes| Added::Bytes((f.get('i') * bytes) as i64))
    }),
    ("ss111101ooiiiiiiiiiiiinnnnnxxxxx", |f| {
        f.single(f.vector(), |bytes| Added::Bytes((f.get('i') * bytes) as i64))
    }),
    // LDADD to LDUMIN, SWP, LDAPR.
    ("ss111000xx1xxxxxcccc00nnnnnxxxxx", |f| (f.get('c') <= 8).then(|| f.atomic(1 << f.get('s')))),
    ("ss111000101111111100l0nnnnnxxxxx", |f| {
        (f.get('l') == 0).then(|| f.access(1 << f.get('s'), true, Added::Bytes(0)))
    }),
];

fn literal(fields: &Fields<'_>, bytes: u64) -> Expected {
    let added = Added::Bytes(4 * fields.signed('i'));
    Expected { bytes, reads: true, writes: false, base: None, added }
}

fn matches(diagram: &str, word: u32) -> bool {
    diagram.chars().enumerate().all(|(place, letter)| match letter {
        '0' => word >> (31 - place) & 1 == 0,
        '1' => word >> (31 - place) & 1 == 1,
        _ => true,
    })
}

fn expected(word: u32) -> Option<Expected> {
    let mut found = None;
    for (diagram, row) in ROWS.iter().filter(|(diagram, _)| matches(diagram, word)) {
        let Some(expected) = row(&Fields(diagram, word)) else { continue };
        assert!(found.is_none(), "{word:#010x} is in two rows");
        found = Some(expected);
    }
    found
}

fn check(word: u32) {
    let decoded = LoadStore::decode(word).map(|decoded| {
        let Length::Bytes(bytes) = decoded.length() else { panic!("{word:#010x} is no DC ZVA") };
        Expected {
            bytes: bytes.into(),
            reads: decoded.direction() != Direction::Store,
            writes: decoded.direction() != Direction::Load,
            base: match decoded.base() {
                Base::Register(number) => Some(number.into()),
                Base::StackPointer => Some(31),
                Base::ProgramCounter => None,
                Base::Zero => panic!("{word:#010x}"),
            },
            added: match decoded.offset() {
                Offset::Immediate(bytes) => Added::Bytes(bytes.into()),
                Offset::Register { number, extend, shift } => {
                    // option<2> and option<0>: the sign, and all 64 bits.
                    let option = match (extend, word >> 15 & 1) {
                        (Extend::Uxtw, _) => 0b00,
                        (Extend::Sxtw, _) => 0b10,
                        (Extend::All, sign) => u64::from(sign) << 1 | 1,
                    };
                    Added::Index { register: number.into(), option, shift: shift.into() }
                }
            },
        }
    });
    assert_eq!(decoded, expected(word), "{word:#010x}");
}

/// splitmix64.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ *state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

#[test]
fn every_row_of_the_tables_is_read_in_the_same_way_twice() {
    let mut state = 1;
    for (diagram, _) in ROWS {
        assert_eq!(diagram.len(), 32, "{diagram}");
        let fixed =
            |letter| diagram.chars().fold(0_u32, |bits, found| bits << 1 | u32::from(found == letter));
        let (ones, zeros) = (fixed('1'), fixed('0'));
        for _ in 0..1000 {
            check(random(&mut state) as u32 & !zeros | ones);
        }
    }
}

#[test]
fn nothing_else_among_loads_and_stores_is_taken_for_one_that_is_known() {
    let mut state = 2;
    for _ in 0..100_000 {
        // Bits 27 and 25 make the group.
        check(random(&mut state) as u32 & !(1 << 25) | 1 << 27);
    }
    // Outside of it there is DC ZVA alone.
    for _ in 0..100_000 {
        let word = random(&mut state) as u32;
        let in_group = word >> 25 & 0b101 == 0b100;
        assert!(in_group || LoadStore::decode(word).is_none() || word & !0x1f == 0xd50b_7420, "{word:#010x}");
    }
}

#[test]
fn what_is_not_known_is_not_answered() {
    for (word, text) in [
        (0xf8a0_6820, "prfm pldl1keep, [x1, x0]"),
        (0xf980_0020, "prfm pldl1keep, [x1]"),
        (0xd800_0020, "prfm pldl1keep, .+4"),
        (0xf820_0420, "ldraa x0, [x1]"),
        (0xd920_0820, "stg x0, [x1]"),
        (0x6900_0820, "stgp x0, x2, [x1]"),
        (0x1902_0420, "cpyfp [x0]!, [x2]!, x1!"),
        (0xf83f_d020, "ld64b x0, [x1]"),
        (0x1922_8020, "swpp x0, x2, [x1]"),
        (0xa540_a020, "ld1w { z0.s }, p0/z, [x1]"),
        (0x8502_8020, "a prefetch of SVE"),
        (0xd50b_7463, "dc gva, x3"),
        (0xd508_7620, "dc ivac, x0"),
        (0xd503_201f, "nop"),
    ] {
        assert_eq!(LoadStore::decode(word), None, "{text}");
    }
}
