//! Getting a vCPU out of `KVM_RUN` from another thread.
//!
//! A kick is a real-time signal to the vCPU's thread. Its handler, on that thread, sets
//! `kvm_run.immediate_exit`, so that a kick that comes just before `KVM_RUN` ends that `KVM_RUN` at
//! once, and one that comes during it interrupts it: none is lost (KVM API, section 5 "The kvm_run
//! structure", `immediate_exit`).

#![expect(unsafe_code, reason = "a signal handler writes into the page that a vCPU shares with the kernel")]

use std::ffi::c_int;
use std::marker::PhantomData;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering, compiler_fence};

use kvm_bindings::kvm_run;
use vmm_sys_util::signal::{SIGRTMIN, register_signal_handler};

use crate::error::{Errno, Error};

// Atomic, though only one thread uses them: its signal handler may come between any two instructions.
thread_local! {
    /// Whether a kick has come that no `KVM_RUN` of this thread has seen yet.
    static KICKED: AtomicBool = const { AtomicBool::new(false) };
    /// `immediate_exit` of the vCPU that this thread runs or is about to run, else null.
    static IMMEDIATE_EXIT: AtomicPtr<u8> = const { AtomicPtr::new(ptr::null_mut()) };
}

fn signal() -> c_int {
    SIGRTMIN()
}

/// Only reads and writes two `const`-initialised thread-local atomics without destructors, which needs
/// neither allocation nor a lock, and a byte; `errno` stays as it is.
extern "C" fn on_signal(_: c_int, _: *mut libc::siginfo_t, _: *mut libc::c_void) {
    KICKED.with(|kicked| kicked.store(true, Ordering::Relaxed));
    compiler_fence(Ordering::SeqCst);
    let immediate_exit = IMMEDIATE_EXIT.with(|pointer| pointer.load(Ordering::Relaxed));
    if !immediate_exit.is_null() {
        // SAFETY: the pointer is non-null only while a `Window` of this thread lives, and a `Window` is
        // made from the `kvm_run` of a vCPU that stays mapped as long as it does (`Window::open`). The
        // write is volatile and of one byte, which the kernel reads anew at every KVM_RUN.
        unsafe { immediate_exit.write_volatile(1) };
    }
}

/// Installs the signal handler, once in a process.
pub(crate) fn install_handler() -> Result<(), Error> {
    static INSTALLED: OnceLock<Result<(), Errno>> = OnceLock::new();
    (*INSTALLED.get_or_init(|| register_signal_handler(signal(), on_signal)))
        .map_err(|errno| Error::SignalHandler { errno })
}

/// A thread that can be kicked: its `pthread_t`, an integer or a pointer by C library.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Thread(usize);

impl Thread {
    /// The calling thread.
    pub(crate) fn current() -> Self {
        // SAFETY: pthread_self has no precondition and cannot fail.
        Self(unsafe { libc::pthread_self() } as usize)
    }

    /// Interrupts the `KVM_RUN` that the thread is in, or its next one.
    ///
    /// # Safety
    /// The thread has not been joined or detached and ended.
    pub(crate) unsafe fn kick(self) {
        // SAFETY: by the caller's promise the identifier is that of a thread (POSIX, pthread_kill:
        // undefined only for an identifier whose lifetime has ended).
        unsafe { libc::pthread_kill(self.0 as libc::pthread_t, signal()) };
    }
}

/// Forgets a kick that has come; to be called *before* looking at what the kick is about.
pub(crate) fn forget() {
    KICKED.with(|kicked| kicked.store(false, Ordering::Relaxed));
    // What the kick is about is looked at behind this.
    compiler_fence(Ordering::SeqCst);
}

/// While it lives, a kick reaches the vCPU that it was opened for.
pub(crate) struct Window {
    /// `on_signal` runs on the thread that opened the window, so the window must stay there.
    _not_send: PhantomData<*mut u8>,
}

impl Window {
    /// Opens the window on a vCPU's `kvm_run`. A kick that came before takes effect now.
    ///
    /// # Safety
    /// `run` stays mapped until the window is dropped.
    pub(crate) unsafe fn open(run: &mut kvm_run) -> Self {
        let immediate_exit = ptr::from_mut(&mut run.immediate_exit);
        // SAFETY: derived from a live reference.
        unsafe { immediate_exit.write_volatile(0) };
        IMMEDIATE_EXIT.with(|pointer| pointer.store(immediate_exit, Ordering::Relaxed));
        // A kick from here on finds the pointer; one from before has left its mark. The fence keeps the
        // compiler from looking for the mark first, between which and the pointer a kick would be lost.
        compiler_fence(Ordering::SeqCst);
        if KICKED.with(|kicked| kicked.load(Ordering::Relaxed)) {
            // SAFETY: as above; `run` is still borrowed.
            unsafe { immediate_exit.write_volatile(1) };
        }
        Self { _not_send: PhantomData }
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        IMMEDIATE_EXIT.with(|pointer| pointer.store(ptr::null_mut(), Ordering::Relaxed));
        // What follows may unmap the page.
        compiler_fence(Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kick_self() {
        // SAFETY: the calling thread is alive.
        unsafe { Thread::current().kick() };
    }

    #[test]
    fn no_kick_is_lost_before_or_while_a_window_is_open() {
        install_handler().unwrap();
        let mut run = kvm_run::default();

        // SAFETY: `run` outlives the windows.
        drop(unsafe { Window::open(&mut run) });
        assert_eq!(run.immediate_exit, 0, "no kick yet");

        kick_self();
        // SAFETY: as above.
        drop(unsafe { Window::open(&mut run) });
        assert_eq!(run.immediate_exit, 1, "a kick before the window");

        forget();
        // SAFETY: as above.
        let window = unsafe { Window::open(&mut run) };
        kick_self();
        drop(window);
        assert_eq!(run.immediate_exit, 1, "a kick in the window");

        forget();
        kick_self();
        forget();
        // SAFETY: as above.
        drop(unsafe { Window::open(&mut run) });
        assert_eq!(run.immediate_exit, 0, "a kick that was seen and forgotten");
    }
}
