//! Pools: all or nothing, shared and counted, looked up by PC and FAR.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod common;

use common::{State, breakpoint_matches, check_breakpoint, watchpoint_byte_matches, watchpoint_matches};
use proptest::prelude::*;
use trapline_core::address::AddressRange;
use trapline_core::breakpoint::{Breakpoint, Context, Instruction};
use trapline_core::comparator::{Bank, Capabilities, Pair};
use trapline_core::pool::{BreakpointPool, Owner, PoolError, Slots, WatchpointPool};
use trapline_core::scope::Scope;
use trapline_core::watchpoint::{Access, Watchpoint};

const CAPABILITIES: Capabilities = Capabilities {
    breakpoints: 6,
    context_aware: 2,
    watchpoints: 4,
    zeroing_block: 64,
    ..Capabilities::NONE
};
/// `DC ZVA` blocks of the usual size.
const BLOCK: u64 = 64;

fn at(address: u64) -> Breakpoint {
    Breakpoint::at(address, Instruction::A64, Scope::EL1_AND_EL0).unwrap()
}

fn watch(first: u64, length: u64, access: Access) -> Watchpoint {
    Watchpoint::new(AddressRange::new(first, length).unwrap(), access, Scope::EL1_AND_EL0)
}

fn breakpoints() -> BreakpointPool {
    BreakpointPool::new(&CAPABILITIES)
}

fn watchpoints() -> WatchpointPool {
    WatchpointPool::new(&CAPABILITIES)
}

fn armed(pool: &WatchpointPool) -> Bank {
    let mut bank = Bank::default();
    pool.arm(&mut bank.watchpoints, Slots::NONE);
    bank
}

#[test]
fn both_pools_fit_in_a_kibibyte() {
    let bytes = size_of::<BreakpointPool>() + size_of::<WatchpointPool>();
    assert!(bytes <= 1024, "{bytes} bytes");
}

#[test]
fn a_full_pool_says_how_many_are_needed_and_free() {
    let mut pool = breakpoints();
    for n in 0..6 {
        pool.reserve(at(0x1000 + 4 * n), Owner::DEBUGGER).unwrap();
    }
    assert_eq!((pool.used(), pool.free()), (6, 0));
    assert_eq!(
        pool.reserve(at(0x2000), Owner::DEBUGGER),
        Err(PoolError::NotEnoughPairs { needed: 1, free: 0 })
    );

    let mut pool = watchpoints();
    pool.reserve(watch(0x1000, 4, Access::Write), Owner::DEBUGGER).unwrap();
    pool.reserve(watch(0x1006, 4, Access::Write), Owner::DEBUGGER).unwrap();
    let before = armed(&pool);
    assert_eq!(
        pool.reserve(watch(0x2001, 16, Access::Write), Owner::DEBUGGER),
        Err(PoolError::NotEnoughPairs { needed: 3, free: 1 })
    );
    assert_eq!(armed(&pool), before);
    pool.reserve(watch(0x2001, 15, Access::Write).covered(), Owner::DEBUGGER).unwrap();
    assert_eq!(pool.free(), 0);
}

#[test]
fn a_core_without_comparators_refuses_everything() {
    let mut pool: BreakpointPool = BreakpointPool::new(&Capabilities::default());
    assert_eq!(pool.reserve(at(0), Owner::HOST), Err(PoolError::NotEnoughPairs { needed: 1, free: 0 }));
    let mut pool: WatchpointPool = WatchpointPool::new(&Capabilities::default());
    let error = pool.reserve(watch(0, 1, Access::Read), Owner::HOST);
    assert_eq!(error, Err(PoolError::NotEnoughPairs { needed: 1, free: 0 }));
}

#[test]
fn identical_requests_share_a_pair_until_the_last_is_released() {
    let mut pool = breakpoints();
    for owner in [Owner::DEBUGGER, Owner::DEBUGGER, Owner::INTERNAL] {
        pool.reserve(at(0x1000), owner).unwrap();
    }
    assert_eq!(pool.used(), 1);
    pool.release(&at(0x1000), Owner::INTERNAL).unwrap();
    assert_eq!(pool.release(&at(0x1000), Owner::INTERNAL), Err(PoolError::NotReserved));
    pool.release(&at(0x1000), Owner::DEBUGGER).unwrap();
    assert_eq!(pool.used(), 1);
    pool.release(&at(0x1000), Owner::DEBUGGER).unwrap();
    assert!(pool.is_empty());
    assert_eq!(pool.release(&at(0x1000), Owner::DEBUGGER), Err(PoolError::NotReserved));
}

