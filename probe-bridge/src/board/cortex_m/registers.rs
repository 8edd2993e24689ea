//! Halting debug: `DHCSR`, and what else `trapline_core::m_profile` has no need of.

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
/// `DWT_DEVARCH`; 0 in Armv7-M.
pub(super) const DWT_DEVARCH: u64 = 0xe000_1fbc;
/// Its ARCHID for version 2.
pub(super) const DWT_VERSION_2: u32 = 0x1a02;

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

    /// Debugging off.
    pub(super) const OFF: Self = Self(Self::KEY);
    /// One instruction, with interrupts masked.
    pub(super) const STEP: Self = Self(Self::KEY | Self::C_DEBUGEN | Self::C_STEP | Self::C_MASKINTS);

    /// What to write for debugging on, with the core halted or not and interrupts masked or not.
    pub(super) const fn control(self, halt: bool, mask: bool) -> Self {
        let halt = if halt { Self::C_HALT } else { 0 };
        let mask = if mask { Self::C_MASKINTS } else { 0 };
        Self(Self::KEY | Self::C_DEBUGEN | halt | mask)
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
}

impl From<Dhcsr> for u32 {
    fn from(value: Dhcsr) -> Self {
        value.0
    }
}
