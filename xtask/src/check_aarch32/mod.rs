//! `cargo xtask check-aarch32`: a guest of A32 and T32 code under clients as they come from the distribution, and without
//! one, on a real KVM.

mod gdb;
mod lldb;
mod points;
mod watches;

use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::environment;
use crate::host::{Event, Host, HostOptions, Input, MappedFile, Output, PortForward, Program, Running};
use crate::run_guest::build;
use crate::setup::{AARCH32_TARGET, Requirement, Setup};
use crate::workspace;

/// How long the tool may take until its gdb server listens.
const PATIENCE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(50);

/// Checks a guest whose EL1 uses AArch32, on a host whose processor has that: gdb and lldb, exact watchpoints on the wire,
/// and --break and --watch without a client.
///
/// Exit status: 0 when all is as it should be, 1 otherwise.
#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    host: HostOptions,
    /// Fetch nothing: where something is missing, say what, and how to get it by hand
    #[arg(long)]
    no_install: bool,
}

/// Carries the command out.
pub(crate) fn run(options: Options) -> Result<ExitCode> {
    let host = Host::choose(options.host)?;
    let mut requirements = vec![Requirement::HOST_TARGET, Requirement::AARCH32_TARGET];
    requirements.extend([Requirement::GDB, Requirement::LLDB]);
    requirements.extend(host.requirements());
    Setup::new(options.no_install).ensure(&requirements)?;
    let tool = build::tool()?;
    let firmware = workspace::build(AARCH32_TARGET, &["--package=trapline-firmware-a32"])?;

    points::check(&host, &tool, &firmware).context("without a client")?;
    let mut port = PortForward::same(0)?;
    port.choose()?;
    let address = host.listen_address();
    let mut arguments = vec!["--cpus=2".to_owned(), format!("--gdb={address}:{}", port.guest)];
    if !address.is_loopback() {
        // Other machines cannot reach the emulated host; only what is carried out to loopback is.
        arguments.push("--allow-remote".to_owned());
    }
    let mut running = start(&host, &tool, &firmware, &arguments, vec![port])?;
    let port = running.forwards().first().context("the server's port is not carried out")?.host;
    let result = clients(&mut running, format!("127.0.0.1:{port}"), &firmware);
    running.stop();
    result.map(|()| ExitCode::SUCCESS)
}

/// Starts the tool on the firmware.
fn start(
    host: &Host,
    tool: &Path,
    firmware: &Path,
    arguments: &[String],
    forwards: Vec<PortForward>,
) -> Result<Running> {
    let mut command = vec![tool.into(), "guest".into(), "--kernel".into(), firmware.into()];
    command.extend(["--serial".into(), "/dev/null".into()]);
    command.extend(arguments.iter().map(Into::into));
    host.start(Program {
        command,
        environment: environment::handed_in(),
        files: vec![MappedFile::in_place(tool), MappedFile::in_place(firmware)],
        forwards,
        input: Input::Empty,
        output: Output::Lines,
        streams: Vec::new(),
        memory: 0,
    })
}

/// Lets one client after the other do its part.
fn clients(running: &mut Running, address: String, firmware: &Path) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match running.next_within(deadline.saturating_duration_since(Instant::now()))? {
            Some(Event::Line(line)) if line.contains("target remote") => break,
            Some(Event::Line(line)) => eprintln!("{line}"),
            other => bail!("the gdb server is not up: {other:?}"),
        }
    }
    let (done, checked) = channel();
    let firmware = firmware.to_owned();
    let check = move || {
        // Interrupted, nobody waits for it any more.
        let _ = done.send(one_by_one(&address, &firmware));
    };
    thread::Builder::new().name("clients".to_owned()).spawn(check)?;
    loop {
        match checked.recv_timeout(POLL) {
            Ok(result) => return result,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => bail!("a client broke off"),
        }
        match running.next_within(POLL)? {
            Some(Event::Line(line)) => eprintln!("trapline guest: {line}"),
            Some(other) => bail!("trapline guest ended: {other:?}"),
            None => {}
        }
    }
}

fn one_by_one(address: &str, firmware: &Path) -> Result<()> {
    for (name, seen) in gdb::check(address, firmware).context("gdb")? {
        println!("gdb: {name:<53} {seen}");
    }
    for (name, seen) in watches::check(address, firmware).context("watchpoints on the wire")? {
        println!("{name:<58} {seen}");
    }
    for (name, seen) in lldb::check(address, firmware).context("lldb")? {
        println!("lldb: {name:<52} {seen}");
    }
    Ok(())
}
