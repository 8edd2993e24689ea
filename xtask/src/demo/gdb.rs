//! gdb as a child process: commands in as a user would type them, what it says out, nothing waited for
//! without an end.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};

use super::mi::{Fields, Record};

/// A running gdb.
pub(crate) struct Gdb {
    child: Child,
    input: ChildStdin,
    output: Receiver<Record>,
    /// The last line that gdb wrote to standard error, when it has ended.
    errors: Receiver<String>,
    token: u32,
    timeout: Duration,
    /// gdb has let go of the target.
    detached: bool,
    /// What gdb complained of first since the last command.
    complaint: Option<String>,
}

/// What came back from one command.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    /// What the user would have read.
    pub(crate) console: String,
    /// Why gdb refused.
    pub(crate) error: Option<String>,
    /// The last stop that gdb told of.
    pub(crate) stopped: Option<Fields>,
    /// The value that was asked for.
    pub(crate) value: Option<String>,
}

/// Why there is no answer: the session is over.
#[derive(Debug)]
pub(crate) struct Lost(pub(crate) String);

/// What a command does to the target.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Effect {
    /// It stays as it is.
    None,
    /// It runs until it stops by itself.
    Runs,
    /// It runs until it is interrupted after this long.
    RunsUntilInterrupted(Duration),
    /// gdb lets go of it.
    Detaches,
}

impl Gdb {
    /// Starts `program` with the symbols of `elf`. Each command may take `timeout`.
    pub(crate) fn start(program: &Path, elf: &Path, timeout: Duration) -> anyhow::Result<Self> {
        let mut command = Command::new(program);
        command.args([OsStr::new("-nx"), OsStr::new("-q"), OsStr::new("--interpreter=mi3"), elf.as_os_str()]);
        Self::spawn(command, timeout)
            .with_context(|| format!("cannot start {} (Debian: gdb-multiarch)", program.display()))
    }

