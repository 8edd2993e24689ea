//! Guests that use breakpoints, watchpoints and steps of their own while the host debugs them.
//!
//! Each program runs twice on a real KVM, once left to itself with guest debug off, once under the debugger.
//! What its exception handler finds must be the same.

use crate::common::a64::{self, Program};
use crate::common::handlers::{ELSEWHERE, alone, debugged, go_to_el0, hardware, software, with_handlers};
use crate::common::{DATA, kvm};
use trapline_core::debugger::Request;
use trapline_kvm::{KvmCapabilities, VcpuFeatures};

/// Where the programs have data of their own, behind what their handlers store.
const WATCHED: u64 = DATA + 0x800;

// MDSCR_EL1.
const SS: u64 = 1 << 0;
const KDE: u64 = 1 << 13;
const MDE: u64 = 1 << 15;
// MSR <register>, X0.
const MSR_MDSCR_EL1: u32 = 0xd510_0240;
const MSR_OSLAR_EL1: u32 = 0xd510_1080;
const MSR_DBGBVR0_EL1: u32 = 0xd510_0080;
const MSR_DBGBCR0_EL1: u32 = 0xd510_00a0;
const MSR_DBGWVR0_EL1: u32 = 0xd510_00c0;
const MSR_DBGWCR0_EL1: u32 = 0xd510_00e0;
const MSR_DAIFCLR_D: u32 = 0xd503_48ff;

/// What programs here end with, so that their handler says how far they came.
const END: u16 = 0x77;

/// Where FAR_EL1 is in what handlers store.
const FAR: usize = 4;

fn set(program: &mut Program, register: u32, value: u64) {
    program.load(0, value);
    program.add(register);
}

/// Enables the guest's first breakpoint, at EL0 and EL1.
fn break_at(program: &mut Program, address: u64) {
    set(program, MSR_DBGBVR0_EL1, address);
    set(program, MSR_DBGBCR0_EL1, 0x1e7);
}

/// Enables the guest's first watchpoint, for loads and stores of a doubleword at EL0 and EL1.
fn watch(program: &mut Program, address: u64) {
    set(program, MSR_DBGWVR0_EL1, address);
    set(program, MSR_DBGWCR0_EL1, 0x1fff);
}

/// The address of the instruction behind as many as [`break_at`] adds, and `more`.
fn behind_break_at(program: &Program, more: u64) -> u64 {
    program.here() + 4 * (5 + 5 + more)
}

/// With only a software breakpoint armed, the guest's comparators are KVM's to switch, and hit the debugger.
fn check(vector: u64, class: u64, body: impl FnOnce(&mut Program)) {
    check_code(&with_handlers(body).bytes(), vector, class, &[software(ELSEWHERE)], 0);
}

fn check_code(code: &[u8], vector: u64, class: u64, armed: &[Request], stops: usize) {
    let features = VcpuFeatures::default();
    let alone = alone(code, features);
    assert_eq!(
        (alone[0], alone[1] >> 26),
        (vector, class),
        "the program is not what it is meant to be: {alone:x?}"
    );
    let (mut debugged, stopped) = debugged(code, features, armed);
    // FAR_EL1 is UNKNOWN after a breakpoint: we leave it, QEMU (7.2) clears it.
    if class >> 1 == 0x30 >> 1 {
        debugged[FAR] = alone[FAR];
    }
    assert_eq!(debugged, alone, "in the order in which the handler stores them: {debugged:x?} {alone:x?}");
    assert_eq!(stopped, stops, "stops of ours");
}

#[test]
fn a_breakpoint_of_el1_is_its_own() {
    check(4, 0x31, |program| {
        set(program, MSR_MDSCR_EL1, MDE | KDE);
        let at = behind_break_at(program, 1);
        break_at(program, at);
        program.add(MSR_DAIFCLR_D);
        program.add(a64::NOP);
        program.add(a64::brk(END));
    });
}

#[test]
fn a_breakpoint_at_el0_is_the_guests_own_whatever_masks_those_of_el1() {
    // PSTATE.D is set at reset, and stays so.
    check(8, 0x30, |program| {
        set(program, MSR_MDSCR_EL1, MDE);
        let at = behind_break_at(program, 11);
        break_at(program, at);
        go_to_el0(program, 0x3c0);
        program.add(a64::brk(END));
    });
}

#[test]
fn a_breakpoint_of_an_aarch32_process_is_its_own() {
    check(12, 0x30, |program| {
        set(program, MSR_MDSCR_EL1, MDE);
        let at = behind_break_at(program, 11);
        break_at(program, at);
        go_to_el0(program, 0x10);
        program.add(0xe320_f000); // NOP
        program.add(0xe120_0070); // BKPT #0
    });
}

#[test]
fn a_watchpoint_of_el1_is_its_own_with_address_and_direction() {
    for access in [a64::store(3, 1, 2), a64::load(3, 1, 2)] {
        check(4, 0x35, |program| {
            set(program, MSR_MDSCR_EL1, MDE | KDE);
            program.add(MSR_DAIFCLR_D);
            watch(program, WATCHED);
            program.load(2, WATCHED);
            program.add(access);
            program.add(a64::brk(END));
        });
    }
}

#[test]
fn a_watchpoint_at_el0_is_the_guests_own() {
    check(8, 0x34, |program| {
        set(program, MSR_MDSCR_EL1, MDE);
        watch(program, WATCHED);
        program.load(2, WATCHED);
        go_to_el0(program, 0x3c0);
        program.add(a64::store(0, 1, 2));
        program.add(a64::brk(END));
    });
}

