//! Encodings of DDI 0487, "C4.1.94 Loads and Stores", and of `DC ZVA`.

use super::{Base, Direction, Extend, Length, LoadStore, Offset};

/// An instruction by its fields.
#[derive(Clone, Copy)]
struct Fields(u32);

impl Fields {
    /// The `width` bits from `low` on.
    const fn field(self, low: u32, width: u32) -> u32 {
        self.0 >> low & ((1 << width) - 1)
    }

    const fn bit(self, low: u32) -> bool {
        self.field(low, 1) == 1
    }

    /// `size`, the base-two logarithm of an element's size in most classes.
    const fn size(self) -> u32 {
        self.field(30, 2)
    }

    /// `V`: the registers are of SIMD and floating point.
    const fn is_vector(self) -> bool {
        self.bit(26)
    }

    /// The `width` bits from `low` on as a signed number.
    const fn signed(self, low: u32, width: u32) -> i32 {
        let shift = 32 - width;
        (self.field(low, width) << shift) as i32 >> shift
    }

    /// A load where `L`, bit 22, is set.
    const fn by_l(self) -> Direction {
        if self.bit(22) { Direction::Load } else { Direction::Store }
    }

    /// An access of 2^`scale` bytes for each of `count` elements at `Xn|SP` and `offset`.
    const fn at_base(self, offset: i32, count: u32, scale: u32, direction: Direction) -> LoadStore {
        let base = match self.field(5, 5) as u8 {
            31 => Base::StackPointer,
            number => Base::Register(number),
        };
        let length = Length::Bytes((count << scale) as u8);
        LoadStore { base, offset: Offset::Immediate(offset), length, direction }
    }
}

impl LoadStore {
    /// What the A64 instruction `word` accesses; `None` for one that accesses no memory, prefetches among them, that
    /// is not allocated, or that is not known here.
    #[must_use]
    pub const fn decode(word: u32) -> Option<Self> {
        let fields = Fields(word);
        if word & 0xffff_ffe0 == 0xd50b_7420 {
            let base = match fields.field(0, 5) as u8 {
                31 => Base::Zero,
                number => Base::Register(number),
            };
            return Some(Self {
                base,
                offset: Offset::Immediate(0),
                length: Length::ZeroingBlock,
                direction: Direction::Store,
            });
        }
        // Bits [29:27], 25 and 24.
        match (fields.field(27, 3), fields.field(24, 2), fields.is_vector()) {
            (0b001, 0b00, false) => exclusive(fields),
            (0b001, 0b01, false) => unprivileged_exclusive(fields),
            (0b001, 0b00, true) => multiple_structures(fields),
            (0b001, 0b01, true) => single_structure(fields),
            (0b011, 0b00, _) => literal(fields),
            (0b011, 0b01, _) => unscaled_ordered(fields),
            (0b101, 0b00 | 0b01, _) => pair(fields),
            (0b111, 0b00, _) => register(fields),
            (0b111, 0b01, _) => {
                let Some((scale, direction)) = single(fields) else { return None };
                Some(fields.at_base((fields.field(10, 12) << scale) as i32, 1, scale, direction))
            }
            _ => None,
        }
    }
}

/// "Load/store exclusive register" and "pair", "Load/store ordered", "Compare and swap" and "pair".
const fn exclusive(fields: Fields) -> Option<LoadStore> {
    let size = fields.size();
    let swaps = fields.field(10, 5) == 31;
    Some(match (fields.bit(23), fields.bit(21)) {
        (_, false) => fields.at_base(0, 1, size, fields.by_l()),
        (false, true) if size >= 0b10 => fields.at_base(0, 2, size, fields.by_l()),
        (false, true) if swaps => fields.at_base(0, 2, 2 + size, Direction::Both),
        (true, true) if swaps => fields.at_base(0, 1, size, Direction::Both),
        _ => return None,
    })
}

/// `LDTXR` and `STTXR` (FEAT_LSUI).
const fn unprivileged_exclusive(fields: Fields) -> Option<LoadStore> {
    if fields.bit(31) && !fields.bit(23) && !fields.bit(21) {
        Some(fields.at_base(0, 1, fields.size(), fields.by_l()))
    } else {
        None
    }
}

/// "Advanced SIMD load/store multiple structures", without and with post-index.
const fn multiple_structures(fields: Fields) -> Option<LoadStore> {
    let post_index = fields.bit(23);
    if fields.bit(31) || fields.bit(21) || (!post_index && fields.field(16, 5) != 0) {
        return None;
    }
    let registers = match fields.field(12, 4) {
        0b0000 | 0b0010 => 4,
        0b0100 | 0b0110 => 3,
        0b1000 | 0b1010 => 2,
        0b0111 => 1,
        _ => return None,
    };
    // Q makes registers of 16 bytes of those of 8; opcode says whether elements interleave. With those of 8 bytes and Q
    // clear, only LD1 and ST1 are allocated.
    let interleaves = !fields.bit(13);
    if interleaves && fields.field(10, 2) == 0b11 && !fields.bit(30) {
        return None;
    }
    Some(fields.at_base(0, registers, 3 + fields.field(30, 1), fields.by_l()))
}

