//! Why the target stopped, and whether that is ours or the guest's.
//!
//! A backend's [`Event`] becomes a [`Cause`]; what is armed then says whose it is. An exception that is
//! nobody's request goes back to the guest ([`crate::injection`]); the rest becomes a [`Stop`].

use core::fmt;

use crate::address::untag;
use crate::syndrome::{Details, ExceptionClass, Syndrome};
use crate::target::{CoreId, DebugStateEntry, Event};
use crate::watchpoint::Watchpoint;

/// What happened on a core, before anybody asked whose it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Cause {
    /// A breakpoint comparator matched the instruction at PC, which has not been executed.
    Breakpoint,
    /// A watchpoint comparator matched an access of the instruction at PC, which has not been executed.
    Watchpoint {
        /// The address that the hardware reports, without its tag; `None` where it reports none (FnV). It
        /// may lie near the watched bytes rather than inside them.
        address: Option<u64>,
        /// Whether the address lies as near as it usually does; else only in the same granule (FnP).
        precise: bool,
        /// Whether the access was a write; `None` where the hardware does not say.
        write: Option<bool>,
        /// The number of the pair that matched; `None` where the hardware does not say.
        pair: Option<u8>,
    },
    /// Watchpoint comparators of an M-profile core, bit n for number n, have matched an access that was made by an
    /// instruction before PC.
    Accessed {
        /// Which ones.
        comparators: u16,
    },
    /// A single step was completed.
    Step,
    /// The breakpoint instruction at PC (BRK, BKPT or HLT) was about to be executed.
    BreakInstruction,
    /// The core was halted from outside.
    ExternalRequest,
    /// The core was locked up and has been halted.
    LockedUp,
    /// Anything else that was routed to the debugger, such as vector catch.
    Other,
}

impl Cause {
    /// The cause behind a backend's event.
    #[must_use]
    pub fn of(event: &Event) -> Self {
        match *event {
            Event::DebugException { syndrome, fault_address } => {
                Self::of_exception(&Syndrome::decode(syndrome), fault_address)
            }
            Event::DebugState(entry) => match entry {
                DebugStateEntry::Breakpoint => Self::Breakpoint,
                DebugStateEntry::Watchpoint { address } => {
                    Self::Watchpoint { address: Some(untag(address)), precise: true, write: None, pair: None }
                }
                DebugStateEntry::Accessed { comparators } => Self::Accessed { comparators },
                DebugStateEntry::Step => Self::Step,
                DebugStateEntry::HaltInstruction => Self::BreakInstruction,
                DebugStateEntry::ExternalRequest => Self::ExternalRequest,
                DebugStateEntry::LockedUp => Self::LockedUp,
                DebugStateEntry::Other(_) => Self::Other,
            },
            Event::TrappedWrite(_) | Event::CalledBack => Self::Other,
        }
    }

    fn of_exception(syndrome: &Syndrome, fault_address: u64) -> Self {
        match syndrome.class {
            ExceptionClass::BreakpointLower | ExceptionClass::BreakpointSame => Self::Breakpoint,
            ExceptionClass::SoftwareStepLower | ExceptionClass::SoftwareStepSame => Self::Step,
            ExceptionClass::WatchpointLower | ExceptionClass::WatchpointSame => {
                let Details::Watchpoint(details) = syndrome.details else { return Self::Other };
                Self::Watchpoint {
                    address: (!details.fnv()).then(|| untag(fault_address)),
                    precise: !details.fnp(),
                    write: Some(details.wnr()),
                    pair: details.number(),
                }
            }
            ExceptionClass::Brk | ExceptionClass::Bkpt => Self::BreakInstruction,
            _ => Self::Other,
        }
    }
}

/// Why a core is halted, as the debugger's client is told.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum StopReason {
    /// A hardware breakpoint of ours at PC. The instruction has not been executed.
    Breakpoint,
    /// A breakpoint instruction that we planted at PC.
    SoftwareBreakpoint,
    /// A watchpoint of ours.
    Watchpoint {
        /// The request that was hit.
        watchpoint: Watchpoint,
        /// The byte of the watched range that the access touches, as exactly as the hardware says: its
        /// own address where that lies inside the range, else the nearest watched byte.
        address: u64,
        /// Whether the access has been made, so that PC is behind it: where the watchpoint stops after it, and always
        /// on an M-profile core.
        made: bool,
        /// What the access has done, where the watchpoint stops after it.
        change: Option<Change>,
    },
    /// The step or the range step that was asked for is done.
    Step,
    /// The client asked for a halt.
    Interrupt,
    /// The core was halted by something outside the debugger.
    ExternalRequest,
    /// The core was locked up, by a fault where it could take none (M profile), and has been halted.
    LockedUp,
}

/// The value of a watched range before and after an access.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Change {
    /// Where the value stands: the watched range, or of a longer one the doubleword that the access
    /// touches first, as far as it is watched.
    pub address: u64,
    /// Its length in bytes, 1 to 8.
    pub length: u8,
    /// The value before, little-endian.
    pub old: u64,
    /// The value after.
    pub new: u64,
}

/// A stop of the whole target: the core that caused it, and why.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Stop {
    /// The core that stopped first; all others were halted because of it.
    pub core: CoreId,
    /// Its program counter.
    pub pc: u64,
    /// Why.
    pub reason: StopReason,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (core, pc) = (self.core, self.pc);
        match self.reason {
            StopReason::Breakpoint => write!(f, "{core}: hardware breakpoint at {pc:#x}"),
            StopReason::SoftwareBreakpoint => write!(f, "{core}: software breakpoint at {pc:#x}"),
            StopReason::Watchpoint { watchpoint, address, made, change: None } => {
                let place = if made { "before" } else { "at" };
                write!(f, "{core}: {watchpoint}, touched at {address:#x} by the instruction {place} {pc:#x}")
            }
            StopReason::Watchpoint { watchpoint, address, change: Some(Change { old, new, .. }), .. } => {
                write!(
                    f,
                    "{core}: {watchpoint}, touched at {address:#x} by the instruction before {pc:#x}: \
                 {old:#x} became {new:#x}"
                )
            }
            StopReason::Step => write!(f, "{core}: stepped to {pc:#x}"),
            StopReason::Interrupt => write!(f, "{core}: interrupted at {pc:#x}"),
            StopReason::ExternalRequest => write!(f, "{core}: halted from outside at {pc:#x}"),
            StopReason::LockedUp => write!(f, "{core}: locked up, by a fault that it could not take"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watchpoint_keeps_what_its_syndrome_says_of_the_address() {
        let cause =
            |syndrome| Cause::of(&Event::DebugException { syndrome, fault_address: 0x5aff_8000_0000_1004 });
        let watchpoint = 0x34_u64 << 26 | 0b10_0010;
        let (address, far) = (0xffff_8000_0000_1004, |bits| cause(watchpoint | bits));
        assert_eq!(
            far(1 << 6),
            Cause::Watchpoint { address: Some(address), precise: true, write: Some(true), pair: None }
        );
        assert_eq!(
            far(1 << 15 | 1 << 17 | 3 << 18),
            Cause::Watchpoint { address: Some(address), precise: false, write: Some(false), pair: Some(3) }
        );
        assert_eq!(
            far(1 << 10 | 1 << 17),
            Cause::Watchpoint { address: None, precise: true, write: Some(false), pair: Some(0) }
        );
    }
}
