//! `cargo xtask run-board`: the demonstration firmware on a simulated board, debugged by `trapline board` through
//! probe-rs.

use std::{
    io::{self, IsTerminal as _, stdin, stdout},
    net::{Ipv4Addr, SocketAddr},
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use clap::Args;

use crate::{
    host::{Event, Running, Watched, copy, start_child, tether},
    run_guest::{Session, build, modes},
    setup::{Requirement, Setup},
    simulator::Board,
    workspace,
};

/// How long the tool may take to attach.
const PATIENCE: Duration = Duration::from_secs(60);
/// The chip, and the file that describes it.
const CHIP: &str = "simulated-armv8a";
const DESCRIPTION: &str = "probe-bridge/simulator/simulated-boards.yaml";

/// Debugs the demonstration firmware on a simulated board of two Armv8-A cores.
///
/// The board is a process of its own, which probe-rs reaches by its driver for a Glasgow Interface Explorer. On a
/// terminal gdb opens on it; without one, the scripted session of `run-guest` is played and checked.
///
/// Exit status: as that of `run-guest`.
#[derive(Args)]
pub(crate) struct Options {
    /// Play the scripted gdb session and check what comes back, also on a terminal
    #[arg(long, conflicts_with = "serve")]
    demo: bool,
    /// Print the address of the gdb server and serve until interrupted
    #[arg(long)]
    serve: bool,
    /// Port of the gdb server on 127.0.0.1 [default: any free one]
    #[arg(long, value_name = "PORT", default_value_t = 0, hide_default_value = true)]
    port: u16,
    /// Fetch nothing: where something is missing, say what, and how to get it by hand
    #[arg(long)]
    no_install: bool,
}

/// Carries the command out.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let begun = Instant::now();
    let demo = options.demo || !stdin().is_terminal() || !stdout().is_terminal();
    let mut requirements = vec![Requirement::BARE_METAL_TARGET];
    if !options.serve {
        requirements.push(Requirement::GDB);
    }
    Setup::new(options.no_install).ensure(&requirements)?;

    eprintln!("building …");
    let firmware = build::firmware()?;
    let tool = workspace::build_here(&["--package=trapline-probe", "--bin=trapline"])?;
    let board = Board::start("armv8a", "glasgow", &firmware)?;
    let serial = board.serial_file();
    let gdb = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
    let probe = format!("20b7:9db1:tcp:127.0.0.1:{}", board.port());
    let description = workspace::root().join(DESCRIPTION);
    let mut command = tether::to_self(tool.as_os_str());
    command.args(["board", "--chip", CHIP, "--chip-description-path"]).arg(description);
    // The session begins at the first instruction, as on the other hosts.
    command.args(["--connect-under-reset", "--probe", &probe, "--gdb", &gdb.to_string()]);
    let mut running = start_child(command, |output, events| copy(output, Watched::new(io::sink(), events)))?;
    let address = match wait_until_it_listens(&mut running)? {
        Ok(address) => address,
        Err(status) => return Ok(status),
    };
    eprintln!("gdb server up {:.1} s after the command", begun.elapsed().as_secs_f64());
    let session = Session {
        running,
        speaker: "trapline board",
        address,
        symbols: Some(firmware),
        serial: Some(serial),
    };
    if options.serve {
        modes::serve(session)
    } else if demo {
        modes::demo(session, begun)
    } else {
        modes::terminal(session)
    }
}

/// Waits for the line that says where gdb can attach. Where the tool ended instead, answers how.
fn wait_until_it_listens(running: &mut Running) -> Result<Result<String, ExitCode>> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match running.next_within(deadline.saturating_duration_since(Instant::now()))? {
            Some(Event::Line(line)) => match line.split_once("target remote ") {
                Some((_, address)) => return Ok(Ok(address.to_owned())),
                None => eprintln!("{line}"),
            },
            Some(Event::Signal(signal)) => return Ok(Err(ExitCode::from(128 + signal))),
            Some(Event::Exited(0)) => bail!("trapline board ended before its gdb server was up"),
            Some(Event::Exited(status)) => return Ok(Err(ExitCode::from(status))),
            None => bail!("the gdb server was not up within {} s", PATIENCE.as_secs()),
        }
    }
}
