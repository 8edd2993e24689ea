//! The board. Its core lives in a thread of its own, for the processor cannot leave the one that made it.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use anyhow::Context;

use super::Architecture;
use super::core::{Core, FLASH, SRAM};
use crate::dap::component::{Identity, rom_table};
use crate::dap::{BusError, Fault, MemoryAp, MemoryApKind, Size, System};
use crate::image::load;

/// Where the program begins: the first of its instructions counts in R0, and begins a loop.
const ENTRY: u32 = FLASH + 0x100;
/// The loop's first instruction.
pub const LOOP: u32 = ENTRY + 6;
/// Where the count is stored; a byte of it, five bytes further, too.
pub const COUNTER: u32 = SRAM + 0x10;

/// The program: it counts, stores, and reads back.
const PROGRAM: [u16; 8] = [
    0x2120, // 100: movs r1, #0x20
    0x0609, // 102: lsls r1, r1, #24
    0x2000, // 104: movs r0, #0
    0x3001, // 106: adds r0, #1
    0x6108, // 108: str  r0, [r1, #0x10]
    0x7548, // 10a: strb r0, [r1, #0x15]
    0x8a4b, // 10c: ldrh r3, [r1, #0x12]
    0xe7fa, // 10e: b    106
];

const ROM_TABLE: u32 = 0xe00f_f000;
const SCS: u32 = 0xe000_e000;
const DWT: u32 = 0xe000_1000;
const FPB: u32 = 0xe000_2000;

/// A board with one Cortex-M core that counts.
#[derive(Debug)]
pub struct CortexMBoard {
    requests: Sender<Request>,
    answers: Receiver<Answer>,
}

#[derive(Debug)]
enum Request {
    Read(u32, Size),
    Write(u32, Size, u32),
    Run(u32),
    IsRunning,
    SetReset(bool),
    Suffer(Fault),
}

#[derive(Debug)]
enum Answer {
    Value(Option<u32>),
    Running(bool),
    Done,
}

impl CortexMBoard {
    /// A board after power-up, with a program that counts.
    ///
    /// # Errors
    /// Where its thread cannot be started, or the processor does not take its memory.
    pub fn new(architecture: Architecture) -> anyhow::Result<Self> {
        Self::with(architecture, None)
    }

    /// A board after power-up, with an ELF file's program.
    ///
    /// # Errors
    /// As [`Self::new`], and where the file is none for this board.
    pub fn with_elf(architecture: Architecture, image: &[u8]) -> anyhow::Result<Self> {
        Self::with(architecture, Some(image.to_vec()))
    }

    fn with(architecture: Architecture, image: Option<Vec<u8>>) -> anyhow::Result<Self> {
        let (requests, received) = channel();
        let (answered, answers) = channel();
        let (started, start) = channel();
        let work = move || {
            let board = Worker::new(architecture, image.as_deref());
            match board {
                Ok(mut board) => {
                    let _ = started.send(Ok(()));
                    while let Ok(request) = received.recv() {
                        if answered.send(board.serve(&request)).is_err() {
                            break;
                        }
                    }
                }
                Err(error) => {
                    let _ = started.send(Err(error));
                }
            }
        };
        thread::Builder::new().name("cortex-m".to_owned()).spawn(work)?;
        start.recv().context("the board's thread has ended")??;
        Ok(Self { requests, answers })
    }

    fn ask(&self, request: Request) -> Option<Answer> {
        self.requests.send(request).ok()?;
        self.answers.recv().ok()
    }
}

/// What the thread has.
struct Worker {
    architecture: Architecture,
    core: Core,
    write_protected: bool,
}

impl Worker {
    fn new(architecture: Architecture, image: Option<&[u8]>) -> anyhow::Result<Self> {
        let mut core = Core::new(architecture)?;
        if let Some(image) = image {
            load(image, object::Architecture::Arm, |address, bytes| store(&mut core, address, bytes))?;
            core.reset();
            return Ok(Self { architecture, core, write_protected: false });
        }
        let vectors = [SRAM + 0x1000, ENTRY | 1];
        for (address, word) in (FLASH..).step_by(4).zip(vectors) {
            core.write_memory(address, 4, word).context("there is no flash")?;
        }
        for (address, halfword) in (ENTRY..).step_by(2).zip(PROGRAM) {
            core.write_memory(address, 2, u32::from(halfword)).context("there is no flash")?;
        }
        core.reset();
        Ok(Self { architecture, core, write_protected: false })
    }

