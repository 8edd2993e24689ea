//! Whatever a debugger does with the registers of a simulated board, and whatever breaks: it answers, and what
//! no access port has is not there.

use arbitrary::{Arbitrary, Unstructured};
use trapline_simulator::armv8a::{Armv8aBoard, CTI_BASES, DEBUG_BASES};
use trapline_simulator::cortex_m::{Architecture, CortexMBoard};
use trapline_simulator::dap::jtag::Tap;
use trapline_simulator::dap::{DebugPort, Fault, Response, Space, System};

/// `SELECT` is written to choose an access port and a bank of its registers; in bank 0 are `CSW`, `TAR`, `DRW`.
const SELECT: u8 = 0x8;
const TAR: u8 = 0x4;
const DRW: u8 = 0xc;

#[derive(Arbitrary, Debug)]
enum Act {
    Read {
        debug: bool,
        register: u8,
    },
    Write {
        debug: bool,
        register: u8,
        value: u32,
    },
    /// A register of a core's debug unit or cross-trigger interface, or what is near it.
    Unit {
        which: u8,
        offset: u16,
        value: Option<u32>,
    },
    /// A word of memory.
    Memory {
        port: u8,
        address: u32,
        value: Option<u32>,
    },
    Clock(Vec<u8>),
    Run(u8),
    Reset(bool),
    Power {
        core: u8,
        on: bool,
    },
    Locked(bool),
    Plugged(bool),
    PowersUp(bool),
    Abort(u32),
}

/// Instructions that a board begins with, so that something runs.
#[derive(Arbitrary, Debug)]
struct Board {
    kind: u8,
    program: [u32; 8],
}

impl Board {
    fn build(&self) -> Option<Box<dyn System>> {
        let mut board: Box<dyn System> = match self.kind % 16 {
            0 => Box::new(CortexMBoard::new(Architecture::V7M).ok()?),
            1 => Box::new(CortexMBoard::new(Architecture::V8M).ok()?),
            _ => Box::new(Armv8aBoard::with_program(&self.program).ok()?),
        };
        board.run(8);
        Some(board)
    }
}

/// Does to one board what the input says.
///
/// # Panics
/// Where the board does, or answers while its plug is pulled.
pub fn check(data: &[u8]) {
    let mut source = Unstructured::new(data);
    let Some(system) = source.arbitrary::<Board>().ok().and_then(|board| board.build()) else { return };
    let mut port = DebugPort::new(system);
    port.set_pace(4);
    let mut tap = Tap::default();
    let mut plugged = true;
    // Power, and a first look.
    port.write(Space::Debug, 4, 0x5000_0000);
    for _ in 0..48 {
        let Ok(act) = source.arbitrary::<Act>() else { break };
        let answer = match act {
            Act::Read { debug, register } => {
                port.read(if debug { Space::Debug } else { Space::Access }, register & 0xc)
            }
            Act::Write { debug, register, value } => {
                port.write(if debug { Space::Debug } else { Space::Access }, register & 0xc, value)
            }
            Act::Unit { which, offset, value } => {
                let base = [DEBUG_BASES, CTI_BASES][usize::from(which & 1)][usize::from(which >> 1 & 1)];
                access(&mut port, 0, base as u32 + u32::from(offset & 0xffc), value)
            }
            Act::Memory { port: number, address, value } => access(&mut port, number % 3, address, value),
            Act::Clock(bits) => {
                bits.iter().for_each(|bits| tap.clock(&mut port, bits & 1 != 0, bits & 2 != 0));
                continue;
            }
            Act::Run(instructions) => {
                port.run(instructions.into());
                continue;
            }
            Act::Reset(asserted) => {
                port.set_reset(asserted);
                continue;
            }
            Act::Power { core, on } => {
                port.suffer(Fault::CorePower { core, on });
                continue;
            }
            Act::Locked(locked) => {
                port.suffer(Fault::Locked(locked));
                continue;
            }
            Act::Plugged(is) => {
                plugged = is;
                port.set_plugged(is);
                continue;
            }
            Act::PowersUp(does) => {
                port.set_powers_up(does);
                continue;
            }
            Act::Abort(value) => {
                port.abort(value);
                continue;
            }
        };
        assert_eq!(answer == Response::Silence, !plugged, "{answer:?}");
        if source.is_empty() {
            break;
        }
    }
}

/// One access behind an access port.
fn access(port: &mut DebugPort, number: u8, address: u32, value: Option<u32>) -> Response {
    port.write(Space::Debug, SELECT, u32::from(number) << 24);
    port.write(Space::Access, TAR, address);
    match value {
        Some(value) => port.write(Space::Access, DRW, value),
        None => port.read(Space::Access, DRW),
    }
}