#[test]
fn an_owner_releases_its_own_requests_only() {
    let mut pool = watchpoints();
    pool.reserve(watch(0x1000, 4, Access::Write), Owner::DEBUGGER).unwrap();
    pool.reserve(watch(0x1000, 4, Access::Write), Owner::GUEST).unwrap();
    pool.reserve(watch(0x2000, 4, Access::Write), Owner::GUEST).unwrap();
    pool.release_owner(Owner::GUEST);
    assert_eq!(pool.used(), 1);
    let reserved = pool.iter().next().unwrap();
    assert_eq!((reserved.watchpoint, reserved.owner), (watch(0x1000, 4, Access::Write), Owner::DEBUGGER));
}

#[test]
fn a_release_takes_address_length_and_kind() {
    let mut pool = watchpoints();
    let narrow = watch(0x1000, 4, Access::Write);
    pool.reserve(watch(0x1000, 8, Access::Write), Owner::DEBUGGER).unwrap();
    pool.reserve(narrow, Owner::DEBUGGER).unwrap();
    for other in [
        watch(0x1001, 4, Access::Write),
        watch(0x1000, 2, Access::Write),
        watch(0x1000, 4, Access::Read),
        watch(0x1000, 4, Access::Write).covered(),
        Watchpoint::new(narrow.range(), Access::Write, Scope::EL1),
    ] {
        assert_eq!(pool.release(&other, Owner::DEBUGGER), Err(PoolError::NotReserved), "{other}");
    }
    pool.release(&narrow, Owner::DEBUGGER).unwrap();
    assert_eq!(pool.iter().next().unwrap().watchpoint, watch(0x1000, 8, Access::Write));
}

#[test]
fn linked_breakpoints_share_a_context_aware_pair() {
    let mut pool = breakpoints();
    let context = Context::ContextId(7);
    for n in 0..4 {
        pool.reserve(at(0x1000 + 4 * n).linked(context), Owner::DEBUGGER).unwrap();
    }
    assert_eq!(pool.used(), 5);
    let mut pairs = [Pair::DISABLED; 16];
    pool.arm(&mut pairs, Slots::NONE);
    assert_eq!(pairs[5], context.linked_pair());
    assert!(pairs[..4].iter().all(|pair| pair.control >> 16 & 0xff == 0x15), "{pairs:x?}");
    // Another context takes the last context-aware pair and has none left for the address.
    let error = pool.reserve(at(0x2000).linked(Context::Vmid(1)), Owner::DEBUGGER);
    assert_eq!(error, Err(PoolError::NotEnoughPairs { needed: 2, free: 1 }));
    for n in 0..4 {
        assert!(pool.iter().any(|reserved| reserved.slots.contains(5)));
        pool.release(&at(0x1000 + 4 * n).linked(context), Owner::DEBUGGER).unwrap();
    }
    assert_eq!(pool.used(), 0);
}

#[test]
fn contexts_take_the_highest_numbered_pairs_and_no_others() {
    let mut pool = breakpoints();
    pool.reserve(Breakpoint::in_context(Context::Vmid(1), Scope::EL1), Owner::DEBUGGER).unwrap();
    pool.reserve(at(0x1000).linked(Context::Vmid(2)), Owner::DEBUGGER).unwrap();
    let numbers: Vec<u8> = pool.iter().map(|reserved| reserved.number.get()).collect();
    assert_eq!(numbers, [5, 0]);
    for request in [at(0x2000).linked(Context::Vmid(3)), Breakpoint::link_target(Context::Vmid(3))] {
        let error = pool.reserve(request, Owner::DEBUGGER);
        assert_eq!(error, Err(PoolError::NoContextAwarePair { context_aware: 2 }), "{request}");
    }
    assert_eq!(pool.used(), 3);
    // A link target that is there already is what others link to.
    pool.reserve(at(0x2000).linked(Context::Vmid(2)), Owner::DEBUGGER).unwrap();
    assert_eq!(pool.used(), 4);
}

