//! Power calls (Arm DEN 0022, PSCI): those of a guest, answered here, and ours to the machine.
#![expect(unsafe_code, reason = "a call to the machine's firmware")]

use core::arch::asm;

use crate::boot::start_second_core;

const VERSION: u64 = 0x8400_0000;
const CPU_OFF: u64 = 0x8400_0002;
const CPU_ON: u64 = 0xc400_0003;
const AFFINITY_INFO: u64 = 0xc400_0004;
const SYSTEM_OFF: u64 = 0x8400_0008;
const SYSTEM_RESET: u64 = 0x8400_0009;

const VERSION_1_1: u64 = 0x1_0001;
const NOT_SUPPORTED: u64 = -1_i64 as u64;
const INVALID_PARAMETERS: u64 = -2_i64 as u64;
const ALREADY_ON: u64 = -4_i64 as u64;
const DENIED: u64 = -3_i64 as u64;
const IS_ON: u64 = 0;

/// What a guest's call asks for.
pub(crate) enum Call {
    /// This answer.
    Answer(u64),
    /// The end of the guest.
    Off,
}

/// The meaning of a call of a guest with one core, core 0.
pub(crate) fn call(function: u64, argument: u64) -> Call {
    Call::Answer(match function & 0xffff_ffff {
        VERSION => VERSION_1_1,
        SYSTEM_OFF | SYSTEM_RESET => return Call::Off,
        // The last core that is on cannot go off by this.
        CPU_OFF => DENIED,
        CPU_ON if argument == 0 => ALREADY_ON,
        AFFINITY_INFO if argument == 0 => IS_ON,
        CPU_ON | AFFINITY_INFO => INVALID_PARAMETERS,
        _ => NOT_SUPPORTED,
    })
}

/// Asks the machine for its second core.
pub(crate) fn start_the_second_core() {
    let entry = start_second_core as *const () as u64;
    let result: u64;
    // SAFETY: SMC Calling Convention: x0 to x17 may be changed by the call. The core begins at code that is
    // made for it, with a stack of its own.
    unsafe {
        asm!(
            "smc #0",
            inout("x0") CPU_ON => result, in("x1") 1_u64, in("x2") entry, in("x3") 0_u64,
            clobber_abi("C"), options(nostack)
        );
    }
    if result != 0 {
        defmt::error!("the second core does not start: PSCI error {=i64}", result as i64);
    }
}
