//! A guest as a target of the debug engine: the traits of `trapline_core::target`.
#![expect(unsafe_code, reason = "the promise that this is EL2")]

use trapline_core::address::{AddressRange, PhysicalAddress};
use trapline_core::comparator::Capabilities;
use trapline_core::el2::{GuestDebug, GuestState, NoSuchDebugRegister, SystemRegisters, Verdict};
use trapline_core::registers::{MdcrEl2, Pstate, Spsr};
use trapline_core::scope::Scope;
use trapline_core::target::{
    Arming, Backend, BreakInstruction, Comparators, CoreId, CoreState, Event, Memory, Refusal, Register,
    Registers, Resume, RunControl, SystemRegister, TargetError, TargetResult,
};
#[cfg(feature = "write-traps")]
use trapline_core::target::{TrappedWrite, WriteTraps};

use super::registers::{read_system, write_system};
use crate::entry::Frame;
use crate::guest::{Guest, Outcome};
use crate::system::{read, synchronize, write};

/// A guest that is debugged, on this core.
#[derive(Debug)]
pub(super) struct DebuggedGuest {
    guest: Guest,
    debug: GuestDebug,
    hardware: SystemRegisters,
    /// `MDCR_EL2` but for what debugging changes.
    mdcr_el2: MdcrEl2,
    running: bool,
    held: Option<HeldTime>,
}

/// The guest's time, standing still.
#[derive(Clone, Copy, Debug)]
struct HeldTime {
    /// The physical counter when it was stopped.
    at: u64,
    /// The guest's `CNTV_CTL_EL0`.
    control: u64,
}

impl DebuggedGuest {
    /// A guest, halted.
    pub(super) fn new(guest: Guest) -> Self {
        // SAFETY: this is EL2, whose boot code has masked everything for good, and the value stays on this
        // core. Debug registers are changed by it alone: those of a core are set up before.
        let hardware = unsafe { SystemRegisters::new() };
        let debug = GuestDebug::new(hardware.capabilities(), hardware.has_aarch32());
        let mdcr_el2 = hardware.mdcr_el2();
        Self { guest, debug, hardware, mdcr_el2, running: false, held: None }
    }

    pub(super) const fn guest(&self) -> &Guest {
        &self.guest
    }

    pub(super) const fn guest_mut(&mut self) -> &mut Guest {
        &mut self.guest
    }

    pub(super) const fn debug(&mut self) -> &mut GuestDebug {
        &mut self.debug
    }

    pub(super) const fn is_running(&self) -> bool {
        self.running
    }

    /// Runs the guest until something happens.
    pub(super) fn run(&mut self) -> Result<Outcome, TargetError<NoSuchDebugRegister>> {
        self.release_time();
        let displaced = self.debug.displaced();
        let state = &mut Outside(&mut self.guest.frame);
        let mdcr_el2 =
            self.debug.enter(&mut self.hardware, self.mdcr_el2, state).map_err(TargetError::Lost)?;
        self.hardware.set_mdcr_el2(mdcr_el2);
        if self.debug.displaced() != displaced {
            defmt::warn!("own comparators of the guest without room: {}", self.debug.displaced());
        }
        Ok(self.guest.run())
    }

    /// Whose a debug exception is. If it is somebody's, the guest is halted.
    pub(super) fn verdict(&mut self, event: Event) -> Verdict {
        let verdict = self.debug.on_exception(event, &mut Outside(&mut self.guest.frame));
        self.running = verdict == Verdict::RunOn;
        verdict
    }

    /// The guest was about to write to a page that traps writes, and is halted.
    #[cfg(feature = "write-traps")]
    pub(super) fn halted_by(&mut self, write: TrappedWrite) -> Event {
        let event = Event::TrappedWrite(write);
        // Whose it is, is no question; what was put into the guest's state for a step is taken out.
        let _ = self.debug.on_exception(event, &mut Outside(&mut self.guest.frame));
        self.running = false;
        event
    }

