//! `q` and `Q`: questions and settings.

use super::super::search;
use super::super::wire::{Hex, Scanner};
use super::Thread;

/// A question.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in super::super) enum Query<'p> {
    /// `qSupported`: what the client can do.
    Supported(Features),
    /// `qXfer:…:read`.
    Transfer { object: Transfer, annex: &'p [u8], offset: u64, length: u64 },
    /// `qfThreadInfo`: the first threads.
    FirstThreads,
    /// `qsThreadInfo`: more of them.
    MoreThreads,
    /// `qC`.
    CurrentThread,
    /// `qThreadExtraInfo`.
    ThreadName(Thread),
    /// `qAttached`.
    Attached,
    /// `qSymbol`: the client has symbols.
    Symbols,
    /// `qRcmd`: a `monitor` command.
    Command(Hex<'p>),
    /// `qHostInfo` of lldb, as all that follow.
    Host,
    /// `qProcessInfo`.
    Process,
    /// `qWatchpointSupportInfo`.
    Watchpoints,
    /// `qGDBServerVersion`.
    Version,
    /// `qMemoryRegionInfo`.
    MemoryRegion(u64),
    /// `qThreadStopInfo`.
    ThreadStop(Thread),
    /// `qCRC`.
    Checksum { address: u64, length: u64 },
    /// `qSearch:memory`.
    Search { address: u64, length: u64, pattern: &'p [u8] },
    /// `qEcho`.
    Echo(&'p [u8]),
    /// A question that is known, with contents that mean nothing.
    Malformed,
}

/// What `qXfer` reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in super::super) enum Transfer {
    /// The target description.
    Features,
    /// The threads.
    Threads,
    /// The memory map.
    MemoryMap,
}

/// What the client says in `qSupported` that it can do, as far as it matters here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in super::super) struct Features(u8);

/// Something that the client sets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in super::super) enum Setting {
    /// `QStartNoAckMode`.
    NoAcknowledgements,
    /// `QNonStop`.
    NonStop(bool),
    /// `QThreadSuffixSupported` of lldb, as all that follow.
    ThreadSuffix,
    /// `QListThreadsInStopReply`.
    ThreadsInStop,
    /// `QEnableErrorStrings`.
    ErrorStrings,
}

impl<'p> Query<'p> {
    /// What comes behind the `q`; `None` for a question that is not known.
    pub(super) fn parse(mut scanner: Scanner<'p>) -> Option<Self> {
        let name_length =
            scanner.rest().iter().position(|byte| matches!(byte, b':' | b',' | b';')).unwrap_or(usize::MAX);
        let name = scanner.rest().get(..name_length).unwrap_or(scanner.rest());
        scanner.text(name)?;
        let Some(known) = find(&NAMES, name) else { return numbered(name) };
        let query = match known {
            Name::Checksum | Name::Search if !search::BUILT_IN => return None,
            Name::Supported => Some(Self::Supported(Features::parse(scanner))),
            Name::Transfer => return transfer(scanner),
            Name::FirstThreads => scanner.end(Self::FirstThreads),
            Name::MoreThreads => scanner.end(Self::MoreThreads),
            Name::CurrentThread => scanner.end(Self::CurrentThread),
            Name::ThreadExtra => scanner.byte().and_then(|_| Thread::whole(scanner)).map(Self::ThreadName),
            Name::Attached => Some(Self::Attached),
            Name::Symbols => Some(Self::Symbols),
            Name::Command => scanner.byte().and_then(|_| scanner.hex()).map(Self::Command),
            Name::Host => Some(Self::Host),
            Name::Process => Some(Self::Process),
            Name::Watchpoints => Some(Self::Watchpoints),
            Name::Version => Some(Self::Version),
            Name::MemoryRegion => {
                let address = scanner.byte().and_then(|_| scanner.number());
                address.and_then(|address| scanner.end(Self::MemoryRegion(address)))
            }
            Name::Checksum => scanner.byte().and_then(|_| {
                let (address, length) = pair(&mut scanner, b",")?;
                scanner.end(Self::Checksum { address, length })
            }),
            Name::Search => {
                // There is nothing else to search.
                scanner.text(b":memory:")?;
                search(scanner)
            }
            Name::Echo => scanner.byte().map(|_| Self::Echo(scanner.rest())),
        };
        Some(query.unwrap_or(Self::Malformed))
    }
}

/// The names of questions whose contents follow a separator.
#[derive(Clone, Copy)]
enum Name {
    Supported,
    Transfer,
    FirstThreads,
    MoreThreads,
    CurrentThread,
    ThreadExtra,
    Attached,
    Symbols,
    Command,
    Host,
    Process,
    Watchpoints,
    Version,
    MemoryRegion,
    Checksum,
    Search,
    Echo,
}

const NAMES: [(&str, Name); 17] = [
    ("Supported", Name::Supported),
    ("Xfer", Name::Transfer),
    ("fThreadInfo", Name::FirstThreads),
    ("sThreadInfo", Name::MoreThreads),
    ("C", Name::CurrentThread),
    ("ThreadExtraInfo", Name::ThreadExtra),
    ("Attached", Name::Attached),
    ("Symbol", Name::Symbols),
    ("Rcmd", Name::Command),
    ("HostInfo", Name::Host),
    ("ProcessInfo", Name::Process),
    ("WatchpointSupportInfo", Name::Watchpoints),
    ("GDBServerVersion", Name::Version),
    ("MemoryRegionInfo", Name::MemoryRegion),
    ("CRC", Name::Checksum),
    ("Search", Name::Search),
    ("Echo", Name::Echo),
];

/// What a name stands for. A table takes a fraction of the code that comparing with each name in turn does.
fn find<T: Copy>(names: &[(&str, T)], name: &[u8]) -> Option<T> {
    names.iter().find(|(known, _)| known.as_bytes() == name).map(|(_, meaning)| *meaning)
}

/// A question whose number follows its name at once.
fn numbered(name: &[u8]) -> Option<Query<'_>> {
    let mut scanner = Scanner::new(name);
    scanner.text(b"ThreadStopInfo")?;
    Some(Thread::whole(scanner).map_or(Query::Malformed, Query::ThreadStop))
}

