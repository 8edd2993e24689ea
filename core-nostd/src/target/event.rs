//! What a core can stop for.

use crate::address::PhysicalAddress;

/// Why a core stopped, as its backend saw it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Event {
    /// A debug exception that the target's own software would have taken was routed to the debugger
    /// (`MDCR_EL2.TDE`): KVM and EL2.
    DebugException {
        /// `ESR_EL2`, 64 bits.
        syndrome: u64,
        /// `FAR_EL2`; it means something for a watchpoint only.
        fault_address: u64,
    },
    /// The core entered Debug state: boards.
    DebugState(DebugStateEntry),
    /// The core was about to write to a page that traps writes ([`WriteTraps`](super::WriteTraps)). The instruction has not been
    /// executed.
    TrappedWrite(TrappedWrite),
    /// Nothing has happened: the engine asked for it ([`RunControl::call_back`](super::RunControl::call_back)).
    CalledBack,
}

/// A write that has not been made.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TrappedWrite {
    /// The first byte of the page that is written to.
    pub address: PhysicalAddress,
    /// What is written; `None` where the hardware does not say, as for pairs, write-back and vectors.
    pub data: Option<WriteData>,
}

/// What one plain store writes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct WriteData {
    /// The bytes, little-endian.
    pub value: u64,
    /// How many there are, 1 to 8.
    pub length: u8,
}

/// Why a core entered Debug state (DDI 0487, `EDSCR.STATUS`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum DebugStateEntry {
    /// A breakpoint comparator matched.
    Breakpoint,
    /// A watchpoint comparator matched.
    Watchpoint {
        /// The data address, `EDWAR`.
        address: u64,
    },
    /// A halting step was completed.
    Step,
    /// Watchpoint comparators of an M-profile core have matched an access, which has been made: PC is behind it.
    Accessed {
        /// Which ones, bit n for number n.
        comparators: u16,
    },
    /// A halting breakpoint instruction, `HLT` or `BKPT`, was executed.
    HaltInstruction,
    /// An M-profile core was locked up, by a fault where it could take none.
    LockedUp,
    /// An external debug request, as from the cross-trigger interface.
    ExternalRequest,
    /// Any other reason, by its STATUS number.
    Other(u8),
}
