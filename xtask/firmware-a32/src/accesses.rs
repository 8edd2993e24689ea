//! Accesses to watch: plain ones by the compiler, and instructions that access several registers' worth, on a condition, or
//! exclusively, by hand. The instructions have names of their own. Nothing is optimised here: each assignment is one store.
#![expect(unsafe_code, reason = "statics that a debugger watches, and instructions that access them")]
#![expect(
    clippy::multiple_unsafe_ops_per_block,
    reason = "one proof holds for all of a block: nobody but the main loop and a debugger touches these statics"
)]

use core::arch::global_asm;

#[unsafe(no_mangle)]
pub(crate) static mut WATCHED_U8: u8 = 0;
#[unsafe(no_mangle)]
pub(crate) static mut WATCHED_U16: u16 = 0;
#[unsafe(no_mangle)]
pub(crate) static mut WATCHED_U32: u32 = 0;
#[unsafe(no_mangle)]
pub(crate) static mut WATCHED_U64: u64 = 0;
/// Is read each round, and never written.
#[unsafe(no_mangle)]
pub(crate) static mut ONLY_READ: u32 = 77;
/// Is counted up by exclusives.
#[unsafe(no_mangle)]
pub(crate) static mut EXCLUSIVE: u32 = 0;

/// What the instructions by hand access, aligned so that offsets say where in a doubleword they are.
#[repr(C, align(64))]
pub(crate) struct Block([u32; 32]);

#[unsafe(no_mangle)]
pub(crate) static mut BLOCK: Block = Block([0; 32]);

unsafe extern "C" {
    /// Accesses [`BLOCK`] by A32 instructions.
    fn block_a32(block: *mut Block);
    /// The same by T32 instructions.
    fn block_t32(block: *mut Block);
}

/// Runs all of this file.
#[instruction_set(arm::a32)]
pub(crate) fn run() {
    write_a32(0xa1a1_a1a1_a1a1_a1a1);
    write_t32(0xb1b1_b1b1_b1b1_b1b1);
    read_a32();
    read_t32();
    count_exclusively();
    // SAFETY: both access the block alone, at most 0x80 bytes from its address on, and keep what the call's convention
    // says.
    unsafe {
        block_a32(&raw mut BLOCK);
        block_t32(&raw mut BLOCK);
    }
}

#[unsafe(no_mangle)]
#[inline(never)]
#[instruction_set(arm::a32)]
fn write_a32(value: u64) {
    // SAFETY: only the main loop writes them.
    unsafe {
        WATCHED_U8 = value as u8;
        WATCHED_U16 = value as u16;
        WATCHED_U32 = value as u32;
        WATCHED_U64 = value;
    }
}

#[unsafe(no_mangle)]
#[inline(never)]
#[instruction_set(arm::t32)]
fn write_t32(value: u64) {
    // SAFETY: as above.
    unsafe {
        WATCHED_U8 = value as u8;
        WATCHED_U16 = value as u16;
        WATCHED_U32 = value as u32;
        WATCHED_U64 = value;
    }
}

#[unsafe(no_mangle)]
#[inline(never)]
#[instruction_set(arm::a32)]
fn read_a32() -> u32 {
    // SAFETY: nobody writes it.
    unsafe { ONLY_READ }
}

#[unsafe(no_mangle)]
#[inline(never)]
#[instruction_set(arm::t32)]
fn read_t32() -> u32 {
    // SAFETY: nobody writes it.
    unsafe { ONLY_READ }
}

#[unsafe(no_mangle)]
#[inline(never)]
#[instruction_set(arm::a32)]
fn count_exclusively() {
    let place = &raw mut EXCLUSIVE;
    // SAFETY: only the main loop writes it.
    unsafe {
        core::arch::asm!(
            "2:",
            "ldrex {value}, [{place}]",
            "add {value}, {value}, #1",
            "strex {failed}, {value}, [{place}]",
            "cmp {failed}, #0",
            "bne 2b",
            place = in(reg) place,
            value = out(reg) _,
            failed = out(reg) _,
        );
    }
}

