//! Loads and stores of floating point and Advanced SIMD, by A32's encodings; those of T32 differ in their first byte.

use super::{Base, LoadStore, Offset, bit, field, immediate, register};

/// "Advanced SIMD and floating-point load/store": one register or several, at Rn, which is `base`.
pub(super) const fn registers(word: u32, base: Base) -> Option<LoadStore> {
    let (before, up, writes_base) = (bit(word, 24), bit(word, 23), bit(word, 21));
    let (size, count) = (field(word, 8, 2), field(word, 0, 8));
    if field(word, 10, 2) != 0b10 {
        return None;
    }
    if before && !writes_base {
        let (scale, length) = match size {
            0b01 => (2, 2),
            0b10 => (4, 4),
            0b11 => (4, 8),
            _ => return None,
        };
        return Some(LoadStore::new(base, immediate(count * scale, up), length, bit(word, 20)));
    }
    // Of doublewords so many words. An odd number is FLDMX or FSTMX, which does not access the last one.
    let bytes = match size {
        0b10 => 4 * count,
        0b11 => 4 * (count & !1),
        _ => return None,
    };
    let offset = match (before, up) {
        (false, true) => 0,
        (true, false) => 4 * count,
        // Transfers between registers, and what is not allocated.
        _ => return None,
    };
    if bytes == 0 || bytes > 128 || matches!(base, Base::ProgramCounter | Base::AlignedProgramCounter) {
        return None;
    }
    Some(LoadStore::new(base, immediate(offset, false), bytes, bit(word, 20)))
}

/// "Advanced SIMD element or structure load/store", at Rn.
pub(super) const fn structures(word: u32) -> Option<LoadStore> {
    let base = match register(field(word, 16, 4)) {
        Base::ProgramCounter => return None,
        base => base,
    };
    let load = bit(word, 21);
    let length = match (bit(word, 23), field(word, 10, 2)) {
        (false, _) => multiple(word),
        (true, 0b11) => to_all_lanes(word, load),
        (true, _) => one_lane(word),
    };
    match length {
        Some(length) => Some(LoadStore::new(base, Offset::Immediate(0), length, load)),
        None => None,
    }
}

/// "Load/store multiple structures": registers of 8 bytes.
const fn multiple(word: u32) -> Option<u32> {
    let (size, align) = (field(word, 6, 2), field(word, 4, 2));
    let (count, structures, aligns) = match field(word, 8, 4) {
        0b0010 => (4, 1, true),
        0b0110 => (3, 1, align & 0b10 == 0),
        0b0111 => (1, 1, align & 0b10 == 0),
        0b1010 => (2, 1, align != 0b11),
        0b1000 | 0b1001 => (2, 2, align != 0b11),
        0b0011 => (4, 2, true),
        0b0100 | 0b0101 => (3, 3, align & 0b10 == 0),
        0b0000 | 0b0001 => (4, 4, true),
        _ => return None,
    };
    if !aligns || structures > 1 && size == 0b11 { None } else { Some(8 * count) }
}

/// "Load single structure to all lanes": one element for each register of the structure.
const fn to_all_lanes(word: u32, load: bool) -> Option<u32> {
    let (size, align, structures) = (field(word, 6, 2), bit(word, 4), field(word, 8, 2) + 1);
    let scale = match (structures, size, align) {
        _ if !load => return None,
        (4, 0b11, true) => 2,
        (_, 0b11, _) | (3, _, true) | (1, 0, true) => return None,
        _ => size,
    };
    Some(structures << scale)
}

/// "Load/store single structure to one lane": one element for each register of the structure.
const fn one_lane(word: u32) -> Option<u32> {
    let (scale, align, structures) = (field(word, 10, 2), field(word, 4, 4), field(word, 8, 2) + 1);
    let allocated = match (structures, scale) {
        (1, 0) | (3, 0 | 1) => align & 1 == 0,
        (1, 1) | (2, 2) => align & 0b10 == 0,
        (1, _) => align & 0b100 == 0 && (align & 0b11 == 0 || align & 0b11 == 0b11),
        (3, _) => align & 0b11 == 0,
        (4, 2) => align & 0b11 != 0b11,
        _ => true,
    };
    if allocated { Some(structures << scale) } else { None }
}