#[test]
fn a_link_target_is_what_linked_breakpoints_use_already() {
    let mut pool = breakpoints();
    let context = Context::Vmid(2);
    pool.reserve(at(0x1000).linked(context), Owner::DEBUGGER).unwrap();
    pool.reserve(Breakpoint::link_target(context), Owner::DEBUGGER).unwrap();
    assert_eq!(pool.used(), 2);
    let served: Vec<Breakpoint> =
        pool.at_pair(pool.number(&Breakpoint::link_target(context)).unwrap()).map(|r| r.breakpoint).collect();
    assert_eq!(served, [at(0x1000).linked(context), Breakpoint::link_target(context)]);
    pool.release(&at(0x1000).linked(context), Owner::DEBUGGER).unwrap();
    assert_eq!(pool.used(), 1);
    let mut pairs = [Pair::DISABLED; 16];
    pool.arm(&mut pairs, Slots::NONE);
    assert_eq!(pairs[5], context.linked_pair());
}

#[test]
fn a_watchpoint_is_found_by_the_number_of_any_of_its_pairs() {
    let mut pool = watchpoints();
    pool.reserve(watch(0x1000, 1, Access::Write), Owner::DEBUGGER).unwrap();
    pool.reserve(watch(0x2006, 4, Access::Read), Owner::HOST).unwrap();
    let found = [0, 1, 2, 3, 16, 255].map(|number| pool.at_pair(number).map(|reserved| reserved.owner));
    assert_eq!(found, [Some(Owner::DEBUGGER), Some(Owner::HOST), Some(Owner::HOST), None, None, None]);
}

#[test]
fn ranges_need_a_core_that_has_them() {
    let range = AddressRange::new(0x1000, 0x1000).unwrap();
    for request in [Breakpoint::inside(range, Scope::EL1), Breakpoint::outside(range, Scope::EL1)] {
        assert_eq!(breakpoints().reserve(request.unwrap(), Owner::HOST), Err(PoolError::NoMismatch));
        let capabilities = Capabilities { mismatch: true, ..CAPABILITIES };
        let mut pool: BreakpointPool = BreakpointPool::new(&capabilities);
        assert_eq!(pool.reserve(request.unwrap(), Owner::HOST), Ok(()));
    }
}

#[test]
fn a_mismatch_stands_alone_among_address_breakpoints() {
    let capabilities = Capabilities { mismatch: true, ..CAPABILITIES };
    let range = |first| AddressRange::new(first, 0x1000).unwrap();
    let outside = |first| Breakpoint::outside(range(first), Scope::EL1_AND_EL0).unwrap();
    let inside = Breakpoint::inside(range(0x1000), Scope::EL1_AND_EL0).unwrap();
    let mut pool: BreakpointPool = BreakpointPool::new(&capabilities);
    let context = Breakpoint::in_context(Context::Vmid(1), Scope::EL1);
    for request in [outside(0x1000), context, Breakpoint::link_target(Context::Vmid(2))] {
        pool.reserve(request, Owner::DEBUGGER).unwrap();
    }
    for request in [at(0x1000), inside, outside(0x2000), outside(0x1000).linked(Context::Vmid(1))] {
        let error = pool.reserve(request, Owner::DEBUGGER);
        assert_eq!(error, Err(PoolError::MismatchNotAlone { others: 1 }), "{request}");
    }
    pool.reserve(outside(0x1000), Owner::HOST).unwrap();
    pool.release_owner(Owner::DEBUGGER);
    pool.release_owner(Owner::HOST);
    pool.reserve(at(0x1000), Owner::DEBUGGER).unwrap();
    pool.reserve(inside, Owner::DEBUGGER).unwrap();
    let error = pool.reserve(outside(0x1000), Owner::DEBUGGER);
    assert_eq!(error, Err(PoolError::MismatchNotAlone { others: 2 }));
}

#[test]
fn slots_at_a_pc_are_those_that_match_there() {
    let mut pool = breakpoints();
    for request in [at(0x1000), at(0x1004), at(0x1000).linked(Context::ContextId(0))] {
        pool.reserve(request, Owner::DEBUGGER).unwrap();
    }
    let mut bank = Bank::default();
    pool.arm(&mut bank.breakpoints, Slots::NONE);
    for pc in [0xffc, 0x1000, 0x1004, 0x1008] {
        let matching =
            (0..16).filter(|n| breakpoint_matches(&bank, usize::from(*n), pc, State::GUEST_KERNEL, 4));
        assert!(pool.slots_at(pc).iter().eq(matching), "{pc:#x}");
    }
    let slots = pool.slots_at(0x1000);
    let mut lifted = Bank::default();
    pool.arm(&mut lifted.breakpoints, slots);
    assert!((0..16).all(|n| !breakpoint_matches(&lifted, n, 0x1000, State::GUEST_KERNEL, 4)));
    assert!((0..16).any(|n| breakpoint_matches(&lifted, n, 0x1004, State::GUEST_KERNEL, 4)));
}