    fn spawn(mut command: Command, timeout: Duration) -> anyhow::Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A Ctrl-C on our terminal is ours; gdb gets its own from us.
            .process_group(0)
            .spawn()?;
        let input = child.stdin.take().context("gdb has no input")?;
        let output = read_records(child.stdout.take().context("gdb has no output")?);
        let errors = read_last_line(child.stderr.take().context("gdb has no error output")?);
        Ok(Self { child, input, output, errors, token: 0, timeout, detached: false, complaint: None })
    }

    /// Sets one of gdb's variables. One that this gdb does not know is not needed either.
    pub(super) fn set(&mut self, setting: &str) -> Result<(), Lost> {
        self.exchange(&format!("-gdb-set {setting}"), &format!("`set {setting}`")).map(drop)
    }

    /// What a script needs and a user does not see: nothing is paged, asked back, coloured or fetched.
    pub(crate) fn prepare(&mut self, timeout: Duration) -> Result<(), Lost> {
        for setting in ["pagination off", "confirm off", "width 0", "height 0", "style enabled off"] {
            self.set(setting)?;
        }
        self.set("debuginfod enabled off")?;
        self.set("breakpoint pending off")?;
        self.set(&format!("remotetimeout {}", timeout.as_secs()))?;
        self.set(&format!("tcp connect-timeout {}", (timeout.as_secs() / 2).clamp(1, 10)))
    }

    /// The value of an expression.
    pub(super) fn evaluate(&mut self, expression: &str) -> Result<Option<String>, Lost> {
        let command = format!("-data-evaluate-expression {}", quoted(expression));
        self.exchange(&command, &format!("`{expression}`")).map(|answer| answer.value)
    }

    /// Has gdb execute `command`, a line as a user would type it.
    pub(crate) fn execute(&mut self, command: &str, effect: Effect) -> Result<Answer, Lost> {
        self.detached = false;
        self.complaint = None;
        let mut answer = self
            .exchange(&format!("-interpreter-exec console {}", quoted(command)), &format!("`{command}`"))?;
        if answer.error.is_none() {
            match effect {
                Effect::Runs => self.wait_for_stop(command, &mut answer)?,
                Effect::RunsUntilInterrupted(after) => {
                    self.run_for(after, &mut answer)?;
                    if answer.stopped.is_none() {
                        self.interrupt()?;
                    }
                    self.wait_for_stop(command, &mut answer)?;
                }
                Effect::None | Effect::Detaches => {}
            }
        }
        if self.detached && effect != Effect::Detaches {
            return Err(self.target_gone());
        }
        Ok(answer)
    }

    /// Ends gdb. The target must be detached from before, or gdb kills it.
    pub(crate) fn quit(mut self) {
        // A gdb that is gone already needs no end.
        let _ = self.send("-gdb-exit");
        let _ = self.wait_for_end(Duration::from_secs(5));
    }

    /// How gdb ended, if it does in this time.
    fn wait_for_end(&mut self, time: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + time;
        loop {
            match self.child.try_wait() {
                Ok(None) if Instant::now() < deadline => thread::sleep(Duration::from_millis(10)),
                Ok(status) => return status,
                Err(_) => return None,
            }
        }
    }

    fn send(&mut self, command: &str) -> Result<u32, Lost> {
        self.token += 1;
        match writeln!(self.input, "{}{command}", self.token).and_then(|()| self.input.flush()) {
            Ok(()) => Ok(self.token),
            Err(_) => Err(self.gone()),
        }
    }

    /// Sends `command` and collects what comes until its result.
    fn exchange(&mut self, command: &str, what: &str) -> Result<Answer, Lost> {
        let token = self.send(command)?;
        let deadline = Instant::now() + self.timeout;
        let mut answer = Answer::default();
        loop {
            let record = self.next(deadline, &format!("gdb's answer to {what}"))?;
            if let Record::Result { token: Some(answered), class, fields } = &record
                && *answered == token
            {
                if class == "error" {
                    answer.error = Some(fields.text("msg").unwrap_or("no reason given").to_owned());
                }
                answer.value = fields.text("value").map(str::to_owned);
                return Ok(answer);
            }
            self.note(record, &mut answer);
        }
    }

    /// Adds `record` to `answer`.
    fn note(&mut self, record: Record, answer: &mut Answer) {
        match record {
            Record::Console(text) | Record::Target(text) => answer.console.push_str(&text),
            Record::Event { class, fields } if class == "stopped" => answer.stopped = Some(fields),
            Record::Event { class, .. } if class == "thread-group-exited" => self.detached = true,
            Record::Log(text) => {
                self.complaint.get_or_insert_with(|| text.trim().to_owned());
            }
            // An error without a command: a command that had been answered with `running` went wrong.
            Record::Result { class, fields, .. } if class == "error" => {
                self.complaint = fields.text("msg").map(str::to_owned);
                self.detached = true;
            }
            _ => {}
        }
    }

    /// Collects what comes until the target has stopped and gdb has told the user so.
    fn wait_for_stop(&mut self, command: &str, answer: &mut Answer) -> Result<(), Lost> {
        let deadline = Instant::now() + self.timeout;
        while answer.stopped.is_none() {
            if self.detached {
                return Err(self.target_gone());
            }
            let record = self.next(deadline, &format!("the target to stop after `{command}`"))?;
            self.note(record, answer);
        }
        // gdb describes a stop to the user after it reports it: all is said when it answers again.
        let rest = self.exchange("-gdb-show confirm", "gdb's prompt")?;
        answer.console.push_str(&rest.console);
        Ok(())
    }

    /// Collects what comes for this long, or until the target stops by itself.
    fn run_for(&mut self, time: Duration, answer: &mut Answer) -> Result<(), Lost> {
        let deadline = Instant::now() + time;
        while answer.stopped.is_none() && !self.detached {
            match self.output.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(record) => self.note(record, answer),
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return Err(self.gone()),
            }
        }
        Ok(())
    }

    /// What Ctrl-C on gdb's terminal does.
    fn interrupt(&mut self) -> Result<(), Lost> {
        kill_process(Pid::from_child(&self.child), Signal::INT)
            .map_err(|error| Lost(format!("cannot interrupt gdb: {error}")))
    }

    fn next(&mut self, deadline: Instant, what: &str) -> Result<Record, Lost> {
        let left = deadline.saturating_duration_since(Instant::now());
        // A gdb that talks without end is not waited for either.
        let received =
            if left.is_zero() { Err(RecvTimeoutError::Timeout) } else { self.output.recv_timeout(left) };
        match received {
            Ok(record) => Ok(record),
            Err(RecvTimeoutError::Timeout) => {
                Err(Lost(format!("waited {} s for {what}", self.timeout.as_secs())))
            }
            Err(RecvTimeoutError::Disconnected) => Err(self.gone()),
        }
    }

    fn target_gone(&self) -> Lost {
        let complaint = self.complaint.as_deref().map(|text| format!(": {text}")).unwrap_or_default();
        Lost(format!("the target ended, or the connection to it{complaint}"))
    }

    /// gdb has closed its input or output: says how it ended.
    fn gone(&mut self) -> Lost {
        let last = self.errors.recv_timeout(Duration::from_secs(1)).unwrap_or_default();
        let last = if last.is_empty() { last } else { format!(": {last}") };
        match self.wait_for_end(Duration::from_secs(1)) {
            Some(status) => Lost(format!("gdb ended by itself ({status}){last}")),
            None => Lost(format!("gdb talks no more{last}")),
        }
    }
}

