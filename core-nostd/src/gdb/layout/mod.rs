//! Which registers the target has, and their numbers: those of the target description.

pub(super) mod aarch32;
pub(super) mod m_profile;
mod numbers;

pub(super) use numbers::Numbers;

use core::ops::Range;

use crate::aarch32::BUILT_IN;
use crate::agent::{self, Numbering, Operand};
use crate::debugger::Debugger;
use crate::registers::SpecialRegister;
use crate::registers::SystemRegister;
use crate::target::{CoreId, MProfile, Profile, ScalableRegister, Target, TargetError};

/// A register as the client knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Named {
    /// `x0` to `x30`.
    X(u8),
    /// The stack pointer in use.
    Sp,
    Pc,
    /// `PSTATE` in SPSR layout, its low 32 bits.
    Status,
    V(u8),
    /// 32 bits, like FPCR.
    Fpsr,
    Fpcr,
    /// A register of SVE, and its length in bytes.
    Scalable(ScalableRegister, u16),
    /// `vg`: how many doublewords a vector has.
    VectorGranules(u16),
    /// Which bits of a pointer are its authentication code, in the lower or the higher half of the addresses.
    AuthenticationMask {
        high: bool,
    },
    System(SystemRegister),
    /// `r0` to `r14` of AArch32 and of the M profile.
    R(u8),
    /// The program counter of AArch32.
    Pc32,
    /// `d0` to `d31` of AArch32, `d0` to `d15` of the M profile.
    D(u8),
    Fpscr,
    Special(SpecialRegister),
    /// One of the FPA, and its length in bytes: no processor has had it for decades, and clients that go by the order
    /// of its day leave room for it.
    Fpa(u8),
}

/// Whether scalable vectors are shown. A constant, so that a program without it has no code for it.
pub(super) const SVE: bool = cfg!(feature = "sve");

/// Which registers the target has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Layout {
    /// Those of AArch64.
    Aarch64 {
        /// The length of its scalable vectors in bytes, if it has any.
        scalable: Option<u16>,
        /// It signs pointers.
        authenticates: bool,
    },
    /// Those of a target whose EL1 uses AArch32.
    Aarch32,
    /// Those of the M profile.
    M(MProfile),
}

/// Numbers of AArch64's registers.
const SP: u64 = 31;
const PC: u64 = 32;
const CPSR: u64 = 33;
const VECTORS: u64 = 34;
const FPSR: u64 = 66;
const FPCR: u64 = 67;
pub(super) const PREDICATES: u64 = 68;
const FFR: u64 = 84;
const VG: u64 = 85;
pub(super) const MASKS: u64 = 86;
const LAST_MASK: u64 = MASKS + 3;

/// Numbers from here on are those of system registers, by their encoding: its op0 is at least 2.
const SYSTEM: u64 = 0x8000;

impl Layout {
    const PLAIN: Self = Self::Aarch64 { scalable: None, authenticates: false };

    /// What a target has. It does not change while a client is there.
    ///
    /// # Errors
    /// Where the target is lost.
    pub(super) fn of<T: Target, const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize>(
        debugger: &mut Debugger<T, CORES, SOFTWARE, BYTECODE>,
    ) -> Result<Self, T::Error> {
        let target = debugger.target_mut();
        if let Profile::M(profile) = target.profile() {
            return Ok(Self::M(profile));
        }
        match target.el1_uses_aarch32(CoreId(0)) {
            Ok(true) => return Ok(Self::Aarch32),
            Err(TargetError::Lost(error)) => return Err(error),
            Ok(false) | Err(TargetError::Refused(_)) => {}
        }
        let scalable = target.scalable_vectors().filter(|_| SVE).map(|vectors| vectors.vector_length());
        let mut listed = (0..).map_while(|index| target.system_register(index));
        let authenticates = listed.any(|register| register == SystemRegister::APIAKEYLO_EL1);
        Ok(Self::Aarch64 { scalable, authenticates })
    }

