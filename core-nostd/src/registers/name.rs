//! Names of registers.

use core::fmt;

use super::SpecialRegister;

/// A 64-bit register of a core.
///
/// Vector registers are wider and have accessors of their own, [`crate::target::Registers::read_vector`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Register {
    /// `X0` to `X30`; of an M-profile core `R0` to `R14`, the stack pointer in use (`R13`) among them.
    X(u8),
    /// The program counter.
    Pc,
    /// `PSTATE` in the layout of an SPSR.
    Pstate,
    /// The floating-point status register.
    Fpsr,
    /// The floating-point control register.
    Fpcr,
    /// A register with a system instruction encoding, the banked `SP_ELx`, `ELR_ELx` and `SPSR_ELx`
    /// among them.
    System(SystemRegister),
    /// A special-purpose register of the M profile.
    Special(SpecialRegister),
}

impl fmt::Display for Register {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::X(number) => write!(f, "X{number}"),
            Self::Pc => f.write_str("PC"),
            Self::Pstate => f.write_str("PSTATE"),
            Self::Fpsr => f.write_str("FPSR"),
            Self::Fpcr => f.write_str("FPCR"),
            Self::System(register) => register.fmt(f),
            Self::Special(register) => register.fmt(f),
        }
    }
}

/// A system register by its encoding, the operands of `MRS` and `MSR` (DDI 0487, "System register
/// encoding").
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct SystemRegister(u16);

impl SystemRegister {
    /// The register `S<op0>_<op1>_C<crn>_C<crm>_<op2>`; `None` where an operand is out of range (op0 is
    /// 0 to 3, op1 and op2 0 to 7, CRn and CRm 0 to 15).
    #[must_use]
    pub const fn new(op0: u8, op1: u8, crn: u8, crm: u8, op2: u8) -> Option<Self> {
        if op0 > 3 || op1 > 7 || crn > 15 || crm > 15 || op2 > 7 {
            return None;
        }
        Some(Self::encode(op0, op1, crn, crm, op2))
    }

    /// The register whose packed encoding, op0\[15:14\] op1\[13:11\] CRn\[10:7\] CRm\[6:3\] op2\[2:0\],
    /// is `encoding`.
    #[must_use]
    pub const fn from_encoding(encoding: u16) -> Self {
        Self(encoding)
    }

    const fn encode(op0: u8, op1: u8, crn: u8, crm: u8, op2: u8) -> Self {
        Self(
            ((op0 as u16) << 14)
                | ((op1 as u16) << 11)
                | ((crn as u16) << 7)
                | ((crm as u16) << 3)
                | op2 as u16,
        )
    }

    /// The packed encoding: op0\[15:14\] op1\[13:11\] CRn\[10:7\] CRm\[6:3\] op2\[2:0\].
    #[must_use]
    pub const fn encoding(self) -> u16 {
        self.0
    }

    /// op0, 0 to 3.
    #[must_use]
    pub const fn op0(self) -> u8 {
        (self.0 >> 14) as u8
    }

    /// op1, 0 to 7.
    #[must_use]
    pub const fn op1(self) -> u8 {
        (self.0 >> 11) as u8 & 7
    }

    /// CRn, 0 to 15.
    #[must_use]
    pub const fn crn(self) -> u8 {
        (self.0 >> 7) as u8 & 15
    }

    /// CRm, 0 to 15.
    #[must_use]
    pub const fn crm(self) -> u8 {
        (self.0 >> 3) as u8 & 15
    }

    /// op2, 0 to 7.
    #[must_use]
    pub const fn op2(self) -> u8 {
        self.0 as u8 & 7
    }

