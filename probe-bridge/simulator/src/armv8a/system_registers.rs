//! The system registers that this core has, their reset values, and which of them can be written.

use std::collections::BTreeMap;

use super::comparators::{BREAKPOINTS, CONTEXT_AWARE, WATCHPOINTS};

/// A system register's number as `MRS` and `MSR` encode it: op0, op1, `CRn`, `CRm`, op2.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SystemRegister(u16);

impl SystemRegister {
    /// A register by its five numbers.
    #[must_use]
    pub const fn new(op0: u16, op1: u16, crn: u16, crm: u16, op2: u16) -> Self {
        Self(op0 << 14 | op1 << 11 | crn << 7 | crm << 3 | op2)
    }

    /// The register of an `MRS` or `MSR` instruction.
    #[must_use]
    pub const fn of(instruction: u32) -> Self {
        Self((instruction >> 5) as u16 | 1 << 15)
    }

    /// The exception level from which it can be reached at all: op1 3 from EL0, up to 2 from EL1.
    #[must_use]
    pub const fn lowest_el(self) -> u8 {
        match self.0 >> 11 & 0b111 {
            3 => 0,
            0..=2 => 1,
            _ => 2,
        }
    }
}

/// Declares registers with their names as constants, and a list of what they hold after reset.
macro_rules! registers {
    ($($name:ident $numbers:tt $access:ident $reset:expr;)*) => {
        $(
            #[doc = concat!("`", stringify!($name), "`.")]
            pub const $name: SystemRegister = SystemRegister::new $numbers;
        )*
        const ALL: &[(SystemRegister, Access, u64)] = &[$(($name, Access::$access, $reset)),*];
    };
}

/// How a register can be accessed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Access {
    /// Written as well.
    Rw,
    /// Read only.
    Ro,
}

/// Debug architecture 8, and as many comparators as this core has.
const DEBUG_FEATURES: u64 =
    6 | (BREAKPOINTS as u64 - 1) << 12 | (WATCHPOINTS as u64 - 1) << 20 | (CONTEXT_AWARE as u64 - 1) << 28;

/// `MIDR_EL1`: implementer 0 (reserved for software), architecture by ID registers.
pub const MIDR: u32 = 0x000f_0001;

registers! {
    MIDR_EL1(3, 0, 0, 0, 0) Ro MIDR as u64;
    MPIDR_EL1(3, 0, 0, 0, 5) Ro 0x8000_0000;
    REVIDR_EL1(3, 0, 0, 0, 6) Ro 0;
    // EL0 and EL1 in AArch64 only; system registers of the GIC.
    ID_AA64PFR0_EL1(3, 0, 0, 4, 0) Ro 0x0100_0011;
    ID_AA64PFR1_EL1(3, 0, 0, 4, 1) Ro 0;
    ID_AA64ZFR0_EL1(3, 0, 0, 4, 4) Ro 0;
    ID_AA64DFR0_EL1(3, 0, 0, 5, 0) Ro DEBUG_FEATURES;
    ID_AA64DFR1_EL1(3, 0, 0, 5, 1) Ro 0;
    ID_AA64ISAR0_EL1(3, 0, 0, 6, 0) Ro 0;
    ID_AA64ISAR1_EL1(3, 0, 0, 6, 1) Ro 0;
    // 40 bits of physical addresses; granules of 4 KiB, not of 16 or 64.
    ID_AA64MMFR0_EL1(3, 0, 0, 7, 0) Ro 0x0f00_0002;
    ID_AA64MMFR1_EL1(3, 0, 0, 7, 1) Ro 0;
    ID_AA64MMFR2_EL1(3, 0, 0, 7, 2) Ro 0;
    SCTLR_EL1(3, 0, 1, 0, 0) Rw 0x30d0_0800;
    ACTLR_EL1(3, 0, 1, 0, 1) Rw 0;
    CPACR_EL1(3, 0, 1, 0, 2) Rw 0;
    TTBR0_EL1(3, 0, 2, 0, 0) Rw 0;
    TTBR1_EL1(3, 0, 2, 0, 1) Rw 0;
    TCR_EL1(3, 0, 2, 0, 2) Rw 0;
    SPSR_EL1(3, 0, 4, 0, 0) Rw 0;
    ELR_EL1(3, 0, 4, 0, 1) Rw 0;
    ICC_PMR_EL1(3, 0, 4, 6, 0) Rw 0;
    AFSR0_EL1(3, 0, 5, 1, 0) Rw 0;
    AFSR1_EL1(3, 0, 5, 1, 1) Rw 0;
    ESR_EL1(3, 0, 5, 2, 0) Rw 0;
    FAR_EL1(3, 0, 6, 0, 0) Rw 0;
    PAR_EL1(3, 0, 7, 4, 0) Rw 0;
    MAIR_EL1(3, 0, 10, 2, 0) Rw 0;
    AMAIR_EL1(3, 0, 10, 3, 0) Rw 0;
    VBAR_EL1(3, 0, 12, 0, 0) Rw 0;
    ICC_IAR1_EL1(3, 0, 12, 12, 0) Ro 0;
    ICC_EOIR1_EL1(3, 0, 12, 12, 1) Rw 0;
    ICC_BPR1_EL1(3, 0, 12, 12, 3) Rw 0;
    ICC_CTLR_EL1(3, 0, 12, 12, 4) Rw 0;
    ICC_SRE_EL1(3, 0, 12, 12, 5) Rw 7;
    ICC_IGRPEN1_EL1(3, 0, 12, 12, 7) Rw 0;
    CONTEXTIDR_EL1(3, 0, 13, 0, 1) Rw 0;
    TPIDR_EL1(3, 0, 13, 0, 4) Rw 0;
    CNTKCTL_EL1(3, 0, 14, 1, 0) Rw 0;
    CCSIDR_EL1(3, 1, 0, 0, 0) Ro 0;
    CLIDR_EL1(3, 1, 0, 0, 1) Ro 0;
    CSSELR_EL1(3, 2, 0, 0, 0) Rw 0;
    // Lines of 64 bytes.
    CTR_EL0(3, 3, 0, 0, 1) Ro 0x8444_c004;
    DCZID_EL0(3, 3, 0, 0, 7) Ro 4;
    TPIDR_EL0(3, 3, 13, 0, 2) Rw 0;
    TPIDRRO_EL0(3, 3, 13, 0, 3) Rw 0;
    CNTFRQ_EL0(3, 3, 14, 0, 0) Ro crate::machine::COUNTER_HERTZ;
    CNTVCT_EL0(3, 3, 14, 0, 2) Ro 0;
    CNTV_TVAL_EL0(3, 3, 14, 3, 0) Rw 0;
    CNTV_CTL_EL0(3, 3, 14, 3, 1) Rw 0;
    CNTV_CVAL_EL0(3, 3, 14, 3, 2) Rw 0;
    MDSCR_EL1(2, 0, 0, 2, 2) Rw 0;
}

