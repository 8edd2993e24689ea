//! Who has reserved what: `pool`, `software`.

#![expect(unsafe_code, reason = "the static is found by its name, and names are global")]

use core::hint::black_box;
use core::mem::MaybeUninit;
use core::ops::{BitOr, BitOrAssign};

use trapline_core::{pool, software, watchpoint};

use crate::walk;

/// As large as both pools of a core with 16 + 16 pairs.
// SAFETY: no other crate of this program defines this name.
#[unsafe(no_mangle)]
static POOLS: MaybeUninit<(pool::BreakpointPool, pool::WatchpointPool)> = MaybeUninit::uninit();

/// Links them.
pub(crate) fn link() {
    black_box(&POOLS);
    debug![
        pool::BreakpointPool<16>,
        pool::Hit,
        pool::Owner,
        pool::ReservedBreakpoint,
        pool::ReservedWatchpoint,
        pool::Slots,
        pool::WatchpointPool<16>,
        software::Restore,
        software::SiteState,
        software::InstructionBytes,
        software::Site,
        software::SoftwareBreakpoint,
        software::SoftwareBreakpoints<64>
    ];
    default![pool::Slots];
    display![pool::Owner];
    error![pool::PoolError, software::SoftwareError];
    link![
        <pool::PoolError as From<watchpoint::WatchpointError>>::from,
        pool::release_linked::<16, 16>,
        pool::reserve_linked::<16, 16>,
        pool::BreakpointPool::<16>::new,
        pool::BreakpointPool::<16>::reserve,
        pool::BreakpointPool::<16>::release,
        pool::BreakpointPool::<16>::release_owner,
        pool::BreakpointPool::<16>::is_empty,
        pool::BreakpointPool::<16>::used,
        pool::BreakpointPool::<16>::free,
        pool::BreakpointPool::<16>::iter,
        walk_breakpoints,
        pool::BreakpointPool::<16>::number,
        pool::BreakpointPool::<16>::at_pair,
        pool::BreakpointPool::<16>::slots_at,
        pool::BreakpointPool::<16>::arm,
        pool::Slots::one,
        pool::Slots::first,
        pool::Slots::from_bits,
        pool::Slots::is_empty,
        pool::Slots::len,
        pool::Slots::contains,
        pool::Slots::union,
        pool::Slots::intersection,
        pool::Slots::without,
        pool::Slots::lowest,
        pool::Slots::highest,
        pool::Slots::iter,
        walk_slots,
        <pool::Slots as BitOr>::bitor,
        <pool::Slots as BitOrAssign>::bitor_assign,
        pool::WatchpointPool::<16>::new,
        pool::WatchpointPool::<16>::reserve,
        pool::WatchpointPool::<16>::release,
        pool::WatchpointPool::<16>::release_owner,
        pool::WatchpointPool::<16>::is_empty,
        pool::WatchpointPool::<16>::used,
        pool::WatchpointPool::<16>::free,
        pool::WatchpointPool::<16>::iter,
        walk_watchpoints,
        pool::WatchpointPool::<16>::at_pair,
        pool::WatchpointPool::<16>::lookup,
        pool::WatchpointPool::<16>::touched,
        pool::WatchpointPool::<16>::arm,
        software::break_bytes,
        software::InstructionBytes::new,
        software::InstructionBytes::as_slice,
        software::InstructionBytes::len,
        software::Site::restore,
        software::SoftwareBreakpoints::<64>::new,
        software::SoftwareBreakpoints::<64>::insert,
        software::SoftwareBreakpoints::<64>::remove,
        software::SoftwareBreakpoints::<64>::remove_owner,
        software::SoftwareBreakpoints::<64>::next_pending,
        software::SoftwareBreakpoints::<64>::planted,
        software::SoftwareBreakpoints::<64>::restored,
        software::SoftwareBreakpoints::<64>::memory_replaced,
        software::SoftwareBreakpoints::<64>::at,
        software::SoftwareBreakpoints::<64>::at_virtual,
        walk_at_virtual,
        software::SoftwareBreakpoints::<64>::iter,
        walk_software_breakpoints,
        software::SoftwareBreakpoints::<64>::sites,
        walk_sites,
        software::SoftwareBreakpoints::<64>::is_empty,
        software::SoftwareBreakpoints::<64>::len,
        software::SoftwareBreakpoints::<64>::mask_read,
        software::SoftwareBreakpoints::<64>::first_planted,
    ];
}

fn walk_breakpoints(pool: &pool::BreakpointPool) {
    walk(pool.iter());
}

fn walk_watchpoints(pool: &pool::WatchpointPool) {
    walk(pool.iter());
}

fn walk_slots(slots: pool::Slots) {
    walk(slots.iter());
}

fn walk_software_breakpoints(table: &software::SoftwareBreakpoints<64>) {
    walk(table.iter());
}

fn walk_at_virtual(table: &software::SoftwareBreakpoints<64>, address: u64) {
    walk(table.at_virtual(address));
}

fn walk_sites(table: &software::SoftwareBreakpoints<64>) {
    walk(table.sites());
}
