//! From reset to Rust, on both cores: page tables, MMU, stack, vectors.
//!
//! The first core begins at `_start`, the second, when the first asks the machine for it, at
//! `start_second_core`; both at EL2 with the MMU off. Nothing is written to memory before MMU and caches
//! are on.
#![expect(unsafe_code, reason = "the entry points are assembly")]

use core::arch::global_asm;

/// Bytes of stack for a core; the linker script makes room for two.
const STACK: usize = 0x8000;

// The address space is the physical one: 1 GiB of devices, then RAM, in which the guests' memory is as
// well, for the debugger reads and writes it. The tables are constants of the image.
global_asm!(
    ".section .rodata.page_tables, \"a\"",
    ".balign 4096",
    "level1:",
    ".quad {device}",
    ".quad level2 + {table}",
    ".zero 510 * 8",
    "level2:",
    ".quad 0x40000000 + {data}",
    ".quad 0x40200000 + {code}",
    ".set address, 0x40400000",
    ".rept 62",
    ".quad address + {data}",
    ".set address, address + 0x200000",
    ".endr",
    ".zero 448 * 8",
    device = const BLOCK | EXECUTE_NEVER,
    table = const 0b11_u64,
    code = const BLOCK | NORMAL | READ_ONLY,
    data = const BLOCK | NORMAL | EXECUTE_NEVER,
);

// Bits of descriptors (DDI 0487, "VMSAv8-64 translation table format descriptors"), of a regime with one
// exception level: AP[1], bit 6, is RES1.
const BLOCK: u64 = 0b01 | 1 << 6 | 1 << 10;
const NORMAL: u64 = 1 << 2 | 0b11 << 8;
const READ_ONLY: u64 = 1 << 7;
const EXECUTE_NEVER: u64 = 1 << 54;

/// `MAIR_EL2`: attribute 0 is Device-nGnRE, attribute 1 Normal write-back.
const MAIR: u64 = 0xff04;
/// `TCR_EL2`: 32 bits of virtual and of physical address, 4 KiB granule, write-back inner-shareable walks;
/// bits 23 and 31 are RES1.
const TCR: u64 = 32 | 0b01 << 8 | 0b01 << 10 | 0b11 << 12 | 1 << 23 | 1 << 31;
/// `SCTLR_EL2`: MMU (M), data cache (C), stack alignment check (SA), instruction cache (I), and what is RES1.
const SCTLR: u64 = 0x30c5_0830 | 1 | 1 << 2 | 1 << 3 | 1 << 12;

global_asm!(
    ".section .text.boot, \"ax\"",
    ".globl _start",
    "_start:",
    "mov x19, #0",
    "bl translate",
    "adrp x0, bss_start",
    "add x0, x0, :lo12:bss_start",
    "adrp x1, bss_end",
    "add x1, x1, :lo12:bss_end",
    "1:",
    "cmp x0, x1",
    "b.hs 2f",
    "stp xzr, xzr, [x0], #16",
    "b 1b",
    ".globl start_second_core",
    "start_second_core:",
    "mov x19, #1",
    "bl translate",
    "2:",
    "add x1, x19, #1",
    "mov x2, #{stack}",
    "adrp x0, stacks_start",
    "add x0, x0, :lo12:stacks_start",
    "madd x0, x1, x2, x0",
    "mov sp, x0",
    "adrp x0, hypervisor_vectors",
    "add x0, x0, :lo12:hypervisor_vectors",
    "msr vbar_el2, x0",
    // CPTR_EL2: FP and SIMD are for use, by the guests and here.
    "mov x0, #0x33ff",
    "msr cptr_el2, x0",
    "isb",
    "mov x0, x19",
    "mov x29, xzr",
    "mov x30, xzr",
    "b {main}",
    // EL2 gets its own translation tables and turns the MMU on. Changes x0 alone.
    "translate:",
    "msr daifset, #0xf",
    "msr spsel, #1",
    "ldr x0, ={mair}",
    "msr mair_el2, x0",
    "ldr x0, ={tcr}",
    "msr tcr_el2, x0",
    "adrp x0, level1",
    "msr ttbr0_el2, x0",
    "isb",
    "tlbi alle2",
    "ic iallu",
    "dsb nsh",
    "isb",
    "ldr x0, ={sctlr}",
    "msr sctlr_el2, x0",
    "isb",
    "ret",
    ".ltorg",
    stack = const STACK,
    mair = const MAIR,
    tcr = const TCR,
    sctlr = const SCTLR,
    main = sym crate::guest::hypervisor_main,
);

unsafe extern "C" {
    /// Where the second core begins.
    pub(crate) fn start_second_core() -> !;
}
