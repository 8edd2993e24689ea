//! Accesses on real debug hardware, and the plain rule for which of them trap: those that touch a watched byte in a
//! watched direction.
//!
//! QEMU's emulation (7.2, accel/tcg/cputlb.c) reads the aligned words around an unaligned load and checks an
//! unaligned store from the start of its page on: there, unaligned accesses are only checked for the traps
//! that must come, not for those that must not.

use trapline_core::address::AddressRange;
use trapline_core::breakpoint::{Breakpoint, Instruction};
use trapline_core::comparator::Capabilities;
use trapline_core::pool::{BreakpointPool, Owner, Slots, WatchpointPool};
use trapline_core::scope::Scope;
use trapline_core::target::{Arming, Register, Resume};
use trapline_core::watchpoint::Watchpoint;
use trapline_kvm::machine::Machine;
use trapline_kvm::{Exit, KvmCapabilities, KvmVcpu, NoDevices};

use super::a64::Program;
use super::{CODE, DATA, id, kvm, machine, map_memory, pc};

/// Watched ranges lie around here, an address of no small alignment's but its own 64.
pub(crate) const BASE: u64 = DATA + 0x1040;
/// Bytes that a `DC ZVA` of the largest block may write around [`BASE`].
const LARGEST_BLOCK: u64 = 2048;

pub(crate) const EC_BREAKPOINT: u64 = 0x30;
const EC_WATCHPOINT: u64 = 0x34;
pub(crate) const EC_BRK: u64 = 0x3c;

/// One memory access of a program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MemoryAccess {
    /// Where its instruction is.
    pub(crate) pc: u64,
    /// Its bytes.
    pub(crate) bytes: AddressRange,
    pub(crate) write: bool,
    /// Whether its address is a multiple of its register's size.
    pub(crate) aligned: bool,
}

/// Forms of access: size of a register and number of registers, and the instructions that load and store
/// at `[X3]`.
pub(crate) const FORMS: [(u64, u64, u32, u32); 8] = [
    (1, 1, 0x3840_0000, 0x3800_0000),                      // LDURB, STURB
    (2, 1, 0x7840_0000, 0x7800_0000),                      // LDURH, STURH
    (4, 1, 0xb840_0000, 0xb800_0000),                      // LDUR W, STUR W
    (8, 1, 0xf840_0000, 0xf800_0000),                      // LDUR X, STUR X
    (16, 1, 0x3cc0_0000, 0x3c80_0000),                     // LDUR Q, STUR Q
    (4, 2, 0x2940_0000 | 5 << 10, 0x2900_0000 | 5 << 10),  // LDP W, STP W
    (8, 2, 0xa940_0000 | 5 << 10, 0xa900_0000 | 5 << 10),  // LDP X, STP X
    (16, 2, 0xad40_0000 | 5 << 10, 0xad00_0000 | 5 << 10), // LDP Q, STP Q
];

/// A machine with its MMU on, since without it memory is Device memory and unaligned accesses fault.
pub(crate) fn ready(program: &Program) -> Machine {
    let mut machine = machine(program);
    map_memory(&mut machine);
    machine
}

pub(crate) fn capabilities() -> Capabilities {
    let probed = KvmCapabilities::probe(&kvm());
    Capabilities {
        breakpoints: probed.breakpoints,
        watchpoints: probed.watchpoints,
        ..Capabilities::default()
    }
}

/// What stopped the vCPU: exception class, whether it is a write, FAR.
pub(crate) fn next_stop(vcpu: &mut KvmVcpu) -> (u64, bool, u64) {
    match vcpu.run(Resume::Run, &NoDevices).unwrap() {
        Exit::Debug { syndrome, fault_address } => {
            (syndrome >> 26 & 0x3f, syndrome & 1 << 6 != 0, fault_address)
        }
        other => panic!("{other:?}"),
    }
}

pub(crate) fn skip(vcpu: &mut KvmVcpu) {
    let next = pc(vcpu) + 4;
    vcpu.write(id(Register::Pc), next).unwrap();
}

/// Whether the host is QEMU's virtual machine, by its device tree.
fn is_emulated() -> bool {
    std::fs::read("/sys/firmware/devicetree/base/compatible")
        .is_ok_and(|names| names.split(|byte| *byte == 0).any(|name| name == b"linux,dummy-virt"))
}

/// Runs all accesses; exactly those that the rule says must trap, with the right direction and an
/// address that leads back to the watchpoint and to a byte that was accessed. Returns how many did.
pub(crate) fn check(vcpu: &mut KvmVcpu, accesses: &[MemoryAccess], watched: &[Watchpoint]) -> usize {
    check_with(vcpu, accesses, watched, &[])
}

/// As [`check`], with breakpoints on instructions: they come before the access, which is then left out.
pub(crate) fn check_with(
    vcpu: &mut KvmVcpu,
    accesses: &[MemoryAccess],
    watched: &[Watchpoint],
    breakpoints: &[u64],
) -> usize {
    let mut pool: WatchpointPool = WatchpointPool::new(&capabilities());
    for watchpoint in watched {
        pool.reserve(*watchpoint, Owner::DEBUGGER).unwrap();
    }
    let mut stops: BreakpointPool = BreakpointPool::new(&capabilities());
    for address in breakpoints {
        let at = Breakpoint::at(*address, Instruction::A64, Scope::EL1_AND_EL0).unwrap();
        stops.reserve(at, Owner::DEBUGGER).unwrap();
    }
    let mut arming = Arming { software_breakpoints: true, ..Arming::default() };
    pool.arm(&mut arming.bank.watchpoints, Slots::NONE);
    stops.arm(&mut arming.bank.breakpoints, Slots::NONE);
    vcpu.arm(&arming);
    vcpu.write(id(Register::Pc), CODE).unwrap();
    let must_trap = |access: &&MemoryAccess| {
        breakpoints.contains(&access.pc)
            || watched.iter().any(|watchpoint| {
                watchpoint.range().overlaps(access.bytes) && watchpoint.access().includes(Some(access.write))
            })
    };
    let emulated = is_emulated();
    let mut expected = accesses.iter().filter(must_trap).peekable();
    let mut trapped = 0;
    loop {
        let (class, write, far) = next_stop(vcpu);
        let pc = pc(vcpu);
        if class == EC_BRK {
            let missing = expected.next();
            assert!(missing.is_none(), "not trapped: {missing:x?} with {watched:x?} and {breakpoints:x?}");
            return trapped;
        }
        let access = accesses.iter().find(|access| access.pc == pc).unwrap();
        let context = format!("{access:x?} reported at {far:#x} with {watched:x?} and {breakpoints:x?}");
        let is_expected = expected.next_if(|expected| expected.pc == pc).is_some();
        trapped += usize::from(is_expected);
        if breakpoints.contains(&pc) {
            assert_eq!((class, is_expected), (EC_BREAKPOINT, true), "{context}");
            assert!(!stops.slots_at(pc).is_empty(), "{context}");
        } else {
            assert_eq!((class, write), (EC_WATCHPOINT, access.write), "{context}");
            if is_expected {
                let hit = pool.lookup(far, Some(write), LARGEST_BLOCK);
                let hit = hit.unwrap_or_else(|| panic!("nobody's: {context}"));
                assert!(!hit.spurious && hit.watchpoint.range().contains(hit.address), "{context}: {hit:x?}");
                if access.aligned || !emulated {
                    assert!(access.bytes.contains(hit.address), "{context}: {hit:x?}");
                }
            } else {
                assert!(emulated && !access.aligned, "must not trap: {context}");
            }
        }
        skip(vcpu);
    }
}
