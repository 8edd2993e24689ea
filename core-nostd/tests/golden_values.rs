//! Register values that established tools write to the same hardware for the same request: OpenOCD and
//! probe-rs on Armv8-A, OpenOCD, pyOCD and probe-rs on Cortex-M.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use trapline_core::address::AddressRange;
use trapline_core::breakpoint::{Breakpoint, Context, Instruction};
use trapline_core::comparator::{Capabilities, Pair};
use trapline_core::m_profile::fpb::{BreakpointUnit, FpCtrl};
use trapline_core::m_profile::{dwt_v1, dwt_v2};
use trapline_core::pool::{BreakpointPool, Owner, Slots};
use trapline_core::scope::Scope;
use trapline_core::watchpoint::{Access, Watchpoint, plan};

fn range(first: u64, length: u64) -> AddressRange {
    AddressRange::new(first, length).unwrap()
}

#[test]
fn breakpoints_on_a_board() {
    let breakpoint = Breakpoint::at(0x8_0000, Instruction::A64, Scope::ALL).unwrap();
    assert_eq!(breakpoint.pair(Default::default()), Pair { control: 0x21e7, value: 0x8_0000 });
}

#[test]
fn breakpoints_in_a_guest() {
    let breakpoint = Breakpoint::at(0x4008_0000, Instruction::A64, Scope::EL1_AND_EL0).unwrap();
    assert_eq!(breakpoint.pair(Default::default()), Pair { control: 0x1e7, value: 0x4008_0000 });
}

#[test]
fn watchpoints_on_a_board() {
    for (access, length, offset, control) in [
        (Access::Read, 1, 0, 0x202f),
        (Access::Write, 1, 3, 0x2117),
        (Access::ReadWrite, 2, 2, 0x219f),
        (Access::Write, 4, 4, 0x3e17),
        (Access::Write, 8, 0, 0x3ff7),
        (Access::Read, 4, 0, 0x21ef),
    ] {
        let watchpoint = Watchpoint::new(range(0x8_1000 + offset, length), access, Scope::ALL);
        let mut pieces = plan(&watchpoint).unwrap().pieces();
        let pair = pieces.next().unwrap().pair;
        assert_eq!(pair, Pair { control, value: 0x8_1000 }, "{watchpoint}: {:#x}", pair.control);
        assert_eq!(pieces.next(), None);
    }
}

#[test]
fn watchpoints_in_a_guest() {
    let watchpoint = Watchpoint::new(range(0x4008_1000, 8), Access::Write, Scope::EL1_AND_EL0);
    let pair = plan(&watchpoint).unwrap().pieces().next().unwrap().pair;
    assert_eq!(pair, Pair { control: 0x1ff7, value: 0x4008_1000 });
}

#[test]
fn breakpoints_in_a_context() {
    // Six breakpoints, of which the last two are context-aware: the context goes to number 4 when 5 is taken.
    let capabilities = Capabilities { breakpoints: 6, context_aware: 2, ..Capabilities::default() };
    let mut pool: BreakpointPool = BreakpointPool::new(&capabilities);
    let other = Breakpoint::in_context(Context::ContextId(0x99), Scope::EL1_AND_EL0);
    pool.reserve(other, Owner::DEBUGGER).unwrap();
    let linked =
        Breakpoint::at(0x8_0000, Instruction::A64, Scope::ALL).unwrap().linked(Context::ContextId(0x42));
    pool.reserve(linked, Owner::DEBUGGER).unwrap();
    let mut pairs = [Pair::DISABLED; 16];
    pool.arm(&mut pairs, Slots::NONE);
    assert_eq!(pairs[4], Pair { control: 0x30_01e7, value: 0x42 });
    assert_eq!(pairs[0], Pair { control: 0x14_21e7, value: 0x8_0000 });
    assert_eq!(pairs[5], Pair { control: 0x20_01e7, value: 0x99 });
}

#[test]
fn flash_patch_comparators() {
    for (unit, address, comparator) in [
        (BreakpointUnit::FpbV1, 0x0800_0100, 0x4800_0101),
        (BreakpointUnit::FpbV1, 0x0800_0102, 0x8800_0101),
        (BreakpointUnit::Bpu, 0x0800_0100, 0x4800_0101),
        (BreakpointUnit::FpbV2, 0x0800_0100, 0x0800_0101),
        (BreakpointUnit::FpbV2, 0x0800_0102, 0x0800_0103),
    ] {
        assert_eq!(unit.comparator(address), Ok(comparator), "{unit} {address:#x}");
    }
    assert_eq!(FpCtrl::ENABLE.into_bits(), 3);
}

#[test]
fn data_watchpoints_of_version_1() {
    for (access, function) in [(Access::Read, 5), (Access::Write, 6), (Access::ReadWrite, 7)] {
        for exponent in 0..=15 {
            let plan = dwt_v1::plan(range(0x2000_0000, 1 << exponent), access, 15).unwrap();
            let piece = plan.pieces().next().unwrap();
            assert_eq!((piece.comp, piece.mask, piece.function), (0x2000_0000, exponent, function));
            assert_eq!(plan.len(), 1);
        }
    }
}

#[test]
fn data_watchpoints_of_version_2() {
    for (access, length, function) in [
        (Access::Read, 1, 0x16),
        (Access::Write, 2, 0x415),
        (Access::Write, 4, 0x815),
        (Access::ReadWrite, 4, 0x814),
    ] {
        let plan = dwt_v2::plan(range(0x2000_0000, length), access, true).unwrap();
        let comparators: Vec<_> = plan.comparators().collect();
        assert_eq!(comparators.len(), 1);
        assert_eq!(comparators[0].comp, 0x2000_0000);
        assert_eq!(comparators[0].function.into_bits(), function);
    }
}
