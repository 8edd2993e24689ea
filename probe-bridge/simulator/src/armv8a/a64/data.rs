//! Data processing: with an immediate operand, and with registers.

use super::{bit, bits, signed, sized};
use crate::armv8a::state::{Pstate, State};
use crate::armv8a::trap::Trap;

/// Instructions with an immediate operand.
pub(super) fn immediate(state: &mut State, instruction: u32) -> Result<(), Trap> {
    let (rd, rn) = (bits(instruction, 0, 5), bits(instruction, 5, 5));
    let wide = bit(instruction, 31);
    match bits(instruction, 23, 3) {
        0b000 | 0b001 => {
            let offset = signed(bits(instruction, 5, 19) << 2 | bits(instruction, 29, 2), 21) as u64;
            // ADRP counts pages.
            let address = if wide {
                (state.pc & !0xfff).wrapping_add(offset << 12)
            } else {
                state.pc.wrapping_add(offset)
            };
            state.set_x(rd, address);
        }
        0b010 => {
            let immediate = u64::from(bits(instruction, 10, 12)) << (12 * bits(instruction, 22, 1));
            let operand = state.x_or_sp(rn);
            let result = add(state, instruction, operand, immediate, wide);
            if bit(instruction, 29) {
                state.set_x(rd, result);
            } else {
                state.set_x_or_sp(rd, result);
            }
        }
        0b100 => {
            let (mask, _) = masks(instruction, wide, true).ok_or(Trap::UNDEFINED)?;
            let result = logic(state, bits(instruction, 29, 2), state.x(rn), mask, wide);
            if bits(instruction, 29, 2) == 0b11 {
                state.set_x(rd, result);
            } else {
                state.set_x_or_sp(rd, result);
            }
        }
        0b101 => move_wide(state, instruction, rd, wide)?,
        0b110 => bitfield(state, instruction, wide)?,
        0b111 => {
            let shift = bits(instruction, 10, 6);
            if bits(instruction, 29, 2) != 0
                || bit(instruction, 21)
                || bit(instruction, 22) != wide
                || (!wide && shift > 31)
            {
                return Err(Trap::UNDEFINED);
            }
            let (high, low) = (state.x(rn), state.x(bits(instruction, 16, 5)));
            let result = if wide {
                ((u128::from(high) << 64 | u128::from(low)) >> shift) as u64
            } else {
                sized((high << 32 | sized(low, false)) >> shift, false)
            };
            state.set_x(rd, result);
        }
        _ => return Err(Trap::UNDEFINED),
    }
    Ok(())
}

fn move_wide(state: &mut State, instruction: u32, rd: u32, wide: bool) -> Result<(), Trap> {
    let shift = 16 * bits(instruction, 21, 2);
    if !wide && shift > 16 {
        return Err(Trap::UNDEFINED);
    }
    let immediate = u64::from(bits(instruction, 5, 16)) << shift;
    let result = match bits(instruction, 29, 2) {
        0b00 => !immediate,
        0b10 => immediate,
        0b11 => state.x(rd) & !(0xffff << shift) | immediate,
        _ => return Err(Trap::UNDEFINED),
    };
    state.set_x(rd, sized(result, wide));
    Ok(())
}

fn bitfield(state: &mut State, instruction: u32, wide: bool) -> Result<(), Trap> {
    let (rd, rn) = (bits(instruction, 0, 5), bits(instruction, 5, 5));
    let (rotate, top) = (bits(instruction, 16, 6), bits(instruction, 10, 6));
    if bit(instruction, 22) != wide || (!wide && (rotate | top) > 31) {
        return Err(Trap::UNDEFINED);
    }
    let (write, test) = masks(instruction, wide, false).ok_or(Trap::UNDEFINED)?;
    let source = state.x(rn);
    let rotated =
        if wide { source.rotate_right(rotate) } else { u64::from((source as u32).rotate_right(rotate)) };
    let sign = if source >> top & 1 != 0 { u64::MAX } else { 0 };
    let result = match bits(instruction, 29, 2) {
        0b00 => sign & !test | rotated & write & test,
        0b01 => {
            let old = state.x(rd);
            let inserted = old & !write | rotated & write;
            old & !test | inserted & test
        }
        0b10 => rotated & write & test,
        _ => return Err(Trap::UNDEFINED),
    };
    state.set_x(rd, sized(result, wide));
    Ok(())
}

