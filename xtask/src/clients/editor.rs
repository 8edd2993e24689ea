//! What Visual Studio Code's C/C++ extension has gdb do for the launch configuration of `docs/clients.md`: its commands
//! of gdb's machine interface, from a debug session with a breakpoint, steps, a data breakpoint, variables, registers,
//! memory and disassembly.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use super::Seen;

/// How long one command may take, with the stop that it leads to.
const PATIENCE: Duration = Duration::from_secs(60);

/// A command, what its result has, and what the stop has that it leads to, if it leads to one.
struct Ask {
    command: &'static str,
    result: &'static str,
    stop: Option<&'static str>,
}

const fn ask(command: &'static str, result: &'static str) -> Ask {
    Ask { command, result, stop: None }
}

const fn go(command: &'static str, stop: &'static str) -> Ask {
    Ask { command, result: "^running", stop: Some(stop) }
}

/// Before and behind the connection.
const BEFORE: [Ask; 5] = [
    ask("-gdb-set pagination off", "^done"),
    ask("-gdb-set auto-solib-add on", "^done"),
    ask("-gdb-set solib-search-path .", "^done"),
    ask("-environment-cd .", "^done"),
    ask("-gdb-set mi-async on", "^done"),
];
const BEHIND: [Ask; 23] = [
    ask("-thread-info", "target-id=\"Thread 1\",name=\"vCPU 0"),
    ask("-break-insert -f accesses.rs:46", "^done,bkpt={number=\"1\""),
    go("-exec-continue", "reason=\"breakpoint-hit\""),
    ask("-thread-info", "current-thread-id=\"1\""),
    ask("-stack-list-frames 0 1000", "func=\"trapline_firmware::accesses::write_first\""),
    ask("-stack-list-arguments 0 0 20", "^done,stack-args="),
    ask("-stack-list-variables 0", "^done,variables="),
    ask("-var-create - * \"trapline_firmware::accesses::WATCHED_U32\"", "type=\"u32\""),
    ask("-data-list-register-names", "\"x0\""),
    ask("-data-list-register-values --skip-unavailable x 0 1 31 32", "number=\"32\""),
    ask("-data-read-memory-bytes 0x40200000 64", "contents=\""),
    ask("-data-disassemble -s $pc -e \"$pc + 16\" -- 2", "inst=\""),
    ask("-break-watch trapline_firmware::accesses::WATCHED_U32", "^done,wpt={number=\"2\""),
    go("-exec-continue", "reason=\"watchpoint-trigger\""),
    ask("-break-delete 2", "^done"),
    go("-exec-next", "reason=\"end-stepping-range\""),
    go("-exec-step", "reason=\"end-stepping-range\""),
    go("-exec-step-instruction", "reason=\"end-stepping-range\""),
    go("-exec-finish", "reason=\"function-finished\""),
    ask("-break-condition 1 0", "^done"),
    ask("-exec-continue", "^running"),
    Ask { command: "-exec-interrupt", result: "^done", stop: Some("signal-name=\"SIGINT\"") },
    ask("-target-detach", "^done"),
];

/// gdb, as the extension starts it.
struct Engine {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
    token: u32,
}

impl Engine {
    fn start(elf: &Path) -> Result<Self> {
        let mut child = Command::new("gdb-multiarch")
            .args(["-nx", "--interpreter=mi"])
            .arg(elf)
            .env_remove("PYTHONPATH")
            .env_remove("PYTHONHOME")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start gdb-multiarch (Debian: gdb-multiarch)")?;
        let input = child.stdin.take().context("gdb has no input")?;
        let output = BufReader::new(child.stdout.take().context("gdb has no output")?);
        let (send, lines) = channel();
        thread::Builder::new().name("editor".to_owned()).spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    break;
                }
            }
        })?;
        Ok(Self { child, input, lines, token: 1000 })
    }

    fn ask(&mut self, asked: &Ask) -> Result<()> {
        let Ask { command, result, stop } = asked;
        self.token += 1;
        writeln!(self.input, "{}{command}", self.token)?;
        let answer = self.line(&format!("{}^", self.token)).with_context(|| (*command).to_owned())?;
        ensure!(answer.contains(result), "{command} was answered with {answer}, without {result}");
        if let Some(stop) = stop {
            let stopped = self.line("*stopped").with_context(|| format!("the stop behind {command}"))?;
            ensure!(stopped.contains(stop), "{command} led to {stopped}, without {stop}");
        }
        Ok(())
    }

    /// The next line that begins like this.
    fn line(&self, begin: &str) -> Result<String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) if line.starts_with(begin) => return Ok(line),
                Ok(_) => {}
                Err(_) => bail!("gdb does not say {begin} within {} s", PATIENCE.as_secs()),
            }
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Plays the session.
pub(super) fn check(address: &str, elf: &Path) -> Result<Seen> {
    let mut engine = Engine::start(elf)?;
    for asked in &BEFORE {
        engine.ask(asked)?;
    }
    engine.token += 1;
    writeln!(engine.input, "{}-target-select remote {address}", engine.token)?;
    let connected = engine.line(&format!("{}^", engine.token))?;
    ensure!(connected.contains("^connected"), "-target-select was answered with {connected}");
    let mut seen = Seen::new();
    for asked in &BEHIND {
        engine.ask(asked)?;
        seen.push((asked.command.to_owned(), asked.stop.unwrap_or(asked.result).to_owned()));
    }
    Ok(seen)
}
