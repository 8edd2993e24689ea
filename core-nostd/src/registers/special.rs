//! Special-purpose registers of the M profile.

use core::fmt;

/// A register of an M-profile core beside `R0` to `R15` (DDI 0403 and DDI 0553, "The special-purpose registers").
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum SpecialRegister {
    /// `XPSR`: `APSR`, `IPSR` and `EPSR` in one.
    Xpsr,
    /// The main stack pointer, of the current Security state.
    Msp,
    /// The process stack pointer, of the current Security state.
    Psp,
    /// Bit 0: no exception with a configurable priority is taken.
    Primask,
    /// The priority from which on no exception is taken; 8 bits. Not in Armv6-M and the Baseline of Armv8-M.
    Basepri,
    /// Bit 0: only `NMI` is taken. Where [`Self::Basepri`] is.
    Faultmask,
    /// Which stack, which privilege, whether there is a floating-point context.
    Control,
    /// The floating-point status and control register.
    Fpscr,
    /// The main stack pointer of Non-secure state.
    MspNs,
    /// The process stack pointer of Non-secure state.
    PspNs,
    /// The main stack pointer of Secure state.
    MspS,
    /// The process stack pointer of Secure state.
    PspS,
}

/// Where the debug registers `DCRSR` and `DCRDR` have a register.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TransferPlace {
    /// `DCRSR.REGSEL`.
    pub selector: u8,
    /// The lowest bit of it in `DCRDR`: four registers share one selector.
    pub shift: u8,
    /// How many bits it has, 8 or 32.
    pub bits: u8,
}

impl SpecialRegister {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Xpsr,
        Self::Msp,
        Self::Psp,
        Self::Primask,
        Self::Basepri,
        Self::Faultmask,
        Self::Control,
        Self::Fpscr,
        Self::MspNs,
        Self::PspNs,
        Self::MspS,
        Self::PspS,
    ];

    /// Its name, as gdb and Arm write it in lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Xpsr => "xpsr",
            Self::Msp => "msp",
            Self::Psp => "psp",
            Self::Primask => "primask",
            Self::Basepri => "basepri",
            Self::Faultmask => "faultmask",
            Self::Control => "control",
            Self::Fpscr => "fpscr",
            Self::MspNs => "msp_ns",
            Self::PspNs => "psp_ns",
            Self::MspS => "msp_s",
            Self::PspS => "psp_s",
        }
    }

    /// Where a debugger reads and writes it (DDI 0553, "DCRSR, Debug Core Register Select Register").
    #[must_use]
    pub const fn transfer_place(self) -> TransferPlace {
        /// `CONTROL`, `FAULTMASK`, `BASEPRI` and `PRIMASK`, from the highest byte to the lowest.
        const SHARED: u8 = 20;
        let (selector, shift, bits) = match self {
            Self::Xpsr => (16, 0, 32),
            Self::Msp => (17, 0, 32),
            Self::Psp => (18, 0, 32),
            Self::Primask => (SHARED, 0, 8),
            Self::Basepri => (SHARED, 8, 8),
            Self::Faultmask => (SHARED, 16, 8),
            Self::Control => (SHARED, 24, 8),
            Self::MspNs => (24, 0, 32),
            Self::PspNs => (25, 0, 32),
            Self::MspS => (26, 0, 32),
            Self::PspS => (27, 0, 32),
            Self::Fpscr => (33, 0, 32),
        };
        TransferPlace { selector, shift, bits }
    }
}

impl fmt::Display for SpecialRegister {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_registers_share_bits() {
        let bits = |register: SpecialRegister| {
            let TransferPlace { selector, shift, bits } = register.transfer_place();
            (u32::from(selector), u64::from(u32::MAX) >> (32 - bits) << shift)
        };
        for (index, register) in SpecialRegister::ALL.into_iter().enumerate() {
            let (selector, mask) = bits(register);
            assert!(mask <= u32::MAX.into(), "{register}");
            for other in SpecialRegister::ALL.into_iter().skip(index + 1) {
                let (others, other_mask) = bits(other);
                assert!(selector != others || mask & other_mask == 0, "{register} {other}");
            }
        }
    }
}
