//! Watchpoints in a context, which take pairs from both pools.

use crate::breakpoint::{Breakpoint, BreakpointNumber, Context};
use crate::watchpoint::Watchpoint;

use super::{BreakpointPool, Owner, PoolError, WatchpointPool};

/// Reserves `watchpoint`, so that it matches while the core is in `context` only: its watchpoint pairs, and
/// a context-aware breakpoint pair that they are linked to, which all requests in the same context share.
/// Returns the request as it stands in `watchpoints`.
///
/// # Errors
/// [`PoolError`]; both pools are as they were.
pub fn reserve_linked<const B: usize, const W: usize>(
    breakpoints: &mut BreakpointPool<B>,
    watchpoints: &mut WatchpointPool<W>,
    watchpoint: Watchpoint,
    context: Context,
    owner: Owner,
) -> Result<Watchpoint, PoolError> {
    let target = Breakpoint::link_target(context);
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
    context: Context,
    owner: Owner,
) -> Result<(), PoolError> {
    let target = Breakpoint::link_target(context);
    let number: BreakpointNumber = breakpoints.number(&target).ok_or(PoolError::NotReserved)?;
    watchpoints.release(&watchpoint.linked_to(number), owner)?;
    breakpoints.release(&target, owner)
}
