//! The program.
#![expect(
    unsafe_code,
    reason = "statics that a debugger watches are plain ones, accessed by volatile reads and writes; vectors and names \
              are placed for the hardware and the debugger"
)]

use core::arch::asm;
use core::panic::PanicInfo;
use core::ptr::{read_volatile, write_volatile};

/// The timer's period register.
const TIMER: *mut u32 = 0x4000_0000 as *mut u32;
/// Instructions between two of its interrupts.
const PERIOD: u32 = 200;

/// Counts rounds.
#[unsafe(no_mangle)]
static mut ROUNDS: u32 = 0;
/// The low byte of the count goes to the sixth of these.
#[unsafe(no_mangle)]
static mut BYTES: [u8; 8] = [0; 8];
/// Is read each round, and never written.
#[unsafe(no_mangle)]
static mut ONLY_READ: u16 = 0;
/// Counts interrupts.
#[unsafe(no_mangle)]
static mut TICKS: u32 = 0;
/// Counts rounds as well, by exclusive loads and stores.
#[unsafe(no_mangle)]
static mut EXCLUSIVE: u32 = 0;
/// A debugger that writes something else than 0 there makes the program fault.
#[unsafe(no_mangle)]
static mut FAULT: u32 = 0;

/// What the hardware begins with: the stack, then the first instructions of handlers.
#[repr(C)]
struct Vectors {
    stack: usize,
    reset: extern "C" fn() -> !,
    exceptions: [extern "C" fn(); 14],
    timer: extern "C" fn(),
}

#[unsafe(link_section = ".vectors")]
#[used]
static VECTORS: Vectors = Vectors { stack: 0x2001_0000, reset, exceptions: [unexpected; 14], timer: tick };

/// Where the hardware begins.
#[unsafe(no_mangle)]
extern "C" fn reset() -> ! {
    write(&raw mut ROUNDS, 0);
    write(&raw mut TICKS, 0);
    write(&raw mut FAULT, 0);
    write(&raw mut EXCLUSIVE, 0);
    write(TIMER, PERIOD);
    loop {
        one_round();
    }
}

/// A round.
#[unsafe(no_mangle)]
#[inline(never)]
fn one_round() {
    let count = next(read(&raw const ROUNDS));
    write(&raw mut ROUNDS, count);
    write((&raw mut BYTES).cast::<u8>().wrapping_add(5), count as u8);
    read(&raw const ONLY_READ);
    bump();
    if read(&raw const FAULT) != 0 {
        fault();
    }
}

/// What comes after a number.
#[unsafe(no_mangle)]
#[inline(never)]
fn next(number: u32) -> u32 {
    number.wrapping_add(1)
}

/// Adds by an exclusive load and store. What a compiler makes of an atomic addition without optimisation has an
/// encoding in it that is UNPREDICTABLE.
#[unsafe(no_mangle)]
#[inline(never)]
fn bump() {
    let place = &raw mut EXCLUSIVE;
    // SAFETY: the place is a static's, which lives for ever and is aligned; nobody else writes it.
    unsafe {
        asm!(
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

/// An instruction that is none, and nobody to handle that.
#[unsafe(no_mangle)]
#[inline(never)]
fn fault() {
    // SAFETY: it ends the program, as it is there to do.
    unsafe { asm!("udf #1") }
}

/// The timer's handler.
#[unsafe(no_mangle)]
extern "C" fn tick() {
    write(&raw mut TICKS, read(&raw const TICKS).wrapping_add(1));
}

extern "C" fn unexpected() {
    loop {
        core::hint::spin_loop();
    }
}

fn read<T: Copy>(place: *const T) -> T {
    // SAFETY: every caller's place is one of the statics above, which live for ever and are aligned.
    unsafe { read_volatile(place) }
}

fn write<T>(place: *mut T, value: T) {
    // SAFETY: as in `read`, or the timer's register, which takes any word.
    unsafe { write_volatile(place, value) }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}
