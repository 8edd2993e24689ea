//! A guest's core: its registers, and how the core that it runs on is set up for it.

use trapline_core::injection::{Before, Exception, Features, enter_el1};
use trapline_core::registers::{Pstate, SctlrEl1};

use crate::entry::Frame;
use crate::stage2::RAM;
use crate::system::{read, synchronize, write};

/// `HCR_EL2`: stage 2 (VM), set/way maintenance cleans too (SWIO), all interrupts are taken to EL2 and
/// virtual ones are on (FMO, IMO, AMO), SMC traps (TSC), EL1 is AArch64 (RW), pointer authentication does
/// not trap (APK, API).
const HCR: u64 = 1 | 1 << 1 | 0b111 << 3 | 1 << 19 | 1 << 31 | 0b11 << 40;
/// `SCTLR_EL1` with MMU and caches off: what is RES1 in Armv8.0.
const SCTLR_EL1: u64 = 0x30d0_0800;
/// EL1 with its own stack pointer, everything masked.
const PSTATE: u64 = 0x3c5;
/// `CNTHCTL_EL2`: the physical counter may be read (EL1PCTEN), the physical timer is not the guests'.
const CNTHCTL: u64 = 1;
/// `VMPIDR_EL2`: the one core of its machine (U), which is core 0.
const VMPIDR: u64 = 1 << 31 | 1 << 30;

/// A core at the reset of a guest.
pub(crate) fn reset() -> Frame {
    write!("hcr_el2", HCR);
    write!("hstr_el2", 0);
    write!("vpidr_el2", read!("midr_el1"));
    write!("vmpidr_el2", VMPIDR);
    write!("cnthctl_el2", CNTHCTL);
    // MDCR_EL2: nothing of debug traps. HPMN stays: event counters are the guests'.
    write!("mdcr_el2", read!("mdcr_el2") & 0x1f);
    write!("mdscr_el1", 0);
    write!("cntvoff_el2", read!("cntpct_el0"));
    write!("sctlr_el1", SCTLR_EL1);
    write!("cpacr_el1", 0);
    write!("vbar_el1", 0);
    write!("cntv_ctl_el0", 0);
    write!("cntkctl_el1", 0);
    synchronize();
    Frame::new(RAM, PSTATE)
}

/// Lets EL1 take a synchronous exception, as hardware would have delivered it.
pub(crate) fn inject(frame: &mut Frame, exception: &Exception) {
    let features = Features::from_id_registers(
        read!("id_aa64pfr1_el1"),
        read!("id_aa64mmfr1_el1"),
        read!("id_aa64dfr1_el1"),
    );
    let before = Before {
        pc: frame.pc,
        pstate: Pstate::from(frame.pstate),
        vbar_el1: read!("vbar_el1"),
        sctlr_el1: SctlrEl1::from(read!("sctlr_el1")),
        exlock_enabled: false,
        features,
    };
    let after = enter_el1(&before, exception);
    write!("elr_el1", after.elr_el1);
    write!("spsr_el1", after.spsr_el1.into_bits());
    write!("esr_el1", after.esr_el1);
    if let Some(far) = after.far_el1 {
        write!("far_el1", far);
    }
    frame.pstate = after.pstate.into_bits();
    frame.pc = after.pc;
}

/// `ESR_EL1` of an instruction that does not exist for the guest: EC 0, IL.
pub(crate) const UNDEFINED: Exception = Exception { syndrome: 1 << 25, fault_address: None };
