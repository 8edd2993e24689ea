//! Loads and stores of A32 and T32 against a second reading of the encodings: by diagrams as the manual prints them, one
//! for each row of its tables (DDI 0487, "A32 instruction set encoding" and "T32 instruction set encoding"), with the
//! conditions of the instructions' own pages.

use trapline_core::breakpoint::Instruction;
use trapline_core::load_store::Direction;
use trapline_core::load_store::aarch32::{Base, LoadStore, Offset, Shift, executes};
use trapline_core::registers::Cpsr;

/// What an instruction does, in other terms than the core's.
#[derive(PartialEq, Debug)]
struct Expected {
    bytes: u32,
    reads: bool,
    base: From,
    added: Added,
}

#[derive(PartialEq, Debug)]
enum From {
    R(u32),
    Pc,
    AlignedPc,
    SpOf(u32),
}

#[derive(PartialEq, Debug)]
enum Added {
    Bytes(i64),
    /// The register, the kind of shift, its amount, and whether it is taken away. RRX is a shift around by nothing.
    Index(u32, u32, u32, bool),
}

/// The fields of an instruction by their letters.
struct Fields<'a>(&'a str, u32);

impl Fields<'_> {
    fn get(&self, letter: char) -> u32 {
        let bits = self.0.chars().enumerate().filter(|(_, name)| *name == letter);
        bits.fold(0, |value, (place, _)| value << 1 | self.1 >> (self.0.len() - 1 - place) & 1)
    }

    fn is(&self, letter: char) -> bool {
        self.get(letter) == 1
    }

    fn loads(&self) -> bool {
        self.is('L')
    }

    /// The offset up or down where it counts before the access.
    fn offset(&self, bytes: u32) -> Added {
        match (self.is('P'), self.is('U')) {
            (false, _) => Added::Bytes(0),
            (true, true) => Added::Bytes(bytes.into()),
            (true, false) => Added::Bytes(-i64::from(bytes)),
        }
    }

    /// One access of A32 at Rn. With R15 it must not be written.
    fn at(&self, bytes: u32, reads: bool, added: Added) -> Option<Expected> {
        let writes_back = !self.is('P') || self.is('W');
        match self.get('n') {
            15 if writes_back => None,
            15 => Some(Expected { bytes, reads, base: From::Pc, added }),
            n => Some(Expected { bytes, reads, base: From::R(n), added }),
        }
    }

    fn index(&self) -> Option<Added> {
        let (kind, amount) = match (self.get('s'), self.get('i')) {
            (kind @ (1 | 2), 0) => (kind, 32),
            shift => shift,
        };
        match (self.get('m'), self.is('P')) {
            (15, _) => None,
            (_, false) => Some(Added::Bytes(0)),
            (m, true) => Some(Added::Index(m, kind, amount, !self.is('U'))),
        }
    }

    /// At a base that must not be R15, with nothing added.
    fn plain(&self, bytes: u32, reads: bool) -> Option<Expected> {
        let base = From::R(self.get('n'));
        (self.get('n') != 15).then_some(Expected { bytes, reads, base, added: Added::Bytes(0) })
    }

    /// Registers of 4 bytes; `least` of them.
    fn multiple(&self, least: u32) -> Option<Expected> {
        let count = self.get('r').count_ones();
        (count >= least).then(|| self.block(count))?
    }

    fn block(&self, count: u32) -> Option<Expected> {
        let bytes = 4 * i64::from(count);
        let from = match (self.is('P'), self.is('U')) {
            (false, true) => 0,
            (true, true) => 4,
            (false, false) => 4 - bytes,
            (true, false) => -bytes,
        };
        self.plain(4 * count, self.loads()).map(|plain| Expected { added: Added::Bytes(from), ..plain })
    }

    /// VLDR and VSTR; `i` is the immediate.
    fn one_vector(&self, bytes: u32, scale: u32, base: From) -> Option<Expected> {
        let offset = i64::from(self.get('i') * scale);
        let added = Added::Bytes(if self.is('U') { offset } else { -offset });
        Some(Expected { bytes, reads: self.loads(), base, added })
    }

    /// VLDM and VSTM, up, or down and before; `z` is the size, `i` counts words.
    fn vectors(&self, down: bool) -> Option<Expected> {
        let words = self.get('i');
        let bytes = match self.is('z') {
            true => words / 2 * 8,
            false => words * 4,
        };
        let most = if self.is('z') { 33 } else { 32 };
        let added = Added::Bytes(if down { -4 * i64::from(words) } else { 0 });
        let plain = self.plain(bytes, self.loads())?;
        (bytes > 0 && words <= most).then_some(Expected { added, ..plain })
    }

    /// `t` is type, `z` size, `a` align.
    fn structures(&self) -> Option<Expected> {
        let (size, align) = (self.get('z'), self.get('a'));
        let registers = match self.get('t') {
            2 => 4,
            6 if align < 2 => 3,
            7 if align < 2 => 1,
            10 if align < 3 => 2,
            8 | 9 if align < 3 && size < 3 => 2,
            3 | 0 | 1 if size < 3 => 4,
            4 | 5 if align < 2 && size < 3 => 3,
            _ => return None,
        };
        self.plain(8 * registers, self.loads())
    }

    /// `z` is size, `e` one less than the registers, `a` index_align.
    fn lane(&self) -> Option<Expected> {
        let align = self.get('a');
        let wrong = match (self.get('e') + 1, self.get('z')) {
            (1, 0) => align & 1 != 0,
            (1, 1) => align & 2 != 0,
            (1, _) => align & 4 != 0 || ![0, 3].contains(&(align & 3)),
            (2, 2) => align & 2 != 0,
            (3, 2) => align & 3 != 0,
            (3, _) => align & 1 != 0,
            (4, 2) => align & 3 == 3,
            _ => false,
        };
        if wrong { None } else { self.plain((self.get('e') + 1) << self.get('z'), self.loads()) }
    }

    fn all_lanes(&self) -> Option<Expected> {
        let (registers, size, aligned) = (self.get('e') + 1, self.get('z'), self.is('a'));
        let bytes = match (registers, size, aligned) {
            (4, 3, true) => 16,
            (_, 3, _) | (1, 0, true) | (3, _, true) => return None,
            _ => registers << size,
        };
        self.plain(bytes, true)
    }

    /// A single register of T32: `s` is signed, `z` size.
    fn narrow(&self) -> Option<(u32, bool)> {
        let preload = self.loads() && self.get('z') < 2 && self.get('t') == 15;
        let allowed = match (self.is('s'), self.get('z')) {
            (false, 0..=2) => true,
            (true, 0..=1) => self.loads(),
            _ => false,
        };
        (allowed && !preload).then_some((1 << self.get('z'), self.loads()))
    }

    fn narrow_at(&self, added: Added) -> Option<Expected> {
        let (bytes, reads) = self.narrow()?;
        self.plain(bytes, reads).map(|plain| Expected { added, ..plain })
    }

    fn narrow_literal(&self) -> Option<Expected> {
        let (bytes, reads) = self.narrow()?;
        self.aligned(bytes, reads, self.get('i'))
    }

    fn aligned(&self, bytes: u32, reads: bool, offset: u32) -> Option<Expected> {
        let added = Added::Bytes(if self.is('U') { offset.into() } else { -i64::from(offset) });
        reads.then_some(Expected { bytes, reads, base: From::AlignedPc, added })
    }

    /// A 16-bit T32 instruction at a low register.
    fn short(&self, bytes: u32, reads: bool, offset: u32) -> Option<Expected> {
        self.plain(bytes, reads).map(|plain| Expected { added: Added::Bytes(offset.into()), ..plain })
    }
}

