//! Pools of comparators that link to each other, or match all but a range, against the model of the hardware in
//! `common`.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod common;

use common::{State, check_breakpoint, check_watchpoint};
use trapline_core::address::AddressRange;
use trapline_core::breakpoint::{Breakpoint, BreakpointError, BreakpointNumber, Context, Instruction};
use trapline_core::comparator::{Bank, Capabilities};
use trapline_core::pool::{
    BreakpointPool, Owner, PoolError, Slots, WatchpointPool, release_linked, reserve_linked,
};
use trapline_core::scope::Scope;
use trapline_core::watchpoint::{Access, Watchpoint};

/// Miri, which takes a hundred times as long, sees only some.
const STEP: usize = if cfg!(miri) { 13 } else { 1 };

const CAPABILITIES: Capabilities = Capabilities {
    breakpoints: 6,
    context_aware: 2,
    watchpoints: 4,
    zeroing_block: 64,
    ..Capabilities::NONE
};
const BLOCK: u64 = 64;

fn breakpoints() -> BreakpointPool {
    BreakpointPool::new(&CAPABILITIES)
}

fn watchpoints() -> WatchpointPool {
    WatchpointPool::new(&CAPABILITIES)
}

fn at(address: u64) -> Breakpoint {
    Breakpoint::at(address, Instruction::A64, Scope::EL1_AND_EL0).unwrap()
}

fn watch(first: u64, length: u64, access: Access) -> Watchpoint {
    Watchpoint::new(AddressRange::new(first, length).unwrap(), access, Scope::EL1_AND_EL0)
}

fn armed(pool: &WatchpointPool) -> Bank {
    let mut bank = Bank::default();
    pool.arm(&mut bank.watchpoints, Slots::NONE);
    bank
}

#[test]
fn a_watchpoint_in_a_context_takes_pairs_from_both_pools_or_from_none() {
    let (mut breakpoints, mut watchpoints) = (breakpoints(), watchpoints());
    let (watchpoint, context) =
        (watch(0x1006, 4, Access::Write), Breakpoint::link_target(Context::ContextIdEl1(0x77)));
    let other = Breakpoint::link_target(Context::Vmid(1));
    let mut reserve = |watchpoint, context| {
        reserve_linked(&mut breakpoints, &mut watchpoints, watchpoint, context, Owner::DEBUGGER)
    };
    assert_eq!(reserve(watchpoint, context), Ok(watchpoint.linked_to(BreakpointNumber::from_bits(5))));
    let error = reserve(watch(0x2001, 16, Access::Read), other);
    assert_eq!(error, Err(PoolError::NotEnoughPairs { needed: 3, free: 2 }));
    assert_eq!((breakpoints.used(), watchpoints.used()), (1, 2));

    let mut bank = armed(&watchpoints);
    breakpoints.arm(&mut bank.breakpoints, Slots::NONE);
    for (contextidr_el1, inside) in [(0x77, true), (0x78, false)] {
        let state = State { contextidr_el1, ..State::GUEST_KERNEL };
        for address in [0x1006, 0x1009] {
            let hit = check_watchpoint(&bank, address, 1, true, state, 4);
            assert_eq!(hit, inside, "{address:#x}");
        }
    }

    let mut release =
        |context| release_linked(&mut breakpoints, &mut watchpoints, watchpoint, context, Owner::DEBUGGER);
    assert_eq!(release(other), Err(PoolError::NotReserved));
    assert_eq!(release(context), Ok(()));
    assert_eq!(release(context), Err(PoolError::NotReserved));
    assert!(breakpoints.is_empty() && watchpoints.is_empty());
}

/// A core with FEAT_ABLE and FEAT_BWE2, of whose breakpoints numbers 3 and 4 can match addresses for others.
const LINKING: Capabilities = Capabilities {
    context_aware: 3,
    mismatch: true,
    watchpoint_mismatch: true,
    address_linking: 0b01_1000,
    ..CAPABILITIES
};

