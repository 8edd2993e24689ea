//! The profiles of the architecture.

use super::SpecialRegister;

/// Which profile of the architecture cores are of, and what of it that a client is to know.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Profile {
    /// The A profile: AArch64 or AArch32, as [`Registers::el1_uses_aarch32`](super::Registers::el1_uses_aarch32) says.
    #[default]
    A,
    /// The M profile: Cortex-M.
    M(MProfile),
}

/// What an M-profile core has.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct MProfile {
    /// The version of the architecture.
    pub version: MVersion,
    /// It has the floating-point extension: `S0` to `S31`, two of them each in the `D` registers, which are the halves
    /// of the first 8 vectors of [`Registers::read_vector`](super::Registers::read_vector).
    pub floating_point: bool,
    /// It has the Security Extension, and the debugger may access Secure state: the stack pointers of both states.
    pub security: bool,
}

/// A version of the M profile.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum MVersion {
    /// Armv6-M.
    V6,
    /// Armv7-M.
    V7,
    /// Armv8-M, without the Main Extension.
    V8Baseline,
    /// Armv8-M with the Main Extension.
    V8Mainline,
}

impl MProfile {
    /// Whether the core has a special-purpose register that a debugger may access.
    #[must_use]
    pub const fn has(self, register: SpecialRegister) -> bool {
        match register {
            SpecialRegister::Basepri | SpecialRegister::Faultmask => {
                matches!(self.version, MVersion::V7 | MVersion::V8Mainline)
            }
            SpecialRegister::Fpscr => self.floating_point,
            SpecialRegister::MspNs
            | SpecialRegister::PspNs
            | SpecialRegister::MspS
            | SpecialRegister::PspS => self.security,
            _ => true,
        }
    }
}
