//! `cargo xtask run-board`: a program on a simulated board, debugged by `trapline board` through probe-rs.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use clap::Args;

use crate::{
    check_board::{DESCRIPTION, Kind, check_cortex_m},
    host::{Event, Running, Watched, copy, start_child, tether},
    run_guest::{Session, modes},
    session_options::SessionOptions,
    simulator::Board,
    workspace,
};

/// How long the tool may take to attach.
const PATIENCE: Duration = Duration::from_secs(60);

/// Debugs a program on a simulated board: the demonstration firmware on two Armv8-A cores, or one for Cortex-M.
///
/// The board is a process of its own, which probe-rs reaches by its driver for a Glasgow Interface Explorer. On a
/// terminal gdb opens on it; without one, a scripted session is played and checked: on Armv8-A cores that of
/// `run-guest`, on a Cortex-M core one of its own.
///
/// Exit status: as that of `run-guest`.
#[derive(Args)]
pub(crate) struct Options {
    /// The board
    #[arg(long, value_enum, default_value = "armv8a")]
    board: Kind,
    #[command(flatten)]
    session: SessionOptions,
}

/// Carries the command out.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let begun = Instant::now();
    let (kind, session) = (options.board, &options.session);
    session.ensure(vec![kind.requirement()])?;

    eprintln!("building …");
    if session.plays() && kind != Kind::Armv8a {
        println!("{}", check_cortex_m(kind)?);
        return Ok(ExitCode::SUCCESS);
    }
    let firmware = kind.firmware()?;
    let tool = workspace::build_here(&["--package=trapline-probe", "--bin=trapline"])?;
    let board = Board::start(kind.name(), "glasgow", &firmware)?;
    let gdb = SocketAddr::from((Ipv4Addr::LOCALHOST, session.port));
    let probe = format!("20b7:9db1:tcp:127.0.0.1:{}", board.port());
    let mut command = tether::to_self(tool.as_os_str());
    command.args(["board", "--chip", kind.chip(), "--chip-description-path"]);
    command.arg(workspace::root().join(DESCRIPTION));
    // The session begins at the first instruction, as on the other hosts.
    command.args(["--connect-under-reset", "--probe", &probe, "--gdb", &gdb.to_string()]);
    let mut running = start_child(command, |output, events| copy(output, Watched::new(io::sink(), events)))?;
    let address = match wait_until_it_listens(&mut running)? {
        Ok(address) => address,
        Err(status) => return Ok(status),
    };
    eprintln!("gdb server up {:.1} s after the command", begun.elapsed().as_secs_f64());
    let serial = (kind == Kind::Armv8a).then(|| board.serial_file());
    let debugged = Session { running, speaker: "trapline board", address, symbols: Some(firmware), serial };
    if session.serve {
        modes::serve(debugged)
    } else if session.plays() {
        modes::demo(debugged, begun)
    } else {
        modes::terminal(debugged)
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
