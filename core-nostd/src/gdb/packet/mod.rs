//! What packets say: from a payload to a [`Packet`]. Pure, and total: every payload is something.

mod point;
mod query;
mod resume;
mod thread;

pub(super) use point::{Expressions, Point, PointKind};
pub(super) use query::{Features, Query, Setting, Transfer};
pub(super) use resume::Moves;
pub(super) use thread::Thread;

use super::wire::{Hex, Scanner};

/// One packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Packet<'p> {
    /// `!`: the session outlives a detach.
    Extended,
    /// `?`: where the target stands.
    StopReason,
    /// `g`.
    ReadRegisters(Option<Thread>),
    /// `G`.
    WriteRegisters(Option<Thread>, Hex<'p>),
    /// `p`.
    ReadRegister(Option<Thread>, u64),
    /// `P`.
    WriteRegister(Option<Thread>, u64, Hex<'p>),
    /// `m`, and `x` with the bytes as they are.
    ReadMemory { address: u64, length: u64, binary: bool },
    /// `M` and `X`.
    WriteMemory { address: u64, data: Data<'p> },
    /// `c`, `C`, `s` and `S` for the thread that `Hc` chose, and `vCont` with a move for each thread.
    Resume(Moves<'p>),
    /// `vCont?`.
    ResumeKinds,
    /// `Hg`: the thread that registers and memory are of.
    SelectThread(Thread),
    /// `Hc`: the thread that `c` and `s` move.
    SelectResumed(Thread),
    /// `T`.
    IsAlive(Thread),
    /// `Z`, and `z` with `insert` false.
    Point { insert: bool, point: Point<'p> },
    /// `D`.
    Detach,
    /// `k`, which has no answer, and `vKill`.
    Kill { answered: bool },
    /// `vAttach`.
    Attach(u64),
    /// `vRun`, which starts a program.
    Run,
    /// `R`, which starts the program anew and has no answer.
    Restart,
    /// `q…`.
    Query(Query<'p>),
    /// `Q…`.
    Set(Setting),
    /// A packet that this server does not know; the answer to it is empty.
    Unknown,
    /// A packet that is known, with contents that mean nothing.
    Malformed,
}

/// Bytes that come with a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Data<'p> {
    /// As hexadecimal digits.
    Hex(Hex<'p>),
    /// As they are.
    Binary(&'p [u8]),
}

impl<'p> Packet<'p> {
    /// What `payload` says.
    pub(super) fn parse(payload: &'p [u8]) -> Self {
        let mut scanner = Scanner::new(payload);
        let Some(first) = scanner.byte() else { return Self::Unknown };
        let packet = match first {
            b'!' => scanner.end(Self::Extended),
            b'?' => scanner.end(Self::StopReason),
            b'g' => thread::suffix(&mut scanner).map(Self::ReadRegisters),
            b'G' => register_values(scanner).map(|(thread, hex)| Self::WriteRegisters(thread, hex)),
            b'p' => register(scanner),
            b'P' => register_write(scanner),
            b'm' => memory(scanner, false),
            b'x' => memory(scanner, true),
            b'M' | b'X' => memory_write(scanner, first == b'X'),
            b'c' | b'C' | b's' | b'S' => Moves::of_one(first, scanner).map(Self::Resume),
            b'H' => match scanner.byte() {
                Some(b'g') => Thread::whole(scanner).map(Self::SelectThread),
                Some(b'c') => Thread::whole(scanner).map(Self::SelectResumed),
                _ => return Self::Unknown,
            },
            b'T' => Thread::whole(scanner).map(Self::IsAlive),
            b'Z' | b'z' => match Point::parse(scanner) {
                Some(point) => Some(Self::Point { insert: first == b'Z', point }),
                // A kind of breakpoint that does not exist.
                None if !matches!(payload.get(1), Some(b'0'..=b'4')) => return Self::Unknown,
                None => None,
            },
            b'D' => Some(Self::Detach),
            b'k' => Some(Self::Kill { answered: false }),
            b'R' => Some(Self::Restart),
            b'q' => return Query::parse(scanner).map_or(Self::Unknown, Self::Query),
            b'Q' => return Setting::parse(scanner).map_or(Self::Unknown, Self::Set),
            b'v' => return Self::verbose(scanner),
            _ => return Self::Unknown,
        };
        packet.unwrap_or(Self::Malformed)
    }

    /// Packets with a name, behind their `v`.
    fn verbose(mut scanner: Scanner<'p>) -> Self {
        let packet = if scanner.text(b"Cont").is_some() {
            match scanner.byte() {
                Some(b'?') => scanner.end(Self::ResumeKinds),
                Some(b';') => Moves::of_list(scanner).map(Self::Resume),
                _ => None,
            }
        } else if scanner.text(b"Kill").is_some() {
            Some(Self::Kill { answered: true })
        } else if scanner.text(b"Attach;").is_some() {
            scanner.number().and_then(|process| scanner.end(Self::Attach(process)))
        } else if scanner.text(b"Run").is_some() {
            Some(Self::Run)
        } else {
            return Self::Unknown;
        };
        packet.unwrap_or(Self::Malformed)
    }
}

/// The values of a `G`, and the thread that lldb may name behind them.
fn register_values(mut scanner: Scanner<'_>) -> Option<(Option<Thread>, Hex<'_>)> {
    let hex = Hex::new(digits(&mut scanner))?;
    Some((thread::suffix(&mut scanner)?, hex))
}

/// What comes before a `;`, which stays.
fn digits<'p>(scanner: &mut Scanner<'p>) -> &'p [u8] {
    let rest = scanner.rest();
    let (digits, behind) = rest.split_at(rest.iter().position(|byte| *byte == b';').unwrap_or(rest.len()));
    *scanner = Scanner::new(behind);
    digits
}

fn register(mut scanner: Scanner<'_>) -> Option<Packet<'_>> {
    let number = scanner.number()?;
    Some(Packet::ReadRegister(thread::suffix(&mut scanner)?, number))
}

fn register_write(mut scanner: Scanner<'_>) -> Option<Packet<'_>> {
    let number = scanner.number()?;
    scanner.text(b"=")?;
    let (thread, hex) = register_values(scanner)?;
    Some(Packet::WriteRegister(thread, number, hex))
}

fn memory(mut scanner: Scanner<'_>, binary: bool) -> Option<Packet<'_>> {
    let address = scanner.number()?;
    scanner.text(b",")?;
    let length = scanner.number()?;
    scanner.end(Packet::ReadMemory { address, length, binary })
}

fn memory_write(mut scanner: Scanner<'_>, binary: bool) -> Option<Packet<'_>> {
    let address = scanner.number()?;
    scanner.text(b",")?;
    let length = scanner.number()?;
    scanner.text(b":")?;
    let (data, count) = if binary {
        (Data::Binary(scanner.rest()), scanner.rest().len())
    } else {
        let hex = scanner.hex()?;
        (Data::Hex(hex), hex.len())
    };
    (count as u64 == length).then_some(Packet::WriteMemory { address, data })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::CoreId;

    #[test]
    fn every_payload_is_something() {
        for (payload, packet) in [
            (&b""[..], Packet::Unknown),
            (b"!", Packet::Extended),
            (b"!x", Packet::Malformed),
            (b"?", Packet::StopReason),
            (b"g", Packet::ReadRegisters(None)),
            (b"g;thread:2;", Packet::ReadRegisters(Some(Thread::Core(CoreId(1))))),
            (b"g;", Packet::Malformed),
            (b"p1f", Packet::ReadRegister(None, 0x1f)),
            (b"p", Packet::Malformed),
            (b"pzz", Packet::Malformed),
            (b"P1=0", Packet::Malformed),
            (b"G1", Packet::Malformed),
            (b"m0,4", Packet::ReadMemory { address: 0, length: 4, binary: false }),
            (b"xffffffffffffffff,1", Packet::ReadMemory { address: u64::MAX, length: 1, binary: true }),
            (b"m10000000000000000,1", Packet::Malformed),
            (b"m0", Packet::Malformed),
            (b"m0,4,", Packet::Malformed),
            (b"M0,1:0", Packet::Malformed),
            (b"M0,1:0102", Packet::Malformed),
            (b"X0,2:\x03:", Packet::WriteMemory { address: 0, data: Data::Binary(b"\x03:") }),
            (b"X0,1:ab", Packet::Malformed),
            (b"Hg0", Packet::SelectThread(Thread::Any)),
            (b"Hc-1", Packet::SelectResumed(Thread::All)),
            (b"Hx1", Packet::Unknown),
            (b"Hg", Packet::Malformed),
            (b"T1", Packet::IsAlive(Thread::Core(CoreId(0)))),
            (b"Z5,0,4", Packet::Unknown),
            (b"Z0,0", Packet::Malformed),
            (b"k", Packet::Kill { answered: false }),
            (b"vKill;1", Packet::Kill { answered: true }),
            (b"vAttach;1", Packet::Attach(1)),
            (b"vAttach;", Packet::Malformed),
            (b"vCont", Packet::Malformed),
            (b"vCont?", Packet::ResumeKinds),
            (b"vMustReplyEmpty", Packet::Unknown),
            (b"jThreadsInfo", Packet::Unknown),
            (b"\xff", Packet::Unknown),
        ] {
            assert_eq!(Packet::parse(payload), packet, "{}", std::string::String::from_utf8_lossy(payload));
        }
    }
}