/// Instructions with register operands.
pub(super) fn register(state: &mut State, instruction: u32) -> Result<(), Trap> {
    let wide = bit(instruction, 31);
    let (rd, rn, rm) = (bits(instruction, 0, 5), bits(instruction, 5, 5), bits(instruction, 16, 5));
    match (bit(instruction, 28), bits(instruction, 21, 4)) {
        (false, 0b0000..=0b0111) => {
            let amount = bits(instruction, 10, 6);
            if !wide && amount > 31 {
                return Err(Trap::UNDEFINED);
            }
            let operand = shifted(state.x(rm), bits(instruction, 22, 2), amount, wide);
            let operand = if bit(instruction, 21) { !operand } else { operand };
            let result = logic(state, bits(instruction, 29, 2), state.x(rn), operand, wide);
            state.set_x(rd, result);
        }
        (false, 0b1000 | 0b1010 | 0b1100) => {
            let amount = bits(instruction, 10, 6);
            if !wide && amount > 31 {
                return Err(Trap::UNDEFINED);
            }
            let operand = shifted(state.x(rm), bits(instruction, 22, 2), amount, wide);
            let left = state.x(rn);
            let result = add(state, instruction, left, operand, wide);
            state.set_x(rd, result);
        }
        (false, 0b1001) => {
            let shift = bits(instruction, 10, 3);
            if shift > 4 {
                return Err(Trap::UNDEFINED);
            }
            let operand = extended(state.x(rm), bits(instruction, 13, 3)) << shift;
            let left = state.x_or_sp(rn);
            let result = add(state, instruction, left, operand, wide);
            if bit(instruction, 29) {
                state.set_x(rd, result);
            } else {
                state.set_x_or_sp(rd, result);
            }
        }
        (true, 0b0000) if bits(instruction, 10, 6) == 0 => {
            // ADC and SBC.
            let operand = if bit(instruction, 30) { !state.x(rm) } else { state.x(rm) };
            let carry = state.pstate.has(1 << 29);
            let (result, flags) = add_with_carry(state.x(rn), operand, carry, wide);
            if bit(instruction, 29) {
                set_flags(state, flags);
            }
            state.set_x(rd, result);
        }
        (true, 0b0010) if bit(instruction, 29) && bits(instruction, 10, 1) == 0 && !bit(instruction, 4) => {
            // CCMN and CCMP.
            if state.pstate.holds(bits(instruction, 12, 4)) {
                let operand = if bit(instruction, 11) { u64::from(rm) } else { state.x(rm) };
                let subtract = bit(instruction, 30);
                let operand = if subtract { !operand } else { operand };
                let (_, flags) = add_with_carry(state.x(rn), operand, subtract, wide);
                set_flags(state, flags);
            } else {
                state.pstate = Pstate(state.pstate.0 & !Pstate::NZCV | bits(instruction, 0, 4) << 28);
            }
        }
        (true, 0b0100) if !bit(instruction, 29) && !bit(instruction, 11) => {
            let result = if state.pstate.holds(bits(instruction, 12, 4)) {
                state.x(rn)
            } else {
                let other = state.x(rm);
                match (bit(instruction, 30), bit(instruction, 10)) {
                    (false, false) => other,
                    (false, true) => other.wrapping_add(1),
                    (true, false) => !other,
                    (true, true) => other.wrapping_neg(),
                }
            };
            state.set_x(rd, sized(result, wide));
        }
        (true, 0b0110) if !bit(instruction, 29) => {
            let result = if bit(instruction, 30) {
                one_source(bits(instruction, 10, 11), state.x(rn), wide)
            } else {
                two_sources(bits(instruction, 10, 6), state.x(rn), state.x(rm), wide)
            };
            state.set_x(rd, result.ok_or(Trap::UNDEFINED)?);
        }
        (true, 0b1000..=0b1111) if bits(instruction, 29, 2) == 0 => multiply(state, instruction, wide)?,
        _ => return Err(Trap::UNDEFINED),
    }
    Ok(())
}

fn one_source(opcode: u32, value: u64, wide: bool) -> Option<u64> {
    let bits = if wide { 64 } else { 32 };
    let value = sized(value, wide);
    let swap = |bytes: u32| {
        value
            .to_le_bytes()
            .chunks(bytes as usize)
            .flat_map(|chunk| chunk.iter().rev().copied())
            .enumerate()
            .fold(0, |result, (place, byte)| result | u64::from(byte) << (8 * place))
    };
    Some(match opcode {
        0 => value.reverse_bits() >> (64 - bits),
        1 => swap(2),
        2 => swap(4),
        3 if wide => swap(8),
        4 => u64::from(value.leading_zeros()) - (64 - bits),
        // CLS: bits below the sign that equal it.
        5 => {
            let signed = (value << (64 - bits)) as i64;
            u64::from((signed ^ signed >> 1).leading_zeros()).min(bits) - 1
        }
        _ => return None,
    })
}

fn two_sources(opcode: u32, left: u64, right: u64, wide: bool) -> Option<u64> {
    let bits = if wide { 64 } else { 32 };
    let (left, right) = (sized(left, wide), sized(right, wide));
    let signs = |value: u64| ((value << (64 - bits)) as i64) >> (64 - bits);
    let amount = (right % bits) as u32;
    Some(match opcode {
        0b00_0010 => left.checked_div(right).unwrap_or(0),
        0b00_0011 if right == 0 => 0,
        0b00_0011 => sized(signs(left).wrapping_div(signs(right)) as u64, wide),
        0b00_1000..=0b00_1011 => shifted(left, opcode & 0b11, amount, wide),
        _ => return None,
    })
}

