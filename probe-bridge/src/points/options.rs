//! The options about points.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use trapline_probe::places::{BreakPoint, WatchPoint};

/// What is to be trapped by the tool itself, and what is told of it. The same for every target.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct PointOptions {
    /// The file with symbols and line numbers, an ELF file [default: the kernel; of a Linux kernel the symbols
    /// that it carries, for a guest that boots with `nokaslr`]
    #[arg(long, value_name = "ELF")]
    pub(crate) symbols: Option<PathBuf>,

    /// Break at LOC, which is SYMBOL[+OFFSET], FILE:LINE or 0xADDRESS; with ` if EXPRESSION` only where the
    /// C expression is not 0, as in `schedule if $x0 == 0 && *(u32*)($sp + 8) > 3`
    #[arg(long = "break", value_name = "LOC[ if EXPR]")]
    pub(crate) breaks: Vec<BreakPoint>,

    /// Watch LEN bytes [default: the symbol's size, else 8] for writes (w), reads (r) or both (rw). Then, in
    /// this order: ` changed` for accesses that change the value, ` == VALUE` for those that leave VALUE
    /// there, ` if EXPRESSION`, evaluated after the access
    #[arg(long = "watch", value_name = "LOC[:LEN][:r|w|rw]")]
    pub(crate) watches: Vec<WatchPoint>,

    /// What a hit of --break and --watch does: `stop` halts the target, for gdb where there is one, and else
    /// to end; `log` tells of it and lets the target run on
    #[arg(long, value_name = "stop|log", default_value = "stop")]
    pub(crate) on_stop: OnStop,

    /// End after so many hits of --break and --watch
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) max_stops: Option<u64>,

    /// How hits are told on standard output: a line of `text`, or a line of JSON each
    #[arg(long, value_name = "text|json", default_value = "text")]
    pub(crate) format: Format,

    /// Tell of every hit who called, by the chain of frame pointers, which the code must have been built with;
    /// in 32-bit code by the file's .debug_frame
    #[arg(long)]
    pub(crate) backtrace: bool,
}

/// What a hit does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub(crate) enum OnStop {
    /// Halts the target.
    #[default]
    Stop,
    /// Is told of.
    Log,
}

/// How hits are told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}
