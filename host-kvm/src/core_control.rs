//! What one vCPU's thread is to do, and whether it is doing it.
//!
//! The thread alternates between two places: *inside*, where it has the vCPU and may be in `KVM_RUN`,
//! and *outside*, where the vCPU's registers can be reached. It goes in only while it is wanted to run.
//! Whoever wants it out kicks it and waits until it is outside; on that way the thread takes no lock
//! but this module's own, so the wait cannot be for something that the waiter holds.

#![expect(unsafe_code, reason = "a kick must not outlive the thread that it is for")]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use trapline_core::target::{Event, Resume};

use crate::error::Error;
use crate::host_instructions;
use crate::kick::{self, Thread};
use crate::patience::Patience;

/// How long a vCPU's thread looks out for what it is to do: as long as KVM on arm64 for an interrupt, `halt_poll_ns`.
const LONGEST: Duration = Duration::from_micros(500);

/// What a vCPU's thread is to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Wanted {
    /// Stay outside.
    Halt,
    /// Run the vCPU.
    Run(Resume),
    /// Hand in [`Event::CalledBack`], without running it.
    CallBack,
    /// Return, for good.
    Leave,
}

#[derive(Debug)]
struct State {
    wanted: Wanted,
    inside: bool,
    /// The debug exception that halted the vCPU, until its thread has told the debugger.
    pending: Option<Event>,
    thread: Option<Thread>,
    /// How many threads sleep until something changes.
    sleeping: usize,
}

impl State {
    fn is_halted(&self) -> bool {
        !self.inside && self.wanted == Wanted::Halt && self.pending.is_none()
    }
}

/// The meeting point of a vCPU's thread and those that control it.
#[derive(Debug)]
pub(crate) struct CoreControl {
    state: Mutex<State>,
    changed: Condvar,
    /// Whether the vCPU's thread is wanted to do something else than to stay outside, for it to look at without the
    /// lock.
    called: AtomicBool,
    /// [`State::is_halted`] for whoever controls the vCPU, to be looked at without the lock: only that one resumes it.
    halted: AtomicBool,
    /// The host's counter when the thread last came out.
    halted_at: AtomicU64,
}

impl CoreControl {
    /// For a vCPU that is halted and has no thread yet.
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                wanted: Wanted::Halt,
                inside: false,
                pending: None,
                thread: None,
                sleeping: 0,
            }),
            changed: Condvar::new(),
            called: AtomicBool::new(false),
            halted: AtomicBool::new(true),
            halted_at: AtomicU64::new(host_instructions::counter()),
        }
    }

    /// No method can leave the state half changed, so a panic elsewhere does not matter.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the calling thread the vCPU's, as long as what is returned lives.
    pub(crate) fn attach(&self) -> Result<Attached<'_>, Error> {
        kick::install_handler()?;
        self.state().thread = Some(Thread::current());
        Ok(Attached { control: self, patience: Patience::new(LONGEST) })
    }

    /// Whether the vCPU is halted, and whoever controls it knows: its registers can be reached, and stay
    /// as they are. While an event of it has yet to be told, it counts as running.
    pub(crate) fn is_halted(&self) -> bool {
        self.halted.load(Ordering::Acquire)
    }

    /// Tells those who look without the lock what has become of the state.
    fn publish(&self, state: &State) {
        self.halted.store(state.is_halted(), Ordering::Release);
    }

    /// The host's counter when the vCPU was last halted.
    pub(crate) fn halted_at(&self) -> u64 {
        self.halted_at.load(Ordering::Relaxed)
    }

    /// Lets a halted vCPU run; false where it is not halted.
    pub(crate) fn resume(&self, how: Resume) -> bool {
        let mut state = self.state();
        if !state.is_halted() {
            return false;
        }
        state.wanted = Wanted::Run(how);
        self.publish(&state);
        self.called.store(true, Ordering::Relaxed);
        self.wake(state);
        true
    }

    /// Has the thread of a halted vCPU hand in [`Event::CalledBack`]; false where it is not halted.
    pub(crate) fn call_back(&self) -> bool {
        let mut state = self.state();
        if !state.is_halted() {
            return false;
        }
        state.wanted = Wanted::CallBack;
        self.publish(&state);
        self.called.store(true, Ordering::Relaxed);
        self.wake(state);
        true
    }

    /// Gets the vCPU's thread on its way outside, and does not wait for it; [`Self::halt`] does.
    pub(crate) fn begin_halt(&self) {
        let mut state = self.state();
        begin_halt(&mut state);
        self.publish(&state);
    }

    /// Halts the vCPU and returns when its thread is outside. An event that is pending then is dropped.
    pub(crate) fn halt(&self) {
        let mut state = self.state();
        begin_halt(&mut state);
        while state.inside {
            state = self.sleep(state);
        }
        state.pending = None;
        self.publish(&state);
    }

    /// Makes the vCPU's thread return. It does not wait for it.
    pub(crate) fn leave(&self) {
        let mut state = self.state();
        state.wanted = Wanted::Leave;
        self.publish(&state);
        self.called.store(true, Ordering::Relaxed);
        kick_inside(&state);
        self.wake(state);
    }

    /// Sleeps until the vCPU's thread is wanted to do something.
    fn sleep_until_called(&self) {
        let mut state = self.state();
        while state.wanted == Wanted::Halt {
            state = self.sleep(state);
        }
    }

    /// Sleeps until something changes.
    fn sleep<'a>(&self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        state.sleeping += 1;
        let mut state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        state.sleeping -= 1;
        state
    }

    /// Wakes whoever sleeps; it costs a call of the kernel, so that it is not done for nobody.
    fn wake(&self, state: MutexGuard<'_, State>) {
        let somebody = state.sleeping > 0;
        // Whoever wakes wants the lock.
        drop(state);
        if somebody {
            self.changed.notify_all();
        }
    }
}

