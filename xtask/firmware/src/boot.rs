//! From reset to the first line of Rust: EL2 to EL1, page tables, MMU, stack.
//!
//! Nothing is written to memory before the MMU and the caches are on, and the page tables are constants of
//! the image: what a loader wrote through its own caches is seen as it is, without cache maintenance.
#![expect(unsafe_code, reason = "the entry point is assembly and leaves a note")]

use core::arch::global_asm;

// The virtual address space, 4 KiB granule:
//
// | TTBR0, 39 bits, from level 1 | TTBR1, 48 bits, from level 0 | what |
// |---|---|---|
// | 0x0000_0000 + 1 GiB  | 0xffff_8000_0000_0000 + 1 GiB | devices |
// | 0x4000_0000 + 2 MiB  | 0xffff_8000_4000_0000 + 2 MiB | code and constants: read-only, executable |
// | 0x4020_0000 + 2 MiB  | 0xffff_8000_4020_0000 + 2 MiB | data, stack: writable, not executable |
//
// Both halves share the tables from level 1 on.
global_asm!(
    ".section .page_tables, \"a\"",
    ".balign 4096",
    "level0_high:",
    ".zero 256 * 8",
    ".quad level1 + {table}",
    ".zero 255 * 8",
    "level1:",
    ".quad {device}",
    ".quad level2 + {table}",
    ".zero 510 * 8",
    "level2:",
    ".quad 0x40000000 + {code}",
    ".quad 0x40200000 + {data}",
    ".zero 510 * 8",
    table = const TABLE,
    device = const DEVICE,
    code = const CODE,
    data = const DATA,
);

// Bits of translation table descriptors (DDI 0487, "VMSAv8-64 translation table format descriptors").
const TABLE: u64 = 0b11;
const BLOCK: u64 = 0b01;
const NORMAL_MEMORY: u64 = 1 << 2; // AttrIndx: MAIR_EL1's attribute 1
const READ_ONLY: u64 = 1 << 7; // AP[2]
const INNER_SHAREABLE: u64 = 0b11 << 8;
const ACCESSED: u64 = 1 << 10;
const NOT_AT_EL1: u64 = 1 << 53; // PXN
const NOT_AT_EL0: u64 = 1 << 54; // UXN
const DEVICE: u64 = BLOCK | ACCESSED | NOT_AT_EL1 | NOT_AT_EL0;
const CODE: u64 = BLOCK | ACCESSED | INNER_SHAREABLE | NORMAL_MEMORY | READ_ONLY | NOT_AT_EL0;
const DATA: u64 = BLOCK | ACCESSED | INNER_SHAREABLE | NORMAL_MEMORY | NOT_AT_EL1 | NOT_AT_EL0;

/// `MAIR_EL1`: attribute 0 is Device-nGnRE, attribute 1 Normal write-back.
const MAIR: u64 = 0xff04;
/// `TCR_EL1`: 4 KiB granules, write-back inner-shareable walks, 39 bits low, 48 bits high, 32-bit
/// physical addresses.
const TCR: u64 = 25
    | (0b01 << 8)
    | (0b01 << 10)
    | (0b11 << 12)
    | (16 << 16)
    | (0b01 << 24)
    | (0b01 << 26)
    | (0b11 << 28)
    | (0b10 << 30);
/// `SCTLR_EL1` with the MMU off: what is RES1 in Armv8.0.
const SCTLR_OFF: u64 = 0x30d0_0800;
/// `SCTLR_EL1` with MMU (M), data cache (C), stack alignment check (SA) and instruction cache (I) on;
/// unaligned accesses stay legal (A is 0).
const SCTLR_ON: u64 = SCTLR_OFF | 1 | (1 << 2) | (1 << 3) | (1 << 12);

