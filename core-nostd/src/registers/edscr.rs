//! `EDSCR`.

use core::fmt;

use bitfield_struct::bitfield;

use super::Uint;

/// `EDSCR`, External Debug Status and Control Register, 32 bits (DDI 0487, "EDSCR, External Debug Status
/// and Control Register").
#[bitfield(u32, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq, Hash)]
pub struct Edscr {
    /// Debug status: bits \[5:0\], why the core is in Debug state.
    #[bits(6)]
    pub status: DebugStatus,
    /// Cumulative error: bit \[6\]. `EDRCR.CSE` clears it.
    pub err: bool,
    /// SError exception pending: bit \[7\].
    pub a: bool,
    /// Exception level: bits \[9:8\], in Debug state.
    #[bits(2)]
    pub el: Uint<2>,
    /// Execution state of each exception level: bits \[13:10\], bit n for ELn, 1 for AArch64.
    #[bits(4)]
    pub rw: Uint<4>,
    /// Halting debug enable: bit \[14\].
    pub hde: bool,
    /// Security state with NS: bit \[15\]. FEAT_RME.
    pub nse: bool,
    /// Secure debug disabled: bit \[16\].
    pub sdd: bool,
    #[bits(1)]
    __: u8,
    /// Non-secure status: bit \[18\].
    pub ns: bool,
    /// Sample `CONTEXTIDR_EL2`: bit \[19\].
    pub sc2: bool,
    /// Memory access mode: bit \[20\].
    pub ma: bool,
    /// Trap debug register accesses: bit \[21\], they enter Debug state.
    pub tda: bool,
    /// Interrupt disable: bits \[23:22\]. From FEAT_Debugv8p4 on 0b01 masks all interrupts and SErrors;
    /// before, 0b11 does.
    #[bits(2)]
    pub intdis: Uint<2>,
    /// `EDITR` empty: bit \[24\], the core takes the next instruction.
    pub ite: bool,
    /// Pipeline advance: bit \[25\].
    pub pipeadv: bool,
    /// DTRTX underrun: bit \[26\].
    pub txu: bool,
    /// DTRRX overrun: bit \[27\].
    pub rxo: bool,
    /// `EDITR` overrun: bit \[28\].
    pub ito: bool,
    /// DTRTX full: bit \[29\].
    pub txfull: bool,
    /// DTRRX full: bit \[30\].
    pub rxfull: bool,
    /// Trace filter override: bit \[31\].
    pub tfo: bool,
}

impl Edscr {
    /// Offset in the debug registers.
    pub const OFFSET: u16 = 0x088;
}

/// `EDSCR.STATUS`: why a core is in Debug state, or that it is not.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct DebugStatus(Uint<6>);

impl DebugStatus {
    /// Restarting, on the way out of Debug state.
    pub const RESTARTING: Self = Self(Uint::from_bits(0b00_0001));
    /// In Non-debug state.
    pub const NON_DEBUG: Self = Self(Uint::from_bits(0b00_0010));
    /// Breakpoint.
    pub const BREAKPOINT: Self = Self(Uint::from_bits(0b00_0111));
    /// External debug request.
    pub const EXTERNAL_REQUEST: Self = Self(Uint::from_bits(0b01_0011));
    /// Halting step, normal.
    pub const STEP: Self = Self(Uint::from_bits(0b01_1011));
    /// Halting step over a Load-Exclusive.
    pub const STEP_EXCLUSIVE: Self = Self(Uint::from_bits(0b01_1111));
    /// OS Unlock Catch.
    pub const OS_UNLOCK_CATCH: Self = Self(Uint::from_bits(0b10_0011));
    /// Reset Catch.
    pub const RESET_CATCH: Self = Self(Uint::from_bits(0b10_0111));
    /// Watchpoint.
    pub const WATCHPOINT: Self = Self(Uint::from_bits(0b10_1011));
    /// `HLT` instruction.
    pub const HALT_INSTRUCTION: Self = Self(Uint::from_bits(0b10_1111));
    /// Software access to a debug register, EDSCR.TDA.
    pub const SOFTWARE_ACCESS: Self = Self(Uint::from_bits(0b11_0011));
    /// Exception Catch.
    pub const EXCEPTION_CATCH: Self = Self(Uint::from_bits(0b11_0111));
    /// Halting step, no syndrome.
    pub const STEP_NO_SYNDROME: Self = Self(Uint::from_bits(0b11_1011));

