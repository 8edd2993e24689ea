//! Random watchpoints, breakpoints and accesses on real debug hardware, against the plain rule.
//!
//! `TRAPLINE_ROUNDS` says how many programs are tried, and `TRAPLINE_SEED` from where on; `cargo xtask fuzz --kvm`
//! sets them.

use crate::common::CODE;
use crate::common::a64::{self, Program};
use crate::common::accesses::{BASE, FORMS, MemoryAccess, capabilities, check_with, ready};
use trapline_core::address::AddressRange;
use trapline_core::pool::{Owner, PoolError, WatchpointPool};
use trapline_core::scope::Scope;
use trapline_core::watchpoint::{Access, Watchpoint};

/// How many programs are tried where nothing else is said, and how many accesses one makes at most.
const ROUNDS: u64 = 400;
const ACCESSES: u64 = 48;
/// The bytes around [`BASE`] that are accessed and watched.
const AROUND: u64 = 96;

/// xorshift64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % bound
    }
}

/// A seed, told where a test fails.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("to have it again: TRAPLINE_SEED={} TRAPLINE_ROUNDS=1", self.0);
        }
    }
}

fn number(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).map_or(usual, |text| text.parse().unwrap())
}

/// Accesses of any form anywhere, with other instructions between them.
fn program(random: &mut Random) -> (Program, Vec<MemoryAccess>) {
    let mut program = Program::at(CODE);
    let mut accesses = Vec::new();
    program.load(1, BASE - 32);
    for _ in 0..=random.below(ACCESSES) {
        let offset = random.below(AROUND);
        program.add(a64::add(3, 1, offset as u32));
        for _ in 0..random.below(3) {
            program.add(a64::NOP);
        }
        let (size, registers, load, store) = FORMS[random.below(FORMS.len() as u64) as usize];
        let write = random.below(2) == 1;
        let pc = program.add(if write { store } else { load } | 3 << 5 | 4);
        let address = BASE - 32 + offset;
        let bytes = AddressRange::new(address, size * registers).unwrap();
        accesses.push(MemoryAccess { pc, bytes, write, aligned: address.is_multiple_of(size) });
    }
    program.add(a64::brk(0));
    (program, accesses)
}

/// As many as there are comparators for. What does not fit is refused, and changes nothing.
fn watchpoints(random: &mut Random) -> Vec<Watchpoint> {
    let mut pool: WatchpointPool = WatchpointPool::new(&capabilities());
    let mut watched = Vec::new();
    for _ in 0..random.below(7) {
        let longest = [8, 8, 24, AROUND][random.below(4) as usize];
        let range = AddressRange::new(BASE - 32 + random.below(AROUND), 1 + random.below(longest)).unwrap();
        let access = [Access::Read, Access::Write, Access::ReadWrite][random.below(3) as usize];
        let watchpoint = Watchpoint::new(range, access, Scope::EL1_AND_EL0);
        let free = pool.free();
        match pool.reserve(watchpoint, Owner::DEBUGGER) {
            Ok(()) => watched.push(watchpoint),
            Err(PoolError::NotEnoughPairs { .. }) => assert_eq!(pool.free(), free),
            Err(other) => panic!("{watchpoint:?}: {other}"),
        }
    }
    watched
}

#[test]
fn what_traps_is_what_was_asked_for_whatever_that_is() {
    let (rounds, first) = (number("TRAPLINE_ROUNDS", ROUNDS), number("TRAPLINE_SEED", 1));
    let mut machine = None;
    let (mut made, mut trapped) = (0, 0);
    let mut named = Named(first);
    for seed in first..first + rounds {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let (program, accesses) = program(&mut random);
        let machine = machine.get_or_insert_with(|| ready(&program));
        machine.load_flat(CODE, &program.bytes()).unwrap();
        let watched = watchpoints(&mut random);
        let mut breakpoints = Vec::new();
        for _ in 0..random.below(u64::from(capabilities().breakpoints) + 1) {
            let access = accesses[random.below(accesses.len() as u64) as usize];
            if !breakpoints.contains(&access.pc) {
                breakpoints.push(access.pc);
            }
        }
        named.0 = seed;
        trapped += check_with(&mut machine.vcpus_mut()[0], &accesses, &watched, &breakpoints);
        made += accesses.len();
    }
    println!("{rounds} programs from seed {first} on: {trapped} of {made} accesses trapped");
    assert!(rounds < 10 || trapped > 0);
}
