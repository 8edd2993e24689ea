//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

#[cfg(feature = "probe")]
use crate::board_command;
#[cfg(any(feature = "kvm", feature = "probe"))]
use crate::gdb_address::GdbAddress;
#[cfg(feature = "points")]
use crate::points::PointOptions;
#[cfg(feature = "kvm")]
use crate::serial::Serial;

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
    #[cfg(feature = "kvm")]
    #[command(after_help = EXIT_STATUS)]
    Guest(GuestArguments),
    /// Attach to a board through a debug probe and serve gdb for it
    #[cfg(feature = "probe")]
    #[command(after_help = BOARD_EXIT_STATUS)]
    Board(BoardArguments),
    /// Say which debug probes there are, and what KVM offers
    List,
    /// Write an ELF file with the symbols and types that an arm64 Linux kernel carries
    #[cfg(feature = "symbols")]
    #[command(after_help = SYMBOLS_HELP)]
    Symbols(SymbolsArguments),
    /// Say what a register's value means
    Decode(DecodeArguments),
}

/// Exit statuses, for the help text.
#[cfg(feature = "kvm")]
const EXIT_STATUS: &str = "\
Exit status:
  0    the guest switched itself off, a client or Ctrl-A x ended it, or what --break and --watch are for is done
  1    something failed; one line on standard error says what
  2    the command line is wrong
  130  interrupted (SIGINT); 143 terminated (SIGTERM); 129, 131 likewise (SIGHUP, SIGQUIT)";

/// Exit statuses, for the help text.
#[cfg(feature = "probe")]
const BOARD_EXIT_STATUS: &str = "\
Exit status:
  0    a client ended it
  1    something failed; one line on standard error says what
  2    the command line is wrong
  130  interrupted (SIGINT); 143 terminated (SIGTERM). The board runs on with nothing armed";

/// What to do with the file, for the help text.
#[cfg(feature = "symbols")]
const SYMBOLS_HELP: &str = "\
The file has the kernel's functions and variables, the prototypes of functions, and all types, so that
'hbreak start_kernel', 'ptype struct task_struct' and 'p init_task.comm' work. It has no lines of source.

  gdb   FILE                                     a kernel that runs where it was linked (nokaslr)
  (gdb) symbol-file FILE -o 0x2c0000             one that moved by so much; 'monitor kaslr' says it
  (lldb) target modules load --file FILE --slide 0x2c0000

A vmlinux file with debug information is better still: give it to gdb as it is.";

/// Options of `trapline decode`.
#[derive(Debug, Args)]
pub(crate) struct DecodeArguments {
    /// The register
    pub(crate) register: RegisterName,

    /// Its value, in decimal, or behind 0x in hexadecimal
    #[arg(value_parser = number)]
    pub(crate) value: u64,

    /// For dbgbcr and dbgwcr, the value register that belongs to it
    #[arg(value_name = "DBGBVR|DBGWVR", value_parser = number, default_value = "0", hide_default_value = true)]
    pub(crate) compared: u64,

    /// How it is written
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

/// The registers that `trapline decode` knows.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum RegisterName {
    /// Exception syndrome
    Esr,
    /// Breakpoint control
    Dbgbcr,
    /// Watchpoint control
    Dbgwcr,
    /// Debug system control
    Mdscr,
    /// Debug configuration at EL2
    Mdcr,
    /// Saved program status, or PSTATE
    #[value(alias = "pstate")]
    Spsr,
    /// System control at EL1
    Sctlr,
    /// Translation control at EL1
    Tcr,
    /// Debug features
    #[value(name = "id_aa64dfr0")]
    IdAa64dfr0,
    /// External debug status and control
    Edscr,
}

/// How an answer is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub(crate) enum Format {
    /// For people
    #[default]
    Text,
    /// One object of JSON
    Json,
}

/// Options of `trapline symbols`.
#[cfg(feature = "symbols")]
#[derive(Debug, Args)]
pub(crate) struct SymbolsArguments {
    /// The kernel: a vmlinuz or an Image of arm64, packed or not (gzip, zstd, xz, lzma, lz4, EFI zboot)
    #[arg(value_name = "VMLINUZ")]
    pub(crate) kernel: PathBuf,

    /// The ELF file to write
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,

    /// How much higher than it was linked the kernel runs
    #[arg(long, value_name = "OFFSET", default_value = "0", value_parser = number, hide_default_value = true)]
    pub(crate) kaslr: u64,
}

/// A number in decimal, or behind 0x in hexadecimal, as an option has it.
fn number(text: &str) -> Result<u64, String> {
    let plain = text.replace('_', "");
    let parsed = match plain.strip_prefix("0x").or_else(|| plain.strip_prefix("0X")) {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => plain.parse(),
    };
    parsed.map_err(|error| format!("{error}; write 0x and hexadecimal digits, or a decimal number"))
}

/// What vCPUs can be made with.
#[cfg(feature = "kvm")]
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum GuestFeature {
    /// The Scalable Vector Extension
    Sve,
    /// Pointer authentication
    Pauth,
    /// A performance monitor
    Pmu,
    /// All of these that KVM has here
    All,
}