    /// The status whose number is the low six bits of `bits`.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(Uint::from_bits(bits))
    }

    /// The number, 0 to 63.
    #[must_use]
    pub const fn into_bits(self) -> u8 {
        self.0.into_bits()
    }

    /// Whether the core is in Debug state.
    #[must_use]
    pub const fn is_halted(self) -> bool {
        self.into_bits() != Self::NON_DEBUG.into_bits() && self.into_bits() != Self::RESTARTING.into_bits()
    }

    /// Whether a halting step was completed.
    #[must_use]
    pub const fn is_step(self) -> bool {
        matches!(self, Self::STEP | Self::STEP_EXCLUSIVE | Self::STEP_NO_SYNDROME)
    }
}

impl fmt::Display for DebugStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            Self::RESTARTING => "restarting",
            Self::NON_DEBUG => "running",
            Self::BREAKPOINT => "breakpoint",
            Self::EXTERNAL_REQUEST => "external debug request",
            Self::STEP => "halting step",
            Self::STEP_EXCLUSIVE => "halting step over a Load-Exclusive",
            Self::OS_UNLOCK_CATCH => "OS Unlock Catch",
            Self::RESET_CATCH => "Reset Catch",
            Self::WATCHPOINT => "watchpoint",
            Self::HALT_INSTRUCTION => "HLT instruction",
            Self::SOFTWARE_ACCESS => "software access to a debug register",
            Self::EXCEPTION_CATCH => "Exception Catch",
            Self::STEP_NO_SYNDROME => "halting step without a syndrome",
            _ => return write!(f, "reserved debug status {:#08b}", self.into_bits()),
        })
    }
}

impl fmt::Debug for DebugStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn every_status_keeps_its_number() {
        for bits in 0..64 {
            let register = Edscr::new().with_status(DebugStatus::from_bits(bits));
            assert_eq!((register.into_bits(), register.status().into_bits()), (bits.into(), bits));
        }
        assert_eq!(DebugStatus::from_bits(0b101011).to_string(), "watchpoint");
        assert_eq!(DebugStatus::from_bits(0b111111).to_string(), "reserved debug status 0b111111");
        let running = (0..64).filter(|bits| !DebugStatus::from_bits(*bits).is_halted());
        assert!(running.eq([1, 2]));
    }

    #[test]
    fn fields_stand_where_the_manual_says() {
        for (register, bit) in [
            (Edscr::new().with_err(true), 6),
            (Edscr::new().with_a(true), 7),
            (Edscr::new().with_el(Uint::from_bits(1)), 8),
            (Edscr::new().with_rw(Uint::from_bits(1)), 10),
            (Edscr::new().with_hde(true), 14),
            (Edscr::new().with_nse(true), 15),
            (Edscr::new().with_sdd(true), 16),
            (Edscr::new().with_ns(true), 18),
            (Edscr::new().with_sc2(true), 19),
            (Edscr::new().with_ma(true), 20),
            (Edscr::new().with_tda(true), 21),
            (Edscr::new().with_intdis(Uint::from_bits(1)), 22),
            (Edscr::new().with_ite(true), 24),
            (Edscr::new().with_pipeadv(true), 25),
            (Edscr::new().with_txu(true), 26),
            (Edscr::new().with_rxo(true), 27),
            (Edscr::new().with_ito(true), 28),
            (Edscr::new().with_txfull(true), 29),
            (Edscr::new().with_rxfull(true), 30),
            (Edscr::new().with_tfo(true), 31),
        ] {
            assert_eq!(register.into_bits(), 1 << bit, "{register:?}");
        }
    }
}
