//! What there is to tell of a hit.

use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use trapline_core::aarch32;
use trapline_core::address::sign_extend;
use trapline_core::debugger::{Debugger, Hit};
use trapline_core::pool::Owner;
use trapline_core::registers::Pstate;
use trapline_core::stop::{Stop, StopReason};
use trapline_core::target::{CoreId, Profile, Register, Target};
use trapline_core::watchpoint::Access;

use super::armed::Points;
use super::options::{Format, PointOptions};
use super::report::{Frame, Report, Summary};
use trapline_probe::places::{Registers, Symbols};

/// How far a backtrace goes.
const FRAMES: usize = 16;
/// Bytes of an A64 instruction, and of a T32 instruction that calls by name.
const INSTRUCTION: u64 = 4;

/// Tells of hits, and counts them.
pub(crate) struct Tracer {
    state: Mutex<State>,
    format: Format,
    backtrace: bool,
    most: Option<u64>,
    begun: Instant,
}

struct State {
    points: Points,
    hits: u64,
    output: Box<dyn Write + Send>,
}

impl Tracer {
    /// Tells of these points' hits on `output`.
    pub(crate) fn new(points: Points, options: &PointOptions, output: Box<dyn Write + Send>) -> Self {
        Self {
            state: Mutex::new(State { points, hits: 0, output }),
            format: options.format,
            backtrace: options.backtrace,
            most: options.max_stops,
            begun: Instant::now(),
        }
    }

    /// Tells of what `core` has hit of the command line's points, where it stands halted by `stop` after so
    /// much of the target's own time. Whether that was enough is the answer.
    ///
    /// # Errors
    /// Where nobody takes what is told.
    pub(crate) fn tell<T: Target, const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize>(
        &self,
        debugger: &mut Debugger<T, CORES, SOFTWARE, BYTECODE>,
        stop: &Stop,
        time: Option<Duration>,
    ) -> io::Result<bool> {
        let hits: Vec<Hit> =
            debugger.hits_of(stop.core).iter().filter(|hit| hit.owner == Owner::HOST).copied().collect();
        let mut state = self.lock();
        let is_enough = |hits| self.most.is_some_and(|most| hits >= most);
        for hit in hits {
            if is_enough(state.hits) {
                break;
            }
            // What does not belong to a point of the command line is somebody else's.
            let Some(point) = state.points.points.iter_mut().find(|point| point.request == Some(hit.request))
            else {
                continue;
            };
            point.hits += 1;
            let text = point.text.clone();
            state.hits += 1;
            let report = self.report(debugger, &state, text, &hit, stop, time);
            match self.format {
                Format::Text => writeln!(state.output, "{report}")?,
                Format::Json => writeln!(state.output, "{}", report.json())?,
            }
        }
        Ok(is_enough(state.hits))
    }

