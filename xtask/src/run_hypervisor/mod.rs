//! `cargo xtask run-hypervisor`: builds the example hypervisor and the demonstration firmware, and debugs the
//! firmware as a guest of it, in a machine that QEMU emulates.

mod log;
mod machine;
mod size;
mod two_guests;

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use clap::Args;

use self::machine::Machine;
use crate::{
    host::{Event, Running},
    run_guest::{Session, build, modes},
    session_options::SessionOptions,
    setup::{Requirement, Setup},
    workspace,
};

/// How long the hypervisor may take until gdb can attach, on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(60);
/// What it says then.
const READY: &str = "gdb may attach";

/// Debugs the demonstration firmware as a guest of the example hypervisor, at EL2 of an emulated machine,
/// while a second guest runs beside it.
///
/// On a terminal gdb opens on it; without one, the scripted session of `run-guest` is played and checked,
/// and after it that the second guest ran on all the time. What the hypervisor and the guests' serial ports
/// say is in target/trapline/log/hypervisor.log.
///
/// Exit status: as that of `run-guest`.
#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    session: SessionOptions,
    /// Only build it, and check what debugging costs it and that it cannot panic there
    #[arg(long, conflicts_with_all = ["demo", "serve"])]
    size: bool,
}

/// Carries the command out.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let begun = Instant::now();
    match options.size {
        true => Setup::new(options.session.no_install).ensure(&[Requirement::BARE_METAL_TARGET])?,
        false => options.session.ensure(vec![Requirement::BARE_METAL_TARGET, Requirement::EMULATOR])?,
    }

    eprintln!("building …");
    let hypervisor = size::build_and_check()?;
    if options.size {
        return Ok(ExitCode::SUCCESS);
    }
    let firmware = build::firmware()?;

    let log = workspace::log("hypervisor.log")?;
    let Machine { mut running, address, image } =
        machine::start(&hypervisor, &firmware, &log, options.session.port)?;
    if let Some(status) = wait_until_gdb_may_attach(&mut running)? {
        return Ok(status);
    }
    drop(image);
    eprintln!("gdb can attach {:.1} s after the command", begun.elapsed().as_secs_f64());
    let session =
        Session { running, speaker: "hypervisor", address, symbols: Some(firmware), serial: Some(log) };
    if options.session.serve {
        modes::serve(session)
    } else if options.session.plays() {
        modes::demo_and(session, begun, two_guests::check)
    } else {
        modes::terminal(session)
    }
}

/// Waits for the hypervisor; answers how the machine ended where it did that instead.
fn wait_until_gdb_may_attach(running: &mut Running) -> Result<Option<ExitCode>> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match running.next_within(deadline.saturating_duration_since(Instant::now()))? {
            Some(Event::Line(line)) if line.contains(READY) => return Ok(None),
            Some(Event::Line(line)) => eprintln!("{line}"),
            Some(Event::Signal(signal)) => return Ok(Some(ExitCode::from(128 + signal))),
            Some(Event::Exited(status)) => {
                bail!("the machine ended with status {status} before gdb could attach")
            }
            None => bail!("gdb could not attach within {} s", PATIENCE.as_secs()),
        }
    }
}
