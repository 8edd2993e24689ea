//! What the client is told of watchpoints that pages serve: which, once each, when the target runs on. There is no way
//! to say it in the answer to `Z2`.

use core::fmt::{self, Write};

use heapless::Vec;

use crate::address::AddressRange;

/// How many watchpoints are remembered.
const REMEMBERED: usize = 32;

/// Whether pages may serve watchpoints, and of which the client has been told.
#[derive(Debug)]
pub(super) struct PagedNotes {
    /// Pages serve those for which the comparators do not suffice.
    pub(super) allowed: bool,
    notes: Vec<Note, REMEMBERED>,
}

/// A watchpoint that pages serve or have served: gdb removes all at every stop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Note {
    range: AddressRange,
    told: bool,
}

impl PagedNotes {
    pub(super) const fn new() -> Self {
        Self { allowed: true, notes: Vec::new() }
    }

    /// A watchpoint on this range is served by pages, or no more.
    pub(super) fn note(&mut self, range: AddressRange, paged: bool) {
        if !paged {
            self.notes.retain(|note| note.range != range || note.told);
        } else if self.notes.iter().all(|note| note.range != range) {
            if self.notes.is_full() {
                self.notes.remove(0);
            }
            // There is room for it.
            let _ = self.notes.push(Note { range, told: false });
        }
    }

    /// Whether there is something to tell.
    pub(super) fn is_untold(&self) -> bool {
        self.notes.iter().any(|note| !note.told)
    }

    /// Writes of which the client has been told: a client that removes all watchpoints at a stop has none inserted then.
    pub(super) fn list(&self, out: &mut impl Write) -> fmt::Result {
        for Note { range, .. } in self.notes.iter().filter(|note| note.told) {
            writeln!(out, "by pages while the target ran: {range}")?;
        }
        Ok(())
    }

    /// Writes what has not been told.
    pub(super) fn tell(&mut self, out: &mut impl Write) -> fmt::Result {
        for Note { range, told } in self.notes.iter_mut().filter(|note| !note.told) {
            *told = true;
            writeln!(out, "{range} is watched by pages that trap writes: the comparators do not suffice")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::String;

    fn told(notes: &mut PagedNotes) -> usize {
        let mut said = String::new();
        notes.tell(&mut said).unwrap();
        said.lines().count()
    }

    #[test]
    fn each_is_told_once_however_often_it_is_inserted() {
        let range = |first| AddressRange::new(first, 8).unwrap();
        let mut notes = PagedNotes::new();
        notes.note(range(0x1000), true);
        notes.note(range(0x2000), true);
        notes.note(range(0x2000), false);
        assert!(notes.is_untold());
        assert_eq!((told(&mut notes), told(&mut notes)), (1, 0));
        notes.note(range(0x1000), false);
        notes.note(range(0x1000), true);
        assert!(!notes.is_untold());
        let mut listed = String::new();
        notes.list(&mut listed).unwrap();
        assert_eq!(listed.lines().count(), 1);
        for first in 0..100 {
            notes.note(range(0x8000 + 8 * first), true);
        }
        assert_eq!(told(&mut notes), REMEMBERED);
    }
}
