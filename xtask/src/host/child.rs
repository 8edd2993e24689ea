//! Any program as a child of this process, watched like one on a host.

use std::{
    io,
    process::{ChildStdout, Command, Stdio},
    sync::mpsc::{Sender, channel},
    thread::JoinHandle,
};

use anyhow::{Context as _, Result};

use super::{
    Event, Running,
    lines::{self, Watched},
    supervisor,
};

/// Starts `command` without input. `read` makes events of its standard output, from a thread; what it
/// complains of comes line by line.
pub(crate) fn start_child(
    mut command: Command,
    read: impl FnOnce(ChildStdout, Sender<Result<Event>>) -> Result<JoinHandle<()>>,
) -> Result<Running> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let (events, received) = channel();
    let signals = supervisor::signals(&events)?;
    let mut child = command.spawn().context("cannot start the program")?;
    let mut readers = Vec::new();
    if let Some(output) = child.stdout.take() {
        readers.push(read(output, events.clone())?);
    }
    if let Some(errors) = child.stderr.take() {
        readers.push(lines::copy(errors, Watched::new(io::sink(), events.clone()))?);
    }
    let stopper = supervisor::of_child(child, readers, events, signals)?;
    Ok(Running { events: received, forwards: Vec::new(), stopper })
}
