//! `MDCR_EL2`.

use bitfield_struct::bitfield;

use super::Uint;

/// `MDCR_EL2`, Monitor Debug Configuration Register (DDI 0487, "MDCR_EL2, Monitor Debug Configuration
/// Register (EL2)").
#[bitfield(u64, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq, Hash)]
pub struct MdcrEl2 {
    /// Event counters that EL1 and EL0 can use: bits \[4:0\].
    #[bits(5)]
    pub hpmn: Uint<5>,
    /// Trap `PMCR_EL0` accesses: bit \[5\].
    pub tpmcr: bool,
    /// Trap Performance Monitor accesses: bit \[6\].
    pub tpm: bool,
    /// EL2 event counters enable: bit \[7\].
    pub hpme: bool,
    /// Trap debug exceptions: bit \[8\], all from EL1 and EL0 are taken to EL2, and TDRA, TDOSA and TDA
    /// are in effect whatever they hold.
    pub tde: bool,
    /// Trap debug register accesses: bit \[9\].
    pub tda: bool,
    /// Trap OS-related debug register accesses: bit \[10\], `OSLAR_EL1` and its like.
    pub tdosa: bool,
    /// Trap debug ROM address register accesses: bit \[11\].
    pub tdra: bool,
    /// Statistical profiling buffer owner: bits \[13:12\].
    #[bits(2)]
    pub e2pb: Uint<2>,
    /// Trap statistical profiling register accesses: bit \[14\].
    pub tpms: bool,
    /// Enable access to System PMU registers: bit \[15\]. FEAT_SPMU.
    pub enspm: bool,
    #[bits(1)]
    __: u8,
    /// Event counting prohibited at EL2: bit \[17\].
    pub hpmd: bool,
    #[bits(1)]
    __: u8,
    /// Trap trace filter register accesses: bit \[19\].
    pub ttrf: bool,
    #[bits(3)]
    __: u8,
    /// Cycle counter disable at EL2: bit \[23\].
    pub hccd: bool,
    /// Trace buffer owner: bits \[25:24\].
    #[bits(2)]
    pub e2tb: Uint<2>,
    /// Long event counters for EL2: bit \[26\].
    pub hlp: bool,
    /// Trap Debug Communications Channel accesses: bit \[27\]. FEAT_FGT.
    pub tdcc: bool,
    /// Multi-threaded PMU enable: bit \[28\].
    pub mtpme: bool,
    /// Freeze EL2's event counters on overflow: bit \[29\].
    pub hpmfzo: bool,
    /// PMU snapshot enable: bits \[31:30\].
    #[bits(2)]
    pub pmsse: Uint<2>,
    #[bits(4)]
    __: u8,
    /// Freeze EL2's event counters on a profiling buffer event: bit \[36\].
    pub hpmfzs: bool,
    #[bits(3)]
    __: u8,
    /// PMU exception enable: bits \[41:40\]. FEAT_EBEP.
    #[bits(2)]
    pub pmee: Uint<2>,
    #[bits(1)]
    __: u8,
    /// Extended breakpoint and watchpoint enable: bit \[43\]. FEAT_Debugv8p9.
    pub ebwe: bool,
    #[bits(6)]
    __: u8,
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
            (MdcrEl2::new().with_hpmn(Uint::from_bits(1)), 0),
            (MdcrEl2::new().with_tpmcr(true), 5),
            (MdcrEl2::new().with_tpm(true), 6),
            (MdcrEl2::new().with_hpme(true), 7),
            (MdcrEl2::new().with_tde(true), 8),
            (MdcrEl2::new().with_tda(true), 9),
            (MdcrEl2::new().with_tdosa(true), 10),
            (MdcrEl2::new().with_tdra(true), 11),
            (MdcrEl2::new().with_e2pb(Uint::from_bits(1)), 12),
            (MdcrEl2::new().with_tpms(true), 14),
            (MdcrEl2::new().with_enspm(true), 15),
            (MdcrEl2::new().with_hpmd(true), 17),
            (MdcrEl2::new().with_ttrf(true), 19),
            (MdcrEl2::new().with_hccd(true), 23),
            (MdcrEl2::new().with_e2tb(Uint::from_bits(1)), 24),
            (MdcrEl2::new().with_hlp(true), 26),
            (MdcrEl2::new().with_tdcc(true), 27),
            (MdcrEl2::new().with_mtpme(true), 28),
            (MdcrEl2::new().with_hpmfzo(true), 29),
            (MdcrEl2::new().with_pmsse(Uint::from_bits(1)), 30),
            (MdcrEl2::new().with_hpmfzs(true), 36),
            (MdcrEl2::new().with_pmee(Uint::from_bits(1)), 40),
            (MdcrEl2::new().with_ebwe(true), 43),
            (MdcrEl2::new().with_enstepop(true), 50),
        ] {
            assert_eq!(register.into_bits(), 1 << bit, "{register:?}");
        }
    }
}