    /// Tells how often each point was hit.
    ///
    /// # Errors
    /// As [`Self::tell`].
    pub(crate) fn summarise(&self) -> io::Result<()> {
        let mut state = self.lock();
        let points = state.points.points.iter().map(|point| (point.text.clone(), point.hits)).collect();
        let summary = Summary { hits: state.hits, wall: self.begun.elapsed(), points };
        match self.format {
            Format::Text => write!(state.output, "{summary}"),
            Format::Json => writeln!(state.output, "{}", summary.json()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // What a panic elsewhere leaves is counts that are too low by one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn report<T: Target, const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize>(
        &self,
        debugger: &mut Debugger<T, CORES, SOFTWARE, BYTECODE>,
        state: &State,
        point: String,
        hit: &Hit,
        stop: &Stop,
        time: Option<Duration>,
    ) -> Report {
        let symbols = &state.points.symbols;
        let mut report = Report {
            number: state.hits,
            guest: time,
            wall: self.begun.elapsed(),
            core: stop.core.0,
            point,
            count: hit.count,
            reason: "hardware breakpoint",
            at: frame(symbols, stop.pc),
            access: None,
            failure: hit.failure.map(|failure| failure.to_string()),
            backtrace: None,
        };
        match stop.reason {
            StopReason::SoftwareBreakpoint => report.reason = "software breakpoint",
            StopReason::Watchpoint { watchpoint, address, made, change } => {
                report.reason = match watchpoint.access() {
                    Access::Read => "read watchpoint",
                    Access::Write => "write watchpoint",
                    Access::ReadWrite => "access watchpoint",
                };
                if made {
                    report.at = frame(symbols, before(debugger, stop));
                }
                report.access = Some((address, change));
            }
            _ => {}
        }
        if self.backtrace {
            report.backtrace = Some(backtrace(debugger, symbols, stop.core, &report.at));
        }
        report
    }
}

/// Whether a core executes T32 code, and whether it has the registers of 32-bit code.
fn is_narrow<T: Target, const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize>(
    debugger: &mut Debugger<T, CORES, SOFTWARE, BYTECODE>,
    core: CoreId,
) -> (bool, bool) {
    if debugger.target().profile() != Profile::A {
        return (true, true);
    }
    let state =
        debugger.read_register(core, Register::Pstate).ok().and_then(|state| Pstate::from(state).aarch32());
    (state.is_some_and(|state| state.t()), state.is_some())
}

/// The instruction before that at which the core stopped, which has made an access: of T32 code, whose instructions
/// have 2 or 4 bytes, the longer one where there can be one.
fn before<T: Target, const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize>(
    debugger: &mut Debugger<T, CORES, SOFTWARE, BYTECODE>,
    stop: &Stop,
) -> u64 {
    let long = stop.pc.wrapping_sub(INSTRUCTION);
    if !is_narrow(debugger, stop.core).0 {
        return long;
    }
    let mut halfword = [0; 2];
    let read = debugger.read_virtual(stop.core, long, &mut halfword);
    // Halfwords that begin a 4-byte instruction (DDI 0403, "Thumb instruction set encoding").
    let is_long = matches!(read, Ok(2)) && u16::from_le_bytes(halfword) >> 11 >= 0b11101;
    if is_long { long } else { stop.pc.wrapping_sub(2) }
}

fn frame(symbols: &Symbols, address: u64) -> Frame {
    Frame { address, place: symbols.place(address) }
}

/// Who called: in A64 code by the chain of frame records (AAPCS64, "The Frame Pointer"), where at the first instruction
/// of a function its own record is still to come, and the link register says who called; in 32-bit code by what the
/// symbols' file says of frames.
fn backtrace<T: Target, const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize>(
    debugger: &mut Debugger<T, CORES, SOFTWARE, BYTECODE>,
    symbols: &Symbols,
    core: CoreId,
    at: &Frame,
) -> Vec<Frame> {
    let is_first = matches!(at.place.symbol, Some((_, 0)));
    if is_narrow(debugger, core).1 {
        return backtrace_narrow(debugger, symbols, core, at);
    }
    let mut frames = Vec::new();
    if is_first && let Ok(link @ 1..) = debugger.read_register(core, Register::X(30)) {
        frames.push(frame(symbols, call(link)));
    }
    let mut pointer = debugger.read_register(core, Register::X(29)).unwrap_or_default();
    while frames.len() < FRAMES && pointer != 0 && pointer.is_multiple_of(8) {
        let mut record = [0; 16];
        if !matches!(debugger.read_virtual(core, pointer, &mut record), Ok(16)) {
            break;
        }
        let record = u128::from_le_bytes(record);
        let (next, link) = (record as u64, (record >> 64) as u64);
        if link == 0 {
            break;
        }
        frames.push(frame(symbols, call(link)));
        // The stack grows down, so that a chain which goes back is none.
        if next <= pointer {
            break;
        }
        pointer = next;
    }
    frames
}

/// The same of 32-bit code. Where the file does not know, the link register says who called at the first instruction of
/// a function.
fn backtrace_narrow<T: Target, const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize>(
    debugger: &mut Debugger<T, CORES, SOFTWARE, BYTECODE>,
    symbols: &Symbols,
    core: CoreId,
    at: &Frame,
) -> Vec<Frame> {
    let mode = match debugger.target().profile() {
        Profile::A => {
            debugger.read_register(core, Register::Pstate).map(|state| Pstate::from(state).mode()).ok()
        }
        _ => None,
    };
    let mut registers: Registers = [None; 16];
    for (number, value) in (0..15).zip(&mut registers) {
        let register = mode.map_or(Some(Register::X(number)), |mode| aarch32::register(mode, number));
        *value = register
            .and_then(|register| debugger.read_register(core, register).ok())
            .map(|value| value as u32);
    }
    let mut read = |address: u64| {
        let mut word = [0; 4];
        let read = debugger.read_virtual(core, address, &mut word);
        matches!(read, Ok(4)).then_some(u32::from_le_bytes(word))
    };
    let mut frames = Vec::new();
    let mut place = at.address;
    while frames.len() < FRAMES
        && let Some(caller) = symbols.caller(place, &registers, &mut read)
        && let Some(link) = caller[15]
    {
        place = call(link.into());
        frames.push(frame(symbols, place));
        registers = caller;
    }
    if frames.is_empty()
        && matches!(at.place.symbol, Some((_, 0)))
        && let Some(link @ 1..) = registers[14]
    {
        frames.push(frame(symbols, call(link.into())));
    }
    frames
}

/// The address of the call behind which a return address stands, without a pointer authentication code.
const fn call(link: u64) -> u64 {
    let plain = match link >> 48 {
        0 | 0xffff => link,
        _ => sign_extend(link, 47),
    };
    // Bit 0 of one says that it is Thumb code.
    (plain & !1).wrapping_sub(INSTRUCTION)
}