    /// The name, for the registers that this crate knows by name.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        NAMED.iter().find(|(register, _)| *register == self).map(|(_, name)| *name)
    }

    /// The register called `name`, in any case: one that this crate knows, or the generic
    /// `S<op0>_<op1>_C<n>_C<m>_<op2>`.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        NAMED
            .iter()
            .find(|(_, known)| known.eq_ignore_ascii_case(name))
            .map(|(register, _)| *register)
            .or_else(|| Self::parse_generic(name))
    }

    /// All registers that this crate knows by name, with their names.
    #[must_use]
    pub const fn named() -> &'static [(Self, &'static str)] {
        NAMED
    }

    fn parse_generic(name: &str) -> Option<Self> {
        let mut parts = name.as_bytes().split(|byte| *byte == b'_');
        let mut operand = |letter: &[u8]| -> Option<u8> {
            let part = parts.next()?;
            let (first, digits) = part.split_at_checked(letter.len())?;
            if first.eq_ignore_ascii_case(letter) { decimal(digits) } else { None }
        };
        let (op0, op1) = (operand(b"s")?, operand(b"")?);
        let (crn, crm, op2) = (operand(b"c")?, operand(b"c")?, operand(b"")?);
        parts.next().is_none().then(|| Self::new(op0, op1, crn, crm, op2))?
    }
}

/// The value of decimal digits.
fn decimal(digits: &[u8]) -> Option<u8> {
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| byte - b'0');
    let (first, rest) = digits.split_first()?;
    rest.iter().try_fold(digit(first)?, |value, byte| value.checked_mul(10)?.checked_add(digit(byte)?))
}

impl fmt::Display for SystemRegister {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => {
                let (op0, op1, op2) = (self.op0(), self.op1(), self.op2());
                write!(f, "S{op0}_{op1}_C{}_C{}_{op2}", self.crn(), self.crm())
            }
        }
    }
}

