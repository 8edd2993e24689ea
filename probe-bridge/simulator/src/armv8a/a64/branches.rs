//! Branches, exceptions and system instructions.

use super::registers::{read, write};
use super::{Context, bit, bits, signed, sized};
use crate::armv8a::state::Pstate;
use crate::armv8a::system_registers::{ELR_EL1, SPSR_EL1, SystemRegister};
use crate::armv8a::trap::{Exception, Trap};

/// Whatever has 101 in bits 28 to 26.
pub(super) fn execute(context: &mut Context<'_>, instruction: u32) -> Result<(), Trap> {
    if context.external.is_halted() {
        // The program counter means nothing in Debug state: no branches, but for the two that change levels.
        return match instruction {
            0xd4a0_0001 => {
                let sp = context.state.pstate.0 & 1;
                context.state.pstate = Pstate(
                    context.state.pstate.0 & !0xf
                        | 0b0100
                        | if context.state.pstate.el() == 0 { 1 } else { sp },
                );
                Ok(())
            }
            0xd6bf_03e0 => {
                let spsr = context.state.system.read(SPSR_EL1) as u32;
                context.state.pstate = Pstate(context.state.pstate.0 & !0xf | spsr & 0xf);
                Ok(())
            }
            _ if bits(instruction, 22, 10) == 0b11_0101_0100 => system(context, instruction),
            _ => Err(Trap::UNDEFINED),
        };
    }
    let state = &mut *context.state;
    let wide = bit(instruction, 31);
    match bits(instruction, 29, 3) {
        // B and BL.
        0b000 | 0b100 => {
            if wide {
                state.set_x(30, state.next_pc);
            }
            state.next_pc = state.pc.wrapping_add((signed(bits(instruction, 0, 26), 26) << 2) as u64);
        }
        // CBZ and CBNZ, TBZ and TBNZ.
        0b001 | 0b101 => {
            let value = state.x(bits(instruction, 0, 5));
            let negated = bit(instruction, 24);
            let (taken, offset) = if bit(instruction, 25) {
                let number = bits(instruction, 31, 1) << 5 | bits(instruction, 19, 5);
                ((value >> number & 1 != 0) == negated, signed(bits(instruction, 5, 14), 14))
            } else {
                ((sized(value, wide) != 0) == negated, signed(bits(instruction, 5, 19), 19))
            };
            if taken {
                state.next_pc = state.pc.wrapping_add((offset << 2) as u64);
            }
        }
        0b010 if bits(instruction, 24, 2) == 0 && !bit(instruction, 4) => {
            if state.pstate.holds(bits(instruction, 0, 4)) {
                state.next_pc = state.pc.wrapping_add((signed(bits(instruction, 5, 19), 19) << 2) as u64);
            }
        }
        0b110 => match bits(instruction, 24, 2) {
            0b00 => return exception(context, instruction),
            0b01 if bits(instruction, 22, 2) == 0 => return system(context, instruction),
            0b10 | 0b11 => return to_register(context, instruction),
            _ => return Err(Trap::UNDEFINED),
        },
        _ => return Err(Trap::UNDEFINED),
    }
    Ok(())
}

fn exception(context: &mut Context<'_>, instruction: u32) -> Result<(), Trap> {
    let comment = bits(instruction, 5, 16);
    match (bits(instruction, 21, 3), bits(instruction, 0, 5)) {
        (0b000, 0b0_0001) => Err(Trap::Exception(Exception {
            class: Trap::SVC,
            syndrome: comment,
            address: None,
            after: true,
        })),
        (0b000, 0b0_0010 | 0b0_0011) if context.state.pstate.el() > 0 => Err(Trap::Call),
        (0b001, 0) => Err(Trap::exception(Trap::BRK, comment)),
        (0b010, 0) if context.external.instruction_halts() => Err(Trap::Halt),
        _ => Err(Trap::UNDEFINED),
    }
}

