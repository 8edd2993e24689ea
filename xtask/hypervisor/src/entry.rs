//! Into a guest and back out, as a function call.
#![expect(unsafe_code, reason = "registers of a guest are loaded and saved by assembly")]

use core::arch::global_asm;

use crate::system::read;

/// The registers that a guest and this program both use, in the order in which the assembly saves them.
#[derive(Debug)]
#[repr(C, align(16))]
pub(crate) struct Frame {
    /// X0 to X30.
    pub(crate) x: [u64; 31],
    /// The program counter.
    pub(crate) pc: u64,
    /// PSTATE.
    pub(crate) pstate: u64,
    reserved: u64,
    /// V0 to V31.
    pub(crate) v: [u128; 32],
    /// FPSR.
    pub(crate) fpsr: u64,
    /// FPCR.
    pub(crate) fpcr: u64,
}

const _: () = assert!(size_of::<Frame>() == 800, "the assembly saves 800 bytes");

impl Frame {
    /// All zero, but for these two.
    pub(crate) const fn new(pc: u64, pstate: u64) -> Self {
        Self { x: [0; 31], pc, pstate, reserved: 0, v: [0; 32], fpsr: 0, fpcr: 0 }
    }

    /// What an instruction that names X `number` reads; 31 is the zero register.
    pub(crate) fn read(&self, number: u8) -> u64 {
        self.x.get(usize::from(number)).copied().unwrap_or(0)
    }

    /// What an instruction that names X `number` writes.
    pub(crate) fn write(&mut self, number: u8, value: u64) {
        if let Some(register) = self.x.get_mut(usize::from(number)) {
            *register = value;
        }
    }

    /// Goes on behind an instruction that was carried out for the guest. If the guest was to execute one
    /// only, this was it: with SS clear the step ends before the next.
    pub(crate) fn advance(&mut self) {
        const SS: u64 = 1 << 21;
        self.pc += 4;
        self.pstate &= !SS;
    }
}

/// Why a guest no longer runs.
#[derive(Clone, Copy)]
pub(crate) enum Exit {
    /// A synchronous exception was taken to EL2.
    Synchronous,
    /// An interrupt is pending.
    Interrupt,
    /// A system error, or an interrupt of a group that nobody uses.
    Other,
}

/// What the syndrome registers of EL2 say after [`Exit::Synchronous`].
#[derive(Clone, Copy)]
pub(crate) struct Trap {
    /// `ESR_EL2`.
    pub(crate) syndrome: u64,
    /// `FAR_EL2`.
    pub(crate) fault_address: u64,
    /// The intermediate physical address of an abort, from `HPFAR_EL2` and `FAR_EL2`.
    pub(crate) guest_address: u64,
}

impl Trap {
    /// Reads them.
    pub(crate) fn read() -> Self {
        let fault_address = read!("far_el2");
        let page = read!("hpfar_el2") << 8 & !0xfff;
        Self { syndrome: read!("esr_el2"), fault_address, guest_address: page | (fault_address & 0xfff) }
    }
}

/// Runs the guest whose registers these are, on this core, until something is taken to EL2.
pub(crate) fn run(frame: &mut Frame) -> Exit {
    // SAFETY: `run_guest` returns by its caller's convention, with the guest's registers in the frame. The
    // guest reaches the memory that its stage 2 tables map, which is nobody's here.
    match unsafe { run_guest(frame) } {
        0 => Exit::Synchronous,
        1 => Exit::Interrupt,
        _ => Exit::Other,
    }
}

unsafe extern "C" {
    fn run_guest(frame: *mut Frame) -> u64;
}

