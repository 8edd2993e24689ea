//! A place where nearly every register has a known value, and where a changed one is noticed.
#![expect(unsafe_code, reason = "registers, and statics that a debugger looks at")]

use core::arch::asm;

/// What x0 to x28 hold at `known_registers_here`, but for x19, which the compiler keeps to itself.
#[unsafe(no_mangle)]
pub(crate) static KNOWN_X: [u64; 30] = {
    let mut values = [0; 30];
    let mut n = 0;
    while n < 30 {
        values[n] = 0x0123_4567_89ab_cd00 + n as u64;
        n += 1;
    }
    values
};

/// What v0, v1 and v31 hold there: sixteen bytes that count, two doubles, four words.
#[unsafe(no_mangle)]
pub(crate) static KNOWN_V: [Vector; 3] = [
    Vector(0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908),
    Vector(1.5_f64.to_bits(), (-2.25_f64).to_bits()),
    Vector(0x2222_2222_1111_1111, 0x4444_4444_3333_3333),
];

/// A vector register: low half, high half.
#[repr(C, align(16))]
pub(crate) struct Vector(pub(crate) u64, pub(crate) u64);

/// What the firmware found in registers after `known_registers_here`.
#[unsafe(no_mangle)]
pub(crate) static mut SEEN: Seen = Seen { x20: 0, sp: 0, v31: Vector(0, 0) };

/// Registers after `known_registers_here`.
#[repr(C)]
pub(crate) struct Seen {
    /// x20.
    pub(crate) x20: u64,
    /// The stack pointer.
    pub(crate) sp: u64,
    /// v31.
    pub(crate) v31: Vector,
}

/// Loads the known values, passes `known_registers_here`, and keeps what is in some of them then. The flags
/// there are Z and C.
#[unsafe(no_mangle)]
#[inline(never)]
#[expect(named_asm_labels, reason = "a name to break on; the function is never inlined")]
pub(crate) extern "C" fn known_registers() {
    // SAFETY: loads from the tables above, stores to SEEN, which only the main loop touches. The compiler
    // keeps nothing in the registers named.
    unsafe {
        asm!(
            "adrp x0, {v}",
            "add x0, x0, :lo12:{v}",
            "ldr q0, [x0]",
            "ldr q1, [x0, #16]",
            "ldr q31, [x0, #32]",
            "adrp x0, {x}",
            "add x0, x0, :lo12:{x}",
            "ldp x2, x3, [x0, #16]",
            "ldp x4, x5, [x0, #32]",
            "ldp x6, x7, [x0, #48]",
            "ldp x8, x9, [x0, #64]",
            "ldp x10, x11, [x0, #80]",
            "ldp x12, x13, [x0, #96]",
            "ldp x14, x15, [x0, #112]",
            "ldp x16, x17, [x0, #128]",
            "ldr x18, [x0, #144]",
            "ldp x20, x21, [x0, #160]",
            "ldp x22, x23, [x0, #176]",
            "ldp x24, x25, [x0, #192]",
            "ldp x26, x27, [x0, #208]",
            "ldr x28, [x0, #224]",
            "ldp x0, x1, [x0]",
            "cmp x0, x0",
            ".globl known_registers_here",
            "known_registers_here:",
            "nop",
            "adrp x0, {seen}",
            "add x0, x0, :lo12:{seen}",
            "mov x1, sp",
            "stp x20, x1, [x0]",
            "str q31, [x0, #16]",
            x = sym KNOWN_X,
            v = sym KNOWN_V,
            seen = sym SEEN,
            out("x0") _, out("x1") _, out("x2") _, out("x3") _, out("x4") _, out("x5") _, out("x6") _,
            out("x7") _, out("x8") _, out("x9") _, out("x10") _, out("x11") _, out("x12") _, out("x13") _,
            out("x14") _, out("x15") _, out("x16") _, out("x17") _, out("x18") _, out("x20") _,
            out("x21") _, out("x22") _, out("x23") _, out("x24") _, out("x25") _, out("x26") _,
            out("x27") _, out("x28") _, out("v0") _, out("v1") _, out("v31") _,
            options(nostack)
        );
    }
}
