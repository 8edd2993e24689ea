//! `ID_AA64DFR2_EL1`.

use bitfield_struct::bitfield;

use super::Uint;

/// `ID_AA64DFR2_EL1`, AArch64 Debug Feature Register 2 (DDI 0487, "ID_AA64DFR2_EL1, AArch64 Debug Feature
/// Register 2"). Zero on cores that were made before it was defined.
#[bitfield(u64, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq, Hash)]
pub struct IdAa64dfr2El1 {
    /// Enhanced software step, FEAT_STEP2: bits \[3:0\].
    #[bits(4)]
    pub step: Uint<4>,
    /// Breakpoint and watchpoint enhancements: bits \[7:4\]. 1 is FEAT_BWE, breakpoint ranges and
    /// mismatches; 2 is FEAT_BWE2, watchpoint mismatches.
    #[bits(4)]
    pub bwe: Uint<4>,
    #[bits(8)]
    __: u8,
    /// Statistical profiling exception: bits \[19:16\].
    #[bits(4)]
    pub spe_exc: Uint<4>,
    /// Profiling buffer physical address mode: bits \[23:20\].
    #[bits(4)]
    pub spe_nvm: Uint<4>,
    /// Trace buffer exception: bits \[27:24\].
    #[bits(4)]
    pub trbe_exc: Uint<4>,
    #[bits(36)]
    __: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_where_the_manual_says() {
        let register = IdAa64dfr2El1::from_bits(0x0654_0021);
        assert_eq!((register.step().get(), register.bwe().get()), (1, 2));
        assert_eq!(register.spe_exc().get(), 4);
        assert_eq!((register.spe_nvm().get(), register.trbe_exc().get()), (5, 6));
    }
}