type Row = (&'static str, fn(&Fields<'_>) -> Option<Expected>);

/// `c` is the condition, which is not 0b1111.
const A32: [Row; 27] = [
    // Words and unsigned bytes.
    ("cccc010PUBWLnnnnxxxxiiiiiiiiiiii", |f| f.at(4 - 3 * f.get('B'), f.loads(), f.offset(f.get('i')))),
    ("cccc011PUBWLnnnnxxxxiiiiiss0mmmm", |f| f.at(4 - 3 * f.get('B'), f.loads(), f.index()?)),
    // Halfwords, signed bytes, doublewords.
    ("cccc000PU1WLnnnnxxxxiiii1011iiii", |f| f.at(2, f.loads(), f.offset(f.get('i')))),
    ("cccc000PU0WLnnnnxxxxxxxx1011mmmm", |f| f.at(2, f.loads(), f.index()?)),
    ("cccc000PU1W1nnnnxxxxiiii1101iiii", |f| f.at(1, true, f.offset(f.get('i')))),
    ("cccc000PU0W1nnnnxxxxxxxx1101mmmm", |f| f.at(1, true, f.index()?)),
    ("cccc000PU1W1nnnnxxxxiiii1111iiii", |f| f.at(2, true, f.offset(f.get('i')))),
    ("cccc000PU0W1nnnnxxxxxxxx1111mmmm", |f| f.at(2, true, f.index()?)),
    ("cccc000PU1W0nnnnxxx0iiii11d1iiii", |f| double(f, f.offset(f.get('i')))),
    ("cccc000PU0W0nnnnxxx0xxxx11d1mmmm", |f| double(f, f.index()?)),
    // Exclusives, with acquire and release as well, and acquire and release alone.
    ("cccc00011zzLnnnnxxxx11111001xxxx", |f| f.plain([4, 8, 1, 2][f.get('z') as usize], f.loads())),
    ("cccc00011zzLnnnnxxxx11101001xxxx", |f| f.plain([4, 8, 1, 2][f.get('z') as usize], f.loads())),
    ("cccc00011zzLnnnnxxxx11001001xxxx", |f| match f.get('z') {
        1 => None,
        z => f.plain([4, 8, 1, 2][z as usize], f.loads()),
    }),
    // Several.
    ("cccc100PUxxLnnnnrrrrrrrrrrrrrrrr", |f| f.multiple(1)),
    // Floating point and vectors.
    ("cccc1101Ux0Lnnnnxxxx1001iiiiiiii", |f| f.one_vector(2, 2, a32_base(f))),
    ("cccc1101Ux0Lnnnnxxxx1010iiiiiiii", |f| f.one_vector(4, 4, a32_base(f))),
    ("cccc1101Ux0Lnnnnxxxx1011iiiiiiii", |f| f.one_vector(8, 4, a32_base(f))),
    ("cccc11001xxLnnnnxxxx101ziiiiiiii", |f| f.vectors(false)),
    ("cccc11010x1Lnnnnxxxx101ziiiiiiii", |f| f.vectors(true)),
    ("111101000xL0nnnnxxxxttttzzaaxxxx", |f| f.structures()),
    ("111101001xL0nnnnxxxx00eeaaaaxxxx", |f| f.lane()),
    ("111101001xL0nnnnxxxxz1eeaaaaxxxx", |f| match f.is('z') {
        false => Fields("111101001xL0nnnnxxxxzzeeaaaaxxxx", f.1).lane(),
        true => None,
    }),
    ("111101001xL0nnnnxxxx10eeaaaaxxxx", |f| Fields("111101001xL0nnnnxxxxzzeeaaaaxxxx", f.1).lane()),
    ("111101001x10nnnnxxxx11eezzxaxxxx", |f| f.all_lanes()),
    // RFE and SRS.
    ("1111100PU0W1nnnnxxxxxxxxxxxxxxxx", |f| Fields("1111100PU0WLnnnnxxxxxxxxxxxxxxxx", f.1).block(2)),
    ("1111100PU1W01101xxxxxxxxxxxxmmmm", |f| saved(f)),
    // What has no condition is none of the above.
    ("11110101xxxxxxxxxxxxxxxxxxxxxxxx", |_| None),
];

