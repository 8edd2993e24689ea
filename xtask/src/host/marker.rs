//! Where a stream out of the emulated host ends: at a marker that the host writes after the program.
//!
//! A port of the emulator has no end of file, and what it still holds is lost when the machine is switched
//! off. A marker chosen anew for each run says both: all has come, and nothing more will.

use std::io::Read as _;

use anyhow::{Context as _, Result};

/// A text that no program writes by chance.
#[derive(Clone)]
pub(crate) struct Marker(String);

impl Marker {
    /// A marker like no other.
    pub(crate) fn random() -> Result<Self> {
        let mut bytes = [0; 16];
        let mut source = std::fs::File::open("/dev/urandom").context("cannot open /dev/urandom")?;
        source.read_exact(&mut bytes).context("cannot read /dev/urandom")?;
        Ok(Self(format!("end of stream {:032x}", u128::from_ne_bytes(bytes))))
    }

    /// The text.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

/// A stream on its way out: holds back what may be the beginning of the marker.
pub(crate) struct Filter {
    marker: Marker,
    pending: Vec<u8>,
}

impl Filter {
    /// A stream that ends at `marker`.
    pub(crate) fn new(marker: Marker) -> Self {
        Self { marker, pending: Vec::new() }
    }

    /// Takes what arrived and hands on what is the program's. True once the marker was there.
    pub(crate) fn push(&mut self, bytes: &[u8], mut hand_on: impl FnMut(&[u8])) -> bool {
        self.pending.extend_from_slice(bytes);
        let marker = self.marker.0.as_bytes();
        let start = (0..self.pending.len())
            .find(|&at| self.pending.get(at..).is_some_and(|rest| agrees(rest, marker)))
            .unwrap_or(self.pending.len());
        let (ours, rest) = self.pending.split_at(start);
        hand_on(ours);
        let ended = rest.len() >= marker.len();
        self.pending.drain(..start);
        ended
    }

    /// What is still held back when the stream broke off.
    pub(crate) fn rest(&self) -> &[u8] {
        &self.pending
    }
}

/// Whether `bytes` are the marker, or all of them its beginning.
fn agrees(bytes: &[u8], marker: &[u8]) -> bool {
    bytes.iter().zip(marker).all(|(byte, expected)| byte == expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes out of a stream that arrives in pieces, and whether it ended.
    fn outcome(pieces: &[&str]) -> (String, bool) {
        let mut filter = Filter::new(Marker("<end>".to_owned()));
        let mut out = Vec::new();
        let ended =
            pieces.iter().any(|piece| filter.push(piece.as_bytes(), |bytes| out.extend_from_slice(bytes)));
        (String::from_utf8(out).expect("text"), ended)
    }

    #[test]
    fn a_stream_ends_at_its_marker_wherever_that_is_cut() {
        let text = "some <e text<end>";
        for cut in 0..=text.len() {
            let (first, second) = text.split_at(cut);
            assert_eq!(outcome(&[first, second]), ("some <e text".to_owned(), true), "cut at {cut}");
        }
    }

    #[test]
    fn the_beginning_of_a_marker_is_handed_on_when_it_turns_out_to_be_text() {
        assert_eq!(outcome(&["a<en", "x", "<<end>"]), ("a<enx<".to_owned(), true));
    }

    #[test]
    fn an_unfinished_marker_is_held_back() {
        let mut filter = Filter::new(Marker("<end>".to_owned()));
        assert!(!filter.push(b"text<en", |bytes| assert_eq!(bytes, b"text")));
        assert_eq!(filter.rest(), b"<en");
    }

    #[test]
    fn two_markers_differ() {
        assert_ne!(Marker::random().expect("marker").text(), Marker::random().expect("marker").text());
    }
}
