//! The hypervisor's log: defmt frames in, lines out, by defmt's own decoder.

use std::{
    fs::{self, File},
    io::{Read, Write as _},
    path::Path,
    sync::mpsc::Sender,
    thread::{self, JoinHandle},
};

use anyhow::{Context as _, Result};
use defmt_decoder::{DecodeError, Table};

use crate::host::Event;

/// What it takes to read the log.
pub(super) struct Reader {
    table: Table,
    file: File,
}

impl Reader {
    /// For the log of a program, to be kept in a file.
    pub(super) fn new(program: &Path, file: &Path) -> Result<Self> {
        let data = fs::read(program).with_context(|| format!("cannot read {}", program.display()))?;
        let table = Table::parse(&data)?;
        let table = table.with_context(|| format!("{} has no .defmt section", program.display()))?;
        let file = File::create(file).with_context(|| format!("cannot write {}", file.display()))?;
        Ok(Self { table, file })
    }

    /// Reads from a thread until the end, each line an event.
    pub(super) fn start(
        mut self,
        mut from: impl Read + Send + 'static,
        events: Sender<Result<Event>>,
    ) -> Result<JoinHandle<()>> {
        let work = move || {
            let mut decoder = self.table.new_stream_decoder();
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = from.read(&mut buffer) {
                decoder.received(buffer.get(..count).unwrap_or_default());
                loop {
                    let line = match decoder.decode() {
                        Ok(frame) => frame.display(false).to_string(),
                        Err(DecodeError::UnexpectedEof) => break,
                        Err(DecodeError::Malformed) => "(a malformed frame)".to_owned(),
                    };
                    // The events are what counts; and the caller may have lost interest in them.
                    let _ = writeln!(self.file, "{line}");
                    let _ = events.send(Ok(Event::Line(line)));
                }
            }
        };
        Ok(thread::Builder::new().name("log".to_owned()).spawn(work)?)
    }
}