#[test]
fn where_the_guest_has_its_debug_exceptions_masked_its_comparators_are_passed_unnoticed() {
    // What the guest sets: MDSCR_EL1, whether it clears PSTATE.D, and whether it locks the OS Lock.
    for (mdscr, clear, locked) in
        [(MDE, true, false), (MDE | KDE, false, false), (KDE, true, false), (MDE | KDE, true, true)]
    {
        // Its BRK comes whatever is masked.
        check(4, 0x3c, |program| {
            set(program, MSR_MDSCR_EL1, mdscr);
            watch(program, WATCHED);
            program.load(2, WATCHED);
            program.load(3, 50);
            if clear {
                program.add(MSR_DAIFCLR_D);
            }
            let at = program.here() + 4 * (5 + 5 + 5);
            break_at(program, at);
            set(program, MSR_OSLAR_EL1, u64::from(locked));
            // Fifty times over the breakpoint, and twice fifty times over the watchpoint.
            let again = program.add(a64::load(3, 1, 2));
            assert_eq!(again, at);
            program.add(a64::add(1, 1, 1));
            program.add(a64::store(3, 1, 2));
            program.add(a64::sub(3, 3, 1));
            program.branch_if_not_zero(3, again);
            // The handler stores this one's syndrome, and so what was counted.
            program.add(0xd100_c821); // SUB X1, X1, #50
            let over = program.here() + 8;
            program.branch_if_not_zero(1, over);
            program.add(a64::brk(END));
            program.add(a64::brk(0));
        });
    }
}

#[test]
fn a_guests_own_comparators_stay_next_to_hardware_ones_of_ours() {
    // They are looked at when the vCPU comes out, as it does at a breakpoint of ours behind their set-up.
    let mut ours = 0;
    let code = with_handlers(|program| {
        set(program, MSR_MDSCR_EL1, MDE | KDE);
        program.add(MSR_DAIFCLR_D);
        watch(program, WATCHED);
        let at = behind_break_at(program, 6);
        break_at(program, at);
        ours = program.add(a64::NOP);
        program.load(2, WATCHED + 8);
        program.add(a64::store(3, 1, 2));
        program.add(a64::brk(END));
    })
    .bytes();
    check_code(&code, 4, 0x31, &[hardware(ours), hardware(ELSEWHERE)], 1);

    let code = with_handlers(|program| {
        set(program, MSR_MDSCR_EL1, MDE);
        watch(program, WATCHED);
        program.load(2, WATCHED);
        ours = behind_break_at(program, 1);
        go_to_el0(program, 0x3c0);
        assert_eq!(program.here(), ours);
        program.add(a64::NOP);
        program.add(a64::store(2, 1, 2));
        program.add(a64::brk(END));
    })
    .bytes();
    check_code(&code, 8, 0x34, &[hardware(ours)], 1);
}

#[test]
fn a_guests_own_breakpoint_for_which_ours_leave_no_pair_is_off_and_the_guest_runs_on() {
    let pairs = u64::from(KvmCapabilities::probe(&kvm()).breakpoints);
    let mut ours = 0;
    let code = with_handlers(|program| {
        set(program, MSR_MDSCR_EL1, MDE | KDE);
        program.add(MSR_DAIFCLR_D);
        let at = behind_break_at(program, 1);
        break_at(program, at);
        ours = program.add(a64::NOP);
        program.add(a64::NOP);
        program.add(a64::brk(END));
    })
    .bytes();
    let elsewhere = (1..pairs).map(|number| hardware(ELSEWHERE + 4 * number));
    let armed: Vec<Request> = elsewhere.chain([hardware(ours)]).collect();
    // The step over our own breakpoint frees its pair: the guest's is there in it, but not at its address.
    let (found, stops) = debugged(&code, VcpuFeatures::default(), &armed);
    assert_eq!((found[0], found[1] & 0xffff, stops), (4, u64::from(END), 1), "{found:x?}");
}

/// KVM clears `MDSCR_EL1.SS` of a guest while anything of guest debug is on, so that the guest's own step never
/// happens (Linux, arch/arm64/kvm/debug.c): it is not routed to us, and what the guest sets is not told. Were
/// it ever, this test would say so.
#[test]
fn a_guests_own_step_is_its_own_while_nothing_is_armed_and_suspended_by_kvm_otherwise() {
    let code = with_handlers(|program| {
        set(program, MSR_MDSCR_EL1, SS);
        go_to_el0(program, 0x3c0 | 1 << 21); // SPSR_EL1.SS
        program.add(a64::NOP);
        program.add(a64::brk(END));
    })
    .bytes();
    let alone = alone(&code, VcpuFeatures::default());
    assert_eq!((alone[0], alone[1] >> 26), (8, 0x32), "{alone:x?}");
    // Under a debugger with nothing armed, guest debug is off.
    let (unarmed, _) = debugged(&code, VcpuFeatures::default(), &[]);
    assert_eq!(unarmed, alone);
    for armed in [software(ELSEWHERE), hardware(ELSEWHERE)] {
        let (found, _) = debugged(&code, VcpuFeatures::default(), &[armed]);
        assert_eq!((found[0], found[1] >> 26, found[1] & 0xffff), (8, 0x3c, END.into()), "{found:x?}");
    }
}
