//! The main loop: every round does the same things in the same order.
#![expect(unsafe_code, reason = "statics that a debugger looks at and changes")]

use crate::uart::Uart;
use crate::{
    accesses, alias, boot, calls, copy, exceptions, exclusive, gic, known, own_brk, own_debug, packed, psci,
    ring, timer,
};

/// Rounds between two lines on the serial line.
const REPORT_EVERY: u64 = 100;

/// Rounds done.
#[unsafe(no_mangle)]
pub(crate) static mut ROUNDS: u64 = 0;
/// Set by a debugger to have the machine switched off at the end of the round.
#[unsafe(no_mangle)]
pub(crate) static mut SHUTDOWN_REQUESTED: u64 = 0;
/// One bit for each [`Check`] that failed since boot.
#[unsafe(no_mangle)]
pub(crate) static mut FAILED_CHECKS: u64 = 0;

/// What the firmware checks of itself, by bit number in [`FAILED_CHECKS`].
#[derive(Clone, Copy)]
pub(crate) enum Check {
    /// The ring buffer adds up to the sum that the tick kept.
    RingSum,
    /// Interrupts were on before they were masked.
    InterruptsWereOn,
    /// The copy equals its source.
    Copy,
    /// The counter went up by one.
    Exclusive,
    /// Code ran in the high half and gave the right answer.
    Alias,
}

/// Notes a check that failed.
pub(crate) fn check(what: Check, good: bool) {
    if !good {
        // SAFETY: only the main loop touches it.
        unsafe { FAILED_CHECKS |= 1 << what as u32 };
    }
}

/// Called by the entry point.
#[unsafe(no_mangle)]
extern "C" fn firmware_main() -> ! {
    Uart.text("trapline firmware: entered at EL").decimal(boot::entered_at());
    Uart.text(", alias at ").hexadecimal((alias::ALIAS_OFFSET + 0x4000_0000) as u64).text("\n");
    own_debug::asked(boot::entered_with());
    gic::enable(timer::INTERRUPT);
    timer::start();
    exceptions::unmask_all();
    let ticking = timer::first_tick_comes();
    if ticking {
        Uart.text("ticking at ").decimal(timer::HERTZ).text(" Hz\n");
    } else {
        Uart.text("no tick came: rounds do not wait for one\n");
    }
    loop {
        one_round();
        // SAFETY: only the main loop touches it.
        let rounds = unsafe { ROUNDS };
        if rounds % REPORT_EVERY == 0 {
            report(rounds);
        }
        // SAFETY: a debugger alone writes it, while this core stands still.
        if unsafe { SHUTDOWN_REQUESTED } != 0 {
            Uart.text("power off\n");
            psci::system_off(boot::entered_at() == 2);
        }
        if ticking {
            timer::wait_for_tick();
        }
    }
}

/// One round. Takes nothing and returns nothing: it looks the same every time.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn one_round() {
    accesses::write_first();
    accesses::write_second();
    accesses::read_watched();
    accesses::write_neighbours();
    packed::update_packed();
    copy::copy_bytes();
    exclusive::count_exclusively();
    own_brk::own_brk();
    own_debug::own_debug();
    known::known_registers();
    calls::run();
    alias::call_through_alias();
    ring::checksum_ring();
    // SAFETY: only the main loop touches it.
    unsafe { ROUNDS += 1 };
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn report(rounds: u64) {
    Uart.text("round ").decimal(rounds).text(": ").decimal(timer::ticks()).text(" ticks, own BRK ");
    Uart.text(own_brk::verdict().text());
    if let Some(verdict) = own_debug::verdict() {
        Uart.text(", own debug ").text(verdict.text());
    }
    // SAFETY: only the main loop touches it.
    let failed = unsafe { FAILED_CHECKS };
    if failed == 0 {
        Uart.text(", all checks good\n");
    } else {
        Uart.text(", failed checks ").hexadecimal(failed).text("\n");
    }
}
