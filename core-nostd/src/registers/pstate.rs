//! `PSTATE`, and the `SPSR_ELx` that saves it.

use core::fmt;

use bitfield_struct::bitfield;

/// Process state in the layout of an `SPSR_ELx` that holds AArch64 state (DDI 0487, "SPSR_EL1, Saved
/// Program Status Register (EL1)", "Fields when exception taken from AArch64 state").
///
/// Where bit 4, nRW, is set the state is AArch32 and the other fields have another layout:
/// [`Pstate::aarch32`] gives it.
#[bitfield(u64, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq, Hash)]
pub struct Pstate {
    /// M, bits \[4:0\], with nRW as its bit 4: Exception level and stack pointer, or the AArch32 mode.
    #[bits(5)]
    pub mode: Mode,
    __: bool,
    /// F, bit \[6\]: FIQ interrupts are masked.
    pub f: bool,
    /// I, bit \[7\]: IRQ interrupts are masked.
    pub i: bool,
    /// A, bit \[8\]: SError exceptions are masked.
    pub a: bool,
    /// D, bit \[9\]: debug exceptions that target the current Exception level are masked.
    pub d: bool,
    /// BTYPE, bits \[11:10\]: what the branch to this instruction was (FEAT_BTI).
    #[bits(2)]
    pub btype: BranchType,
    /// SSBS, bit \[12\]: speculative store bypassing is allowed (FEAT_SSBS).
    pub ssbs: bool,
    /// ALLINT, bit \[13\]: all IRQ and FIQ interrupts are masked (FEAT_NMI).
    pub allint: bool,
    #[bits(6)]
    __: u8,
    /// IL, bit \[20\]: illegal execution state.
    pub il: bool,
    /// SS, bit \[21\]: software step, active-not-pending when set.
    pub ss: bool,
    /// PAN, bit \[22\]: privileged access never (FEAT_PAN).
    pub pan: bool,
    /// UAO, bit \[23\]: user access override (FEAT_UAO).
    pub uao: bool,
    /// DIT, bit \[24\]: data-independent timing (FEAT_DIT).
    pub dit: bool,
    /// TCO, bit \[25\]: tag checks are off (FEAT_MTE).
    pub tco: bool,
    #[bits(2)]
    __: u8,
    /// V, bit \[28\]: overflow condition flag.
    pub v: bool,
    /// C, bit \[29\]: carry condition flag.
    pub c: bool,
    /// Z, bit \[30\]: zero condition flag.
    pub z: bool,
    /// N, bit \[31\]: negative condition flag.
    pub n: bool,
    /// PM, bit \[32\]: PMU exceptions are masked (FEAT_EBEP).
    pub pm: bool,
    /// PPEND, bit \[33\]: a PMU exception is pending (FEAT_SEBEP).
    pub ppend: bool,
    /// EXLOCK, bit \[34\]: exception return state is locked (FEAT_GCS).
    pub exlock: bool,
    /// PACM, bit \[35\]: pointer authentication modifier from the PC (FEAT_PAuth_LR).
    pub pacm: bool,
    /// UINJ, bit \[36\]: an undefined-instruction exception is injected (FEAT_UINJ).
    pub uinj: bool,
    #[bits(27)]
    __: u32,
}

impl Pstate {
    /// The bits of D, A, I and F, as `MRS Xt, DAIF` reads them.
    pub const DAIF: u64 = 0b1111 << 6;

    /// The bit of ALLINT, as `MRS Xt, ALLINT` reads it.
    pub const ALLINT: u64 = 1 << 13;

    /// The Exception level of the state.
    #[must_use]
    pub const fn exception_level(self) -> ExceptionLevel {
        self.mode().exception_level()
    }

    /// Whether the state is AArch32 (nRW set).
    #[must_use]
    pub const fn is_aarch32(self) -> bool {
        self.mode().is_aarch32()
    }

    /// Which stack pointer AArch64 code uses in this state.
    #[must_use]
    pub const fn stack_pointer_selector(self) -> StackPointer {
        // EL0 has SP_EL0 alone, and encodes it like the other levels do.
        if self.into_bits() & 1 == 0 { StackPointer::El0 } else { StackPointer::ElX }
    }

    /// D, A, I and F in place, as `MRS Xt, DAIF` reads them.
    #[must_use]
    pub const fn daif(self) -> u64 {
        self.into_bits() & Self::DAIF
    }

    /// The same state with D, A, I and F from bits \[9:6\] of `daif`, as `MSR DAIF, Xt` writes them.
    #[must_use]
    pub const fn with_daif(self, daif: u64) -> Self {
        Self::from_bits(self.into_bits() & !Self::DAIF | daif & Self::DAIF)
    }
}

/// `SPSR_EL1`, `SPSR_EL2` and `SPSR_EL3` have the layout of the state that they save.
pub type Spsr = Pstate;