/// From now on the vCPU is not to run.
fn begin_halt(state: &mut State) {
    if matches!(state.wanted, Wanted::Run(_) | Wanted::CallBack) {
        state.wanted = Wanted::Halt;
        kick_inside(state);
    }
}

/// Gets the vCPU's thread out of `KVM_RUN`, if it is inside.
fn kick_inside(state: &State) {
    if let Some(thread) = state.thread.filter(|_| state.inside) {
        // SAFETY: `thread` is reset under the lock that `state` is the proof of, by the thread itself
        // before it ends (`Attached::drop`), so it is alive.
        unsafe { thread.kick() };
    }
}

/// Why a vCPU's thread has stopped waiting.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Entered {
    /// It is inside, to run the vCPU.
    Run(Resume),
    /// It is outside, with an event to hand in.
    CalledBack,
}

/// What only the vCPU's own thread may do.
#[derive(Debug)]
pub(crate) struct Attached<'a> {
    control: &'a CoreControl,
    patience: Patience,
}

impl Attached<'_> {
    /// Waits until the vCPU is to run, and goes inside, or until it is to be told of; `None` when the thread is to
    /// return.
    pub(crate) fn enter(&self) -> Option<Entered> {
        let control = self.control;
        loop {
            let mut state = control.state();
            match state.wanted {
                Wanted::Leave => return None,
                Wanted::Run(how) => {
                    // A kick from here on is for this stay.
                    kick::forget();
                    state.inside = true;
                    return Some(Entered::Run(how));
                }
                Wanted::CallBack => {
                    state.wanted = Wanted::Halt;
                    state.pending = Some(Event::CalledBack);
                    control.halted_at.store(host_instructions::counter(), Ordering::Relaxed);
                    return Some(Entered::CalledBack);
                }
                Wanted::Halt => {
                    control.called.store(false, Ordering::Relaxed);
                    drop(state);
                    self.patience.begin();
                    let called = || control.called.load(Ordering::Relaxed).then_some(());
                    if self.patience.look_out(called).is_none() {
                        control.sleep_until_called();
                        self.patience.end();
                    }
                }
            }
        }
    }

    /// Comes out with a debug exception, halted.
    pub(crate) fn come_out_with(&self, event: Event) {
        self.come_out(true, Some(event));
    }

    /// Comes out halted.
    pub(crate) fn come_out_halted(&self) {
        self.come_out(true, None);
    }

    /// Comes out because of a kick; whether the vCPU is halted is for those who kicked to say.
    pub(crate) fn come_out_kicked(&self) {
        self.come_out(false, None);
    }

    fn come_out(&self, halt: bool, pending: Option<Event>) {
        let mut state = self.control.state();
        state.inside = false;
        self.control.halted_at.store(host_instructions::counter(), Ordering::Relaxed);
        if halt && state.wanted != Wanted::Leave {
            state.wanted = Wanted::Halt;
            state.pending = pending;
        }
        self.control.publish(&state);
        self.control.wake(state);
    }

    /// The event that the thread came out with, unless somebody halted the vCPU since. From now on it is
    /// halted.
    pub(crate) fn take_event(&self) -> Option<Event> {
        let mut state = self.control.state();
        let event = state.pending.take();
        self.control.publish(&state);
        event
    }
}

