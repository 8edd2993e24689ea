//! `ID_AA64DFR0_EL1`.

use bitfield_struct::bitfield;

use super::Uint;

/// `ID_AA64DFR0_EL1`, AArch64 Debug Feature Register 0 (DDI 0487, "ID_AA64DFR0_EL1, AArch64 Debug Feature
/// Register 0").
///
/// Feature fields grow: a value is to be compared with "at least", except in fields that say otherwise.
#[bitfield(u64, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq, Hash)]
pub struct IdAa64dfr0El1 {
    /// Debug architecture: bits \[3:0\]. 6 is Armv8, 7 FEAT_Debugv8p1, 8 FEAT_Debugv8p2, 9 FEAT_Debugv8p4,
    /// 10 FEAT_Debugv8p8, 11 FEAT_Debugv8p9.
    #[bits(4)]
    pub debugver: Uint<4>,
    /// Trace unit system registers: bits \[7:4\].
    #[bits(4)]
    pub tracever: Uint<4>,
    /// Performance Monitors: bits \[11:8\]. 15 is an implementation's own form.
    #[bits(4)]
    pub pmuver: Uint<4>,
    /// Breakpoints: bits \[15:12\], their number minus 1; with FEAT_Debugv8p9 and more than 16, 15.
    #[bits(4)]
    pub brps: Uint<4>,
    /// PMU snapshot: bits \[19:16\].
    #[bits(4)]
    pub pmss: Uint<4>,
    /// Watchpoints: bits \[23:20\], their number minus 1; with FEAT_Debugv8p9 and more than 16, 15.
    #[bits(4)]
    pub wrps: Uint<4>,
    /// Synchronous-exception-based event profiling: bits \[27:24\].
    #[bits(4)]
    pub sebep: Uint<4>,
    /// Context-aware breakpoints: bits \[31:28\], their number minus 1; with FEAT_Debugv8p9 and more than
    /// 16, 15.
    #[bits(4)]
    pub ctx_cmps: Uint<4>,
    /// Statistical profiling: bits \[35:32\].
    #[bits(4)]
    pub pmsver: Uint<4>,
    /// OS Double Lock: bits \[39:36\]. 0 where it is implemented, 15 where not.
    #[bits(4)]
    pub doublelock: Uint<4>,
    /// Self-hosted trace: bits \[43:40\].
    #[bits(4)]
    pub tracefilt: Uint<4>,
    /// Trace buffer: bits \[47:44\].
    #[bits(4)]
    pub tracebuffer: Uint<4>,
    /// Multi-threaded PMU: bits \[51:48\].
    #[bits(4)]
    pub mtpmu: Uint<4>,
    /// Branch record buffer: bits \[55:52\].
    #[bits(4)]
    pub brbe: Uint<4>,
    /// Trace buffer external mode: bits \[59:56\].
    #[bits(4)]
    pub exttrcbuff: Uint<4>,
    /// No PMU event counters for a guest: bits \[63:60\].
    #[bits(4)]
    pub hpmn0: Uint<4>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_where_the_manual_says() {
        let register = IdAa64dfr0El1::from_bits(0xfedc_ba98_7654_3210);
        for (field, value) in [
            (register.debugver(), 0x0),
            (register.tracever(), 0x1),
            (register.pmuver(), 0x2),
            (register.brps(), 0x3),
            (register.pmss(), 0x4),
            (register.wrps(), 0x5),
            (register.sebep(), 0x6),
            (register.ctx_cmps(), 0x7),
            (register.pmsver(), 0x8),
            (register.doublelock(), 0x9),
            (register.tracefilt(), 0xa),
            (register.tracebuffer(), 0xb),
            (register.mtpmu(), 0xc),
            (register.brbe(), 0xd),
            (register.exttrcbuff(), 0xe),
            (register.hpmn0(), 0xf),
        ] {
            assert_eq!(field.get(), value);
        }
    }
}
