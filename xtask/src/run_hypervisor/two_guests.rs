//! What the scripted session does not see: the other guest.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{
    demo::{self, Connection},
    host::Event,
    run_guest::Session,
};

/// How long a line or an answer may take, on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(60);
/// How many reports of the second guest have to come while the first is halted.
const REPORTS: usize = 2;

/// Checks that the guest that nobody debugs has found nothing wrong, its own debug exceptions among it;
/// that the other can have such, too, and more watchpoints than comparators; and that the one runs on while the other is halted, which goes on
/// when it is let go.
pub(super) fn check(session: &mut Session, said: &[String]) -> Result<()> {
    let wrong = said.iter().find(|line| is_report(line, 1) && !is_good(line));
    ensure!(wrong.is_none(), "the second guest found: {}", wrong.map_or("", |line| line));
    let connection = connection(session)?;
    let report = demo::run_own_debug(&connection)?;
    println!("{report}");
    ensure!(report.passed(), "a guest with debug registers of its own is not debugged as it should");
    let report = demo::run_page_watches(&connection)?;
    println!("{report}");
    ensure!(report.passed(), "more watchpoints than comparators are not served as they should");

    let mut gdb = Remote::connect(&session.address)?;
    let stop = gdb.ask("?")?;
    ensure!(stop.starts_with(['S', 'T']), "the first guest does not halt, but answers `{stop}`");
    // What was on its way when it halted.
    while session.running.next_within(Duration::from_millis(200))?.is_some() {}
    for _ in 0..REPORTS {
        let report = wait_for_report(session, 1)?;
        ensure!(is_good(&report), "the second guest found: {report}");
    }
    let answer = gdb.ask("D")?;
    ensure!(answer == "OK", "the first guest cannot be let go: `{answer}`");
    let report = wait_for_report(session, 0)?;
    ensure!(report.ends_with("all checks good"), "the first guest found: {report}");
    println!("guest 0 halted, guest 1 ran on; both found all checks good");
    Ok(())
}

/// How gdb reaches the first guest.
fn connection(session: &Session) -> Result<Connection> {
    let elf = session.symbols.clone().context("the session needs the firmware's symbols")?;
    Ok(Connection { address: session.address.clone(), elf, gdb: "gdb-multiarch".into(), timeout: PATIENCE })
}

/// Whether the second guest reports that its own breakpoints, watchpoints and steps came, and all else was
/// right.
fn is_good(report: &str) -> bool {
    report.contains("own debug as hardware gives it") && report.ends_with("all checks good")
}

/// Whether a line of the log is what a guest reports every hundred rounds.
fn is_report(line: &str, guest: u8) -> bool {
    line.contains(&format!("guest {guest}: round "))
}

/// Waits for a report of `guest`; where that is the second, one of the first must not come.
fn wait_for_report(session: &mut Session, guest: u8) -> Result<String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match session.running.next_within(deadline.saturating_duration_since(Instant::now()))? {
            Some(Event::Line(line)) if is_report(&line, guest) => return Ok(line),
            Some(Event::Line(line)) if guest == 1 && is_report(&line, 0) => {
                bail!("the first guest runs though it was halted: {line}");
            }
            Some(Event::Line(_)) => {}
            Some(Event::Signal(signal)) => bail!("interrupted by signal {signal}"),
            Some(Event::Exited(status)) => bail!("the machine ended with status {status}"),
            None => bail!("guest {guest} reported nothing within {} s", PATIENCE.as_secs()),
        }
    }
}

/// As much of a gdb as two packets take.
struct Remote(TcpStream);

impl Remote {
    fn connect(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self(stream))
    }

    /// Sends a packet and reads the answer.
    fn ask(&mut self, packet: &str) -> Result<String> {
        let sum = packet.bytes().fold(0_u8, u8::wrapping_add);
        write!(self.0, "${packet}#{sum:02x}")?;
        let mut answer = Vec::new();
        let mut byte = [0];
        loop {
            self.0.read_exact(&mut byte).with_context(|| format!("no answer to `{packet}`"))?;
            match byte {
                [b'$'] => answer.clear(),
                [b'#'] => break,
                [byte] => answer.push(byte),
            }
        }
        self.0.read_exact(&mut [0; 2])?;
        self.0.write_all(b"+")?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
}