/// "Advanced SIMD load/store single structure", without and with post-index.
const fn single_structure(fields: Fields) -> Option<LoadStore> {
    let post_index = fields.bit(23);
    if fields.bit(31) || (!post_index && fields.field(16, 5) != 0) {
        return None;
    }
    let (s, size) = (fields.bit(12), fields.field(10, 2));
    let scale = match fields.field(14, 2) {
        0 => 0,
        1 if size & 1 == 0 => 1,
        2 if size == 0 => 2,
        2 if size == 1 && !s => 3,
        // Loaded to all elements.
        3 if fields.bit(22) && !s => size,
        _ => return None,
    };
    // opcode<0>:R
    let registers = (fields.field(13, 1) << 1 | fields.field(21, 1)) + 1;
    Some(fields.at_base(0, registers, scale, fields.by_l()))
}

/// "Load register (literal)".
const fn literal(fields: Fields) -> Option<LoadStore> {
    let scale = match (fields.size(), fields.is_vector()) {
        (3, _) => return None,
        // LDRSW.
        (2, false) => 2,
        (size, _) => 2 + size,
    };
    let literal = fields.at_base(fields.signed(5, 19) * 4, 1, scale, Direction::Load);
    Some(LoadStore { base: Base::ProgramCounter, ..literal })
}

/// "LDAPR/STLR (unscaled immediate)".
const fn unscaled_ordered(fields: Fields) -> Option<LoadStore> {
    if fields.bit(21) || fields.field(10, 2) != 0 || fields.is_vector() {
        return None;
    }
    let Some((scale, direction)) = single(fields) else { return None };
    Some(fields.at_base(fields.signed(12, 9), 1, scale, direction))
}

/// "Load/store no-allocate pair", "register pair (post-indexed)", "(offset)", "(pre-indexed)".
const fn pair(fields: Fields) -> Option<LoadStore> {
    const NO_ALLOCATE: u32 = 0b00;
    const POST_INDEXED: u32 = 0b01;
    let mode = fields.field(23, 2);
    let scale = match (fields.size(), fields.is_vector()) {
        (3, _) => return None,
        // LDPSW; STGP stores a tag as well.
        (1, false) if fields.bit(22) && mode != NO_ALLOCATE => 2,
        (1, false) => return None,
        (opc, false) => 2 + (opc >> 1),
        (opc, true) => 2 + opc,
    };
    let offset = if mode == POST_INDEXED { 0 } else { fields.signed(15, 7) << scale };
    Some(fields.at_base(offset, 2, scale, fields.by_l()))
}

/// Those of "Load/store register" without an unsigned offset, and "Atomic memory operations".
const fn register(fields: Fields) -> Option<LoadStore> {
    const UNSCALED: u32 = 0b00;
    const POST_INDEXED: u32 = 0b01;
    const UNPRIVILEGED: u32 = 0b10;
    let form = fields.field(10, 2);
    if !fields.bit(21) {
        if form == UNPRIVILEGED && fields.is_vector() {
            return None;
        }
        let Some((scale, direction)) = single(fields) else { return None };
        let offset = if form == POST_INDEXED { 0 } else { fields.signed(12, 9) };
        return Some(fields.at_base(offset, 1, scale, direction));
    }
    const ATOMIC: u32 = UNSCALED;
    const REGISTER_OFFSET: u32 = 0b10;
    match form {
        ATOMIC if fields.is_vector() => None,
        ATOMIC => {
            // A and R, o3, opc, Rs.
            let direction =
                match (fields.field(22, 2), fields.bit(15), fields.field(12, 3), fields.field(16, 5)) {
                    // LDADD and its like; SWP.
                    (_, false, _, _) | (_, true, 0b000, _) => Direction::Both,
                    // LDAPR.
                    (0b10, true, 0b100, 31) => Direction::Load,
                    _ => return None,
                };
            Some(fields.at_base(0, 1, fields.size(), direction))
        }
        REGISTER_OFFSET => {
            let Some((scale, direction)) = single(fields) else { return None };
            let extend = match fields.field(13, 3) {
                0b010 => Extend::Uxtw,
                0b110 => Extend::Sxtw,
                0b011 | 0b111 => Extend::All,
                _ => return None,
            };
            let shift = if fields.bit(12) { scale as u8 } else { 0 };
            let offset = Offset::Register { number: fields.field(16, 5) as u8, extend, shift };
            Some(LoadStore { offset, ..fields.at_base(0, 1, scale, direction) })
        }
        _ => None,
    }
}

/// The base-two logarithm of what "Load/store register" accesses, by `size`, `V` and `opc`, and the direction.
const fn single(fields: Fields) -> Option<(u32, Direction)> {
    let (size, opc) = (fields.size(), fields.field(22, 2));
    if fields.is_vector() {
        let scale = match (opc & 0b10, size) {
            (0, size) => size,
            (_, 0) => 4,
            _ => return None,
        };
        return Some((scale, fields.by_l()));
    }
    match (opc, size) {
        (0b00, _) => Some((size, Direction::Store)),
        (0b01, _) => Some((size, Direction::Load)),
        // Signed, to 64 bits and to 32. PRFM is among the others.
        (0b10, 0..=2) | (0b11, 0..=1) => Some((size, Direction::Load)),
        _ => None,
    }
}
