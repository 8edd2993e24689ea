//! Which accesses trap on real debug hardware, for every kind of watchpoint: exactly the expected ones.

use crate::common::a64::{self, Program};
use crate::common::accesses::{
    BASE, EC_BREAKPOINT, EC_BRK, FORMS, MemoryAccess, capabilities, check, next_stop, ready, skip,
};
use crate::common::{CODE, id, pc};
use trapline_core::address::AddressRange;
use trapline_core::breakpoint::{Breakpoint, Instruction};
use trapline_core::pool::{BreakpointPool, Owner, PoolError, Slots, WatchpointPool};
use trapline_core::scope::Scope;
use trapline_core::target::{Arming, Register};
use trapline_core::watchpoint::{Access, Watchpoint};

/// Loads and stores of every form at every offset from -16 to 23 of [`BASE`].
fn every_access() -> (Program, Vec<MemoryAccess>) {
    let mut program = Program::at(CODE);
    let mut accesses = Vec::new();
    program.load(1, BASE - 16);
    for offset in 0..40 {
        program.add(a64::add(3, 1, offset));
        let address = BASE - 16 + u64::from(offset);
        for (size, registers, load, store) in FORMS {
            for (write, instruction) in [(false, load), (true, store)] {
                let pc = program.add(instruction | 3 << 5 | 4);
                let bytes = AddressRange::new(address, size * registers).unwrap();
                accesses.push(MemoryAccess { pc, bytes, write, aligned: address.is_multiple_of(size) });
            }
        }
    }
    program.add(a64::brk(0));
    (program, accesses)
}

fn watch(offset: u64, length: u64, access: Access) -> Watchpoint {
    Watchpoint::new(AddressRange::new(BASE + offset, length).unwrap(), access, Scope::EL1_AND_EL0)
}

const KINDS: [Access; 3] = [Access::Read, Access::Write, Access::ReadWrite];

#[test]
fn every_offset_and_length_in_a_doubleword_and_across_traps_exactly_its_accesses() {
    let (program, accesses) = every_access();
    let mut machine = ready(&program);
    let vcpu = &mut machine.vcpus_mut()[0];
    for offset in 0..8 {
        for length in 1..=8 {
            for access in KINDS {
                let trapped = check(vcpu, &accesses, &[watch(offset, length, access)]);
                assert!(trapped > 0, "{length} bytes at offset {offset}, {access}");
            }
        }
    }
}

#[test]
fn longer_ranges_trap_exactly_their_accesses() {
    let (program, accesses) = every_access();
    let mut machine = ready(&program);
    let vcpu = &mut machine.vcpus_mut()[0];
    for (offset, length) in [(0, 9), (0, 12), (4, 12), (0, 16), (3, 13), (8, 16), (0, 24), (7, 10), (0, 64)] {
        for access in KINDS {
            check(vcpu, &accesses, &[watch(offset, length, access)]);
        }
    }
    // From 2 GiB down to RAM's own size: everything traps.
    let all = AddressRange::new(0, 1 << 31).unwrap();
    check(vcpu, &accesses, &[Watchpoint::new(all, Access::Write, Scope::EL1_AND_EL0)]);
}

#[test]
fn all_pairs_at_once_trap_each_its_own_and_one_more_is_refused() {
    let (program, accesses) = every_access();
    let mut machine = ready(&program);
    let vcpu = &mut machine.vcpus_mut()[0];
    let pairs = u64::from(capabilities().watchpoints);
    let watched: Vec<Watchpoint> =
        (0..pairs).map(|number| watch(5 * number % 24, 1, KINDS[number as usize % 3])).collect();
    check(vcpu, &accesses, &watched);

    let mut pool: WatchpointPool = WatchpointPool::new(&capabilities());
    for watchpoint in &watched {
        pool.reserve(*watchpoint, Owner::DEBUGGER).unwrap();
    }
    let refused = pool.reserve(watch(100, 1, Access::Read), Owner::DEBUGGER);
    assert!(matches!(refused, Err(PoolError::NotEnoughPairs { .. })), "{refused:?}");
}

