//! For how long a probe has been asked for something.
//!
//! An access that never ends cannot be ended from outside: a driver of probe-rs waits as it likes, and the one for a
//! Glasgow Interface Explorer that is reached by TCP reads from a closed connection for ever. Who looks here can tell
//! its user, and end the process.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Whether an access is under way, and since when; clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Busy(Arc<Mutex<Option<Instant>>>);

impl Busy {
    /// Does something that asks the probe.
    pub fn during<R>(&self, work: impl FnOnce() -> R) -> R {
        self.set(Some(Instant::now()));
        let result = work();
        self.set(None);
        result
    }

    /// For how long the access that is under way has been so.
    #[must_use]
    pub fn elapsed(&self) -> Option<Duration> {
        // The lock guards one assignment.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).map(|since| since.elapsed())
    }

    fn set(&self, since: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_busy_while_something_is_done() {
        let busy = Busy::default();
        assert!(busy.elapsed().is_none());
        let seen = busy.clone();
        assert!(busy.during(|| seen.elapsed().is_some()));
        assert!(busy.elapsed().is_none());
    }
}
