//! For how long a probe has been asked for something, and what it moves meanwhile.
//!
//! An access that never ends cannot be ended from outside: a driver of probe-rs waits as it likes, and the one for a
//! Glasgow Interface Explorer that is reached by TCP reads from a closed connection for ever. Who looks here can tell
//! its user, and end the process.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Pauses as long as this between two accesses end what is moved in one go.
const PAUSE: Duration = Duration::from_millis(500);

/// Whether an access is under way, and since when; clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Busy(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// Since when the probe owes an answer.
    since: Option<Instant>,
    moving: Option<Moving>,
}

/// Memory that is moved without a pause.
#[derive(Clone, Copy, Debug)]
struct Moving {
    begun: Instant,
    last: Instant,
    bytes: u64,
}

impl Busy {
    /// Does something that asks the probe.
    pub fn during<R>(&self, work: impl FnOnce() -> R) -> R {
        let now = Instant::now();
        let mut state = self.state();
        state.since = Some(now);
        state.moving = state.moving.filter(|moving| now.saturating_duration_since(moving.last) < PAUSE);
        drop(state);
        let result = work();
        self.state().since = None;
        result
    }

    /// For how long the probe has owed an answer.
    #[must_use]
    pub fn elapsed(&self) -> Option<Duration> {
        self.state().since.map(|since| since.elapsed())
    }

    /// So many bytes of memory have been moved by the access that is under way, and so the probe has answered.
    pub fn moved(&self, bytes: usize) {
        let now = Instant::now();
        let mut state = self.state();
        let since = state.since.replace(now).unwrap_or(now);
        let moving = state.moving.get_or_insert(Moving { begun: since, last: now, bytes: 0 });
        (moving.last, moving.bytes) = (now, moving.bytes.saturating_add(bytes as u64));
    }

    /// For how long memory has been moved without a pause, and how many bytes of it.
    #[must_use]
    pub fn moving(&self) -> Option<(Duration, u64)> {
        let state = self.state();
        let moving = state.moving.filter(|moving| state.since.is_some() || moving.last.elapsed() < PAUSE)?;
        Some((moving.begun.elapsed(), moving.bytes))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The lock guards assignments.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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

    #[test]
    fn what_moves_in_one_go_is_added_up_and_is_an_answer() {
        let busy = Busy::default();
        assert!(busy.moving().is_none());
        busy.during(|| {
            std::thread::sleep(Duration::from_millis(20));
            let before = busy.elapsed();
            busy.moved(1000);
            assert!(busy.elapsed() < before, "the probe has answered");
            busy.moved(24);
            assert_eq!(busy.moving().map(|(_, bytes)| bytes), Some(1024));
        });
        std::thread::sleep(PAUSE);
        assert!(busy.moving().is_none());
        busy.during(|| busy.moved(4));
        assert_eq!(busy.moving().map(|(_, bytes)| bytes), Some(4), "what came before the pause is over");
    }
}
