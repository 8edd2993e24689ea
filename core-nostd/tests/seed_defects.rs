//! Defects that long stood, and in part still stand, in a widely used KVM debugger for arm64: each a test
//! that such code fails.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod common;

use common::watchpoint_byte_matches;
use trapline_core::address::{AddressRange, AddressRangeError, PhysicalAddress};
use trapline_core::breakpoint::{Breakpoint, Instruction};
use trapline_core::comparator::{Bank, Capabilities, Pair};
use trapline_core::pool::{BreakpointPool, Owner, PoolError, Slots, WatchpointPool};
use trapline_core::scope::Scope;
use trapline_core::software::{
    BreakInstruction, COMMENT, Restore, SiteState, SoftwareBreakpoints, break_bytes,
};

use trapline_core::watchpoint::{Access, MAX_PIECE, Watchpoint, plan};

const CAPABILITIES: Capabilities = Capabilities {
    breakpoints: 6,
    context_aware: 2,
    watchpoints: 4,
    zeroing_block: 64,
    ..Capabilities::NONE
};
/// A block that `DC ZVA` writes, small enough not to blur where a watch ends.
const BLOCK: u64 = 4;

fn watch(first: u64, length: u64) -> Watchpoint {
    Watchpoint::new(AddressRange::new(first, length).unwrap(), Access::Write, Scope::EL1_AND_EL0)
}

fn pool_of(requests: &[Watchpoint]) -> WatchpointPool {
    let mut pool = WatchpointPool::new(&CAPABILITIES);
    for request in requests {
        pool.reserve(*request, Owner::DEBUGGER).unwrap();
    }
    pool
}

fn watched(request: &Watchpoint, address: u64) -> bool {
    plan(request).unwrap().pieces().any(|piece| watchpoint_byte_matches(piece.pair, address))
}

#[test]
fn defect_01_a_mask_is_five_bits_wide() {
    for exponent in [15, 16, 17, 31] {
        let request = watch(1 << 40, 1 << exponent);
        let piece = plan(&request).unwrap().pieces().next().unwrap();
        assert_eq!(piece.pair.control >> 24 & 0x1f, exponent);
        let last = request.range().last();
        assert!(watched(&request, last) && !watched(&request, last + 1), "{request}");
        assert!(pool_of(&[request]).lookup(last, Some(true), BLOCK).unwrap().exact, "{request}");
    }
}

#[test]
fn defect_02_every_selected_byte_is_known_as_watched() {
    for length in 1..=8 {
        for offset in 0..=8 - length {
            let request = watch(0x1000 + offset, length);
            let pool = pool_of(&[request]);
            for address in 0x1000..0x1008 {
                let hit = pool.lookup(address, Some(true), BLOCK).is_some_and(|hit| hit.exact);
                assert_eq!(hit, request.range().contains(address), "{request} {address:#x}");
            }
        }
    }
}

#[test]
fn defect_03_the_byte_after_the_range_is_not_watched() {
    for request in [watch(0x1000, 4), watch(0x1000, 8), watch(0x1000, 64), watch(0x1_0000, 0x1_0000)] {
        let after = request.range().last() + 1;
        assert!(!watched(&request, after));
        let hit = pool_of(&[request]).lookup(after, Some(true), BLOCK);
        assert_eq!(hit, None, "{request}");
    }
}

#[test]
fn defect_04_an_access_to_the_middle_of_a_watch_is_ours() {
    let request = watch(0x1000, 8);
    let hit = pool_of(&[request]).lookup(0x1004, Some(true), BLOCK).unwrap();
    assert_eq!((hit.watchpoint, hit.address, hit.exact), (request, 0x1004, true));
}

#[test]
fn defect_05_what_was_removed_does_not_come_back() {
    let mut pool = pool_of(&[watch(0x1000, 4), watch(0x2000, 4), watch(0x3000, 4)]);
    let mut breakpoints: BreakpointPool = BreakpointPool::new(&CAPABILITIES);
    breakpoints
        .reserve(Breakpoint::at(0x1000, Instruction::A64, Scope::EL1).unwrap(), Owner::DEBUGGER)
        .unwrap();
    // A bank that still holds what was armed before.
    let mut bank = Bank::default();
    pool.arm(&mut bank.watchpoints, Slots::NONE);
    breakpoints.arm(&mut bank.breakpoints, Slots::NONE);
    pool.release_owner(Owner::DEBUGGER);
    breakpoints.release_owner(Owner::DEBUGGER);
    pool.reserve(watch(0x4000, 4), Owner::DEBUGGER).unwrap();
    pool.arm(&mut bank.watchpoints, Slots::NONE);
    breakpoints.arm(&mut bank.breakpoints, Slots::NONE);
    let armed: Vec<Pair> =
        bank.watchpoints.into_iter().chain(bank.breakpoints).filter(|pair| *pair != Pair::DISABLED).collect();
    assert_eq!(armed.len(), 1);
    assert_eq!(armed[0].value, 0x4000);
}

#[test]
fn defect_06_a_watch_that_crosses_a_doubleword_is_whole() {
    let request = watch(0x1006, 4);
    let bytes: Vec<u64> = (0xff8..0x1018).filter(|address| watched(&request, *address)).collect();
    assert_eq!(bytes, [0x1006, 0x1007, 0x1008, 0x1009]);
}

