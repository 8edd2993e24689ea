//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::gdb_address::GdbAddress;
use crate::serial::SerialOutput;

/// One debugger for arm64 KVM guests and real boards.
#[derive(Debug, Parser)]
#[command(name = "trapline", version, propagate_version = true)]
pub(crate) struct Cli {
    /// Say more on standard error: -v what happens, -vv every exit and packet
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub(crate) verbose: u8,

    /// What to do
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a guest on KVM and serve gdb for it
    #[command(after_help = EXIT_STATUS)]
    Guest(GuestArguments),
}

/// Exit statuses, for the help text.
const EXIT_STATUS: &str = "\
Exit status:
  0    the guest switched itself off, or a client ended it
  1    something failed; one line on standard error says what
  2    the command line is wrong
  130  interrupted (SIGINT); 143 terminated (SIGTERM)";

/// Options of `trapline guest`.
#[derive(Debug, Args)]
pub(crate) struct GuestArguments {
    /// Firmware to run: an AArch64 ELF file, loaded by its physical addresses
    #[arg(long, value_name = "FILE")]
    pub(crate) kernel: PathBuf,

    /// Guest memory in MiB, from 0x4000_0000 on
    #[arg(long, value_name = "MIB", default_value_t = 128, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) memory: u64,

    /// Where the guest's serial output goes: `stdio`, or a file that is created or emptied
    #[arg(long, value_name = "stdio|FILE", default_value = "stdio")]
    pub(crate) serial: SerialOutput,

    /// Where gdb is served: HOST:PORT, unix:PATH, or `none` to run the guest without a debugger.
    /// Port 0 takes a free one. The guest is halted at its first instruction until a client comes
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:1234")]
    pub(crate) gdb: GdbAddress,

    /// Allow --gdb on an address that other machines can reach. There is no authentication: whoever
    /// connects controls the guest
    #[arg(long)]
    pub(crate) allow_remote: bool,
}
