//! `EDRCR`.

use bitfield_struct::bitfield;

/// `EDRCR`, External Debug Reserve Control Register, 32 bits, write-only (DDI 0487, "EDRCR, External Debug
/// Reserve Control Register").
#[bitfield(u32, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq, Hash)]
pub struct Edrcr {
    #[bits(2)]
    __: u8,
    /// Clear sticky error: bit \[2\], `EDSCR`.TXU, RXO, ERR and ITO.
    pub cse: bool,
    /// Clear sticky pipeline advance: bit \[3\], `EDSCR.PipeAdv`.
    pub cspa: bool,
    /// Allow imprecise entry to Debug state: bit \[4\].
    pub cbrrq: bool,
    #[bits(27)]
    __: u32,
}

impl Edrcr {
    /// Offset in the debug registers.
    pub const OFFSET: u16 = 0x090;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_where_the_manual_says() {
        for (register, bit) in [
            (Edrcr::new().with_cse(true), 2),
            (Edrcr::new().with_cspa(true), 3),
            (Edrcr::new().with_cbrrq(true), 4),
        ] {
            assert_eq!(register.into_bits(), 1 << bit, "{register:?}");
        }
    }
}
