//! `EDECR`.

use bitfield_struct::bitfield;

/// `EDECR`, External Debug Execution Control Register, 32 bits (DDI 0487, "EDECR, External Debug Execution
/// Control Register").
#[bitfield(u32, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq, Hash)]
pub struct Edecr {
    /// OS Unlock Catch enable: bit \[0\]. RES0 with FEAT_DoPD.
    pub osuce: bool,
    /// Reset Catch enable: bit \[1\]. RES0 with FEAT_DoPD.
    pub rce: bool,
    /// Halting step enable: bit \[2\]. To be changed in Debug state only.
    pub ss: bool,
    #[bits(1)]
    __: u8,
    /// PMU overflow makes an External Debug Request: bit \[4\].
    pub pme: bool,
    /// The trace unit makes External Debug Requests: bit \[5\].
    pub trce: bool,
    /// The trace buffer makes External Debug Requests: bit \[6\].
    pub trbe: bool,
    #[bits(25)]
    __: u32,
}

impl Edecr {
    /// Offset in the debug registers.
    pub const OFFSET: u16 = 0x024;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_where_the_manual_says() {
        for (register, bit) in [
            (Edecr::new().with_osuce(true), 0),
            (Edecr::new().with_rce(true), 1),
            (Edecr::new().with_ss(true), 2),
            (Edecr::new().with_pme(true), 4),
            (Edecr::new().with_trce(true), 5),
            (Edecr::new().with_trbe(true), 6),
        ] {
            assert_eq!(register.into_bits(), 1 << bit, "{register:?}");
        }
    }
}