#[test]
fn a_fault_address_in_the_range_is_an_exact_hit() {
    for (first, tag) in [(0x1006, 0), (0xffff_8000_1000_4006, 0), (0x1006, 0x5a << 56)] {
        let mut pool = watchpoints();
        let watchpoint = watch(first | tag, 4, Access::Write);
        pool.reserve(watchpoint, Owner::DEBUGGER).unwrap();
        for offset in 0..4 {
            for far_tag in [0, 0xff << 56] {
                let hit = pool.lookup((first + offset) ^ far_tag, Some(true), BLOCK).unwrap();
                assert_eq!((hit.watchpoint, hit.exact, hit.spurious), (watchpoint, true, false));
                assert_eq!(hit.address, (first | tag) + offset);
                assert_eq!(hit.slots, Slots::first(2));
            }
        }
    }
}

#[test]
fn a_fault_address_below_the_range_is_a_hit_within_one_access() {
    let mut pool = watchpoints();
    let watchpoint = watch(0x1_0000, 4, Access::Write);
    pool.reserve(watchpoint, Owner::DEBUGGER).unwrap();
    for (far, found) in
        [(0xffff, true), (0xffc1, true), (0xffc0, false), (0x1_0004, false), (0x1_0010, false)]
    {
        let hit = pool.lookup(far, Some(true), 4);
        assert_eq!(hit.map(|hit| (hit.exact, hit.address)), found.then_some((false, 0x1_0000)), "{far:#x}");
    }
}

#[test]
fn a_fault_address_in_the_zeroed_block_is_a_hit() {
    let mut pool = watchpoints();
    pool.reserve(watch(0x1010, 4, Access::Write), Owner::DEBUGGER).unwrap();
    for (far, block, address) in [
        (0x103f, 64, Some(0x1013)),
        (0x1040, 64, None),
        (0x10ff, 256, Some(0x1013)),
        (0x1020, 0, None),
        (0x1020, 48, None),
        (0x1000, 16, Some(0x1010)),
    ] {
        assert_eq!(pool.lookup(far, Some(true), block).map(|hit| hit.address), address, "{far:#x} {block}");
    }
}

#[test]
fn the_direction_of_the_access_decides_and_then_the_distance() {
    let mut pool = watchpoints();
    let (read, write) = (watch(0x1000, 4, Access::Read), watch(0x1000, 4, Access::Write));
    let near = watch(0x1008, 4, Access::ReadWrite);
    for request in [near, read, write] {
        pool.reserve(request, Owner::DEBUGGER).unwrap();
    }
    let found = |far, write| pool.lookup(far, write, BLOCK).map(|hit| hit.watchpoint);
    assert_eq!(found(0x1001, Some(false)), Some(read));
    assert_eq!(found(0x1001, Some(true)), Some(write));
    assert_eq!(found(0x1009, Some(true)), Some(near));
    assert_eq!(found(0x1007, Some(true)), Some(near));
    assert_eq!(found(0x1001, None), Some(read));
    // A step over the access must not hit the neighbour either.
    assert_eq!(pool.lookup(0x1001, Some(true), BLOCK).unwrap().slots.len(), 2);
    pool.release_owner(Owner::DEBUGGER);
    assert_eq!(pool.lookup(0x1001, Some(true), BLOCK), None);
}

#[test]
fn what_only_the_wider_comparator_saw_is_spurious() {
    let mut pool = watchpoints();
    let watchpoint = watch(0x1_0ff0, 0x20, Access::Write).covered();
    pool.reserve(watchpoint, Owner::DEBUGGER).unwrap();
    for (far, expected) in [
        (0x1_0ff0, Some((true, false))),
        (0x1_0fc0, Some((false, false))),
        (0x1_0100, Some((false, true))),
        (0x1_1100, Some((false, true))),
        (0x1_2000, None),
    ] {
        let hit = pool.lookup(far, Some(true), BLOCK);
        assert_eq!(hit.map(|hit| (hit.exact, hit.spurious)), expected, "{far:#x}");
        assert!(hit.is_none_or(|hit| hit.slots == Slots::one(0) && hit.watchpoint == watchpoint));
    }
}

