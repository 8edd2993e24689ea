//! `vCont` and its forerunners: what each thread is to do.

use crate::debugger::Action;
use crate::target::CoreId;

use super::super::wire::Scanner;
use super::Thread;

/// What some threads are to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in super::super) struct Move {
    pub(in super::super) action: Action,
    /// Whom it is for; `None` for all that no other move is for.
    pub(in super::super) thread: Option<Thread>,
}

/// Who is to do what.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in super::super) enum Moves<'p> {
    /// The thread that `Hc` chose does this, from an address where one is given.
    One { action: Action, from: Option<u64> },
    /// Each thread does what comes first in the list for it, and stays where it is if nothing does.
    List(List<'p>),
}

/// The moves of a `vCont`, all of them such as can be parsed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in super::super) struct List<'p>(&'p [u8]);

impl<'p> Moves<'p> {
    /// `c`, `C`, `s` or `S`, and what comes behind it.
    pub(super) fn of_one(first: u8, mut scanner: Scanner<'p>) -> Option<Self> {
        if first.is_ascii_uppercase() {
            // The signal's number means nothing to a machine.
            scanner.number()?;
            if !scanner.is_empty() {
                scanner.text(b";")?;
            }
        }
        let action = if first.eq_ignore_ascii_case(&b'c') { Action::Continue } else { Action::Step };
        let from = if scanner.is_empty() { None } else { Some(scanner.number()?) };
        scanner.end(Self::One { action, from })
    }

    /// What comes behind `vCont;`.
    pub(super) fn of_list(scanner: Scanner<'p>) -> Option<Self> {
        let list = List(scanner.rest());
        let mut parts = scanner;
        while !parts.is_empty() {
            one(parts.until(b';'))?;
        }
        (!scanner.is_empty()).then_some(Self::List(list))
    }
}

impl<'p> List<'p> {
    pub(in super::super) fn iter(self) -> impl Iterator<Item = Move> + use<'p> {
        self.0.split(|byte| *byte == b';').filter_map(one)
    }

    /// What a core is to do.
    pub(in super::super) fn action(self, core: CoreId) -> Action {
        let own = self.iter().find(|next| next.thread.is_none_or(|thread| thread.includes(core)));
        own.map_or(Action::Hold, |next| next.action)
    }
}

fn one(text: &[u8]) -> Option<Move> {
    let mut scanner = Scanner::new(text);
    let action = match scanner.byte()? {
        b'c' => Action::Continue,
        b's' => Action::Step,
        b't' => Action::Hold,
        // As with `C` alone, the signal means nothing.
        signal @ (b'C' | b'S') => {
            scanner.number()?;
            if signal == b'C' { Action::Continue } else { Action::Step }
        }
        b'r' => {
            let start = scanner.number()?;
            scanner.text(b",")?;
            Action::StepRange { start, end: scanner.number()? }
        }
        _ => return None,
    };
    let thread = match scanner.text(b":") {
        Some(()) => Some(Thread::parse(&mut scanner)?),
        None => None,
    };
    scanner.end(Move { action, thread })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Option<List<'_>> {
        match Moves::of_list(Scanner::new(text.as_bytes()))? {
            Moves::List(list) => Some(list),
            Moves::One { .. } => None,
        }
    }

    #[test]
    fn the_first_move_for_a_thread_counts() {
        let moves = list("s:2;r1000,1010:p1.3;t:4;c").unwrap();
        assert_eq!(moves.action(CoreId(0)), Action::Continue);
        assert_eq!(moves.action(CoreId(1)), Action::Step);
        assert_eq!(moves.action(CoreId(2)), Action::StepRange { start: 0x1000, end: 0x1010 });
        assert_eq!(moves.action(CoreId(3)), Action::Hold);
        let moves = list("c;s:1").unwrap();
        assert_eq!(moves.action(CoreId(0)), Action::Continue);
        let moves = list("S05:1").unwrap();
        assert_eq!((moves.action(CoreId(0)), moves.action(CoreId(1))), (Action::Step, Action::Hold));
    }

    #[test]
    fn one_move_that_means_nothing_spoils_the_list() {
        for text in ["", ";c", "c;", "x", "c:", "C", "r1000", "r1000,", "c;c:zz", "c1"] {
            let moves = list(text);
            assert!(moves.is_none() || text == "c;", "{text}: {moves:?}");
        }
    }

    #[test]
    fn the_forerunners_take_an_address() {
        let one = |first, text: &'static str| Moves::of_one(first, Scanner::new(text.as_bytes()));
        assert_eq!(one(b'c', ""), Some(Moves::One { action: Action::Continue, from: None }));
        assert_eq!(one(b's', "1000"), Some(Moves::One { action: Action::Step, from: Some(0x1000) }));
        assert_eq!(one(b'S', "05;1000"), Some(Moves::One { action: Action::Step, from: Some(0x1000) }));
        assert_eq!((one(b'C', ""), one(b'c', "zz"), one(b'C', "05:1")), (None, None, None));
    }
}
