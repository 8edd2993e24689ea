//! Syndromes of debug exceptions.

use core::fmt;

use super::bits::{bit, field};

/// A software step (DDI 0487, "ISS encoding for an exception from a Software Step exception").
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct SoftwareStep {
    /// ISV, bit \[24\]: EX is valid.
    pub valid: bool,
    /// EX, bit \[6\]: a load exclusive was stepped; clear where ISV is.
    pub exclusive: bool,
}

impl SoftwareStep {
    pub(super) const fn decode(iss: u32) -> Self {
        let valid = bit(iss, 24);
        Self { valid, exclusive: valid && bit(iss, 6) }
    }
}

impl fmt::Display for SoftwareStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.exclusive { f.write_str(" of a load exclusive") } else { Ok(()) }
    }
}

/// A watchpoint (DDI 0487, "ISS encoding for an exception from a Watchpoint exception").
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Watchpoint {
    /// WPT, bits \[23:18\], where WPTV, bit \[17\], is set: number of the watchpoint that matched.
    pub number: Option<u8>,
    /// WPF, bit \[16\]: perhaps no byte that is watched was accessed.
    pub maybe_false: bool,
    /// FnP, bit \[15\]: `FAR_ELx` is not precise.
    pub far_not_precise: bool,
    /// VNCR, bit \[13\]: the access was made by way of `VNCR_EL2`.
    pub vncr: bool,
    /// FnV, bit \[10\]: `FAR_ELx` is not valid.
    pub far_not_valid: bool,
    /// CM, bit \[8\]: a cache maintenance instruction.
    pub cache_maintenance: bool,
    /// WnR, bit \[6\]: a write.
    pub write: bool,
}

impl Watchpoint {
    pub(super) const fn decode(iss: u32) -> Self {
        Self {
            number: if bit(iss, 17) { Some(field(iss, 18, 6)) } else { None },
            maybe_false: bit(iss, 16),
            far_not_precise: bit(iss, 15),
            vncr: bit(iss, 13),
            far_not_valid: bit(iss, 10),
            cache_maintenance: bit(iss, 8),
            write: bit(iss, 6),
        }
    }
}

impl fmt::Display for Watchpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.cache_maintenance, self.write) {
            (true, _) => " on cache maintenance",
            (false, true) => " on a write",
            (false, false) => " on a read",
        })?;
        if let Some(number) = self.number {
            write!(f, ", number {number}")?;
        }
        for (said, words) in [
            (self.maybe_false, ", perhaps a false hit"),
            (self.far_not_precise, ", address not precise"),
            (self.vncr, ", through VNCR_EL2"),
            (self.far_not_valid, ", address not valid"),
        ] {
            if said {
                f.write_str(words)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ex_of_a_step_counts_only_with_isv() {
        assert!(!SoftwareStep::decode(1 << 6).exclusive);
        assert!(SoftwareStep::decode(1 << 24 | 1 << 6).exclusive);
        assert!(!SoftwareStep::decode(1 << 24).exclusive);
    }

    #[test]
    fn the_number_of_a_watchpoint_counts_only_with_wptv() {
        assert_eq!(Watchpoint::decode(5 << 18).number, None);
        assert_eq!(Watchpoint::decode(63 << 18 | 1 << 17).number, Some(63));
    }

    #[test]
    fn every_flag_of_a_watchpoint_has_its_bit() {
        type Get = fn(Watchpoint) -> bool;
        let flags: [(u32, Get); 6] = [
            (6, |w| w.write),
            (8, |w| w.cache_maintenance),
            (10, |w| w.far_not_valid),
            (13, |w| w.vncr),
            (15, |w| w.far_not_precise),
            (16, |w| w.maybe_false),
        ];
        for (number, get) in flags {
            assert!(get(Watchpoint::decode(1 << number)), "bit {number}");
            assert!(!get(Watchpoint::decode(!(1 << number))), "bit {number}");
        }
    }
}