#[test]
fn a_hit_in_the_block_comes_before_a_spurious_one_that_is_nearer() {
    let mut pool = watchpoints();
    // Its comparator watches 0x1000 to 0x10ff.
    let wide = watch(0x1070, 0x20, Access::Write).covered();
    let in_block = watch(0x10f8, 4, Access::Write);
    for request in [wide, in_block] {
        pool.reserve(request, Owner::DEBUGGER).unwrap();
    }
    assert!(wide.range().distance(0x10c0) < in_block.range().distance(0x10c0));
    let hit = pool.lookup(0x10c0, Some(true), BLOCK).unwrap();
    assert_eq!((hit.watchpoint, hit.spurious, hit.slots), (in_block, false, Slots::first(2)));
    pool.release(&in_block, Owner::DEBUGGER).unwrap();
    let hit = pool.lookup(0x10c0, Some(true), BLOCK).unwrap();
    assert_eq!((hit.watchpoint, hit.spurious, hit.slots), (wide, true, Slots::one(0)));
}

/// Found by fuzzing: a step over the access, with the higher watchpoint alone lifted, hit the lower one.
#[test]
fn a_watchpoint_below_the_recorded_address_is_lifted_as_well() {
    let mut pool = watchpoints();
    pool.reserve(watch(0x1000, 1, Access::Write), Owner::DEBUGGER).unwrap();
    pool.reserve(watch(0x103f, 1, Access::Write), Owner::DEBUGGER).unwrap();
    pool.reserve(watch(0x1040, 1, Access::Write), Owner::DEBUGGER).unwrap();
    // A 64-byte store to 0x1000, recorded with the highest address that is watched.
    let hit = pool.lookup(0x103f, Some(true), 16).unwrap();
    assert_eq!((hit.address, hit.exact), (0x103f, true));
    assert_eq!(hit.slots, Slots::first(3));
    assert_eq!(pool.lookup(0x1041, Some(true), 1), None);
}

#[derive(Clone, Debug)]
enum Change {
    Reserve(u64, u64, usize, u8),
    Release(u64, u64, usize, u8),
    ReleaseOwner(u8),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let request = || (0x1000..0x1010u64, 1..20u64, 0..3usize, 0..2u8);
    let change = prop_oneof![
        4 => request().prop_map(|(a, l, k, o)| Change::Reserve(a, l, k, o)),
        3 => request().prop_map(|(a, l, k, o)| Change::Release(a, l, k, o)),
        1 => (0..2u8).prop_map(Change::ReleaseOwner),
    ];
    // Each is followed by a look at every address around, which takes Miri seconds.
    prop::collection::vec(change, 1..if cfg!(miri) { 5 } else { 60 })
}

