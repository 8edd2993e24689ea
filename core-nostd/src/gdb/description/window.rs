//! A part of a document.

use core::fmt;

use super::super::wire::Reply;

/// A writer that drops the bytes before a part of a document, appends that part to a reply, and ends the
/// document behind it.
pub(crate) struct Window<'w, 'r> {
    skip: u64,
    wanted: usize,
    reply: &'w mut Reply<'r>,
    is_cut: bool,
}

impl<'w, 'r> Window<'w, 'r> {
    /// The `wanted` bytes from `skip` on, as far as they fit into the reply.
    pub(crate) const fn new(skip: u64, wanted: usize, reply: &'w mut Reply<'r>) -> Self {
        Self { skip, wanted, reply, is_cut: false }
    }

    /// Whether the document goes on behind the part.
    pub(crate) const fn is_cut(&self) -> bool {
        self.is_cut
    }
}

impl fmt::Write for Window<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // All of it lies before the part more often than not.
        if self.skip >= text.len() as u64 {
            self.skip -= text.len() as u64;
            return Ok(());
        }
        for &byte in text.as_bytes().iter().skip(self.skip as usize) {
            // An escaped byte takes two.
            if self.wanted == 0 || self.reply.room() < 2 {
                self.is_cut = true;
                return Err(fmt::Error);
            }
            self.wanted -= 1;
            self.reply.escaped(byte);
        }
        self.skip = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::wire::Link;
    use super::*;
    use core::convert::Infallible;
    use core::fmt::Write;
    use std::string::String;

    struct Nowhere;

    impl super::super::super::Connection for Nowhere {
        type Error = Infallible;

        fn send(&mut self, _: &[u8]) -> Result<(), Infallible> {
            Ok(())
        }

        fn flush(&mut self) -> Result<(), Infallible> {
            Ok(())
        }
    }

    #[test]
    fn any_window_shows_that_part_of_the_document() {
        let parts = ["<a>", "", "bcdefghij", "klm", "</a>"];
        let whole: String = parts.concat();
        for (skip, wanted) in [(0, 4), (1, 1), (3, 9), (2, 100), (whole.len(), 8), (1 << 20, 8), (5, 0)] {
            let mut buffer = [0; 32];
            let mut link = Link::new(Nowhere, &mut buffer);
            let mut reply = link.reply();
            let mut window = Window::new(skip as u64, wanted, &mut reply);
            let ended = parts.iter().try_for_each(|part| window.write_str(part));
            let is_cut = window.is_cut();
            assert_eq!(ended.is_err(), is_cut);
            let expected = whole.get(skip..).unwrap_or_default();
            let expected = &expected[..expected.len().min(wanted)];
            assert_eq!(is_cut, skip + wanted < whole.len(), "{skip} {wanted}");
            assert_eq!(reply.len(), expected.len(), "{skip} {wanted}");
            assert_eq!(&buffer[2..2 + expected.len()], expected.as_bytes());
        }
    }
}
