//! Breakpoint pairs against the model of the hardware in `common`.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod common;

use common::{State, check_breakpoint};
use trapline_core::address::AddressRange;
use trapline_core::breakpoint::{Breakpoint, Context, Instruction};
use trapline_core::comparator::{Bank, Capabilities};
use trapline_core::pool::{BreakpointPool, Owner, Slots};
use trapline_core::scope::Scope;

const CAPABILITIES: Capabilities =
    Capabilities { breakpoints: 6, context_aware: 2, watchpoints: 4, mismatch: true, ..Capabilities::NONE };
/// The first context-aware pair.
const CONTEXT_AWARE: usize = 4;

fn armed(requests: &[Breakpoint]) -> Bank {
    let mut pool: BreakpointPool = BreakpointPool::new(&CAPABILITIES);
    for request in requests {
        pool.reserve(*request, Owner::DEBUGGER).unwrap();
    }
    let mut bank = Bank::default();
    pool.arm(&mut bank.breakpoints, Slots::NONE);
    bank
}

fn stops(bank: &Bank, pc: u64, state: State) -> bool {
    check_breakpoint(bank, pc, state, CONTEXT_AWARE)
}

#[test]
fn an_address_breakpoint_matches_its_instruction_only() {
    for base in [0x1000, 0xffff_8000_1000_4000] {
        for (instruction, step) in [(Instruction::A64, 4), (Instruction::A32, 4), (Instruction::T32, 2)] {
            for address in (base..base + 8).step_by(step) {
                let Ok(request) = Breakpoint::at(address, instruction, Scope::EL1_AND_EL0) else {
                    assert_ne!(instruction, Instruction::A64);
                    continue;
                };
                let bank = armed(&[request]);
                for pc in (base - 16..base + 16).step_by(step) {
                    assert_eq!(stops(&bank, pc, State::GUEST_KERNEL), pc == address, "{request} at {pc:#x}");
                }
            }
        }
    }
}

#[test]
fn ranges_and_mismatches_end_at_their_edges() {
    for bits in 3..=31 {
        let range = AddressRange::new(5 << 40, 1 << bits).unwrap();
        let inside = armed(&[Breakpoint::inside(range, Scope::EL1).unwrap()]);
        let outside = armed(&[Breakpoint::outside(range, Scope::EL1).unwrap()]);
        for pc in [range.first() - 4, range.first(), range.last() - 3, range.last() + 1] {
            assert_eq!(stops(&inside, pc, State::GUEST_KERNEL), range.contains(pc), "{range} at {pc:#x}");
            assert_eq!(stops(&outside, pc, State::GUEST_KERNEL), !range.contains(pc), "{range} at {pc:#x}");
        }
    }
}

#[test]
fn contexts_match_their_registers_linked_or_not() {
    let state = State {
        contextidr_el1: 0x1111_2222,
        contextidr_el2: 0x3333_4444,
        vmid: 0x5566,
        ..State::GUEST_KERNEL
    };
    let address = Breakpoint::at(0x1000, Instruction::A64, Scope::EL1_AND_EL0).unwrap();
    for (right, wrong) in [
        (Context::ContextId(0x1111_2222), Context::ContextId(0x1111_2223)),
        (Context::ContextIdEl1(0x1111_2222), Context::ContextIdEl1(0x3333_4444)),
        (Context::ContextIdEl2(0x3333_4444), Context::ContextIdEl2(0x1111_2222)),
        (Context::Vmid(0x5566), Context::Vmid(0x66)),
        (
            Context::VmidAndContextId { vmid: 0x5566, context_id: 0x1111_2222 },
            Context::VmidAndContextId { vmid: 0x5566, context_id: 0 },
        ),
        (
            Context::FullContextId { el1: 0x1111_2222, el2: 0x3333_4444 },
            Context::FullContextId { el1: 0x1111_2222, el2: 0x3333_4445 },
        ),
    ] {
        assert!(stops(&armed(&[Breakpoint::in_context(right, Scope::EL1)]), 0x2000, state), "{right}");
        assert!(!stops(&armed(&[Breakpoint::in_context(wrong, Scope::EL1)]), 0x2000, state), "{wrong}");
        let linked = armed(&[address.linked(right)]);
        assert!(stops(&linked, 0x1000, state), "{right}");
        assert!(!stops(&linked, 0x1004, state), "{right}");
        assert!(!stops(&armed(&[address.linked(wrong)]), 0x1000, state), "{wrong}");
        assert!(!stops(&armed(&[Breakpoint::link_target(right)]), 0x1000, state), "{right}");
    }
}
