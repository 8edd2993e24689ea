//! `CPSR` and the AArch32 `SPSR_<mode>`.

use bitfield_struct::bitfield;

use super::pstate::{Mode, Pstate};

/// The AArch32 program status register (DDI 0487, "CPSR, Current Program Status Register" and
/// "SPSR, Saved Program Status Register").
///
/// `SPSR_ELx` that holds AArch32 state differs in two bits: DIT is its bit 24, and bit 21 is SS.
#[bitfield(u32, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq, Hash)]
pub struct Cpsr {
    /// M, bits \[4:0\]: the mode.
    #[bits(5)]
    pub mode: Mode,
    /// T, bit \[5\]: T32 instructions.
    pub t: bool,
    /// F, bit \[6\]: FIQ interrupts are masked.
    pub f: bool,
    /// I, bit \[7\]: IRQ interrupts are masked.
    pub i: bool,
    /// A, bit \[8\]: asynchronous aborts are masked.
    pub a: bool,
    /// E, bit \[9\]: data accesses are big-endian.
    pub e: bool,
    /// IT\[7:2\], bits \[15:10\]; [`Cpsr::it`] has the whole.
    #[bits(6, access = RO)]
    pub it_high: u8,
    /// GE, bits \[19:16\]: greater than or equal, for parallel instructions.
    #[bits(4, access = RO)]
    pub ge: u8,
    /// IL, bit \[20\]: illegal execution state.
    pub il: bool,
    /// DIT, bit \[21\]: data-independent timing (FEAT_DIT).
    pub dit: bool,
    /// PAN, bit \[22\]: privileged access never (FEAT_PAN).
    pub pan: bool,
    /// SSBS, bit \[23\]: speculative store bypassing is allowed (FEAT_SSBS).
    pub ssbs: bool,
    /// J, bit \[24\]: reserved since Armv8.
    pub j: bool,
    /// IT\[1:0\], bits \[26:25\]; [`Cpsr::it`] has the whole.
    #[bits(2, access = RO)]
    pub it_low: u8,
    /// Q, bit \[27\]: cumulative saturation.
    pub q: bool,
    /// V, bit \[28\]: overflow condition flag.
    pub v: bool,
    /// C, bit \[29\]: carry condition flag.
    pub c: bool,
    /// Z, bit \[30\]: zero condition flag.
    pub z: bool,
    /// N, bit \[31\]: negative condition flag.
    pub n: bool,
}

impl Cpsr {
    /// IT\[7:0\], the state of an IT block: 0 outside one.
    #[must_use]
    pub const fn it(self) -> u8 {
        self.it_high() << 2 | self.it_low()
    }

    /// The same state with another IT\[7:0\].
    #[must_use]
    pub const fn with_it(self, it: u8) -> Self {
        let cleared = self.into_bits() & !(0x3f << 10 | 0b11 << 25);
        Self::from_bits(cleared | (it as u32 >> 2) << 10 | (it as u32 & 0b11) << 25)
    }

    /// The same state as an `SPSR_ELx` saves it.
    #[must_use]
    pub const fn to_pstate(self, software_step: bool) -> Pstate {
        let moved = self.with_dit(software_step).with_j(self.dit());
        Pstate::from_bits(moved.into_bits() as u64)
    }
}

impl Pstate {
    /// The state as AArch32 sees it; `None` where it is AArch64 state.
    ///
    /// SS has no place in a `CPSR`: [`Cpsr::to_pstate`] takes it back.
    #[must_use]
    pub const fn aarch32(self) -> Option<Cpsr> {
        if !self.is_aarch32() {
            return None;
        }
        let bits = Cpsr::from_bits(self.into_bits() as u32);
        Some(bits.with_dit(bits.j()).with_j(false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_split_over_two_fields() {
        for it in 0..=u8::MAX {
            let state = Cpsr::from_bits(u32::MAX).with_it(it);
            assert_eq!(state.it(), it);
            assert_eq!(state.into_bits() | 0x0600_fc00, u32::MAX, "no other bit changes");
        }
        assert_eq!(Cpsr::new().with_it(0b1000_0001).into_bits(), 1 << 15 | 1 << 25);
    }

    #[test]
    fn dit_and_ss_change_places_between_spsr_el1_and_cpsr() {
        let saved = Pstate::from_bits(1 << 24 | 1 << 21 | 0b1_0000);
        let state = saved.aarch32().unwrap();
        assert!(state.dit() && !state.j());
        assert_eq!(state.into_bits(), 1 << 21 | 0b1_0000);
        assert_eq!(state.to_pstate(true), saved);
        assert_eq!(state.to_pstate(false).into_bits(), 1 << 24 | 0b1_0000);
        assert_eq!(Pstate::from_bits(0b0_0101).aarch32(), None);
    }

    /// Bit numbers from DDI 0487, "CPSR", written here apart from the layout.
    #[test]
    fn every_flag_has_the_bit_of_the_manual() {
        type Get = fn(Cpsr) -> bool;
        let flags: [(u32, Get); 15] = [
            (5, |s| s.t()),
            (6, |s| s.f()),
            (7, |s| s.i()),
            (8, |s| s.a()),
            (9, |s| s.e()),
            (20, |s| s.il()),
            (21, |s| s.dit()),
            (22, |s| s.pan()),
            (23, |s| s.ssbs()),
            (24, |s| s.j()),
            (27, |s| s.q()),
            (28, |s| s.v()),
            (29, |s| s.c()),
            (30, |s| s.z()),
            (31, |s| s.n()),
        ];
        for (bit, get) in flags {
            assert!(get(Cpsr::from_bits(1 << bit)) && !get(Cpsr::from_bits(!(1 << bit))), "bit {bit}");
        }
        assert_eq!(Cpsr::from_bits(0xa << 16).ge(), 0xa);
        assert_eq!(Cpsr::from_bits(0b1_0111).mode(), Mode::Abort);
    }
}
