//! `MDSCR_EL1`.

use bitfield_struct::bitfield;

use super::Uint;

/// `MDSCR_EL1`, Monitor Debug System Control Register (DDI 0487, "MDSCR_EL1, Monitor Debug System Control
/// Register").
///
/// Fields that mirror `EDSCR` can be written while the OS Lock is locked only.
#[bitfield(u64, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq, Hash)]
pub struct MdscrEl1 {
    /// Software step enable: bit \[0\]. `PSTATE.SS` and this make the core step.
    pub ss: bool,
    #[bits(5)]
    __: u8,
    /// Mirror of `EDSCR.ERR`: bit \[6\].
    pub err: bool,
    #[bits(5)]
    __: u8,
    /// Trap EL0 accesses to the Debug Communications Channel to EL1: bit \[12\].
    pub tdcc: bool,
    /// Local (kernel) debug enable: bit \[13\], debug exceptions from the exception level that they are
    /// taken to. Not needed for those that go from EL1 to EL2.
    pub kde: bool,
    /// Mirror of `EDSCR.HDE`: bit \[14\].
    pub hde: bool,
    /// Monitor debug events: bit \[15\], breakpoint, watchpoint and vector catch exceptions are enabled.
    pub mde: bool,
    #[bits(3)]
    __: u8,
    /// Mirror of `EDSCR.SC2`: bit \[19\].
    pub sc2: bool,
    #[bits(1)]
    __: u8,
    /// Mirror of `EDSCR.TDA`: bit \[21\].
    pub tda: bool,
    /// Mirror of `EDSCR.INTdis`: bits \[23:22\].
    #[bits(2)]
    pub intdis: Uint<2>,
    #[bits(2)]
    __: u8,
    /// Mirror of `EDSCR.TXU`: bit \[26\].
    pub txu: bool,
    /// Mirror of `EDSCR.RXO`: bit \[27\].
    pub rxo: bool,
    #[bits(1)]
    __: u8,
    /// Mirror of `EDSCR.TXfull`: bit \[29\].
    pub txfull: bool,
    /// Mirror of `EDSCR.RXfull`: bit \[30\].
    pub rxfull: bool,
    /// Mirror of `EDSCR.TFO`: bit \[31\]. FEAT_TRF.
    pub tfo: bool,
    /// Extended breakpoint and watchpoint enable: bit \[32\], those numbered 16 and above. FEAT_Debugv8p9.
    pub embwe: bool,
    /// Mirror of `EDSCR2.TTA`: bit \[33\].
    pub tta: bool,
    /// Enable access to System PMU registers at EL0: bit \[34\]. FEAT_SPMU.
    pub enspm: bool,
    /// Mirror of `EDSCR2.EHBWE`: bit \[35\]. FEAT_Debugv8p9.
    pub ehbwe: bool,
    #[bits(14)]
    __: u16,
    /// Enable execution from `MDSTEPOP_EL1`: bit \[50\]. FEAT_STEP2.
    pub enstepop: bool,
    #[bits(13)]
    __: u16,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_where_the_manual_says() {
        for (register, bit) in [
            (MdscrEl1::new().with_ss(true), 0),
            (MdscrEl1::new().with_err(true), 6),
            (MdscrEl1::new().with_tdcc(true), 12),
            (MdscrEl1::new().with_kde(true), 13),
            (MdscrEl1::new().with_hde(true), 14),
            (MdscrEl1::new().with_mde(true), 15),
            (MdscrEl1::new().with_sc2(true), 19),
            (MdscrEl1::new().with_tda(true), 21),
            (MdscrEl1::new().with_intdis(Uint::from_bits(1)), 22),
            (MdscrEl1::new().with_txu(true), 26),
            (MdscrEl1::new().with_rxo(true), 27),
            (MdscrEl1::new().with_txfull(true), 29),
            (MdscrEl1::new().with_rxfull(true), 30),
            (MdscrEl1::new().with_tfo(true), 31),
            (MdscrEl1::new().with_embwe(true), 32),
            (MdscrEl1::new().with_tta(true), 33),
            (MdscrEl1::new().with_enspm(true), 34),
            (MdscrEl1::new().with_ehbwe(true), 35),
            (MdscrEl1::new().with_enstepop(true), 50),
        ] {
            assert_eq!(register.into_bits(), 1 << bit, "{register:?}");
        }
    }
}