global_asm!(
    ".section .text.boot, \"ax\"",
    ".globl _start",
    ".type _start, %function",
    "_start:",
    ".cfi_startproc",
    // The outermost frame: nobody called.
    ".cfi_undefined x30",
    "msr daifset, #0xf",
    "mov x21, x0",
    // One core runs the demonstration, any other one sleeps.
    "mrs x0, mpidr_el1",
    "mov x1, #0xffffff",
    "movk x1, #0xff, lsl #32",
    "tst x0, x1",
    "b.ne 9f",
    "mrs x20, CurrentEL",
    "cmp x20, #(2 << 2)",
    "b.ne 1f",
    // EL2: nothing of EL1 is trapped, EL1 is AArch64, its counters are the physical ones.
    "mov x0, #(1 << 31)",
    "msr hcr_el2, x0",
    "mov x0, #0x33ff",
    "msr cptr_el2, x0",
    "msr hstr_el2, xzr",
    "mov x0, #3",
    "msr cnthctl_el2, x0",
    "msr cntvoff_el2, xzr",
    "mrs x0, midr_el1",
    "msr vpidr_el2, x0",
    "mrs x0, mpidr_el1",
    "msr vmpidr_el2, x0",
    // ICC_SRE_EL2: the GIC's system registers, where ID_AA64PFR0_EL1.GIC says that there are any.
    "mrs x0, id_aa64pfr0_el1",
    "ubfx x0, x0, #24, #4",
    "cbz x0, 2f",
    "mrs x0, S3_4_C12_C9_5",
    "orr x0, x0, #1",
    "orr x0, x0, #8",
    "msr S3_4_C12_C9_5, x0",
    "isb",
    "2:",
    "ldr x0, ={sctlr_off}",
    "msr sctlr_el1, x0",
    "mov x0, #0x3c5", // EL1h, all masked
    "msr spsr_el2, x0",
    "adr x0, 1f",
    "msr elr_el2, x0",
    "eret",
    "1:",
    "msr spsel, #1",
    "mov x0, #(3 << 20)", // CPACR_EL1.FPEN: FP and SIMD are for use
    "msr cpacr_el1, x0",
    "adrp x0, exception_vectors",
    "add x0, x0, :lo12:exception_vectors",
    "msr vbar_el1, x0",
    "ldr x0, ={mair}",
    "msr mair_el1, x0",
    "ldr x0, ={tcr}",
    "msr tcr_el1, x0",
    "adrp x0, level1",
    "msr ttbr0_el1, x0",
    "adrp x0, level0_high",
    "msr ttbr1_el1, x0",
    "isb",
    "tlbi vmalle1",
    "ic iallu",
    "dsb nsh",
    "isb",
    "ldr x0, ={sctlr_on}",
    "msr sctlr_el1, x0",
    "isb",
    "msr fpcr, xzr",
    "msr fpsr, xzr",
    "adrp x0, stack_top",
    "add x0, x0, :lo12:stack_top",
    "mov sp, x0",
    "adrp x0, bss_start",
    "add x0, x0, :lo12:bss_start",
    "adrp x1, bss_end",
    "add x1, x1, :lo12:bss_end",
    "3:",
    "cmp x0, x1",
    "b.hs 4f",
    "stp xzr, xzr, [x0], #16",
    "b 3b",
    "4:",
    "lsr x20, x20, #2",
    "adrp x0, {entered_at}",
    "str x20, [x0, :lo12:{entered_at}]",
    "adrp x0, {entered_with}",
    "str x21, [x0, :lo12:{entered_with}]",
    "mov x29, xzr",
    "mov x30, xzr",
    "bl firmware_main",
    "9:",
    "wfi",
    "b 9b",
    ".cfi_endproc",
    ".ltorg",
    ".size _start, . - _start",
    sctlr_off = const SCTLR_OFF,
    sctlr_on = const SCTLR_ON,
    mair = const MAIR,
    tcr = const TCR,
    entered_at = sym ENTERED_AT,
    entered_with = sym ENTERED_WITH,
);

/// The exception level that the machine started at. A static, not an argument: backtraces look the same
/// whatever it was.
#[unsafe(no_mangle)]
static mut ENTERED_AT: u64 = 0;

/// The exception level that the machine started at.
pub(crate) fn entered_at() -> u64 {
    // SAFETY: written once, by the entry point.
    unsafe { ENTERED_AT }
}

/// What x0 held then.
#[unsafe(no_mangle)]
static mut ENTERED_WITH: u64 = 0;

/// What x0 held when the machine started.
pub(crate) fn entered_with() -> u64 {
    // SAFETY: as in `entered_at`.
    unsafe { ENTERED_WITH }
}
