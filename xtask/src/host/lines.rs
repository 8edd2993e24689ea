//! Output that a caller reads line by line.

use std::{
    io::{self, Read, Write},
    mem::take,
    sync::mpsc::Sender,
    thread::{self, JoinHandle},
};

use anyhow::Result;

use super::Event;

/// Output on its way to `to`, each line an event as well.
pub(crate) struct Watched<W> {
    to: W,
    events: Sender<Result<Event>>,
    line: Vec<u8>,
}

impl<W: Write> Watched<W> {
    /// Writes to `to` what is written here.
    pub(crate) fn new(to: W, events: Sender<Result<Event>>) -> Self {
        Self { to, events, line: Vec::new() }
    }
}

impl<W: Write> Write for Watched<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for &byte in bytes {
            if byte == b'\n' {
                let line = text(&take(&mut self.line));
                self.events.send(Ok(Event::Line(line))).map_err(|_| io::ErrorKind::BrokenPipe)?;
            } else {
                self.line.push(byte);
            }
        }
        self.to.write_all(bytes)?;
        self.to.flush()?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

impl<W> Drop for Watched<W> {
    fn drop(&mut self) {
        if !self.line.is_empty() {
            // The caller may have lost interest.
            let _ = self.events.send(Ok(Event::Line(text(&self.line))));
        }
    }
}

/// Copies `from` to `to`, from a thread of its own, until its end.
pub(crate) fn copy(
    mut from: impl Read + Send + 'static,
    mut to: Watched<impl Write + Send + 'static>,
) -> Result<JoinHandle<()>> {
    let work = move || {
        // Once nobody reads it, there is nothing more to do.
        let _ = io::copy(&mut from, &mut to);
    };
    Ok(thread::Builder::new().name("lines".to_owned()).spawn(work)?)
}

fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line).trim_end_matches('\r').to_owned()
}
