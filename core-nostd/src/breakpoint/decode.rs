//! What a breakpoint pair's registers say.

use core::fmt;

use crate::comparator::Pair;
use crate::registers::{BreakpointType, Dbgbcr, Dbgbvr, Uint};
use crate::scope::Scope;

use super::{Breakpoint, BreakpointNumber, Context, Instruction, Matching};

/// What a breakpoint pair's registers say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Decoded {
    /// It never matches: E is 0.
    Disabled,
    /// It matches as this request.
    Armed {
        /// The request. For one in A64 or A32 code, [`Instruction::A64`]: the registers do not tell them
        /// apart. For a linked one, without its context, which is in the pair linked to.
        breakpoint: Breakpoint,
        /// The pair that it is linked to.
        link: Option<BreakpointNumber>,
    },
    /// What it does is CONSTRAINED UNPREDICTABLE.
    Reserved(Reserved),
}

/// Which field of a breakpoint pair makes its behaviour CONSTRAINED UNPREDICTABLE (DDI 0487, "Breakpoint
/// usage constraints").
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Reserved {
    /// HMC, SSCE, SSC and PMC are no row of the tables.
    Scope,
    /// BT2 and BT are no type.
    Type,
    /// BAS is neither 0b0011, 0b1100 nor 0b1111, or not 0b1111 with a MASK.
    Bas(Uint<4>),
    /// MASK is 1 or 2, or not 0 for a context.
    Mask(Uint<5>),
    /// Address bits that MASK leaves out are not 0.
    MaskedAddress(u64),
    /// A mismatch without a MASK: only AArch32 has mismatches of single instructions.
    SingleMismatch,
}

/// What the registers of a breakpoint pair say: the inverse of [`Breakpoint::pair`] and
/// [`Context::linked_pair`], for any value.
#[must_use]
pub const fn decode(pair: Pair) -> Decoded {
    let control = Dbgbcr::from_bits(pair.control);
    let value = Dbgbvr::from_bits(pair.value);
    if !control.e() {
        return Decoded::Disabled;
    }
    let armed = if control.bt().compares_address() {
        address_breakpoint(control, value)
    } else if control.bt2() {
        Err(Reserved::Type)
    } else {
        context_breakpoint(control, value)
    };
    match armed {
        Ok(breakpoint) => {
            let linked = control.bt().compares_address() && control.bt().into_bits() & 1 != 0;
            let link = if linked { Some(control.linked_number()) } else { None };
            Decoded::Armed { breakpoint, link }
        }
        Err(reserved) => Decoded::Reserved(reserved),
    }
}

const fn address_breakpoint(control: Dbgbcr, value: Dbgbvr) -> Result<Breakpoint, Reserved> {
    use BreakpointType as T;
    let linking = control.bt2();
    let scope = match Scope::from_dbgbcr(control) {
        // That of a link target is ignored, reserved or not.
        _ if linking => Scope::EL1_AND_EL0,
        Some(scope) => scope,
        None => return Err(Reserved::Scope),
    };
    let mismatch = matches!(control.bt(), T::AddressMismatch | T::LinkedAddressMismatch);
    let (bas, mask, address) = (control.bas(), control.mask(), value.address());
    let (address, matching) = match (bas.get(), mask.get()) {
        (_, 1 | 2) => return Err(Reserved::Mask(mask)),
        (_, 0) if mismatch => return Err(Reserved::SingleMismatch),
        (0b0011, 0) => (address, Matching::Address(Instruction::T32)),
        (0b1100, 0) => (address | 0b10, Matching::Address(Instruction::T32)),
        (0b1111, 0) => (address, Matching::Address(Instruction::A64)),
        (0b1111, bits) if address & ((1 << bits) - 1) != 0 => return Err(Reserved::MaskedAddress(address)),
        (0b1111, _) if mismatch => (address, Matching::Outside(mask)),
        (0b1111, _) => (address, Matching::Inside(mask)),
        _ => return Err(Reserved::Bas(bas)),
    };
    Ok(Breakpoint { linking, ..Breakpoint::new(address, matching, scope) })
}

const fn context_breakpoint(control: Dbgbcr, value: Dbgbvr) -> Result<Breakpoint, Reserved> {
    use BreakpointType as T;
    if control.mask().get() != 0 {
        return Err(Reserved::Mask(control.mask()));
    }
    let context = match control.bt() {
        T::ContextIdEl1Match | T::LinkedContextIdEl1Match => Context::ContextIdEl1(value.context_id()),
        T::VmidMatch | T::LinkedVmidMatch => Context::Vmid(value.vmid()),
        T::VmidAndContextIdMatch | T::LinkedVmidAndContextIdMatch => {
            Context::VmidAndContextId { vmid: value.vmid(), context_id: value.context_id() }
        }
        T::ContextIdEl2Match | T::LinkedContextIdEl2Match => Context::ContextIdEl2(value.context_id2()),
        T::FullContextIdMatch | T::LinkedFullContextIdMatch => {
            Context::FullContextId { el1: value.context_id(), el2: value.context_id2() }
        }
        T::ContextIdMatch
        | T::LinkedContextIdMatch
        | T::AddressMatch
        | T::LinkedAddressMatch
        | T::AddressMismatch
        | T::LinkedAddressMismatch => Context::ContextId(value.context_id()),
    };
    if control.bt().into_bits() & 1 != 0 {
        // The scope of a link target is ignored, reserved or not.
        return Ok(Breakpoint::link_target(context));
    }
    match Scope::from_dbgbcr(control) {
        Some(scope) => Ok(Breakpoint::in_context(context, scope)),
        None => Err(Reserved::Scope),
    }
}

