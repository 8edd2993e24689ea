//! System registers of the guest, by name. They are in the hardware while the guest is halted, for nobody
//! else runs on its core.

use trapline_core::target::SystemRegister;

use crate::system::{read, write};

macro_rules! system_registers {
    ($($name:ident = $text:literal),* $(,)?) => {
        /// Reads one; `None` where the guest has no such register.
        pub(super) fn read_system(register: SystemRegister) -> Option<u64> {
            Some(match register {
                $(SystemRegister::$name => read!($text),)*
                // The virtual ones.
                SystemRegister::MIDR_EL1 => read!("vpidr_el2"),
                SystemRegister::MPIDR_EL1 => read!("vmpidr_el2"),
                SystemRegister::ID_AA64PFR0_EL1 => read!("id_aa64pfr0_el1"),
                SystemRegister::ID_AA64PFR1_EL1 => read!("id_aa64pfr1_el1"),
                SystemRegister::ID_AA64DFR0_EL1 => read!("id_aa64dfr0_el1"),
                SystemRegister::ID_AA64DFR1_EL1 => read!("id_aa64dfr1_el1"),
                SystemRegister::ID_AA64MMFR0_EL1 => read!("id_aa64mmfr0_el1"),
                SystemRegister::ID_AA64MMFR1_EL1 => read!("id_aa64mmfr1_el1"),
                SystemRegister::ID_AA64MMFR2_EL1 => read!("id_aa64mmfr2_el1"),
                // TCR2_EL1 and what goes with it are not enabled for guests (HCRX_EL2.TCR2En).
                SystemRegister::ID_AA64MMFR3_EL1 => 0,
                // Where the debugger has not the hardware they are there.
                SystemRegister::MDSCR_EL1 => read!("mdscr_el1"),
                SystemRegister::OSLSR_EL1 => read!("oslsr_el1"),
                SystemRegister::CNTVCT_EL0 => read!("cntvct_el0"),
                _ => return None,
            })
        }

        /// Writes one; `None` where the guest has none that can be written.
        pub(super) fn write_system(register: SystemRegister, value: u64) -> Option<()> {
            match register {
                $(SystemRegister::$name => write!($text, value),)*
                _ => return None,
            }
            Some(())
        }
    };
}

system_registers! {
    SCTLR_EL1 = "sctlr_el1",
    CPACR_EL1 = "cpacr_el1",
    TTBR0_EL1 = "ttbr0_el1",
    TTBR1_EL1 = "ttbr1_el1",
    TCR_EL1 = "tcr_el1",
    SPSR_EL1 = "spsr_el1",
    ELR_EL1 = "elr_el1",
    SP_EL0 = "sp_el0",
    SP_EL1 = "sp_el1",
    AFSR0_EL1 = "afsr0_el1",
    AFSR1_EL1 = "afsr1_el1",
    ESR_EL1 = "esr_el1",
    FAR_EL1 = "far_el1",
    PAR_EL1 = "par_el1",
    MAIR_EL1 = "mair_el1",
    AMAIR_EL1 = "amair_el1",
    VBAR_EL1 = "vbar_el1",
    CONTEXTIDR_EL1 = "contextidr_el1",
    TPIDR_EL1 = "tpidr_el1",
    TPIDR_EL0 = "tpidr_el0",
    TPIDRRO_EL0 = "tpidrro_el0",
    CNTKCTL_EL1 = "cntkctl_el1",
    CNTV_CVAL_EL0 = "cntv_cval_el0",
}
