//! Whatever a client asks for and a target does, in whatever order: what is armed and planted while the target
//! runs is what the server has acknowledged, and nothing is left of it when the client is gone.

use std::collections::BTreeSet;

use arbitrary::{Arbitrary, Unstructured};
use trapline_core::comparator::Bank;
use trapline_core::debugger::Debugger;
use trapline_core::gdb::{MIN_PACKET_BUFFER, Server, Status};
use trapline_core::target::{CoreId, Event, Register};

use crate::hardware::{State, check_breakpoint, check_watchpoint};
use crate::recorder::{self, Did, RAM, Recorder, YIELD};
use crate::wire::{Sent, packet};

const CORES: u16 = 2;
/// Of the recorder's write traps.
const PAGE: u64 = 4096;
/// The comparators that can tell contexts apart are the last of the recorder's.
const FIRST_AWARE: usize = 4;
/// Where code is that has breakpoints, and data that is watched, in bytes of RAM.
const CODE: u64 = 0x40;
const DATA: u64 = 0x1000;
const DATA_SIZE: u64 = 0x40;
/// What a client writes over instructions: none that begins an exclusive sequence, which takes comparators of
/// its own. `NOP`, `YIELD`, `MRS X0, DAIF`, `BRK #0`, UNDEFINED, `B .`, `CBNZ X0, .-8`.
const INSTRUCTIONS: [u32; 7] = [0xd503_201f, YIELD, 0xd53b_4220, 0xd420_0000, 0, 0x1400_0000, 0xb5ff_ffc0];
/// X0 is never 2^63, and it is not 0: `26 0000` is X0, `27` the end.
const CONDITIONS: [&str; 4] = ["", ";X4,26000027", ";X5,2600000e27", ";X1,ff"];
/// What changes nothing.
const QUERIES: [&str; 12] = [
    "?",
    "g",
    "p20",
    "qfThreadInfo",
    "qsThreadInfo",
    "qXfer:threads:read::0,100",
    "qXfer:features:read:target.xml:0,100",
    "qMemoryRegionInfo:40000000",
    "qHostInfo",
    "qThreadStopInfo2",
    "qRcmd,696e666f",
    "QListThreadsInStopReply",
];

#[derive(Arbitrary, Debug)]
enum Act {
    Insert(Point),
    Remove(Point),
    Continue,
    Step { thread: u8, others: bool, range: u8 },
    Happens { core: u8, event: u8, place: u8, write: bool },
    Interrupt,
    Read { place: u8, length: u8 },
    Write { place: u8, bytes: [u8; 6], length: u8 },
    WriteInstruction { place: u8, which: u8 },
    WriteRegister { number: u8, value: u8 },
    Select(u8),
    Extended,
    Detach,
    Attach,
    Query(u8),
}

#[derive(Arbitrary, Debug)]
struct Point {
    kind: u8,
    place: u8,
    length: u8,
    condition: u8,
}

/// What `Z` packets ask for: kind, address, length.
type Asked = (u8, u64, u64);

struct Session<'b> {
    debugger: Debugger<Recorder, 2, 8, 256>,
    server: Server<'b, Recorder, Sent, 2, 8, 256>,
    sent: Sent,
    asked: BTreeSet<Asked>,
    /// RAM as it is without the debugger.
    plain: Vec<u8>,
    /// How much of what the engine did has been looked at.
    looked_at: usize,
    /// How each core was last started.
    started: [Option<Did>; CORES as usize],
    /// The core that was last asked for a step, and may run through code for it, to breakpoints of the engine's own.
    steps: Option<u16>,
    /// What was found to agree with the cores' comparators.
    compared: Option<(BTreeSet<Asked>, [Bank; CORES as usize], Vec<u64>)>,
}

