//! `trapline-simulator`: a simulated board that other debuggers can be tried on.

use std::fs::File;
use std::io::{self, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Parser;
use trapline_simulator::armv8a::Armv8aBoard;
use trapline_simulator::cortex_m::{Architecture, CortexMBoard};
use trapline_simulator::dap::{DebugPort, System};
use trapline_simulator::server::{bitbang, glasgow};

/// A simulated board for debuggers, served to one client after the other.
#[derive(Debug, Parser)]
#[command(name = "trapline-simulator", version)]
struct Options {
    /// The board
    #[arg(long, value_enum, default_value = "armv8a")]
    board: Board,

    /// A program for the board, an ELF file. Without one a Cortex-M board counts
    #[arg(long, value_name = "FILE", required_if_eq("board", "armv8a"))]
    kernel: Option<PathBuf>,

    /// Where clients are served; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: String,

    /// What the clients speak
    #[arg(long, value_enum, default_value = "remote-bitbang")]
    protocol: Protocol,

    /// Where the board's serial output goes instead of standard output
    #[arg(long, value_name = "FILE")]
    serial: Option<PathBuf>,

    /// How long each transfer takes besides, in microseconds: a slow probe
    #[arg(long, value_name = "MICROSECONDS", default_value_t = 0)]
    delay: u64,

    /// Write every access to debug registers and memory that a client made there, one a line, when it leaves
    #[arg(long, value_name = "FILE")]
    writes: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Board {
    /// Two Armv8-A cores
    Armv8a,
    /// One Armv6-M core
    CortexM0,
    /// One Armv7-M core
    CortexM3,
    /// One Armv8-M core
    CortexM33,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Protocol {
    /// JTAG, as OpenOCD's driver of this name drives it
    RemoteBitbang,
    /// SWD, as probe-rs's driver for Glasgow drives it: `--probe 20b7:9db1:tcp:ADDRESS`
    Glasgow,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let image = options
        .kernel
        .as_ref()
        .map(|kernel| std::fs::read(kernel).with_context(|| format!("{} cannot be read", kernel.display())));
    let cortex_m = |architecture, image: Option<&[u8]>| match image {
        Some(image) => CortexMBoard::with_elf(architecture, image),
        None => CortexMBoard::new(architecture),
    };
    let image = image.transpose()?;
    let system: Box<dyn System> = match (options.board, image.as_deref()) {
        (Board::CortexM0, image) => Box::new(cortex_m(Architecture::V6M, image)?),
        (Board::CortexM3, image) => Box::new(cortex_m(Architecture::V7M, image)?),
        (Board::CortexM33, image) => Box::new(cortex_m(Architecture::V8M, image)?),
        (Board::Armv8a, Some(image)) => Box::new(Armv8aBoard::with_elf(image)?),
        (Board::Armv8a, None) => bail!("the Armv8-A board runs nothing without --kernel"),
    };
    let mut port = DebugPort::new(system);
    port.set_delay(Duration::from_micros(options.delay));
    let mut serial: Box<dyn Write> = match &options.serial {
        Some(path) => {
            Box::new(File::create(path).with_context(|| format!("{} cannot be created", path.display()))?)
        }
        None => Box::new(io::stdout()),
    };
    let listener =
        TcpListener::bind(&options.listen).with_context(|| format!("{} cannot be bound", options.listen))?;
    eprintln!("listening: {}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().context("no client can be accepted")?;
        let served = match options.protocol {
            Protocol::RemoteBitbang => bitbang::serve(stream, &mut port, &mut serial),
            Protocol::Glasgow => glasgow::serve(stream, &mut port, &mut serial),
        };
        if let Err(error) = served {
            // Who has started the board may not listen any more.
            let _ = writeln!(io::stderr(), "the client is lost: {error}");
        }
        serial.flush()?;
        if let Some(path) = &options.writes {
            let mut text = String::new();
            for write in port.take_writes() {
                text += &format!("{} {:#010x} {:#010x}\n", write.port, write.address, write.value);
            }
            // Whoever waits for the file finds all of it.
            let unfinished = path.with_extension("unfinished");
            std::fs::write(&unfinished, text)
                .and_then(|()| std::fs::rename(&unfinished, path))
                .with_context(|| format!("{} cannot be written", path.display()))?;
        }
    }
}