fn a32_base(f: &Fields<'_>) -> From {
    if f.get('n') == 15 { From::Pc } else { From::R(f.get('n')) }
}

/// LDRD and STRD, of which `d` is the store.
fn double(f: &Fields<'_>, added: Added) -> Option<Expected> {
    let unprivileged = !f.is('P') && f.is('W');
    if unprivileged { None } else { f.at(8, !f.is('d'), added) }
}

fn saved(f: &Fields<'_>) -> Option<Expected> {
    let from = match (f.is('P'), f.is('U')) {
        (false, true) => 0,
        (true, true) => 4,
        (false, false) => -4,
        (true, false) => -8,
    };
    let base = From::SpOf(0x10 | f.get('m'));
    Some(Expected { bytes: 8, reads: false, base, added: Added::Bytes(from) })
}

/// 16 bits.
const T16: [Row; 20] = [
    ("01001xxxiiiiiiii", |f| {
        let added = Added::Bytes((4 * f.get('i')).into());
        Some(Expected { bytes: 4, reads: true, base: From::AlignedPc, added })
    }),
    ("0101000mmmnnnxxx", |f| low(f, 4, false)),
    ("0101001mmmnnnxxx", |f| low(f, 2, false)),
    ("0101010mmmnnnxxx", |f| low(f, 1, false)),
    ("0101011mmmnnnxxx", |f| low(f, 1, true)),
    ("0101100mmmnnnxxx", |f| low(f, 4, true)),
    ("0101101mmmnnnxxx", |f| low(f, 2, true)),
    ("0101110mmmnnnxxx", |f| low(f, 1, true)),
    ("0101111mmmnnnxxx", |f| low(f, 2, true)),
    ("01100iiiiinnnxxx", |f| f.short(4, false, 4 * f.get('i'))),
    ("01101iiiiinnnxxx", |f| f.short(4, true, 4 * f.get('i'))),
    ("01110iiiiinnnxxx", |f| f.short(1, false, f.get('i'))),
    ("01111iiiiinnnxxx", |f| f.short(1, true, f.get('i'))),
    ("1000Liiiiinnnxxx", |f| f.short(2, f.loads(), 2 * f.get('i'))),
    ("1001Lxxxiiiiiiii", |f| stack(f, 4, f.loads(), (4 * f.get('i')).into())),
    ("1011010rrrrrrrrr", |f| {
        let count = f.get('r').count_ones();
        (count > 0).then(|| stack(f, 4 * count, false, -4 * i64::from(count)))?
    }),
    ("1011110rrrrrrrrr", |f| {
        let count = f.get('r').count_ones();
        (count > 0).then(|| stack(f, 4 * count, true, 0))?
    }),
    ("11000nnnrrrrrrrr", |f| several(f, false)),
    ("11001nnnrrrrrrrr", |f| several(f, true)),
    ("11011111xxxxxxxx", |_| None),
];