/// What can be read by `qXfer`.
const OBJECTS: [(&str, Transfer); 3] =
    [("features", Transfer::Features), ("threads", Transfer::Threads), ("memory-map", Transfer::MemoryMap)];

/// `qXfer:object:read:annex:offset,length`, from its first colon on.
fn transfer(mut scanner: Scanner<'_>) -> Option<Query<'_>> {
    scanner.text(b":")?;
    let object = find(&OBJECTS, scanner.until(b':'))?;
    // What can be read cannot always be written.
    scanner.text(b"read:")?;
    let annex = scanner.until(b':');
    let range = pair(&mut scanner, b",").and_then(|range| scanner.end(range));
    Some(match range {
        Some((offset, length)) => Query::Transfer { object, annex, offset, length },
        None => Query::Malformed,
    })
}

/// Two numbers.
fn pair(scanner: &mut Scanner<'_>, separator: &[u8]) -> Option<(u64, u64)> {
    let first = scanner.number()?;
    scanner.text(separator)?;
    Some((first, scanner.number()?))
}

/// `address;length;pattern`.
fn search(mut scanner: Scanner<'_>) -> Option<Query<'_>> {
    let (address, length) = pair(&mut scanner, b";")?;
    scanner.text(b";")?;
    Some(Query::Search { address, length, pattern: scanner.rest() })
}

impl Features {
    /// Those of a client that has said nothing.
    pub(in super::super) const NONE: Self = Self(0);
    /// It shows the text of errors, `E.text`, for every packet.
    pub(in super::super) const ERROR_TEXT: Self = Self(1 << 0);
    /// It knows `x`, with a `b` in front of the bytes.
    pub(in super::super) const BINARY_UPLOAD: Self = Self(1 << 1);
    /// It knows `swbreak` in stop replies.
    pub(in super::super) const SOFTWARE_REASON: Self = Self(1 << 2);
    /// It knows `hwbreak` there.
    pub(in super::super) const HARDWARE_REASON: Self = Self(1 << 3);

    /// Whether it can do all that `other` says.
    pub(in super::super) const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    fn parse(mut scanner: Scanner<'_>) -> Self {
        let mut features = Self::NONE;
        scanner.byte();
        while !scanner.is_empty() {
            features.0 |= find(&FEATURES, scanner.until(b';')).unwrap_or(Self::NONE).0;
        }
        features
    }
}

const FEATURES: [(&str, Features); 4] = [
    ("error-message+", Features::ERROR_TEXT),
    ("binary-upload+", Features::BINARY_UPLOAD),
    ("swbreak+", Features::SOFTWARE_REASON),
    ("hwbreak+", Features::HARDWARE_REASON),
];

impl Setting {
    /// What comes behind the `Q`; `None` for a setting that is not known.
    pub(super) fn parse(scanner: Scanner<'_>) -> Option<Self> {
        find(&SETTINGS, scanner.rest())
    }
}

const SETTINGS: [(&str, Setting); 6] = [
    ("StartNoAckMode", Setting::NoAcknowledgements),
    ("NonStop:0", Setting::NonStop(false)),
    ("NonStop:1", Setting::NonStop(true)),
    ("ThreadSuffixSupported", Setting::ThreadSuffix),
    ("ListThreadsInStopReply", Setting::ThreadsInStop),
    ("EnableErrorStrings", Setting::ErrorStrings),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::CoreId;

    #[test]
    fn questions_end_their_name_at_a_separator() {
        let parse = |text: &'static str| Query::parse(Scanner::new(text.as_bytes()));
        let features = Features(Features::ERROR_TEXT.0 | Features::SOFTWARE_REASON.0);
        for (text, query) in [
            ("Supported", Some(Query::Supported(Features::NONE))),
            ("Supported:swbreak+;error-message+;x", Some(Query::Supported(features))),
            ("C", Some(Query::CurrentThread)),
            ("Rcmd,68", Some(Query::Command(Hex::new(b"68").unwrap()))),
            ("Rcmd,6", Some(Query::Malformed)),
            ("Rcmd", Some(Query::Malformed)),
            ("ThreadExtraInfo,2", Some(Query::ThreadName(Thread::Core(CoreId(1))))),
            ("ThreadStopInfo", Some(Query::Malformed)),
            ("ThreadStopInfo1", Some(Query::ThreadStop(Thread::Core(CoreId(0))))),
            ("MemoryRegionInfo:ffff000000000000", Some(Query::MemoryRegion(0xffff << 48))),
            ("Echo:5", Some(Query::Echo(b"5"))),
            ("Xfer:features:read:target.xml:0", Some(Query::Malformed)),
            ("Xfer:features:write:target.xml:0,1", None),
            ("Xfer:auxv:read::0,1", None),
            ("TStatus", None),
            ("", None),
        ] {
            assert_eq!(parse(text), query, "{text}");
        }
        let transfer = parse("Xfer:features:read:target.xml:0,ffb");
        let Some(Query::Transfer { annex, offset, length, .. }) = transfer else { panic!("{transfer:?}") };
        assert_eq!((annex, offset, length), (&b"target.xml"[..], 0, 0xffb));
    }

    #[test]
    fn memory_is_searched_where_that_is_built_in() {
        for (text, query) in [
            ("CRC:10,1f", Query::Checksum { address: 0x10, length: 0x1f }),
            ("CRC:10", Query::Malformed),
            ("Search:memory:10;1f;a;b", Query::Search { address: 0x10, length: 0x1f, pattern: b"a;b" }),
            ("Search:memory:10;1f", Query::Malformed),
        ] {
            let parsed = Query::parse(Scanner::new(text.as_bytes()));
            assert_eq!(parsed, search::BUILT_IN.then_some(query), "{text}");
        }
    }
}