impl fmt::Display for Decoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disabled => f.write_str("disabled"),
            Self::Armed { breakpoint, link } => {
                match breakpoint.matching() {
                    Matching::Address(Instruction::A64) if !breakpoint.linking => {
                        write!(f, "{:#x} (A64 or A32) at {}", breakpoint.address, breakpoint.scope)?;
                    }
                    _ => breakpoint.fmt(f)?,
                }
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
            Self::Scope => f.write_str("reserved combination of HMC, SSCE, SSC and PMC"),
            Self::Type => f.write_str("reserved breakpoint type"),
            Self::Bas(bas) => write!(f, "reserved BAS {:#06b}", bas.get()),
            Self::Mask(mask) => write!(f, "reserved MASK {mask}"),
            Self::MaskedAddress(address) => {
                write!(f, "address {address:#x} has bits set that MASK leaves out")
            }
            Self::SingleMismatch => f.write_str("mismatch of a single instruction"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::AddressRange;
    use std::string::ToString;

    const LINK: BreakpointNumber = Uint::from_bits(0x25);

    #[test]
    fn what_was_encoded_is_decoded() {
        let range = AddressRange::new(0xffff_8000_1000_0000, 0x1000).unwrap();
        let contexts = [
            Context::ContextId(1),
            Context::ContextIdEl1(2),
            Context::ContextIdEl2(3),
            Context::Vmid(0x8004),
            Context::VmidAndContextId { vmid: 5, context_id: 6 },
            Context::FullContextId { el1: 7, el2: 8 },
        ];
        for scope in [Scope::EL0, Scope::EL1_AND_EL0, Scope::EL2, Scope::ALL] {
            for breakpoint in [
                Breakpoint::at(0xffff_8000_1000_4004, Instruction::A64, scope).unwrap(),
                Breakpoint::at(0x1000, Instruction::T32, scope).unwrap(),
                Breakpoint::at(0x1002, Instruction::T32, scope).unwrap(),
                Breakpoint::inside(range, scope).unwrap(),
                Breakpoint::outside(range, scope).unwrap(),
            ] {
                assert_eq!(decode(breakpoint.pair(LINK)), Decoded::Armed { breakpoint, link: None });
                let linked = breakpoint.linked(Context::Vmid(1)).pair(LINK);
                assert_eq!(decode(linked), Decoded::Armed { breakpoint, link: Some(LINK) });
                let target = breakpoint.as_link_target().unwrap();
                assert_eq!(decode(target.pair(LINK)), Decoded::Armed { breakpoint: target, link: None });
            }
            for context in contexts {
                let breakpoint = Breakpoint::in_context(context, scope);
                assert_eq!(decode(breakpoint.pair(LINK)), Decoded::Armed { breakpoint, link: None });
                let breakpoint = Breakpoint::link_target(context);
                assert_eq!(decode(context.linked_pair()), Decoded::Armed { breakpoint, link: None });
            }
        }
    }

    #[test]
    fn reserved_values_are_named() {
        for (control, value, text) in [
            (0, 0, "disabled"),
            (0x1e7, 0x1000, "0x1000 (A64 or A32) at EL0 and EL1"),
            (0x14_21e7, 0x1000, "0x1000 (A64 or A32) at EL0, EL1, EL2 and EL3, linked to breakpoint 4"),
            (0x30_01e7, 7, "a link target for any instruction with context ID 0x7"),
            (0x1ef, 0x1000, "a link target for 0x1000 (A64)"),
            (0x30_01ef, 7, "unpredictable: reserved breakpoint type"),
            (
                0x1e1 | 0b11 << 14 | 0b10 << 1,
                0,
                "unpredictable: reserved combination of HMC, SSCE, SSC and PMC",
            ),
            (0x0e7, 0x1000, "unpredictable: reserved BAS 0b0111"),
            (0x1e7 | 2 << 24, 0x1000, "unpredictable: reserved MASK 2"),
            (0x1e7 | 13 << 24, 0x1000, "unpredictable: address 0x1000 has bits set that MASK leaves out"),
            (0x40_01e7, 0x1000, "unpredictable: mismatch of a single instruction"),
        ] {
            assert_eq!(decode(Pair { control, value }).to_string(), text, "{control:#x}");
        }
    }
}
