//! `EDPRSR`.

use bitfield_struct::bitfield;

/// `EDPRSR`, External Debug Processor Status Register, 32 bits, read-only (DDI 0487, "EDPRSR, External
/// Debug Processor Status Register"). A read clears SDR, SDAD, SPD and SR.
#[bitfield(u32, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq, Hash)]
pub struct Edprsr {
    /// Core power-up: bit \[0\], the debug registers in the Core power domain can be accessed.
    pub pu: bool,
    /// Sticky core power-down: bit \[1\], their state was lost.
    pub spd: bool,
    /// Reset: bit \[2\], the core is in reset.
    pub r: bool,
    /// Sticky reset: bit \[3\], the core was reset.
    pub sr: bool,
    /// Halted: bit \[4\], the core is in Debug state.
    pub halted: bool,
    /// OS Lock: bit \[5\], it is locked.
    pub oslk: bool,
    /// OS Double Lock: bit \[6\], it is locked.
    pub dlk: bool,
    /// External debug access disabled: bit \[7\].
    pub edad: bool,
    /// Sticky EDAD: bit \[8\], an access failed for it.
    pub sdad: bool,
    /// External PMU access disabled: bit \[9\].
    pub epmad: bool,
    /// Sticky EPMAD: bit \[10\], an access failed for it.
    pub spmad: bool,
    /// Sticky debug restart: bit \[11\], the core has left Debug state.
    pub sdr: bool,
    /// External trace access disabled: bit \[12\].
    pub etad: bool,
    /// Sticky ETAD: bit \[13\], an access failed for it.
    pub stad: bool,
    /// External debug access disabled, extended: bit \[14\]. FEAT_RME.
    pub edade: bool,
    /// External trace access disabled, extended: bit \[15\]. FEAT_RME.
    pub etade: bool,
    /// External PMU access disabled, extended: bit \[16\]. FEAT_RME.
    pub epmade: bool,
    #[bits(15)]
    __: u16,
}

impl Edprsr {
    /// Offset in the debug registers.
    pub const OFFSET: u16 = 0x314;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_where_the_manual_says() {
        for (register, bit) in [
            (Edprsr::new().with_pu(true), 0),
            (Edprsr::new().with_spd(true), 1),
            (Edprsr::new().with_r(true), 2),
            (Edprsr::new().with_sr(true), 3),
            (Edprsr::new().with_halted(true), 4),
            (Edprsr::new().with_oslk(true), 5),
            (Edprsr::new().with_dlk(true), 6),
            (Edprsr::new().with_edad(true), 7),
            (Edprsr::new().with_sdad(true), 8),
            (Edprsr::new().with_epmad(true), 9),
            (Edprsr::new().with_spmad(true), 10),
            (Edprsr::new().with_sdr(true), 11),
            (Edprsr::new().with_etad(true), 12),
            (Edprsr::new().with_stad(true), 13),
            (Edprsr::new().with_edade(true), 14),
            (Edprsr::new().with_etade(true), 15),
            (Edprsr::new().with_epmade(true), 16),
        ] {
            assert_eq!(register.into_bits(), 1 << bit, "{register:?}");
        }
    }
}
