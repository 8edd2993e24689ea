//! Guests that use debug exceptions of their own while something is armed: they notice nothing.
//!
//! Each program runs twice on a real KVM, once left to itself with guest debug off, once under the debugger
//! with a breakpoint armed elsewhere. What its exception handler finds must be the same.

use crate::common::a64::{self, Program};
use crate::common::handlers::{ELSEWHERE, alone, debugged, go_to_el0, hardware, with_handlers};
use crate::common::kvm;
use trapline_kvm::{KvmCapabilities, VcpuFeatures};

fn assert_unnoticed(code: &[u8], features: VcpuFeatures, vector: u64) {
    let alone = alone(code, features);
    assert_eq!(alone[0], vector, "the program is not what it is meant to be: {alone:x?}");
    let debugged = debugged(code, features, &[hardware(ELSEWHERE)]).0;
    assert_eq!(debugged, alone, "in the order in which the handler stores them: {debugged:x?} {alone:x?}");
}

fn assert_unnoticed_a64(vector: u64, body: impl FnOnce(&mut Program)) {
    assert_unnoticed(&with_handlers(body).bytes(), VcpuFeatures::default(), vector);
}

#[test]
fn a_brk_of_el1_is_its_own() {
    // Vector 4: from EL1 with SP_EL1.
    assert_unnoticed_a64(4, |program| {
        program.add(0xd503_42ff); // MSR DAIFClr, #2
        program.add(0xeb1f_03ff); // CMP XZR, XZR: Z and C
        program.add(a64::brk(0x1234));
    });
}

#[test]
fn a_brk_of_el1_with_the_other_stack_pointer_is_its_own() {
    // Vector 0: from EL1 with SP_EL0.
    assert_unnoticed_a64(0, |program| {
        program.add(0xd500_40bf); // MSR SPSel, #0
        program.add(a64::brk(0));
    });
}

#[test]
fn a_brk_of_el0_is_its_own() {
    // Vector 8: from a lower level in AArch64.
    assert_unnoticed_a64(8, |program| {
        go_to_el0(program, 0xa000_0000);
        program.add(a64::brk(0xffff));
    });
}

#[test]
fn a_bkpt_of_an_aarch32_process_is_its_own() {
    // Vector 12: from a lower level in AArch32, User mode in A32.
    assert_unnoticed_a64(12, |program| {
        go_to_el0(program, 0x6000_0010);
        program.add(0xe120_0073); // BKPT #3
    });
    // The same in T32: the state bit T, and BKPT #7 twice in a word.
    assert_unnoticed_a64(12, |program| {
        go_to_el0(program, 0x0000_0030);
        program.add(0xbe07_be07);
    });
}

#[test]
fn a_call_to_the_supervisor_is_none_of_the_debuggers_business() {
    assert_unnoticed_a64(8, |program| {
        go_to_el0(program, 0);
        program.add(0xd400_0541); // SVC #42
    });
}

/// What a handler in AArch32 finds is IFSR, LR and CPSR. IFAR is unknown after a debug exception, and the
/// SPSR of the mode that a guest is in is out of EL2's reach in QEMU (7.2).
#[test]
fn a_bkpt_of_an_aarch32_kernel_is_its_own() {
    if !KvmCapabilities::probe(&kvm()).el1_32bit {
        return;
    }
    for bkpt in [0xe120_0073_u32, 0xe127_fe7f] {
        let mut code: Vec<u32> = Vec::new();
        // MOVW R0 and MOVT R0: the vectors, 0x4000_0800; MCR p15, 0, R0, c12, c0, 0: VBAR.
        code.extend([0xe300_0800, 0xe344_0000, 0xee0c_0f10, bkpt]);
        code.resize(0x800 / 4, 0xe320_f000); // NOP
        // Eight vectors that each begin with their number in R9, then fall or branch to the handler.
        for vector in 0..8_u32 {
            // B to the stub of this vector, 8 words behind the vectors and 2 words each.
            let here = 0x800 + 4 * vector;
            let stub = 0x840 + 8 * vector;
            code.push(0xea00_0000 | (((stub - here - 8) / 4) & 0x00ff_ffff));
        }
        code.resize(0x840 / 4, 0xe320_f000);
        for vector in 0..8_u32 {
            let here = 0x840 + 8 * vector + 4;
            code.push(0xe3a0_9000 | vector); // MOV R9, #vector
            code.push(0xea00_0000 | (((0x900 - here - 8) / 4) & 0x00ff_ffff));
        }
        code.resize(0x900 / 4, 0xe320_f000);
        // MOVW R2 and MOVT R2: DATA, 0x4010_0000; STR R9, [R2], #8.
        code.extend([0xe300_2000, 0xe344_2010, 0xe482_9008]);
        for read in [
            0xee15_1f30, // MRC p15, 0, R1, c5, c0, 1: IFSR
            0xe1a0_100e, // MOV R1, LR
            0xe10f_1000, // MRS R1, CPSR
        ] {
            code.extend([read, 0xe482_1008]); // STR R1, [R2], #8
        }
        // SYSTEM_OFF by HVC.
        code.extend([0xe300_0008, 0xe348_0400, 0xe140_0070]);
        let bytes: Vec<u8> = code.iter().flat_map(|word| word.to_le_bytes()).collect();
        let features = VcpuFeatures { el1_32bit: true, ..VcpuFeatures::default() };
        // Vector 3: prefetch abort.
        assert_unnoticed(&bytes, features, 3);
    }
}