fn multiply(state: &mut State, instruction: u32, wide: bool) -> Result<(), Trap> {
    let (rd, rn) = (bits(instruction, 0, 5), bits(instruction, 5, 5));
    let (ra, rm) = (bits(instruction, 10, 5), bits(instruction, 16, 5));
    let (left, right, addend) = (state.x(rn), state.x(rm), state.x(ra));
    let subtract = bit(instruction, 15);
    let product = match (bits(instruction, 21, 3), wide) {
        (0b000, _) => left.wrapping_mul(right),
        (0b001, true) => i64::from(left as i32).wrapping_mul(i64::from(right as i32)) as u64,
        (0b101, true) => (left & 0xffff_ffff) * (right & 0xffff_ffff),
        (0b010, true) if !subtract => {
            state.set_x(rd, ((i128::from(left as i64) * i128::from(right as i64)) >> 64) as u64);
            return Ok(());
        }
        (0b110, true) if !subtract => {
            state.set_x(rd, ((u128::from(left) * u128::from(right)) >> 64) as u64);
            return Ok(());
        }
        _ => return Err(Trap::UNDEFINED),
    };
    let result = if subtract { addend.wrapping_sub(product) } else { addend.wrapping_add(product) };
    state.set_x(rd, sized(result, wide));
    Ok(())
}

/// N, Z, C and V.
type Flags = [bool; 4];

fn set_flags(state: &mut State, [n, z, c, v]: Flags) {
    state.pstate = state.pstate.with_flags(n, z, c, v);
}

/// ADD, ADDS, SUB or SUBS, as bits 30 and 29 of the instruction say.
fn add(state: &mut State, instruction: u32, left: u64, right: u64, wide: bool) -> u64 {
    let subtract = bit(instruction, 30);
    let right = if subtract { !right } else { right };
    let (result, flags) = add_with_carry(left, right, subtract, wide);
    if bit(instruction, 29) {
        set_flags(state, flags);
    }
    result
}

/// DDI 0487, "AddWithCarry".
pub(super) fn add_with_carry(left: u64, right: u64, carry: bool, wide: bool) -> (u64, Flags) {
    let shift = if wide { 0 } else { 32 };
    let (left, right) = (sized(left, wide), sized(right, wide));
    let sum = u128::from(left) + u128::from(right) + u128::from(carry);
    let result = sized(sum as u64, wide);
    let sign = |value: u64| ((value << shift) as i64) < 0;
    let overflow = sign(left) == sign(right) && sign(left) != sign(result);
    (result, [sign(result), result == 0, u128::from(result) != sum, overflow])
}

/// AND, ORR, EOR or ANDS.
fn logic(state: &mut State, opcode: u32, left: u64, right: u64, wide: bool) -> u64 {
    let result = sized(
        match opcode {
            0b01 => left | right,
            0b10 => left ^ right,
            _ => left & right,
        },
        wide,
    );
    if opcode == 0b11 {
        let negative = result >> if wide { 63 } else { 31 } & 1 != 0;
        set_flags(state, [negative, result == 0, false, false]);
    }
    result
}

/// LSL, LSR, ASR or ROR.
fn shifted(value: u64, kind: u32, amount: u32, wide: bool) -> u64 {
    let value = sized(value, wide);
    let result = match (kind, wide) {
        (0, _) => value << amount,
        (1, _) => value >> amount,
        (2, true) => (value as i64 >> amount) as u64,
        (2, false) => (value as u32 as i32 >> amount) as u64,
        (_, true) => value.rotate_right(amount),
        (_, false) => u64::from((value as u32).rotate_right(amount)),
    };
    sized(result, wide)
}

/// UXTB to SXTX.
pub(super) const fn extended(value: u64, option: u32) -> u64 {
    match option {
        0b000 => value as u8 as u64,
        0b001 => value as u16 as u64,
        0b010 => value as u32 as u64,
        0b100 => value as i8 as i64 as u64,
        0b101 => value as i16 as i64 as u64,
        0b110 => value as i32 as i64 as u64,
        _ => value,
    }
}

/// The masks of an immediate, or of a bitfield: which bits are written, and which come from the source
/// ("DecodeBitMasks").
fn masks(instruction: u32, wide: bool, immediate: bool) -> Option<(u64, u64)> {
    let (n, rotate, size) = (bits(instruction, 22, 1), bits(instruction, 16, 6), bits(instruction, 10, 6));
    if !wide && n != 0 {
        return None;
    }
    let length = 31_u32.checked_sub((n << 6 | !size & 0x3f).leading_zeros())?;
    let levels = (1_u32 << length) - 1;
    if length == 0 || (immediate && size & levels == levels) {
        return None;
    }
    let (s, r) = (size & levels, rotate & levels);
    let element = 1_u32 << length;
    let ones = |count: u32| u64::MAX >> (63 - count);
    let replicate =
        |pattern: u64| (0..64).step_by(element as usize).fold(0, |value, place| value | pattern << place);
    let within = |pattern: u64| pattern & ones(element - 1);
    let welem = ones(s);
    let rotated = if r == 0 { welem } else { within(welem >> r | welem << (element - r)) };
    let telem = ones(s.wrapping_sub(r) & levels);
    Some((sized(replicate(rotated), wide), sized(replicate(telem), wide)))
}