    /// The layout, or AArch64's where the program has no code for it. It lets the compiler leave that code out.
    pub(super) const fn built_in(self) -> Self {
        match self {
            Self::Aarch32 if !BUILT_IN => Self::PLAIN,
            Self::M(_) if !crate::m_profile::BUILT_IN => Self::PLAIN,
            layout => layout,
        }
    }

    /// The general registers but for the status, whose numbers follow each other.
    const fn general(self) -> Range<u64> {
        match self.built_in() {
            Self::Aarch64 { .. } => 0..CPSR,
            Self::Aarch32 => 0..aarch32::PC + 1,
            Self::M(_) => 0..m_profile::PC + 1,
        }
    }

    /// The number of the status register.
    const fn status(self) -> u64 {
        match self.built_in() {
            Self::Aarch64 { .. } => CPSR,
            Self::Aarch32 => aarch32::CPSR,
            Self::M(_) => m_profile::XPSR,
        }
    }

    /// The registers that come with every stop, so that the client need not ask for them: the program counter, the
    /// stack pointer, the frame pointer, the link register and the status.
    pub(super) const fn expedited(self) -> [u64; 5] {
        match self.built_in() {
            Self::Aarch64 { .. } => [PC, SP, 29, 30, CPSR],
            Self::Aarch32 => [aarch32::PC, 13, 11, 14, aarch32::CPSR],
            Self::M(_) => [m_profile::PC, 13, 7, 14, m_profile::XPSR],
        }
    }

    /// What register numbers of expressions stand for.
    pub(super) const fn numbering(self) -> Numbering {
        match self.built_in() {
            // The engine numbers as the description does, and has numbers of its own for AArch32.
            Self::Aarch64 { .. } if !BUILT_IN => agent::operand,
            Self::Aarch64 { .. } => aarch64_operand,
            Self::Aarch32 => aarch32::operand,
            Self::M(_) => m_profile::operand,
        }
    }

    /// The register with a number.
    fn named(self, number: u64) -> Option<Named> {
        match self.built_in() {
            Self::Aarch64 { scalable, authenticates } => aarch64(number, scalable, authenticates),
            Self::Aarch32 => aarch32::named(number),
            Self::M(profile) => m_profile::named(number, profile),
        }
    }
}

const fn aarch64_operand(number: u16) -> Option<Operand> {
    match agent::operand(number) {
        Some(Operand::Banked(_)) => None,
        operand => operand,
    }
}

const fn aarch64(number: u64, scalable: Option<u16>, authenticates: bool) -> Option<Named> {
    let low = number as u8;
    Some(match (number, scalable) {
        (0..=30, _) => Named::X(low),
        (SP, _) => Named::Sp,
        (PC, _) => Named::Pc,
        (CPSR, _) => Named::Status,
        (VECTORS..FPSR, Some(length)) if SVE => {
            Named::Scalable(ScalableRegister::Z(low - VECTORS as u8), length)
        }
        (VECTORS..FPSR, _) => Named::V(low - VECTORS as u8),
        (FPSR, _) => Named::Fpsr,
        (FPCR, _) => Named::Fpcr,
        // A predicate has a bit for each byte of a vector.
        (PREDICATES..FFR, Some(length)) if SVE => {
            Named::Scalable(ScalableRegister::P(low - PREDICATES as u8), length / 8)
        }
        (FFR, Some(length)) if SVE => Named::Scalable(ScalableRegister::Ffr, length / 8),
        (VG, Some(length)) if SVE => Named::VectorGranules(length / 8),
        (MASKS..=LAST_MASK, _) if authenticates => Named::AuthenticationMask { high: number >= MASKS + 2 },
        (SYSTEM..=0xffff, _) => Named::System(SystemRegister::from_encoding(number as u16)),
        _ => return None,
    })
}