/// Options of `trapline guest`.
#[cfg(feature = "kvm")]
#[derive(Debug, Args)]
pub(crate) struct GuestArguments {
    /// What to run: an arm64 Linux Image or vmlinuz, packed or not (gzip, zstd, xz, lzma, lz4, EFI zboot), an
    /// AArch64 or AArch32 ELF file, loaded by its physical addresses, or with --flat a flat binary of AArch64
    /// code. It starts with a device tree in X0, AArch32 code with one in R2
    #[arg(long, value_name = "FILE")]
    pub(crate) kernel: PathBuf,

    /// Load --kernel as it is to this guest-physical address, and start it there
    #[arg(long, value_name = "ADDRESS", value_parser = number)]
    pub(crate) flat: Option<u64>,

    /// Initial RAM disk for the kernel
    #[arg(long, value_name = "FILE")]
    pub(crate) initrd: Option<PathBuf>,

    /// Command line for the kernel. The default leaves the kernel at the addresses that it was linked for;
    /// leave nokaslr out to have it moved
    #[arg(long, value_name = "TEXT", default_value = "console=ttyS0 earlycon nokaslr")]
    pub(crate) cmdline: String,

    /// How many vCPUs. The kernel starts on the first; the others are off until it turns them on (PSCI)
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) cpus: u16,

    /// Guest memory in MiB, from 0x4000_0000 on. The host gives it as the guest uses it
    #[arg(long, value_name = "MIB", default_value_t = 512, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) memory: u64,

    /// What vCPUs have beside what every Armv8-A core has: sve, pauth, pmu, or all of them that KVM has here
    #[arg(long, value_name = "FEATURE", value_enum, value_delimiter = ',')]
    pub(crate) features: Vec<GuestFeature>,

    /// Take guest memory from the huge pages that the host has set aside
    #[arg(long)]
    pub(crate) hugepages: bool,

    /// The guest's serial port: `stdio` for standard input and output, or a file for its output, which is
    /// created or emptied. On a terminal every key is the guest's but Ctrl-A: Ctrl-A x ends the guest,
    /// Ctrl-A Ctrl-A types a Ctrl-A
    #[arg(long, value_name = "stdio|FILE", default_value = "stdio")]
    pub(crate) serial: Serial,

    /// Obey Ctrl-A x also where standard input is no terminal
    #[arg(long)]
    pub(crate) keys: bool,

    /// Where gdb is served: HOST:PORT, unix:PATH, or `none` to run the guest without a debugger.
    /// Port 0 takes a free one. The guest is halted at its first instruction until a client comes
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:1234")]
    pub(crate) gdb: GdbAddress,

    /// Allow --gdb on an address that other machines can reach. There is no authentication: whoever
    /// connects controls the guest
    #[arg(long)]
    pub(crate) allow_remote: bool,

    /// What the tool itself traps
    #[command(flatten)]
    pub(crate) points: PointOptions,
}

/// Options of `trapline board`: those of probe-rs, and those of `trapline guest`.
#[cfg(feature = "probe")]
#[derive(Debug, Args)]
pub(crate) struct BoardArguments {
    /// The chip, as probe-rs or the file of --chip-description-path names it
    #[arg(long, value_name = "NAME")]
    pub(crate) chip: String,

    /// A file that describes chips, in probe-rs's format
    #[arg(long, value_name = "YAML")]
    pub(crate) chip_description_path: Option<PathBuf>,

    /// The debug probe, where there are several: VID:PID or VID:PID:SERIAL
    #[arg(long, value_name = "PROBE", value_parser = board_command::selector)]
    pub(crate) probe: Option<probe_rs::probe::DebugProbeSelector>,

    /// The protocol between probe and chip
    #[arg(long, value_name = "swd|jtag", value_parser = board_command::protocol)]
    pub(crate) protocol: Option<probe_rs::probe::WireProtocol>,

    /// Its speed in kHz
    #[arg(long, value_name = "KHZ")]
    pub(crate) speed: Option<u32>,

    /// Hold the board's reset line while the probe attaches. Cortex-M cores with which that does not work are
    /// reset once it has attached, and halt at their first instruction
    #[arg(long)]
    pub(crate) connect_under_reset: bool,

    /// The way to memory: the number of an access port, or `core` for a halted core [default: the first access
    /// port that could lead there, else a core]
    #[arg(long, value_name = "NUMBER|core", value_parser = board_command::memory_path)]
    pub(crate) memory_ap: Option<trapline_probe::board::MemoryPath>,

    /// How long the probe may take for one thing that it is asked, in seconds; then it is given up
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) probe_timeout: u64,

    /// Where gdb is served: HOST:PORT, unix:PATH, or `none` for --break and --watch alone. Port 0 takes a
    /// free one. The board is halted when a client comes
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:1234")]
    pub(crate) gdb: GdbAddress,

    /// Allow --gdb on an address that other machines can reach. There is no authentication: whoever
    /// connects controls the board
    #[arg(long)]
    pub(crate) allow_remote: bool,

    /// What the tool itself traps
    #[command(flatten)]
    pub(crate) points: PointOptions,
}

#[cfg(all(test, any(feature = "kvm", feature = "symbols")))]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_hexadecimal_or_decimal() {
        assert_eq!(number("0x4020_0000"), Ok(0x4020_0000));
        assert_eq!(number("4096"), Ok(4096));
        assert!(number("4020g").is_err() && number("").is_err());
    }
}
