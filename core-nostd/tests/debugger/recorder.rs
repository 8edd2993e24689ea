//! A target of plain memory and registers that records, in order, everything the engine does to it.

#![allow(dead_code, clippy::allow_attributes, reason = "the fuzz targets, which have it too, use less of it")]

use std::collections::BTreeMap;
use std::fmt;

use trapline_core::address::{AddressRange, PhysicalAddress};
use trapline_core::comparator::{Bank, Capabilities, Pair};
use trapline_core::scope::Scope;
use trapline_core::target::{
    Arming, Backend, BreakInstruction, Comparators, Console, CoreId, CoreState, Event, Memory, Profile,
    Refusal, Register, Registers, Resume, RunControl, SystemRegister, TargetError, TargetResult, WriteTraps,
};

pub(crate) const RAM: u64 = 0x4000_0000;
pub(crate) const RAM_SIZE: usize = 0x1_0000;
pub(crate) const YIELD: u32 = 0xd503_203f;

/// What the engine did that a core or the memory could notice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Did {
    /// Core, enabled breakpoint pairs, enabled watchpoint pairs, as bit sets.
    Commit(u16, u16, u16),
    /// A commit with the guest's own comparators off; it follows its `Commit`.
    HidesOwn(u16),
    Run(u16),
    Step(u16),
    Halt(u16),
    CallBack(u16),
    /// A word written to memory.
    Write(u64, u32),
    /// PSTATE written.
    Pstate(u16, u64),
    /// How many pages trap writes now.
    Protect(usize),
    /// A page made writable for a while, or no more.
    Lift(u64, bool),
}

#[derive(PartialEq, Debug)]
pub(crate) struct Unplugged;

impl fmt::Display for Unplugged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unplugged")
    }
}

impl std::error::Error for Unplugged {}

pub(crate) struct Recorder {
    registers: Vec<BTreeMap<String, u64>>,
    states: Vec<CoreState>,
    banks: Vec<Bank>,
    memory: Vec<u8>,
    pub(crate) did: Vec<Did>,
    pub(crate) reads: usize,
    /// What commands have printed, where somebody reads it.
    pub(crate) console: Option<Printed>,
    /// The pages that trap writes.
    trapping: Vec<u64>,
    pub(crate) profile: Profile,
}

/// Text of commands.
#[derive(Default)]
pub(crate) struct Printed(pub(crate) String);

impl Console for Printed {
    fn print(&mut self, _core: CoreId, text: &str) {
        self.0.push_str(text);
    }
}

impl Recorder {
    /// `cores` halted cores at EL1 with the MMU off and interrupts on, each at the start of a RAM full
    /// of YIELDs.
    pub(crate) fn new(cores: u16) -> Self {
        let mut target = Self {
            registers: vec![BTreeMap::new(); usize::from(cores)],
            states: vec![CoreState::Halted; usize::from(cores)],
            banks: vec![Bank::default(); usize::from(cores)],
            memory: YIELD.to_le_bytes().repeat(RAM_SIZE / 4),
            did: Vec::new(),
            reads: 0,
            console: Some(Printed::default()),
            trapping: Vec::new(),
            profile: Profile::A,
        };
        for core in 0..cores {
            target.set(core, Register::Pc, RAM);
            target.set(core, Register::Pstate, 0b0101);
            target.set(core, Register::System(SystemRegister::VBAR_EL1), RAM + 0x8000);
        }
        target
    }

    pub(crate) fn set(&mut self, core: u16, register: Register, value: u64) {
        self.registers[usize::from(core)].insert(register.to_string(), value);
    }

    pub(crate) fn get(&self, core: u16, register: Register) -> u64 {
        self.registers[usize::from(core)].get(&register.to_string()).copied().unwrap_or(0)
    }

    pub(crate) fn set_word(&mut self, address: u64, word: u32) {
        let offset = (address - RAM) as usize;
        self.memory[offset..offset + 4].copy_from_slice(&word.to_le_bytes());
    }