    /// Lets the guest's virtual time stand still, and its timer's interrupt not come.
    pub(super) fn hold_time(&mut self) {
        const IMASK: u64 = 1 << 1;
        if self.held.is_none() {
            let control = read!("cntv_ctl_el0");
            write!("cntv_ctl_el0", control | IMASK);
            synchronize();
            self.held = Some(HeldTime { at: read!("cntpct_el0"), control });
        }
    }

    /// Lets it go on from where it was.
    fn release_time(&mut self) {
        if let Some(held) = self.held.take() {
            let stood = read!("cntpct_el0").wrapping_sub(held.at);
            write!("cntvoff_el2", read!("cntvoff_el2").wrapping_add(stood));
            write!("cntv_ctl_el0", held.control);
            synchronize();
        }
    }

    /// Reads one of the guest's own debug registers that are not in the hardware.
    fn read_own(&self, register: SystemRegister) -> Option<u64> {
        let own = self.debug.own_registers()?;
        match register {
            SystemRegister::MDSCR_EL1 => Some(own.context.mdscr_el1.into_bits()),
            SystemRegister::OSLSR_EL1 => Some(own.oslsr_el1()),
            _ => None,
        }
    }

    fn check(core: CoreId) -> Result<(), Refusal> {
        if core == super::VCPU { Ok(()) } else { Err(Refusal::NoSuchCore(core)) }
    }

    /// Refuses a core that runs, or that there is none of.
    fn check_halted(&self, core: CoreId) -> Result<(), Refusal> {
        Self::check(core)?;
        if self.running { Err(Refusal::Running(core)) } else { Ok(()) }
    }
}

impl Backend for DebuggedGuest {
    type Error = NoSuchDebugRegister;

    fn cores(&self) -> u16 {
        1
    }

    #[cfg(feature = "write-traps")]
    fn write_traps(&mut self) -> Option<&mut dyn WriteTraps<Error = NoSuchDebugRegister>> {
        Some(self)
    }
}

#[cfg(feature = "write-traps")]
impl WriteTraps for DebuggedGuest {
    type Error = NoSuchDebugRegister;

    fn page_size(&self) -> u64 {
        crate::stage2::PAGE_SIZE
    }

    fn protect(&mut self, pages: &mut dyn Iterator<Item = PhysicalAddress>) -> TargetResult<(), Self> {
        let protected = self.guest.memory.protect(pages.map(|page| page.0));
        Ok(protected.map_err(|address| Refusal::NoMemory(AddressRange::byte(address)))?)
    }

    fn lift(&mut self, page: PhysicalAddress, writable: bool) -> TargetResult<(), Self> {
        self.guest.memory.lift(page.0, writable);
        Ok(())
    }
}

impl Registers for DebuggedGuest {
    fn read_register(&mut self, core: CoreId, register: Register) -> TargetResult<u64, Self> {
        self.check_halted(core)?;
        let frame = &self.guest.frame;
        let value = match register {
            Register::X(number) => frame.x.get(usize::from(number)).copied(),
            Register::Pc => Some(frame.pc),
            Register::Pstate => Some(frame.pstate),
            Register::Fpsr => Some(frame.fpsr),
            Register::Fpcr => Some(frame.fpcr),
            Register::System(register) => self.read_own(register).or_else(|| read_system(register)),
            _ => None,
        };
        Ok(value.ok_or(Refusal::NoSuchRegister(register))?)
    }

    fn write_register(&mut self, core: CoreId, register: Register, value: u64) -> TargetResult<(), Self> {
        self.check_halted(core)?;
        let frame = &mut self.guest.frame;
        let place = match register {
            Register::X(number) => frame.x.get_mut(usize::from(number)),
            Register::Pc => Some(&mut frame.pc),
            Register::Pstate => {
                // A guest never runs at EL2, nor in AArch32 state.
                if value >> 2 & 0b11 > 1 || value >> 4 & 1 != 0 {
                    return Err(Refusal::BadValue { register, value }.into());
                }
                Some(&mut frame.pstate)
            }
            Register::Fpsr => Some(&mut frame.fpsr),
            Register::Fpcr => Some(&mut frame.fpcr),
            Register::System(system) => {
                let known = read_system(system).is_some();
                let refusal =
                    if known { Refusal::ReadOnly(register) } else { Refusal::NoSuchRegister(register) };
                return Ok(write_system(system, value).ok_or(refusal)?);
            }
            _ => None,
        };
        *place.ok_or(Refusal::NoSuchRegister(register))? = value;
        Ok(())
    }