/// A function of named instructions that keeps what it uses.
macro_rules! block {
    ($name:literal, $set:literal, $($line:literal),* $(,)?) => {
        global_asm!(
            concat!(".pushsection .text.", $name, ", \"ax\""),
            ".fpu neon",
            $set,
            concat!(".global ", $name),
            concat!(".type ", $name, ", %function"),
            concat!($name, ":"),
            "push {{r4-r9, lr}}",
            "mov r2, #2",
            "mov r3, #3",
            "mov r4, #4",
            "mov r5, #5",
            "mov r6, #0x10",
            "mov r8, #8",
            "mov r9, #9",
            $($line,)*
            "pop {{r4-r9, pc}}",
            concat!(".size ", $name, ", . - ", $name),
            ".popsection",
        );
    };
}

// Labels that a session names begin with the instruction set, so that both functions have all of them.
block!(
    "block_a32",
    ".arm",
    ".global a32_stm",
    "a32_stm: stmib r0, {{r2-r5}}", // 0x04 to 0x13
    ".global a32_stmdb",
    "add r1, r0, #0x20",
    "a32_stmdb: stmdb r1!, {{r2, r3, r5}}", // 0x14 to 0x1f
    ".global a32_strd",
    "a32_strd: strd r4, r5, [r0, r6]", // 0x10 to 0x17
    ".global a32_post",
    "add r1, r0, #0x30",
    "a32_post: strh r3, [r1], #-2", // 0x30, 0x31
    ".global a32_scaled",
    "a32_scaled: str r3, [r0, r2, lsl #4]", // 0x20 to 0x23
    ".global a32_negative",
    "add r1, r0, #0x20",
    "a32_negative: ldr r7, [r1, -r6, lsr #1]", // 0x18 to 0x1b
    "cmp r2, #2",
    ".global a32_ne",
    "a32_ne: strne r3, [r0, #0x40]", // nothing: the condition fails
    ".global a32_eq",
    "a32_eq: streq r3, [r0, #0x44]", // 0x44 to 0x47
    ".global a32_vstm",
    "add r1, r0, #0x40",
    "a32_vstm: vstmia r1!, {{d16-d18}}", // 0x40 to 0x57
    ".global a32_vst1",
    "add r1, r0, #0x60",
    "a32_vst1: vst1.32 {{d16, d17}}, [r1]", // 0x60 to 0x6f
    ".global a32_ldm",
    "a32_ldm: ldm r0, {{r2-r5}}", // 0x00 to 0x0f
    ".global a32_ldrexd",
    "a32_ldrexd: ldrexd r4, r5, [r0]", // 0x00 to 0x07
    "clrex",
);

block!(
    "block_t32",
    ".thumb\n.thumb_func",
    ".global t32_stm",
    "add r1, r0, #4",
    "t32_stm: stm r1!, {{r2-r5}}", // 0x04 to 0x13
    ".global t32_push",
    "mov r7, sp",
    "add r1, r0, #0x20",
    "mov sp, r1",
    "t32_push: push {{r2, r3, r5}}", // 0x14 to 0x1f
    "mov sp, r7",
    ".global t32_strd",
    "t32_strd: strd r4, r5, [r0, #0x10]", // 0x10 to 0x17
    ".global t32_strh",
    "t32_strh: strh r3, [r0, #0x30]", // 0x30, 0x31
    ".global t32_scaled",
    "t32_scaled: str.w r3, [r0, r6, lsl #1]", // 0x20 to 0x23
    ".global t32_negative",
    "add r1, r0, #0x20",
    "t32_negative: ldr r7, [r1, #-8]", // 0x18 to 0x1b
    "cmp r2, #2",
    "itte ne",
    ".global t32_ne",
    "t32_ne: strne r3, [r0, #0x40]", // nothing: the condition fails
    "movne r7, #1",
    ".global t32_eq",
    "t32_eq: streq r3, [r0, #0x44]", // 0x44 to 0x47
    ".global t32_vpush",
    "add r1, r0, #0x58",
    "t32_vpush: vstmdb r1!, {{d16-d18}}", // 0x40 to 0x57
    ".global t32_vst2",
    "add r1, r0, #0x60",
    "t32_vst2: vst2.8 {{d16, d17}}, [r1]", // 0x60 to 0x6f
    ".global t32_ldm",
    "t32_ldm: ldm r0, {{r2-r5}}", // 0x00 to 0x0f
    "mov r1, #2",
    "add r3, r0, #0x70",
    ".global t32_ldrsb",
    "t32_ldrsb: ldrsb r7, [r3, r1]", // 0x72
);
