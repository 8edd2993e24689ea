//! Halting debug: `DHCSR`, and what else `trapline_core::m_profile` has no need of.

/// `CPUID`.
pub(super) const CPUID: u64 = 0xe000_ed00;
/// `ID_PFR1`: whether there is the Security Extension.
pub(super) const ID_PFR1: u64 = 0xe000_ed44;
/// `CLIDR`: which caches there are.
pub(super) const CLIDR: u64 = 0xe000_ed78;
/// `DHCSR`, Debug Halting Control and Status Register.
pub(super) const DHCSR: u64 = 0xe000_edf0;
/// `DCRSR`, Debug Core Register Selector Register.
pub(super) const DCRSR: u64 = 0xe000_edf4;
/// `DCRDR`, Debug Core Register Data Register.
pub(super) const DCRDR: u64 = 0xe000_edf8;
/// `DCRSR.REGWnR`.
pub(super) const WRITE_REGISTER: u32 = 1 << 16;
/// The program counter's number in `DCRSR`.
pub(super) const PC: u8 = 15;
/// The number of `S0`; the others follow.
pub(super) const S0: u8 = 64;
/// `MVFR0`: which floating point there is.
pub(super) const MVFR0: u64 = 0xe000_ef40;
/// `ICIALLU`: a write empties the instruction cache.
pub(super) const ICIALLU: u64 = 0xe000_ef50;
/// `DDEVARCH` of the System Control Space; 0 before Armv8-M.
pub(super) const DDEVARCH: u64 = 0xe000_efbc;
/// Its ARCHID for Armv8-M.
pub(super) const ARCHITECTURE_8: u32 = 0x2a04;
/// `DWT_DEVARCH`; 0 in Armv7-M.
pub(super) const DWT_DEVARCH: u64 = 0xe000_1fbc;
/// Its ARCHID for version 2.
pub(super) const DWT_VERSION_2: u32 = 0x1a02;
/// `DWT_FUNCTION<n>.MATCHED`, which a read clears.
pub(super) const MATCHED: u32 = 1 << 24;
/// All bits of `DFSR`.
pub(super) const ALL_REASONS: u32 = 0x1f;

/// A value of `DHCSR`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Dhcsr(pub(super) u32);

impl Dhcsr {
    const KEY: u32 = 0xa05f << 16;
    const C_DEBUGEN: u32 = 1;
    const C_HALT: u32 = 1 << 1;
    const C_STEP: u32 = 1 << 2;
    const C_MASKINTS: u32 = 1 << 3;
    const S_REGRDY: u32 = 1 << 16;
    const S_HALT: u32 = 1 << 17;
    const S_LOCKUP: u32 = 1 << 19;
    const S_SDE: u32 = 1 << 20;
    const S_RESET_ST: u32 = 1 << 25;

    /// Debugging off.
    pub(super) const OFF: Self = Self(Self::KEY);
    /// Debugging on, the core runs.
    pub(super) const RUN: Self = Self(Self::KEY | Self::C_DEBUGEN);
    /// The core halted.
    pub(super) const HALT: Self = Self(Self::RUN.0 | Self::C_HALT);
    /// The core runs, with interrupts masked.
    pub(super) const RUN_MASKED: Self = Self(Self::RUN.0 | Self::C_MASKINTS);
    /// The core halted, and its interrupts masked when it steps.
    pub(super) const HALT_MASKED: Self = Self(Self::HALT.0 | Self::C_MASKINTS);
    /// One instruction, with interrupts masked.
    pub(super) const STEP: Self = Self(Self::RUN.0 | Self::C_STEP | Self::C_MASKINTS);

    pub(super) const fn allows_debug(self) -> bool {
        self.0 & Self::C_DEBUGEN != 0
    }

    pub(super) const fn is_halted(self) -> bool {
        self.0 & Self::S_HALT != 0
    }

    pub(super) const fn is_locked_up(self) -> bool {
        self.0 & Self::S_LOCKUP != 0
    }

    pub(super) const fn register_ready(self) -> bool {
        self.0 & Self::S_REGRDY != 0
    }

    /// Whether Secure state may be debugged.
    pub(super) const fn debugs_secure(self) -> bool {
        self.0 & Self::S_SDE != 0
    }

    /// Whether the core was reset since the last read.
    pub(super) const fn was_reset(self) -> bool {
        self.0 & Self::S_RESET_ST != 0
    }
}

impl From<Dhcsr> for u32 {
    fn from(value: Dhcsr) -> Self {
        value.0
    }
}