/// An Exception level.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ExceptionLevel {
    /// Applications.
    El0,
    /// Operating systems.
    El1,
    /// Hypervisors.
    El2,
    /// Secure monitors.
    El3,
}

impl fmt::Display for ExceptionLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::El0 => "EL0",
            Self::El1 => "EL1",
            Self::El2 => "EL2",
            Self::El3 => "EL3",
        })
    }
}

/// Which stack pointer AArch64 code uses: `PSTATE.SP`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum StackPointer {
    /// `SP_EL0`, whatever the Exception level.
    El0,
    /// `SP_ELx` of the current Exception level.
    ElX,
}

macro_rules! modes {
    ($($(#[$doc:meta])* $name:ident = $bits:literal, $level:ident, $text:literal;)*) => {
        /// M\[4:0\] of `PSTATE`, `SPSR_ELx` and `CPSR`: the Exception level and stack pointer of AArch64
        /// state or the mode of AArch32 state.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        #[repr(u8)]
        pub enum Mode {
            $($(#[$doc])* $name = $bits,)*
            /// An encoding without a meaning; only its bits \[4:0\] count.
            Reserved(u8) = 0x20,
        }

        impl Mode {
            /// The mode that M\[4:0\] encodes.
            #[must_use]
            pub const fn from_bits(bits: u8) -> Self {
                match bits & 0b1_1111 {
                    $($bits => Self::$name,)*
                    reserved => Self::Reserved(reserved),
                }
            }

            /// M\[4:0\].
            #[must_use]
            pub const fn into_bits(self) -> u8 {
                match self {
                    $(Self::$name => $bits,)*
                    Self::Reserved(bits) => bits & 0b1_1111,
                }
            }

            /// The Exception level of the mode. AArch32 modes but for User, Hyp and Monitor count as EL1's,
            /// which is where they are unless EL3 uses AArch32. A reserved encoding of AArch64 state has
            /// its level in bits \[3:2\], one of AArch32 state counts as EL1's.
            #[must_use]
            pub const fn exception_level(self) -> ExceptionLevel {
                match self {
                    $(Self::$name => ExceptionLevel::$level,)*
                    Self::Reserved(bits) => match bits >> 2 & 0b111 {
                        0b000 => ExceptionLevel::El0,
                        0b010 => ExceptionLevel::El2,
                        0b011 => ExceptionLevel::El3,
                        _ => ExceptionLevel::El1,
                    },
                }
            }
        }

        impl fmt::Display for Mode {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$name => f.write_str($text),)*
                    Self::Reserved(bits) => write!(f, "mode {bits:#07b}"),
                }
            }
        }
    };
}

modes! {
    /// EL0 in AArch64 state.
    El0t = 0b0_0000, El0, "EL0t";
    /// EL1 with `SP_EL0`.
    El1t = 0b0_0100, El1, "EL1t";
    /// EL1 with `SP_EL1`.
    El1h = 0b0_0101, El1, "EL1h";
    /// EL2 with `SP_EL0`.
    El2t = 0b0_1000, El2, "EL2t";
    /// EL2 with `SP_EL2`.
    El2h = 0b0_1001, El2, "EL2h";
    /// EL3 with `SP_EL0`.
    El3t = 0b0_1100, El3, "EL3t";
    /// EL3 with `SP_EL3`.
    El3h = 0b0_1101, El3, "EL3h";
    /// AArch32 User mode, EL0.
    User = 0b1_0000, El0, "User";
    /// AArch32 FIQ mode.
    Fiq = 0b1_0001, El1, "FIQ";
    /// AArch32 IRQ mode.
    Irq = 0b1_0010, El1, "IRQ";
    /// AArch32 Supervisor mode.
    Supervisor = 0b1_0011, El1, "Supervisor";
    /// AArch32 Monitor mode, EL3.
    Monitor = 0b1_0110, El3, "Monitor";
    /// AArch32 Abort mode.
    Abort = 0b1_0111, El1, "Abort";
    /// AArch32 Hyp mode, EL2.
    Hyp = 0b1_1010, El2, "Hyp";
    /// AArch32 Undefined mode.
    Undefined = 0b1_1011, El1, "Undefined";
    /// AArch32 System mode: privileged, with the registers of User mode.
    System = 0b1_1111, El1, "System";
}

impl Mode {
    /// Whether the mode is of AArch32 state (nRW set).
    #[must_use]
    pub const fn is_aarch32(self) -> bool {
        self.into_bits() & 0b1_0000 != 0
    }
}

/// `PSTATE.BTYPE`: how the instruction was branched to, which a guarded page's `BTI` checks (DDI 0487,
/// "Effect of BTI guarded pages on branches").
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum BranchType {
    /// 0b00: not by an indirect branch that is checked.
    Unchecked,
    /// 0b01: by `BR` with X16 or X17, or from a page that is not guarded.
    Veneer,
    /// 0b10: by `BLR`.
    Call,
    /// 0b11: by `BR` with another register, in a guarded page.
    Jump,
}

impl BranchType {
    /// The value that BTYPE encodes in bits \[1:0\].
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        match bits & 0b11 {
            0b00 => Self::Unchecked,
            0b01 => Self::Veneer,
            0b10 => Self::Call,
            _ => Self::Jump,
        }
    }

    /// BTYPE, bits \[1:0\].
    #[must_use]
    pub const fn into_bits(self) -> u8 {
        match self {
            Self::Unchecked => 0b00,
            Self::Veneer => 0b01,
            Self::Call => 0b10,
            Self::Jump => 0b11,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn every_mode_round_trips_and_knows_its_level() {
        for bits in 0..32 {
            let mode = Mode::from_bits(bits);
            assert_eq!(mode.into_bits(), bits);
            assert_eq!(mode.is_aarch32(), bits >= 16);
            if bits < 16 {
                assert_eq!(mode.exception_level() as u8, bits >> 2, "{mode}");
            }
        }
        assert_eq!(Mode::from_bits(0b1_1010).exception_level(), ExceptionLevel::El2);
        assert_eq!(Mode::from_bits(0b1_0110).exception_level(), ExceptionLevel::El3);
        assert_eq!(Mode::from_bits(0b1_0000).exception_level(), ExceptionLevel::El0);
        assert_eq!(Mode::from_bits(0b1_0100).exception_level(), ExceptionLevel::El1);
        assert_eq!(Mode::from_bits(0b0_1110).to_string(), "mode 0b01110");
    }

    #[test]
    fn every_branch_type_round_trips() {
        for bits in 0..4 {
            assert_eq!(BranchType::from_bits(bits).into_bits(), bits);
            assert_eq!(
                Pstate::new().with_btype(BranchType::from_bits(bits)).into_bits(),
                u64::from(bits) << 10
            );
        }
    }

    /// Bit numbers from DDI 0487, "SPSR_EL1": written here apart from the layout.
    #[test]
    fn every_flag_has_the_bit_of_the_manual() {
        type Set = fn(Pstate, bool) -> Pstate;
        type Get = fn(Pstate) -> bool;
        let flags: [(u32, Set, Get); 22] = [
            (6, |p, v| p.with_f(v), |p| p.f()),
            (7, |p, v| p.with_i(v), |p| p.i()),
            (8, |p, v| p.with_a(v), |p| p.a()),
            (9, |p, v| p.with_d(v), |p| p.d()),
            (12, |p, v| p.with_ssbs(v), |p| p.ssbs()),
            (13, |p, v| p.with_allint(v), |p| p.allint()),
            (20, |p, v| p.with_il(v), |p| p.il()),
            (21, |p, v| p.with_ss(v), |p| p.ss()),
            (22, |p, v| p.with_pan(v), |p| p.pan()),
            (23, |p, v| p.with_uao(v), |p| p.uao()),
            (24, |p, v| p.with_dit(v), |p| p.dit()),
            (25, |p, v| p.with_tco(v), |p| p.tco()),
            (28, |p, v| p.with_v(v), |p| p.v()),
            (29, |p, v| p.with_c(v), |p| p.c()),
            (30, |p, v| p.with_z(v), |p| p.z()),
            (31, |p, v| p.with_n(v), |p| p.n()),
            (32, |p, v| p.with_pm(v), |p| p.pm()),
            (33, |p, v| p.with_ppend(v), |p| p.ppend()),
            (34, |p, v| p.with_exlock(v), |p| p.exlock()),
            (35, |p, v| p.with_pacm(v), |p| p.pacm()),
            (36, |p, v| p.with_uinj(v), |p| p.uinj()),
            // SP is the lowest bit of the mode.
            (
                0,
                |p, v| if v { p.with_mode(Mode::El1h) } else { p },
                |p| p.stack_pointer_selector() == StackPointer::ElX,
            ),
        ];
        for (bit, set, get) in flags {
            let mut expected = 1 << bit;
            if bit == 0 {
                expected |= 0b100;
            }
            assert_eq!(set(Pstate::new(), true).into_bits(), expected, "bit {bit}");
            assert!(get(Pstate::from_bits(1 << bit)));
            assert!(!get(Pstate::from_bits(!(1 << bit))));
        }
    }

    #[test]
    fn daif_reads_and_writes_its_four_bits_and_no_others() {
        let state = Pstate::from_bits(0xffff_ffff_ffff_ffff);
        assert_eq!(state.daif(), 0x3c0);
        assert_eq!(state.with_daif(0x40).into_bits(), 0xffff_ffff_ffff_fc7f);
        assert_eq!(Pstate::new().with_daif(u64::MAX).into_bits(), 0x3c0);
    }
}
