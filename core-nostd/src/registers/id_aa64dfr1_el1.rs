//! `ID_AA64DFR1_EL1`.

use bitfield_struct::bitfield;

use super::Uint;

/// `ID_AA64DFR1_EL1`, AArch64 Debug Feature Register 1 (DDI 0487, "ID_AA64DFR1_EL1, AArch64 Debug Feature
/// Register 1").
#[bitfield(u64, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq, Hash)]
pub struct IdAa64dfr1El1 {
    /// System PMU ID: bits \[7:0\].
    pub syspmuid: u8,
    /// Breakpoints: bits \[15:8\], their number minus 1; 0 where `ID_AA64DFR0_EL1.BRPs` says it.
    pub brps: u8,
    /// Watchpoints: bits \[23:16\], their number minus 1; 0 where `ID_AA64DFR0_EL1.WRPs` says it.
    pub wrps: u8,
    /// Context-aware breakpoints: bits \[31:24\], their number minus 1; 0 where
    /// `ID_AA64DFR0_EL1.CTX_CMPs` says it.
    pub ctx_cmps: u8,
    /// System PMU: bits \[35:32\].
    #[bits(4)]
    pub spmu: Uint<4>,
    /// PMU instruction counter: bits \[39:36\].
    #[bits(4)]
    pub pmicntr: Uint<4>,
    /// Address breakpoint linking, FEAT_ABLE: bits \[43:40\].
    #[bits(4)]
    pub able: Uint<4>,
    /// Instrumentation trace: bits \[47:44\].
    #[bits(4)]
    pub ite: Uint<4>,
    /// Exception-based event profiling: bits \[51:48\].
    #[bits(4)]
    pub ebep: Uint<4>,
    /// Cycle counter freeze by profiling: bits \[55:52\].
    #[bits(4)]
    pub dpfzs: Uint<4>,
    /// Breakpoints that support address linking: bits \[63:56\], their number minus 1.
    pub abl_cmps: u8,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_where_the_manual_says() {
        let register = IdAa64dfr1El1::from_bits(0xfedc_ba98_7654_3210);
        assert_eq!(register.syspmuid(), 0x10);
        assert_eq!(register.brps(), 0x32);
        assert_eq!(register.wrps(), 0x54);
        assert_eq!(register.ctx_cmps(), 0x76);
        assert_eq!((register.spmu().get(), register.pmicntr().get()), (0x8, 0x9));
        assert_eq!((register.able().get(), register.ite().get()), (0xa, 0xb));
        assert_eq!((register.ebep().get(), register.dpfzs().get()), (0xc, 0xd));
        assert_eq!(register.abl_cmps(), 0xfe);
    }
}
