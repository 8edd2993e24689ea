//! What a watchpoint pair's registers say.

use core::fmt;

use crate::address::AddressRange;
use crate::breakpoint::BreakpointNumber;
use crate::comparator::Pair;
use crate::registers::{Dbgwcr, Dbgwvr, LoadStoreControl, Uint};
use crate::scope::Scope;

use super::Access;

/// What a watchpoint pair's registers say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Decoded {
    /// It never matches: E is 0.
    Disabled,
    /// It watches.
    Armed {
        /// The bytes watched, or left out.
        watched: AddressRange,
        /// Whether it watches all but these bytes (FEAT_BWE2).
        outside: bool,
        /// The accesses watched for.
        access: Access,
        /// Where it matches.
        scope: Scope,
        /// The breakpoint pair that it is linked to.
        link: Option<BreakpointNumber>,
    },
    /// What it does is CONSTRAINED UNPREDICTABLE.
    Reserved(Reserved),
}

/// Which field of a watchpoint pair makes its behaviour CONSTRAINED UNPREDICTABLE (DDI 0487, "Watchpoint
/// usage constraints").
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Reserved {
    /// HMC, SSCE, SSC and PAC are no row of the tables.
    Scope,
    /// LSC is 0: it never matches.
    LoadStoreControl,
    /// BAS selects nothing or bytes that are not adjacent, or not all eight with a MASK.
    Bas(u8),
    /// MASK is 1 or 2.
    Mask(Uint<5>),
    /// Address bits that MASK leaves out are not 0.
    MaskedAddress(u64),
}

/// What the registers of a watchpoint pair say, for any value: the inverse of what [`super::plan`] makes
/// of a range.
#[must_use]
pub const fn decode(pair: Pair) -> Decoded {
    let control = Dbgwcr::from_bits(pair.control);
    if !control.e() {
        return Decoded::Disabled;
    }
    let access = match control.lsc() {
        LoadStoreControl::Reserved => return Decoded::Reserved(Reserved::LoadStoreControl),
        LoadStoreControl::Load => Access::Read,
        LoadStoreControl::Store => Access::Write,
        LoadStoreControl::LoadStore => Access::ReadWrite,
    };
    let Some(scope) = Scope::from_dbgwcr(control) else { return Decoded::Reserved(Reserved::Scope) };
    let link = if control.wt() { Some(control.linked_number()) } else { None };
    match watched(control, Dbgwvr::from_bits(pair.value).address()) {
        Ok(watched) => Decoded::Armed { watched, outside: control.wt2(), access, scope, link },
        Err(reserved) => Decoded::Reserved(reserved),
    }
}

const fn watched(control: Dbgwcr, address: u64) -> Result<AddressRange, Reserved> {
    let (bas, mask) = (control.bas(), control.mask());
    let (first, length) = match mask.get() {
        0 => {
            // Of a word that is not doubleword-aligned, only its four bytes can be selected.
            let selected = if address & 0b100 == 0 { bas } else { bas & 0xf };
            let (first, length) = (selected.trailing_zeros(), selected.count_ones());
            if length == 0 || selected.unbounded_shr(first).trailing_ones() != length {
                return Err(Reserved::Bas(bas));
            }
            (address.saturating_add(first as u64), length as u64)
        }
        1 | 2 => return Err(Reserved::Mask(mask)),
        _ if bas != u8::MAX => return Err(Reserved::Bas(bas)),
        bits if address & ((1 << bits) - 1) != 0 => return Err(Reserved::MaskedAddress(address)),
        bits => (address, 1 << bits),
    };
    match AddressRange::new(first, length) {
        Ok(range) => Ok(range),
        // An aligned block never wraps.
        Err(_) => Err(Reserved::Bas(bas)),
    }
}

impl fmt::Display for Decoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disabled => f.write_str("disabled"),
            Self::Armed { watched, outside, access, scope, link } => {
                let all_but = if *outside { "all but " } else { "" };
                write!(f, "{access} of {all_but}{watched} at {scope}")?;
                match link {
                    Some(number) => write!(f, ", linked to breakpoint {number}"),
                    None => Ok(()),
                }
            }
            Self::Reserved(reserved) => write!(f, "unpredictable: {reserved}"),
        }
    }
}

impl fmt::Display for Reserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scope => f.write_str("reserved combination of HMC, SSCE, SSC and PAC"),
            Self::LoadStoreControl => f.write_str("neither loads nor stores (LSC)"),
            Self::Bas(bas) => write!(f, "reserved BAS {bas:#010b}"),
            Self::Mask(mask) => write!(f, "reserved MASK {mask}"),
            Self::MaskedAddress(address) => {
                write!(f, "address {address:#x} has bits set that MASK leaves out")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn registers_read_as_words() {
        for (control, value, text) in [
            (0, 0, "disabled"),
            (0x1ff7, 0x1000, "write of 0x1000..=0x1007 at EL0 and EL1"),
            (0x219f, 0x1000, "read or write of 0x1002..=0x1003 at EL0, EL1, EL2 and EL3"),
            (0x1ff7 | 12 << 24, 0x1000, "write of 0x1000..=0x1fff at EL0 and EL1"),
            (
                0x1ff7 | 1 << 20 | 3 << 16,
                0x1000,
                "write of 0x1000..=0x1007 at EL0 and EL1, linked to breakpoint 3",
            ),
            (0x01f7, 0x1004, "write of 0x1004..=0x1007 at EL0 and EL1"),
            (0x1ff7 | 1 << 22, 0x1000, "write of all but 0x1000..=0x1007 at EL0 and EL1"),
            (0x1fe7, 0x1000, "unpredictable: neither loads nor stores (LSC)"),
            (0x1ff1, 0x1000, "unpredictable: reserved combination of HMC, SSCE, SSC and PAC"),
            (0x00b7, 0x1000, "unpredictable: reserved BAS 0b00000101"),
            (0x1ff7 | 1 << 24, 0x1000, "unpredictable: reserved MASK 1"),
            (0x0ff7 | 3 << 24, 0x1000, "unpredictable: reserved BAS 0b01111111"),
            (0x1ff7 | 13 << 24, 0x1000, "unpredictable: address 0x1000 has bits set that MASK leaves out"),
        ] {
            assert_eq!(decode(Pair { control, value }).to_string(), text, "{control:#x}");
        }
    }
}
