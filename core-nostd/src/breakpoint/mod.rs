//! Breakpoints: what they match, and the registers that say so.
//!
//! A [`Breakpoint`] is a request: an instruction address, a range of them, a context, or an address in
//! a context; or one of these for watchpoints to link to. [`Breakpoint::pair`] and
//! [`Context::linked_pair`] are the only places where it becomes register values.

mod context;
mod decode;
mod error;

pub use context::Context;
pub use decode::{Decoded, Reserved, decode};
pub use error::BreakpointError;

use core::fmt;

use crate::address::{AddressRange, untag};
use crate::comparator::Pair;
use crate::registers::{BreakpointType, Dbgbcr, Dbgbvr, Uint};
use crate::scope::Scope;

/// The number of a breakpoint pair as LBNX:LBN names it.
pub type BreakpointNumber = Uint<6>;

/// The instruction set that an instruction at an address belongs to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Instruction {
    /// A64: 4 bytes, 4-byte aligned.
    A64,
    /// A32: 4 bytes, 4-byte aligned.
    A32,
    /// T32: 2 or 4 bytes, 2-byte aligned.
    T32,
}

impl Instruction {
    /// What addresses of instructions are multiples of, in bytes.
    #[must_use]
    pub const fn alignment(self) -> u64 {
        match self {
            Self::A64 | Self::A32 => 4,
            Self::T32 => 2,
        }
    }
}

impl fmt::Display for Instruction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A64 => "A64",
            Self::A32 => "A32",
            Self::T32 => "T32",
        })
    }
}

/// What a breakpoint compares the program counter with.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Matching {
    /// One instruction.
    Address(Instruction),
    /// Every instruction inside a range of 2 to this power bytes. FEAT_BWE.
    Inside(Uint<5>),
    /// Every instruction outside a range of 2 to this power bytes. FEAT_BWE.
    Outside(Uint<5>),
    /// Any instruction, in the right context.
    Context,
}

/// A request for a breakpoint.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Breakpoint {
    /// As asked for: with its tag, if it had one.
    address: u64,
    context: Option<Context>,
    matching: Matching,
    scope: Scope,
    /// Linking is enabled: it matches nothing on its own.
    linking: bool,
}

impl Breakpoint {
    const fn new(address: u64, matching: Matching, scope: Scope) -> Self {
        Self { address, context: None, matching, scope, linking: false }
    }

    /// Matches the instruction at `address`, a virtual address whose tag (bits 63 to 56) is ignored.
    ///
    /// # Errors
    /// [`BreakpointError::Misaligned`]; [`BreakpointError::NotAArch32`] for an A32 or T32 address of more
    /// than 32 bits.
    pub const fn at(address: u64, instruction: Instruction, scope: Scope) -> Result<Self, BreakpointError> {
        if !address.is_multiple_of(instruction.alignment()) {
            return Err(BreakpointError::Misaligned { address, instruction });
        }
        if !matches!(instruction, Instruction::A64) && address > u32::MAX as u64 {
            return Err(BreakpointError::NotAArch32 { address, instruction });
        }
        Ok(Self::new(address, Matching::Address(instruction), scope))
    }

    /// Matches every instruction in `range`. Needs FEAT_BWE.
    ///
    /// # Errors
    /// [`BreakpointError::Range`] where the range is not an aligned power of two from 8 bytes to 2 GiB.
    pub const fn inside(range: AddressRange, scope: Scope) -> Result<Self, BreakpointError> {
        match mask_of(range) {
            Some(mask) => Ok(Self::new(range.first(), Matching::Inside(mask), scope)),
            None => Err(BreakpointError::Range { range }),
        }
    }

    /// Matches every instruction outside `range`: where a core leaves a function, or a step over a range
    /// ends. Needs FEAT_BWE, which has no mismatch of a single instruction.
    ///
    /// In hardware, mismatches and other address breakpoints narrow each other: with both enabled, it stops
    /// only where one of these matches and none of those excludes (DDI 0487, "AArch64.CheckBreakpoint"). So
    /// a pool takes a mismatch only without other address breakpoints beside it, and the reverse.
    ///
    /// # Errors
    /// [`BreakpointError::Range`] where the range is not an aligned power of two from 8 bytes to 2 GiB.
    pub const fn outside(range: AddressRange, scope: Scope) -> Result<Self, BreakpointError> {
        match mask_of(range) {
            Some(mask) => Ok(Self::new(range.first(), Matching::Outside(mask), scope)),
            None => Err(BreakpointError::Range { range }),
        }
    }

