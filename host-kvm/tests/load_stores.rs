//! Which bytes loads and stores access, by the core's reading of their encodings, against real debug hardware.

#![cfg(all(target_arch = "aarch64", feature = "machine"))]
// On any other host there is no arm64 KVM to test, and without the machine no guest.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

mod common;

use common::a64::{self, Program};
use common::accesses::{BASE, EC_BRK, MemoryAccess, capabilities, check, next_stop, ready, skip};
use common::{CODE, id, pc};
use trapline_core::address::AddressRange;
use trapline_core::load_store::{Base, Direction, Length, LoadStore, Offset};
use trapline_core::pool::{Owner, Slots, WatchpointPool};
use trapline_core::scope::Scope;
use trapline_core::target::{Arming, Register, SystemRegister};
use trapline_core::watchpoint::{Access, Watchpoint};

/// Every form of access that all processors have, as bits that stand and bits that may be any. The
/// base is X3, an index X5, what is loaded goes to X8 and X10 or vectors from V8 on.
const FORMS: [(u32, u32); 23] = [
    (0x0840_7c68, 0xc000_8000), // LDXR, LDAXR
    (0x8860_2868, 0x4000_8000), // LDXP, LDAXP
    (0x0880_fc68, 0xc040_0000), // STLR, LDAR
    (0x0c40_0068, 0x4000_fc00), // LD1 to LD4
    (0x0c00_0068, 0x4000_fc00), // ST1 to ST4
    (0x0cc5_0068, 0x4000_fc00), // the same with post-index
    (0x0d40_0068, 0x4020_fc00), // LD1 to LD4 of one element
    (0x0d00_0068, 0x4020_fc00), // ST1 to ST4
    (0x0d85_0068, 0x4060_fc00), // both with post-index
    (0x2800_2868, 0xc07f_8000), // LDNP, STNP
    (0x2880_2868, 0xc07f_8000), // post-indexed
    (0x2900_2868, 0xc07f_8000), // with an offset
    (0x2980_2868, 0xc07f_8000), // pre-indexed
    (0x2c00_2868, 0xc07f_8000), // the same for vectors
    (0x2c80_2868, 0xc07f_8000),
    (0x2d00_2868, 0xc07f_8000),
    (0x2d80_2868, 0xc07f_8000),
    (0x3800_0068, 0xc0df_fc00), // LDR, STR with an immediate of 9 bits in all forms
    (0x3c00_0068, 0xc0df_fc00), // the same for vectors
    (0x3825_4868, 0xc0c0_b000), // with an index
    (0x3c25_4868, 0xc0c0_b000),
    (0x3900_0068, 0xc0c0_1c00), // with an unsigned offset, of up to 7 elements
    (0x3d00_0068, 0xc0c0_1c00),
];

/// Those of FEAT_LOR (STLLR, LDLAR), FEAT_LRCPC (LDAPR) and FEAT_LRCPC2 (LDAPUR, STLUR).
const LIMITED_ORDERING: (u32, u32) = (0x0880_7c68, 0xc040_0000);
const ACQUIRES: (u32, u32) = (0x38bf_c068, 0xc000_0000);
const UNSCALED_ACQUIRES: (u32, u32) = (0x1900_0068, 0xc0df_f000);

/// Atomics of FEAT_LSE: LDADD and its like, SWP, CAS, CASP of X8 and X10.
const ATOMICS: [(u32, u32); 4] = [
    (0x3828_006a, 0xc0c0_7000),
    (0x3828_806a, 0xc0c0_0000),
    (0x08a8_7c6a, 0xc040_8000),
    (0x0828_7c6a, 0x4040_8000),
];

/// How many of each form are tried.
const EACH: u64 = 24;

/// splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A known instruction of a form, and what it accesses with these registers.
    fn instruction(
        &mut self,
        (fixed, any): (u32, u32),
        base: u64,
        index: u64,
    ) -> (u32, LoadStore, AddressRange) {
        loop {
            let word = fixed | self.next() as u32 & any;
            let Some(decoded) = LoadStore::decode(word) else { continue };
            assert_eq!(decoded.base(), Base::Register(3), "{word:#010x}");
            assert!(
                matches!(decoded.offset(), Offset::Immediate(_) | Offset::Register { number: 5, .. }),
                "{word:#010x}"
            );
            return (word, decoded, decoded.accessed(base, index, 0).unwrap());
        }
    }
}