#[test]
fn defect_07_a_length_of_zero_is_refused() {
    assert_eq!(AddressRange::new(0x1000, 0), Err(AddressRangeError::Empty { first: 0x1000 }));
}

#[test]
fn defect_08_above_eight_bytes_neither_end_is_cut_and_2_gib_are_no_limit() {
    let request = watch(0x1004, 16);
    let bytes: Vec<u64> = (0xff8..0x1028).filter(|address| watched(&request, *address)).collect();
    assert_eq!(bytes, (0x1004..0x1014).collect::<Vec<_>>());
    let odd = watch(0x1000, 24);
    assert_eq!(plan(&odd).unwrap().len(), 2);
    let largest = watch(MAX_PIECE, MAX_PIECE);
    assert!(watched(&largest, 2 * MAX_PIECE - 1) && !watched(&largest, 2 * MAX_PIECE));
    assert!(!watched(&largest, MAX_PIECE - 1));
    let beyond = watch(0, 3 * MAX_PIECE);
    assert_eq!(plan(&beyond).unwrap().len(), 3);
    let too_much = watch(0x1001, MAX_PIECE);
    let mut pool: WatchpointPool = WatchpointPool::new(&CAPABILITIES);
    let needed = plan(&too_much).unwrap().len();
    assert_eq!(pool.reserve(too_much, Owner::DEBUGGER), Err(PoolError::NotEnoughPairs { needed, free: 4 }));
}

#[test]
fn defect_09_a_removal_takes_the_watch_that_was_named() {
    let (wide, narrow) = (watch(0x1000, 64), watch(0x1008, 4));
    let mut pool = pool_of(&[wide, narrow]);
    let read = Watchpoint::new(narrow.range(), Access::Read, narrow.scope());
    assert_eq!(pool.release(&read, Owner::DEBUGGER), Err(PoolError::NotReserved));
    pool.release(&narrow, Owner::DEBUGGER).unwrap();
    let left: Vec<Watchpoint> = pool.iter().map(|reserved| reserved.watchpoint).collect();
    assert_eq!(left, [wide]);
}

#[test]
fn defect_10_values_are_sign_extended_and_fault_addresses_untagged() {
    // RESS must be the sign of VA; an address may come with a tag, or without its upper bits.
    for address in [0xffff_8000_1000_4000, 0x5aff_8000_1000_4000, 0x00ff_8000_1000_4000] {
        let breakpoint = Breakpoint::at(address, Instruction::A64, Scope::EL1).unwrap();
        assert_eq!(breakpoint.pair(Default::default()).value, 0xffff_8000_1000_4000);
        let request = watch(address, 8);
        let value = plan(&request).unwrap().pieces().next().unwrap().pair.value;
        assert_eq!(value, 0xffff_8000_1000_4000);
        let hit = pool_of(&[request]).lookup(0xa5ff_8000_1000_4004, Some(true), BLOCK).unwrap();
        assert_eq!((hit.address, hit.exact), (address + 4, true));
    }
}

#[test]
fn defect_15_an_aarch32_guest_gets_bkpt() {
    for kind in [BreakInstruction::Brk, BreakInstruction::Hlt] {
        let a64 = break_bytes(kind, Instruction::A64, COMMENT);
        let (a32, t32) =
            (break_bytes(kind, Instruction::A32, COMMENT), break_bytes(kind, Instruction::T32, COMMENT));
        assert_ne!(a64, a32);
        assert_eq!((a32.len(), t32.len()), (4, 2));
        // The condition of an A32 instruction is "always"; one of another kind might be skipped.
        assert_eq!(a32.as_slice()[3] >> 4, 0xe);
    }
    assert_eq!(
        break_bytes(BreakInstruction::Brk, Instruction::A32, 0).as_slice(),
        0xe120_0070u32.to_le_bytes()
    );
    assert_eq!(break_bytes(BreakInstruction::Brk, Instruction::T32, 0).as_slice(), 0xbe00u16.to_le_bytes());
}

#[test]
fn defect_18_a_planted_instruction_is_restored_where_it_is_and_only_if_it_is() {
    let mut table: SoftwareBreakpoints<4> = SoftwareBreakpoints::new(BreakInstruction::Brk);
    let (one, two) = (PhysicalAddress(0x4000_1000), PhysicalAddress(0x4800_1000));
    // The same virtual address in two address spaces, and each with a saved instruction of its own.
    for (address, original) in [(one, [1, 2, 3, 4]), (two, [5, 6, 7, 8])] {
        table.insert(address, 0x40_0000, Instruction::A64, Owner::DEBUGGER).unwrap();
        table.planted(address, &original);
    }
    // Neither of them is mapped now.
    table.remove(0x40_0000, None, Owner::DEBUGGER).unwrap();
    table.remove(0x40_0000, None, Owner::DEBUGGER).unwrap();
    for (address, original) in [(one, [1, 2, 3, 4]), (two, [5, 6, 7, 8])] {
        let site = table.at(address).unwrap();
        assert_eq!(site.state, SiteState::Unwanted);
        let Restore::Write(restored) = site.restore(site.planted.as_slice()) else {
            panic!("{site:?}");
        };
        assert_eq!(restored.as_slice(), original);
        assert!(matches!(site.restore(&[0; 4]), Restore::Overwritten { .. }));
    }
}
