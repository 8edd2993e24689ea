//! Threads: the cores, with numbers that begin at 1.

use crate::target::CoreId;

use super::super::wire::Scanner;

/// Which cores a packet means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in super::super) enum Thread {
    /// 0: any that the server likes.
    Any,
    /// −1: all of them.
    All,
    /// One. There may be none with that number.
    Core(CoreId),
}

impl Thread {
    /// A thread's number, or `p` with a process in front of it; a process alone is all of its threads.
    pub(super) fn parse(scanner: &mut Scanner<'_>) -> Option<Self> {
        if scanner.text(b"p").is_none() {
            return Self::number(scanner);
        }
        // There is one process, and it has the number 1.
        let process = Self::number(scanner)?;
        if !matches!(process, Self::Any | Self::All | Self::Core(CoreId(0))) {
            return None;
        }
        match scanner.text(b".") {
            Some(()) => Self::number(scanner),
            None => Some(Self::All),
        }
    }

    /// A thread that is all that is left.
    pub(super) fn whole(mut scanner: Scanner<'_>) -> Option<Self> {
        let thread = Self::parse(&mut scanner)?;
        scanner.end(thread)
    }

    fn number(scanner: &mut Scanner<'_>) -> Option<Self> {
        if scanner.text(b"-1").is_some() {
            return Some(Self::All);
        }
        let number = scanner.number()?;
        Some(match number.checked_sub(1) {
            None => Self::Any,
            Some(index) => Self::Core(CoreId(u16::try_from(index).unwrap_or(u16::MAX))),
        })
    }

    /// Whether the core is meant.
    pub(in super::super) fn includes(self, core: CoreId) -> bool {
        match self {
            Self::Any | Self::All => true,
            Self::Core(own) => own == core,
        }
    }
}

/// The thread that lldb names at the end of a packet, `;thread:ID;`, and nothing else; `Some(None)` where
/// nothing is left.
pub(super) fn suffix(scanner: &mut Scanner<'_>) -> Option<Option<Thread>> {
    if scanner.is_empty() {
        return Some(None);
    }
    scanner.text(b";thread:")?;
    let thread = Thread::parse(scanner)?;
    scanner.text(b";")?;
    scanner.end(Some(thread))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_cores_from_1_on() {
        for (text, thread) in [
            ("0", Some(Thread::Any)),
            ("-1", Some(Thread::All)),
            ("1", Some(Thread::Core(CoreId(0)))),
            ("10", Some(Thread::Core(CoreId(15)))),
            ("p1.2", Some(Thread::Core(CoreId(1)))),
            ("p1.-1", Some(Thread::All)),
            ("p0.0", Some(Thread::Any)),
            ("p1", Some(Thread::All)),
            ("p2.1", None),
            ("", None),
            ("p", None),
            ("p1.", None),
            ("ffffffff", Some(Thread::Core(CoreId(u16::MAX)))),
        ] {
            assert_eq!(Thread::whole(Scanner::new(text.as_bytes())), thread, "{text}");
        }
    }
}