fn low(f: &Fields<'_>, bytes: u32, reads: bool) -> Option<Expected> {
    let added = Added::Index(f.get('m'), 0, 0, false);
    Some(Expected { bytes, reads, base: From::R(f.get('n')), added })
}

fn stack(_: &Fields<'_>, bytes: u32, reads: bool, offset: i64) -> Option<Expected> {
    Some(Expected { bytes, reads, base: From::R(13), added: Added::Bytes(offset) })
}

fn several(f: &Fields<'_>, reads: bool) -> Option<Expected> {
    let count = f.get('r').count_ones();
    (count > 0).then(|| f.plain(4 * count, reads))?
}

/// 32 bits, the first halfword in front.
const T32: [Row; 31] = [
    // RFE and SRS, down and up.
    ("1110100000x1nnnnxxxxxxxxxxxxxxxx", |f| of(f, 8, true, Added::Bytes(-8))),
    ("1110100110x1nnnnxxxxxxxxxxxxxxxx", |f| of(f, 8, true, Added::Bytes(0))),
    ("1110100000x01101xxxxxxxxxxxxmmmm", |f| saved_t32(f, -8)),
    ("1110100110x01101xxxxxxxxxxxxmmmm", |f| saved_t32(f, 0)),
    // Several, up and down.
    ("1110100010xLnnnnrrrrrrrrrrrrrrrr", |f| t32_several(f, false)),
    ("1110100100xLnnnnrrrrrrrrrrrrrrrr", |f| t32_several(f, true)),
    // Exclusives and table branches.
    ("11101000010LnnnnxxxxxxxxIIIIIIII", |f| of(f, 4, f.loads(), Added::Bytes((4 * f.get('I')).into()))),
    ("111010001101nnnnxxxxxxxx000hmmmm", |f| table(f)),
    ("11101000110Lnnnnxxxxxxxx0100xxxx", |f| f.plain(1, f.loads())),
    ("11101000110Lnnnnxxxxxxxx0101xxxx", |f| f.plain(2, f.loads())),
    ("11101000110Lnnnnxxxxxxxx0111xxxx", |f| f.plain(8, f.loads())),
    ("11101000110Lnnnnxxxxxxxx1000xxxx", |f| f.plain(1, f.loads())),
    ("11101000110Lnnnnxxxxxxxx1001xxxx", |f| f.plain(2, f.loads())),
    ("11101000110Lnnnnxxxxxxxx1010xxxx", |f| f.plain(4, f.loads())),
    ("11101000110Lnnnnxxxxxxxx11zzxxxx", |f| f.plain(1 << f.get('z'), f.loads())),
    // Doublewords: post-indexed, offset, pre-indexed.
    ("11101000U11Lnnnnxxxxxxxxiiiiiiii", |f| f.plain(8, f.loads())),
    ("11101001U10Lnnnnxxxxxxxxiiiiiiii", |f| match f.get('n') {
        15 => f.aligned(8, f.loads(), 4 * f.get('i')),
        _ => of(f, 8, f.loads(), up_or_down(f, 4 * f.get('i'))),
    }),
    ("11101001U11Lnnnnxxxxxxxxiiiiiiii", |f| of(f, 8, f.loads(), up_or_down(f, 4 * f.get('i')))),
    // Floating point and vectors.
    ("11101101Ux0Lnnnnxxxx1001iiiiiiii", |f| f.one_vector(2, 2, t32_base(f)?)),
    ("11101101Ux0Lnnnnxxxx1010iiiiiiii", |f| f.one_vector(4, 4, t32_base(f)?)),
    ("11101101Ux0Lnnnnxxxx1011iiiiiiii", |f| f.one_vector(8, 4, t32_base(f)?)),
    ("111011001xxLnnnnxxxx101ziiiiiiii", |f| f.vectors(false)),
    ("111011010x1Lnnnnxxxx101ziiiiiiii", |f| f.vectors(true)),
    ("111110010xL0nnnnxxxxttttzzaaxxxx", |f| f.structures()),
    ("111110011xL0nnnnxxxxzzeeaaaaxxxx", |f| match f.get('z') {
        3 => None,
        _ => f.lane(),
    }),
    ("111110011x10nnnnxxxx11eezzxaxxxx", |f| f.all_lanes()),
    // One register: literal, immediates, register.
    ("1111100sUzzL1111ttttiiiiiiiiiiii", |f| match f.loads() {
        true => f.narrow_literal(),
        false => None,
    }),
    ("1111100s1zzLnnnnttttiiiiiiiiiiii", |f| f.narrow_at(Added::Bytes(f.get('i').into()))),
    ("1111100s0zzLnnnntttt1PUWiiiiiiii", |f| match (f.is('P'), f.is('U'), f.is('W')) {
        (false, _, false) => None,
        _ => f.narrow_at(f.offset(f.get('i'))),
    }),
    ("1111100s0zzLnnnntttt000000iimmmm", |f| match f.get('m') {
        15 => None,
        m => f.narrow_at(Added::Index(m, 0, f.get('i'), false)),
    }),
    ("1111100xxxxxxxxxxxxx0xxxx1xxxxxx", |_| None),
];

