//! An exception that is given back enters where the manual says, and the return from it leads to the same state.

use arbitrary::Arbitrary;
use trapline_core::injection::{Before, Exception, Features, aarch32, enter_el1};
use trapline_core::registers::{Cpsr, ExceptionLevel, Mode, Pstate, SctlrEl1};
use trapline_core::syndrome::{ExceptionClass, Syndrome};

use crate::read;

/// A core and an exception.
#[derive(Arbitrary, Debug)]
struct Input {
    pc: u64,
    pstate: u64,
    /// Of the modes that there are.
    mode: Option<u8>,
    vbar: u64,
    sctlr: u64,
    exlock_enabled: bool,
    ids: [u64; 3],
    syndrome: u64,
    fault_address: Option<u64>,
    tcr: u64,
    mdscr: u32,
}

const MODES: [u64; 10] = [0x00, 0x04, 0x05, 0x10, 0x11, 0x12, 0x13, 0x17, 0x1b, 0x1f];

/// Enters and returns.
///
/// # Panics
/// Where something is lost on the way.
pub fn check(data: &[u8]) {
    let Some(input) = read::<Input>(data) else { return };
    let pstate = match input.mode {
        Some(mode) => input.pstate & !0x1f | MODES[usize::from(mode) % MODES.len()],
        None => input.pstate,
    };
    let pstate = Pstate::from_bits(pstate);
    let features = Features::from_id_registers(input.ids[0], input.ids[1], input.ids[2]);
    let sctlr_el1 = SctlrEl1::from_bits(input.sctlr);
    let before = Before {
        pc: input.pc,
        pstate,
        vbar_el1: input.vbar,
        sctlr_el1,
        exlock_enabled: input.exlock_enabled,
        features,
    };
    let exception = Exception { syndrome: input.syndrome, fault_address: input.fault_address };
    let after = enter_el1(&before, &exception);
    // ERET: PC from ELR_EL1, PSTATE from SPSR_EL1.
    assert_eq!((after.elr_el1, after.spsr_el1), (input.pc, pstate));
    assert_eq!((after.pstate.mode(), after.pstate.daif()), (Mode::El1h, Pstate::DAIF));
    assert!(!after.pstate.ss() && !after.pstate.il());
    let offset = match (pstate.is_aarch32(), pstate.exception_level()) {
        (true, _) => 0x600,
        (_, ExceptionLevel::El0) => 0x400,
        (_, ExceptionLevel::El1) if pstate.mode() == Mode::El1t => 0,
        (_, ExceptionLevel::El1) if pstate.mode() == Mode::El1h => 0x200,
        // Not of the guest's EL1 and EL0.
        _ => after.pc & 0x7ff,
    };
    assert_eq!(after.pc, input.vbar & !0x7ff | offset);
    assert_eq!(after.far_el1, input.fault_address);
    let (class, original) = (
        ExceptionClass::from_bits((after.esr_el1 >> 26) as u8),
        ExceptionClass::from_bits((input.syndrome >> 26) as u8),
    );
    assert_eq!(class.from_lower_level(), original.from_lower_level());
    let same = pstate.exception_level() == ExceptionLevel::El1 && !pstate.is_aarch32();
    if pstate.exception_level() <= ExceptionLevel::El1 {
        assert_eq!(class, if same { original.from_same_level() } else { original.from_lower_level() });
    }

    if let Some(cpsr) = pstate.aarch32()
        && let Some(exception) =
            aarch32::DebugException::from_syndrome(&Syndrome::decode(input.syndrome), input.pc)
    {
        enter_aarch32(&input, cpsr, exception, features, sctlr_el1);
    }
}

fn enter_aarch32(
    input: &Input,
    cpsr: Cpsr,
    exception: aarch32::DebugException,
    features: Features,
    sctlr: SctlrEl1,
) {
    let before = aarch32::Before {
        pc: input.pc as u32,
        cpsr,
        sctlr,
        vbar: input.vbar as u32,
        long_descriptors: input.tcr >> 31 & 1 == 1,
        dbgdscr: input.mdscr,
        pan: features.pan,
        ssbs: features.ssbs,
    };
    let after = aarch32::enter_el1(&before, exception);
    // SUBS PC, LR, #4 or #8, as a handler of that abort returns; CPSR from SPSR_abt.
    let offset = match after.fault {
        aarch32::Fault::Prefetch { .. } => 4,
        aarch32::Fault::Data { .. } => 8,
    };
    assert_eq!(after.lr_abt.wrapping_sub(offset), before.pc);
    assert_eq!(after.spsr_abt, cpsr);
    assert_eq!(
        (after.cpsr.mode(), after.cpsr.it(), after.cpsr.i(), after.cpsr.a()),
        (Mode::Abort, 0, true, true)
    );
    assert!(matches!(after.pc & 0x1f, 0x0c | 0x10), "{:#x}", after.pc);
}
