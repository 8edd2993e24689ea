//! Planted breakpoint instructions: what memory holds, and what its readers and writers see.

mod planting;

use planting::Machine;
use proptest::prelude::*;
use trapline_core::address::PhysicalAddress;
use trapline_core::breakpoint::Instruction::{self, A32, A64, T32};
use trapline_core::pool::Owner;
use trapline_core::software::{
    BreakInstruction, InstructionBytes, Restore, SiteState, SoftwareBreakpoints, SoftwareError,
};

/// Miri, which takes a hundred times as long, sees only some.
const STEP: usize = if cfg!(miri) { 7 } else { 1 };

type Table = SoftwareBreakpoints<8>;

fn machine() -> Machine<8> {
    Machine::new((0..64u8).map(|byte| byte ^ 0xa5).collect())
}

fn insert(machine: &mut Machine<8>, address: u64, instruction: Instruction) -> Result<(), SoftwareError> {
    machine.table.insert(PhysicalAddress(address), virtual_of(address), instruction, Owner::DEBUGGER)
}

fn remove(machine: &mut Machine<8>, address: u64) -> Result<(), SoftwareError> {
    machine.table.remove(virtual_of(address), None, Owner::DEBUGGER)
}

fn virtual_of(address: u64) -> u64 {
    0xffff_8000_0000_0000 + address
}

#[test]
fn memory_is_touched_at_resume_only() {
    let mut machine = machine();
    let untouched = machine.memory.clone();
    insert(&mut machine, 8, A64).unwrap();
    assert_eq!(machine.memory, untouched);
    machine.resume();
    assert_eq!(machine.memory[8..12], 0xd42a_8980u32.to_le_bytes());
    remove(&mut machine, 8).unwrap();
    assert!(machine.table.is_empty());
    assert_ne!(machine.memory, untouched);
    machine.resume();
    assert_eq!(machine.memory, untouched);
}

#[test]
fn a_request_that_is_withdrawn_in_time_never_touches_memory() {
    let mut machine = machine();
    insert(&mut machine, 8, A64).unwrap();
    remove(&mut machine, 8).unwrap();
    assert_eq!(machine.table.next_pending(None), None);
    insert(&mut machine, 8, A64).unwrap();
    machine.resume();
    remove(&mut machine, 8).unwrap();
    insert(&mut machine, 8, A64).unwrap();
    assert_eq!(machine.table.next_pending(None), None);
    assert_eq!(machine.table.at(PhysicalAddress(8)).unwrap().state, SiteState::Planted);
}

#[test]
fn readers_see_the_original_wherever_they_begin_and_end() {
    let mut machine = machine();
    let original = machine.memory.clone();
    for (address, instruction) in [(8, A64), (12, A32), (22, T32), (60, A64)] {
        insert(&mut machine, address, instruction).unwrap();
    }
    machine.resume();
    for first in (0..64).step_by(STEP) {
        for length in (0..=64 - first).step_by(STEP) {
            assert_eq!(machine.read(first, length), original[first..][..length], "{length} at {first}");
        }
    }
}

#[test]
fn writers_change_the_original_and_leave_the_breakpoint() {
    for first in (0..24).step_by(STEP) {
        for length in (1..=24 - first).step_by(STEP) {
            let mut machine = machine();
            let mut expected = machine.memory.clone();
            insert(&mut machine, 8, A64).unwrap();
            insert(&mut machine, 14, T32).unwrap();
            machine.resume();
            let bytes: Vec<u8> = (0..length as u8).map(|byte| byte | 0x80).collect();
            machine.write(first, &bytes);
            expected[first..][..length].copy_from_slice(&bytes);
            assert_eq!(machine.read(0, 64), expected, "{length} at {first}");
            machine.resume();
            assert_eq!(machine.memory[8..12], 0xd42a_8980u32.to_le_bytes());
            assert_eq!(machine.memory[14..16], 0xbe4cu16.to_le_bytes());
            assert_eq!(machine.read(0, 64), expected, "{length} at {first}");
            machine.table.remove_owner(Owner::DEBUGGER);
            machine.resume();
            assert_eq!(machine.memory, expected, "{length} at {first}");
        }
    }
}