    /// Matches any instruction while the core is in `context`.
    #[must_use]
    pub const fn in_context(context: Context, scope: Scope) -> Self {
        Self::new(0, Matching::Context, scope).linked(context)
    }

    /// Matches nothing on its own; a watchpoint can be linked to it, and then matches in `context` only.
    #[must_use]
    pub const fn link_target(context: Context) -> Self {
        Self { linking: true, ..Self::in_context(context, Scope::EL1_AND_EL0) }
    }

    /// This breakpoint, for watchpoints to link to: on its own it matches nothing, and they match only
    /// accesses of the instructions that it matches. For addresses this needs FEAT_ABLE. Its own scope is
    /// ignored by the hardware; the linked watchpoint's counts.
    ///
    /// # Errors
    /// [`BreakpointError::LinkedMismatch`] for a mismatch that is bound to a context.
    pub const fn as_link_target(self) -> Result<Self, BreakpointError> {
        match (self.matching, self.context) {
            (Matching::Outside(_), Some(context)) => Err(BreakpointError::LinkedMismatch { context }),
            _ => Ok(Self { scope: Scope::EL1_AND_EL0, linking: true, ..self }),
        }
    }

    /// This breakpoint, linked: it matches only while the core is in `context` as well, and takes a
    /// second pair, a context-aware one, which it shares with others in the same context.
    #[must_use]
    pub const fn linked(self, context: Context) -> Self {
        Self { context: Some(context), ..self }
    }

    /// What it compares.
    #[must_use]
    pub const fn matching(&self) -> Matching {
        self.matching
    }

    /// The address asked for: of the instruction, or of the first byte of the range. `None` for a context
    /// alone.
    #[must_use]
    pub const fn address(&self) -> Option<u64> {
        match self.matching {
            Matching::Context => None,
            _ => Some(self.address),
        }
    }

    /// Where it matches.
    #[must_use]
    pub const fn scope(&self) -> Scope {
        self.scope
    }

    /// The context it is bound to.
    #[must_use]
    pub const fn context(&self) -> Option<Context> {
        self.context
    }

    /// Whether it matches nothing on its own, and is there for others to link to.
    #[must_use]
    pub const fn is_link_target(&self) -> bool {
        self.linking
    }

    /// Whether it needs FEAT_BWE.
    #[must_use]
    pub const fn needs_bwe(&self) -> bool {
        matches!(self.matching, Matching::Inside(_) | Matching::Outside(_))
    }

    /// Whether it matches all but some addresses.
    #[must_use]
    pub const fn is_mismatch(&self) -> bool {
        matches!(self.matching, Matching::Outside(_))
    }

    /// The context that a second pair has to match, for this one to link to.
    #[must_use]
    pub const fn link(&self) -> Option<Context> {
        match self.matching {
            Matching::Context => None,
            _ => self.context,
        }
    }

    /// Whether its own pair must be a context-aware one: to match a context, or to be linked to.
    #[must_use]
    pub const fn needs_context_aware(&self) -> bool {
        self.linking || matches!(self.matching, Matching::Context)
    }

    /// Whether its own pair must be one that can match an address for others (FEAT_ABLE).
    #[must_use]
    pub const fn needs_address_linking(&self) -> bool {
        self.linking && !matches!(self.matching, Matching::Context)
    }

    /// Whether some instruction is matched by both. Hardware does not say what it makes of an instruction
    /// that two link targets match (DDI 0487, "Rules for linking watchpoints").
    #[must_use]
    pub const fn overlaps(&self, other: &Self) -> bool {
        let ((own, own_mismatch), (others, others_mismatch)) = (self.addresses(), other.addresses());
        match (own_mismatch, others_mismatch) {
            (false, false) => own.overlaps(others),
            (false, true) => !(others.contains(own.first()) && others.contains(own.last())),
            (true, false) => !(own.contains(others.first()) && own.contains(others.last())),
            // No two ranges of at most 2 GiB are the whole address space.
            (true, true) => true,
        }
    }

    /// The addresses of instructions that it can match, or, with `true`, all but these.
    const fn addresses(&self) -> (AddressRange, bool) {
        let first = untag(self.address);
        let (first, length, mismatch) = match self.matching {
            Matching::Address(Instruction::A64 | Instruction::A32) => (first, 4, false),
            // And a 4-byte instruction that begins 2 bytes before it.
            Matching::Address(Instruction::T32) => (first.saturating_sub(2), 4, false),
            Matching::Inside(mask) => (first, 1 << mask.get(), false),
            Matching::Outside(mask) => (first, 1 << mask.get(), true),
            Matching::Context => (0, u64::MAX, false),
        };
        match AddressRange::new(first, length) {
            Ok(range) => (range, mismatch),
            // What is aligned does not wrap.
            Err(_) => (AddressRange::byte(first), mismatch),
        }
    }