impl Drop for Attached<'_> {
    fn drop(&mut self) {
        let mut state = self.control.state();
        state.thread = None;
        state.inside = false;
        self.control.publish(&state);
        self.control.wake(state);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    const EVENT: Event = Event::DebugException { syndrome: 0xc200_0022, fault_address: 0 };

    /// A thread that stays inside until it is kicked, and tells what it does.
    fn pretend_to_run(control: &CoreControl, said: &mpsc::Sender<Resume>) {
        let attached = control.attach().unwrap();
        while let Some(Entered::Run(how)) = attached.enter() {
            said.send(how).unwrap();
            let mut run = kvm_bindings::kvm_run::default();
            loop {
                // SAFETY: `run` outlives the window.
                drop(unsafe { kick::Window::open(&mut run) });
                if run.immediate_exit != 0 {
                    break;
                }
                thread::sleep(Duration::from_micros(50));
            }
            attached.come_out_kicked();
        }
    }

    #[test]
    fn halt_returns_when_the_thread_is_outside_and_resume_lets_it_in_again() {
        let control = CoreControl::new();
        let (said, heard) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(|| pretend_to_run(&control, &said));
            for how in [Resume::Run, Resume::Step].into_iter().cycle().take(200) {
                assert!(control.is_halted());
                assert!(control.resume(how));
                assert!(!control.is_halted());
                assert!(!control.resume(how), "it runs already");
                assert_eq!(heard.recv().unwrap(), how);
                control.halt();
                assert!(control.is_halted());
            }
            control.leave();
        });
    }

    #[test]
    fn a_halt_that_overtakes_the_thread_is_not_lost() {
        let control = CoreControl::new();
        let (said, heard) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(|| pretend_to_run(&control, &said));
            for _ in 0..500 {
                control.resume(Resume::Run);
                control.halt();
            }
            control.leave();
        });
        drop(said);
        assert!(heard.iter().count() <= 500);
    }

    #[test]
    fn a_vcpu_with_an_event_on_its_way_runs_until_it_is_told_or_the_vcpu_is_halted() {
        let control = CoreControl::new();
        let attached = control.attach().unwrap();
        control.resume(Resume::Run);
        assert_eq!(attached.enter(), Some(Entered::Run(Resume::Run)));
        attached.come_out_with(EVENT);
        assert!(!control.is_halted() && !control.resume(Resume::Run));
        control.halt();
        assert!(control.is_halted());
        assert_eq!(attached.take_event(), None);

        control.resume(Resume::Step);
        attached.enter();
        attached.come_out_with(EVENT);
        assert_eq!(attached.take_event(), Some(EVENT));
        assert_eq!(attached.take_event(), None);
        assert!(control.is_halted() && control.resume(Resume::Run));
    }

    #[test]
    fn a_vcpu_that_is_called_back_does_not_run() {
        let control = CoreControl::new();
        let attached = control.attach().unwrap();
        assert!(control.call_back() && !control.is_halted() && !control.resume(Resume::Run));
        assert_eq!(attached.enter(), Some(Entered::CalledBack));
        assert!(!control.is_halted());
        assert_eq!(attached.take_event(), Some(Event::CalledBack));
        assert!(control.is_halted());
        // A halt calls it off, whether the thread has noticed or not.
        control.call_back();
        control.halt();
        assert!(control.is_halted());
        control.call_back();
        assert_eq!(attached.enter(), Some(Entered::CalledBack));
        control.halt();
        assert_eq!(attached.take_event(), None);
        assert!(control.is_halted() && control.resume(Resume::Run));
    }

    #[test]
    fn a_thread_that_is_to_leave_leaves_whatever_else_happens() {
        let control = CoreControl::new();
        let attached = control.attach().unwrap();
        control.resume(Resume::Run);
        attached.enter();
        control.leave();
        attached.come_out_with(EVENT);
        assert_eq!((attached.take_event(), attached.enter()), (None, None));
        drop(attached);
        control.halt();
    }
}