    pub(crate) fn word(&self, address: u64) -> u32 {
        let offset = (address - RAM) as usize;
        self.memory[offset..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
    }

    /// All of RAM, with what is planted in it.
    pub(crate) fn memory(&self) -> &[u8] {
        &self.memory
    }

    /// What stands in a core's comparators.
    pub(crate) fn bank(&self, core: u16) -> &Bank {
        &self.banks[usize::from(core)]
    }

    /// The pages that trap writes, ascending.
    pub(crate) fn trapping(&self) -> &[u64] {
        &self.trapping
    }

    /// Whether a core is halted.
    pub(crate) fn is_halted(&self, core: u16) -> bool {
        self.states[usize::from(core)] == CoreState::Halted
    }

    /// A core halts because of what `event` says; hand it to the engine next.
    pub(crate) fn halts(&mut self, core: u16, pc: u64) {
        self.states[usize::from(core)] = CoreState::Halted;
        self.set(core, Register::Pc, pc);
    }

    pub(crate) fn take(&mut self) -> Vec<Did> {
        std::mem::take(&mut self.did)
    }

    fn halted(&self, core: CoreId) -> Result<usize, Refusal> {
        match self.states.get(usize::from(core.0)) {
            None => Err(Refusal::NoSuchCore(core)),
            Some(CoreState::Halted) => Ok(usize::from(core.0)),
            Some(_) => Err(Refusal::Running(core)),
        }
    }

    fn span(&mut self, address: PhysicalAddress, length: usize) -> Result<&mut [u8], Refusal> {
        let beyond = Refusal::Unsupported("that is behind the last address");
        let range = AddressRange::new(address.0, length.max(1) as u64).map_err(|_| beyond)?;
        let offset = usize::try_from(address.0.wrapping_sub(RAM)).unwrap_or(usize::MAX);
        let end = offset.checked_add(length).ok_or(Refusal::NoMemory(range))?;
        self.memory.get_mut(offset..end).ok_or(Refusal::NoMemory(range))
    }
}

impl Backend for Recorder {
    type Error = Unplugged;

    fn cores(&self) -> u16 {
        self.states.len() as u16
    }

    fn write_traps(&mut self) -> Option<&mut dyn WriteTraps<Error = Unplugged>> {
        Some(self)
    }

    fn console(&mut self) -> Option<&mut dyn Console> {
        self.console.as_mut().map(|console| -> &mut dyn Console { console })
    }
}

impl WriteTraps for Recorder {
    type Error = Unplugged;

    fn page_size(&self) -> u64 {
        4096
    }

    fn protect(
        &mut self,
        pages: &mut dyn Iterator<Item = PhysicalAddress>,
    ) -> Result<(), TargetError<Unplugged>> {
        let pages: Vec<u64> = pages.map(|page| page.0).collect();
        assert!(pages.is_sorted() && pages.iter().all(|page| page.is_multiple_of(4096)), "{pages:x?}");
        self.did.push(Did::Protect(pages.len()));
        self.trapping = pages;
        Ok(())
    }

    fn lift(&mut self, page: PhysicalAddress, writable: bool) -> Result<(), TargetError<Unplugged>> {
        self.did.push(Did::Lift(page.0, writable));
        Ok(())
    }
}

impl Registers for Recorder {
    fn profile(&self) -> Profile {
        self.profile
    }

    fn read_register(&mut self, core: CoreId, register: Register) -> TargetResult<u64, Self> {
        self.halted(core)?;
        self.reads += 1;
        Ok(self.get(core.0, register))
    }

    fn write_register(&mut self, core: CoreId, register: Register, value: u64) -> TargetResult<(), Self> {
        self.halted(core)?;
        if register == Register::Pstate {
            self.did.push(Did::Pstate(core.0, value));
        }
        self.set(core.0, register, value);
        Ok(())
    }

    fn read_vector(&mut self, core: CoreId, number: u8) -> TargetResult<u128, Self> {
        self.halted(core)?;
        Ok(u128::from(number) << 64)
    }