    /// The register values of its own pair. `link` is the number of the pair that matches
    /// [`Breakpoint::link`]; without a link it is ignored.
    #[must_use]
    pub const fn pair(&self, link: BreakpointNumber) -> Pair {
        use BreakpointType as T;
        let (unlinked, linked, mask, bas) = match (self.matching, self.context) {
            (Matching::Context, Some(context)) => return context.pair(self.linking, self.scope),
            // Not constructible.
            (Matching::Context, None) => return Pair::DISABLED,
            (Matching::Address(instruction), _) => (
                T::AddressMatch,
                T::LinkedAddressMatch,
                Uint::ZERO,
                byte_address_select(self.address, instruction),
            ),
            (Matching::Inside(mask), _) => (T::AddressMatch, T::LinkedAddressMatch, mask, Uint::MAX),
            (Matching::Outside(mask), _) => (T::AddressMismatch, T::LinkedAddressMismatch, mask, Uint::MAX),
        };
        let control = Dbgbcr::new().with_e(true).with_bas(bas).with_mask(mask).with_bt2(self.linking);
        let control = match self.context {
            None => control.with_bt(unlinked),
            Some(_) => control.with_bt(linked).with_linked_number(link),
        };
        Pair {
            control: self.scope.in_dbgbcr(control).into_bits(),
            value: Dbgbvr::from_address(self.address).into_bits(),
        }
    }

    /// Whether it can match the instruction at `pc` in some context and scope, and stop there.
    ///
    /// A T32 address also counts for a 4-byte instruction that begins 2 bytes before it, where hardware
    /// may or may not match (DDI 0487, "Using the BAS field in Address Match breakpoints").
    #[must_use]
    pub const fn can_match(&self, pc: u64) -> bool {
        let pc = untag(pc);
        let first = untag(self.address);
        match self.matching {
            _ if self.linking => false,
            Matching::Address(Instruction::A64 | Instruction::A32) => pc == first,
            Matching::Address(Instruction::T32) => pc == first || pc.wrapping_add(2) == first,
            Matching::Inside(mask) => pc >> mask.get() == first >> mask.get(),
            Matching::Outside(mask) => pc >> mask.get() != first >> mask.get(),
            Matching::Context => true,
        }
    }
}

/// BAS: an A64 or A32 instruction is all four bytes; T32 selects a halfword of the word in DBGBVR.
const fn byte_address_select(address: u64, instruction: Instruction) -> Uint<4> {
    match instruction {
        Instruction::A64 | Instruction::A32 => Uint::MAX,
        Instruction::T32 if address & 0b10 == 0 => Uint::from_bits(0b0011),
        Instruction::T32 => Uint::from_bits(0b1100),
    }
}

/// The MASK that makes one comparator match exactly `range`: the exponent of its length.
const fn mask_of(range: AddressRange) -> Option<Uint<5>> {
    let length = range.len();
    if length.is_power_of_two()
        && length >= 1 << 3
        && length <= 1 << 31
        && range.first().is_multiple_of(length)
    {
        Uint::new(length.trailing_zeros() as u8)
    } else {
        None
    }
}

