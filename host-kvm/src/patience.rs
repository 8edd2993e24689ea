//! Looking out for a moment before a thread goes to sleep.
//!
//! In a run of steps the thread of a vCPU and that of the client take turns, each for some microseconds, and waking one
//! up takes longer than its turn. So whoever waits looks out by itself for a while, if the last wait was no longer than
//! that, as KVM does for a halted vCPU (Linux, virt/kvm/kvm_main.c, `kvm_vcpu_halt`).

use std::cell::Cell;
use std::hint;
use std::thread;
use std::time::{Duration, Instant};

/// The longest time for which a thread looks out: that of KVM on arm64, `halt_poll_ns`.
const LONGEST: Duration = Duration::from_micros(500);

/// Whether a thread that waits again and again for the same thing looks out for it first.
#[derive(Debug)]
pub(crate) struct Patience {
    /// Whether the last wait was short.
    short: Cell<bool>,
    /// Looking out would keep what is waited for from happening.
    alone: bool,
}

impl Patience {
    /// For a thread that has not waited yet.
    pub(crate) fn new() -> Self {
        let alone = thread::available_parallelism().is_ok_and(|threads| threads.get() == 1);
        Self { short: Cell::new(false), alone }
    }

    /// Begins a wait, which lasts as long as what is returned.
    pub(crate) fn begin(&self) -> Wait<'_> {
        Wait { patience: self, begun: Instant::now() }
    }
}

/// A wait under way.
#[derive(Debug)]
pub(crate) struct Wait<'a> {
    patience: &'a Patience,
    begun: Instant,
}

impl Wait<'_> {
    /// Looks out for a while, if that makes sense; whether what is waited for has `happened`. If not, it is to be
    /// slept for.
    pub(crate) fn look_out(&self, happened: impl Fn() -> bool) -> bool {
        let Patience { short, alone } = self.patience;
        while short.get() && !alone && self.begun.elapsed() < LONGEST {
            if happened() {
                return true;
            }
            hint::spin_loop();
        }
        false
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.patience.short.set(self.begun.elapsed() < LONGEST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_after_a_short_wait_a_thread_looks_out_for_the_next_one() {
        let patience = Patience { short: Cell::new(false), alone: false };
        let wait = patience.begin();
        assert!(!wait.look_out(|| true), "it sleeps at once");
        thread::sleep(2 * LONGEST);
        drop(wait);
        assert!(!patience.short.get());

        patience.short.set(true);
        assert!(patience.begin().look_out(|| true));
        patience.short.set(true);
        assert!(!patience.begin().look_out(|| false));
        assert!(!patience.short.get(), "it has looked out in vain");
    }

    #[test]
    fn with_one_processor_nobody_looks_out() {
        let patience = Patience { short: Cell::new(true), alone: true };
        assert!(!patience.begin().look_out(|| true));
    }
}