global_asm!(
    ".section .text.entry, \"ax\"",
    ".globl run_guest",
    "run_guest:",
    "sub sp, sp, #160",
    "stp x19, x20, [sp, #0]",
    "stp x21, x22, [sp, #16]",
    "stp x23, x24, [sp, #32]",
    "stp x25, x26, [sp, #48]",
    "stp x27, x28, [sp, #64]",
    "stp x29, x30, [sp, #80]",
    "stp d8, d9, [sp, #96]",
    "stp d10, d11, [sp, #112]",
    "stp d12, d13, [sp, #128]",
    "stp d14, d15, [sp, #144]",
    "msr tpidr_el2, x0",
    "ldp x1, x2, [x0, #248]",
    "msr elr_el2, x1",
    "msr spsr_el2, x2",
    "ldr x1, [x0, #784]",
    "ldr x2, [x0, #792]",
    "msr fpsr, x1",
    "msr fpcr, x2",
    "add x1, x0, #272",
    "ldp q0, q1, [x1, #0]",
    "ldp q2, q3, [x1, #32]",
    "ldp q4, q5, [x1, #64]",
    "ldp q6, q7, [x1, #96]",
    "ldp q8, q9, [x1, #128]",
    "ldp q10, q11, [x1, #160]",
    "ldp q12, q13, [x1, #192]",
    "ldp q14, q15, [x1, #224]",
    "ldp q16, q17, [x1, #256]",
    "ldp q18, q19, [x1, #288]",
    "ldp q20, q21, [x1, #320]",
    "ldp q22, q23, [x1, #352]",
    "ldp q24, q25, [x1, #384]",
    "ldp q26, q27, [x1, #416]",
    "ldp q28, q29, [x1, #448]",
    "ldp q30, q31, [x1, #480]",
    "ldp x2, x3, [x0, #16]",
    "ldp x4, x5, [x0, #32]",
    "ldp x6, x7, [x0, #48]",
    "ldp x8, x9, [x0, #64]",
    "ldp x10, x11, [x0, #80]",
    "ldp x12, x13, [x0, #96]",
    "ldp x14, x15, [x0, #112]",
    "ldp x16, x17, [x0, #128]",
    "ldp x18, x19, [x0, #144]",
    "ldp x20, x21, [x0, #160]",
    "ldp x22, x23, [x0, #176]",
    "ldp x24, x25, [x0, #192]",
    "ldp x26, x27, [x0, #208]",
    "ldp x28, x29, [x0, #224]",
    "ldr x30, [x0, #240]",
    "ldp x0, x1, [x0]",
    "eret",
    // Nothing is executed behind it, not even speculatively.
    "dsb nsh",
    "isb",
    // The guest's x0 and x1 are on the stack, x0 says what came.
    "leave_guest:",
    "mrs x1, tpidr_el2",
    "stp x2, x3, [x1, #16]",
    "stp x4, x5, [x1, #32]",
    "stp x6, x7, [x1, #48]",
    "stp x8, x9, [x1, #64]",
    "stp x10, x11, [x1, #80]",
    "stp x12, x13, [x1, #96]",
    "stp x14, x15, [x1, #112]",
    "stp x16, x17, [x1, #128]",
    "stp x18, x19, [x1, #144]",
    "stp x20, x21, [x1, #160]",
    "stp x22, x23, [x1, #176]",
    "stp x24, x25, [x1, #192]",
    "stp x26, x27, [x1, #208]",
    "stp x28, x29, [x1, #224]",
    "str x30, [x1, #240]",
    "ldp x2, x3, [sp], #16",
    "stp x2, x3, [x1]",
    "mrs x2, elr_el2",
    "mrs x3, spsr_el2",
    "stp x2, x3, [x1, #248]",
    "mrs x2, fpsr",
    "mrs x3, fpcr",
    "str x2, [x1, #784]",
    "str x3, [x1, #792]",
    "msr fpcr, xzr",
    "add x1, x1, #272",
    "stp q0, q1, [x1, #0]",
    "stp q2, q3, [x1, #32]",
    "stp q4, q5, [x1, #64]",
    "stp q6, q7, [x1, #96]",
    "stp q8, q9, [x1, #128]",
    "stp q10, q11, [x1, #160]",
    "stp q12, q13, [x1, #192]",
    "stp q14, q15, [x1, #224]",
    "stp q16, q17, [x1, #256]",
    "stp q18, q19, [x1, #288]",
    "stp q20, q21, [x1, #320]",
    "stp q22, q23, [x1, #352]",
    "stp q24, q25, [x1, #384]",
    "stp q26, q27, [x1, #416]",
    "stp q28, q29, [x1, #448]",
    "stp q30, q31, [x1, #480]",
    "ldp x19, x20, [sp, #0]",
    "ldp x21, x22, [sp, #16]",
    "ldp x23, x24, [sp, #32]",
    "ldp x25, x26, [sp, #48]",
    "ldp x27, x28, [sp, #64]",
    "ldp x29, x30, [sp, #80]",
    "ldp d8, d9, [sp, #96]",
    "ldp d10, d11, [sp, #112]",
    "ldp d12, d13, [sp, #128]",
    "ldp d14, d15, [sp, #144]",
    "add sp, sp, #160",
    "ret",
);

// Four groups of four: synchronous, IRQ, FIQ, SError. The first two groups are this exception level's own,
// and mistakes; the third is a guest in AArch64 state; the fourth is AArch32 state, which no guest has.
global_asm!(
    ".section .text.vectors, \"ax\"",
    ".balign 2048",
    ".globl hypervisor_vectors",
    "hypervisor_vectors:",
    ".rept 8",
    "bl {mistake}",
    ".balign 128",
    ".endr",
    ".irp what, 0, 1, 2, 2",
    "stp x0, x1, [sp, #-16]!",
    "mov x0, #\\what",
    "b leave_guest",
    ".balign 128",
    ".endr",
    ".rept 4",
    "bl {mistake}",
    ".balign 128",
    ".endr",
    mistake = sym mistake,
);

/// An exception of this program itself.
#[expect(clippy::panic, reason = "there is nothing to return to")]
extern "C" fn mistake() -> ! {
    let (elr, esr, far) = (read!("elr_el2"), read!("esr_el2"), read!("far_el2"));
    defmt::error!("exception at EL2: ELR {=u64:#x}, ESR {=u64:#x}, FAR {=u64:#x}", elr, esr, far);
    panic!()
}
