//! Encodings of DDI 0487, "A32 instruction set encoding".

use super::{
    Base, LoadStore, Offset, Shift, bit, exception_base, field, immediate, multiple, register, vector,
};

/// P: the offset is added before the access.
const fn before(word: u32) -> bool {
    bit(word, 24)
}

/// U: it is added, and not taken away.
const fn up(word: u32) -> bool {
    bit(word, 23)
}

/// W, and with P clear as well the base is written.
const fn writes_base(word: u32) -> bool {
    bit(word, 21) || !before(word)
}

/// L.
const fn load(word: u32) -> bool {
    bit(word, 20)
}

/// Rn, which may be R15 where it is not written.
const fn base(word: u32) -> Option<Base> {
    match register(field(word, 16, 4)) {
        Base::ProgramCounter if writes_base(word) => None,
        base => Some(base),
    }
}

pub(super) const fn decode(word: u32) -> Option<LoadStore> {
    let unconditional = field(word, 28, 4) == 0b1111;
    match field(word, 25, 3) {
        0b100 if unconditional => exception(word),
        0b010 if unconditional && !bit(word, 24) && !bit(word, 20) => vector::structures(word),
        _ if unconditional => None,
        0b000 if bit(word, 7) && bit(word, 4) && field(word, 5, 2) == 0 => synchronizing(word),
        0b000 if bit(word, 7) && bit(word, 4) => extra(word),
        0b010 => single(word, immediate(field(word, 0, 12), up(word))),
        0b011 if !bit(word, 4) => {
            let amount = field(word, 7, 5) as u8;
            let shift = match (field(word, 5, 2), amount) {
                (0b00, _) => Shift::Lsl(amount),
                (0b01, 0) => Shift::Lsr(32),
                (0b01, _) => Shift::Lsr(amount),
                (0b10, 0) => Shift::Asr(32),
                (0b10, _) => Shift::Asr(amount),
                (_, 0) => Shift::Rrx,
                _ => Shift::Ror(amount),
            };
            match indexed(word, shift) {
                Some(offset) => single(word, offset),
                None => None,
            }
        }
        0b100 => match (field(word, 0, 16).count_ones(), register(field(word, 16, 4))) {
            (0, _) | (_, Base::ProgramCounter) => None,
            (count, base) => Some(multiple(base, count, up(word), before(word), load(word))),
        },
        0b110 => vector::registers(word, register(field(word, 16, 4))),
        _ => None,
    }
}

/// Rm as the offset.
const fn indexed(word: u32, shift: Shift) -> Option<Offset> {
    match field(word, 0, 4) {
        15 => None,
        number => Some(Offset::Register { number: number as u8, shift, subtract: !up(word) }),
    }
}

/// At Rn and `offset`, or at Rn alone where the offset is added after the access.
const fn at(word: u32, offset: Offset, length: u32, load: bool) -> Option<LoadStore> {
    let Some(base) = base(word) else { return None };
    let offset = if before(word) { offset } else { Offset::Immediate(0) };
    Some(LoadStore::new(base, offset, length, load))
}

/// "Load/store word, unsigned byte".
const fn single(word: u32, offset: Offset) -> Option<LoadStore> {
    at(word, offset, if bit(word, 22) { 1 } else { 4 }, load(word))
}

/// "Extra load/store": halfwords, signed bytes, doublewords.
const fn extra(word: u32) -> Option<LoadStore> {
    let offset = if bit(word, 22) {
        immediate(field(word, 8, 4) << 4 | field(word, 0, 4), up(word))
    } else {
        match indexed(word, Shift::NONE) {
            Some(offset) => offset,
            None => return None,
        }
    };
    let is_unprivileged = !before(word) && bit(word, 21);
    let (length, load) = match (field(word, 5, 2), load(word)) {
        (0b01, load) => (2, load),
        (0b10, true) => (1, true),
        (0b11, true) => (2, true),
        _ if is_unprivileged || bit(word, 12) => return None,
        (op2, _) => (8, op2 == 0b10),
    };
    at(word, offset, length, load)
}

/// "Synchronization primitives and Load-Acquire/Store-Release".
const fn synchronizing(word: u32) -> Option<LoadStore> {
    if field(word, 23, 2) != 0b11 || field(word, 10, 2) != 0b11 {
        return None;
    }
    let length = match (field(word, 21, 2), field(word, 8, 2)) {
        // Of doublewords there are exclusives only, and one of ex and ord clear and set is none.
        (_, 0b01) | (0b01, 0b00) => return None,
        (0b00, _) => 4,
        (0b01, _) => 8,
        (0b10, _) => 1,
        _ => 2,
    };
    match register(field(word, 16, 4)) {
        Base::ProgramCounter => None,
        base => Some(LoadStore::new(base, Offset::Immediate(0), length, load(word))),
    }
}

/// "Exception save/restore": `RFE` and `SRS`.
const fn exception(word: u32) -> Option<LoadStore> {
    if bit(word, 22) == load(word) {
        return None;
    }
    match exception_base(load(word), field(word, 16, 4), word) {
        Some(base) => Some(multiple(base, 2, up(word), before(word), load(word))),
        None => None,
    }
}
