//! SIMD and floating point: moves, and the arithmetic of single and double precision scalars.

use super::registers::check_fp;
use super::{Context, bit, bits};
use crate::armv8a::state::State;
use crate::armv8a::trap::Trap;

/// Whatever has x111 in bits 28 to 25.
pub(super) fn execute(context: &mut Context<'_>, instruction: u32) -> Result<(), Trap> {
    check_fp(context)?;
    let state = &mut *context.state;
    match bits(instruction, 24, 8) {
        0b0001_1110 | 0b1001_1110 if bit(instruction, 21) => scalar(state, instruction),
        0b0000_1110 | 0b0100_1110 | 0b0110_1110 if bits(instruction, 21, 3) == 0 && bit(instruction, 10) => {
            copy(state, instruction)
        }
        0b0000_1110 | 0b0100_1110 | 0b0010_1110 | 0b0110_1110
            if bit(instruction, 21) && bits(instruction, 10, 6) == 0b00_0111 =>
        {
            logic(state, instruction)
        }
        0b0000_1111 | 0b0100_1111 | 0b0010_1111 | 0b0110_1111 if bits(instruction, 19, 5) == 0 => {
            modified_immediate(state, instruction)
        }
        _ => Err(Trap::UNDEFINED),
    }
}

/// DUP, INS, UMOV and SMOV between elements and general registers.
fn copy(state: &mut State, instruction: u32) -> Result<(), Trap> {
    let (rd, rn) = (bits(instruction, 0, 5), bits(instruction, 5, 5));
    let selector = bits(instruction, 16, 5);
    let log = selector.trailing_zeros();
    if log > 3 {
        return Err(Trap::UNDEFINED);
    }
    let (size, index) = (8 << log, selector >> (log + 1));
    let mask = u128::MAX >> (128 - size);
    let full = bit(instruction, 30);
    let element = state.v(rn) >> (size * index) & mask;
    let replicate = |value: u128| {
        (0..if full { 128 } else { 64 }).step_by(size as usize).fold(0, |all, place| all | value << place)
    };
    let insert = |state: &mut State, value: u128| {
        let old = state.v(rd) & !(mask << (size * index));
        state.set_v(rd, old | value << (size * index));
    };
    match (bit(instruction, 29), bits(instruction, 11, 4)) {
        (false, 0b0000) => state.set_v(rd, replicate(element)),
        (false, 0b0001) => state.set_v(rd, replicate(u128::from(state.x(rn)) & mask)),
        (false, 0b0011) if full => {
            let value = u128::from(state.x(rn)) & mask;
            insert(state, value);
        }
        (false, 0b0101) if log < 3 => {
            let shift = 64 - size;
            let value = ((element as u64) << shift) as i64 >> shift;
            state.set_x(rd, if full { value as u64 } else { u64::from(value as u32) });
        }
        (false, 0b0111) => state.set_x(rd, element as u64),
        (true, _) => {
            let from = bits(instruction, 11, 4) >> log;
            let value = state.v(rn) >> (size * from) & mask;
            insert(state, value);
        }
        _ => return Err(Trap::UNDEFINED),
    }
    Ok(())
}

/// AND, BIC, ORR, ORN, EOR, BSL, BIT, BIF of whole registers.
fn logic(state: &mut State, instruction: u32) -> Result<(), Trap> {
    let (rd, rn, rm) = (bits(instruction, 0, 5), bits(instruction, 5, 5), bits(instruction, 16, 5));
    let (d, n, m) = (state.v(rd), state.v(rn), state.v(rm));
    let result = match (bit(instruction, 29), bits(instruction, 22, 2)) {
        (false, 0b00) => n & m,
        (false, 0b01) => n & !m,
        (false, 0b10) => n | m,
        (false, _) => n | !m,
        (true, 0b00) => n ^ m,
        (true, 0b01) => m ^ (m ^ n) & d,
        (true, 0b10) => d ^ (d ^ n) & m,
        (true, _) => d ^ (d ^ n) & !m,
    };
    let mask = if bit(instruction, 30) { u128::MAX } else { u128::from(u64::MAX) };
    state.set_v(rd, result & mask);
    Ok(())
}

/// MOVI and MVNI of bytes, and of 64-bit masks ("AdvSIMDExpandImm").
fn modified_immediate(state: &mut State, instruction: u32) -> Result<(), Trap> {
    let value = u64::from(bits(instruction, 16, 3) << 5 | bits(instruction, 5, 5));
    if bits(instruction, 10, 2) != 0b01 {
        return Err(Trap::UNDEFINED);
    }
    let element = match (bits(instruction, 12, 4), bit(instruction, 29)) {
        (0b1110, false) => value * 0x0101_0101_0101_0101,
        (0b1110, true) => (0..8).fold(0, |all, n| all | ((value >> n & 1) * 0xff) << (8 * n)),
        (mode @ (0b0000 | 0b0010 | 0b0100 | 0b0110), inverted) => {
            let word = value << (4 * mode);
            let both = word << 32 | word;
            if inverted { !both } else { both }
        }
        _ => return Err(Trap::UNDEFINED),
    };
    let high = if bit(instruction, 30) { u128::from(element) << 64 } else { 0 };
    state.set_v(bits(instruction, 0, 5), high | u128::from(element));
    Ok(())
}

