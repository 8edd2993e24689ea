//! Looking out for a moment before a thread goes to sleep.
//!
//! In a run of steps a client and a vCPU's thread take turns, each for some microseconds, and waking one up takes longer
//! than its turn. So whoever waits looks out by itself for a while, if the last wait was no longer than that, as KVM does
//! for a halted vCPU (Linux, virt/kvm/kvm_main.c, `kvm_vcpu_halt`).

use std::cell::Cell;
use std::hint;
use std::thread;
use std::time::{Duration, Instant};

/// Whether a thread that waits again and again for the same thing looks out for it first.
#[derive(Debug)]
pub(crate) struct Patience {
    /// The longest time for which it looks out.
    longest: Duration,
    /// When the wait under way began.
    since: Cell<Instant>,
    /// Whether the last wait was short.
    short: Cell<bool>,
    /// Looking out would keep what is waited for from happening.
    alone: bool,
}

impl Patience {
    /// For a thread that has not waited yet.
    pub(crate) fn new(longest: Duration) -> Self {
        let alone = thread::available_parallelism().is_ok_and(|threads| threads.get() == 1);
        Self { longest, since: Cell::new(Instant::now()), short: Cell::new(false), alone }
    }

    /// A wait begins.
    pub(crate) fn begin(&self) {
        self.since.set(Instant::now());
    }

    /// What has been waited for is there.
    pub(crate) fn end(&self) {
        self.short.set(self.since.get().elapsed() < self.longest);
    }

    /// Looks out for what is waited for, at least once and if that makes sense for a while, which ends the wait. With
    /// `None` it is to be slept for.
    pub(crate) fn look_out<T>(&self, mut happened: impl FnMut() -> Option<T>) -> Option<T> {
        let looks_out = self.short.get() && !self.alone;
        loop {
            if let Some(what) = happened() {
                self.end();
                return Some(what);
            }
            if !looks_out || self.since.get().elapsed() >= self.longest {
                self.short.set(false);
                return None;
            }
            hint::spin_loop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_millis(20);

    fn patience(short: bool, alone: bool) -> Patience {
        Patience { longest: LONGEST, since: Cell::new(Instant::now()), short: Cell::new(short), alone }
    }

    /// How often it looks for what never happens, more than once or once.
    fn looks_often(patience: &Patience) -> bool {
        let mut looks = 0;
        patience.begin();
        assert_eq!(
            patience.look_out(|| {
                looks += 1;
                None::<()>
            }),
            None
        );
        assert!(!patience.short.get(), "it has looked out in vain");
        looks > 1
    }

    #[test]
    fn only_after_a_short_wait_a_thread_looks_out_for_the_next_one() {
        let first = patience(false, false);
        assert!(!looks_often(&first), "it sleeps at once");
        first.begin();
        thread::sleep(2 * LONGEST);
        first.end();
        assert!(!first.short.get());
        assert!(looks_often(&patience(true, false)));
    }

    #[test]
    fn what_is_there_already_is_found_in_any_case() {
        for (short, alone) in [(false, false), (true, false), (true, true)] {
            assert_eq!(patience(short, alone).look_out(|| Some(5)), Some(5));
        }
    }

    #[test]
    fn with_one_processor_nobody_looks_out() {
        assert!(!looks_often(&patience(true, true)));
    }
}
