//! KVM's "core" group: the registers of `struct kvm_regs`.

use super::RegisterSize;

/// One of the SPSRs that KVM keeps in `struct kvm_regs`, in KVM's order.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum SpsrBank {
    /// `SPSR_EL1`, in AArch32 `SPSR_svc`.
    El1 = 0,
    /// `SPSR_abt`.
    Abt = 1,
    /// `SPSR_und`.
    Und = 2,
    /// `SPSR_irq`.
    Irq = 3,
    /// `SPSR_fiq`.
    Fiq = 4,
}

impl SpsrBank {
    /// All banks by KVM's number.
    pub const ALL: [Self; 5] = [Self::El1, Self::Abt, Self::Und, Self::Irq, Self::Fiq];
}

/// A register of `struct kvm_regs`, KVM's "core" group.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CoreRegister {
    /// `X0` to `X30`.
    X(u8),
    /// `SP_EL0`.
    SpEl0,
    /// The program counter.
    Pc,
    /// `PSTATE` in the layout of an SPSR.
    Pstate,
    /// `SP_EL1`.
    SpEl1,
    /// `ELR_EL1`.
    ElrEl1,
    /// A saved program status register.
    Spsr(SpsrBank),
    /// `V0` to `V31`; `EINVAL` on a vCPU with SVE.
    V(u8),
    /// `FPSR`.
    Fpsr,
    /// `FPCR`.
    Fpcr,
}

// Offsets into `struct kvm_regs` in units of 32 bits: `struct user_pt_regs` (regs[31], sp, pc,
// pstate), sp_el1, elr_el1, spsr[5], 8 bytes that align what follows to 16, `struct
// user_fpsimd_state` (vregs[32], fpsr, fpcr).
const X0: u16 = 0;
const SP_EL0: u16 = 62;
const PC: u16 = 64;
pub(super) const PSTATE: u16 = 66;
const SP_EL1: u16 = 68;
const ELR_EL1: u16 = 70;
const SPSR: u16 = 72;
const V0: u16 = 84;
const FPSR: u16 = 212;
const FPCR: u16 = 213;

impl CoreRegister {
    /// The offset into `struct kvm_regs`, in units of 32 bits; `None` for an X above 30 or a V above 31.
    pub(super) const fn offset(self) -> Option<u16> {
        Some(match self {
            Self::X(number) if number <= 30 => X0 + 2 * number as u16,
            Self::V(number) if number <= 31 => V0 + 4 * number as u16,
            Self::X(_) | Self::V(_) => return None,
            Self::SpEl0 => SP_EL0,
            Self::Pc => PC,
            Self::Pstate => PSTATE,
            Self::SpEl1 => SP_EL1,
            Self::ElrEl1 => ELR_EL1,
            Self::Spsr(bank) => SPSR + 2 * bank as u16,
            Self::Fpsr => FPSR,
            Self::Fpcr => FPCR,
        })
    }

    pub(super) const fn size(self) -> RegisterSize {
        match self {
            Self::V(_) => RegisterSize::U128,
            Self::Fpsr | Self::Fpcr => RegisterSize::U32,
            _ => RegisterSize::U64,
        }
    }

    pub(super) fn from_offset(offset: u16) -> Option<Self> {
        Some(match offset {
            X0..SP_EL0 if offset.is_multiple_of(2) => Self::X((offset / 2) as u8),
            SP_EL0 => Self::SpEl0,
            PC => Self::Pc,
            PSTATE => Self::Pstate,
            SP_EL1 => Self::SpEl1,
            ELR_EL1 => Self::ElrEl1,
            SPSR..82 if offset.is_multiple_of(2) => {
                Self::Spsr(*SpsrBank::ALL.get(usize::from(offset - SPSR) / 2)?)
            }
            V0..FPSR if offset.is_multiple_of(4) => Self::V(((offset - V0) / 4) as u8),
            FPSR => Self::Fpsr,
            FPCR => Self::Fpcr,
            _ => return None,
        })
    }
}
