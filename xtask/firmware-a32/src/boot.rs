//! From the first instruction to the main loop: stacks, vectors, floating point, translation tables; and the second core.
#![expect(unsafe_code, reason = "first instructions, a call of the hypervisor, the hardware's table")]

use core::arch::{asm, global_asm};
use core::ptr::write_volatile;

/// Starts a core (DEN 0022, "CPU_ON"), by its 32-bit function.
const CPU_ON: u32 = 0x8400_0003;

// A section's descriptor (DDI 0487, "VMSAv8-32 Short-descriptor translation table format descriptors").
const SECTION: u32 = 0b10;
const EXECUTE_NEVER: u32 = 1 << 4;
/// AP[2:0] 0b001: software at PL1 alone reads and writes.
const PRIVILEGED: u32 = 1 << 10;
/// AP[2] as well: it reads only.
const READ_ONLY: u32 = 1 << 15;
/// TEX 0b001, C and B: Normal memory, write-back and write-allocate; S.
const NORMAL: u32 = 1 << 12 | 0b11 << 2 | 1 << 16;
/// B: Device memory.
const DEVICE: u32 = 1 << 2;

/// RAM, and where it is mapped a second time.
const RAM: u32 = 0x4000_0000;
const ALIAS: u32 = 0xc000_0000;

global_asm!(
    ".pushsection .text.boot, \"ax\"",
    ".fpu neon",
    ".arm",
    ".global _start",
    ".type _start, %function",
    "_start:",
    // R2 is the device tree's address; Linux's boot protocol for 32-bit Arm.
    "mov r11, #0",
    "mov r4, r2",
    "cps #0x17",
    "ldr sp, =abort_stack",
    "cps #0x1b",
    "ldr sp, =undefined_stack",
    "cps #0x12",
    "ldr sp, =interrupt_stack",
    "cps #0x13",
    "ldr sp, =supervisor_stack",
    "ldr r0, =vectors",
    "mcr p15, 0, r0, c12, c0, 0", // VBAR
    "mrc p15, 0, r0, c1, c0, 2",  // CPACR: full access to CP10 and CP11
    "orr r0, r0, #0xf00000",
    "mcr p15, 0, r0, c1, c0, 2",
    "isb",
    "mov r0, #0x40000000",
    "vmsr fpexc, r0",
    "ldr r0, =translation_table",
    "bl fill_table",
    "ldr r0, =translation_table",
    "orr r0, r0, #0x6a", // TTBR0: walks are inner and outer write-back, shareable
    "mcr p15, 0, r0, c2, c0, 0",
    "mov r0, #0",
    "mcr p15, 0, r0, c2, c0, 2", // TTBCR: TTBR0 alone, short descriptors
    "mov r0, #1",
    "mcr p15, 0, r0, c3, c0, 0", // DACR: domain 0 is a client
    "dsb",
    "isb",
    "mrc p15, 0, r0, c1, c0, 0", // SCTLR
    "orr r0, r0, #0x1000",       // I
    "orr r0, r0, #0x5",          // C, M
    "mcr p15, 0, r0, c1, c0, 0",
    "isb",
    "mov r0, r4",
    "mov lr, #0",
    "b firmware_main",
    ".size _start, . - _start",
    ".global second_start",
    ".type second_start, %function",
    "second_start:",
    "mov r11, #0",
    "ldr sp, =second_stack",
    "mov lr, #0",
    "ldr r0, =second_main",
    "bx r0",
    ".size second_start, . - second_start",
    ".popsection",
);

unsafe extern "C" {
    fn second_start();
}

/// Fills the table of 4096 sections of 1 MiB at `table`.
#[unsafe(no_mangle)]
#[instruction_set(arm::a32)]
extern "C" fn fill_table(table: *mut u32) {
    let mut number = 0;
    while number < 0x1000 {
        let address = number << 20;
        let section = match address {
            RAM => address | PRIVILEGED | READ_ONLY | NORMAL | SECTION,
            0..RAM => address | PRIVILEGED | DEVICE | EXECUTE_NEVER | SECTION,
            ALIAS.. => (address - ALIAS + RAM) | PRIVILEGED | NORMAL | EXECUTE_NEVER | SECTION,
            _ => address | PRIVILEGED | NORMAL | SECTION,
        };
        // SAFETY: the linker script has 16 KiB for the table, which nobody else knows yet.
        unsafe { write_volatile(table.wrapping_add(number as usize), section) };
        number += 1;
    }
}

/// Has the second core begin, where there is one; whether it does.
#[instruction_set(arm::a32)]
pub(crate) fn start_second_core() -> bool {
    let (entry, mut answer) = (second_start as *const () as u32, CPU_ON);
    // SAFETY: SMC Calling Convention: r0 to r3 may be changed by the call. The core starts with code of its own.
    unsafe {
        asm!(
            ".arch_extension virt",
            "hvc #0",
            inout("r0") answer,
            inout("r1") 1 => _,
            inout("r2") entry => _,
            inout("r3") 0 => _,
            options(nostack),
        );
    }
    answer == 0
}