impl fmt::Display for Breakpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, matching, scope, linking, .. } = self;
        if *linking {
            f.write_str("a link target for ")?;
        }
        match matching {
            Matching::Address(instruction) => write!(f, "{address:#x} ({instruction})")?,
            Matching::Inside(mask) => write!(f, "{} bytes from {address:#x} on", 1u32 << mask.get())?,
            Matching::Outside(mask) => {
                write!(f, "all but {} bytes from {address:#x} on", 1u32 << mask.get())?;
            }
            Matching::Context => f.write_str("any instruction")?,
        }
        if let Some(context) = self.context {
            write!(f, " with {context}")?;
        }
        if *linking { Ok(()) } else { write!(f, " at {scope}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    const LINK: BreakpointNumber = Uint::from_bits(4);

    fn pair(breakpoint: Result<Breakpoint, BreakpointError>) -> Pair {
        breakpoint.unwrap().pair(LINK)
    }

    #[test]
    fn an_a64_breakpoint_selects_all_four_bytes() {
        let guest = pair(Breakpoint::at(0xffff_8000_1000_4004, Instruction::A64, Scope::EL1_AND_EL0));
        assert_eq!(guest, Pair { control: 0x1e7, value: 0xffff_8000_1000_4004 });
        let board = pair(Breakpoint::at(0x8_0000, Instruction::A64, Scope::ALL));
        assert_eq!(board, Pair { control: 0x21e7, value: 0x8_0000 });
    }

    #[test]
    fn a_t32_breakpoint_selects_one_halfword_of_the_word() {
        let low = pair(Breakpoint::at(0x1000, Instruction::T32, Scope::EL1_AND_EL0));
        assert_eq!(low, Pair { control: 0b0011 << 5 | 0b111, value: 0x1000 });
        let high = pair(Breakpoint::at(0x1002, Instruction::T32, Scope::EL1_AND_EL0));
        assert_eq!(high, Pair { control: 0b1100 << 5 | 0b111, value: 0x1000 });
    }

    #[test]
    fn addresses_where_no_instruction_begins_are_refused() {
        for offset in 0..4 {
            let address = 0x1000 + offset;
            for (instruction, aligned) in [
                (Instruction::A64, offset == 0),
                (Instruction::A32, offset == 0),
                (Instruction::T32, offset % 2 == 0),
            ] {
                let breakpoint = Breakpoint::at(address, instruction, Scope::EL0);
                assert_eq!(breakpoint.is_ok(), aligned, "{instruction} at {address:#x}");
                if !aligned {
                    assert_eq!(breakpoint, Err(BreakpointError::Misaligned { address, instruction }));
                }
            }
        }
        let address = 1 << 32;
        assert_eq!(
            Breakpoint::at(address, Instruction::A32, Scope::EL0),
            Err(BreakpointError::NotAArch32 { address, instruction: Instruction::A32 })
        );
    }

    #[test]
    fn a_linked_breakpoint_names_its_context_pair() {
        let context = Context::ContextId(0x1234);
        let breakpoint = Breakpoint::at(0x1000, Instruction::A64, Scope::ALL).unwrap().linked(context);
        assert_eq!(breakpoint.link(), Some(context));
        assert_eq!(breakpoint.pair(LINK).control, 0x14_21e7);
        assert_eq!(context.linked_pair(), Pair { control: 0x30_01e7, value: 0x1234 });
        let unlinked = Breakpoint::in_context(context, Scope::EL1_AND_EL0);
        assert_eq!(unlinked.pair(LINK), Pair { control: 0x20_01e7, value: 0x1234 });
        assert_eq!(unlinked.link(), None);
    }

    #[test]
    fn a_range_is_an_aligned_power_of_two() {
        for exponent in 0..40 {
            let length = 1 << exponent;
            let range = AddressRange::new(3 << 40, length).unwrap();
            let breakpoint = Breakpoint::outside(range, Scope::EL0);
            if (3..=31).contains(&exponent) {
                let pair = breakpoint.unwrap().pair(LINK);
                assert_eq!((pair.control >> 24 & 0x1f, pair.control >> 20 & 0xf), (exponent, 0b0100));
                assert_eq!(pair.value, range.first());
                let misaligned = AddressRange::new(range.first() + length / 2, length).unwrap();
                assert!(Breakpoint::inside(misaligned, Scope::EL0).is_err());
            } else {
                assert_eq!(breakpoint, Err(BreakpointError::Range { range }));
            }
        }
        assert!(Breakpoint::inside(AddressRange::new(0x1000, 24).unwrap(), Scope::EL0).is_err());
    }

    #[test]
    fn a_t32_breakpoint_may_stop_a_wide_instruction_around_it() {
        let breakpoint = Breakpoint::at(0x1002, Instruction::T32, Scope::EL0).unwrap();
        let matching = (0xff0..0x1010).filter(|pc| breakpoint.can_match(*pc));
        assert!(matching.eq([0x1000, 0x1002]));
    }

    #[test]
    fn messages_name_the_value_and_the_way_out() {
        for (error, text) in [
            (
                Breakpoint::at(0x1002, Instruction::A64, Scope::EL0).unwrap_err(),
                "no A64 instruction begins at 0x1002; give a multiple of 4",
            ),
            (
                Breakpoint::inside(AddressRange::new(0x1000, 24).unwrap(), Scope::EL0).unwrap_err(),
                "a breakpoint cannot match 0x1000..=0x1017; give an aligned power of two from 8 bytes to 2 \
                 GiB",
            ),
        ] {
            assert_eq!(error.to_string(), text);
        }
        let breakpoint = Breakpoint::at(0x1000, Instruction::A64, Scope::EL1_AND_EL0).unwrap();
        assert_eq!(
            breakpoint.linked(Context::Vmid(3)).to_string(),
            "0x1000 (A64) with VMID 0x3 at EL0 and EL1"
        );
    }
}