    fn read_vector(&mut self, core: CoreId, number: u8) -> TargetResult<u128, Self> {
        self.check_halted(core)?;
        let vector = self.guest.frame.v.get(usize::from(number));
        Ok(*vector.ok_or(Refusal::NoSuchVector(number))?)
    }

    fn write_vector(&mut self, core: CoreId, number: u8, value: u128) -> TargetResult<(), Self> {
        self.check_halted(core)?;
        let vector = self.guest.frame.v.get_mut(usize::from(number));
        *vector.ok_or(Refusal::NoSuchVector(number))? = value;
        Ok(())
    }
}

impl DebuggedGuest {
    fn bytes(&mut self, address: PhysicalAddress, length: usize) -> Result<&mut [u8], Refusal> {
        if length == 0 {
            return Ok(&mut []);
        }
        let range = AddressRange::new(address.0, length as u64)
            .map_err(|_| Refusal::Unsupported("memory behind the end of the address space"))?;
        self.guest.memory.bytes(address.0, length).ok_or(Refusal::NoMemory(range))
    }
}

impl Memory for DebuggedGuest {
    fn read_memory(&mut self, address: PhysicalAddress, buffer: &mut [u8]) -> TargetResult<(), Self> {
        let bytes = self.bytes(address, buffer.len())?;
        for (to, from) in buffer.iter_mut().zip(bytes) {
            *to = *from;
        }
        Ok(())
    }

    fn write_memory(&mut self, address: PhysicalAddress, bytes: &[u8]) -> TargetResult<(), Self> {
        let memory = self.bytes(address, bytes.len())?;
        for (to, from) in memory.iter_mut().zip(bytes) {
            *to = *from;
        }
        Ok(())
    }

    fn synchronize_instructions(
        &mut self,
        address: PhysicalAddress,
        length: usize,
    ) -> TargetResult<(), Self> {
        self.guest.memory.synchronize_instructions(address.0, length);
        Ok(())
    }
}

impl Comparators for DebuggedGuest {
    fn capabilities(&self) -> Capabilities {
        self.debug.capabilities()
    }

    fn scope(&self) -> Scope {
        Scope::EL1_AND_EL0
    }

    fn break_instruction(&self) -> BreakInstruction {
        BreakInstruction::Brk
    }

    fn commit(&mut self, core: CoreId, arming: &Arming) -> TargetResult<(), Self> {
        self.check_halted(core)?;
        self.debug.arm(arming);
        Ok(())
    }
}

impl RunControl for DebuggedGuest {
    fn core_state(&mut self, core: CoreId) -> TargetResult<CoreState, Self> {
        Self::check(core)?;
        Ok(if self.running { CoreState::Running } else { CoreState::Halted })
    }

    fn resume(&mut self, core: CoreId, how: Resume) -> TargetResult<(), Self> {
        self.check_halted(core)?;
        self.debug.resume(how);
        self.running = true;
        Ok(())
    }

    /// The guest has left: this executes on its core.
    fn halt(&mut self, core: CoreId) -> TargetResult<(), Self> {
        Self::check(core)?;
        self.running = false;
        Ok(())
    }
}

/// The guest's registers while it is not in the core.
struct Outside<'a>(&'a mut Frame);

impl GuestState for Outside<'_> {
    fn pc(&self) -> u64 {
        self.0.pc
    }

    fn pstate(&self) -> Pstate {
        Pstate::from_bits(self.0.pstate)
    }

    fn set_pstate(&mut self, pstate: Pstate) {
        self.0.pstate = pstate.into_bits();
    }

    fn vbar_el1(&self) -> u64 {
        read!("vbar_el1")
    }

    fn elr_el1(&self) -> u64 {
        read!("elr_el1")
    }

    fn spsr_el1(&self) -> Spsr {
        Spsr::from_bits(read!("spsr_el1"))
    }

    fn set_spsr_el1(&mut self, spsr: Spsr) {
        write!("spsr_el1", spsr.into_bits());
    }
}