/// Scalars: one and two sources, comparisons, immediates, moves to and from general registers, conversions.
fn scalar(state: &mut State, instruction: u32) -> Result<(), Trap> {
    let (rd, rn, rm) = (bits(instruction, 0, 5), bits(instruction, 5, 5), bits(instruction, 16, 5));
    let double = match bits(instruction, 22, 2) {
        0b00 => false,
        0b01 => true,
        // FMOV between a general register and the upper half.
        0b10 if bit(instruction, 31)
            && bits(instruction, 17, 4) == 0b0111
            && bits(instruction, 10, 6) == 0 =>
        {
            if bit(instruction, 16) {
                let low = state.v(rd) & u128::from(u64::MAX);
                state.set_v(rd, u128::from(state.x(rn)) << 64 | low);
            } else {
                state.set_x(rd, (state.v(rn) >> 64) as u64);
            }
            return Ok(());
        }
        _ => return Err(Trap::UNDEFINED),
    };
    let value = |state: &State, register: u32| {
        let bits = state.v(register) as u64;
        if double { f64::from_bits(bits) } else { f64::from(f32::from_bits(bits as u32)) }
    };
    let encode =
        |value: f64| u128::from(if double { value.to_bits() } else { u64::from((value as f32).to_bits()) });
    match bits(instruction, 10, 6) {
        0b00_0000 => return convert(state, instruction, double),
        _ if bit(instruction, 31) => return Err(Trap::UNDEFINED),
        low if low & 0b11 == 0b10 => {
            // A sum of two singles in double precision, rounded once more, is the single precision one.
            let (left, right) = (value(state, rn), value(state, rm));
            let result = match low >> 2 {
                0b0000 => left * right,
                0b0001 => left / right,
                0b0010 => left + right,
                0b0011 => left - right,
                0b1000 => -(left * right),
                _ => return Err(Trap::UNDEFINED),
            };
            state.set_v(rd, encode(result));
        }
        low if low & 0b1_1111 == 0b1_0000 => {
            let raw = state.v(rn) as u64;
            let sign = if double { 1 << 63 } else { 1 << 31 };
            let raw = if double { raw } else { raw & 0xffff_ffff };
            let result = match bits(instruction, 15, 6) {
                0b00_0000 => raw,
                0b00_0001 => raw & !sign,
                0b00_0010 => raw ^ sign,
                0b00_0011 => encode(value(state, rn).sqrt()) as u64,
                0b00_0100 if double => return Err(Trap::UNDEFINED),
                0b00_0101 if !double => f64::from(f32::from_bits(raw as u32)).to_bits(),
                _ => return Err(Trap::UNDEFINED),
            };
            state.set_v(rd, u128::from(result));
        }
        0b00_1000 if rd & 0b00111 == 0 => {
            // FCMP and FCMPE, with a register or with zero.
            let right = if rd & 0b01000 != 0 { 0.0 } else { value(state, rm) };
            let flags = match value(state, rn).partial_cmp(&right) {
                Some(std::cmp::Ordering::Less) => [true, false, false, false],
                Some(std::cmp::Ordering::Equal) => [false, true, true, false],
                Some(std::cmp::Ordering::Greater) => [false, false, true, false],
                None => [false, false, true, true],
            };
            state.pstate = state.pstate.with_flags(flags[0], flags[1], flags[2], flags[3]);
        }
        low if low & 0b111 == 0b100 && rn == 0 => {
            state.set_v(rd, encode(immediate(bits(instruction, 13, 8))));
        }
        _ => return Err(Trap::UNDEFINED),
    }
    Ok(())
}

/// FMOV between registers, SCVTF, UCVTF, FCVTZS and FCVTZU.
fn convert(state: &mut State, instruction: u32, double: bool) -> Result<(), Trap> {
    let (rd, rn) = (bits(instruction, 0, 5), bits(instruction, 5, 5));
    let wide = bit(instruction, 31);
    let float = {
        let raw = state.v(rn) as u64;
        if double { f64::from_bits(raw) } else { f64::from(f32::from_bits(raw as u32)) }
    };
    let x = if wide { state.x(rn) } else { state.x(rn) & 0xffff_ffff };
    let encode = |double_value: f64, single: f32| {
        u128::from(if double { double_value.to_bits() } else { u64::from(single.to_bits()) })
    };
    match (bits(instruction, 19, 2), bits(instruction, 16, 3)) {
        (0b00, 0b010) if wide => state.set_v(rd, encode(x as i64 as f64, x as i64 as f32)),
        (0b00, 0b010) => state.set_v(rd, encode(f64::from(x as i32), x as i32 as f32)),
        (0b00, 0b011) => state.set_v(rd, encode(x as f64, x as f32)),
        // Conversions saturate, as these casts do.
        (0b11, 0b000) if wide => state.set_x(rd, float as i64 as u64),
        (0b11, 0b000) => state.set_x(rd, u64::from(float as i32 as u32)),
        (0b11, 0b001) if wide => state.set_x(rd, float as u64),
        (0b11, 0b001) => state.set_x(rd, u64::from(float as u32)),
        (0b00, 0b110) if wide == double => {
            let raw = state.v(rn) as u64;
            state.set_x(rd, if wide { raw } else { raw & 0xffff_ffff });
        }
        (0b00, 0b111) if wide == double => state.set_v(rd, u128::from(x)),
        _ => return Err(Trap::UNDEFINED),
    }
    Ok(())
}

/// An 8-bit floating-point immediate ("VFPExpandImm").
fn immediate(bits: u32) -> f64 {
    let exponent = if bits >> 6 & 1 != 0 { 0x3fc } else { 0x400 } | bits >> 4 & 0b11;
    let sign = u64::from(bits >> 7) << 63;
    f64::from_bits(sign | u64::from(exponent) << 52 | u64::from(bits & 0xf) << 48)
}
