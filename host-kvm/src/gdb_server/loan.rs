//! What one thread has borrowed, lent to others for as long as it works.
//!
//! A session with a client lives on the stack of the thread that serves it, with what that thread has borrowed. vCPUs'
//! threads, which live longer, may carry it on meanwhile.

#![expect(unsafe_code, reason = "a reference is kept past its type and used while it is good")]

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

/// A thread's work that others may do a part of.
pub(super) trait Helped: Sync {
    /// Called on a thread that has something to tell the one that works; whether that need not be woken.
    fn help(&self) -> bool;
}

/// Where threads find whom they can help.
#[derive(Default)]
pub(super) struct Loan(Mutex<Option<Lent>>);

/// A shared reference without its lifetime.
struct Lent(*const dyn Helped);

// SAFETY: it stands for a `&dyn Helped`, and `Helped` is `Sync`.
unsafe impl Send for Lent {}

impl Loan {
    /// Lets other threads help while `work` is done. One at a time does so, and none when this returns.
    pub(super) fn lend<T>(&self, helped: &dyn Helped, work: impl FnOnce() -> T) -> T {
        /// Takes it back, also where `work` panics.
        struct Back<'a>(&'a Loan);
        impl Drop for Back<'_> {
            fn drop(&mut self) {
                *self.0.lent() = None;
            }
        }
        let back = Back(self);
        // SAFETY: the types differ in a lifetime only. It is used nowhere but in `help`, which holds the lock; `back`
        // takes it out under the lock before this function is left in any way, and `helped` lives until then.
        let lent = unsafe { std::mem::transmute::<*const (dyn Helped + '_), *const dyn Helped>(helped) };
        *self.lent() = Some(Lent(lent));
        let result = work();
        drop(back);
        result
    }

    /// Helps whoever works, if somebody does and nobody else helps; false where a wake-up is called for.
    pub(super) fn help(&self) -> bool {
        let lent = match self.0.try_lock() {
            Ok(lent) => lent,
            Err(TryLockError::Poisoned(lent)) => lent.into_inner(),
            Err(TryLockError::WouldBlock) => return false,
        };
        match &*lent {
            // SAFETY: it was made from a reference in `lend`, which takes it out before that ends, and waits for the
            // lock for that, which is held here.
            Some(Lent(helped)) => unsafe { &**helped }.help(),
            None => false,
        }
    }

    /// The lock guards one assignment, so a panic elsewhere leaves nothing half done.
    fn lent(&self) -> MutexGuard<'_, Option<Lent>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Loan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Loan")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;

    use super::*;

    struct Counts<'a>(&'a AtomicU32);

    impl Helped for Counts<'_> {
        fn help(&self) -> bool {
            self.0.fetch_add(1, Ordering::Relaxed);
            true
        }
    }

    #[test]
    fn help_is_given_while_work_is_done_and_not_after_it() {
        let (loan, count) = (Loan::default(), AtomicU32::new(0));
        assert!(!loan.help());
        loan.lend(&Counts(&count), || {
            thread::scope(|scope| scope.spawn(|| assert!(loan.help())).join().unwrap());
        });
        assert!(!loan.help());
        assert_eq!(count.into_inner(), 1);
    }

    #[test]
    fn work_that_panics_is_helped_no_longer() {
        let (loan, count) = (Loan::default(), AtomicU32::new(0));
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            loan.lend(&Counts(&count), || panic!("as expected"));
        }));
        assert!(panicked.is_err() && !loan.help());
    }
}