fn of(f: &Fields<'_>, bytes: u32, reads: bool, added: Added) -> Option<Expected> {
    f.plain(bytes, reads).map(|plain| Expected { added, ..plain })
}

fn up_or_down(f: &Fields<'_>, bytes: u32) -> Added {
    Added::Bytes(if f.is('U') { bytes.into() } else { -i64::from(bytes) })
}

fn t32_base(f: &Fields<'_>) -> Option<From> {
    match (f.get('n'), f.loads()) {
        (15, false) => None,
        (15, true) => Some(From::AlignedPc),
        (n, _) => Some(From::R(n)),
    }
}

fn t32_several(f: &Fields<'_>, down: bool) -> Option<Expected> {
    let count = f.get('r').count_ones();
    let added = Added::Bytes(if down { -4 * i64::from(count) } else { 0 });
    if count < 2 { None } else { of(f, 4 * count, f.loads(), added) }
}

fn table(f: &Fields<'_>) -> Option<Expected> {
    let base = if f.get('n') == 15 { From::Pc } else { From::R(f.get('n')) };
    let added = Added::Index(f.get('m'), 0, f.get('h'), false);
    (f.get('m') != 15).then_some(Expected { bytes: 1 + f.get('h'), reads: true, base, added })
}

fn saved_t32(f: &Fields<'_>, from: i64) -> Option<Expected> {
    let base = From::SpOf(0x10 | f.get('m'));
    Some(Expected { bytes: 8, reads: false, base, added: Added::Bytes(from) })
}

fn matches(diagram: &str, bits: u32) -> bool {
    let last = diagram.len() - 1;
    let is_conditional = !diagram.starts_with("cccc") || bits >> 28 != 15;
    is_conditional
        && diagram.chars().enumerate().all(|(place, letter)| match letter {
            '0' => bits >> (last - place) & 1 == 0,
            '1' => bits >> (last - place) & 1 == 1,
            _ => true,
        })
}