    fn write_vector(&mut self, core: CoreId, number: u8, _value: u128) -> TargetResult<(), Self> {
        self.halted(core)?;
        Err(Refusal::NoSuchVector(number).into())
    }
}

impl Memory for Recorder {
    fn read_memory(&mut self, address: PhysicalAddress, buffer: &mut [u8]) -> TargetResult<(), Self> {
        let length = buffer.len();
        buffer.copy_from_slice(self.span(address, length)?);
        Ok(())
    }

    fn write_memory(&mut self, address: PhysicalAddress, bytes: &[u8]) -> TargetResult<(), Self> {
        self.span(address, bytes.len())?.copy_from_slice(bytes);
        if let Ok(word) = bytes.try_into() {
            self.did.push(Did::Write(address.0, u32::from_le_bytes(word)));
        }
        Ok(())
    }

    fn synchronize_instructions(
        &mut self,
        _address: PhysicalAddress,
        _length: usize,
    ) -> TargetResult<(), Self> {
        Ok(())
    }
}

impl Comparators for Recorder {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            breakpoints: 6,
            context_aware: 2,
            watchpoints: 4,
            zeroing_block: 64,
            ..Capabilities::NONE
        }
    }

    fn scope(&self) -> Scope {
        Scope::EL1_AND_EL0
    }

    fn break_instruction(&self) -> BreakInstruction {
        BreakInstruction::Brk
    }

    fn commit(&mut self, core: CoreId, arming: &Arming) -> TargetResult<(), Self> {
        let index = self.halted(core)?;
        self.banks[index] = arming.bank;
        let enabled =
            |pairs: &[Pair]| pairs.iter().rev().fold(0, |set, pair| set << 1 | u16::from(pair.is_enabled()));
        let (breakpoints, watchpoints) = (&arming.bank.breakpoints, &arming.bank.watchpoints);
        self.did.push(Did::Commit(core.0, enabled(breakpoints), enabled(watchpoints)));
        if arming.hides_own {
            self.did.push(Did::HidesOwn(core.0));
        }
        Ok(())
    }
}

impl RunControl for Recorder {
    fn core_state(&mut self, core: CoreId) -> TargetResult<CoreState, Self> {
        Ok(*self.states.get(usize::from(core.0)).ok_or(Refusal::NoSuchCore(core))?)
    }

    fn resume(&mut self, core: CoreId, how: Resume) -> TargetResult<(), Self> {
        let index = self.halted(core)?;
        self.states[index] = CoreState::Running;
        self.did.push(match how {
            Resume::Run | Resume::RunQuietly => Did::Run(core.0),
            Resume::Step => Did::Step(core.0),
        });
        Ok(())
    }

    fn call_back(&mut self, core: CoreId) -> TargetResult<bool, Self> {
        let index = self.halted(core)?;
        self.did.push(Did::CallBack(core.0));
        self.states[index] = CoreState::Running;
        Ok(true)
    }

    fn halt(&mut self, core: CoreId) -> TargetResult<(), Self> {
        self.states[usize::from(core.0)] = CoreState::Halted;
        self.did.push(Did::Halt(core.0));
        Ok(())
    }
}

/// Debug exceptions as EL2 is told of them: always with the class of a lower level.
pub(crate) fn breakpoint() -> Event {
    Event::DebugException { syndrome: 0x30 << 26 | 1 << 25 | 0x22, fault_address: 0 }
}

pub(crate) fn step() -> Event {
    Event::DebugException { syndrome: 0x32 << 26 | 1 << 25 | 0x22, fault_address: 0 }
}

pub(crate) fn watchpoint(address: u64, write: bool) -> Event {
    Event::DebugException {
        syndrome: 0x34 << 26 | 1 << 25 | 0x22 | u64::from(write) << 6,
        fault_address: address,
    }
}

pub(crate) fn brk(comment: u16) -> Event {
    Event::DebugException { syndrome: 0x3c << 26 | 1 << 25 | u64::from(comment), fault_address: 0 }
}