/// Registers that `PSTATE`, the floating-point unit and the debug unit hold.
#[expect(missing_docs, reason = "their names are the manual's")]
pub mod special {
    use super::SystemRegister;

    pub const SP_EL0: SystemRegister = SystemRegister::new(3, 0, 4, 1, 0);
    pub const SPSEL: SystemRegister = SystemRegister::new(3, 0, 4, 2, 0);
    pub const CURRENT_EL: SystemRegister = SystemRegister::new(3, 0, 4, 2, 2);
    pub const NZCV: SystemRegister = SystemRegister::new(3, 3, 4, 2, 0);
    pub const DAIF: SystemRegister = SystemRegister::new(3, 3, 4, 2, 1);
    pub const FPCR: SystemRegister = SystemRegister::new(3, 3, 4, 4, 0);
    pub const FPSR: SystemRegister = SystemRegister::new(3, 3, 4, 4, 1);
    pub const DSPSR_EL0: SystemRegister = SystemRegister::new(3, 3, 4, 5, 0);
    pub const DLR_EL0: SystemRegister = SystemRegister::new(3, 3, 4, 5, 1);
    pub const OSLAR_EL1: SystemRegister = SystemRegister::new(2, 0, 1, 0, 4);
    pub const OSLSR_EL1: SystemRegister = SystemRegister::new(2, 0, 1, 1, 4);
    pub const OSDLR_EL1: SystemRegister = SystemRegister::new(2, 0, 1, 3, 4);
    pub const DBGDTR_EL0: SystemRegister = SystemRegister::new(2, 3, 0, 4, 0);
    pub const DBGDTRX_EL0: SystemRegister = SystemRegister::new(2, 3, 0, 5, 0);
}

/// The values of one core's registers.
#[derive(Clone, Debug)]
pub struct SystemRegisters(BTreeMap<SystemRegister, (Access, u64)>);

impl SystemRegisters {
    /// After reset, of the core with this number.
    #[must_use]
    pub fn new(number: usize) -> Self {
        let mut registers: BTreeMap<_, _> =
            ALL.iter().map(|&(register, access, reset)| (register, (access, reset))).collect();
        registers.insert(MPIDR_EL1, (Access::Ro, 0x8000_0000 | number as u64));
        Self(registers)
    }

    /// A register's value, or `None` where the core does not have it.
    #[must_use]
    pub fn get(&self, register: SystemRegister) -> Option<u64> {
        self.0.get(&register).map(|&(_, value)| value)
    }

    /// The value of a register of the list above.
    #[must_use]
    pub fn read(&self, register: SystemRegister) -> u64 {
        self.get(register).unwrap_or(0)
    }

    /// What an instruction writes; `None` where the core does not have the register, or it cannot be written.
    #[must_use]
    pub fn put(&mut self, register: SystemRegister, value: u64) -> Option<()> {
        match self.0.get_mut(&register) {
            Some((Access::Rw, place)) => {
                *place = value;
                Some(())
            }
            _ => None,
        }
    }

    /// What hardware writes.
    pub fn set(&mut self, register: SystemRegister, value: u64) {
        if let Some((_, place)) = self.0.get_mut(&register) {
            *place = value;
        }
    }
}
