//! Syndromes of debug exceptions.

use core::fmt;

use bitfield_struct::bitfield;

use super::words::{access, write_set};

/// A software step (DDI 0487, "ISS encoding for an exception from a Software Step exception").
#[bitfield(u32, new = false, default = false, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq, Hash)]
pub struct SoftwareStep {
    #[bits(6)]
    __: u8,
    /// EX, bit \[6\]: a load exclusive was stepped; means something where ISV is set.
    #[bits(1, access = RO)]
    pub ex: bool,
    #[bits(17)]
    __: u32,
    /// ISV, bit \[24\]: EX is valid.
    #[bits(1, access = RO)]
    pub isv: bool,
    #[bits(7)]
    __: u8,
}

impl SoftwareStep {
    /// Whether it is known that a load exclusive was stepped.
    #[must_use]
    pub const fn exclusive(self) -> bool {
        self.isv() && self.ex()
    }
}

impl fmt::Display for SoftwareStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.exclusive() { f.write_str(" of a load exclusive") } else { Ok(()) }
    }
}

/// A watchpoint (DDI 0487, "ISS encoding for an exception from a Watchpoint exception").
#[bitfield(u32, new = false, default = false, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq, Hash)]
pub struct Watchpoint {
    /// DFSC, bits \[5:0\]: always 0b100010.
    #[bits(6, access = RO)]
    pub dfsc: u8,
    /// WnR, bit \[6\]: a write.
    #[bits(1, access = RO)]
    pub wnr: bool,
    __: bool,
    /// CM, bit \[8\]: a cache maintenance instruction.
    #[bits(1, access = RO)]
    pub cm: bool,
    __: bool,
    /// FnV, bit \[10\]: `FAR_ELx` is not valid.
    #[bits(1, access = RO)]
    pub fnv: bool,
    #[bits(2)]
    __: u8,
    /// VNCR, bit \[13\]: the access was made by way of `VNCR_EL2`.
    #[bits(1, access = RO)]
    pub vncr: bool,
    __: bool,
    /// FnP, bit \[15\]: `FAR_ELx` is not precise.
    #[bits(1, access = RO)]
    pub fnp: bool,
    /// WPF, bit \[16\]: perhaps no byte that is watched was accessed.
    #[bits(1, access = RO)]
    pub wpf: bool,
    /// WPTV, bit \[17\]: WPT is valid.
    #[bits(1, access = RO)]
    pub wptv: bool,
    /// WPT, bits \[23:18\]: number of the watchpoint that matched.
    #[bits(6, access = RO)]
    pub wpt: u8,
    __: u8,
}

impl Watchpoint {
    /// The number of the watchpoint that matched, where the core says it.
    #[must_use]
    pub const fn number(self) -> Option<u8> {
        if self.wptv() { Some(self.wpt()) } else { None }
    }
}

impl fmt::Display for Watchpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = u64::from(self.into_bits());
        f.write_str(access(bits))?;
        if let Some(number) = self.number() {
            write!(f, ", number {number}")?;
        }
        write_set(
            f,
            bits,
            &[
                (16, ", perhaps a false hit"),
                (15, ", address not precise"),
                (13, ", through VNCR_EL2"),
                (10, ", address not valid"),
            ],
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ex_of_a_step_counts_only_with_isv() {
        assert!(!SoftwareStep::from_bits(1 << 6).exclusive());
        assert!(SoftwareStep::from_bits(1 << 24 | 1 << 6).exclusive());
        assert!(!SoftwareStep::from_bits(1 << 24).exclusive());
    }

    #[test]
    fn the_number_of_a_watchpoint_counts_only_with_wptv() {
        assert_eq!(Watchpoint::from_bits(5 << 18).number(), None);
        assert_eq!(Watchpoint::from_bits(63 << 18 | 1 << 17).number(), Some(63));
    }
}
