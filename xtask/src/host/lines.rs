//! Output that a caller reads line by line.

use std::{
    io::BufRead,
    sync::mpsc::Sender,
    thread::{self, JoinHandle},
};

use anyhow::Result;

use super::Event;

/// Hands the lines of `reader` on as events, from a thread of its own, until its end.
pub(crate) fn hand_on(
    mut reader: impl BufRead + Send + 'static,
    events: Sender<Result<Event>>,
) -> Result<JoinHandle<()>> {
    let work = move || {
        let mut line = Vec::new();
        while matches!(reader.read_until(b'\n', &mut line), Ok(1..)) {
            if events.send(Ok(Event::Line(text(&line)))).is_err() {
                break;
            }
            line.clear();
        }
    };
    Ok(thread::Builder::new().name("lines".to_owned()).spawn(work)?)
}

/// The line without its end.
pub(crate) fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line).trim_end_matches(['\r', '\n']).to_owned()
}