#[test]
fn load_exclusives_of_every_width_trap_as_loads() {
    // LDXRB, LDXRH, LDXR W, LDXR X, LDXP W and LDXP X of W4 or X4, and X5, at [X3].
    for (size, load) in [
        (1, 0x085f_7c64),
        (2, 0x485f_7c64),
        (4, 0x885f_7c64),
        (8, 0xc85f_7c64),
        (8, 0x887f_1464),
        (16, 0xc87f_1464),
    ] {
        let mut program = Program::at(CODE);
        program.load(3, BASE);
        let load = program.add(load);
        program.add(0xd503_3f5f); // CLREX
        program.add(a64::brk(0));
        let mut machine = ready(&program);
        let vcpu = &mut machine.vcpus_mut()[0];
        let bytes = AddressRange::new(BASE, size).unwrap();
        let access = MemoryAccess { pc: load, bytes, write: false, aligned: true };
        check(vcpu, &[access], &[watch(size - 1, 1, Access::Read)]);
        check(vcpu, &[], &[watch(size - 1, 1, Access::Write)]);
        check(vcpu, &[], &[watch(size, 8, Access::ReadWrite)]);
    }
}

#[test]
fn a_store_exclusive_traps_as_a_store() {
    let mut program = Program::at(CODE);
    program.load(3, BASE);
    program.add(0xc85f_7c64); // LDXR X4, [X3]
    program.add(0x5280_0005); // MOV W5, #0
    let store = program.add(0xc805_7c64); // STXR W5, X4, [X3]
    // One that fails, because the host was interrupted before it, need not trap; it is done again.
    program.add(0x35ff_ffa5); // CBNZ W5, to the load
    program.add(a64::brk(0));
    let mut machine = ready(&program);
    let vcpu = &mut machine.vcpus_mut()[0];
    let bytes = AddressRange::new(BASE, 8).unwrap();
    let access = MemoryAccess { pc: store, bytes, write: true, aligned: true };
    check(vcpu, &[access], &[watch(7, 1, Access::Write)]);
    check(vcpu, &[], &[watch(8, 8, Access::ReadWrite)]);
}

#[test]
fn zeroing_a_block_traps_as_a_store_anywhere_in_it() {
    let mut program = Program::at(CODE);
    program.load(3, BASE);
    program.add(0xd53b_00e6); // MRS X6, DCZID_EL0
    let zero = program.add(0xd50b_7423); // DC ZVA, X3
    program.add(a64::brk(0));
    let mut machine = ready(&program);
    let vcpu = &mut machine.vcpus_mut()[0];
    check(vcpu, &[], &[]);
    let size = 4 << (vcpu.read(id(Register::X(6))).unwrap() & 0xf);
    let bytes = AddressRange::new(BASE & !(size - 1), size).unwrap();
    let access = MemoryAccess { pc: zero, bytes, write: true, aligned: true };
    let at =
        |address, access| Watchpoint::new(AddressRange::new(address, 1).unwrap(), access, Scope::EL1_AND_EL0);
    for address in [bytes.first(), BASE, BASE + 3, bytes.last()] {
        check(vcpu, &[access], &[at(address, Access::Write)]);
        check(vcpu, &[access], &[at(address, Access::Read)]);
    }
    check(vcpu, &[access], &[at(bytes.first() - 1, Access::Write)]);
    check(vcpu, &[access], &[at(bytes.last() + 1, Access::Write)]);
}

#[test]
fn all_breakpoint_pairs_at_once_stop_each_at_its_own_instruction_and_one_more_is_refused() {
    let mut program = Program::at(CODE);
    for _ in 0..64 {
        program.add(a64::NOP);
    }
    program.add(a64::brk(0));
    let mut machine = ready(&program);
    let vcpu = &mut machine.vcpus_mut()[0];
    let mut arming = Arming { software_breakpoints: true, ..Arming::default() };
    let pairs = usize::from(capabilities().breakpoints);
    let mut pool: BreakpointPool = BreakpointPool::new(&capabilities());
    let at = |address| Breakpoint::at(address, Instruction::A64, Scope::EL1_AND_EL0).unwrap();
    let addresses: Vec<u64> = (0..pairs as u64).map(|number| CODE + 12 * number + 4).collect();
    for address in &addresses {
        pool.reserve(at(*address), Owner::DEBUGGER).unwrap();
    }
    let refused = pool.reserve(at(CODE), Owner::DEBUGGER);
    assert!(matches!(refused, Err(PoolError::NotEnoughPairs { .. })), "{refused:?}");
    pool.arm(&mut arming.bank.breakpoints, Slots::NONE);
    vcpu.arm(&arming);
    for address in addresses {
        assert_eq!((next_stop(vcpu).0, pc(vcpu)), (EC_BREAKPOINT, address));
        skip(vcpu);
    }
    assert_eq!(next_stop(vcpu).0, EC_BRK);
}
