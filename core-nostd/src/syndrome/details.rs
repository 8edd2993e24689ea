//! The instruction specific syndrome, by class.

use core::fmt;

use super::abort::{DataAbort, GranuleProtection, InstructionAbort, SystemError};
use super::class::ExceptionClass;
use super::debug::{SoftwareStep, Watchpoint};
use super::exception::{
    AuthenticationFailure, ExceptionReturn, FloatingPoint, GuardedControlStack, MemoryCopySet, SmeTrap,
};
use super::trap::{
    Conditional, CoprocessorAccess, CoprocessorLoadStore, CoprocessorPairAccess, SystemRegisterAccess,
    SystemRegisterPairAccess, Wait,
};
use super::words::{X, word};
use crate::registers::{BranchType, Esr};

/// What ISS says, by exception class.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Details {
    /// The ISS of the class is reserved, or says nothing that the class does not.
    None,
    /// `WFI`, `WFE` and their timed forms.
    Wait(Wait),
    /// Access to a coprocessor register: [`ExceptionClass::Cp15`], [`ExceptionClass::Cp14`] and
    /// [`ExceptionClass::Cp10`].
    Coprocessor(CoprocessorAccess),
    /// Access to a pair of coprocessor registers: [`ExceptionClass::Cp15Pair`] and
    /// [`ExceptionClass::Cp14Pair`].
    CoprocessorPair(CoprocessorPairAccess),
    /// `LDC` or `STC`.
    CoprocessorLoadStore(CoprocessorLoadStore),
    /// SIMD or floating point.
    FpAccess(Conditional),
    /// An instruction of [`ExceptionClass::OtherInstruction`] by its ISS: 0 `ST64BV`, 1 `ST64BV0`,
    /// 2 `LD64B` or `ST64B`.
    OtherInstruction(u32),
    /// BTYPE, bits \[1:0\]: what the branch to an invalid target was.
    BranchTarget(BranchType),
    /// imm16, bits \[15:0\], of `SVC`, `HVC` or `SMC`, but for the AArch32 `SMC`.
    Call(u16),
    /// AArch32 `SMC`.
    Smc32(Conditional),
    /// `MSR`, `MRS` or a system instruction.
    SystemRegister(SystemRegisterAccess),
    /// `MSRR`, `MRRS` or `SYSP`.
    SystemRegisterPair(SystemRegisterPairAccess),
    /// `ERET`.
    ExceptionReturn(ExceptionReturn),
    /// Rd, bits \[9:5\], of `TSTART`.
    Tstart(u8),
    /// Pointer authentication failure.
    AuthenticationFailure(AuthenticationFailure),
    /// SME.
    Sme(SmeTrap),
    /// Granule protection check.
    GranuleProtection(GranuleProtection),
    /// Instruction abort.
    InstructionAbort(InstructionAbort),
    /// Data abort.
    DataAbort(DataAbort),
    /// Memory copy or set.
    MemoryCopySet(MemoryCopySet),
    /// Floating-point exception.
    FloatingPoint(FloatingPoint),
    /// Guarded control stack.
    GuardedControlStack(GuardedControlStack),
    /// `SError`.
    SystemError(SystemError),
    /// Software step.
    SoftwareStep(SoftwareStep),
    /// Watchpoint.
    Watchpoint(Watchpoint),
    /// Comment, bits \[15:0\]: the immediate of a `BRK` or `BKPT`.
    BreakInstruction(u16),
    /// The ISS of a class without a meaning, or with one that is not Arm's, bits \[24:0\].
    Raw(u32),
}

