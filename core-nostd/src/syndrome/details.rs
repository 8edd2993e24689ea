//! The instruction specific syndrome, by class.

use core::fmt;

use super::abort::{DataAbort, GranuleProtection, InstructionAbort, SystemError};
use super::bits::{bit, field};
use super::class::ExceptionClass;
use super::debug::{SoftwareStep, Watchpoint};
use super::exception::{
    AuthenticationFailure, ExceptionReturn, FloatingPoint, GuardedControlStack, MemoryCopySet,
    OtherInstruction, SmeTrap,
};
use super::trap::{
    CoprocessorAccess, CoprocessorLoadStore, CoprocessorPairAccess, SystemRegisterAccess,
    SystemRegisterPairAccess, Wait, X, condition,
};
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
    FpAccess {
        /// COND, where CV makes it valid.
        condition: Option<u8>,
    },
    /// `LD64B`, `ST64B*` and others.
    OtherInstruction(OtherInstruction),
    /// An invalid branch target.
    BranchTarget {
        /// BTYPE, bits \[1:0\]: what the branch was.
        btype: BranchType,
    },
    /// `SVC`, `HVC` or `SMC`, but for the AArch32 `SMC`.
    Call {
        /// imm16, bits \[15:0\].
        immediate: u16,
    },
    /// AArch32 `SMC`.
    Smc32 {
        /// COND, where CV makes it valid.
        condition: Option<u8>,
        /// CCKNOWNPASS, bit \[19\], is clear: the condition was known to pass.
        passed: bool,
    },
    /// `MSR`, `MRS` or a system instruction.
    SystemRegister(SystemRegisterAccess),
    /// `MSRR`, `MRRS` or `SYSP`.
    SystemRegisterPair(SystemRegisterPairAccess),
    /// `ERET`.
    ExceptionReturn(ExceptionReturn),
    /// `TSTART`.
    Tstart {
        /// Rd, bits \[9:5\].
        rd: u8,
    },
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
    /// `BRK` or `BKPT`.
    BreakInstruction {
        /// Comment, bits \[15:0\]: the immediate of the instruction.
        comment: u16,
    },
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
            Class::WaitFor => Self::Wait(Wait::decode(iss)),
            Class::Cp15 | Class::Cp14 | Class::Cp10 => Self::Coprocessor(CoprocessorAccess::decode(iss)),
            Class::Cp15Pair | Class::Cp14Pair => Self::CoprocessorPair(CoprocessorPairAccess::decode(iss)),
            Class::Cp14LoadStore => Self::CoprocessorLoadStore(CoprocessorLoadStore::decode(iss)),
            Class::FpAccess => Self::FpAccess { condition: condition(iss) },
            Class::OtherInstruction => Self::OtherInstruction(OtherInstruction::decode(iss)),
            Class::BranchTarget => Self::BranchTarget { btype: BranchType::from_bits(field(iss, 0, 2)) },
            Class::Svc32 | Class::Hvc32 | Class::Svc64 | Class::Hvc64 | Class::Smc64 => {
                Self::Call { immediate: iss as u16 }
            }
            Class::Smc32 => Self::Smc32 { condition: condition(iss), passed: !bit(iss, 19) },
            Class::SystemRegister => Self::SystemRegister(SystemRegisterAccess::decode(iss)),
            Class::SystemRegister128 => Self::SystemRegisterPair(SystemRegisterPairAccess::decode(iss)),
            Class::Eret => Self::ExceptionReturn(ExceptionReturn::decode(iss)),
            Class::Tstart => Self::Tstart { rd: field(iss, 5, 5) },
            Class::PointerAuthenticationFailure => {
                Self::AuthenticationFailure(AuthenticationFailure::decode(iss))
            }
            Class::Sme => Self::Sme(SmeTrap::decode(iss)),
            Class::GranuleProtection => Self::GranuleProtection(GranuleProtection::decode(iss)),
            Class::InstructionAbortLower | Class::InstructionAbortSame => {
                Self::InstructionAbort(InstructionAbort::decode(iss))
            }
            Class::DataAbortLower | Class::DataAbortSame => Self::DataAbort(DataAbort::decode(esr)),
            Class::MemoryCopySet => Self::MemoryCopySet(MemoryCopySet::decode(iss)),
            Class::Fp32 | Class::Fp64 => Self::FloatingPoint(FloatingPoint::decode(iss)),
            Class::GuardedControlStack => Self::GuardedControlStack(GuardedControlStack::decode(iss)),
            Class::SError => Self::SystemError(SystemError::decode(iss)),
            Class::SoftwareStepLower | Class::SoftwareStepSame => {
                Self::SoftwareStep(SoftwareStep::decode(iss))
            }
            Class::WatchpointLower | Class::WatchpointSame => Self::Watchpoint(Watchpoint::decode(iss)),
            Class::Brk | Class::Bkpt => Self::BreakInstruction { comment: iss as u16 },
            Class::ImplementationDefined | Class::Profiling | Class::Reserved(_) => Self::Raw(iss),
        }
    }
}

/// What follows the name of the class.
impl fmt::Display for Details {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None | Self::FpAccess { .. } | Self::Smc32 { .. } => Ok(()),
            Self::Wait(wait) => wait.fmt(f),
            Self::Coprocessor(access) => access.fmt(f),
            Self::CoprocessorPair(access) => access.fmt(f),
            Self::CoprocessorLoadStore(access) => access.fmt(f),
            Self::OtherInstruction(instruction) => instruction.fmt(f),
            Self::BranchTarget { btype } => f.write_str(match btype {
                BranchType::Unchecked => "",
                BranchType::Veneer => " after BR X16 or BR X17",
                BranchType::Call => " after BLR",
                BranchType::Jump => " after BR",
            }),
            Self::Call { immediate } => write!(f, " #{immediate:#x}"),
            Self::SystemRegister(access) => access.fmt(f),
            Self::SystemRegisterPair(access) => access.fmt(f),
            Self::ExceptionReturn(instruction) => instruction.fmt(f),
            Self::Tstart { rd } => write!(f, " {}", X(*rd)),
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
            Self::BreakInstruction { comment } => write!(f, " #{comment:#x}"),
            Self::Raw(iss) => write!(f, ", ISS {iss:#x}"),
        }
    }
}