fn to_register(context: &mut Context<'_>, instruction: u32) -> Result<(), Trap> {
    let state = &mut *context.state;
    if bits(instruction, 10, 11) != 0b111_1100_0000 || bits(instruction, 0, 5) != 0 {
        return Err(Trap::UNDEFINED);
    }
    let target = state.x(bits(instruction, 5, 5));
    match bits(instruction, 21, 4) {
        // BR and RET.
        0b0000 | 0b0010 => state.next_pc = target,
        // BLR.
        0b0001 => {
            state.set_x(30, state.next_pc);
            state.next_pc = target;
        }
        // ERET.
        0b0100 if bits(instruction, 5, 5) == 31 && state.pstate.el() > 0 => {
            let spsr = state.system.read(SPSR_EL1) as u32;
            state.next_pc = state.system.read(ELR_EL1);
            state.exclusive = None;
            // A return to a higher level, to AArch32 or to EL0 with SP_EL1 is illegal: the level stays, and IL is set.
            state.pstate = match spsr & 0x1f {
                0b0_0000 | 0b0_0100 | 0b0_0101 => Pstate(spsr & Pstate::MASK),
                _ => Pstate(spsr & Pstate::MASK & !0xf | state.pstate.0 & 0xf | 1 << 20),
            };
        }
        _ => return Err(Trap::UNDEFINED),
    }
    Ok(())
}

fn system(context: &mut Context<'_>, instruction: u32) -> Result<(), Trap> {
    let rt = bits(instruction, 0, 5);
    let (op1, op2) = (bits(instruction, 16, 3), bits(instruction, 5, 3));
    let (crn, crm) = (bits(instruction, 12, 4), bits(instruction, 8, 4));
    match (bit(instruction, 21), bits(instruction, 19, 2), crn) {
        // Hints: WFE and SEV have nobody to wait for.
        (false, 0, 0b0010) if op1 == 3 && rt == 31 => match (crm, op2) {
            (0, 3) => Err(Trap::Wait),
            _ => Ok(()),
        },
        // CLREX, DSB, DMB, ISB.
        (false, 0, 0b0011) if op1 == 3 && rt == 31 => match op2 {
            2 => {
                context.state.exclusive = None;
                Ok(())
            }
            4..=6 => Ok(()),
            _ => Err(Trap::UNDEFINED),
        },
        (false, 0, 0b0100) if rt == 31 => msr_immediate(context, op1, op2, crm),
        // SYS: there are no caches, and the TLB holds nothing.
        (false, 1, 7 | 8) => match (op1, crn, crm, op2) {
            (3, 7, 4, 1) => zero_block(context, rt),
            (0, 7, 1 | 5, 0) | (3, 7, 5, 1) => Ok(()),
            (0, 7, 6 | 10 | 14, _) | (3, 7, 10 | 11 | 14, 1) => Ok(()),
            (0, 8, 3 | 7, _) if context.state.pstate.el() > 0 => Ok(()),
            _ => Err(Trap::UNDEFINED),
        },
        (false, 2 | 3, _) => {
            let value = context.state.x(rt);
            write(context, SystemRegister::of(instruction), value)
        }
        (true, 2 | 3, _) => {
            let value = read(context, SystemRegister::of(instruction))?;
            context.state.set_x(rt, value);
            Ok(())
        }
        _ => Err(Trap::UNDEFINED),
    }
}

fn msr_immediate(context: &mut Context<'_>, op1: u32, op2: u32, value: u32) -> Result<(), Trap> {
    let state = &mut *context.state;
    let el0 = state.pstate.el() == 0;
    state.pstate = Pstate(match (op1, op2) {
        (0, 5) if !el0 => state.pstate.0 & !1 | value & 1,
        (3, 6) if !el0 => state.pstate.0 | value << 6,
        (3, 7) if !el0 => state.pstate.0 & !(value << 6),
        _ => return Err(Trap::UNDEFINED),
    });
    Ok(())
}

/// `DC ZVA`: one block, as large as `DCZID_EL0` says.
fn zero_block(context: &mut Context<'_>, rt: u32) -> Result<(), Trap> {
    const BLOCK: u64 = 64;
    let start = context.state.x(rt) & !(BLOCK - 1);
    context.check_watchpoints(start, BLOCK, true)?;
    for place in 0..BLOCK / 8 {
        context.store_unwatched(start + 8 * place, 8, 0)?;
    }
    Ok(())
}