#[test]
fn a_watchpoint_matches_accesses_of_the_instructions_that_it_is_linked_to() {
    let page = AddressRange::new(0x4000, 0x1000).unwrap();
    let context = Context::ContextIdEl1(0x77);
    let state = State { contextidr_el1: 0x77, ..State::GUEST_KERNEL };
    let watchpoint = watch(0x1006, 4, Access::Write);
    for (target, matches) in [
        (at(0x4000), [false, true, false, false]),
        (at(0x4004), [false, false, true, false]),
        (Breakpoint::inside(page, Scope::EL1).unwrap(), [false, true, true, false]),
        (Breakpoint::outside(page, Scope::EL1).unwrap(), [true, false, false, true]),
        (at(0x4000).linked(context), [false, true, false, false]),
        (at(0x4000).linked(Context::ContextIdEl1(0x78)), [false; 4]),
        (Breakpoint::inside(page, Scope::EL1).unwrap().linked(context), [false, true, true, false]),
    ] {
        let mut breakpoints: BreakpointPool = BreakpointPool::new(&LINKING);
        let mut watchpoints = watchpoints();
        let target = target.as_link_target().unwrap();
        let linked =
            reserve_linked(&mut breakpoints, &mut watchpoints, watchpoint, target, Owner::DEBUGGER).unwrap();
        assert_eq!(linked.link(), Some(BreakpointNumber::from_bits(4)), "{target}");
        assert!(breakpoints.slots_at(0x4000).is_empty(), "{target} stops by itself");
        let mut bank = armed(&watchpoints);
        breakpoints.arm(&mut bank.breakpoints, Slots::NONE);
        for (pc, matches) in [0x3ffc, 0x4000, 0x4004, 0x5000].into_iter().zip(matches) {
            let state = State { pc, ..state };
            assert!(!check_breakpoint(&bank, pc, state, 3), "{target} stops at {pc:#x}");
            assert_eq!(check_watchpoint(&bank, 0x1009, 1, true, state, 3), matches, "{target} at {pc:#x}");
            assert!(!check_watchpoint(&bank, 0x100a, 1, true, state, 3), "{target} at {pc:#x}");
        }
        release_linked(&mut breakpoints, &mut watchpoints, watchpoint, target, Owner::DEBUGGER).unwrap();
        assert!(breakpoints.is_empty() && watchpoints.is_empty());
    }
}

#[test]
fn link_targets_take_pairs_that_can_match_addresses_for_others_and_do_not_overlap() {
    let target = |breakpoint: Breakpoint| breakpoint.as_link_target().unwrap();
    let none = breakpoints().reserve(target(at(0x1000)), Owner::DEBUGGER);
    assert_eq!(none, Err(PoolError::NoAddressLinkingPair { address_linking: 0 }));

    let mut pool: BreakpointPool = BreakpointPool::new(&LINKING);
    let page = AddressRange::new(0x1000, 0x1000).unwrap();
    // The context takes number 5, which is the only one that cannot match addresses for others.
    pool.reserve(target(at(0x1000).linked(Context::Vmid(1))), Owner::DEBUGGER).unwrap();
    assert_eq!(pool.iter().map(|reserved| reserved.slots).next(), Some(Slots::one(4) | Slots::one(5)));
    for overlapping in [
        target(at(0x1000)),
        target(Breakpoint::inside(page, Scope::EL0).unwrap()),
        target(Breakpoint::outside(AddressRange::new(0x8000, 8).unwrap(), Scope::EL0).unwrap()),
        target(Breakpoint::at(0x1002, Instruction::T32, Scope::EL1).unwrap()),
    ] {
        let error = pool.reserve(overlapping, Owner::DEBUGGER);
        assert_eq!(error, Err(PoolError::LinkTargetsOverlap { others: 1 }), "{overlapping}");
    }
    pool.reserve(target(Breakpoint::outside(page, Scope::EL0).unwrap()), Owner::HOST).unwrap();
    let error = pool.reserve(target(at(0x1004)), Owner::DEBUGGER);
    assert_eq!(error, Err(PoolError::NoAddressLinkingPair { address_linking: 2 }));
    // Breakpoints that stop by themselves do not mind, a mismatch among the link targets or not.
    pool.reserve(at(0x1000), Owner::DEBUGGER).unwrap();
    assert_eq!(pool.used(), 4);

    let context = Context::Vmid(1);
    let outside = Breakpoint::outside(page, Scope::EL1).unwrap().linked(context);
    assert_eq!(outside.as_link_target(), Err(BreakpointError::LinkedMismatch { context }));
    let (mut pool, mut watchpoints) = (breakpoints(), watchpoints());
    let watchpoint = watch(0x1000, 4, Access::Write);
    let error = reserve_linked(&mut pool, &mut watchpoints, watchpoint, at(0x1000), Owner::DEBUGGER);
    assert_eq!(error, Err(PoolError::NoLinkTarget));
}

