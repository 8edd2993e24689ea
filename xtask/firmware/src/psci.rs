//! Power off, by PSCI.
#![expect(unsafe_code, reason = "a call to the firmware or hypervisor above")]

use core::arch::asm;

const SYSTEM_OFF: u64 = 0x8400_0008;

/// Switches the machine off. Returns only where nobody above implements PSCI.
///
/// The conduit is HVC for a guest at EL1, SMC where the firmware itself came from EL2.
pub(crate) fn system_off(entered_at_el2: bool) {
    if entered_at_el2 {
        // SAFETY: SMC Calling Convention: x0 to x17 may be changed by the call.
        unsafe { asm!("smc #0", inout("x0") SYSTEM_OFF => _, clobber_abi("C"), options(nostack)) };
    } else {
        // SAFETY: as above.
        unsafe { asm!("hvc #0", inout("x0") SYSTEM_OFF => _, clobber_abi("C"), options(nostack)) };
    }
}
