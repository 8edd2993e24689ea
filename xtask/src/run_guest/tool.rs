//! The tool on firmware of ours, on a host.

use std::{
    ffi::OsString,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

use crate::{
    environment,
    host::{Event, Host, Input, MappedFile, Output, PortForward, Program, Running},
};

/// How long the tool may take until its gdb server listens.
const PATIENCE: Duration = Duration::from_secs(60);

/// `trapline guest` on a firmware, with what it says in lines and no serial port.
pub(crate) fn program<A: Into<OsString>>(
    tool: &Path,
    firmware: &Path,
    arguments: impl IntoIterator<Item = A>,
) -> Program {
    let mut command = vec![tool.into(), "guest".into(), "--kernel".into(), firmware.into()];
    command.extend(["--serial".into(), "/dev/null".into()]);
    command.extend(arguments.into_iter().map(Into::into));
    Program {
        command,
        environment: environment::handed_in(),
        files: vec![MappedFile::in_place(tool), MappedFile::in_place(firmware)],
        forwards: Vec::new(),
        input: Input::Empty,
        output: Output::Lines,
        streams: Vec::new(),
        memory: 0,
    }
}

/// Runs it to its end; how it ended, and what it has said on both outputs.
pub(crate) fn run_to_end(host: &Host, program: Program) -> Result<(u8, Vec<String>)> {
    let mut running = host.start(program)?;
    let mut lines = Vec::new();
    loop {
        match running.next()? {
            Event::Line(line) => lines.push(line),
            Event::Exited(status) => return Ok((status, lines)),
            Event::Signal(signal) => bail!("ended by signal {signal}"),
        }
    }
}

/// Has it serve gdb at a port, which is carried out to this machine; the server's address here.
pub(crate) fn serve_at(program: &mut Program, host: &Host, port: PortForward) -> String {
    let address = host.listen_address();
    program.command.extend(["--gdb".into(), SocketAddr::from((address, port.guest)).to_string().into()]);
    if !address.is_loopback() {
        // Other machines cannot reach the emulated host; only what is carried out to loopback is.
        program.command.push("--allow-remote".into());
    }
    let here = SocketAddr::from((Ipv4Addr::LOCALHOST, port.host)).to_string();
    program.forwards.push(port);
    here
}

/// Waits for the line that says how to attach, which the tool writes once its server accepts connections.
/// Answers how it ended where it did that instead.
pub(crate) fn wait_until_it_listens(running: &mut Running) -> Result<Option<ExitCode>> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match running.next_within(deadline.saturating_duration_since(Instant::now()))? {
            Some(Event::Line(line)) if line.contains("target remote") => return Ok(None),
            Some(Event::Line(line)) => eprintln!("{line}"),
            Some(Event::Signal(signal)) => return Ok(Some(ExitCode::from(128 + signal))),
            Some(Event::Exited(0)) => bail!("trapline guest ended before its gdb server was up"),
            Some(Event::Exited(status)) => return Ok(Some(ExitCode::from(status))),
            None => bail!("the gdb server was not up within {} s", PATIENCE.as_secs()),
        }
    }
}