    fn serve(&mut self, request: &Request) -> Answer {
        match *request {
            Request::Read(address, size) => Answer::Value(self.read(address, size)),
            Request::Write(address, size, value) => {
                Answer::Value(self.write(address, size, value).map(|()| 0))
            }
            Request::Run(instructions) => {
                for _ in 0..instructions {
                    self.core.step();
                }
                Answer::Done
            }
            Request::IsRunning => Answer::Running(self.core.is_running()),
            Request::Suffer(Fault::CorePower { on, .. }) => {
                self.core.set_power(on);
                Answer::Done
            }
            Request::Suffer(Fault::WriteProtected(protected)) => {
                self.write_protected = protected;
                Answer::Done
            }
            Request::Suffer(Fault::Locked(locked)) => {
                self.core.locked = locked;
                Answer::Done
            }
            Request::SetReset(true) => {
                self.core.hold_in_reset();
                Answer::Done
            }
            Request::SetReset(false) => {
                self.core.reset();
                Answer::Done
            }
        }
    }

    fn read(&mut self, address: u32, size: Size) -> Option<u32> {
        if self.core.off {
            return None;
        }
        if let Some(value) = self.core.read(address & !0b11) {
            return Some(value >> (8 * (address & 0b11)));
        }
        let offset = address & 0xfff;
        let component = address & !0xfff;
        match component {
            ROM_TABLE => {
                let entries = [SCS, DWT, FPB].map(|base| base.wrapping_sub(ROM_TABLE));
                Some(rom_table(&self.identity(ROM_TABLE), &entries, u64::from(offset)))
            }
            SCS | DWT | FPB if Identity::covers(u64::from(offset)) => {
                Some(self.identity(component).read(u64::from(offset)))
            }
            DWT => Some(self.core.dwt.read(offset)),
            FPB => Some(self.core.fpb.read(offset)),
            // What is not a debug register of the control space reads as 0, and is written to nowhere.
            SCS => Some(0),
            _ => self.core.read_memory(address, size.bytes()),
        }
    }

    fn write(&mut self, address: u32, size: Size, value: u32) -> Option<()> {
        if self.core.off {
            return None;
        }
        if self.core.write(address, value) {
            return Some(());
        }
        let offset = address & 0xfff;
        match address & !0xfff {
            ROM_TABLE | SCS => Some(()),
            DWT => {
                self.core.dwt.write(offset, value);
                Some(())
            }
            FPB => {
                self.core.fpb.write(offset, value);
                Some(())
            }
            _ if self.write_protected => None,
            _ => self.core.write_memory(address, size.bytes(), value),
        }
    }

    const fn identity(&self, component: u32) -> Identity {
        let new = matches!(self.architecture, Architecture::V8M);
        let parts = match self.architecture {
            Architecture::V6M => [0x4c0, 0x008, 0x00a, 0x00b],
            Architecture::V7M => [0x4c3, 0x000, 0x002, 0x003],
            Architecture::V8M => [0x4c9, 0xd21, 0xd21, 0xd21],
        };
        let [table, control, watchpoints, breakpoints] = parts;
        let (part, architecture) = match component {
            ROM_TABLE => (table, 0),
            SCS => (control, 0x4770_2a04),
            DWT => (watchpoints, 0x4770_1a02),
            _ => (breakpoints, 0x4770_1a03),
        };
        let class = match component {
            ROM_TABLE => 1,
            _ if new => 9,
            _ => 0xe,
        };
        Identity {
            part,
            class,
            architecture: if new { architecture } else { 0 },
            device_type: 0,
            device_id: 0,
        }
    }
}

/// Puts a program's bytes into memory.
fn store(core: &mut Core, address: u64, bytes: &[u8]) -> anyhow::Result<()> {
    for (address, byte) in (address..).zip(bytes) {
        let address = u32::try_from(address).context("the board has 32-bit addresses")?;
        core.write_memory(address, 1, u32::from(*byte)).context("the board has no memory there")?;
    }
    Ok(())
}

impl System for CortexMBoard {
    fn access_ports(&self) -> Vec<MemoryAp> {
        vec![MemoryAp::new(0, MemoryApKind::Ahb, ROM_TABLE | 0b11)]
    }

    fn read(&mut self, _: u8, address: u64, size: Size) -> Result<u32, BusError> {
        match self.ask(Request::Read(address as u32, size)) {
            Some(Answer::Value(Some(value))) => Ok(value),
            _ => Err(BusError { address }),
        }
    }

    fn write(&mut self, _: u8, address: u64, size: Size, value: u32) -> Result<(), BusError> {
        match self.ask(Request::Write(address as u32, size, value)) {
            Some(Answer::Value(Some(_))) => Ok(()),
            _ => Err(BusError { address }),
        }
    }

    fn run(&mut self, instructions: u32) {
        self.ask(Request::Run(instructions));
    }

    fn is_running(&self) -> bool {
        matches!(self.ask(Request::IsRunning), Some(Answer::Running(true)))
    }

    fn set_reset(&mut self, asserted: bool) {
        self.ask(Request::SetReset(asserted));
    }

    fn suffer(&mut self, fault: Fault) {
        self.ask(Request::Suffer(fault));
    }

    fn take_serial(&mut self) -> Vec<u8> {
        Vec::new()
    }
}
