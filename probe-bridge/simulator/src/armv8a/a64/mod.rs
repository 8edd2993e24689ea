//! The A64 instructions that this core has (DDI 0487, "A64 Instruction Set Encoding").
//!
//! | group | what is there |
//! |---|---|
//! | data processing | all of Armv8.0, but for the CRC32 instructions |
//! | branches | all of Armv8.0 |
//! | system | hints, barriers, `MRS`/`MSR`, `SVC`, `HVC`, `SMC`, `BRK`, `HLT`, `DCPS1`, `DRPS`, `ERET`, cache and TLB upkeep |
//! | loads and stores | all of Armv8.0 for general registers; single registers and pairs for SIMD&FP |
//! | FP and SIMD | moves between and within registers, arithmetic and comparisons of double and single precision scalars |
//!
//! Everything else is UNDEFINED, never skipped.

mod branches;
mod data;
mod memory;
mod registers;
mod vector;

use super::external::External;
use super::state::State;
use super::trap::Trap;
use crate::machine::Machine;

/// What an instruction works on.
pub(super) struct Context<'a> {
    pub(super) state: &'a mut State,
    pub(super) external: &'a mut External,
    pub(super) machine: &'a mut Machine,
}

/// Executes one instruction. In Debug state, it is one of the debugger's.
///
/// # Errors
/// Why it did not complete.
pub fn execute(
    state: &mut State,
    external: &mut External,
    machine: &mut Machine,
    instruction: u32,
) -> Result<(), Trap> {
    let mut context = Context { state, external, machine };
    match bits(instruction, 25, 4) {
        0b1000 | 0b1001 => data::immediate(context.state, instruction),
        0b1010 | 0b1011 => branches::execute(&mut context, instruction),
        0b0100 | 0b0110 | 0b1100 | 0b1110 => memory::execute(&mut context, instruction),
        0b0101 | 0b1101 => data::register(context.state, instruction),
        0b0111 | 0b1111 => vector::execute(&mut context, instruction),
        _ => Err(Trap::UNDEFINED),
    }
}

/// `width` bits of an instruction from bit `low` on.
const fn bits(instruction: u32, low: u32, width: u32) -> u32 {
    instruction >> low & ((1 << width) - 1)
}

/// One bit.
const fn bit(instruction: u32, number: u32) -> bool {
    instruction >> number & 1 != 0
}

/// A field as a signed number.
const fn signed(field: u32, width: u32) -> i64 {
    ((field << (32 - width)) as i32 >> (32 - width)) as i64
}

/// A value as one of 32 or 64 bits.
const fn sized(value: u64, wide: bool) -> u64 {
    if wide { value } else { value & 0xffff_ffff }
}

#[cfg(test)]
mod tests;
