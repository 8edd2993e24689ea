//! Any bytes from a client: the session goes on, every answer is a whole packet, and when the client is gone
//! nothing of it is left.

use arbitrary::{Arbitrary, Unstructured};
use trapline_core::comparator::Bank;
use trapline_core::debugger::Debugger;
use trapline_core::gdb::{MIN_PACKET_BUFFER, Server, Status};
use trapline_core::pool::Owner;
use trapline_core::target::{CoreId, Register};

use crate::recorder::{self, RAM, Recorder};
use crate::wire::{Sent, packet};

const CORES: u16 = 2;
/// How packets begin.
const HEADS: [&str; 40] = [
    "m40000",
    "M40000",
    "x40000",
    "X40000",
    "g",
    "G",
    "p",
    "P",
    "Z0,40000",
    "Z1,40000",
    "Z2,40001",
    "Z3,40001",
    "Z4,40001",
    "z0,40000",
    "z1,40000",
    "z2,40001",
    "vCont;c",
    "vCont;s:",
    "vCont;r40000000,",
    "c",
    "s",
    "?",
    "H",
    "T",
    "!",
    "D",
    "vAttach;",
    "k",
    "vKill;",
    "R",
    "qXfer:features:read:",
    "qXfer:threads:read:",
    "qSupported:",
    "qMemoryRegionInfo:",
    "QEnableErrorStrings",
    "QStartNoAckMode",
    "QThreadSuffixSupported",
    "qThreadStopInfo",
    "_M",
    "qSymbol:",
];

#[derive(Arbitrary, Debug)]
enum Piece<'a> {
    /// A packet that begins as one does.
    Packet(u8, &'a [u8]),
    /// A command for the server.
    Monitor(&'a str),
    /// Bytes as they are.
    Raw(&'a [u8]),
    /// Something happens on a core.
    Happens { core: u8, step: bool, place: u8 },
}

/// Feeds one server.
///
/// # Panics
/// Where the session ends, an answer is cut short, or something is left.
pub fn check(data: &[u8]) {
    let mut buffer = [0; MIN_PACKET_BUFFER];
    let Ok(mut debugger) = Debugger::<_, 2, 8, 256>::new(Recorder::new(CORES)) else { return };
    let sent = Sent::default();
    let Ok(mut server) = Server::new(&mut debugger, sent.clone(), &mut buffer) else { panic!("no session") };
    let mut source = Unstructured::new(data);
    while let Ok(piece) = source.arbitrary::<Piece<'_>>() {
        let bytes = match piece {
            Piece::Packet(head, tail) => {
                packet(&[HEADS[usize::from(head) % HEADS.len()].as_bytes(), tail].concat())
            }
            Piece::Monitor(text) => {
                let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
                packet(format!("qRcmd,{hex}").as_bytes())
            }
            Piece::Raw(bytes) => bytes.to_vec(),
            Piece::Happens { core, step, place } => {
                let core = u16::from(core) % CORES;
                if !debugger.target().is_halted(core) {
                    debugger.target_mut().halts(core, RAM + u64::from(place) * 4);
                    let event = if step { recorder::step() } else { recorder::breakpoint() };
                    if let Err(error) = debugger.on_event(CoreId(core), event) {
                        panic!("{event:?}: {error}");
                    }
                    if let Err(error) = server.report_stop(&mut debugger) {
                        panic!("the session broke down: {error}");
                    }
                }
                Vec::new()
            }
        };
        if let Err(error) = server.receive(&mut debugger, &bytes) {
            panic!("the session broke down: {error}");
        }
        sent.packets();
        if source.is_empty() || matches!(server.status(), Status::Closed(_)) {
            break;
        }
    }
    // What an embedder does when the connection is gone. The registers say nothing that is no address.
    for core in 0..CORES {
        debugger.target_mut().set(core, Register::Pc, RAM);
    }
    if let Err(error) = debugger.detach(Owner::DEBUGGER) {
        panic!("the target is not let go of: {error}");
    }
    assert!(
        debugger.software_breakpoints().is_empty() && debugger.software_breakpoints().sites().count() == 0
    );
    for core in 0..CORES {
        assert_eq!(*debugger.target().bank(core), Bank::default(), "core {core}");
    }
}