impl Details {
    pub(super) const fn decode(class: ExceptionClass, esr: Esr) -> Self {
        use ExceptionClass as Class;
        let iss = esr.iss();
        match class {
            Class::Unknown
            | Class::PointerAuthentication
            | Class::IllegalState
            | Class::Sve
            | Class::PcAlignment
            | Class::SpAlignment
            | Class::BreakpointLower
            | Class::BreakpointSame
            | Class::VectorCatch => Self::None,
            Class::WaitFor => Self::Wait(Wait::from_bits(iss)),
            Class::Cp15 | Class::Cp14 | Class::Cp10 => Self::Coprocessor(CoprocessorAccess::from_bits(iss)),
            Class::Cp15Pair | Class::Cp14Pair => Self::CoprocessorPair(CoprocessorPairAccess::from_bits(iss)),
            Class::Cp14LoadStore => Self::CoprocessorLoadStore(CoprocessorLoadStore::from_bits(iss)),
            Class::FpAccess => Self::FpAccess(Conditional::from_bits(iss)),
            Class::OtherInstruction => Self::OtherInstruction(iss),
            Class::BranchTarget => Self::BranchTarget(BranchType::from_bits(iss as u8)),
            Class::Svc32 | Class::Hvc32 | Class::Svc64 | Class::Hvc64 | Class::Smc64 => {
                Self::Call(iss as u16)
            }
            Class::Smc32 => Self::Smc32(Conditional::from_bits(iss)),
            Class::SystemRegister => Self::SystemRegister(SystemRegisterAccess::from_bits(iss)),
            Class::SystemRegister128 => {
                Self::SystemRegisterPair(SystemRegisterPairAccess(SystemRegisterAccess::from_bits(iss)))
            }
            Class::Eret => Self::ExceptionReturn(ExceptionReturn::from_bits(iss)),
            Class::Tstart => Self::Tstart((iss >> 5 & 0x1f) as u8),
            Class::PointerAuthenticationFailure => {
                Self::AuthenticationFailure(AuthenticationFailure::from_bits(iss))
            }
            Class::Sme => Self::Sme(SmeTrap::from_bits(iss as u8)),
            Class::GranuleProtection => Self::GranuleProtection(GranuleProtection::from_bits(iss)),
            Class::InstructionAbortLower | Class::InstructionAbortSame => {
                Self::InstructionAbort(InstructionAbort::from_bits(iss))
            }
            Class::DataAbortLower | Class::DataAbortSame => {
                Self::DataAbort(DataAbort::from_bits(esr.into_bits()))
            }
            Class::MemoryCopySet => Self::MemoryCopySet(MemoryCopySet::from_bits(iss)),
            Class::Fp32 | Class::Fp64 => Self::FloatingPoint(FloatingPoint::from_bits(iss)),
            Class::GuardedControlStack => Self::GuardedControlStack(GuardedControlStack::from_bits(iss)),
            Class::SError => Self::SystemError(SystemError::from_bits(iss)),
            Class::SoftwareStepLower | Class::SoftwareStepSame => {
                Self::SoftwareStep(SoftwareStep::from_bits(iss))
            }
            Class::WatchpointLower | Class::WatchpointSame => Self::Watchpoint(Watchpoint::from_bits(iss)),
            Class::Brk | Class::Bkpt => Self::BreakInstruction(iss as u16),
            Class::ImplementationDefined | Class::Profiling | Class::Reserved(_) => Self::Raw(iss),
        }
    }
}

/// What follows the name of the class.
impl fmt::Display for Details {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None | Self::FpAccess(_) | Self::Smc32(_) => Ok(()),
            Self::Wait(wait) => wait.fmt(f),
            Self::Coprocessor(access) => access.fmt(f),
            Self::CoprocessorPair(access) => access.fmt(f),
            Self::CoprocessorLoadStore(access) => access.fmt(f),
            Self::OtherInstruction(iss @ 0..=2) => {
                f.write_str(word(&[": ST64BV", ": ST64BV0", ": LD64B or ST64B"], *iss as u8))
            }
            Self::BranchTarget(btype) => {
                let branches = ["", " after BR X16 or BR X17", " after BLR", " after BR"];
                f.write_str(word(&branches, btype.into_bits()))
            }
            Self::Call(immediate) | Self::BreakInstruction(immediate) => write!(f, " #{immediate:#x}"),
            Self::SystemRegister(access) => access.fmt(f),
            Self::SystemRegisterPair(access) => access.fmt(f),
            Self::ExceptionReturn(instruction) => instruction.fmt(f),
            Self::Tstart(rd) => write!(f, " {}", X(*rd)),
            Self::AuthenticationFailure(failure) => failure.fmt(f),
            Self::Sme(trap) => trap.fmt(f),
            Self::GranuleProtection(check) => check.fmt(f),
            Self::InstructionAbort(abort) => abort.fmt(f),
            Self::DataAbort(abort) => abort.fmt(f),
            Self::MemoryCopySet(instruction) => instruction.fmt(f),
            Self::FloatingPoint(flags) => flags.fmt(f),
            Self::GuardedControlStack(check) => check.fmt(f),
            Self::SystemError(error) => error.fmt(f),
            Self::SoftwareStep(step) => step.fmt(f),
            Self::Watchpoint(watchpoint) => watchpoint.fmt(f),
            Self::OtherInstruction(iss) | Self::Raw(iss) => write!(f, ", ISS {iss:#x}"),
        }
    }
}
