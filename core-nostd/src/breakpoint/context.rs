//! The software context that a breakpoint is bound to.

use core::fmt;

use crate::comparator::Pair;
use crate::registers::{BreakpointType, Dbgbcr, Dbgbvr, Uint};
use crate::scope::Scope;

/// The software context that the core must be in for a breakpoint to match (DDI 0487, "Breakpoint types
/// and linking of breakpoints"). It takes a context-aware pair.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Context {
    /// This value in `CONTEXTIDR_EL1`; in a host under HCR_EL2.E2H, in `CONTEXTIDR_EL2`.
    ContextId(u32),
    /// This value in `CONTEXTIDR_EL1`, at EL1 and EL0 but not in a host's EL0. FEAT_VHE.
    ContextIdEl1(u32),
    /// This value in `CONTEXTIDR_EL2`. FEAT_VHE.
    ContextIdEl2(u32),
    /// This value in `VTTBR_EL2.VMID`, of which the low 8 or all 16 bits count as VTCR_EL2.VS says.
    Vmid(u16),
    /// These values in `VTTBR_EL2.VMID` and `CONTEXTIDR_EL1`.
    VmidAndContextId {
        /// As [`Context::Vmid`].
        vmid: u16,
        /// As [`Context::ContextIdEl1`].
        context_id: u32,
    },
    /// These values in `CONTEXTIDR_EL1` and `CONTEXTIDR_EL2`. FEAT_VHE.
    FullContextId {
        /// As [`Context::ContextIdEl1`].
        el1: u32,
        /// As [`Context::ContextIdEl2`].
        el2: u32,
    },
}

impl Context {
    const fn value(self) -> Dbgbvr {
        match self {
            Self::ContextId(id) | Self::ContextIdEl1(id) => Dbgbvr::from_context_id(id),
            Self::ContextIdEl2(id) => Dbgbvr::from_context_id(0).with_context_id2(id),
            Self::Vmid(vmid) => Dbgbvr::from_context_id(0).with_vmid(vmid),
            Self::VmidAndContextId { vmid, context_id } => {
                Dbgbvr::from_context_id(context_id).with_vmid(vmid)
            }
            Self::FullContextId { el1, el2 } => Dbgbvr::from_context_id(el1).with_context_id2(el2),
        }
    }

    pub(super) const fn pair(self, linking: bool, scope: Scope) -> Pair {
        use BreakpointType as T;
        let (unlinked, linked) = match self {
            Self::ContextId(_) => (T::ContextIdMatch, T::LinkedContextIdMatch),
            Self::ContextIdEl1(_) => (T::ContextIdEl1Match, T::LinkedContextIdEl1Match),
            Self::ContextIdEl2(_) => (T::ContextIdEl2Match, T::LinkedContextIdEl2Match),
            Self::Vmid(_) => (T::VmidMatch, T::LinkedVmidMatch),
            Self::VmidAndContextId { .. } => (T::VmidAndContextIdMatch, T::LinkedVmidAndContextIdMatch),
            Self::FullContextId { .. } => (T::FullContextIdMatch, T::LinkedFullContextIdMatch),
        };
        // BAS is RES1 for context matches.
        let control =
            Dbgbcr::new().with_e(true).with_bas(Uint::MAX).with_bt(if linking { linked } else { unlinked });
        Pair { control: scope.in_dbgbcr(control).into_bits(), value: self.value().into_bits() }
    }

    /// The pair with linking enabled, which address breakpoints and watchpoints can name in LBN. Its own
    /// scope is ignored by the hardware; the linked comparator's counts.
    #[must_use]
    pub const fn linked_pair(self) -> Pair {
        self.pair(true, Scope::EL1_AND_EL0)
    }
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ContextId(id) => write!(f, "context ID {id:#x}"),
            Self::ContextIdEl1(id) => write!(f, "CONTEXTIDR_EL1 {id:#x}"),
            Self::ContextIdEl2(id) => write!(f, "CONTEXTIDR_EL2 {id:#x}"),
            Self::Vmid(vmid) => write!(f, "VMID {vmid:#x}"),
            Self::VmidAndContextId { vmid, context_id } => {
                write!(f, "VMID {vmid:#x} and CONTEXTIDR_EL1 {context_id:#x}")
            }
            Self::FullContextId { el1, el2 } => {
                write!(f, "CONTEXTIDR_EL1 {el1:#x} and CONTEXTIDR_EL2 {el2:#x}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_context_goes_to_its_part_of_the_value() {
        for (context, bt, value) in [
            (Context::ContextId(0x1234_5678), 0b0011, 0x1234_5678),
            (Context::ContextIdEl1(0x1234_5678), 0b0111, 0x1234_5678),
            (Context::Vmid(0x8001), 0b1001, 0x8001 << 32),
            (
                Context::VmidAndContextId { vmid: 0x8001, context_id: 0xffff_ffff },
                0b1011,
                0x8001 << 32 | 0xffff_ffff,
            ),
            (Context::ContextIdEl2(0x8765_4321), 0b1101, 0x8765_4321 << 32),
            (Context::FullContextId { el1: 1, el2: 2 }, 0b1111, 2 << 32 | 1),
        ] {
            let pair = context.linked_pair();
            assert_eq!((pair.control >> 20 & 0xf, pair.value), (bt, value), "{context}");
            let unlinked = context.pair(false, Scope::EL0);
            assert_eq!((unlinked.control >> 20 & 0xf, unlinked.value), (bt & !1, value), "{context}");
        }
    }
}