#[test]
fn what_the_target_wrote_over_a_breakpoint_stays() {
    let mut machine = machine();
    insert(&mut machine, 8, A64).unwrap();
    machine.resume();
    machine.memory[8..12].copy_from_slice(&[1, 2, 3, 4]);
    assert_eq!(machine.read(7, 6)[1..5], [1, 2, 3, 4]);
    let site = machine.table.at(PhysicalAddress(8)).unwrap();
    let found = InstructionBytes::new(A64, &[1, 2, 3, 4]);
    assert_eq!(site.restore(&machine.memory[8..12]), Restore::Overwritten { found });
    remove(&mut machine, 8).unwrap();
    machine.resume();
    assert_eq!(machine.memory[8..12], [1, 2, 3, 4]);
}

#[test]
fn a_breakpoint_can_be_removed_when_its_address_space_is_gone() {
    let mut table = Table::new(BreakInstruction::Brk);
    for (address, owner) in [(0x1000, Owner::DEBUGGER), (0x2000, Owner::DEBUGGER), (0x3000, Owner::INTERNAL)]
    {
        table.insert(PhysicalAddress(address), 0x40_0000, A64, owner).unwrap();
    }
    table.remove(0x40_0000, Some(PhysicalAddress(0x1000)), Owner::DEBUGGER).unwrap();
    let left: Vec<u64> = table.at_virtual(0x40_0000).map(|request| request.address.0).collect();
    assert_eq!(left, [0x2000, 0x3000]);
    table.remove(0x40_0000, Some(PhysicalAddress(0x9000)), Owner::DEBUGGER).unwrap();
    let error = table.remove(0x40_0000, None, Owner::DEBUGGER);
    assert_eq!(error, Err(SoftwareError::NotInserted { virtual_address: 0x40_0000 }));
    assert_eq!(table.len(), 1);
}

#[test]
fn aliases_of_one_place_share_it() {
    let mut table = Table::new(BreakInstruction::Hlt);
    let place = PhysicalAddress(0x1000);
    for virtual_address in [0x1000, 0xffff_0000_0000_1000, 0x1000] {
        table.insert(place, virtual_address, A64, Owner::DEBUGGER).unwrap();
    }
    assert_eq!((table.sites().count(), table.len()), (1, 2));
    table.planted(place, &[0; 4]);
    table.remove(0xffff_0000_0000_1000, None, Owner::DEBUGGER).unwrap();
    table.remove(0x1000, None, Owner::DEBUGGER).unwrap();
    assert_eq!(table.at(place).unwrap().state, SiteState::Planted);
    table.remove(0x1000, None, Owner::DEBUGGER).unwrap();
    assert_eq!(table.at(place).unwrap().state, SiteState::Unwanted);
}

#[test]
fn what_is_planted_already_keeps_its_original() {
    let mut table = Table::new(BreakInstruction::Brk);
    let place = PhysicalAddress(0x1000);
    table.insert(place, 0x1000, A64, Owner::DEBUGGER).unwrap();
    table.planted(place, &[1, 2, 3, 4]);
    table.planted(place, &[5, 6, 7, 8]);
    table.remove(0x1000, None, Owner::DEBUGGER).unwrap();
    table.planted(place, &[5, 6, 7, 8]);
    let site = table.at(place).unwrap();
    assert_eq!((site.state, site.original), (SiteState::Unwanted, InstructionBytes::new(A64, &[1, 2, 3, 4])));
}

#[test]
fn instructions_of_different_sets_cannot_overlap() {
    let mut table = Table::new(BreakInstruction::Brk);
    table.insert(PhysicalAddress(0x1000), 0x1000, A32, Owner::DEBUGGER).unwrap();
    for (address, instruction) in [(0x1000, T32), (0x1002, T32), (0x1000, A64)] {
        let address = PhysicalAddress(address);
        let error = table.insert(address, 0x5000, instruction, Owner::DEBUGGER);
        assert_eq!(error, Err(SoftwareError::Overlaps { address, existing: PhysicalAddress(0x1000) }));
    }
    let address = PhysicalAddress(0x1001);
    let error = table.insert(address, 0x1001, T32, Owner::DEBUGGER);
    assert_eq!(error, Err(SoftwareError::Misaligned { address, instruction: T32 }));
    table.insert(PhysicalAddress(0x1004), 0x1004, T32, Owner::DEBUGGER).unwrap();
    table.insert(PhysicalAddress(0xffe), 0xffe, T32, Owner::DEBUGGER).unwrap();
}