impl Named {
    /// The register's size in bytes.
    pub(super) const fn size(self) -> usize {
        match self {
            Self::X(_)
            | Self::Sp
            | Self::Pc
            | Self::System(_)
            | Self::D(_)
            | Self::VectorGranules(_)
            | Self::AuthenticationMask { .. } => 8,
            Self::Status
            | Self::Fpsr
            | Self::Fpcr
            | Self::R(_)
            | Self::Pc32
            | Self::Fpscr
            | Self::Special(_) => 4,
            Self::V(_) => 16,
            Self::Scalable(_, length) => length as usize,
            Self::Fpa(length) => length as usize,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registers::Register;
    use crate::target::MVersion;

    #[test]
    #[cfg_attr(not(feature = "m-profile"), ignore = "takes the feature m-profile")]
    fn the_m_profile_has_what_its_version_has() {
        let profile =
            |version, floating_point, security| Layout::M(MProfile { version, floating_point, security });
        let small = profile(MVersion::V6, false, false);
        let large = profile(MVersion::V8Mainline, true, true);
        let named = |layout: Layout| {
            let special = SpecialRegister::ALL.into_iter();
            special.filter(move |register| {
                layout.named(m_profile::number(*register)) == Some(Named::Special(*register))
            })
        };
        let some = [
            SpecialRegister::Xpsr,
            SpecialRegister::Msp,
            SpecialRegister::Psp,
            SpecialRegister::Primask,
            SpecialRegister::Control,
        ];
        assert!(named(small).eq(some));
        assert!(named(large).eq(SpecialRegister::ALL));
        assert_eq!((small.named(26), large.named(26), large.named(42)), (None, Some(Named::D(0)), None));
        assert_eq!((large.named(13), large.named(15)), (Some(Named::R(13)), Some(Named::Pc32)));
        let all = (0..0x1_0000).filter(|number| large.named(*number).is_some()).count();
        assert_eq!(all, 16 + 16 + SpecialRegister::ALL.len());
        for number in large.expedited() {
            assert!(Numbers::new(large, true).general().any(|general| general == number));
        }
    }

    #[test]
    #[cfg_attr(not(all(feature = "aarch32", feature = "sve")), ignore = "takes both features")]
    fn numbers_mean_what_the_target_has() {
        let plain = Layout::Aarch64 { scalable: None, authenticates: false };
        let full = Layout::Aarch64 { scalable: Some(32), authenticates: true };
        assert_eq!(plain.named(34), Some(Named::V(0)));
        assert_eq!(full.named(65), Some(Named::Scalable(ScalableRegister::Z(31), 32)));
        assert_eq!(full.named(83), Some(Named::Scalable(ScalableRegister::P(15), 4)));
        assert_eq!(full.named(85), Some(Named::VectorGranules(4)));
        assert_eq!(full.named(88), Some(Named::AuthenticationMask { high: true }));
        for number in [68, 85, 86, 89, 90, 0x7fff, 0x1_0000, u64::MAX] {
            assert_eq!(plain.named(number), None, "{number}");
        }
        let sctlr = SystemRegister::SCTLR_EL1;
        assert_eq!(plain.named(sctlr.encoding().into()), Some(Named::System(sctlr)));
        assert_eq!((Layout::Aarch32.named(14), Layout::Aarch32.named(16)), (Some(Named::R(14)), None));
        assert_eq!(Layout::Aarch32.named(57), Some(Named::D(31)));
    }

    #[test]
    fn expressions_number_as_the_description_does() {
        let plain = Layout::Aarch64 { scalable: None, authenticates: false };
        for number in 0..=u16::MAX {
            let Some(operand) = (plain.numbering())(number) else { continue };
            let same = match (plain.named(number.into()), operand) {
                (Some(Named::X(x)), Operand::Register(register)) => register == Register::X(x),
                (Some(Named::Sp), operand) => operand == Operand::StackPointer,
                (Some(Named::Pc), Operand::Register(register)) => register == Register::Pc,
                (Some(Named::Status), Operand::Register(register)) => register == Register::Pstate,
                (Some(Named::Fpsr), Operand::Register(register)) => register == Register::Fpsr,
                (Some(Named::Fpcr), Operand::Register(register)) => register == Register::Fpcr,
                (Some(Named::System(system)), Operand::Register(register)) => {
                    register == Register::System(system)
                }
                _ => false,
            };
            assert!(same, "{number}");
        }
    }
}
