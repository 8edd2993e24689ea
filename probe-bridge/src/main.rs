//! `trapline`: one debugger for arm64 KVM guests and real boards.

// These macros panic where nobody reads any more what they say.
#![warn(clippy::print_stderr, clippy::print_stdout)]

/// Says something on standard error, as a line. Who has closed it, or whose terminal is gone, misses it and nothing
/// else.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($text)*);
    }};
}

#[cfg(not(any(feature = "kvm", feature = "probe", feature = "symbols")))]
compile_error!("trapline without a backend debugs nothing; enable the feature kvm");

#[cfg(feature = "probe")]
mod board_command;
mod cli;
#[cfg(feature = "kvm")]
mod console;
mod decode;
#[cfg(feature = "kvm")]
mod escape;
#[cfg(any(feature = "kvm", feature = "probe"))]
mod gdb_address;
#[cfg(feature = "kvm")]
mod guest;
#[cfg(feature = "kvm")]
mod guest_points;
mod list;
#[cfg(feature = "points")]
mod points;
#[cfg(feature = "kvm")]
mod serial;
#[cfg(feature = "symbols")]
mod symbols;
#[cfg(feature = "kvm")]
mod terminal;

use std::process::ExitCode;

use clap::Parser;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use cli::{Cli, Command};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let level = match cli.verbose {
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        _ => LevelFilter::TRACE,
    };
    // What probe-rs warns of is what it does not find, and what it did not do itself.
    let probe_rs = if cli.verbose == 0 { LevelFilter::ERROR } else { level };
    let said = Targets::new().with_default(level).with_target("probe_rs", probe_rs);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .without_time()
        .with_target(false)
        .log_internal_errors(false);
    tracing_subscriber::registry().with(lines).with(said).init();
    let result = match &cli.command {
        #[cfg(feature = "kvm")]
        Command::Guest(arguments) => guest::run(arguments),
        #[cfg(feature = "probe")]
        Command::Board(arguments) => board_command::run(arguments),
        Command::List => list::run(),
        #[cfg(feature = "symbols")]
        Command::Symbols(arguments) => symbols::run(arguments),
        Command::Decode(arguments) => decode::run(arguments),
    };
    result.unwrap_or_else(|error| {
        say!("trapline: {error:#}");
        ExitCode::FAILURE
    })
}