impl Session<'_> {
    /// Sends a packet and returns the answer, if there is one by now.
    fn ask(&mut self, payload: &str) -> Option<String> {
        self.send(&packet(payload.as_bytes()))
    }

    fn send(&mut self, bytes: &[u8]) -> Option<String> {
        if let Err(error) = self.server.receive(&mut self.debugger, bytes) {
            panic!("the session broke down: {error}");
        }
        self.look()
    }

    /// What the server has sent, and what the engine has done.
    fn look(&mut self) -> Option<String> {
        // Whoever has the target to change it makes the engine forget what it knows of it.
        let did = &self.debugger.target().did;
        for did in did.iter().skip(self.looked_at) {
            if let Did::Run(core) | Did::Step(core) = *did {
                self.started[usize::from(core)] = Some(*did);
            }
        }
        self.looked_at = did.len();
        let mut packets = self.sent.packets();
        // What a command prints comes before its answer.
        packets.retain(|packet| packet == "OK" || !packet.starts_with('O'));
        let packet = packets.pop();
        assert!(packets.is_empty(), "{packets:?} and {packet:?}");
        packet
    }

    fn point(&mut self, insert: bool, point: &Point) {
        let kind = point.kind % 5;
        let (address, length) = match kind {
            0 | 1 => {
                (RAM + u64::from(point.place) * 2 % CODE, if point.length.is_multiple_of(4) { 2 } else { 4 })
            }
            _ => (RAM + DATA + u64::from(point.place) % DATA_SIZE, u64::from(point.length) % 24),
        };
        let condition = if insert { CONDITIONS[usize::from(point.condition % 4)] } else { "" };
        let z = if insert { 'Z' } else { 'z' };
        let halted = self.server.status() == Status::Halted;
        let Some(answer) = self.ask(&format!("{z}{kind},{address:x},{length:x}{condition}")) else {
            panic!("{point:?} was not answered")
        };
        let asked = (kind, address, length);
        match (&*answer, insert) {
            ("OK", true) => _ = self.asked.insert(asked),
            // Of a software breakpoint the address decides.
            ("OK", false) => {
                self.asked.retain(|one| *one != asked && (kind != 0 || (one.0, one.1) != (0, address)));
            }
            _ => {
                assert!(answer.starts_with('E'), "{answer:?}");
                assert!(insert || !halted || !self.asked.contains(&asked), "{asked:x?} stays: {answer}");
            }
        }
    }

    /// Notes a resumption, which a core that runs already does not take.
    fn resumes(&mut self, steps: Option<u16>) {
        if self.server.status() == Status::Halted {
            (self.steps, self.compared) = (steps, None);
        }
    }

    fn happens(&mut self, core: u16, event: u8, place: u8, write: bool) {
        if self.debugger.target().is_halted(core) {
            return;
        }
        let mut pc = RAM + u64::from(place) * 4 % CODE;
        let event = match event % 6 {
            0 => recorder::breakpoint(),
            1 => recorder::step(),
            2 => recorder::watchpoint(RAM + DATA + u64::from(place) % DATA_SIZE, write),
            3 => recorder::brk(place.into()),
            4 => {
                // A step that is done, which is the most frequent of all events.
                pc = self.debugger.target().get(core, Register::Pc).wrapping_add(4);
                recorder::step()
            }
            _ => Event::DebugException { syndrome: u64::from(place) << 26, fault_address: 0 },
        };
        self.debugger.target_mut().halts(core, pc);
        if let Err(error) = self.debugger.on_event(CoreId(core), event) {
            panic!("{event:?} at {pc:#x}: {error}");
        }
        if let Err(error) = self.server.report_stop(&mut self.debugger) {
            panic!("the session broke down: {error}");
        }
        self.look();
    }

    fn carry_out(&mut self, act: &Act) {
        match *act {
            Act::Insert(ref point) => self.point(true, point),
            Act::Remove(ref point) => self.point(false, point),
            Act::Continue => {
                self.resumes(None);
                self.ask("vCont;c");
            }
            Act::Step { thread, others, range } => {
                self.resumes(Some(u16::from(thread) % CORES));
                let thread = thread % 2 + 1;
                let others = if others { ";c" } else { "" };
                let step = match range % 4 {
                    0 => format!("r{RAM:x},{:x}", RAM + u64::from(range)),
                    _ => "s".to_owned(),
                };
                self.ask(&format!("vCont;{step}:{thread}{others}"));
            }
            Act::Happens { core, event, place, write } => {
                self.happens(u16::from(core) % CORES, event, place, write);
            }
            Act::Interrupt => _ = self.send(&[3]),
            Act::Read { place, length } => {
                let (place, length) = (usize::from(place), usize::from(length % 32));
                let answer = self.ask(&format!("m{:x},{length:x}", RAM + place as u64));
                if self.server.status() == Status::Halted && length > 0 {
                    let plain = &self.plain[place..][..length];
                    let hex: String = plain.iter().map(|byte| format!("{byte:02x}")).collect();
                    assert_eq!(answer.as_ref(), Some(&hex), "{length} bytes at {place:#x}");
                }
            }
            Act::Write { place, bytes, length } => {
                let place = DATA + u64::from(place);
                self.write(place, &bytes[..usize::from(length % 7)]);
            }
            Act::WriteInstruction { place, which } => {
                let instruction = INSTRUCTIONS[usize::from(which) % INSTRUCTIONS.len()];
                self.write(u64::from(place) * 4 % CODE, &instruction.to_le_bytes());
            }
            Act::WriteRegister { number, value } => {
                // X0 to X3, and PC.
                let (number, value) = match number % 5 {
                    4 => (0x20, RAM + u64::from(value) * 4 % CODE),
                    number => (number, value.into()),
                };
                self.ask(&format!("P{number:x}={:016x}", value.swap_bytes()));
            }
            Act::Select(thread) => _ = self.ask(&format!("Hg{:x}", thread % 4)),
            Act::Extended => _ = self.ask("!"),
            Act::Detach => self.detach(),
            Act::Attach => _ = self.ask("vAttach;1"),
            Act::Query(which) => _ = self.ask(QUERIES[usize::from(which) % QUERIES.len()]),
        }
    }

    fn write(&mut self, place: u64, bytes: &[u8]) {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let answer = self.ask(&format!("M{:x},{:x}:{hex}", RAM + place, bytes.len()));
        if answer.as_deref() == Some("OK") {
            self.plain[place as usize..][..bytes.len()].copy_from_slice(bytes);
        }
    }

    fn detach(&mut self) {
        assert_eq!(self.ask("D").as_deref(), Some("OK"));
        self.asked.clear();
        self.compare_memory(&self.plain);
        for core in 0..CORES {
            let bank = self.debugger.target().bank(core);
            assert!(!self.debugger.target().is_halted(core), "core {core} does not run");
            assert_eq!(*bank, Bank::default(), "core {core}");
        }
        assert_eq!(self.debugger.target().trapping(), &[] as &[u64]);
    }

    fn compare_memory(&self, wanted: &[u8]) {
        let memory = self.debugger.target().memory();
        let different = memory.iter().zip(wanted).position(|(is, wanted)| is != wanted);
        assert_eq!(different, None, "memory is not as it should be, {:x?}", self.asked);
    }

    /// Compares, where nothing is out of the way of a step, what is armed and planted with what was asked for.
    fn compare(&mut self) {
        let target = self.debugger.target();
        if self.server.status() == Status::Halted {
            assert!(self.debugger.stop().is_some());
            assert!((0..CORES).all(|core| target.is_halted(core)));
        }
        let free = |core: u16| {
            !target.is_halted(core) && matches!(self.started[usize::from(core)], Some(Did::Run(_)))
        };
        if !(0..CORES).all(free) {
            return;
        }
        let mut memory = self.plain.clone();
        for (_, address, length) in self.asked.iter().filter(|(kind, ..)| *kind == 0) {
            let planted: &[u8] = if *length == 2 { &[0x4c, 0xbe] } else { &[0x80, 0x89, 0x2a, 0xd4] };
            memory[(address - RAM) as usize..][..planted.len()].copy_from_slice(planted);
        }
        self.compare_memory(&memory);
        let pages = target.trapping();
        for page in pages {
            let watched = |(kind, address, length): &Asked| {
                *kind == 2 && *address < page + PAGE && *page < address + length
            };
            assert!(self.asked.iter().any(watched), "page {page:#x} traps writes, {:x?}", self.asked);
        }
        let state = (self.asked.clone(), [0, 1].map(|core| *target.bank(core)), pages.to_vec());
        if self.compared.as_ref() == Some(&state) {
            return;
        }
        for core in 0..CORES {
            let bank = target.bank(core);
            for pc in (RAM - 8..RAM + CODE + 8).step_by(4) {
                for pc in [pc, pc + 2] {
                    let wanted = self.asked.iter().any(|(kind, address, length)| {
                        *kind == 1 && (*address..address + length).contains(&pc)
                    });
                    let stops = check_breakpoint(bank, pc, State::GUEST_KERNEL, FIRST_AWARE);
                    let of_a_step = stops && self.steps == Some(core);
                    assert!(
                        stops == wanted || of_a_step,
                        "core {core} at {pc:#x}: {stops}, {:x?}",
                        self.asked
                    );
                }
            }
            for address in RAM + DATA - 8..RAM + DATA + DATA_SIZE + 32 {
                for write in [false, true] {
                    let wanted = self.asked.iter().any(|(kind, first, length)| {
                        (*first..first + length).contains(&address)
                            && matches!((kind, write), (2, true) | (3, false) | (4, _))
                    });
                    let stops = check_watchpoint(bank, address, 1, write, State::GUEST_KERNEL, FIRST_AWARE);
                    // Beyond the comparators a page stops writes to it, and the engine looks which are meant.
                    let by_page = wanted && write && pages.contains(&(address & !(PAGE - 1)));
                    assert!(
                        stops == wanted || by_page,
                        "core {core}, {address:#x}: {stops}, {:x?}",
                        self.asked
                    );
                }
            }
        }
        self.compared = Some(state);
    }
}

/// Plays one session.
///
/// # Panics
/// Where target and acknowledgements differ.
pub fn check(data: &[u8]) {
    let mut buffer = [0; MIN_PACKET_BUFFER];
    let target = Recorder::new(CORES);
    let plain = target.memory().to_vec();
    let Ok(mut debugger) = Debugger::new(target) else { panic!("there are two cores") };
    let sent = Sent::default();
    let Ok(server) = Server::new(&mut debugger, sent.clone(), &mut buffer) else { panic!("no session") };
    let (asked, looked_at, started) = (BTreeSet::new(), 0, Default::default());
    let (steps, compared) = (None, None);
    let mut session = Session { debugger, server, sent, asked, plain, looked_at, started, steps, compared };
    session.compare();
    let mut source = Unstructured::new(data);
    for _ in 0..64 {
        let Ok(act) = source.arbitrary::<Act>() else { break };
        session.carry_out(&act);
        session.compare();
        if source.is_empty() || matches!(session.server.status(), Status::Closed(_)) {
            break;
        }
    }
    if matches!(session.server.status(), Status::Halted | Status::Running) {
        session.send(&[3]);
        session.detach();
    }
}
