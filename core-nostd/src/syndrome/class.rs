//! `ESR_ELx.EC`: which kind of exception it was.

use core::fmt;

macro_rules! classes {
    ($($(#[$doc:meta])* $name:ident = $bits:literal, $text:literal;)*) => {
        /// Exception class (DDI 0487, "ESR_EL1", EC, bits \[31:26\]; the classes of ESR_EL2 and ESR_EL3
        /// among them).
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        #[repr(u8)]
        #[non_exhaustive]
        pub enum ExceptionClass {
            $($(#[$doc])* $name = $bits,)*
            /// A class that has no meaning yet; bits \[5:0\] count.
            Reserved(u8) = 0x40,
        }

        impl ExceptionClass {
            /// The class that bits \[5:0\] of `bits` encode.
            #[must_use]
            pub const fn from_bits(bits: u8) -> Self {
                match bits & 0x3f {
                    $($bits => Self::$name,)*
                    reserved => Self::Reserved(reserved),
                }
            }

            /// EC, 0 to 63.
            #[must_use]
            pub const fn into_bits(self) -> u8 {
                match self {
                    $(Self::$name => $bits,)*
                    Self::Reserved(bits) => bits & 0x3f,
                }
            }
        }

        /// Names by EC; empty where it has no meaning.
        const NAMES: [&str; 64] = {
            let mut names = [""; 64];
            $(names[$bits] = $text;)*
            names
        };
    };
}

classes! {
    /// No other class fits; an undefined instruction among them.
    Unknown = 0x00, "undefined instruction or unknown reason";
    /// Trapped `WFI`, `WFE`, `WFIT`, `WFET`.
    WaitFor = 0x01, "trapped WFI or WFE";
    /// Trapped AArch32 `MCR` or `MRC`, coproc 15.
    Cp15 = 0x03, "trapped MCR or MRC of coprocessor 15";
    /// Trapped AArch32 `MCRR` or `MRRC`, coproc 15.
    Cp15Pair = 0x04, "trapped MCRR or MRRC of coprocessor 15";
    /// Trapped AArch32 `MCR` or `MRC`, coproc 14.
    Cp14 = 0x05, "trapped MCR or MRC of coprocessor 14";
    /// Trapped AArch32 `LDC` or `STC`.
    Cp14LoadStore = 0x06, "trapped LDC or STC";
    /// Trapped SVE, Advanced SIMD or floating-point instruction.
    FpAccess = 0x07, "trapped SIMD or floating-point access";
    /// Trapped AArch32 `VMRS`, coproc 10.
    Cp10 = 0x08, "trapped VMRS";
    /// Trapped pointer authentication instruction.
    PointerAuthentication = 0x09, "trapped pointer authentication instruction";
    /// Trapped `LD64B` or `ST64B*`, and other instructions that have no class of their own.
    OtherInstruction = 0x0a, "trapped LD64B, ST64B or other instruction";
    /// Trapped AArch32 `MRRC`, coproc 14.
    Cp14Pair = 0x0c, "trapped MRRC of coprocessor 14";
    /// Branch to an instruction that is no valid target (FEAT_BTI).
    BranchTarget = 0x0d, "branch target exception";
    /// Illegal execution state, `PSTATE.IL`.
    IllegalState = 0x0e, "illegal execution state";
    /// AArch32 `SVC`.
    Svc32 = 0x11, "SVC";
    /// AArch32 `HVC`.
    Hvc32 = 0x12, "HVC";
    /// AArch32 `SMC`.
    Smc32 = 0x13, "SMC";
    /// Trapped 128-bit `MSRR`, `MRRS` or `SYSP`.
    SystemRegister128 = 0x14, "trapped MSRR, MRRS or SYSP";
    /// AArch64 `SVC`.
    Svc64 = 0x15, "SVC";
    /// AArch64 `HVC`.
    Hvc64 = 0x16, "HVC";
    /// AArch64 `SMC`.
    Smc64 = 0x17, "SMC";
    /// Trapped AArch64 `MSR`, `MRS` or system instruction.
    SystemRegister = 0x18, "trapped MSR, MRS or system instruction";
    /// Trapped SVE instruction.
    Sve = 0x19, "trapped SVE access";
    /// Trapped `ERET`.
    Eret = 0x1a, "trapped ERET";
    /// `TSTART` (FEAT_TME).
    Tstart = 0x1b, "trapped TSTART";
    /// Pointer authentication failure (FEAT_FPAC).
    PointerAuthenticationFailure = 0x1c, "pointer authentication failure";
    /// Trapped SME instruction.
    Sme = 0x1d, "trapped SME access";
    /// Granule protection check (FEAT_RME).
    GranuleProtection = 0x1e, "granule protection check";
    /// Implementation defined, to EL3.
    ImplementationDefined = 0x1f, "implementation defined exception";
    /// Instruction abort from a lower Exception level.
    InstructionAbortLower = 0x20, "instruction abort from a lower level";
    /// Instruction abort from the same Exception level.
    InstructionAbortSame = 0x21, "instruction abort";
    /// Misaligned PC.
    PcAlignment = 0x22, "PC alignment fault";
    /// Data abort from a lower Exception level.
    DataAbortLower = 0x24, "data abort from a lower level";
    /// Data abort from the same Exception level.
    DataAbortSame = 0x25, "data abort";
    /// Misaligned SP.
    SpAlignment = 0x26, "SP alignment fault";
    /// Memory copy or set instruction on the wrong state (FEAT_MOPS).
    MemoryCopySet = 0x27, "memory copy or set exception";
    /// AArch32 floating-point exception.
    Fp32 = 0x28, "floating-point exception";
    /// AArch64 floating-point exception.
    Fp64 = 0x2c, "floating-point exception";
    /// Guarded control stack check (FEAT_GCS).
    GuardedControlStack = 0x2d, "guarded control stack exception";
    /// Asynchronous error.
    SError = 0x2f, "SError";
    /// Hardware breakpoint from a lower Exception level.
    BreakpointLower = 0x30, "breakpoint from a lower level";
    /// Hardware breakpoint from the same Exception level.
    BreakpointSame = 0x31, "breakpoint";
    /// Software step from a lower Exception level.
    SoftwareStepLower = 0x32, "software step from a lower level";
    /// Software step from the same Exception level.
    SoftwareStepSame = 0x33, "software step";
    /// Watchpoint from a lower Exception level.
    WatchpointLower = 0x34, "watchpoint from a lower level";
    /// Watchpoint from the same Exception level.
    WatchpointSame = 0x35, "watchpoint";
    /// AArch32 `BKPT`.
    Bkpt = 0x38, "BKPT";
    /// AArch32 vector catch.
    VectorCatch = 0x3a, "vector catch";
    /// AArch64 `BRK`.
    Brk = 0x3c, "BRK";
    /// Profiling exception (FEAT_EBEP, FEAT_SPE_EXC, FEAT_TRBE_EXC).
    Profiling = 0x3d, "profiling exception";
}

impl fmt::Display for ExceptionClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, NAMES.get(usize::from(self.into_bits()))) {
            (Self::Reserved(bits), _) => write!(f, "exception of reserved class {bits:#x}"),
            (_, name) => f.write_str(name.unwrap_or(&"")),
        }
    }
}

impl ExceptionClass {
    /// Whether it is a debug exception, which `MDCR_EL2.TDE` routes to EL2.
    #[must_use]
    pub const fn is_debug(self) -> bool {
        matches!(
            self,
            Self::BreakpointLower
                | Self::BreakpointSame
                | Self::SoftwareStepLower
                | Self::SoftwareStepSame
                | Self::WatchpointLower
                | Self::WatchpointSame
                | Self::Bkpt
                | Self::VectorCatch
                | Self::Brk
        )
    }

    /// The class of the same exception when it comes from the level that takes it.
    #[must_use]
    pub const fn from_same_level(self) -> Self {
        if self.depends_on_level() { Self::from_bits(self.into_bits() | 1) } else { self }
    }

    /// The class of the same exception when it comes from below the level that takes it.
    #[must_use]
    pub const fn from_lower_level(self) -> Self {
        if self.depends_on_level() { Self::from_bits(self.into_bits() & !1) } else { self }
    }

    /// Whether it is an abort or debug class that has two encodings: an even one for exceptions from a
    /// lower level, and the odd one above it for those from the same level.
    const fn depends_on_level(self) -> bool {
        matches!(self.into_bits() & !1, 0x20 | 0x24 | 0x30 | 0x32 | 0x34)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_round_trips() {
        for bits in 0..=u8::MAX {
            assert_eq!(ExceptionClass::from_bits(bits).into_bits(), bits & 0x3f);
        }
    }

    #[test]
    fn exactly_the_classes_with_two_encodings_change_with_the_level() {
        for bits in 0..64 {
            let class = ExceptionClass::from_bits(bits);
            let same = class.from_same_level();
            let paired = matches!(bits & !1, 0x20 | 0x24 | 0x30 | 0x32 | 0x34);
            let expected = if paired { bits | 1 } else { bits };
            assert_eq!(same.into_bits(), expected);
            assert_eq!(same.from_lower_level().into_bits(), if paired { bits & !1 } else { bits });
        }
    }
}
