//! What turns debugging on, and says why a core halted: `DEMCR` and `DFSR`.

use bitfield_struct::bitfield;

/// `DEMCR`, Debug Exception and Monitor Control Register (DDI 0403, "Debug Exception and Monitor Control
/// Register, DEMCR").
#[bitfield(u32, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq, Hash)]
pub struct Demcr {
    /// Halt at reset: bit \[0\].
    pub vc_corereset: bool,
    #[bits(3)]
    __: u8,
    /// Halt at a MemManage exception: bit \[4\].
    pub vc_mmerr: bool,
    /// Halt at a UsageFault for a missing coprocessor: bit \[5\].
    pub vc_nocperr: bool,
    /// Halt at a UsageFault for a checking error: bit \[6\].
    pub vc_chkerr: bool,
    /// Halt at a UsageFault for a state error: bit \[7\].
    pub vc_staterr: bool,
    /// Halt at a BusFault: bit \[8\].
    pub vc_buserr: bool,
    /// Halt at an exception entry or return error: bit \[9\].
    pub vc_interr: bool,
    /// Halt at a HardFault: bit \[10\].
    pub vc_harderr: bool,
    /// Halt at a SecureFault: bit \[11\]. Armv8-M.
    pub vc_sferr: bool,
    #[bits(4)]
    __: u8,
    /// Debug monitor exception enable: bit \[16\].
    pub mon_en: bool,
    /// Debug monitor exception pending: bit \[17\].
    pub mon_pend: bool,
    /// Debug monitor step: bit \[18\].
    pub mon_step: bool,
    /// A bit for the debug monitor's own use: bit \[19\].
    pub mon_req: bool,
    #[bits(4)]
    __: u8,
    /// Trace enable: bit \[24\], the DWT works.
    pub trcena: bool,
    #[bits(7)]
    __: u8,
}

impl Demcr {
    /// Its address.
    pub const ADDRESS: u32 = 0xe000_edfc;
}

/// `DFSR`, Debug Fault Status Register (DDI 0403, "Debug Fault Status Register, DFSR"): why a core halted or
/// took a debug monitor exception. Writing 1 to a bit clears it.
#[bitfield(u32, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq, Hash)]
pub struct Dfsr {
    /// A halt or step request: bit \[0\].
    pub halted: bool,
    /// A `BKPT` instruction or a breakpoint comparator: bit \[1\].
    pub bkpt: bool,
    /// A watchpoint comparator: bit \[2\].
    pub dwttrap: bool,
    /// A vector catch: bit \[3\].
    pub vcatch: bool,
    /// An external debug request: bit \[4\].
    pub external: bool,
    #[bits(27)]
    __: u32,
}

impl Dfsr {
    /// Its address.
    pub const ADDRESS: u32 = 0xe000_ed30;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_where_the_manual_says() {
        for (register, bit) in [
            (Demcr::new().with_vc_corereset(true), 0),
            (Demcr::new().with_vc_mmerr(true), 4),
            (Demcr::new().with_vc_nocperr(true), 5),
            (Demcr::new().with_vc_chkerr(true), 6),
            (Demcr::new().with_vc_staterr(true), 7),
            (Demcr::new().with_vc_buserr(true), 8),
            (Demcr::new().with_vc_interr(true), 9),
            (Demcr::new().with_vc_harderr(true), 10),
            (Demcr::new().with_vc_sferr(true), 11),
            (Demcr::new().with_mon_en(true), 16),
            (Demcr::new().with_mon_pend(true), 17),
            (Demcr::new().with_mon_step(true), 18),
            (Demcr::new().with_mon_req(true), 19),
            (Demcr::new().with_trcena(true), 24),
        ] {
            assert_eq!(register.into_bits(), 1 << bit, "{register:?}");
        }
        for (register, bit) in [
            (Dfsr::new().with_halted(true), 0),
            (Dfsr::new().with_bkpt(true), 1),
            (Dfsr::new().with_dwttrap(true), 2),
            (Dfsr::new().with_vcatch(true), 3),
            (Dfsr::new().with_external(true), 4),
        ] {
            assert_eq!(register.into_bits(), 1 << bit, "{register:?}");
        }
    }
}
