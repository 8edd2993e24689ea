//! What is shown while something is fetched: a bar or spinner on a terminal, plain lines elsewhere.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};

/// How often what is shown changes.
const TICK: Duration = Duration::from_millis(120);
/// How often a download is tried.
const TRIES: usize = 3;

/// One step that takes its time.
pub(crate) struct Step {
    bar: ProgressBar,
    text: String,
    begun: Instant,
}

impl Step {
    /// Begins a step of unknown length.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        let step = Self::begin(ProgressBar::new_spinner(), text.into());
        step.bar.enable_steady_tick(TICK);
        step
    }

    /// Begins the download of `length` bytes.
    pub(crate) fn download(text: impl Into<String>, length: u64) -> Self {
        let style = "{spinner} {msg} {bar:30} {bytes}/{total_bytes}";
        let bar = ProgressBar::new(length);
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        Self::begin(bar, text.into())
    }

    fn begin(bar: ProgressBar, text: String) -> Self {
        if bar.is_hidden() {
            eprintln!("{text} …");
        }
        bar.set_message(text.clone());
        Self { bar, text, begun: Instant::now() }
    }

    /// Does `work` while the length of the files in `directory` is shown.
    pub(crate) fn follow<T>(&self, directory: &Path, work: impl FnOnce() -> T) -> T {
        use std::sync::atomic::{AtomicBool, Ordering};
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    self.bar.set_position(length_of_files(directory));
                    std::thread::sleep(TICK);
                }
            });
            let outcome = work();
            done.store(true, Ordering::Relaxed);
            outcome
        })
    }

    /// Says that it is done, where it is; what went wrong otherwise is said elsewhere.
    pub(crate) fn end<T>(self, outcome: Result<T>) -> Result<T> {
        self.bar.finish_and_clear();
        if outcome.is_ok() {
            eprintln!("{}: done in {:.1} s", self.text, self.begun.elapsed().as_secs_f64());
        }
        outcome
    }
}

fn length_of_files(directory: &Path) -> u64 {
    let Ok(entries) = directory.read_dir() else { return 0 };
    entries.filter_map(|entry| entry.ok()?.metadata().ok()).map(|metadata| metadata.len()).sum()
}

/// Tries `work` up to three times, for what comes over a network.
pub(crate) fn retry<T>(what: &str, mut work: impl FnMut() -> Result<T>) -> Result<T> {
    let mut attempt = 1;
    loop {
        match work() {
            Err(error) if attempt < TRIES => {
                eprintln!("{what} failed, trying again: {error:#}");
                std::thread::sleep(Duration::from_secs(attempt as u64));
                attempt += 1;
            }
            outcome => return outcome,
        }
    }
}