fn expected(rows: &[Row], bits: u32) -> Option<Expected> {
    let mut found = None;
    for (diagram, row) in rows.iter().filter(|(diagram, _)| matches(diagram, bits)) {
        let Some(expected) = row(&Fields(diagram, bits)) else { continue };
        assert!(found.as_ref().is_none_or(|found| *found == expected), "{bits:#010x} is in two rows");
        found = Some(expected);
    }
    found
}

/// An instruction as the manual prints it, and as it lies in memory.
fn in_memory(bits: u32, set: Instruction) -> u32 {
    if set == Instruction::T32 && bits >> 16 != 0 { bits.rotate_left(16) } else { bits }
}

fn check(rows: &[Row], bits: u32, set: Instruction) {
    let decoded = LoadStore::decode(in_memory(bits, set), set).map(|decoded| Expected {
        bytes: decoded.length().into(),
        reads: decoded.direction() == Direction::Load,
        base: match decoded.base() {
            Base::Register(number) => From::R(number.into()),
            Base::ProgramCounter => From::Pc,
            Base::AlignedProgramCounter => From::AlignedPc,
            Base::StackPointer(mode) => From::SpOf(mode.into_bits().into()),
        },
        added: match decoded.offset() {
            Offset::Immediate(bytes) => Added::Bytes(bytes.into()),
            Offset::Register { number, shift, subtract } => {
                let (kind, amount) = match shift {
                    Shift::Lsl(amount) => (0, amount),
                    Shift::Lsr(amount) => (1, amount),
                    Shift::Asr(amount) => (2, amount),
                    Shift::Ror(amount) => (3, amount),
                    Shift::Rrx => (3, 0),
                };
                Added::Index(number.into(), kind, amount.into(), subtract)
            }
        },
    });
    assert_eq!(decoded, expected(rows, bits), "{bits:#010x} of {set:?}");
}

/// splitmix64.
fn random(state: &mut u64) -> u32 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ *state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ mixed >> 31) as u32
}

#[test]
fn every_row_of_the_tables_is_read_in_the_same_way_twice() {
    let mut state = 1;
    for (rows, set) in [(&A32[..], Instruction::A32), (&T32, Instruction::T32)] {
        for (diagram, _) in rows {
            assert_eq!(diagram.len(), 32, "{diagram}");
            let fixed =
                |letter| diagram.chars().fold(0_u32, |bits, found| bits << 1 | u32::from(found == letter));
            let (ones, zeros) = (fixed('1'), fixed('0'));
            for _ in 0..1000 {
                let bits = random(&mut state) & !zeros | ones;
                check(rows, bits, set);
                // R15 as the base is rare, and special.
                check(rows, bits & !zeros | 0xf << 16 & !zeros | ones, set);
            }
        }
    }
}

#[test]
fn every_t32_instruction_of_16_bits_is_read_in_the_same_way_twice() {
    for bits in 0..0xe800 {
        check(&T16, bits, Instruction::T32);
        // What comes behind it does not matter.
        let alone = LoadStore::decode(bits, Instruction::T32);
        assert_eq!(LoadStore::decode(bits | 0xf85f_0000, Instruction::T32), alone, "{bits:#x}");
    }
}

#[test]
fn nothing_else_is_taken_for_a_load_or_store() {
    let mut state = 2;
    for _ in 0..40_000 {
        check(&A32, random(&mut state), Instruction::A32);
        check(&A32, random(&mut state) | 0xf000_0000, Instruction::A32);
        check(&T32, random(&mut state) | 0xe800_0000, Instruction::T32);
        check(&T32, random(&mut state) & 0x03ff_ffff | 0xf800_0000, Instruction::T32);
    }
}