#[test]
fn a_watchpoint_on_all_but_a_range_stands_alone() {
    let outside = |first, length| {
        let range = AddressRange::new(first, length).unwrap();
        Watchpoint::outside(range, Access::ReadWrite, Scope::EL1_AND_EL0)
    };
    let error = watchpoints().reserve(outside(0x1000, 8), Owner::DEBUGGER);
    assert_eq!(error, Err(PoolError::NoWatchpointMismatch));
    for (first, length) in [(0x1002, 4), (0x1000, 8), (0x1000, 0x1000)] {
        let mut pool: WatchpointPool = WatchpointPool::new(&LINKING);
        pool.reserve(outside(first, length), Owner::DEBUGGER).unwrap();
        pool.reserve(outside(first, length), Owner::HOST).unwrap();
        for other in [watch(0x8000, 1, Access::Write), outside(0x8000, 1), outside(first, length).covered()] {
            let error = pool.reserve(other, Owner::DEBUGGER);
            assert_eq!(error, Err(PoolError::MismatchNotAlone { others: 2 }), "{other}");
        }
        let bank = armed(&pool);
        let range = AddressRange::new(first, length).unwrap();
        for address in (0xfe0..0x1020).chain(0x1fe0..0x2020).step_by(STEP) {
            for size in [1, 2, 4, 8, 16] {
                let hit = check_watchpoint(&bank, address, size, true, State::GUEST_KERNEL, 3);
                let outside = |byte: &u64| !range.contains(*byte);
                let watched = (address..address + size).find(outside);
                assert_eq!(hit, watched.is_some(), "{size} bytes at {address:#x}, {range}");
                // Whatever the hardware records, from the lowest byte accessed to the highest watched one, it
                // is told from an access that was not watched, and named by an address that is.
                let highest = (address..address + size).rfind(outside);
                for far in highest.map_or(0..0, |highest| address..highest + 1) {
                    let found = pool.lookup(far, Some(true), BLOCK).unwrap();
                    assert!(!found.spurious && found.exact != range.contains(far), "{far:#x}");
                    assert!(!range.contains(found.address), "{far:#x}");
                }
            }
        }
        if length > BLOCK {
            assert_eq!(pool.lookup(0x1400, Some(true), BLOCK), None);
        }
        pool.release_owner(Owner::DEBUGGER);
        pool.release_owner(Owner::HOST);
        pool.reserve(watch(0x8000, 1, Access::Write), Owner::DEBUGGER).unwrap();
        let error = pool.reserve(outside(first, length), Owner::DEBUGGER);
        assert_eq!(error, Err(PoolError::MismatchNotAlone { others: 1 }));
    }
}

#[test]
fn a_hit_without_an_address_belongs_to_the_pair_that_the_syndrome_names() {
    let mut pool = watchpoints();
    pool.reserve(watch(0x1000, 12, Access::Write).covered(), Owner::DEBUGGER).unwrap();
    let hit = pool.hit_of_pair(0, None, BLOCK).unwrap();
    assert_eq!((hit.address, hit.exact, hit.spurious, hit.slots), (0x1000, false, false, Slots::one(0)));
    assert_eq!(pool.hit_of_pair(1, None, BLOCK), None);
    // With an address, one of the bytes that were not asked for is told apart.
    let hit = pool.hit_of_pair(0, Some(0x100f), 4).unwrap();
    assert!(hit.spurious && !hit.exact);
}