#[test]
fn a_full_table_refuses_and_stays_as_it_was() {
    let mut table = Table::new(BreakInstruction::Brk);
    for n in 0..8 {
        table.insert(PhysicalAddress(4 * n), 4 * n, A64, Owner::DEBUGGER).unwrap();
    }
    let error = table.insert(PhysicalAddress(0x100), 0x100, A64, Owner::DEBUGGER);
    assert_eq!(error, Err(SoftwareError::Full { capacity: 8 }));
    assert_eq!((table.len(), table.sites().count()), (8, 8));
    // One that is there already is no new request.
    table.insert(PhysicalAddress(0), 0, A64, Owner::DEBUGGER).unwrap();
    assert_eq!(table.iter().next().unwrap().references, 2);
}

#[test]
fn a_reset_target_is_planted_anew() {
    let mut machine = machine();
    insert(&mut machine, 8, A64).unwrap();
    insert(&mut machine, 16, A64).unwrap();
    machine.resume();
    remove(&mut machine, 16).unwrap();
    let fresh = vec![0xee; 64];
    machine.memory.clone_from(&fresh);
    machine.table.memory_replaced();
    assert_eq!(machine.read(0, 64), fresh);
    machine.resume();
    assert_eq!(machine.table.sites().count(), 1);
    assert_eq!(machine.read(0, 64), fresh);
    remove(&mut machine, 8).unwrap();
    machine.resume();
    assert_eq!(machine.memory, fresh);
}

#[test]
fn the_last_bytes_of_memory_can_be_planted() {
    let mut table = Table::new(BreakInstruction::Brk);
    let address = PhysicalAddress(u64::MAX - 3);
    table.insert(address, 0, A64, Owner::DEBUGGER).unwrap();
    table.planted(address, &[1, 2, 3, 4]);
    let mut bytes = [0xcc; 8];
    bytes[4..].copy_from_slice(table.at(address).unwrap().planted.as_slice());
    table.mask_read(PhysicalAddress(u64::MAX - 7), &mut bytes);
    assert_eq!(bytes, [0xcc, 0xcc, 0xcc, 0xcc, 1, 2, 3, 4]);
}

#[derive(Clone, Debug)]
enum Step {
    Insert(u64, Instruction),
    Remove(u64),
    Write(usize, Vec<u8>),
    Lift(u64),
    Resume,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let address = || (0..32u64).prop_map(|n| n * 2);
    let step = prop_oneof![
        3 => (address(), prop_oneof![Just(A64), Just(A32), Just(T32)]).prop_map(|(a, i)| Step::Insert(a, i)),
        3 => address().prop_map(Step::Remove),
        2 => (0..56usize, prop::collection::vec(any::<u8>(), 1..9)).prop_map(|(a, b)| Step::Write(a, b)),
        1 => address().prop_map(Step::Lift),
        2 => Just(Step::Resume),
    ];
    prop::collection::vec(step, 1..60)
}

proptest! {
    /// Whatever is done, in whatever order: readers see a memory without breakpoints, and when all is
    /// removed that is what memory holds.
    #[test]
    fn the_debugger_never_shows_and_leaves_no_trace(steps in steps()) {
        let mut machine = machine();
        let mut expected = machine.memory.clone();
        for step in steps {
            match step {
                Step::Insert(address, instruction) => _ = insert(&mut machine, address, instruction),
                Step::Remove(address) => _ = remove(&mut machine, address),
                Step::Write(address, bytes) => {
                    machine.write(address, &bytes);
                    expected[address..][..bytes.len()].copy_from_slice(&bytes);
                }
                Step::Lift(address) => machine.lift(address),
                Step::Resume => {
                    machine.resume();
                    for site in machine.table.sites() {
                        let bytes = &machine.memory[site.address.0 as usize..][..site.planted.len()];
                        prop_assert_eq!(bytes, site.planted.as_slice());
                    }
                }
            }
            prop_assert_eq!(machine.read(0, 64), expected.clone());
        }
        machine.table.remove_owner(Owner::DEBUGGER);
        machine.resume();
        prop_assert_eq!(machine.memory, expected);
        prop_assert_eq!(machine.table.sites().count(), 0);
    }
}