#[test]
fn addresses_are_made_as_the_instruction_says() {
    const A: Instruction = Instruction::A32;
    const T: Instruction = Instruction::T32;
    for (bits, set, base, index, carry, bytes) in [
        (0xe590_1010, A, 0x1000, 0, false, Some((0x1010, 4))), // ldr r1, [r0, #16]
        (0xe410_1010, A, 0x1000, 0, false, Some((0x1000, 4))), // ldr r1, [r0], #-16
        (0xe710_1002, A, 0x1000, 0x10, false, Some((0xff0, 4))), // ldr r1, [r0, -r2]
        (0xe790_1102, A, 0x1000, 0x10, false, Some((0x1040, 4))), // ldr r1, [r0, r2, lsl #2]
        (0xe790_1022, A, 0x1000, u32::MAX, false, Some((0x1000, 4))), // ldr r1, [r0, r2, lsr #32]
        (0xe790_1042, A, 0x1000, 0x8000_0000, false, Some((0xfff, 4))), // ldr r1, [r0, r2, asr #32]
        (0xe790_1462, A, 0x1000, 0x100, false, Some((0x1001, 4))), // ldr r1, [r0, r2, ror #8]
        (0xe790_1062, A, 0x1000, 2, true, Some((0x8000_1001, 4))), // ldr r1, [r0, r2, rrx]
        (0xe900_000f, A, 0x1000, 0, false, Some((0xff0, 16))), // stmdb r0, {r0-r3}
        (0xe800_000f, A, 0x1000, 0, false, Some((0xff4, 16))), // stmda r0, {r0-r3}
        (0xe980_000f, A, 0x1000, 0, false, Some((0x1004, 16))), // stmib r0, {r0-r3}
        (0xe5d0_1000, A, u32::MAX, 0, false, Some((0xffff_ffff, 1))), // ldrb r1, [r0]
        (0xe590_1000, A, 0xffff_fffd, 0, false, None),         // around the end
        (0xe590_1008, A, 0xffff_fffc, 0, false, Some((4, 4))), // the address itself may wrap
        (0xb5f0, T, 0x2000, 0, false, Some((0x1fec, 20))),     // push {r4-r7, lr}
        (0xf850_1c04, T, 0x1000, 0, false, Some((0xffc, 4))),  // ldr r1, [r0, #-4]
        (0xe8d0_f012, T, 0x1000, 3, false, Some((0x1006, 2))), // tbh [r0, r2, lsl #1]
        (0xed6d_0b20, T, 0x2000, 0, false, Some((0x1f80, 128))), // vpush {d16-d31}
    ] {
        let decoded = LoadStore::decode(in_memory(bits, set), set);
        let accessed = decoded.and_then(|decoded| decoded.accessed(base, index, carry));
        assert_eq!(accessed.map(|range| (range.first(), range.len())), bytes, "{bits:#x}");
    }
}

#[test]
fn what_is_not_known_is_not_answered() {
    for (bits, set, text) in [
        (0xed90_5e00_u32, Instruction::A32, "ldc p14, c5, [r0]"),
        (0xe100_1092, Instruction::A32, "swp, which Armv8 has no more"),
        (0xf5d0_f000, Instruction::A32, "pld [r0]"),
        (0xf890_f000, Instruction::T32, "pld [r0]"),
        (0xe000_0291, Instruction::A32, "mul r0, r1, r2"),
        (0xec41_0b10, Instruction::A32, "vmov d0, r0, r1"),
        (0xe320_f000, Instruction::A32, "nop"),
        (0xbf00, Instruction::T32, "nop"),
        (0xf940_0020, Instruction::A64, "ldr x0, [x1], which another reads"),
    ] {
        assert_eq!(LoadStore::decode(in_memory(bits, set), set), None, "{text}");
    }
}

/// "Conditional execution", as the manual lists conditions.
#[test]
fn an_instruction_whose_condition_fails_is_not_executed() {
    const STORE: u32 = 0x0580_1000; // str r1, [r0], with a condition
    for flags in 0..16_u32 {
        let (n, z, c, v) = (flags & 8 != 0, flags & 4 != 0, flags & 2 != 0, flags & 1 != 0);
        let holds = [
            z,
            !z,
            c,
            !c,
            n,
            !n,
            v,
            !v,
            c && !z,
            !c || z,
            n == v,
            n != v,
            !z && n == v,
            z || n != v,
            true,
            true,
        ];
        let cpsr = Cpsr::from_bits(flags << 28);
        for (condition, holds) in (0..).zip(holds) {
            let word = condition << 28 | STORE;
            assert_eq!(executes(word, Instruction::A32, cpsr), holds, "{condition:#x} with {flags:#x}");
            // In an IT block its state decides, which has the condition and how many instructions follow.
            let block = cpsr.with_t(true).with_it((condition << 4) as u8 | 0b1000);
            assert_eq!(executes(0x6001, Instruction::T32, block), holds, "{condition:#x} with {flags:#x}");
        }
        assert!(executes(0x6001, Instruction::T32, cpsr.with_t(true)), "outside of a block");
    }
}