impl Drop for Gdb {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_records(output: impl Read + Send + 'static) -> Receiver<Record> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut lines = BufReader::new(output);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            let text = String::from_utf8_lossy(&line);
            if sender.send(Record::parse(text.trim_end_matches(['\r', '\n']))).is_err() {
                break;
            }
            line.clear();
        }
    });
    receiver
}

/// Reads all there is, so that the pipe never fills up, and hands over the last line.
fn read_last_line(errors: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut last = String::new();
        for line in BufReader::new(errors).lines().map_while(Result::ok) {
            if !line.trim().is_empty() {
                last = line;
            }
        }
        // Where nobody waits for it, it is not needed.
        let _ = sender.send(last);
    });
    receiver
}

/// `text` as a string of the machine interface.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting_survives_the_parser() {
        let text = r#"print "a\n" == $x"#;
        assert_eq!(Record::parse(&format!("~{}", quoted(text))), Record::Console(text.to_owned()));
    }

    fn execute(program: &str, argument: Option<&str>) -> String {
        let mut command = Command::new(program);
        command.args(argument);
        let mut gdb = Gdb::spawn(command, Duration::from_millis(100)).unwrap();
        let Lost(reason) = gdb.execute("print 1", Effect::None).unwrap_err();
        reason
    }

    #[test]
    fn a_gdb_that_ends_is_not_waited_for() {
        let reason = execute("true", None);
        assert!(
            reason.contains("gdb ended by itself")
                || reason.contains("closed")
                || reason.contains("no more commands"),
            "{reason}"
        );
    }

    #[test]
    fn the_last_words_of_a_gdb_that_ends_are_passed_on() {
        let reason = execute("cat", Some("/no/such/library"));
        assert!(reason.contains("/no/such/library"), "{reason}");
    }

    #[test]
    fn a_gdb_that_says_nothing_is_given_up_after_the_timeout() {
        assert_eq!(execute("sleep", Some("60")), "waited 0 s for gdb's answer to `print 1`");
    }

    #[test]
    fn a_gdb_that_talks_without_end_is_given_up_too() {
        assert_eq!(execute("yes", None), "waited 0 s for gdb's answer to `print 1`");
    }

    #[test]
    fn a_missing_gdb_is_named() {
        let error = Gdb::start(Path::new("/no/such/gdb"), Path::new("x"), Duration::ZERO).err().unwrap();
        assert!(error.to_string().contains("/no/such/gdb"), "{error}");
    }
}
