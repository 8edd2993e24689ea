//! The virtual timer: the tick, and waiting for it.
#![expect(unsafe_code, reason = "timer registers, and statics that a debugger looks at")]

use core::arch::asm;

use crate::ring;

/// The virtual timer's private interrupt.
pub(crate) const INTERRUPT: u32 = 27;
/// Ticks each second.
pub(crate) const HERTZ: u64 = 100;

/// Ticks since boot. Written by [`timer_tick`] alone.
#[unsafe(no_mangle)]
pub(crate) static mut TICKS: u64 = 0;

/// Counter increments from one tick to the next.
static mut INTERVAL: u64 = 0;

/// Arms the timer for the first tick.
pub(crate) fn start() {
    let frequency: u64;
    // SAFETY: reading CNTFRQ_EL0 has no effect.
    unsafe { asm!("mrs {}, cntfrq_el0", out(reg) frequency, options(nomem, nostack, preserves_flags)) };
    // A machine that leaves CNTFRQ_EL0 at 0 gets a tick nevertheless.
    let frequency = if frequency == 0 { 1_000_000 } else { frequency };
    // SAFETY: written here alone, before the timer is on.
    unsafe { INTERVAL = frequency / HERTZ };
    arm();
}

/// The interrupt: counts, feeds the ring buffer, and arms the timer again. The next tick is one interval from
/// now, not from the last one: a machine that is slow, or was stopped, has no ticks to catch up on.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn timer_tick() {
    // SAFETY: the interrupt is the only writer, and does not nest.
    unsafe { TICKS += 1 };
    ring::ring_push(ticks());
    arm();
}

/// Ticks since boot.
pub(crate) fn ticks() -> u64 {
    let ticks = &raw const TICKS;
    // SAFETY: an aligned load, never torn; volatile, since the interrupt changes it behind the compiler's back.
    unsafe { ticks.read_volatile() }
}

/// Waits for the next tick; for long enough to be sure that there is none where none comes.
pub(crate) fn first_tick_comes() -> bool {
    let mut tries = 0;
    while ticks() == 0 && tries < 20_000_000 {
        tries += 1;
    }
    ticks() != 0
}

/// Sleeps until the next tick.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn wait_for_tick() {
    let before = ticks();
    while ticks() == before {
        // SAFETY: waits for an interrupt. One that came since the comparison costs this round a tick,
        // nothing else.
        unsafe { asm!("wfi", options(nostack, preserves_flags)) };
    }
}

fn arm() {
    // SAFETY: INTERVAL is written before the timer is on, and never again.
    let interval = unsafe { INTERVAL };
    // SAFETY: CNTV_TVAL_EL0 and CNTV_CTL_EL0 (ENABLE, not masked); the interrupt has its handler.
    unsafe {
        asm!(
            "msr cntv_tval_el0, {interval}",
            "msr cntv_ctl_el0, {enable}",
            "isb",
            interval = in(reg) interval,
            enable = in(reg) 1_u64,
            options(nostack, preserves_flags)
        );
    }
}
