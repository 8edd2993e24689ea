//! `cargo xtask demo`: a scripted session with gdb as it comes from the distribution, against any server that runs the
//! demonstration firmware and holds it at its entry point.

mod check;
mod console;
pub(crate) mod gdb;
mod mi;
mod own_debug;
mod page_watches;
mod report;
mod script;
mod step;
mod stop;
mod transcript;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};

use check::Memory;
use gdb::{Gdb, Lost};
pub(crate) use report::Report;
use report::{Difference, Row};
use step::{ADDRESS, Step};
use transcript::Transcript;

use crate::workspace;

/// Plays the scripted gdb session against a server that runs the demonstration firmware
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Where the server listens, as gdb's `target remote` takes it; the target stands at its entry point
    #[arg(long, value_name = "HOST:PORT")]
    address: String,
    /// The firmware, for its symbols; by default the one under target/
    #[arg(long, value_name = "FILE")]
    elf: Option<PathBuf>,
    /// The gdb to drive
    #[arg(long, value_name = "PROGRAM", default_value = "gdb-multiarch")]
    gdb: PathBuf,
    /// How long one command may take
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
    /// Writes the session to a file
    #[arg(long, value_name = "FILE")]
    transcript: Option<PathBuf>,
}

/// What a session needs.
pub(crate) struct Connection {
    /// Where the server listens, as gdb's `target remote` takes it.
    pub(crate) address: String,
    /// The firmware, for its symbols.
    pub(crate) elf: PathBuf,
    /// The gdb to drive.
    pub(crate) gdb: PathBuf,
    /// How long one command may take.
    pub(crate) timeout: Duration,
}

/// The step that begins.
pub(crate) struct Progress {
    /// Its number, from 1.
    pub(crate) number: usize,
    /// Steps in the script.
    pub(crate) of: usize,
    /// What it is for.
    pub(crate) title: &'static str,
}

/// Plays the session on the command line: the table to standard output, exit status 1 at a difference.
pub(crate) fn command(options: Options) -> Result<ExitCode> {
    let connection = Connection {
        address: options.address,
        elf: options.elf.unwrap_or_else(firmware),
        gdb: options.gdb,
        timeout: Duration::from_secs(options.timeout),
    };
    let report = run(&connection, |Progress { number, of, title }| eprintln!("[{number:>2}/{of}] {title}"))?;
    if let Some(file) = &options.transcript {
        fs::write(file, &report.transcript).with_context(|| format!("cannot write {}", file.display()))?;
    }
    println!("{report}");
    Ok(if report.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Where cargo leaves the firmware.
fn firmware() -> PathBuf {
    workspace::target().join("aarch64-unknown-none/debug/trapline-firmware")
}

/// Plays the session, up to its end or the first difference.
///
/// # Errors
/// Where there is no session at all: no firmware, no gdb.
pub(crate) fn run(connection: &Connection, progress: impl FnMut(Progress)) -> Result<Report> {
    play(connection, &script::script(), progress)
}

/// Plays the session with a firmware that uses debug registers of its own. The target runs before and afterwards.
///
/// # Errors
/// As [`run`].
pub(crate) fn run_own_debug(connection: &Connection) -> Result<Report> {
    play(connection, &own_debug::script(), |_| ())
}

/// Plays the session with more watchpoints than comparators. The target runs before and afterwards.
///
/// # Errors
/// As [`run`].
pub(crate) fn run_page_watches(connection: &Connection) -> Result<Report> {
    play(connection, &page_watches::script(), |_| ())
}

fn play(connection: &Connection, steps: &[Step], mut progress: impl FnMut(Progress)) -> Result<Report> {
    if !connection.elf.is_file() {
        bail!(
            "no firmware at {}: build it with `cargo build -p trapline-firmware --target aarch64-unknown-none`",
            connection.elf.display()
        );
    }
    let mut gdb = Gdb::start(&connection.gdb, &connection.elf, connection.timeout)?;
    let mut report =
        Report { rows: Vec::new(), steps: steps.len(), transcript: String::new(), difference: None };
    let mut session = Session {
        address: &connection.address,
        memory: Memory::default(),
        transcript: Transcript::new(&connection.address, &connection.elf),
    };
    gdb.prepare(connection.timeout).map_err(|Lost(reason)| anyhow!(reason))?;
    for (index, step) in steps.iter().enumerate() {
        let number = index + 1;
        progress(Progress { number, of: steps.len(), title: step.title });
        match session.play(number, step, &mut gdb) {
            Ok(seen) => report.rows.push(Row { number, title: step.title, seen }),
            Err(difference) => {
                report.difference = Some(difference);
                break;
            }
        }
    }
    report.transcript = session.transcript.into_text();
    if report.passed() {
        gdb.quit();
    }
    Ok(report)
}

/// A session in progress.
struct Session<'a> {
    address: &'a str,
    memory: Memory,
    transcript: Transcript,
}

impl Session<'_> {
    /// Plays one step; says what was seen.
    fn play(&mut self, number: usize, step: &Step, gdb: &mut Gdb) -> Result<String, Difference> {
        self.transcript.step(number, step.title);
        let mut seen_in_step = Vec::new();
        for command in &step.commands {
            let difference = |expected: String, seen: String| Difference {
                step: number,
                title: step.title,
                command: command.text.replace(ADDRESS, self.address),
                expected,
                seen,
            };
            let answer = match gdb.execute(&command.text.replace(ADDRESS, self.address), command.effect) {
                Ok(answer) => answer,
                Err(Lost(reason)) => {
                    self.transcript.lost(command, &reason);
                    return Err(difference("an answer".to_owned(), reason));
                }
            };
            self.transcript.exchange(command, &answer);
            let link = match command.check.needs_link() {
                true => gdb.evaluate("$x30").map_err(|Lost(reason)| difference("x30".to_owned(), reason))?,
                false => None,
            };
            let seen = command
                .check
                .compare(&answer, link.as_deref(), &mut self.memory)
                .map_err(|mismatch| difference(mismatch.expected, mismatch.seen))?;
            if command.shown && !seen.is_empty() {
                seen_in_step.push(seen);
            }
        }
        Ok(seen_in_step.join(", "))
    }
}
