//! Encodings of DDI 0487, "T32 instruction set encoding".

use super::{
    Base, LoadStore, Offset, Shift, bit, exception_base, field, immediate, multiple, register, vector,
};
use crate::stepping;

const SP: Base = Base::Register(13);

/// Decodes 4 bytes, the first halfword in the lower half.
pub(super) const fn decode(word: u32) -> Option<LoadStore> {
    let (first, second) = (word & 0xffff, word >> 16);
    if stepping::t32_length(word) == 2 {
        return short(first);
    }
    // As A32 has it: the first halfword in the upper half.
    let swapped = word.rotate_left(16);
    match field(first, 9, 7) {
        0b1110100 if bit(first, 6) => dual_or_exclusive(first, second),
        0b1110100 => several(first, second),
        0b1110110 => match (register(first), bit(first, 4)) {
            (Base::ProgramCounter, false) => None,
            (Base::ProgramCounter, true) => vector::registers(swapped, Base::AlignedProgramCounter),
            (base, _) => vector::registers(swapped, base),
        },
        0b1111100 if bit(first, 8) && !bit(first, 4) => vector::structures(swapped),
        0b1111100 => single(first, second),
        _ => None,
    }
}

/// Instructions of 2 bytes.
const fn short(half: u32) -> Option<LoadStore> {
    let (low, load) = (Base::Register(field(half, 3, 3) as u8), bit(half, 11));
    let count = field(half, 0, 8).count_ones();
    let scaled = field(half, 6, 5) as i32;
    Some(match field(half, 11, 5) {
        0b01001 => literal(4 * field(half, 0, 8), true, 4),
        0b01010 | 0b01011 => {
            let number = field(half, 6, 3) as u8;
            let offset = Offset::Register { number, shift: Shift::NONE, subtract: false };
            let (length, load) = match field(half, 9, 3) {
                0b000 => (4, false),
                0b001 => (2, false),
                0b010 => (1, false),
                0b011 | 0b110 => (1, true),
                0b100 => (4, true),
                _ => (2, true),
            };
            LoadStore::new(low, offset, length, load)
        }
        0b01100 | 0b01101 => LoadStore::new(low, Offset::Immediate(scaled << 2), 4, load),
        0b01110 | 0b01111 => LoadStore::new(low, Offset::Immediate(scaled), 1, load),
        0b10000 | 0b10001 => LoadStore::new(low, Offset::Immediate(scaled << 1), 2, load),
        0b10010 | 0b10011 => LoadStore::new(SP, Offset::Immediate(4 * field(half, 0, 8) as i32), 4, load),
        // PUSH and POP, with LR or PC.
        0b10110 | 0b10111 if field(half, 9, 2) == 0b10 && field(half, 0, 9) != 0 => {
            multiple(SP, field(half, 0, 9).count_ones(), load, !load, load)
        }
        0b11000 | 0b11001 if count != 0 => {
            multiple(Base::Register(field(half, 8, 3) as u8), count, true, false, load)
        }
        _ => return None,
    })
}

/// Relative to R15, rounded down.
const fn literal(bytes: u32, up: bool, length: u32) -> LoadStore {
    LoadStore::new(Base::AlignedProgramCounter, immediate(bytes, up), length, true)
}

/// "Load/store multiple", `RFE` and `SRS`.
const fn several(first: u32, second: u32) -> Option<LoadStore> {
    let (load, base) = (bit(first, 4), register(first));
    let before = !bit(first, 7);
    if bit(first, 8) == bit(first, 7) {
        // Up where both are set, down where both are clear.
        return match exception_base(load, first, second) {
            Some(base) => Some(multiple(base, 2, !before, before, load)),
            None => None,
        };
    }
    match (second.count_ones(), base) {
        (0 | 1, _) | (_, Base::ProgramCounter) => None,
        (count, base) => Some(multiple(base, count, !before, before, load)),
    }
}

/// "Load/store dual, load/store exclusive, load-acquire/store-release, and table branch".
const fn dual_or_exclusive(first: u32, second: u32) -> Option<LoadStore> {
    let (before, up, writes_base, load) = (bit(first, 8), bit(first, 7), bit(first, 5), bit(first, 4));
    let base = register(first);
    if before || writes_base {
        let bytes = 4 * field(second, 0, 8);
        return match (base, load && before && !writes_base) {
            (Base::ProgramCounter, true) => Some(literal(bytes, up, 8)),
            (Base::ProgramCounter, false) => None,
            (base, _) if before => Some(LoadStore::new(base, immediate(bytes, up), 8, load)),
            (base, _) => Some(LoadStore::new(base, Offset::Immediate(0), 8, load)),
        };
    }
    let here = Offset::Immediate(0);
    let number = field(second, 0, 4) as u8;
    match (up, load, field(second, 4, 4), base) {
        // TBB and TBH, whose table may be behind them.
        (true, true, 0b0000 | 0b0001, base) if number != 15 => {
            let halfwords = field(second, 4, 1);
            let shift = Shift::Lsl(halfwords as u8);
            let offset = Offset::Register { number, shift, subtract: false };
            Some(LoadStore::new(base, offset, 1 << halfwords, true))
        }
        (_, _, _, Base::ProgramCounter) => None,
        (false, ..) => Some(LoadStore::new(base, immediate(4 * field(second, 0, 8), true), 4, load)),
        // Exclusives of bytes, halfwords and doublewords, which have no word; and with acquire and release.
        (true, _, op @ (0b0100 | 0b0101 | 0b0111 | 0b1000..=0b1010 | 0b1100..=0b1111), base) => {
            Some(LoadStore::new(base, here, 1 << (op & 0b11), load))
        }
        _ => None,
    }
}

/// "Load/store single".
const fn single(first: u32, second: u32) -> Option<LoadStore> {
    let (signed, size, load) = (bit(first, 8), field(first, 5, 2), bit(first, 4));
    // Words have no sign. Loads of bytes and halfwords to R15 are preloads.
    let is_hint = load && size < 2 && field(second, 12, 4) == 15;
    if size == 3 || signed && size == 2 || is_hint {
        return None;
    }
    let length = 1 << size;
    let base = match register(first) {
        Base::ProgramCounter if !load => return None,
        Base::ProgramCounter => return Some(literal(field(second, 0, 12), bit(first, 7), length)),
        base => base,
    };
    let offset = if bit(first, 7) {
        immediate(field(second, 0, 12), true)
    } else if bit(second, 11) {
        let (before, up, writes_base) = (bit(second, 10), bit(second, 9), bit(second, 8));
        match (before, up, writes_base) {
            (false, _, false) => return None,
            (false, ..) => Offset::Immediate(0),
            _ => immediate(field(second, 0, 8), up),
        }
    } else {
        match (field(second, 6, 6), field(second, 0, 4)) {
            (0, number @ 0..=14) => {
                let shift = Shift::Lsl(field(second, 4, 2) as u8);
                Offset::Register { number: number as u8, shift, subtract: false }
            }
            _ => return None,
        }
    };
    Some(LoadStore::new(base, offset, length, load))
}
