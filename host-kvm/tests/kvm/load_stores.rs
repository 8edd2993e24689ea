//! Which bytes loads and stores access, by the core's reading of their encodings, against real debug hardware.

use crate::common::a64::{self, Program};
use crate::common::accesses::{BASE, EC_BRK, MemoryAccess, check, next_stop, ready};
use crate::common::random::Random;
use crate::common::{CODE, DATA, id};
use trapline_core::address::{AddressRange, PhysicalAddress};
use trapline_core::load_store::{Base, Direction, Length, LoadStore, Offset};
use trapline_core::scope::Scope;
use trapline_core::target::{Arming, Register, SystemRegister};
use trapline_core::watchpoint::{Access, Watchpoint};
use trapline_kvm::GuestMemory;

/// Every form of access that all processors have, as bits that stand and bits that may be any. The
/// base is X3, an index X5, what is loaded goes to X8 and X10 or vectors from V8 on.
const FORMS: [(u32, u32); 24] = [
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
    (0x3800_0068, 0xc0df_f400), // LDUR, STUR, LDR and STR with post-index
    (0x3800_0c68, 0xc0df_f000), // with pre-index; the unprivileged ones would fault at EL1 here
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

/// Atomics of FEAT_LSE that make all ones of zeros with an operand of all ones, in X8: LDADD, LDEOR, LDSET, LDSMIN,
/// LDUMAX, SWP.
const OPERATIONS: &[(u32, u32)] = &[
    (0x3828_006a, 0xc0c0_0000),
    (0x3828_206a, 0xc0c0_1000),
    (0x3828_506a, 0xc0c0_0000),
    (0x3828_606a, 0xc0c0_0000),
    (0x3828_806a, 0xc0c0_0000),
];

/// CAS and CASP, which compare with X8 and X9, and store X10 and X11.
const SWAPS: &[(u32, u32)] = &[(0x08a8_7c6a, 0xc040_8000), (0x0828_7c6a, 0x4040_8000)];

/// How many of each form are tried.
const EACH: u64 = 12;

impl Random {
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

/// QEMU's emulation (7.2) checks no watchpoints for atomics, so these are known by what they write: all their bytes.
#[test]
fn every_atomic_accesses_what_its_encoding_says() {
    if feature(SystemRegister::ID_AA64ISAR0_EL1, 20) < 2 {
        println!("there are no atomics");
        return;
    }
    let mut random = Random(2);
    for (forms, operand, new) in [(OPERATIONS, u64::MAX, 0), (SWAPS, 0, u64::MAX)] {
        let mut program = Program::at(CODE);
        let mut accesses = Vec::new();
        for number in 0..EACH * forms.len() as u64 {
            let form = forms[number as usize % forms.len()];
            let (word, decoded, bytes) = random.instruction(form, DATA + 32 * number, 0);
            assert_eq!(decoded.direction(), Direction::Both);
            program.load(3, DATA + 32 * number);
            for (register, value) in [(8, operand), (9, operand), (10, new), (11, new)] {
                program.load(register, value);
            }
            program.add(word);
            accesses.push((word, bytes));
        }
        program.add(a64::brk(0));
        let mut machine = ready(&program);
        let arming = Arming { software_breakpoints: true, ..Arming::default() };
        machine.vcpus_mut()[0].arm(&arming);
        assert_eq!(next_stop(&mut machine.vcpus_mut()[0]).0, EC_BRK);
        for (word, bytes) in accesses {
            let mut around = [0; 32];
            GuestMemory::read(&**machine.memory(), PhysicalAddress(bytes.first()), &mut around).unwrap();
            let length = bytes.len() as usize;
            assert!(around[..length].iter().all(|byte| *byte == 0xff), "{word:#010x}: {around:x?}");
            assert!(around[length..].iter().all(|byte| *byte == 0), "{word:#010x}: {around:x?}");
        }
    }
}
