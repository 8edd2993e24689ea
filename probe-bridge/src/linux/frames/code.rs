//! As much of A64 as it takes to follow a stack frame (DDI 0487, "A64 Instruction Set Encoding").

use crate::linux::a64;

/// The frame pointer.
pub(super) const FRAME: u8 = 29;
/// The link register.
pub(super) const LINK: u8 = 30;
/// The stack pointer, where an instruction takes it in the place of register 31.
const STACK: u32 = 31;

/// What an instruction does to SP, X29, X30 and the memory at SP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Effect {
    /// Nothing of these.
    Nothing,
    /// Adds to SP.
    Move(i32),
    /// SP becomes X29 and so many bytes.
    StackOfFrame(i32),
    /// SP becomes anything.
    Elsewhere,
    /// X29 becomes SP and so many bytes.
    FrameOfStack(i32),
    /// X29 becomes anything.
    NoFrame,
    /// Stores or loads one or two whole registers.
    Access(Access),
    /// X30 is signed.
    Sign,
    /// X30 is what it was before it was signed.
    Authenticate,
}

/// A store or a load of whole registers by SP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Access {
    /// Whether it is a load.
    pub(super) load: bool,
    /// The registers, in the order in which they are in memory.
    pub(super) registers: [Option<u8>; 2],
    /// How far above SP, as it was before, the first is.
    pub(super) at: i32,
    /// What is added to SP.
    pub(super) moves: i32,
}

/// Where an instruction goes, in instructions from itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Flow {
    /// To the next one.
    Next,
    /// To the next one, if what is called comes back.
    Call,
    /// Elsewhere.
    Jump(i32),
    /// Elsewhere, or to the next one.
    Branch(i32),
    /// Nobody knows where.
    End,
}

/// What an instruction does.
pub(super) fn effect(word: u32) -> Effect {
    match word {
        0xd503_233f | 0xd503_237f => return Effect::Sign,
        0xd503_23bf | 0xd503_23ff => return Effect::Authenticate,
        _ => {}
    }
    let (destination, base) = (word & 0x1f, word >> 5 & 0x1f);
    // ADD and SUB of an immediate number.
    if word & 0xbf80_0000 == 0x9100_0000 {
        let number = (word >> 10 & 0xfff) << (12 * (word >> 22 & 1));
        let number = number.cast_signed() * if word & 1 << 30 == 0 { 1 } else { -1 };
        return match (destination, base) {
            (STACK, STACK) => Effect::Move(number),
            (STACK, base) if base == u32::from(FRAME) => Effect::StackOfFrame(number),
            (STACK, _) => Effect::Elsewhere,
            (destination, STACK) if destination == u32::from(FRAME) => Effect::FrameOfStack(number),
            _ => other(word),
        };
    }
    // ADD and SUB of an extended register write SP as well.
    if word & 0xbfe0_0000 == 0x8b20_0000 && destination == STACK {
        return Effect::Elsewhere;
    }
    if base == STACK { access(word) } else { other(word) }
}

/// What an instruction does that may write X29 like any register.
fn other(word: u32) -> Effect {
    let written = a64::written(word).unwrap_or_default();
    if written >> FRAME & 1 != 0 { Effect::NoFrame } else { Effect::Nothing }
}

/// What an instruction does that takes SP for its base, if it is a load or a store.
fn access(word: u32) -> Effect {
    let register = |at: u32| u8::try_from(word >> at & 0x1f).ok().filter(|&register| register != 31);
    let simd = word & 1 << 26 != 0;
    // Pairs: bits 24 and 23 say when SP changes.
    if word & 0x3a00_0000 == 0x2800_0000 {
        let scale = if simd { 4 << (word >> 30) } else { 4 << (word >> 31) };
        let offset = (word.cast_signed() << 10 >> 25) * scale;
        let (at, moves) = when(word >> 23 & 0b11, offset);
        let whole = !simd && word >> 30 == 0b10;
        let registers = [register(0), register(10)];
        return accessed(whole, Access { load: word & 1 << 22 != 0, registers, at, moves });
    }
    let whole = !simd && word >> 30 == 0b11;
    let registers = [register(0), None];
    let load = word & 1 << 22 != 0;
    // One register, at a multiple of its size above SP.
    if word & 0x3b00_0000 == 0x3900_0000 {
        let at = (word >> 10 & 0xfff).cast_signed() << 3;
        return accessed(whole, Access { load, registers, at, moves: 0 });
    }
    // One register, anywhere near SP: bits 11 and 10 say when SP changes.
    if word & 0x3b20_0000 == 0x3800_0000 {
        let offset = word.cast_signed() << 11 >> 23;
        let (at, moves) = match word >> 10 & 0b11 {
            0b01 => when(0b01, offset),
            0b11 => when(0b11, offset),
            _ => (offset, 0),
        };
        return accessed(whole, Access { load, registers, at, moves });
    }
    other(word)
}

/// Where above SP an access is, and what it adds to SP: that before it, behind it, or not at all.
const fn when(mode: u32, offset: i32) -> (i32, i32) {
    match mode {
        0b01 => (0, offset),
        0b11 => (offset, offset),
        _ => (offset, 0),
    }
}

const fn accessed(whole: bool, access: Access) -> Effect {
    match access {
        access if whole => Effect::Access(access),
        Access { moves: 0, .. } => Effect::Nothing,
        Access { moves, .. } => Effect::Move(moves),
    }
}

/// Where an instruction goes.
pub(super) fn flow(word: u32) -> Flow {
    let offset = |from: u32, bits: u32| word.cast_signed() << (32 - from - bits) >> (32 - bits);
    if word & 0xfc00_0000 == 0x1400_0000 {
        Flow::Jump(offset(0, 26))
    } else if word & 0xfc00_0000 == 0x9400_0000 || word & 0xffe0_001f == 0xd420_0000 {
        // BL, and BRK: behind one there may be nothing, and behind another the function goes on.
        Flow::Call
    } else if word & 0xff00_0000 == 0x5400_0000 || word & 0x7e00_0000 == 0x3400_0000 {
        // B.cond, CBZ and CBNZ.
        Flow::Branch(offset(5, 19))
    } else if word & 0x7e00_0000 == 0x3600_0000 {
        // TBZ and TBNZ.
        Flow::Branch(offset(5, 14))
    } else if word & 0xfe00_0000 == 0xd600_0000 {
        // Of the branches to registers only those with a link come back.
        if word >> 21 & 0b111 == 0b001 { Flow::Call } else { Flow::End }
    } else if word == 0 {
        Flow::End
    } else {
        Flow::Next
    }
}