/// The largest power of two that divides a length: what its access is to be aligned to.
fn alignment(decoded: LoadStore) -> u64 {
    let Length::Bytes(length) = decoded.length() else { return 1 };
    1 << u32::from(length).trailing_zeros()
}

/// A field of an ID register of the guest's.
fn feature(register: SystemRegister, low: u32) -> u64 {
    let mut machine = ready(&Program::idle(CODE));
    machine.vcpus_mut()[0].read(id(Register::System(register))).unwrap() >> low & 0xf
}

fn watch(first: u64, length: u64, access: Access) -> Watchpoint {
    Watchpoint::new(AddressRange::new(first, length).unwrap(), access, Scope::EL1_AND_EL0)
}

#[test]
fn every_form_of_load_and_store_accesses_what_its_encoding_says() {
    let mut random = Random(1);
    let acquires = feature(SystemRegister::ID_AA64ISAR1_EL1, 20);
    let later = [
        (LIMITED_ORDERING, feature(SystemRegister::ID_AA64MMFR1_EL1, 16) >= 1),
        (ACQUIRES, acquires >= 1),
        (UNSCALED_ACQUIRES, acquires >= 2),
    ];
    let later = later.into_iter().filter_map(|(form, there)| there.then_some(form));
    for form in FORMS.into_iter().chain(later) {
        let mut program = Program::at(CODE);
        let mut accesses = Vec::new();
        for _ in 0..EACH {
            let index = random.next() % 32;
            let (word, decoded, at_base) = random.instruction(form, BASE, index);
            // The base such that the access is aligned; what it adds stays.
            let base = BASE.wrapping_sub(at_base.first() % alignment(decoded));
            let bytes = decoded.accessed(base, index, 0).unwrap();
            program.load(3, base);
            program.load(5, index);
            let pc = program.add(word);
            let write = decoded.direction() == Direction::Store;
            accesses.push((word, MemoryAccess { pc, bytes, write, aligned: true }));
        }
        program.add(a64::brk(0));
        let mut machine = ready(&program);
        let vcpu = &mut machine.vcpus_mut()[0];
        let all: Vec<MemoryAccess> = accesses.iter().map(|(_, access)| *access).collect();
        for (word, access) in &accesses {
            let bytes = access.bytes;
            // All accesses of the program are judged for each watch: the bytes beside this one's, and its ends.
            for watched in [bytes.first() - 1, bytes.first(), bytes.last(), bytes.last() + 1] {
                let trapped = check(vcpu, &all, &[watch(watched, 1, Access::ReadWrite)]);
                assert!(trapped > 0 || !bytes.contains(watched), "{word:#010x}");
            }
        }
    }
}

#[test]
fn every_atomic_accesses_what_its_encoding_says() {
    if feature(SystemRegister::ID_AA64ISAR0_EL1, 20) < 2 {
        println!("there are no atomics");
        return;
    }
    let mut random = Random(2);
    let mut program = Program::at(CODE);
    let mut accesses = Vec::new();
    for form in ATOMICS {
        for _ in 0..EACH {
            let (word, decoded, bytes) = random.instruction(form, BASE, 0);
            assert_eq!(decoded.direction(), Direction::Both);
            program.load(3, BASE);
            accesses.push((program.add(word), bytes));
        }
    }
    program.add(a64::brk(0));
    let mut machine = ready(&program);
    let vcpu = &mut machine.vcpus_mut()[0];
    // Which direction is reported first, the architecture leaves open; both count for the access.
    for offset in -1_i64..=16 {
        let watched = watch(BASE.wrapping_add_signed(offset), 1, Access::ReadWrite);
        let mut pool: WatchpointPool = WatchpointPool::new(&capabilities());
        pool.reserve(watched, Owner::DEBUGGER).unwrap();
        let mut arming = Arming { software_breakpoints: true, ..Arming::default() };
        pool.arm(&mut arming.bank.watchpoints, Slots::NONE);
        vcpu.arm(&arming);
        vcpu.write(id(Register::Pc), CODE).unwrap();
        let mut expected = accesses.iter().filter(|(_, bytes)| bytes.overlaps(watched.range()));
        loop {
            let class = next_stop(vcpu).0;
            let at = pc(vcpu);
            if class == EC_BRK {
                assert_eq!(expected.next(), None, "not trapped at offset {offset}");
                break;
            }
            let access = accesses.iter().find(|(pc, _)| *pc == at).unwrap();
            assert_eq!(expected.next(), Some(access), "at offset {offset}");
            skip(vcpu);
        }
    }
}
