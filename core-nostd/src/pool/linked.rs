//! Linked watchpoints, which take pairs from both pools.

use crate::breakpoint::{Breakpoint, BreakpointNumber};
use crate::watchpoint::Watchpoint;

use super::{BreakpointPool, Owner, PoolError, WatchpointPool};

/// Reserves `watchpoint`, linked to `target`, so that it matches while the core is in a context only, or
/// accesses of certain instructions only: its watchpoint pairs, and the breakpoint pairs of `target`, which
/// all requests with the same one share. Returns the request as it stands in `watchpoints`.
///
/// # Errors
/// [`PoolError`], [`PoolError::NoLinkTarget`] where `target` [is none](Breakpoint::is_link_target); both pools
/// are as they were.
pub fn reserve_linked<const B: usize, const W: usize>(
    breakpoints: &mut BreakpointPool<B>,
    watchpoints: &mut WatchpointPool<W>,
    watchpoint: Watchpoint,
    target: Breakpoint,
    owner: Owner,
) -> Result<Watchpoint, PoolError> {
    if !target.is_link_target() {
        return Err(PoolError::NoLinkTarget);
    }
    breakpoints.reserve(target, owner)?;
    let reserved = match breakpoints.number(&target) {
        Some(number) => {
            let linked = watchpoint.linked_to(number);
            watchpoints.reserve(linked, owner).map(|()| linked)
        }
        None => Err(PoolError::NotReserved),
    };
    if reserved.is_err() {
        breakpoints.release(&target, owner)?;
    }
    reserved
}

/// Gives back one reference to what [`reserve_linked`] reserved with the same arguments.
///
/// # Errors
/// [`PoolError::NotReserved`]; both pools are as they were.
pub fn release_linked<const B: usize, const W: usize>(
    breakpoints: &mut BreakpointPool<B>,
    watchpoints: &mut WatchpointPool<W>,
    watchpoint: Watchpoint,
    target: Breakpoint,
    owner: Owner,
) -> Result<(), PoolError> {
    let number: BreakpointNumber = breakpoints.number(&target).ok_or(PoolError::NotReserved)?;
    watchpoints.release(&watchpoint.linked_to(number), owner)?;
    breakpoints.release(&target, owner)
}
