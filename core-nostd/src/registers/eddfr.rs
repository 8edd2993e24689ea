//! `EDDFR`.

use bitfield_struct::bitfield;

use super::Uint;

/// `EDDFR`, External Debug Feature Register (DDI 0487, "EDDFR, External Debug Feature Register").
///
/// Like [`super::IdAa64dfr0El1`], but with fields that are UNKNOWN here: the debug architecture, for which
/// there is `EDDEVARCH`, among them. `EDDFR1` and `EDDFR2` have the layouts of
/// [`super::IdAa64dfr1El1`] and [`super::IdAa64dfr2El1`].
#[bitfield(u64, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq, Hash)]
pub struct Eddfr {
    #[bits(4)]
    __: u8,
    /// Trace unit system registers: bits \[7:4\].
    #[bits(4)]
    pub tracever: Uint<4>,
    /// Performance Monitors: bits \[11:8\].
    #[bits(4)]
    pub pmuver: Uint<4>,
    /// Breakpoints: bits \[15:12\], their number minus 1; with more than 16, 15.
    #[bits(4)]
    pub brps: Uint<4>,
    /// PMU snapshot: bits \[19:16\], or 0.
    #[bits(4)]
    pub pmss: Uint<4>,
    /// Watchpoints: bits \[23:20\], their number minus 1; with more than 16, 15.
    #[bits(4)]
    pub wrps: Uint<4>,
    /// Synchronous-exception-based event profiling: bits \[27:24\], or 0.
    #[bits(4)]
    pub sebep: Uint<4>,
    /// Context-aware breakpoints: bits \[31:28\], their number minus 1; with more than 16, 15.
    #[bits(4)]
    pub ctx_cmps: Uint<4>,
    #[bits(8)]
    __: u8,
    /// Self-hosted trace: bits \[43:40\].
    #[bits(4)]
    pub tracefilt: Uint<4>,
    /// Trace buffer: bits \[47:44\]. UNKNOWN without FEAT_TRBE_EXT.
    #[bits(4)]
    pub tracebuffer: Uint<4>,
    #[bits(8)]
    __: u8,
    /// Trace buffer external mode: bits \[59:56\].
    #[bits(4)]
    pub exttrcbuff: Uint<4>,
    #[bits(4)]
    __: u8,
}

impl Eddfr {
    /// Offset of bits \[31:0\] in the debug registers; bits \[63:32\] follow.
    pub const OFFSET: u16 = 0xd28;
    /// Offset of `EDDFR1`.
    pub const EDDFR1_OFFSET: u16 = 0xd48;
    /// Offset of `EDDFR2`.
    pub const EDDFR2_OFFSET: u16 = 0xd50;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_where_the_manual_says() {
        let register = Eddfr::from_bits(0xfedc_ba98_7654_3210);
        for (field, value) in [
            (register.tracever(), 0x1),
            (register.pmuver(), 0x2),
            (register.brps(), 0x3),
            (register.pmss(), 0x4),
            (register.wrps(), 0x5),
            (register.sebep(), 0x6),
            (register.ctx_cmps(), 0x7),
            (register.tracefilt(), 0xa),
            (register.tracebuffer(), 0xb),
            (register.exttrcbuff(), 0xe),
        ] {
            assert_eq!(field.get(), value);
        }
    }
}