impl fmt::Debug for SystemRegister {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

macro_rules! named_system_registers {
    (@spelling $name:ident) => { stringify!($name) };
    (@spelling $name:ident $spelling:literal) => { $spelling };
    ($($name:ident $(($spelling:literal))? = $op0:literal, $op1:literal, $crn:literal, $crm:literal, $op2:literal;)*) => {
        impl SystemRegister {
            $(
                #[doc = concat!("`", stringify!($name), "`.")]
                pub const $name: Self = Self::encode($op0, $op1, $crn, $crm, $op2);
            )*
        }

        const NAMED: &[(SystemRegister, &str)] = &[
            $((SystemRegister::$name, named_system_registers!(@spelling $name $($spelling)?)),)*
        ];
    };
}

// DDI 0487, "AArch64 System Register Descriptions": each register's "Accessing" table.
named_system_registers! {
    DBGBVR0_EL1 = 2, 0, 0, 0, 4;
    DBGBCR0_EL1 = 2, 0, 0, 0, 5;
    DBGWVR0_EL1 = 2, 0, 0, 0, 6;
    DBGWCR0_EL1 = 2, 0, 0, 0, 7;
    DBGBVR1_EL1 = 2, 0, 0, 1, 4;
    DBGBCR1_EL1 = 2, 0, 0, 1, 5;
    DBGWVR1_EL1 = 2, 0, 0, 1, 6;
    DBGWCR1_EL1 = 2, 0, 0, 1, 7;
    MDCCINT_EL1 = 2, 0, 0, 2, 0;
    MDSCR_EL1 = 2, 0, 0, 2, 2;
    DBGBVR2_EL1 = 2, 0, 0, 2, 4;
    DBGBCR2_EL1 = 2, 0, 0, 2, 5;
    DBGWVR2_EL1 = 2, 0, 0, 2, 6;
    DBGWCR2_EL1 = 2, 0, 0, 2, 7;
    DBGBVR3_EL1 = 2, 0, 0, 3, 4;
    DBGBCR3_EL1 = 2, 0, 0, 3, 5;
    DBGWVR3_EL1 = 2, 0, 0, 3, 6;
    DBGWCR3_EL1 = 2, 0, 0, 3, 7;
    DBGBVR4_EL1 = 2, 0, 0, 4, 4;
    DBGBCR4_EL1 = 2, 0, 0, 4, 5;
    DBGWVR4_EL1 = 2, 0, 0, 4, 6;
    DBGWCR4_EL1 = 2, 0, 0, 4, 7;
    DBGBVR5_EL1 = 2, 0, 0, 5, 4;
    DBGBCR5_EL1 = 2, 0, 0, 5, 5;
    DBGWVR5_EL1 = 2, 0, 0, 5, 6;
    DBGWCR5_EL1 = 2, 0, 0, 5, 7;
    DBGBVR6_EL1 = 2, 0, 0, 6, 4;
    DBGBCR6_EL1 = 2, 0, 0, 6, 5;
    DBGWVR6_EL1 = 2, 0, 0, 6, 6;
    DBGWCR6_EL1 = 2, 0, 0, 6, 7;
    DBGBVR7_EL1 = 2, 0, 0, 7, 4;
    DBGBCR7_EL1 = 2, 0, 0, 7, 5;
    DBGWVR7_EL1 = 2, 0, 0, 7, 6;
    DBGWCR7_EL1 = 2, 0, 0, 7, 7;
    DBGBVR8_EL1 = 2, 0, 0, 8, 4;
    DBGBCR8_EL1 = 2, 0, 0, 8, 5;
    DBGWVR8_EL1 = 2, 0, 0, 8, 6;
    DBGWCR8_EL1 = 2, 0, 0, 8, 7;
    DBGBVR9_EL1 = 2, 0, 0, 9, 4;
    DBGBCR9_EL1 = 2, 0, 0, 9, 5;
    DBGWVR9_EL1 = 2, 0, 0, 9, 6;
    DBGWCR9_EL1 = 2, 0, 0, 9, 7;
    DBGBVR10_EL1 = 2, 0, 0, 10, 4;
    DBGBCR10_EL1 = 2, 0, 0, 10, 5;
    DBGWVR10_EL1 = 2, 0, 0, 10, 6;
    DBGWCR10_EL1 = 2, 0, 0, 10, 7;
    DBGBVR11_EL1 = 2, 0, 0, 11, 4;
    DBGBCR11_EL1 = 2, 0, 0, 11, 5;
    DBGWVR11_EL1 = 2, 0, 0, 11, 6;
    DBGWCR11_EL1 = 2, 0, 0, 11, 7;
    DBGBVR12_EL1 = 2, 0, 0, 12, 4;
    DBGBCR12_EL1 = 2, 0, 0, 12, 5;
    DBGWVR12_EL1 = 2, 0, 0, 12, 6;
    DBGWCR12_EL1 = 2, 0, 0, 12, 7;
    DBGBVR13_EL1 = 2, 0, 0, 13, 4;
    DBGBCR13_EL1 = 2, 0, 0, 13, 5;
    DBGWVR13_EL1 = 2, 0, 0, 13, 6;
    DBGWCR13_EL1 = 2, 0, 0, 13, 7;
    DBGBVR14_EL1 = 2, 0, 0, 14, 4;
    DBGBCR14_EL1 = 2, 0, 0, 14, 5;
    DBGWVR14_EL1 = 2, 0, 0, 14, 6;
    DBGWCR14_EL1 = 2, 0, 0, 14, 7;
    DBGBVR15_EL1 = 2, 0, 0, 15, 4;
    DBGBCR15_EL1 = 2, 0, 0, 15, 5;
    DBGWVR15_EL1 = 2, 0, 0, 15, 6;
    DBGWCR15_EL1 = 2, 0, 0, 15, 7;
    OSLSR_EL1 = 2, 0, 1, 1, 4;
    OSDLR_EL1 = 2, 0, 1, 3, 4;
    DBGVCR32_EL2 = 2, 4, 0, 7, 0;
    MIDR_EL1 = 3, 0, 0, 0, 0;
    MPIDR_EL1 = 3, 0, 0, 0, 5;
    REVIDR_EL1 = 3, 0, 0, 0, 6;
    ID_PFR0_EL1 = 3, 0, 0, 1, 0;
    ID_PFR1_EL1 = 3, 0, 0, 1, 1;
    ID_DFR0_EL1 = 3, 0, 0, 1, 2;
    ID_AFR0_EL1 = 3, 0, 0, 1, 3;
    ID_MMFR0_EL1 = 3, 0, 0, 1, 4;
    ID_MMFR1_EL1 = 3, 0, 0, 1, 5;
    ID_MMFR2_EL1 = 3, 0, 0, 1, 6;
    ID_MMFR3_EL1 = 3, 0, 0, 1, 7;
    ID_ISAR0_EL1 = 3, 0, 0, 2, 0;
    ID_ISAR1_EL1 = 3, 0, 0, 2, 1;
    ID_ISAR2_EL1 = 3, 0, 0, 2, 2;
    ID_ISAR3_EL1 = 3, 0, 0, 2, 3;
    ID_ISAR4_EL1 = 3, 0, 0, 2, 4;
    ID_ISAR5_EL1 = 3, 0, 0, 2, 5;
    ID_MMFR4_EL1 = 3, 0, 0, 2, 6;
    ID_ISAR6_EL1 = 3, 0, 0, 2, 7;
    MVFR0_EL1 = 3, 0, 0, 3, 0;
    MVFR1_EL1 = 3, 0, 0, 3, 1;
    MVFR2_EL1 = 3, 0, 0, 3, 2;
    ID_PFR2_EL1 = 3, 0, 0, 3, 4;
    ID_DFR1_EL1 = 3, 0, 0, 3, 5;
    ID_MMFR5_EL1 = 3, 0, 0, 3, 6;
    ID_AA64PFR0_EL1 = 3, 0, 0, 4, 0;
    ID_AA64PFR1_EL1 = 3, 0, 0, 4, 1;
    ID_AA64PFR2_EL1 = 3, 0, 0, 4, 2;
    ID_AA64ZFR0_EL1 = 3, 0, 0, 4, 4;
    ID_AA64SMFR0_EL1 = 3, 0, 0, 4, 5;
    ID_AA64FPFR0_EL1 = 3, 0, 0, 4, 7;
    ID_AA64DFR0_EL1 = 3, 0, 0, 5, 0;
    ID_AA64DFR1_EL1 = 3, 0, 0, 5, 1;
    ID_AA64DFR2_EL1 = 3, 0, 0, 5, 2;
    ID_AA64AFR0_EL1 = 3, 0, 0, 5, 4;
    ID_AA64AFR1_EL1 = 3, 0, 0, 5, 5;
    ID_AA64ISAR0_EL1 = 3, 0, 0, 6, 0;
    ID_AA64ISAR1_EL1 = 3, 0, 0, 6, 1;
    ID_AA64ISAR2_EL1 = 3, 0, 0, 6, 2;
    ID_AA64ISAR3_EL1 = 3, 0, 0, 6, 3;
    ID_AA64MMFR0_EL1 = 3, 0, 0, 7, 0;
    ID_AA64MMFR1_EL1 = 3, 0, 0, 7, 1;
    ID_AA64MMFR2_EL1 = 3, 0, 0, 7, 2;
    ID_AA64MMFR3_EL1 = 3, 0, 0, 7, 3;
    ID_AA64MMFR4_EL1 = 3, 0, 0, 7, 4;
    SCTLR_EL1 = 3, 0, 1, 0, 0;
    ACTLR_EL1 = 3, 0, 1, 0, 1;
    CPACR_EL1 = 3, 0, 1, 0, 2;
    RGSR_EL1 = 3, 0, 1, 0, 5;
    GCR_EL1 = 3, 0, 1, 0, 6;
    ZCR_EL1 = 3, 0, 1, 2, 0;
    TTBR0_EL1 = 3, 0, 2, 0, 0;
    TTBR1_EL1 = 3, 0, 2, 0, 1;
    TCR_EL1 = 3, 0, 2, 0, 2;
    TCR2_EL1 = 3, 0, 2, 0, 3;
    APIAKEYLO_EL1 ("APIAKeyLo_EL1") = 3, 0, 2, 1, 0;
    APIAKEYHI_EL1 ("APIAKeyHi_EL1") = 3, 0, 2, 1, 1;
    APIBKEYLO_EL1 ("APIBKeyLo_EL1") = 3, 0, 2, 1, 2;
    APIBKEYHI_EL1 ("APIBKeyHi_EL1") = 3, 0, 2, 1, 3;
    APDAKEYLO_EL1 ("APDAKeyLo_EL1") = 3, 0, 2, 2, 0;
    APDAKEYHI_EL1 ("APDAKeyHi_EL1") = 3, 0, 2, 2, 1;
    APDBKEYLO_EL1 ("APDBKeyLo_EL1") = 3, 0, 2, 2, 2;
    APDBKEYHI_EL1 ("APDBKeyHi_EL1") = 3, 0, 2, 2, 3;
    APGAKEYLO_EL1 ("APGAKeyLo_EL1") = 3, 0, 2, 3, 0;
    APGAKEYHI_EL1 ("APGAKeyHi_EL1") = 3, 0, 2, 3, 1;
    SPSR_EL1 = 3, 0, 4, 0, 0;
    ELR_EL1 = 3, 0, 4, 0, 1;
    SP_EL0 = 3, 0, 4, 1, 0;
    AFSR0_EL1 = 3, 0, 5, 1, 0;
    AFSR1_EL1 = 3, 0, 5, 1, 1;
    ESR_EL1 = 3, 0, 5, 2, 0;
    TFSR_EL1 = 3, 0, 5, 6, 0;
    TFSRE0_EL1 = 3, 0, 5, 6, 1;
    FAR_EL1 = 3, 0, 6, 0, 0;
    PAR_EL1 = 3, 0, 7, 4, 0;
    PMINTENSET_EL1 = 3, 0, 9, 14, 1;
    PMINTENCLR_EL1 = 3, 0, 9, 14, 2;
    PMMIR_EL1 = 3, 0, 9, 14, 6;
    MAIR_EL1 = 3, 0, 10, 2, 0;
    PIRE0_EL1 = 3, 0, 10, 2, 2;
    PIR_EL1 = 3, 0, 10, 2, 3;
    AMAIR_EL1 = 3, 0, 10, 3, 0;
    VBAR_EL1 = 3, 0, 12, 0, 0;
    DISR_EL1 = 3, 0, 12, 1, 1;
    CONTEXTIDR_EL1 = 3, 0, 13, 0, 1;
    TPIDR_EL1 = 3, 0, 13, 0, 4;
    CNTKCTL_EL1 = 3, 0, 14, 1, 0;
    CCSIDR_EL1 = 3, 1, 0, 0, 0;
    CLIDR_EL1 = 3, 1, 0, 0, 1;
    AIDR_EL1 = 3, 1, 0, 0, 7;
    CSSELR_EL1 = 3, 2, 0, 0, 0;
    CTR_EL0 = 3, 3, 0, 0, 1;
    DCZID_EL0 = 3, 3, 0, 0, 7;
    PMCR_EL0 = 3, 3, 9, 12, 0;
    PMCNTENSET_EL0 = 3, 3, 9, 12, 1;
    PMCNTENCLR_EL0 = 3, 3, 9, 12, 2;
    PMOVSCLR_EL0 = 3, 3, 9, 12, 3;
    PMSWINC_EL0 = 3, 3, 9, 12, 4;
    PMSELR_EL0 = 3, 3, 9, 12, 5;
    PMCCNTR_EL0 = 3, 3, 9, 13, 0;
    PMXEVTYPER_EL0 = 3, 3, 9, 13, 1;
    PMXEVCNTR_EL0 = 3, 3, 9, 13, 2;
    PMUSERENR_EL0 = 3, 3, 9, 14, 0;
    PMOVSSET_EL0 = 3, 3, 9, 14, 3;
    TPIDR_EL0 = 3, 3, 13, 0, 2;
    TPIDRRO_EL0 = 3, 3, 13, 0, 3;
    TPIDR2_EL0 = 3, 3, 13, 0, 5;
    CNTFRQ_EL0 = 3, 3, 14, 0, 0;
    CNTPCT_EL0 = 3, 3, 14, 0, 1;
    CNTVCT_EL0 = 3, 3, 14, 0, 2;
    CNTP_CTL_EL0 = 3, 3, 14, 2, 1;
    CNTP_CVAL_EL0 = 3, 3, 14, 2, 2;
    CNTV_CTL_EL0 = 3, 3, 14, 3, 1;
    CNTV_CVAL_EL0 = 3, 3, 14, 3, 2;
    PMEVCNTR0_EL0 = 3, 3, 14, 8, 0;
    PMEVCNTR1_EL0 = 3, 3, 14, 8, 1;
    PMEVCNTR2_EL0 = 3, 3, 14, 8, 2;
    PMEVCNTR3_EL0 = 3, 3, 14, 8, 3;
    PMEVCNTR4_EL0 = 3, 3, 14, 8, 4;
    PMEVCNTR5_EL0 = 3, 3, 14, 8, 5;
    PMEVCNTR6_EL0 = 3, 3, 14, 8, 6;
    PMEVCNTR7_EL0 = 3, 3, 14, 8, 7;
    PMEVCNTR8_EL0 = 3, 3, 14, 9, 0;
    PMEVCNTR9_EL0 = 3, 3, 14, 9, 1;
    PMEVCNTR10_EL0 = 3, 3, 14, 9, 2;
    PMEVCNTR11_EL0 = 3, 3, 14, 9, 3;
    PMEVCNTR12_EL0 = 3, 3, 14, 9, 4;
    PMEVCNTR13_EL0 = 3, 3, 14, 9, 5;
    PMEVCNTR14_EL0 = 3, 3, 14, 9, 6;
    PMEVCNTR15_EL0 = 3, 3, 14, 9, 7;
    PMEVCNTR16_EL0 = 3, 3, 14, 10, 0;
    PMEVCNTR17_EL0 = 3, 3, 14, 10, 1;
    PMEVCNTR18_EL0 = 3, 3, 14, 10, 2;
    PMEVCNTR19_EL0 = 3, 3, 14, 10, 3;
    PMEVCNTR20_EL0 = 3, 3, 14, 10, 4;
    PMEVCNTR21_EL0 = 3, 3, 14, 10, 5;
    PMEVCNTR22_EL0 = 3, 3, 14, 10, 6;
    PMEVCNTR23_EL0 = 3, 3, 14, 10, 7;
    PMEVCNTR24_EL0 = 3, 3, 14, 11, 0;
    PMEVCNTR25_EL0 = 3, 3, 14, 11, 1;
    PMEVCNTR26_EL0 = 3, 3, 14, 11, 2;
    PMEVCNTR27_EL0 = 3, 3, 14, 11, 3;
    PMEVCNTR28_EL0 = 3, 3, 14, 11, 4;
    PMEVCNTR29_EL0 = 3, 3, 14, 11, 5;
    PMEVCNTR30_EL0 = 3, 3, 14, 11, 6;
    PMEVTYPER0_EL0 = 3, 3, 14, 12, 0;
    PMEVTYPER1_EL0 = 3, 3, 14, 12, 1;
    PMEVTYPER2_EL0 = 3, 3, 14, 12, 2;
    PMEVTYPER3_EL0 = 3, 3, 14, 12, 3;
    PMEVTYPER4_EL0 = 3, 3, 14, 12, 4;
    PMEVTYPER5_EL0 = 3, 3, 14, 12, 5;
    PMEVTYPER6_EL0 = 3, 3, 14, 12, 6;
    PMEVTYPER7_EL0 = 3, 3, 14, 12, 7;
    PMEVTYPER8_EL0 = 3, 3, 14, 13, 0;
    PMEVTYPER9_EL0 = 3, 3, 14, 13, 1;
    PMEVTYPER10_EL0 = 3, 3, 14, 13, 2;
    PMEVTYPER11_EL0 = 3, 3, 14, 13, 3;
    PMEVTYPER12_EL0 = 3, 3, 14, 13, 4;
    PMEVTYPER13_EL0 = 3, 3, 14, 13, 5;
    PMEVTYPER14_EL0 = 3, 3, 14, 13, 6;
    PMEVTYPER15_EL0 = 3, 3, 14, 13, 7;
    PMEVTYPER16_EL0 = 3, 3, 14, 14, 0;
    PMEVTYPER17_EL0 = 3, 3, 14, 14, 1;
    PMEVTYPER18_EL0 = 3, 3, 14, 14, 2;
    PMEVTYPER19_EL0 = 3, 3, 14, 14, 3;
    PMEVTYPER20_EL0 = 3, 3, 14, 14, 4;
    PMEVTYPER21_EL0 = 3, 3, 14, 14, 5;
    PMEVTYPER22_EL0 = 3, 3, 14, 14, 6;
    PMEVTYPER23_EL0 = 3, 3, 14, 14, 7;
    PMEVTYPER24_EL0 = 3, 3, 14, 15, 0;
    PMEVTYPER25_EL0 = 3, 3, 14, 15, 1;
    PMEVTYPER26_EL0 = 3, 3, 14, 15, 2;
    PMEVTYPER27_EL0 = 3, 3, 14, 15, 3;
    PMEVTYPER28_EL0 = 3, 3, 14, 15, 4;
    PMEVTYPER29_EL0 = 3, 3, 14, 15, 5;
    PMEVTYPER30_EL0 = 3, 3, 14, 15, 6;
    PMCCFILTR_EL0 = 3, 3, 14, 15, 7;
    DACR32_EL2 = 3, 4, 3, 0, 0;
    SP_EL1 = 3, 4, 4, 1, 0;
    SPSR_IRQ ("SPSR_irq") = 3, 4, 4, 3, 0;
    SPSR_ABT ("SPSR_abt") = 3, 4, 4, 3, 1;
    SPSR_UND ("SPSR_und") = 3, 4, 4, 3, 2;
    SPSR_FIQ ("SPSR_fiq") = 3, 4, 4, 3, 3;
    IFSR32_EL2 = 3, 4, 5, 0, 1;
    FPEXC32_EL2 = 3, 4, 5, 3, 0;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    /// Miri, which takes a hundred times as long, sees only some.
    const STEP: usize = if cfg!(miri) { 997 } else { 1 };

    #[test]
    fn every_encoding_round_trips_through_its_operands_and_its_name() {
        for encoding in (0..=u16::MAX).step_by(STEP) {
            let register = SystemRegister::from_encoding(encoding);
            assert_eq!(
                SystemRegister::new(
                    register.op0(),
                    register.op1(),
                    register.crn(),
                    register.crm(),
                    register.op2()
                ),
                Some(register)
            );
        }
        let named = SystemRegister::named().iter().map(|(register, _)| register.encoding());
        for encoding in (0..=u16::MAX).step_by(37 * STEP).chain(named.step_by(STEP.div_ceil(37))) {
            let register = SystemRegister::from_encoding(encoding);
            assert_eq!(SystemRegister::by_name(&register.to_string()), Some(register));
        }
    }

    #[test]
    fn operands_out_of_range_are_no_register() {
        for (op0, op1, crn, crm, op2) in
            [(4, 0, 0, 0, 0), (3, 8, 0, 0, 0), (3, 0, 16, 0, 0), (3, 0, 0, 16, 0), (3, 0, 0, 0, 8)]
        {
            assert_eq!(SystemRegister::new(op0, op1, crn, crm, op2), None);
        }
        for name in ["", "S3", "S3_0_C1_C0", "S3_0_C1_C0_0_0", "S4_0_C1_C0_0", "S3_0_1_0_0", "NOT_A_REGISTER"]
        {
            assert_eq!(SystemRegister::by_name(name), None, "{name}");
        }
        assert_eq!(SystemRegister::by_name("sctlr_el1"), Some(SystemRegister::SCTLR_EL1));
        assert_eq!(SystemRegister::by_name("s3_0_c1_c0_0"), Some(SystemRegister::SCTLR_EL1));
    }
}