proptest! {
    #[test]
    fn whatever_is_reserved_is_watched_and_nothing_else(changes in changes()) {
        const KINDS: [Access; 3] = [Access::Read, Access::Write, Access::ReadWrite];
        let mut pool: WatchpointPool = WatchpointPool::new(&Capabilities { watchpoints: 7, ..CAPABILITIES });
        let mut model: Vec<(Watchpoint, Owner)> = Vec::new();
        for change in changes {
            let before = armed(&pool);
            match change {
                Change::Reserve(address, length, kind, owner) => {
                    let request = (watch(address, length, KINDS[kind]), Owner(owner));
                    match pool.reserve(request.0, request.1) {
                        Ok(()) => model.push(request),
                        Err(_) => prop_assert_eq!(armed(&pool), before),
                    }
                }
                Change::Release(address, length, kind, owner) => {
                    let request = (watch(address, length, KINDS[kind]), Owner(owner));
                    let index = model.iter().position(|known| *known == request);
                    prop_assert_eq!(pool.release(&request.0, request.1).is_ok(), index.is_some());
                    index.map(|index| model.swap_remove(index));
                }
                Change::ReleaseOwner(owner) => {
                    pool.release_owner(Owner(owner));
                    model.retain(|(_, known)| *known != Owner(owner));
                }
            }
            let bank = armed(&pool);
            for address in 0xff8..0x1028 {
                for write in [false, true] {
                    let hit = (0..16).any(|n| {
                        watchpoint_matches(&bank, n, address, 1, write, State::GUEST_KERNEL, 0)
                    });
                    let wanted = model.iter().any(|(request, _)| {
                        request.range().contains(address) && request.access().includes(Some(write))
                    });
                    prop_assert_eq!(hit, wanted, "{:#x} {}", address, write);
                    let lookup = pool.lookup(address, Some(write), 1);
                    prop_assert_eq!(lookup.is_some_and(|hit| hit.exact), wanted);
                    if let Some(hit) = lookup {
                        prop_assert!(hit.watchpoint.range().contains(hit.address));
                    }
                }
            }
            prop_assert_eq!(pool.used() + pool.free(), 7);
            prop_assert_eq!(bank.watchpoints.iter().filter(|pair| pair.is_enabled()).count(), usize::from(pool.used()));
            prop_assert!(bank.watchpoints[7..].iter().all(|pair| !pair.is_enabled()));
            prop_assert_eq!(pool.is_empty(), model.is_empty());
        }
    }

    /// Breakpoints in the same bank do not disturb each other: the core stops where one of the requests that
    /// were taken says so, and nowhere else.
    #[test]
    fn whatever_breakpoints_are_reserved_stop_and_nothing_else(
        requests in prop::collection::vec((0..10u8, 0..6u64, any::<bool>()), 1..12),
    ) {
        let capabilities = Capabilities { mismatch: true, address_linking: u16::MAX, ..CAPABILITIES };
        let state = State { contextidr_el1: 1, vmid: 1, ..State::GUEST_KERNEL };
        let mut pool: BreakpointPool = BreakpointPool::new(&capabilities);
        let mut taken: Vec<(Breakpoint, bool)> = Vec::new();
        for (kind, place, right) in requests {
            let context = if place % 2 == 0 {
                Context::Vmid(right.into())
            } else {
                Context::ContextIdEl1(right.into())
            };
            let (address, range) = (0x1000 + 4 * place, AddressRange::new(0x1000 + 8 * place, 8).unwrap());
            let request = match kind {
                0..3 => at(address),
                3 | 4 => at(address).linked(context),
                5 => Breakpoint::inside(range, Scope::EL1).unwrap(),
                6 => Breakpoint::outside(range, Scope::EL1).unwrap(),
                7 => Breakpoint::in_context(context, Scope::EL0),
                8 => at(address).as_link_target().unwrap(),
                _ => Breakpoint::link_target(context),
            };
            // At EL1, what is in scope of EL0 only does not stop.
            let stops = kind < 3 || (3..5).contains(&kind) && right || kind == 5 || kind == 6;
            if pool.reserve(request, Owner::DEBUGGER).is_ok() {
                taken.push((request, stops));
            }
        }
        let mut bank = Bank::default();
        pool.arm(&mut bank.breakpoints, Slots::NONE);
        for pc in (0xff0..0x1050).step_by(4) {
            let wanted = taken.iter().any(|(request, stops)| *stops && request.can_match(pc));
            prop_assert_eq!(check_breakpoint(&bank, pc, state, 4), wanted, "{:#x} {:?}", pc, taken);
        }
    }

    #[test]
    fn a_lifted_watchpoint_does_not_see_the_access_it_is_lifted_for(
        first in 0x1000..0x1080u64, length in 1..20u64, address in 0x1000..0x1080u64, size in 0..4u32,
    ) {
        let mut pool: WatchpointPool = WatchpointPool::new(&Capabilities { watchpoints: 16, ..CAPABILITIES });
        pool.reserve(watch(first, length, Access::Write), Owner::DEBUGGER).unwrap();
        let size = 1 << size;
        let bank = armed(&pool);
        if (0..16).any(|n| watchpoint_matches(&bank, n, address, size, true, State::GUEST_KERNEL, 0)) {
            let hit = pool.lookup(address, Some(true), BLOCK).unwrap();
            let mut lifted = Bank::default();
            pool.arm(&mut lifted.watchpoints, hit.slots);
            for pair in lifted.watchpoints.iter().filter(|pair| pair.is_enabled()) {
                prop_assert!((address..address + size).all(|byte| !watchpoint_byte_matches(*pair, byte)));
            }
        }
    }
}
