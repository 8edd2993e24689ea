//! `MRS` and `MSR`: registers that are more than a place for a value.

use super::Context;
use crate::armv8a::state::Pstate;
use crate::armv8a::system_registers::{special::*, *};
use crate::armv8a::trap::Trap;

/// What `MRS` reads.
pub(super) fn read(context: &mut Context<'_>, register: SystemRegister) -> Result<u64, Trap> {
    check_level(context, register)?;
    let halted = context.external.is_halted();
    let state = &mut *context.state;
    Ok(match register {
        SP_EL0 if state.pstate.sp_sel() => state.sp[0],
        SPSEL => u64::from(state.pstate.0 & 1),
        CURRENT_EL => u64::from(state.pstate.el()) << 2,
        NZCV => u64::from(state.pstate.0 & Pstate::NZCV),
        DAIF => u64::from(state.pstate.0 & Pstate::DAIF),
        FPCR | FPSR => {
            check_fp(context)?;
            if register == FPCR { context.state.fpcr } else { context.state.fpsr }
        }
        DSPSR_EL0 if halted => u64::from(context.external.dspsr),
        DLR_EL0 if halted => context.external.dlr,
        DBGDTR_EL0 => context.external.receive(true),
        DBGDTRX_EL0 => context.external.receive(false),
        OSLSR_EL1 => 0b1000 | u64::from(context.external.os_lock) << 1,
        OSDLR_EL1 => 0,
        CNTVCT_EL0 => context.machine.counter,
        CNTV_TVAL_EL0 => {
            u64::from(state.system.read(CNTV_CVAL_EL0).wrapping_sub(context.machine.counter) as u32)
        }
        CNTV_CTL_EL0 => {
            let due = context.machine.counter >= state.system.read(CNTV_CVAL_EL0);
            state.system.read(CNTV_CTL_EL0) | u64::from(due) << 2
        }
        ICC_IAR1_EL1 => u64::from(context.machine.gic.acknowledge(state.number)),
        ICC_PMR_EL1 => u64::from(context.machine.gic.priority_mask(state.number).copied().unwrap_or(0)),
        ICC_IGRPEN1_EL1 => u64::from(context.machine.gic.group_1(state.number).copied().unwrap_or(false)),
        _ => state.system.get(register).ok_or(Trap::UNDEFINED)?,
    })
}

/// What `MSR` writes.
pub(super) fn write(context: &mut Context<'_>, register: SystemRegister, value: u64) -> Result<(), Trap> {
    check_level(context, register)?;
    let halted = context.external.is_halted();
    let state = &mut *context.state;
    match register {
        SP_EL0 if state.pstate.sp_sel() => state.sp[0] = value,
        SPSEL => state.pstate = Pstate(state.pstate.0 & !1 | value as u32 & 1),
        NZCV => state.pstate = Pstate(state.pstate.0 & !Pstate::NZCV | value as u32 & Pstate::NZCV),
        DAIF => state.pstate = Pstate(state.pstate.0 & !Pstate::DAIF | value as u32 & Pstate::DAIF),
        FPCR | FPSR => {
            check_fp(context)?;
            let place = if register == FPCR { &mut context.state.fpcr } else { &mut context.state.fpsr };
            *place = value & 0xffff_ffff;
        }
        DSPSR_EL0 if halted => context.external.dspsr = value as u32,
        DLR_EL0 if halted => context.external.dlr = value,
        DBGDTR_EL0 => context.external.transmit(value, true),
        DBGDTRX_EL0 => context.external.transmit(value, false),
        OSLAR_EL1 => context.external.os_lock = value & 1 != 0,
        OSDLR_EL1 => {}
        CNTV_TVAL_EL0 => {
            let due = context.machine.counter.wrapping_add(value as u32 as i32 as u64);
            state.system.set(CNTV_CVAL_EL0, due);
        }
        ICC_EOIR1_EL1 => context.machine.gic.end(state.number, value as u32),
        ICC_PMR_EL1 => {
            if let Some(mask) = context.machine.gic.priority_mask(state.number) {
                *mask = value as u8;
            }
        }
        ICC_IGRPEN1_EL1 => {
            if let Some(enabled) = context.machine.gic.group_1(state.number) {
                *enabled = value & 1 != 0;
            }
        }
        _ => state.system.put(register, value).ok_or(Trap::UNDEFINED)?,
    }
    Ok(())
}

fn check_level(context: &Context<'_>, register: SystemRegister) -> Result<(), Trap> {
    if context.state.pstate.el() < register.lowest_el() { Err(Trap::UNDEFINED) } else { Ok(()) }
}

/// `CPACR_EL1.FPEN`. In Debug state it traps as well.
pub(super) fn check_fp(context: &Context<'_>) -> Result<(), Trap> {
    let allowed = match context.state.system.read(CPACR_EL1) >> 20 & 0b11 {
        0b11 => true,
        0b01 => context.state.pstate.el() > 0,
        _ => false,
    };
    // COND and CV of the syndrome: always.
    if allowed { Ok(()) } else { Err(Trap::exception(Trap::FP_DISABLED, 0x1e << 20)) }
}
